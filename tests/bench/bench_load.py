#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interleaved: loading each model with automatic batching and without, and with batching once more with a warm cache.

    bench_load.py [--bench-load PROGRAM] [--rounds 7] [--output FILE.json] [MODEL...]

Without MODEL: every model below $WEIR_SHARED/models that loads. Each load is a process of its own with no cache, so that batches are
proved and measured each time, which is the dearest case; "warm" has a folder of its own that an earlier load has filled. Prints a table in
Markdown: load time and CPU time of the load (the best of the rounds, and how many times that without batching), what the weights take,
memory of the process when loaded, and half a second later.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODES = ("singles", "batches", "warm")
FIGURES = ("load_ms", "cpu_ms", "weights_mb", "loaded_mb", "idle_mb", "peak_mb")


def load(program, path, mode, cache):
    """One process; None where the model is refused."""
    argument, folder = ("batches", cache) if mode == "warm" else (mode, "")
    run = subprocess.run([program, path, argument], capture_output=True, text=True, env={**os.environ, "WEIR_CACHE_DIR": folder})
    return json.loads(run.stdout) if run.returncode == 0 else None


def bench(program, path, rounds, cache):
    runs = {mode: [] for mode in MODES}
    load(program, path, "warm", cache)
    for i in range(rounds):
        for mode in MODES if i % 2 else reversed(MODES):
            figures = load(program, path, mode, cache)
            if not figures:
                return None
            runs[mode].append(figures)
    best = {mode: {f: min(r[f] for r in runs[mode]) for f in FIGURES} for mode in MODES}
    return {**best, "batch_max": runs["batches"][0]["batch_max"], "runs": runs}


def models():
    folder = pathlib.Path(os.environ["WEIR_SHARED"]) / "models"
    return sorted(str(p) for p in folder.rglob("*") if p.suffix in (".onnx", ".xml"))


def name_of(path):
    """Models of one name that differ in precision lie in folders of that name."""
    parts = pathlib.Path(path)
    return f"{parts.stem} {parts.parent.name}" if parts.suffix == ".xml" else parts.stem


def row(path, r):
    s, b, w = r["singles"], r["batches"], r["warm"]
    return (f"| {name_of(path)} | {r['batch_max']} | {s['load_ms']:.0f} | {b['load_ms']:.0f} | {w['load_ms']:.0f} | {b['load_ms'] / s['load_ms']:.2f} "
            f"| {b['cpu_ms'] / s['cpu_ms']:.2f} | {s['weights_mb']:.1f} | {b['weights_mb']:.1f} | {s['loaded_mb']:.0f} | {b['loaded_mb']:.0f} "
            f"| {b['idle_mb']:.0f} |")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="*", metavar="MODEL")
    p.add_argument("--bench-load", default=str(ROOT / "build/tests/bench/bench_load"))
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--output", type=pathlib.Path)
    a = p.parse_args()
    results = {}
    print("| model | largest batch | load, ms: alone | batching | warm | times | CPU time, times | weights, MB: alone | batching "
          "| process, MB: alone | batching | idle |")
    print("|---" + "|--:" * 11 + "|")
    with tempfile.TemporaryDirectory() as cache:
        for path in a.models or models():
            r = bench(a.bench_load, path, a.rounds, cache)
            if not r:
                print(f"{path}: is refused", file=sys.stderr)
                continue
            results[path] = r
            print(row(path, r), flush=True)
    for figure in ("load_ms", "cpu_ms", "loaded_mb"):
        logs = [math.log(r["batches"][figure] / r["singles"][figure]) for r in results.values()]
        print(f"{figure}: {math.exp(statistics.mean(logs)):.3f} times in the mean, {math.exp(max(logs)):.2f} at most", file=sys.stderr)
    if a.output:
        a.output.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
