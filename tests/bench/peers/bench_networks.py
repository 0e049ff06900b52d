#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Weir, OpenVINO and ONNX Runtime on the same networks, interleaved in one run, each at its best setting.

    bench_networks.py [--install FOLDER] [--models REGEX] [--rounds 3] [--seconds 0.7] [--json FILE] [--markdown FILE] …

Networks are those of golden/tensors in the shared data, with their first case as input; dynamic shapes are pinned to it on all sides. Each setting is
a process of its own that stays open: round by round each is measured for --seconds while the others are at rest. After the first round only
those go on that are within 15 % of their engine's best; a figure is the best of its rounds. Settings:

  OpenVINO      LATENCY; THROUGHPUT with batches of 1, 4, 8, 16 and the optimal number of requests, with a batch of 1 twice as many also
  ONNX Runtime  as many sessions of one thread as there are cores; one session of that many threads
  Weir          as it comes with 2 and with 4 streams; without batching; requests of 4, 8 and 16 items; performance-hint=latency

f32 is INFERENCE_PRECISION_HINT=f32 and precision=f32, for quantised models without OpenVINO's 8-bit transformations. auto is what each runtime does
by itself (OpenVINO with the f32 hint as well, which leaves 8-bit layers as they are); where both then run f32 the figures are those of f32.
Before anything is timed, the outputs of every setting are compared with the reference tensors; a setting that gives others is not timed.

Included: a network from its input tensors in memory to its output tensors (for Weir both copies: requests take and give plain tensors; the peers'
tensors are set once). DetectionOutput is part of the network. Not included: preprocessing, decoding.

