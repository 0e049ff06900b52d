#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Weir on a GPU beside what else can use it, interleaved in one run: items per second at several batches, with and without transfers.

    bench_gpu.py [--install FOLDER] [--device GPU] [--models REGEX] [--batches 1,4,16,64] [--precisions f32,f16,int8] [--json FILE] [--markdown FILE] …

Networks are those of golden/tensors in the shared data, with their first case as every item of a batch. For each network, precision and batch:

  with transfers   from tensors in the host's memory to tensors there: Weir with two streams of two requests of a batch each, through the queue;
                   the others with inputs and outputs bound to the host's memory, the better of one and two threads
  kernels          Weir: the sum of its kernels' times by the device's clock (`weir bench --profile`), without transfers and gaps between kernels;
                   the others with inputs and outputs bound on the device, start to end
  TFLOP/s, share   arithmetic of the network over the kernels' time, and that of the f32 peak that the device was measured to have (sums are f32 also
                   with f16), for int8 of its peak of 8-bit products
  roof             what the kernels would take at the measured peaks of arithmetic and memory, over what they take

Others, as far as they are there: ONNX Runtime's CUDA provider (cuDNN) and TensorRT provider (f16: the model converted; networks in ONNX only),
OpenVINO on an Intel GPU, and cuDNN's convolutions alone through PyTorch (channels-last, fastest algorithm, one graph of launches), which is beside
Weir's convolutions alone. A peer that is not there, or cannot run a network, is named with the reason. --peers onnxruntime-cpu tries the program where
there is no GPU. Before anything is timed the outputs are compared with the reference tensors; who gives others is not timed.

Then face-detection-retail-0004 from end to end: NV12 frames of 1920x1080 through a session, preprocessing and decoding included, in frames per second.

--install FOLDER runs in a Python environment with the peers, which is made from PyPI where it is not there; where that fails the program goes on without.
Without numpy it says so and exits with 77, and without the device as well. Exit status 1: Weir's outputs differ.
"""
import argparse
import datetime
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import peer_gpu
import peer_kit
import peer_runtimes
from peer_kit import geometric_mean, numpy, show

PACKAGES = ("numpy", "onnx", "onnxruntime-gpu[cuda,cudnn]")
PEERS = ("onnxruntime-cuda", "onnxruntime-tensorrt", "openvino-gpu", "cudnn-convolutions")
STREAMS, REQUESTS = 2, 2
FACE = "face-detection-retail-0004--FP16"
PICTURE = "1920x1080"
# of the end to end runs: (cameras, options)
LOADS = ((1, ()), (8, ()), (32, ()), (64, ()), (64, ("--batch-size", "16")), (64, ("--batch-size", "64")))
CONVOLUTION_BOUND = 0.8  # share of the kernels' time
FRESH = {"WEIR_CACHE_DIR": ""}  # what an earlier start learned must not help


def say(text):
    print(text, file=sys.stderr, flush=True)


def reason_of(error):
    """the last line, without the command in front"""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].split(": weir: ")[-1].rstrip(".") if lines else "it ended without a word"


class Tool:
    """The tool `weir` on the device."""

    def __init__(self, arguments):
        self.path, self.device = arguments.build / "engine/cli/weir", arguments.device

    def json(self, *words, env=None):
        return peer_kit.run_json([self.path, *words, "--json"], env)

    def facts(self):
        """of the device, as `weir devices` tells; None: there is none"""
        devices = json.loads(peer_kit.run_text([self.path, "devices", "--json"]))
        named = [d for d in devices if d["name"] == self.device]
        if not named and self.device.startswith("GPU"):  # GPU.nvidia is a part of a name
            part = self.device.removeprefix("GPU.").lower()
            named = [d for d in devices if part in json.dumps(d).lower() and d["name"].startswith("GPU")]
        return named[0] if named else None

    def profile(self, model, precision, batch, more):
        return self.json("bench", model, "--device", self.device, "--precision", precision, "--batch-size", batch, "--items", batch, "--profile", *more)


# What one profile says.

def is_convolution(step):
    return step["kind"].startswith(("Conv ", "ConvTranspose"))


def figures_of(profile):
    """kernels' time, work and shares, transfers and what is left to the host"""
    on_device = [s for s in profile["steps"] if s["commands"]]
    kernels = [s for s in on_device if s["bound"] != "transfer"]
    seconds = sum(s["us"] for s in kernels) / 1e6
    peaks = profile["peaks"]
    flops, peak = sum(s["flops"] for s in kernels), (profile["precision"] == "int8" and peaks["int8_gflops"] or peaks["f32_gflops"]) * 1e9
    return {"kernels_per_s": profile["items"] / seconds, "run_per_s": profile["items"] / profile["run_us"] * 1e6,
            "tflops": flops / seconds / 1e12, "peak_share": flops / seconds / peak if peak else None,
            "roof_share": sum(s["roof_us"] for s in kernels) / 1e6 / seconds,
            "transfer_us": sum(s["us"] for s in on_device if s["bound"] == "transfer"),
            "convolutions_per_s": rate_of(profile, [s for s in kernels if is_convolution(s)]),
            "n_steps": len(profile["steps"]), "n_commands": sum(s["commands"] for s in on_device),
            "host_steps": [s["kind"] for s in profile["steps"] if not s["commands"]],
            "host_us": sum(s["us"] for s in profile["steps"] if not s["commands"]), "flops": flops, "bytes": sum(s["bytes"] for s in kernels)}


