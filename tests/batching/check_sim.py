#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The queue's acceptance list in real time on the device SIM, quickly and with wide bounds.

    check_sim.py WEIR BENCH_REQUESTS

The cases are those of tests/bench/bench_batching.py, which judges them as they are written; here a busy machine must not fail them. The device
sleeps, so that they run side by side.
"""
import concurrent.futures
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import bench_batching  # noqa: E402

WIDE = bench_batching.Bounds(rate=0.15, more_ms=15, mean_batch=2, busy=0.75, p99_ms=60, useless=0.5, stop_ms=1000, idle_ms=50, crowd=1.0, item_us=500)
QUICK = {"lone": {"rounds": 30}, "machinery": {"n_items": 4000}}
SECONDS, SIDE_BY_SIDE = 2, 4


def main():
    bench = bench_batching.Bench(sys.argv[1], sys.argv[2], SECONDS, WIDE)

    def run(name):
        return bench_batching.CASES[name][2](bench, **QUICK.get(name, {}))

    def tell(name, lines):
        for text, ok, _figures in lines:
            print(f"{'ok' if ok else 'FAILED'} {name}: {text}", flush=True)
        return all(ok for _text, ok, _figures in lines)

    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        results = zip(bench_batching.CASES, pool.map(run, bench_batching.CASES))
        failed = [name for name, lines in results if not tell(name, lines)]
    if failed:
        print("once more, one by one:")
    return 0 if all([tell(name, run(name)) for name in failed]) else 1


if __name__ == "__main__":
    sys.exit(main())