Runs with whichever of openvino and onnxruntime can be imported. --install FOLDER runs in a Python environment with both, which is made from PyPI where
it is not there. Without numpy or without any peer it says so and exits with 77. Exit status 1: Weir's outputs differ.
"""
import argparse
import dataclasses
import datetime
import importlib.metadata
import json
import math
import os
import pathlib
import re
import sys
import tempfile
import time

import peer_kit
import peer_runtimes
from peer_kit import geometric_mean, numpy, show

NAMES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime", "weir": "Weir"}
KEEP = 0.85  # of the best in the first round
BATCHES = (4, 8, 16)
# Files that have no golden tensors of their own: those of the same network in another file.
SIBLINGS = {"squeezenet_dao_fp16": "SqueezeNet_fp16"}


# The settings.

@dataclasses.dataclass
class Setting:
    """loads: (what is said, streams, requests of each); a number of requests that is no number counts by the optimal one."""
    engine: str
    name: str
    options: object
    batch: int = 1
    loads: tuple = ()
    is_latency: bool = False


def openvino_settings(precision, is_quantised, quick):
    f32 = {"INFERENCE_PRECISION_HINT": "f32"}
    precisions = {"": f32 | ({"LP_TRANSFORMS_MODE": "NO"} if is_quantised else {})}
    if precision == "auto":
        precisions = {"": {}, ", f32 hint": f32}
    settings = []
    for text, config in precisions.items():
        hint = lambda h: config | {"PERFORMANCE_HINT": h}
        settings.append(Setting("openvino", "THROUGHPUT" + text, hint("THROUGHPUT"), 1, (("", 1, "x1"), (", twice the requests", 1, "x2"))[:1 if quick else 2], True))
        settings.append(Setting("openvino", "LATENCY" + text, hint("LATENCY"), is_latency=True))
        settings += [Setting("openvino", f"THROUGHPUT{text}, batch {n}", hint("THROUGHPUT"), n, (("", 1, "x1"),)) for n in BATCHES if not quick]
    return settings


def onnxruntime_settings(precision, is_quantised, quick):
    n = len(os.sched_getaffinity(0))
    if precision == "f32" and is_quantised:
        return []
    return [Setting("onnxruntime", f"{n} × 1 thread", {"sessions": n, "threads": 1}, 1, (("", n, 1),), True),
            Setting("onnxruntime", f"1 × {n} threads", {"sessions": 1, "threads": n}, 1, (("", 1, 1),), True)]


def weir_settings(precision, is_quantised, quick):
    options = ["--precision", precision]
    settings = [Setting("weir", "as it comes", options, 1, ((", 2 streams", 2, "x1"), (", 4 streams", 4, "x1"))[:1 if quick else 2], True),
                Setting("weir", "latency", options + ["--performance-hint", "latency"], is_latency=True)]
    if quick:
        return settings
    settings.append(Setting("weir", "no batching", options + ["--no-batching"], 1, ((", 2 streams", 2, 1), (", 4 streams", 4, 1))))
    return settings + [Setting("weir", f"{n} items a request", options + ["--batch-size", n, "--items", n], n, (("", 2, 1),)) for n in BATCHES]


SETTINGS = {"openvino": openvino_settings, "onnxruntime": onnxruntime_settings, "weir": weir_settings}


class Subject:
    """A network on all engines."""

    def __init__(self, network, arguments, folder):
        self.network, self.folder, self.arguments = network, folder, arguments
        self.servers, self.refused = {}, {}  # by (engine, name)
        self.inputs = network.inputs()
        for k, array in enumerate(self.inputs):
            array.tofile(folder / f"input_{k}.f32")
        # of several inputs the picture is what Weir does not fill by itself
        self.picture = max(range(len(self.inputs)), key=lambda k: self.inputs[k].ndim)

    def weir_command(self, setting, folder):
        shape = "x".join(map(str, self.inputs[self.picture].shape))
        command = [self.arguments.build / "tests/bench/bench_network", self.network.path, "--input", self.folder / f"input_{self.picture}.f32", "--outputs", folder]
        if self.network.is_dynamic:
            command += ["--input-shape", shape]
        return command + setting.options

    def peer_command(self, setting, folder):
        job = {"engine": setting.engine, "model": str(self.network.path), "batch": setting.batch, "folder": str(folder), "is_dynamic": self.network.is_dynamic}
        job["inputs"] = [{"file": str(self.folder / f"input_{k}.f32"), "shape": a.shape} for k, a in enumerate(self.inputs)]
        job |= {"config": setting.options} if setting.engine == "openvino" else setting.options
        return [sys.executable, __file__, "--child", json.dumps(job)]

    def open(self, setting):
        """false: this engine cannot, the reason is kept"""
        key = setting.engine, setting.name
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        command = self.weir_command if setting.engine == "weir" else self.peer_command
        try:
            # what an earlier start learned must not help
            self.servers[key] = peer_kit.Server(command(setting, folder), self.folder / "log", {"WEIR_CACHE_DIR": ""})
        except RuntimeError as e:
            lines = [line for line in str(e).splitlines() if line.strip()]
            self.refused[key] = lines[-1] if lines else str(e)
            return False
        self.servers[key].folder = folder
        return True

    def close(self):
        for server in self.servers.values():
            server.close()
        self.servers = {}

    def distance(self, key, precision):
        """of the outputs to the reference, in units of what is allowed"""
        folder = self.servers[key].folder
        read = lambda k: numpy.load(folder / f"output_{k}.npy") if key[0] != "weir" else peer_kit.tensor_proto(folder / f"output_{k}.pb")
        worst = 0.0
        for k, (facts, expected) in enumerate(zip(self.network.facts["outputs"], self.network.outputs())):
            worst = max(worst, peer_kit.distance(facts["kind"], expected, read(k), facts["tolerance"].get(precision, facts["tolerance"]["f32"])))
        return worst


def requests_of(server, setting, load):
    """requests of each stream"""
    _, n_streams, n = load
    return n if isinstance(n, int) else max(1, math.ceil(int(n[1:]) * server.first["optimal"] / n_streams))


def measure(server, setting, load, seconds):
    """items per second, or ms with load None"""
    time.sleep(0.02)  # until the threads of who was before rest
    if load is None:
        return server.ask("latency", seconds)["p50_ms"]
    return server.ask("rate", seconds, load[1], requests_of(server, setting, load))["items_per_s"]


def is_worth_more(figures, key, best):
    """whether a setting goes on after the first round"""
    engine, is_rate = key[0], key[2] is not None
    share = figures[key][0] / best[engine, is_rate]
    return share >= KEEP if is_rate else share <= 1 / KEEP


def run_rounds(subject, settings, rounds, seconds):
    """{(engine, setting, load): [figure of each round]}"""
    by_name = {(s.engine, s.name): s for s in settings}
    keys = [(s.engine, s.name, load) for s in settings for load in (*s.loads, *([None] if s.is_latency else []))]
    figures = {key: [] for key in keys}
    for s in settings:
        measure(subject.servers[s.engine, s.name], s, s.loads[0] if s.loads else None, min(0.3, seconds))
    for i in range(rounds):
        for key in keys:
            figures[key].append(measure(subject.servers[key[:2]], by_name[key[:2]], key[2], seconds))
        if i == 0:
            best = {}
            for engine, _, load in keys:
                same = [figures[k][0] for k in keys if k[0] == engine and (k[2] is None) == (load is None)]
                best[engine, load is not None] = max(same) if load is not None else min(same)
            keys = [k for k in keys if is_worth_more(figures, k, best)]
    return figures


def best_of(figures, engine, is_rate, n_rounds):
    """(figure, setting) of an engine's best; None without any"""
    same = {k: v for k, v in figures.items() if k[0] == engine and (k[2] is not None) == is_rate and len(v) == n_rounds}
    if not same:
        return None
    pick = max if is_rate else min
    key = pick(same, key=lambda k: pick(same[k]))
    return {"figure": pick(same[key]), "setting": key[1] + (key[2][0] if is_rate else "")}


