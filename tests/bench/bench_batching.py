#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The queue's acceptance list in real time, on the device SIM: a row per case, what must hold, what was measured.

    bench_batching.py [--build DIR] [--seconds 10] [--cases NAME,…] [--json FILE]

Cameras are those of `weir bench --rate`, and of bench_requests where they do more than run. A case is judged as it is written; on a machine that is
busy otherwise some fail for no fault of the queue. Exit status 1 where one did not hold. check_sim.py of tests/batching runs
some of it with wide bounds.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
GPU_LIKE, CPU_LIKE = "SIM(4,1)", "SIM(1,6)"


@dataclasses.dataclass
class Bounds:
    """The acceptance list's own numbers; the test passes wider ones."""
    rate: float = 0.02        # of a camera's own
    more_ms: float = 1        # than S(1), than the bound of the wait
    mean_batch: float = 2.5   # eight cameras
    busy: float = 0.6
    p99_ms: float = 20
    useless: float = 0.1      # of the latency without any wait
    stop_ms: float = 100
    idle_ms: float = 10       # of CPU time
    crowd: float = 0.2        # of the quiet cameras' p99
    item_us: float = 10       # of CPU time


class Bench:
    """Starts the programs; counts nothing itself."""

    def __init__(self, weir, requests, seconds, bounds):
        self.programs, self.seconds, self.bounds = {"bench": [weir, "bench", "--json"], "requests": [requests]}, seconds, bounds

    def start(self, program, *arguments):
        command = [str(c) for c in (*self.programs[program], *arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ, WEIR_CACHE_DIR=""))

    @staticmethod
    def result(process):
        stdout, stderr = process.communicate(timeout=300)
        if process.returncode:
            raise RuntimeError(f"{' '.join(process.args)}: {stderr[-2000:]}")
        return json.loads(stdout)

    def cameras(self, device, n, rate, *options, seconds=None):
        """`weir bench`; rate None: a closed loop"""
        paced = ["--rate", rate] if rate else []
        return self.result(self.start("bench", "--device", device, "--streams", n, *paced, "--seconds", seconds or self.seconds, *options))

    def requests(self, case, device, *options):
        return self.result(self.start("requests", case, "--device", device, *options))


def rates(result):
    return [s["frames_per_s"] for s in result["per_stream"]]


def p99_ms(result):
    return max(s["latency_us_p99"] for s in result["per_stream"]) / 1e3


def p50_ms(result):
    return max(s["latency_us_p50"] for s in result["per_stream"]) / 1e3


def numbers(values, digits=1):
    return " ".join(f"{v:.{digits}f}" for v in values)


def near(values, wanted, share):
    return all(abs(v - w) <= share * w for v, w in zip(values, wanted))


# Each case gives [(what was measured, does it hold, figures)…], one for each line of the table.

def one_ends(bench):
    lines = []
    for text, options in (("without a word", []), ("after a drain", ["--drain"])):
        left = bench.requests("ends", GPU_LIKE, "--callers", 4, "--rate", 30, "--seconds", 2 * bench.seconds, *options)["per_s"][1:]
        lines.append((f"it ends {text}: {numbers(left)} fps", near(left, [30] * 3, bench.bounds.rate), {"per_s": left}))
    return lines


def uneven_rates(bench):
    r = bench.cameras(GPU_LIKE, 4, "30,30,30,5")
    wait_ms, bound_ms = r["stats"]["wait_us_p99"] / 1e3, r["stats"]["wait_bound_us"] / 1e3
    ok = near(rates(r), [30, 30, 30, 5], bench.bounds.rate) and wait_ms <= bound_ms + bench.bounds.more_ms
    return [(f"{numbers(rates(r))} fps, p99 wait {wait_ms:.1f} of {bound_ms:.1f} ms", ok, r)]


def six_on_four(bench):
    lines = []
    for n in (0, 1, 2, 3, 6):
        r = bench.cameras(GPU_LIKE, 6, None, "--batch-size", 4, "--num-requests", n, seconds=bench.seconds / 2)
        mean = sum(rates(r)) / 6
        lines.append((f"num_requests {n or 'not set'}: {numbers(rates(r))} per s, mean batch {r['stats']['mean_batch']:.2f}",
                      mean > 0 and near(rates(r), [mean] * 6, bench.bounds.rate), r))
    return lines


def slow_camera(bench):
    r = bench.cameras(GPU_LIKE, 1, 5, "--batch-size", 8)
    return [(f"p50 {p50_ms(r):.2f} ms", p50_ms(r) <= 5 + bench.bounds.more_ms, r)]


def eight_cameras(bench):
    r = bench.cameras(GPU_LIKE, 8, 30)
    batch, busy = r["stats"]["mean_batch"], r["device_busy"]
    ok = batch >= bench.bounds.mean_batch and busy <= bench.bounds.busy and p99_ms(r) <= bench.bounds.p99_ms
    return [(f"mean batch {batch:.2f}, busy {busy:.0%}, p99 {p99_ms(r):.1f} ms, {numbers(rates(r))} fps", ok, r)]


def no_useless_wait(bench):
    """against a run that may not wait; four cameras are 72 % of this device, eight overload it: then nothing may be lost"""
    lines, share = [], bench.bounds.useless
    for n in (4, 8):
        free, ours = bench.cameras(CPU_LIKE, n, 30, "--batch-timeout", 0), bench.cameras(CPU_LIKE, n, 30)
        ok = p50_ms(ours) <= p50_ms(free) * (1 + share) + bench.bounds.more_ms and sum(rates(ours)) >= sum(rates(free)) * (1 - share)
        total = [sum(rates(r)) for r in (ours, free)]
        text = f"{n} cameras: p50 {p50_ms(ours):.1f} ms, never waiting {p50_ms(free):.1f}; {numbers(total, 0)} frames per s"
        lines.append((text, ok, {"adaptive": ours, "never": free}))
    return lines


