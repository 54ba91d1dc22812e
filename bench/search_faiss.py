#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Global search beside FAISS's flat index on the same vectors (Debian: python3-faiss, python3-numpy).
usage: search_faiss.py path/to/bench_search [ROWS QUERIES DIM K [ROUNDS [ROWS.npy QUERIES.npy]]]

Each round runs FAISS, then bench_search, with all processors, or as many threads as the environment's THREADS says; METRICS (l2 cosine) chooses.
Printed are the medians, their ratio and how many neighbours agree; and the same of processor time (of all threads), which other
work on the machine disturbs less.
Where they do not, both distances are compared in double precision: "worse" counts neighbours of ours that are truly further.
Vectors without a file: 200 clusters and a mean that all share, as the features of pictures have."""
import json, os, statistics, subprocess, sys, tempfile, time
import faiss
import numpy as np

bench = sys.argv[1]
n, nq, dim, k = (int(a) for a in sys.argv[2:6]) if len(sys.argv) > 5 else (100000, 1024, 384, 1)
rounds = int(sys.argv[6]) if len(sys.argv) > 6 else 5
rng = np.random.default_rng(1)
if len(sys.argv) > 8:
    rows, queries = (np.ascontiguousarray(np.load(f), np.float32) for f in sys.argv[7:9])
    n, dim, nq = rows.shape[0], rows.shape[1], queries.shape[0]
else:
    mean, centres = rng.normal(size=dim), rng.normal(size=(200, dim))
    draw = lambda m: (mean + centres[rng.integers(0, 200, m)] + 0.5 * rng.normal(size=(m, dim))).astype(np.float32)
    rows, queries = draw(n), draw(nq)
threads = int(os.environ.get("THREADS", len(os.sched_getaffinity(0))))
faiss.omp_set_num_threads(threads)
folder = tempfile.mkdtemp()
paths = [os.path.join(folder, name) for name in ("rows", "queries", "found")]
rows.tofile(paths[0]), queries.tofile(paths[1])
for metric in os.environ.get("METRICS", "l2 cosine").split():
    a, b = rows, queries
    if metric == "cosine":
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rows, queries))
    index = faiss.IndexFlatL2(dim) if metric == "l2" else faiss.IndexFlatIP(dim)
    index.add(a)
    index.search(b[:64], k)
    theirs, ours, products = [], [], []
    theirs_cpu, ours_cpu, products_cpu = [], [], []
    for _ in range(rounds):
        start, start_cpu = time.perf_counter(), time.process_time()
        _, faiss_found = index.search(b, k)
        theirs.append(time.perf_counter() - start), theirs_cpu.append(time.process_time() - start_cpu)
        line = subprocess.run([bench, paths[0], paths[1], str(dim), metric, str(k), "1", str(threads), "f32", "auto", paths[2]],
                              check=True, capture_output=True, text=True).stdout
        line = json.loads(line)
        ours.append(line["search_s"]), products.append(line["product_s"])
        ours_cpu.append(line["search_cpu_s"]), products_cpu.append(line["product_cpu_s"])
    found = np.fromfile(paths[2], np.uint32)[: nq * k].reshape(nq, k)
    differ = np.argwhere(found != faiss_found)
    worse = 0
    for q, i in differ:
        x, y, z = (v.astype(np.float64) for v in (b[q], a[found[q, i]], a[faiss_found[q, i]]))
        worse += np.linalg.norm(x - y) > np.linalg.norm(x - z) * (1 + 1e-6)
    f, o, p = (statistics.median(v) for v in (theirs, ours, products))
    print(f"{metric:6} {n} x {dim}, {nq} queries, k {k}, {threads} threads: faiss {f:.3f} s, dinopatch {o:.3f} s, ratio {f / o:.2f}; "
          f"product {p:.3f} s, share {p / o:.2f}; {nq * k - len(differ)} of {nq * k} neighbours the same, {worse} worse")
    f, o, p = (statistics.median(v) for v in (theirs_cpu, ours_cpu, products_cpu))
    ratios = sorted(x / y for x, y in zip(theirs_cpu, ours_cpu))
    print(f"       processor time: faiss {f:.3f} s, dinopatch {o:.3f} s, ratio {f / o:.2f} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f}); "
          f"product {p:.3f} s, share {p / o:.2f}, {2e-9 * n * nq * dim / o:.1f} GFLOP/s a thread")
for path in paths:
    os.path.exists(path) and os.remove(path)
os.rmdir(folder)
