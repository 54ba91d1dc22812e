#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same pictures through anomalib's PatchCore and through this package: time, processor time, memory, size on disk.

    peer_anomalib.py FOLDER [--good 100] [--new 100] [--rounds 3] [--anomalib PYTHON] [--dinopatch PYTHON] [--peers NAME,..] [--json FILE]

FOLDER holds train/good/ and test/, as MVTec lays its sets out. Where it has fewer pictures than asked for, they are taken again, each time
made a little brighter. PYTHON is an interpreter in which the package can be imported; in a virtual environment of its own for each, the
size on disk is that of all that was installed there.

Each peer learns the good pictures and inspects the new ones, with a distance map of each, in a process of its own; the peers alternate,
round by round. Networks have random weights where a file of weights would have to be fetched: only cost is compared, not quality.

    anomalib      PatchCore, ResNet-18 (layers 2 and 3, pictures 256x256), a coreset of 10 %, as its own defaults are but for the network
    patchcore     this package: method="patchcore" on a ResNet-18 of the same shape, pictures 256x256, a coreset of 10 %
    auto          this package with no option at all
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PEERS = ("anomalib", "patchcore", "auto")


def work_anomalib(good, new, network):
    begin = time.perf_counter()
    import logging
    import warnings

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    from anomalib.data import Folder, PredictDataset
    from anomalib.engine import Engine
    from anomalib.models import Patchcore

    imported = time.perf_counter()
    data = Folder(name="set", root=os.path.dirname(good), normal_dir=os.path.basename(good), train_batch_size=8, eval_batch_size=8,
                  num_workers=0, test_split_mode="none", val_split_mode="none")
    model = Patchcore(backbone="resnet18", layers=("layer2", "layer3"), pre_trained=False, coreset_sampling_ratio=0.1)
    engine = Engine(accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, limit_val_batches=0)
    engine.fit(model=model, datamodule=data)
    learned = time.perf_counter()
    found = engine.predict(model=model, dataset=PredictDataset(path=new), return_predictions=True)
    n = sum(len(batch.pred_score) for batch in found)
    shape = list(found[0].anomaly_map.shape[-2:])
    return imported - begin, learned - imported, time.perf_counter() - learned, n, shape


def work_ours(good, new, network, **options):
    begin = time.perf_counter()
    import dinopatch as dp

    imported = time.perf_counter()
    bank = dp.fit(good, network or "nano", **options)
    learned = time.perf_counter()
    n = 0
    for result in bank.inspect_many(new):
        if result.error is not None:
            raise result.error
        n, shape = n + 1, list(result.map.shape)
    return imported - begin, learned - imported, time.perf_counter() - learned, n, shape


def work(peer, good, new, network):
    """In a process of its own: one line of JSON."""
    if peer == "anomalib":
        done = work_anomalib(good, new, network)
    elif peer == "patchcore":
        done = work_ours(good, new, network, method="patchcore", canvas=(256, 256), bank_coreset=0.1)
    else:
        done = work_ours(good, new, None)
    print("\n" + json.dumps(dict(zip(("import_s", "fit_s", "inspect_s", "n", "map"), done))))