def ratio(ours, theirs, is_rate):
    """above 1 where ours is better"""
    if not ours or not theirs:
        return None
    return ours["figure"] / theirs["figure"] if is_rate else theirs["figure"] / ours["figure"]


def compare(figures, engines, n_rounds):
    """best figures and ratios, for throughput and latency"""
    result = {}
    for what, is_rate in (("throughput", True), ("latency", False)):
        best = {e: best_of(figures, e, is_rate, n_rounds) for e in engines}
        ratios = {e: ratio(best.get("weir"), best[e], is_rate) for e in engines if e != "weir" and best[e]}
        result[what] = {"best": best, "ratios": ratios, "ratio": min((r for r in ratios.values() if r), default=None)}
    return result


def named(by_setting):
    """keys as JSON has them"""
    return {": ".join(key): value for key, value in by_setting.items()}


def measure_precision(subject, precision, by_itself):
    """One precision of one network: every setting is opened, checked against what that which Weir executes allows, timed."""
    a, executed = subject.arguments, by_itself if precision == "auto" else "f32"
    settings = [s for engine in a.engines for s in SETTINGS[engine](precision, by_itself == "int8", a.quick)]
    settings = [s for s in settings if subject.open(s)]
    first = {}
    for s in settings:
        first.setdefault(s.engine, subject.servers[s.engine, s.name].first)
    differences = {key: subject.distance(key, executed) for key in subject.servers}
    settings = [s for s in settings if differences[s.engine, s.name] <= 1]
    figures = run_rounds(subject, settings, a.rounds, a.seconds)
    result = {"precision": executed, "differences": named(differences), "refused": named(subject.refused),
              **compare(figures, [e for e in a.engines if e in first], a.rounds),
              "load": {e: {k: f[k] for k in ("open_ms", "first_ms", "rss_mb")} for e, f in first.items()},
              "runs": named({(e, n + load[0]): v for (e, n, load), v in figures.items() if load}),
              "runs_ms": named({(e, n): v for (e, n, load), v in figures.items() if not load})}
    subject.close()
    return result


def precisions_by_themselves(subject):
    """what each engine runs when it is not told"""
    found = {}
    for engine in [e for e in subject.arguments.engines if e != "onnxruntime"]:
        setting = SETTINGS[engine]("auto", False, True)[0]
        if subject.open(setting):
            first = subject.servers[engine, setting.name].first
            found[engine] = first["precision"] if engine != "weir" else first["stats"]["precision"]
    subject.close()
    subject.refused = {}
    return found


def bench(network, arguments):
    with tempfile.TemporaryDirectory() as folder:
        subject = Subject(network, arguments, pathlib.Path(folder))
        alone = precisions_by_themselves(subject)
        results = {"by_itself": alone}
        for precision in arguments.precisions:
            if precision == "auto" and set(alone.values()) == {"f32"}:
                continue
            subject.refused = {}
            results[precision] = measure_precision(subject, precision, alone.get("weir", "f32"))
        return results


# What is said.

def cell(best):
    return f"{best['figure']:.4g}" if best else "–"


def rows_of(models, precision):
    """(name, result); auto is f32 where that is what runs"""
    is_f32 = lambda m: set(m["by_itself"].values()) == {"f32"}
    rows = [(name, m.get(precision) or (m.get("f32") if is_f32(m) else None)) for name, m in models.items()]
    return [(name, r) for name, r in rows if r]


def table(models, precision, engines):
    """lines of one table; networks that auto runs in f32 are in its means only"""
    rows = rows_of(models, precision)
    heads = [f"{what}: {NAMES[e]}" for what in ("per s", "p50 ms") for e in engines]
    half = len(engines)
    heads = [*heads[:half], "ratio", *heads[half:], "ratio"]
    lines = [f"| {precision} | " + " | ".join(heads) + " | best for throughput |", "|---|" + "--:|" * len(heads) + "---|"]
    for name, r in rows:
        if precision not in models[name]:
            continue
        cells = []
        for what in ("throughput", "latency"):
            cells += [cell(r[what]["best"].get(e)) for e in engines] + [show(r[what]["ratio"])]
        settings = [best["setting"] for best in r["throughput"]["best"].values() if best]
        lines.append(f"| {name} | " + " | ".join(cells) + " | " + "; ".join(settings) + " |")
    means = {"the better peer": lambda r, what: r[what]["ratio"]}
    means |= {NAMES[e]: lambda r, what, e=e: r[what]["ratios"].get(e) for e in engines if e != "weir"}
    for text, of in means.items():
        ratios = [[v for _, r in rows if (v := of(r, what))] for what in ("throughput", "latency")]
        cells = [*[""] * half, show(geometric_mean(ratios[0])), *[""] * half, show(geometric_mean(ratios[1]))]
        lines.append(f"| **against {text}**, geometric mean of {len(ratios[0])} | " + " | ".join(cells) + " | |")
    return lines


