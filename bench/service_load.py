#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Loads `dinopatch serve` with clients that post pictures, in turn with `dinopatch inspect` of the same files; watches its memory.

usage: bench/service_load.py [--dinopatch PROGRAM] [--clients N] [--rounds N] [--seconds S] [--size PX]
                             [--pictures N] [--memory REQUESTS] [--every N] [-- OPTIONS OF SERVE]
needs: Python 3 with NumPy and Pillow

A round posts for S seconds by N clients, each on one connection, and then inspects as many of the same files by the program with as many
threads as there are workers.  Printed: pictures a second, wall and processor time a picture of both, and the clients' p50 and p99.
--memory REQUESTS posts so many pictures instead, half of them as KServe tensors, and prints the service's resident memory every N: small ones of
128 px, or around --size."""
import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

TICKS = os.sysconf("SC_CLK_TCK")


def texture(seed, size):
    """A woven surface with noise, another one for each seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size]
    light = 128 + 40 * np.sin(x / 5 + random.normal()) * np.cos(y / 7 + random.normal()) + random.normal(0, 12, (size, size))
    return np.clip(np.stack([light, 0.9 * light, 0.8 * light], -1), 0, 255).astype(np.uint8)


def write(folder, first, n, size):
    folder.mkdir(parents=True)
    files = [folder / f"{first + i:04d}.jpg" for i in range(n)]
    for i, file in enumerate(files):
        Image.fromarray(texture(first + i, size)).save(file, quality=92)
    return files


class Service:
    def __init__(self, program, data, options):
        self.process = subprocess.Popen([program, "serve", "--data", data, "--listen", "127.0.0.1:0", "--log-level", "error", *options],
                                        stdout=subprocess.PIPE)
        url = self.process.stdout.readline().decode().strip()
        if not url:
            sys.exit("the service did not begin")
        self.host, port = url.split("//")[1].rsplit(":", 1)
        self.port = int(port)
        self.workers = json.loads(self.ask("GET", "/v1/server")[1])["workers"]

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=600)

    def ask(self, method, path, body=None, headers=None, connection=None):
        connection = connection or self.connect()
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def processor_s(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def status(self, key):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) / 1024
        return 0.0

    def stop(self):
        self.process.terminate()
        self.process.wait()


def clients(service, n, work):
    """work(client, connection) until it returns False; returns what went wrong."""
    faults = []

    def run(client):
        connection = service.connect()
        try:
            while work(client, connection):
                pass
        except (OSError, http.client.HTTPException, AssertionError) as error:
            faults.append(repr(error))
        connection.close()
    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        sys.exit(f"{len(faults)} clients failed: {faults[0]}")


def post_for(service, bodies, asked):
    """Posts in turn for so long; returns count, wall and processor seconds, seconds of each answer."""
    times, lock, end, next_one = [], threading.Lock(), time.monotonic() + asked.seconds, iter(range(10**9))

    def work(client, connection):
        with lock:
            body = bodies[next(next_one) % len(bodies)]
        begin = time.monotonic()
        if begin >= end:
            return False
        status, answer = service.ask("POST", "/v1/banks/load/inspect?name=x.jpg", body, connection=connection)
        if status == 429:
            time.sleep(0.05)
            return True
        assert status == 200, answer[:300]
        with lock:
            times.append(time.monotonic() - begin)
        return True
    wall, processor = time.monotonic(), service.processor_s()
    clients(service, asked.clients, work)
    return len(times), time.monotonic() - wall, service.processor_s() - processor, times


