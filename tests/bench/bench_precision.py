#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interleaved: the precisions of quantised models against each other, in one run.

    bench_precision.py [--weir PROGRAM] [--precisions f32,int8] [--rounds 3] [--seconds 2] [--output FILE.json] MODEL...

In every round each model runs at each precision, one after the other, as `weir bench` with two streams in a closed loop, one by one
and in batches of up to eight. Figures are medians over the rounds, in items per second; the ratio is the last precision's to the first's.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCHES = (1, 8)


def items_per_s(program, path, precision, batch, seconds):
    command = [program, "bench", path, "--precision", precision, "--batch-size", str(batch), "--streams", "2", "--seconds", str(seconds), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["items_per_s"]


def bench(program, path, precisions, rounds, seconds):
    runs = {(p, b): [] for p in precisions for b in BATCHES}
    for _ in range(rounds):
        for key, figures in runs.items():
            figures.append(items_per_s(program, path, *key, seconds))
    return {f"{p} batch {b}": {"median": statistics.median(v), "runs": v} for (p, b), v in runs.items()}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+", metavar="MODEL")
    p.add_argument("--weir", default=str(ROOT / "build/engine/cli/weir"))
    p.add_argument("--precisions", default="f32,int8")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--output", type=pathlib.Path)
    a = p.parse_args()
    precisions = a.precisions.split(",")
    results = {}
    for path in a.models:
        r = results[path] = bench(a.weir, path, precisions, a.rounds, a.seconds)
        for b in BATCHES:
            figures = [r[f"{name} batch {b}"]["median"] for name in precisions]
            text = "  ".join(f"{name} {x:8.1f}" for name, x in zip(precisions, figures))
            print(f"{pathlib.Path(path).stem:40} batch {b}: {text}  ratio {figures[-1] / figures[0]:.2f}", flush=True)
    if a.output:
        a.output.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
