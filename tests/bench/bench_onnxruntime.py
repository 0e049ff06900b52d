#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interleaved A/B: Weir against ONNX Runtime on the same models, same threads, both in one run.

    bench_onnxruntime.py [--weir PROGRAM] [--models DIR] [--rounds 3] [--seconds 2] [--output FILE.json] [MODEL...]

In every round each model is run by ONNX Runtime f32 (once as N sessions of one thread, once as one session of N
threads: the better counts), by Weir in f32 and by Weir at precision=auto, one after the other. Figures are
medians over the rounds; ratios are to ONNX Runtime's better setting. Needs the Python packages onnxruntime
and numpy; without them it says so and exits with 77.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

try:
    import numpy
    import onnxruntime
except ImportError as e:
    print(f"skipped: {e}: install onnxruntime and numpy (in a venv) to compare", file=sys.stderr)
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ["version-RFB-320", "yolox_nano", "nanodet_m", "FastestDet", "mobilenet_v2_128_0.5", "osnet_x0_25_msmt17"]


class OnnxRuntime:
    """n_sessions sessions of n_threads each, fed by as many Python threads."""

    def __init__(self, path, n_sessions, n_threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.sessions = [onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]) for _ in range(n_sessions)]
        i = self.sessions[0].get_inputs()[0]
        shape = [1 if k == 0 or not isinstance(d, int) else d for k, d in enumerate(i.shape)]
        dtype = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16}[i.type]
        self.feed = {i.name: numpy.random.default_rng(1).random(shape).astype(dtype)}
        for s in self.sessions:
            s.run(None, self.feed)

    def items_per_s(self, seconds):
        counts = [0] * len(self.sessions)

        def loop(k):
            while time.monotonic() < end:
                self.sessions[k].run(None, self.feed)
                counts[k] += 1

        start = time.monotonic()
        end = start + seconds
        threads = [threading.Thread(target=loop, args=(k,)) for k in range(len(self.sessions))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return sum(counts) / (time.monotonic() - start)


def weir(program, path, precision, seconds):
    """items per second, and the precision that really ran"""
    command = [program, "bench", str(path), "--precision", precision, "--seconds", str(seconds), "--streams", "2", "--json"]
    d = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return d["items_per_s"], d["stats"]["precision"]


def bench(program, path, rounds, seconds):
    n = len(os.sched_getaffinity(0))
    peers = {f"{n} x 1 thread": OnnxRuntime(path, n, 1), f"1 x {n} threads": OnnxRuntime(path, 1, n)}
    runs = {k: [] for k in (*peers, "f32", "auto")}
    precision = None
    for _ in range(rounds):
        for name, peer in peers.items():
            runs[name].append(peer.items_per_s(seconds))
        runs["f32"].append(weir(program, path, "f32", seconds)[0])
        rate, precision = weir(program, path, "auto", seconds)
        runs["auto"].append(rate)
    median = {k: statistics.median(v) for k, v in runs.items()}
    best = max(peers, key=lambda k: median[k])
    return {"onnxruntime": median[best], "onnxruntime_setting": best, "f32": median["f32"], "auto": median["auto"], "auto_precision": precision,
            "f32_ratio": median["f32"] / median[best], "auto_ratio": median["auto"] / median[best], "runs": runs}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*", default=MODELS, metavar="MODEL")
    p.add_argument("--weir", default=str(ROOT / "build/engine/cli/weir"))
    p.add_argument("--models", type=pathlib.Path, default=pathlib.Path(os.environ.get("WEIR_SHARED", ROOT / "../shared")) / "models/onnx")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--output", type=pathlib.Path)
    a = p.parse_args()
    results = {}
    print(f"{'model':24} {'ORT f32':>9} {'Weir f32':>9} {'ratio':>6} {'Weir auto':>9} {'ratio':>6}")
    for name in a.names:
        path = a.models / f"{name}.onnx"
        if not path.exists():
            print(f"{name}: skipped: no such file in {a.models}")
            continue
        r = results[name] = bench(a.weir, path, a.rounds, a.seconds)
        print(f"{name:24} {r['onnxruntime']:9.1f} {r['f32']:9.1f} {r['f32_ratio']:6.2f} {r['auto']:9.1f} {r['auto_ratio']:6.2f}  {r['auto_precision']}", flush=True)
    if not results:
        return 77
    mean = {k: math.exp(statistics.mean(math.log(r[k]) for r in results.values())) for k in ("f32_ratio", "auto_ratio")}
    print(f"geometric mean of the ratios: f32 {mean['f32_ratio']:.2f}, auto {mean['auto_ratio']:.2f}")
    if a.output:
        a.output.write_text(json.dumps({"onnxruntime_version": onnxruntime.__version__, "models": results, "geometric_mean": mean}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