def inspect(asked, bank, files, n, threads, folder):
    """The same number of pictures by the program; wall and processor seconds."""
    listed = folder / "files.txt"
    listed.write_text("".join(f"{files[i % len(files)]}\n" for i in range(n)))
    before, wall = os.times(), time.monotonic()
    subprocess.run([asked.dinopatch, "inspect", "--quiet", "--bank", bank, "--json", "--threads", str(threads), "--files-from", listed],
                   stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return time.monotonic() - wall, after.children_user + after.children_system - before.children_user - before.children_system


def throughput(service, asked, files, bank, folder):
    bodies = [file.read_bytes() for file in files]
    ratios, walls = [], []
    print(f"{asked.clients} clients, {asked.size}-px JPEGs, {service.workers} workers, load {os.getloadavg()[0]:.1f}")
    for i in range(asked.rounds):
        n, wall, processor, times = post_for(service, bodies, asked)
        own_wall, own_processor = inspect(asked, bank, files, n, service.workers, folder)
        times.sort()
        ratios.append(processor / own_processor)
        walls.append(wall / own_wall)
        print(f"round {i + 1}: {n} pictures  serve {n / wall:.1f}/s, {1000 * wall / n:.1f} ms wall, {1000 * processor / n:.1f} ms processor, "
              f"p50 {1000 * times[n // 2]:.0f} ms, p99 {1000 * times[int(0.99 * (n - 1))]:.0f} ms, {service.status('VmRSS'):.0f} MB   "
              f"inspect {n / own_wall:.1f}/s, {1000 * own_wall / n:.1f} ms wall, {1000 * own_processor / n:.1f} ms processor   "
              f"load {os.getloadavg()[0]:.1f}", flush=True)
    print(f"serve / inspect, median of {asked.rounds}: wall {statistics.median(walls):.3f}, processor {statistics.median(ratios):.3f}")


def memory(service, asked):
    """Posts pictures, half of them as KServe's binary tensors."""
    sides = [asked.size * side // 4 for side in (3, 4, 5)]
    jpegs, tensors = [], []
    for seed in range(24):
        picture = texture(5000 + seed, sides[seed % 3])
        path = Path(tempfile.gettempdir()) / f"service-load-{os.getpid()}.jpg"
        Image.fromarray(picture).save(path)
        jpegs.append(path.read_bytes())
        path.unlink()
        head = json.dumps({"inputs": [{"name": "image", "datatype": "UINT8", "shape": list(picture.shape),
                                       "parameters": {"binary_data_size": picture.nbytes}}]}).encode()
        tensors.append((head + picture.tobytes(), {"Inference-Header-Content-Length": str(len(head))}))
    lock, count, seen, begin = threading.Lock(), iter(range(asked.memory)), [], time.monotonic()

    def work(client, connection):
        with lock:
            i = next(count, None)
            if i is not None and i % asked.every == 0:
                seen.append((i, service.status("VmRSS"), service.status("RssAnon")))
                print(f"{i:7d} requests  {seen[-1][1]:.1f} MB resident, {seen[-1][2]:.1f} MB of it the heap's, {service.status('Threads') * 1024:.0f} threads, "
                      f"{time.monotonic() - begin:.0f} s", flush=True)
        if i is None:
            return False
        if i % 2:
            status, answer = service.ask("POST", "/v2/models/load/infer", tensors[i % 24][0], tensors[i % 24][1], connection)
        else:
            status, answer = service.ask("POST", f"/v1/banks/load/inspect?name={i}.jpg", jpegs[i % 24], connection=connection)
        assert status in (200, 429), answer[:300]
        return True
    clients(service, asked.clients, work)
    print(f"{asked.memory:7d} requests  {service.status('VmRSS'):.1f} MB resident, {service.status('RssAnon'):.1f} MB of it the heap's; "
          f"at most {service.status('VmHWM'):.1f} MB")
    settled = [anon for i, _, anon in seen if i >= min(asked.memory // 5, 2000)] + [service.status("RssAnon")]
    print(f"heap after the first {min(asked.memory // 5, 2000)}: {min(settled):.1f} to {max(settled):.1f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).resolve().parent.parent
    parser.add_argument("--dinopatch", default=str(here / "build" / "dinopatch"))
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--size", type=int)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--memory", type=int, metavar="REQUESTS")
    parser.add_argument("--every", type=int, default=1000)
    parser.add_argument("serve", nargs="*", help="options of serve, after --")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = asked.memory and not asked.size
        asked.size = asked.size or (128 if small else 448)
        good = write(folder / "good", 0, 20, asked.size)
        files = write(folder / "new", 1000, 1 if asked.memory else asked.pictures, asked.size)
        bank = folder / "data" / "banks" / "load.bank"
        bank.parent.mkdir(parents=True)
        fit = ["--size", "128"] if small else []
        subprocess.run([asked.dinopatch, "fit", "--quiet", "--align", "none", *fit, "--out", bank, good[0].parent],
                       stdout=subprocess.DEVNULL, check=True)
        service = Service(asked.dinopatch, folder / "data", asked.serve)
        try:
            if asked.memory:
                memory(service, asked)
            else:
                throughput(service, asked, files, bank, folder)
        finally:
            service.stop()


if __name__ == "__main__":
    main()