def rate_of(profile, steps):
    us = sum(s["us"] for s in steps)
    return profile["items"] / us * 1e6 if us else None


def convolutions_of(profile):
    """Shapes for the convolutions' peer. What a profile does not say follows from shapes and arithmetic: strides, pads, groups."""
    layers = []
    for step in profile["steps"]:
        sides = [[int(v) for v in side.split("x")] for side in step["shapes"].split(" -> ")]
        found = re.match(r"Conv (\d+)x(\d+)", step["kind"])
        if not found or len(sides[0]) != 4 or len(sides[1]) != 4:
            continue
        src, dst, kernel = sides[0], sides[1], [int(found[1]), int(found[2])]
        products = 2 * dst[0] * dst[1] * dst[2] * dst[3] * kernel[0] * kernel[1] * src[1]
        groups = min((g for g in range(1, src[1] + 1) if src[1] % g == 0 and dst[1] % g == 0), key=lambda g: abs(products / g - step["flops"]))
        stride = [max(1, round(s / d)) for s, d in zip(src[2:], dst[2:])]
        pad = [max(0, -(-((d - 1) * t + k - s) // 2)) for s, d, k, t in zip(src[2:], dst[2:], kernel, stride)]
        layers.append({"src": src, "dst": dst, "kernel": kernel, "groups": groups, "stride": stride, "pad": pad})
    return layers


# One network at one precision and batch.

class Case:
    def __init__(self, network, precision, batch, tool, arguments, folder):
        self.network, self.precision, self.batch, self.tool, self.arguments, self.folder = network, precision, batch, tool, arguments, folder
        self.inputs = network.inputs()
        for k, array in enumerate(self.inputs):
            array.tofile(folder / f"input_{k}.f32")
        self.picture = max(range(len(self.inputs)), key=lambda k: self.inputs[k].ndim)
        shape = "x".join(map(str, self.inputs[self.picture].shape))
        self.shape = ["--input-shape", shape] if network.is_dynamic else []
        self.servers, self.refused, self.convolutions = {}, {}, []

    def weir(self, folder):
        return [self.arguments.build / "tests/bench/bench_network", self.network.path, "--input", self.folder / f"input_{self.picture}.f32", "--outputs", folder,
                "--device", self.tool.device, "--precision", self.precision, "--batch-size", self.batch, "--items", self.batch, *self.shape]

    def peer(self, name, folder):
        job = {"engine": name, "model": str(self.network.path), "batch": self.batch, "precision": self.precision, "folder": str(folder),
               "is_dynamic": self.network.is_dynamic, "convolutions": self.convolutions, "device": "GPU"}
        job["inputs"] = [{"file": str(self.folder / f"input_{k}.f32"), "shape": a.shape} for k, a in enumerate(self.inputs)]
        job["config"] = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f16" if self.precision == "f16" else "f32"}
        return [sys.executable, __file__, "--child", json.dumps(job)]

    def why_not(self, name):
        """a reason that is known without trying"""
        is_onnx = self.network.path.suffix == ".onnx"
        if name.startswith("onnxruntime") and not is_onnx:
            return "the network is not in ONNX"
        if name == "cudnn-convolutions" and (self.precision == "int8" or not self.convolutions):
            return "no convolutions of this precision"
        if name.startswith("onnxruntime") and len(self.inputs) > 1:
            return "several inputs"
        return None

    def open(self, name):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        reason = self.why_not(name)
        try:
            if reason:
                raise RuntimeError(reason)
            command = self.weir(folder) if name == "weir" else self.peer(name, folder)
            self.servers[name] = peer_kit.Server(command, self.folder / "log", FRESH)
            self.servers[name].folder = folder
        except RuntimeError as e:
            self.refused[name] = reason_of(e)

    def close(self):
        for server in self.servers.values():
            server.close()

    def distance(self, name):
        """of the outputs to the reference, in units of what is allowed: of the first item, and of plain outputs the last"""
        if name == "cudnn-convolutions":
            return 0.0
        folder, worst = self.servers[name].folder, 0.0
        for k, (facts, expected) in enumerate(zip(self.network.facts["outputs"], self.network.outputs())):
            got = peer_kit.tensor_proto(folder / f"output_{k}.pb") if name == "weir" else numpy.load(folder / f"output_{k}.npy")
            tolerance = facts["tolerance"].get(self.precision, facts["tolerance"]["f32"])
            worst = max(worst, peer_kit.distance(facts["kind"], expected, got, tolerance))
            if facts["kind"] == "plain" and got.size == self.batch * expected.size:
                worst = max(worst, peer_kit.distance(facts["kind"], expected, got.reshape(self.batch, -1)[-1], tolerance))
        return worst

    def check(self):
        """who differs is closed"""
        differences = {name: self.distance(name) for name in self.servers}
        for name, d in differences.items():
            if not d <= 1:
                self.refused[name] = f"outputs differ: {d:.3g} of what is allowed"
                self.servers.pop(name).close()
        return differences

    def profile(self):
        return self.tool.profile(self.network.path, self.precision, self.batch, self.shape)

    def measure(self):
        """{"weir": …, "peers": …}; None where Weir does not run it"""
        a = self.arguments
        try:
            profile = self.profile()
        except RuntimeError as e:
            self.refused["weir"] = reason_of(e)
            return {"weir": None, "peers": {}, "refused": self.refused}
        self.convolutions = convolutions_of(profile)
        for name in ("weir", *a.peers):
            self.open(name)
        differences = self.check()
        rates, kernels, profiles = {n: [] for n in self.servers}, {n: [] for n in self.servers if n != "weir"}, [profile]
        for i in range(a.rounds):
            for name, server in self.servers.items():
                for words in [(STREAMS, REQUESTS)] if name == "weir" else [(4,)] if name == "openvino-gpu" else [(1,), (2,)]:
                    rates[name].append(server.ask("rate", a.seconds, *words)["items_per_s"])
                if name != "weir":
                    kernels[name].append(server.ask("kernels", a.seconds)["items_per_s"])
            if i:
                profiles.append(self.profile())
        self.close()
        best = lambda values: max((v for v in values if v), default=None)
        weir = figures_of(min(profiles, key=lambda p: figures_of(p)["kernels_per_s"] ** -1))
        weir |= {"items_per_s": best(rates.get("weir", [])), "peaks": profile["peaks"]}
        peers = {n: {"items_per_s": best(rates[n]), "kernels_per_s": best(kernels[n])} for n in kernels}
        return {"weir": weir, "peers": peers, "refused": self.refused, "differences": differences, "ratios": ratios_of(weir, peers)}


def ratios_of(weir, peers):
    """Weir's rate over the peer's: above 1 Weir is quicker"""
    ratios = {}
    for name, peer in peers.items():
        ours = {"items_per_s": weir["items_per_s"], "kernels_per_s": weir["convolutions_per_s" if name == "cudnn-convolutions" else "kernels_per_s"]}
        ratios[name] = {k: v / peer[k] for k, v in ours.items() if v and peer[k]}
    return ratios


def bench_network(network, tool, arguments):
    results = {}
    for precision in arguments.precisions:
        for batch in arguments.batches:
            with tempfile.TemporaryDirectory() as folder:
                case = Case(network, precision, batch, tool, arguments, pathlib.Path(folder))
                result = case.measure()
            results.setdefault(precision, {})[str(batch)] = result
            weir = result["weir"]
            said = f"{weir['items_per_s'] or 0:.0f}/s, kernels {weir['kernels_per_s']:.0f}/s, {weir['tflops']:.2f} TFLOP/s" if weir else result["refused"]["weir"]
            others = ", ".join(f"{n} {p['items_per_s'] or p['kernels_per_s'] or 0:.0f}/s" for n, p in result["peers"].items())
            say(f"{network.name} {precision} x{batch}: {said}" + (f"; {others}" if others else ""))
            if not weir:
                break  # neither do other batches
    return results


def bench_frames(network, tool, arguments):
    """frames per second of each load and precision"""
    results = {}
    for precision in arguments.precisions:
        for n_streams, options in arguments.loads:
            name = f"{n_streams} cameras" + "".join(f", {o}" for o in [" ".join(options)] if o)
            try:
                run = tool.json("bench", network.path, "--device", tool.device, "--precision", precision, "--picture", PICTURE, "--streams", n_streams,
                                "--seconds", max(1, arguments.seconds), *options, env=FRESH)
            except RuntimeError as e:
                say(f"frames {precision}: {reason_of(e)}")
                break
            stats = run["stats"]
            results.setdefault(precision, {})[name] = {"frames_per_s": run["items_per_s"], "mean_batch": stats["mean_batch"],
                                                       "service_fixed_us": stats["service_fixed_us"], "service_per_item_us": stats["service_per_item_us"],
                                                       "cpu_seconds_per_s": run["cpu_seconds"] / run["seconds"]}
            say(f"frames {precision}, {name}: {run['items_per_s']:.0f}/s")
    return results


# What is said.

def number(value, digits=4):
    return "–" if value is None else f"{value:.{digits}g}"


def percent(value):
    return "–" if value is None else f"{100 * value:.0f} %"


def rows_of(models, precision):
    return [(name, int(batch), r) for name, m in models.items() for batch, r in m.get(precision, {}).items() if r["weir"]]


def columns_of(rows, peers):
    """(peer, figure, what it is called) of those that there are"""
    names = {"items_per_s": "with transfers", "kernels_per_s": "kernels"}
    return [(p, k, what) for p in peers for k, what in names.items() if any(r["peers"].get(p, {}).get(k) for _, _, r in rows)]


def table(models, precision, peers):
    rows = rows_of(models, precision)
    columns = columns_of(rows, peers)
    heads = ["batch", "per s, with transfers", "kernels", "TFLOP/s", "share of peak", "roof", "steps", "commands", "transfers, µs", "on the host, µs"]
    heads += [head for p, _, what in columns for head in (f"{p}: {what}", "ratio")]
    lines = [f"| {precision} | " + " | ".join(heads) + " |", "|---|" + "--:|" * len(heads)]
    for name, batch, r in rows:
        w = r["weir"]
        cells = [str(batch), number(w["items_per_s"]), number(w["kernels_per_s"]), number(w["tflops"], 3), percent(w["peak_share"]), percent(w["roof_share"]),
                 str(w["n_steps"]), str(w["n_commands"]), number(w["transfer_us"], 3), number(w["host_us"], 3)]
        for p, k, _ in columns:
            cells += [number(r["peers"].get(p, {}).get(k)), show(r["ratios"].get(p, {}).get(k))]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def is_convolutions(r):
    """whether they take most of the kernels' time"""
    w = r["weir"]
    return bool(w["convolutions_per_s"]) and w["kernels_per_s"] / w["convolutions_per_s"] >= CONVOLUTION_BOUND


def means(models, precision, peers):
    """geometric means over the networks, by batch"""
    rows = rows_of(models, precision)
    columns = columns_of(rows, peers)
    heads = ["batch", "networks", "share of peak", "roof", *(f"{p}: ratio, {what}" for p, _, what in columns)]
    lines = [f"| geometric means, {precision} | " + " | ".join(heads) + " |", "|---|" + "--:|" * len(heads)]
    for text, belongs in (("all networks", lambda r: True), (f"{percent(CONVOLUTION_BOUND)} or more in convolutions", is_convolutions)):
        for batch in sorted({b for _, b, _ in rows}):
            same = [r for _, b, r in rows if b == batch and belongs(r)]
            cells = [str(batch), str(len(same))]
            cells += [percent(geometric_mean([v for r in same if (v := r["weir"][what])])) for what in ("peak_share", "roof_share")]
            cells += [show(geometric_mean([v for r in same if (v := r["ratios"].get(p, {}).get(k))])) for p, k, _ in columns]
            lines.append(f"| {text} | " + " | ".join(cells) + " |")
    return lines


def frames_table(frames):
    lines = [f"| {FACE}, {PICTURE} NV12 | load | frames per s | mean batch | processors | a, µs | c, µs |", "|---|---|--:|--:|--:|--:|--:|"]
    for precision, loads in frames.items():
        for name, r in loads.items():
            lines.append(f"| {precision} | {name} | {number(r['frames_per_s'])} | {number(r['mean_batch'], 3)} | {number(r['cpu_seconds_per_s'], 3)} | "
                         f"{r['service_fixed_us']} | {r['service_per_item_us']} |")
    return lines


def absent(models):
    """{peer: reason} of those that ran nothing"""
    results = [r for m in models.values() for by_batch in m.values() for r in by_batch.values()]
    ran = {p for r in results for p in r["peers"]}
    return {p: reason for r in reversed(results) for p, reason in r["refused"].items() if p not in ran and p != "weir"}


def report(data):
    results = [r for m in data["models"].values() for by_batch in m.values() for r in by_batch.values()]
    peers = [p for p in (*PEERS, "onnxruntime-cpu") if any(p in r["peers"] for r in results)]
    lines = [f"{data['date']}, {data['device']['description']} ({data['device']['name']}), driver {data['device']['driver']}, {data['device']['opencl']}.", ""]
    peaks = next((r["weir"]["peaks"] for r in results if r["weir"]), None)
    if peaks:
        lines += [f"Measured peaks: f32 {peaks['f32_gflops'] / 1e3:.2f} TFLOP/s, f16 {peaks['f16_gflops'] / 1e3:.2f}, int8 {peaks['int8_gflops'] / 1e3:.2f} (0: no such arithmetic), cache "
                  f"{peaks['l2_gbps']:.0f} GB/s, memory {peaks['memory_gbps']:.0f} GB/s, upload {peaks['upload_gbps']:.1f} GB/s, download "
                  f"{peaks['download_gbps']:.1f} GB/s, {peaks['launch_us']:.2f} µs from one kernel to the next.", ""]
    if data["device"]["kind"] == "CPU":
        lines += ["**The device is a CPU: these figures say nothing about a GPU.**", ""]
    for precision in data["precisions"]:
        if rows_of(data["models"], precision):
            lines += [*means(data["models"], precision, peers), "", *table(data["models"], precision, peers), ""]
    if data["frames"]:
        lines += [*frames_table(data["frames"]), ""]
    lines += [f"Not there: {peer}: {reason}." for peer, reason in absent(data["models"]).items()]
    for name, m in data["models"].items():
        for precision, by_batch in m.items():
            lines += [f"Not run: {name}, {precision}, batch {b}: {r['refused']['weir']}." for b, r in by_batch.items() if "weir" in r["refused"]]
    return "\n".join([*lines, f"Best of {data['rounds']} rounds of {data['seconds']} s.", ""])


def differs(data):
    return any(not r["differences"].get("weir", 0) <= 1 for m in data["models"].values() for b in m.values() for r in b.values() if r["weir"])


def load(text):
    """"8", "64:16": cameras, largest batch"""
    cameras, _, batch = text.partition(":")
    return int(cameras), ("--batch-size", batch) if batch else ()


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", default="GPU", help="as `weir devices` names it; GPU.pocl: to try the program without a GPU")
    p.add_argument("--models", default="", metavar="REGEX", help="of names in golden/tensors/index.json")
    p.add_argument("--batches", default="1,4,16,64", type=lambda v: [int(n) for n in v.split(",")])
    p.add_argument("--precisions", default="f32,f16,int8", type=lambda v: v.split(","))
    p.add_argument("--peers", default=",".join(PEERS), type=lambda v: [n for n in v.split(",") if n], help="beside Weir; default: %(default)s")
    p.add_argument("--loads", default=LOADS, type=lambda v: [load(n) for n in v.split(",") if n], metavar="CAMERAS[:BATCH],…",
                   help="of the end to end runs; an empty list leaves them out")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=0.7)
    p.add_argument("--json", type=pathlib.Path, help="all figures; networks in it, of this device, that are not run again are kept and shown")
    p.add_argument("--markdown", type=pathlib.Path, help="the tables")
    p.add_argument("--build", type=pathlib.Path, default=peer_kit.ROOT / "build")
    p.add_argument("--shared", type=pathlib.Path, default=peer_kit.SHARED)
    p.add_argument("--install", type=pathlib.Path, metavar="FOLDER", help="environment to run in, made where it is not there")
    p.add_argument("--child", help=argparse.SUPPRESS)
    return p.parse_args()


def install(folder):
    try:
        peer_kit.enter(folder, PACKAGES)
    except (subprocess.CalledProcessError, OSError) as e:
        say(f"no environment in {folder} ({e}): on without it")


def save(arguments, data):
    if arguments.json:
        arguments.json.write_text(json.dumps(data, indent=1))
    if arguments.markdown:
        arguments.markdown.write_text(report(data))


def main():
    a = parse()
    if a.install:
        install(a.install)
    peer_kit.require("numpy")
    if a.child:
        peer_runtimes.serve(json.loads(a.child), peer_gpu.ENGINES)
    tool = Tool(a)
    device = tool.facts()
    if not device:
        say(f"skipped: no device {a.device}: `weir devices` lists what there is")
        return 77
    networks = peer_kit.golden(a.shared)
    chosen = [n for n in networks.values() if re.search(a.models, n.name) and n.path.exists()]
    if not chosen:
        say(f"skipped: no network of {a.shared} is called like that")
        return 77
    kept = json.loads(a.json.read_text()) if a.json and a.json.exists() else {}
    kept = kept if kept.get("device") == device else {}
    data = {"date": datetime.date.today().isoformat(), "device": device, "rounds": a.rounds, "seconds": a.seconds, "precisions": a.precisions,
            "models": kept.get("models", {}), "frames": kept.get("frames", {})}
    for i, network in enumerate(chosen):
        say(f"network {i + 1} of {len(chosen)}: {network.name}")
        data["models"][network.name] = bench_network(network, tool, a)
        save(a, data)
    if a.loads and FACE in networks and networks[FACE].path.exists():
        data["frames"] = bench_frames(networks[FACE], tool, a)
        save(a, data)
    print(report(data))
    return 1 if differs(data) else 0


if __name__ == "__main__":
    sys.exit(main())
