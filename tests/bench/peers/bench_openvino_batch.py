#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Side by side with OpenVINO's automatic batching, interleaved, on the same picture and in f32 on both sides.

    bench_openvino_batch.py [--build DIR] [--shared DIR] [--rounds 3] [--cases lone,burst,…] [--json FILE] [--install FOLDER] [MODEL...]

MODEL is a name in golden/tensors/index.json. Every figure comes from a process of its own, one after the other, round by round:
what is printed is the median of the rounds. Cases: lone (a request every now and then), burst (six requests at once, batch of
four), loops (six callers in a closed loop, batch of four), close (three requests queued, timeout 60 s), load. Each is run with
OpenVINO's BATCH device as it comes, with what its documentation advises for the case, and without batching where that is what one would
rather use. First of all both sides must find the same in the picture. Its settings that take minutes to close are run once. Needs the
Python packages openvino and numpy; without them it says so and exits with 77. --install FOLDER runs in an environment that has them, made from
PyPI where it is not there.
"""
import argparse
import importlib.metadata
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import peer_kit
from peer_kit import numpy, run_json

MODELS = ["face-detection-retail-0004--FP32", "person-detection-retail-0013--FP16"]
N_LONE, GAP_MS, N_BURST, LOOP_SECONDS = 10, 50, 5, 3
MINUTES = ("timeout 60000", "timeout 60000, cancel() of each first")  # it takes two: one round of them is enough
CANCEL = {"cancel": True}  # of the case close; no property
LATENCY, THROUGHPUT = {"PERFORMANCE_HINT": "LATENCY"}, {"PERFORMANCE_HINT": "THROUGHPUT"}


def timeout(ms):
    return {"AUTO_BATCH_TIMEOUT": str(ms)}


# case: requests in flight, and settings: (who, what is said in the table, device, OpenVINO's properties or Weir's options)
CASES = {
    "lone": (1, [
        ("openvino", "as it comes (timeout 1000)", "BATCH:CPU(8)", {}),
        ("openvino", "timeout 100", "BATCH:CPU(8)", timeout(100)),
        ("openvino", "timeout 1: its best with batching", "BATCH:CPU(8)", timeout(1)),
        ("openvino", "no batching, LATENCY: its best", "CPU", LATENCY),
        ("weir", "as it comes", "BATCH:CPU(8)", []),
        ("weir", "batch-timeout 1000", "BATCH:CPU(8)", ["--batch-timeout", "1000"]),
        ("weir", "batch-timeout 100", "BATCH:CPU(8)", ["--batch-timeout", "100"]),
        ("weir", "performance-hint latency", "CPU", ["--performance-hint", "latency"]),
    ]),
    "burst": (6, [
        ("openvino", "as it comes (timeout 1000)", "BATCH:CPU(4)", {}),
        ("openvino", "timeout 100", "BATCH:CPU(4)", timeout(100)),
        ("openvino", "batch of 3, so that 6 is a multiple: its best with batching", "BATCH:CPU(3)", THROUGHPUT),
        ("openvino", "no batching, THROUGHPUT: its best", "CPU", THROUGHPUT),
        ("weir", "as it comes", "BATCH:CPU(4)", []),
        ("weir", "batch-timeout 1000", "BATCH:CPU(4)", ["--batch-timeout", "1000"]),
    ]),
    "close": (3, [
        ("openvino", MINUTES[0], "BATCH:CPU(8)", timeout(60000)),
        ("openvino", MINUTES[1], "BATCH:CPU(8)", timeout(60000) | CANCEL),
        ("openvino", "timeout 100", "BATCH:CPU(8)", timeout(100)),
        ("openvino", "no batching", "CPU", THROUGHPUT),
        ("weir", "batch-timeout 60000", "BATCH:CPU(8)", ["--batch-timeout", "60000"]),
    ]),
    "load": (8, [
        ("openvino", "no batching", "CPU", {}),
        ("openvino", "with batching", "BATCH:CPU(8)", {}),
        ("weir", "no batching", "CPU", ["--no-batching"]),
        ("weir", "with batching", "BATCH:CPU(8)", []),
    ]),
}
CASES = {case: CASES["burst" if case == "loops" else case] for case in ("lone", "burst", "loops", "close", "load")}


class OpenVino:
    """One measurement of the peer, in a process of its own."""

    def __init__(self, job):
        import openvino
        self.job, self.n = job, job["n"]
        self.cancels = job["config"].pop("cancel", False)
        self.rss = peer_kit.rss_mb()
        self.start = time.monotonic()
        model = openvino.Core().read_model(job["model"])
        self.compiled = openvino.Core().compile_model(model, job["device"], {"INFERENCE_PRECISION_HINT": "f32", **job["config"]})
        self.open_ms = peer_kit.since_ms(self.start)
        self.optimal = self.compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.picture = numpy.load(job["input"])
        self.requests = [self.compiled.create_infer_request() for _ in range(self.n)]
        self.done_at = [0.0] * self.n
        for i, request in enumerate(self.requests):
            request.set_callback(self.done, i)

    def done(self, i):
        self.done_at[i] = time.monotonic()

    def run(self, n):
        """n requests at once, their inputs copied in; the time until each was back"""
        start = time.monotonic()
        for request in self.requests[:n]:
            request.get_input_tensor().data[:] = self.picture
            request.start_async()
        for request in self.requests[:n]:
            request.wait()
        return sorted((t - start) * 1e3 for t in self.done_at[:n])

    def lone(self):
        pause = random.Random(1)
        self.run(1)
        latencies = []
        for _ in range(self.job["rounds"]):
            time.sleep(pause.random() * GAP_MS / 1e3)
            latencies.append(self.run(1)[0])
        return {"latency_ms": latencies}

    def burst(self):
        self.run(self.n)
        back = [self.run(self.n) for _ in range(self.job["rounds"])]
        return {"all_ms": [t[-1] for t in back], "first_ms": [t[0] for t in back], "back_ms": back}

    def loops(self):
        counts = [0] * self.n
        self.run(self.n)
        half = time.monotonic() + self.job["seconds"] / 2
        end = half + self.job["seconds"] / 2

        def loop(i):
            request = self.requests[i]
            while time.monotonic() < end:
                request.get_input_tensor().data[:] = self.picture
                request.start_async()
                request.wait()
                counts[i] += half <= time.monotonic() < end

        threads = [threading.Thread(target=loop, args=(i,)) for i in range(self.n)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return {"per_s": [c / (end - half) for c in counts]}

    def close(self):
        """All that OPTIMAL_NUMBER_OF_INFER_REQUESTS names exist, three are started: they wait for the others."""
        while len(self.requests) < self.optimal:
            self.requests.append(self.compiled.create_infer_request())
        for request in self.requests[:self.n]:
            request.get_input_tensor().data[:] = self.picture
            request.start_async()
        start = time.monotonic()
        for request in self.requests[:self.n] if self.cancels else []:
            request.cancel()
        del request
        self.requests.clear()
        del self.compiled
        return {"close_ms": peer_kit.since_ms(start)}

    def load(self):
        self.run(1)
        figures = {"open_ms": self.open_ms, "first_ms": peer_kit.since_ms(self.start), "first_rss_mb": peer_kit.rss_mb() - self.rss}
        self.run(self.n)
        return {**figures, "all_ms": peer_kit.since_ms(self.start), "all_rss_mb": peer_kit.rss_mb() - self.rss}

    def outputs(self):
        self.run(self.n)
        return {"outputs": [[t.data.tolist() for t in request.output_tensors] for request in self.requests]}


def child(text):
    job = json.loads(text)
    peer = OpenVino(job)
    result = getattr(peer, job["case"])()
    print(json.dumps({**result, "optimal_requests": peer.optimal if hasattr(peer, "optimal") else None}), flush=True)
    os._exit(0)  # what is left to tear down has been measured where it counts


class Subject:
    """A model, its picture, and both programs."""

    def __init__(self, network, arguments, folder):
        self.network, self.folder, self.build, self.tolerance = network, folder, arguments.build, arguments.tolerance
        picture = network.inputs()[0]
        numpy.save(folder / "input.npy", picture)
        picture.tofile(folder / "input.f32")

    def openvino(self, case, n, device, config, **job):
        job = {"case": case, "n": n, "device": device, "config": config, "model": str(self.network.path), "input": str(self.folder / "input.npy"), **job}
        return run_json([sys.executable, __file__, "--child", json.dumps(job)])

    def weir(self, case, n, device, options):
        command = [self.build / "tests/bench/bench_requests", case, "--model", self.network.path, "--device", device, "--precision", "f32", "--input",
                   self.folder / "input.f32", "--callers", n, "--in-flight", 4, "--gap", GAP_MS, "--seconds", LOOP_SECONDS, *options]
        command += ["--rounds", N_LONE if case == "lone" else N_BURST]
        # what an earlier start learned must not help
        return run_json(command, {"WEIR_CACHE_DIR": ""})

    def measure(self, who, case, n, device, setting):
        if who == "weir":
            return self.weir(case, n, device, setting)
        return self.openvino(case, n, device, setting, rounds=N_LONE if case == "lone" else N_BURST, seconds=LOOP_SECONDS)

    def weir_outputs(self, n):
        """outputs of n times the picture in one batch"""
        numbers = lambda v: ",".join(str(x) for x in v)
        facts = self.network.facts["inputs"][0]
        command = [self.build / "engine/cli/weir", "run", self.network.path, "--precision", "f32", "--data", self.network.case0, "--batch", n, "--save",
                   self.folder, "--mean", numbers(facts["mean"]), "--scale", numbers(facts["scale"]), "--atol", "1e9", "--json"]
        subprocess.run([str(c) for c in command], check=True, capture_output=True)
        return [peer_kit.tensor_proto(p) for p in sorted(self.folder.glob("output_*.pb"))]

    def check(self):
        """largest difference of what both sides find, alone and in a batch of 8"""
        alone = self.openvino("outputs", 1, "CPU", {})["outputs"][0]
        batched = self.openvino("outputs", 8, "BATCH:CPU(8)", timeout(100))["outputs"]
        difference = 0.0
        for other in [self.weir_outputs(1), self.weir_outputs(8)] + batched:
            for facts, a, b in zip(self.network.facts["outputs"], alone, other):
                tolerance = {key: self.tolerance for key in ("abs", "confidence", "box")}
                difference = max(difference, peer_kit.distance(facts["kind"], numpy.asarray(a), numpy.asarray(b), tolerance) * self.tolerance)
        return difference


def histogram(stats):
    """number of batches by size"""
    sizes = stats["batch_histogram"]
    return ", ".join(f"{count} × {n}" for n, count in enumerate(sizes) if count)


def together(back, device, properties):
    """who waited for the timeout, by when it was back; no property tells how a request ran"""
    if not device.startswith("BATCH"):
        return "one by one"
    limit_ms = 0.9 * float(properties.get("AUTO_BATCH_TIMEOUT", 1000))
    n = sum(t < limit_ms for t in back)
    return f"{n} at once, {len(back) - n} after the timeout" if n < len(back) else f"{n} without a timeout"


def tell(case, who, device, setting, results):
    """(heading: text) of one line of the table, medians over the rounds"""
    m = lambda key: statistics.median([v for r in results for v in (r[key] if isinstance(r[key], list) else [r[key]])])
    if case == "lone":
        return {"p50 ms": f"{m('latency_ms'):.1f}", "max ms": f"{max(v for r in results for v in r['latency_ms']):.1f}"}
    if case == "burst":
        how = histogram(results[-1]["stats"]) + " (with warm-up)" if who == "weir" else together(results[-1]["back_ms"][-1], device, setting)
        return {"first back ms": f"{m('first_ms'):.1f}", "all back ms": f"{m('all_ms'):.1f}", "how they ran": how}
    if case == "loops":
        middle = lambda of: f"{statistics.median([of(r['per_s']) for r in results]):.1f}"
        return {"slowest per s": middle(min), "fastest per s": middle(max), "all per s": middle(sum)}
    if case == "close":
        return {"close ms": f"{m('close_ms'):.1f}"}
    names = {"open ms": "open_ms", "first result ms": "first_ms", "first eight ms": "all_ms", "RSS MB": "all_rss_mb"}
    return {heading: f"{m(key):.0f}" for heading, key in names.items()}


def print_table(case, lines):
    headings = list(lines[0][3])
    print(f"\n| {case} | setting | device | " + " | ".join(headings) + " |")
    print("|---|---|---|" + "--:|" * len(headings))
    for who, setting, device, figures in lines:
        print(f"| {'OpenVINO' if who == 'openvino' else 'Weir'} | {setting} | {device} | " + " | ".join(figures[h] for h in headings) + " |", flush=True)


def bench(subject, cases, rounds, quick):
    results = {}
    for case in cases:
        n, settings = CASES[case]
        settings = [s for s in settings if not quick or s[0] == "weir" or s[1] not in MINUTES]
        runs = [[] for _ in settings]
        for i in range(rounds):
            for k, (who, text, device, setting) in enumerate(settings):
                if i and who == "openvino" and text in MINUTES:
                    continue
                runs[k].append(subject.measure(who, case, n, device, setting))
        print_table(case, [(who, text, device, tell(case, who, device, setting, runs[k])) for k, (who, text, device, setting) in enumerate(settings)])
        results[case] = [{"who": who, "setting": text, "device": device, "options": setting, "runs": runs[k]}
                         for k, (who, text, device, setting) in enumerate(settings)]
    return results


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*", default=MODELS, metavar="MODEL")
    p.add_argument("--build", type=pathlib.Path, default=peer_kit.ROOT / "build")
    p.add_argument("--shared", type=pathlib.Path, default=peer_kit.SHARED)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--cases", default=",".join(CASES))
    p.add_argument("--quick", action="store_true", help="without the minutes that the peer takes to close")
    p.add_argument("--tolerance", type=float, default=1e-3, help="largest difference of results that is accepted")
    p.add_argument("--json", type=pathlib.Path)
    p.add_argument("--install", type=pathlib.Path, metavar="FOLDER", help="environment to run in, made where it is not there")
    p.add_argument("--child", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.install:
        peer_kit.enter(a.install)
    peer_kit.require("numpy", "openvino")
    if a.child:
        child(a.child)
    results, networks = {}, peer_kit.golden(a.shared)
    for name in a.names:
        with tempfile.TemporaryDirectory() as folder:
            subject = Subject(networks[name], a, pathlib.Path(folder))
            largest = subject.check()
            print(f"\n### {name}\n\nSame picture, largest difference of results alone and in batches of 8: {largest:.1e}")
            if not largest <= a.tolerance:
                print(f"the two sides do not find the same (at most {a.tolerance})", file=sys.stderr)
                return 1
            results[name] = {"difference": largest, **bench(subject, a.cases.split(","), a.rounds, a.quick)}
    if a.json:
        facts = {"openvino": importlib.metadata.version("openvino"), "cores": len(os.sched_getaffinity(0)), "rounds": a.rounds}
        a.json.write_text(json.dumps({**facts, "models": results}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