def load_table(models, precision, engines):
    lines = ["| loading | " + " | ".join(f"{what}: {NAMES[e]}" for what in ("first result, ms", "resident, MB") for e in engines) + " |",
             "|---|" + "--:|" * 2 * len(engines)]
    for name, r in rows_of(models, precision):
        cells = [f"{r['load'][e][k]:.{d}f}" if e in r["load"] else "–" for k, d in (("first_ms", 0), ("rss_mb", 0)) for e in engines]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def report(data):
    engines = [e for e in NAMES if any(e in r["load"] for m in data["models"].values() for p, r in m.items() if p != "by_itself")]
    precisions = [p for p in ("f32", "auto") if rows_of(data["models"], p)]
    lines = []
    for p in precisions:
        lines += [*table(data["models"], p, engines), ""]
    for p in precisions[-1:]:
        lines += [*load_table(data["models"], p, engines), ""]
    lines += [f"Not counted, its outputs differ: {name}, {text}." for name, m in data["models"].items() for text in differing(m)]
    versions = ", ".join(f"{NAMES[e]} {v}" for e, v in data["versions"].items())
    return "\n".join([*lines, f"{data['date']}, {data['cores']} cores, {versions}; best of {data['rounds']} rounds of {data['seconds']} s.", ""])


def differing(results):
    """settings whose outputs are not the reference's"""
    return [f"{p}: {setting}" for p, r in results.items() if p != "by_itself" for setting, d in r["differences"].items() if not d <= 1]


def networks_of(arguments):
    networks = peer_kit.golden(arguments.shared)
    for name, sibling in SIBLINGS.items():
        if sibling in networks:
            facts = dict(networks[sibling].facts, model=str(networks[sibling].path.with_stem(name)))
            networks[name] = peer_kit.Golden(arguments.shared, sibling, facts)
            networks[name].name = name
    return [n for n in networks.values() if re.search(arguments.models, n.name) and n.path.exists()]


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--models", default="", metavar="REGEX", help="of names in golden/tensors/index.json")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=0.7)
    p.add_argument("--precisions", default="f32,auto", type=lambda v: v.split(","))
    p.add_argument("--engines", default=",".join(NAMES), type=lambda v: v.split(","))
    p.add_argument("--quick", action="store_true", help="only LATENCY, THROUGHPUT with a batch of 1, and Weir as it comes")
    p.add_argument("--json", type=pathlib.Path, help="all figures; networks in it that are not run again are kept and shown")
    p.add_argument("--markdown", type=pathlib.Path, help="the tables")
    p.add_argument("--build", type=pathlib.Path, default=peer_kit.ROOT / "build")
    p.add_argument("--shared", type=pathlib.Path, default=peer_kit.SHARED)
    p.add_argument("--install", type=pathlib.Path, metavar="FOLDER", help="environment to run in, made where it is not there")
    p.add_argument("--child", help=argparse.SUPPRESS)
    return p.parse_args()


def main():
    a = parse()
    if a.install:
        peer_kit.enter(a.install)
    peer_kit.require("numpy")
    if a.child:
        peer_runtimes.serve(json.loads(a.child), peer_runtimes.CPU_ENGINES)
    a.engines = [e for e in NAMES if e in a.engines and (e == "weir" or peer_kit.has(e))]
    if not set(a.engines) - {"weir"}:
        peer_kit.require(*(e for e in NAMES if e != "weir"))
    versions = {e: importlib.metadata.version(e) for e in a.engines if e != "weir"}
    data = {"models": json.loads(a.json.read_text())["models"] if a.json and a.json.exists() else {}}
    data |= {"date": datetime.date.today().isoformat(), "cores": len(os.sched_getaffinity(0)), "versions": versions, "rounds": a.rounds, "seconds": a.seconds}
    ok = True
    for network in networks_of(a):
        results = data["models"][network.name] = bench(network, a)
        for p, r in results.items():
            if p != "by_itself":
                print(f"{network.name} {p}: throughput {show(r['throughput']['ratio'])}, latency {show(r['latency']['ratio'])}", file=sys.stderr, flush=True)
        for setting in differing(results):
            print(f"{network.name}: outputs differ from the reference: {setting}", file=sys.stderr, flush=True)
            ok = ok and ": weir: " not in setting
        if a.json:
            a.json.write_text(json.dumps(data, indent=1))
        if a.markdown:
            a.markdown.write_text(report(data))
    if not data["models"]:
        print(f"skipped: no network of {a.shared} is called like that", file=sys.stderr)
        return 77
    print(report(data))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