def measured(python, peer, good, new, network, folder):
    """Seconds, processor seconds and the largest resident memory of one run."""
    out = os.path.join(folder, "out")
    with open(out, "wb") as file:
        begin = time.perf_counter()
        child = subprocess.Popen([python, os.path.abspath(__file__), "--work", peer, good, new, network], stdout=file, stderr=subprocess.STDOUT,
                                 cwd=folder)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
    with open(out, encoding="utf-8", errors="replace") as file:
        said = file.read()
    if child.returncode:
        sys.exit(f"{peer} failed:\n{said[-3000:]}")
    done = json.loads(said.strip().splitlines()[-1])
    return {**done, "wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}


def installed_mb(python):
    """All files below site-packages of a virtual environment, pip and setuptools left out; None: it is none."""
    code = "import sys, sysconfig; print(sysconfig.get_paths()['purelib'] if sys.prefix != sys.base_prefix else '')"
    folder = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    if not folder:
        return None
    size = 0
    for where, folders, files in os.walk(folder):
        if where == folder:
            folders[:] = [name for name in folders if name.split("-")[0] not in ("pip", "setuptools", "pkg_resources", "_distutils_hack")]
        folders[:] = [name for name in folders if name != "__pycache__"]
        size += sum(os.lstat(os.path.join(where, name)).st_size for name in files)
    return size / 1e6


def pictures(folder):
    found = []
    for where, folders, files in os.walk(folder):
        folders.sort()
        found += [os.path.join(where, name) for name in sorted(files) if name.lower().endswith((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"))]
    return found


def lay(sources, n, folder):
    """n pictures in a folder: those of sources, then brighter ones."""
    from PIL import Image

    if not sources:
        sys.exit("peer_anomalib: FOLDER needs pictures in train/good/ and in test/")
    os.makedirs(folder)
    for index in range(n):
        source, again = sources[index % len(sources)], index // len(sources)
        target = os.path.join(folder, f"{index:04d}")
        if not again:
            shutil.copy(source, target + os.path.splitext(source)[1])
        else:
            with Image.open(source) as image:
                image.convert("RGB").point([min(level + again, 255) for level in range(256)] * 3).save(target + ".png")


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder")
    asked.add_argument("--good", type=int, default=100)
    asked.add_argument("--new", type=int, default=100)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--anomalib", default=sys.executable, metavar="PYTHON")
    asked.add_argument("--dinopatch", default=sys.executable, metavar="PYTHON")
    asked.add_argument("--program", default="dinopatch", help="writes the network of random weights")
    asked.add_argument("--peers", default=",".join(PEERS))
    asked.add_argument("--json", metavar="FILE")
    asked = asked.parse_args()
    peers = asked.peers.split(",")
    for name in ("anomalib", "dinopatch"):
        python = shutil.which(getattr(asked, name)) or sys.exit(f"peer_anomalib: {getattr(asked, name)}: no such interpreter")
        setattr(asked, name, os.path.abspath(python))  # not resolved: the link says which environment it is
    if not set(peers) <= set(PEERS):
        sys.exit(f"peer_anomalib: --peers takes {', '.join(PEERS)}")
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        good, new, network = os.path.join(folder, "good"), os.path.join(folder, "new"), os.path.join(folder, "resnet18.safetensors")
        lay(pictures(os.path.join(asked.folder, "train", "good")), asked.good, good)
        lay(pictures(os.path.join(asked.folder, "test")), asked.new, new)
        if "patchcore" in peers:
            subprocess.run([asked.program, "model", "synth", "--arch", "resnet18", "--out", network], check=True, stdout=subprocess.DEVNULL)
        for index in range(asked.rounds):
            for peer in peers:
                python = asked.anomalib if peer == "anomalib" else asked.dinopatch
                done = measured(python, peer, good, new, network, folder)
                if done["n"] != asked.new:
                    sys.exit(f"peer_anomalib: {peer} inspected {done['n']} of {asked.new} pictures")
                rounds.append({"peer": peer, "round": index, "load": os.getloadavg()[0], **done})
                print(f"round {index + 1}, {peer}: {done['wall_s']:.1f} s, processor {done['cpu_s']:.1f} s, {done['peak_mb']:.0f} MB; "
                      f"load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    table = []
    for peer in peers:
        own = [it for it in rounds if it["peer"] == peer]
        row = {key: statistics.median(it[key] for it in own) for key in ("import_s", "fit_s", "inspect_s", "wall_s", "cpu_s", "peak_mb")}
        table.append({"peer": peer, **row, "installed_mb": installed_mb(asked.anomalib if peer == "anomalib" else asked.dinopatch)})
    print(f"{asked.good} good pictures learned, {asked.new} inspected; median of {asked.rounds} alternating rounds, "
          f"{len(os.sched_getaffinity(0))} processors, load {min(it['load'] for it in rounds):.1f} to {max(it['load'] for it in rounds):.1f}\n")
    print("| | import s | fit s | inspect s | wall s | processor s | peak MB | installed MB |\n|---|---|---|---|---|---|---|---|")
    for row in table:
        size = "-" if row["installed_mb"] is None else f"{row['installed_mb']:,.0f}"
        print(f"| {row['peer']} | {row['import_s']:.1f} | {row['fit_s']:.1f} | {row['inspect_s']:.1f} | {row['wall_s']:.1f} | {row['cpu_s']:.1f} | "
              f"{row['peak_mb']:.0f} | {size} |")
    if asked.json:
        with open(asked.json, "w", encoding="utf-8") as file:
            json.dump({"rounds": rounds, "table": table}, file, indent=1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(*sys.argv[2:6])
    else:
        main()