def lone_frame(bench, rounds=200):
    r = bench.requests("lone", GPU_LIKE, "--batch-size", 8, "--rounds", rounds, "--gap", 50)
    waits = sorted(v - 5 for v in r["latency_ms"])
    bound_ms = r["stats"]["wait_bound_us"] / 1e3
    text = f"added wait p50 {waits[len(waits) // 2]:.2f}, longest {waits[-1]:.2f} ms of {bound_ms:.1f}"
    return [(text, waits[-1] <= bound_ms + bench.bounds.more_ms, r)]


def stop(bench):
    r = [bench.requests("close", GPU_LIKE, "--batch-size", 8, "--batch-timeout", 60000, "--callers", n, "--in-flight", 8) for n in (3, 40)]
    return [(f"3 items {r[0]['close_ms']:.1f} ms, 40 items {r[1]['close_ms']:.1f} ms", max(x["close_ms"] for x in r) < bench.bounds.stop_ms, r)]


def idle(bench):
    timeouts = (-1, 0, 1, 1000, 60000)
    start = lambda ms: bench.start("requests", "idle", "--device", GPU_LIKE, "--callers", 4, "--batch-timeout", ms, "--seconds", bench.seconds)
    running = [start(ms) for ms in timeouts]
    used = [bench.result(p)["cpu_ms"] for p in running]
    return [(f"timeouts {', '.join(map(str, timeouts))}: {numbers(used, 2)} ms of CPU time", max(used) < bench.bounds.idle_ms, {"cpu_ms": used})]


def crowd(bench):
    """The crowd's own camera is slow enough that the device keeps up: 40 crops at 5 fps are 200 items a second."""
    quiet = lambda r: max(s["latency_us_p99"] for s in r["per_stream"][-3:]) / 1e3
    alone, together = bench.cameras(GPU_LIKE, 3, 30), bench.cameras(GPU_LIKE, 4, "5,30,30,30", "--items", "40,1,1,1")
    ok = quiet(together) <= (1 + bench.bounds.crowd) * quiet(alone)
    return [(f"p99 of the three {quiet(together):.1f} ms, without the crowd {quiet(alone):.1f}", ok, {"alone": alone, "together": together})]


def machinery(bench, n_items=100000):
    lines = []
    for threads in (1, 8):
        for in_flight in (1, 8):
            r = bench.requests("queue", "SIM(0,0)", "--threads", threads, "--in-flight", in_flight, "--rounds", n_items)
            costs = f"{r['wall_us_per_item']:.2f} µs, {r['cpu_us_per_item']:.2f} µs of CPU time"
            bare = f"two bare threads hand over in {r['handover_wall_us']:.2f} and {r['handover_cpu_us']:.2f} µs"
            # a lone request cannot cost less than waking its worker and its caller
            least = r["handover_cpu_us"] if threads * in_flight == 1 else 0
            ok = r["cpu_us_per_item"] - least <= bench.bounds.item_us
            lines.append((f"{threads} × {in_flight}: {costs}; mean batch {r['stats']['mean_batch']:.2f}; {bare}", ok, r))
    return lines


CASES = {
    "one-ends": ("4 cameras of 30 fps, one ends", "the others stay at 30 fps ± 2 %", one_ends),
    "uneven": ("30, 30, 30 and 5 fps", "each keeps its rate ± 2 %, p99 wait ≤ bound + 1 ms", uneven_rates),
    "six-on-four": ("6 streams, batch of 4 at most", "the same rate for each ± 2 %", six_on_four),
    "slow": ("one camera of 5 fps, batch of 8 at most", "p50 ≤ S(1) + 1 ms", slow_camera),
    "eight": ("8 cameras of 30 fps", "mean batch ≥ 2.5, busy ≤ 60 %, p99 ≤ 20 ms", eight_cameras),
    "cpu-like": ("the same with S(n) = 1 + 6 n", "no wait that does not pay", no_useless_wait),
    "lone": ("a lone frame, 200 random phases", "added wait ≤ bound + 1 ms", lone_frame),
    "stop": ("stop with a timeout of 60 s and items queued", "< 100 ms", stop),
    "idle": ("idle, any timeout", "< 10 ms of CPU time", idle),
    "crowd": ("40 crops per frame beside 3 cameras", "p99 of the three within 20 %", crowd),
    "machinery": ("an item on SIM(0,0), producers × requests", "≤ 10 µs of CPU time; a lone one that much over waking two threads", machinery),
}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--cases", default=",".join(CASES))
    p.add_argument("--json", type=pathlib.Path)
    a = p.parse_args()
    bench = Bench(a.build / "engine/cli/weir", a.build / "tests/bench/bench_requests", a.seconds, Bounds())
    results, n_failed = {}, 0
    print("| case | must hold | measured | |\n|---|---|---|---|")
    for name in a.cases.split(","):
        case, must, run = CASES[name]
        results[name] = []
        for text, ok, figures in run(bench):
            n_failed += not ok
            print(f"| {case} | {must} | {text} | {'ok' if ok else '**no**'} |", flush=True)
            results[name].append({"measured": text, "ok": ok, "figures": figures})
            case = must = ""
    if a.json:
        a.json.write_text(json.dumps({"seconds": a.seconds, "cores": len(os.sched_getaffinity(0)), "cases": results}, indent=1))
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
