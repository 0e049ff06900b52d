#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What networks can reach on a GPU that is not there: a calculation, not a measurement.

    gpu_limits.py MODEL… [--device GPU.pocl] [--precision f32] [--batches 1,16,64] [--tflops 67] [--memory 4.8] [--link 55] [--launch 4] …

Steps, kernels, arithmetic and bytes are those of `weir bench MODEL --profile` on any OpenCL device (PoCL will do), for one item and for two; more items
follow by the line through both. What is then assumed of the GPU, by options:

  products (all convolutions but depthwise ones): the tile (ocl_family.c) and the number of parts that engine/ocl/ocl_product.c would take, its groups in whole rounds
      over the units; the best tile at --share of the f32 peak when the device is full
  everything else: the longer of its arithmetic at that peak and its bytes at --memory-share of the memory's bandwidth
  each kernel: at least --launch µs, which is how fast a host can begin them one behind the other
  transfers: at --link GB/s, beside the kernels of another batch: what is slower bounds

Steps of the host (detection tails) and preprocessing are not in it: their number is told.
"""
import argparse
import math
import re
import sys

import bench_gpu
import peer_kit

MAX_PARTS, MIN_PART_STEPS = 16, 4  # of ocl_product.c


def tiles():
    """(m, n, step, speed) of those for NVIDIA's devices"""
    source = (peer_kit.ROOT / "engine/ocl/ocl_family.c").read_text()
    numbers = lambda text: [int(v) for v in re.findall(r"\d+", text)]
    table = re.search(r"weir_ocl_tiles\[\w+\] = \{(.*?)\n\};", source, re.S)[1]
    speeds = numbers(re.search(r'"NVIDIA"[^{}]*\{([^{}]*)\}', source)[1])
    rows = [numbers(row) for row in re.findall(r"\{([^{}]*)\}", table)]
    return [(m, n, step, speed) for (m, n, _, _, step), speed in zip(rows, speeds) if speed]


class Gpu:
    def __init__(self, a):
        self.units, self.flops, self.memory, self.link, self.launch = a.units, a.tflops * 1e12, a.memory * 1e12, a.link * 1e9, a.launch * 1e-6
        self.share, self.memory_share, self.tiles = a.share, a.memory_share, tiles()

    def product(self, layer, n):
        """(seconds, kernels) of a convolution of n items, without what a launch takes"""
        rows, outputs = n * layer["dst"][2] * layer["dst"][3], layer["dst"][1] // layer["groups"]
        row = layer["kernel"][1] * layer["src"][1] // layer["groups"]  # taps of a row of the window are one piece
        unit = self.flops * self.share / self.units / 2  # products a second
        best = (math.inf, 1)
        for m, columns, step, speed in self.tiles:
            n_steps = layer["kernel"][0] * -(-row // step)
            parts = 1
            while parts <= MAX_PARTS and (parts == 1 or n_steps >= parts * MIN_PART_STEPS):
                groups = -(-rows // m) * -(-outputs // columns) * layer["groups"] * parts
                seconds = -(-groups // self.units) * m * columns * -(-n_steps // parts) * step * 1000 / speed / unit
                if parts > 1:  # written, read and summed
                    seconds += self.launch + 2 * 4 * parts * rows * layer["dst"][1] / (self.memory * self.memory_share)
                best = min(best, (seconds, 1 if parts == 1 else 2))
                parts *= 2
        return best

    def kernels(self, step, n):
        """(seconds, kernels) of a step: at least its arithmetic, its bytes, and its launches"""
        moving = step.at("bytes", n) / (self.memory * self.memory_share)
        arithmetic, count = step.at("flops", n) / (self.flops * self.share), step.commands
        if step.layer:
            seconds, products = self.product(step.layer, n)
            arithmetic, count = max(arithmetic, seconds), max(count, products)
        return max(arithmetic, moving, count * self.launch), count


class Step:
    """One step, for any number of items."""

    def __init__(self, one, two, layer):
        self.one, self.two, self.layer = one, two, layer
        self.commands, self.bound = one["commands"], one["bound"]

    def at(self, what, n):
        return self.one[what] + (n - 1) * (self.two[what] - self.one[what])


def steps_of(one, two):
    """of the profiles of one item and of two"""
    steps = []
    for a, b in zip(one["steps"], two["steps"]):
        layers = bench_gpu.convolutions_of({"steps": [a]})
        is_product = layers and layers[0]["groups"] < layers[0]["src"][1]
        steps.append(Step(a, b, layers[0] if is_product else None))
    return steps


def estimate(steps, gpu, n):
    kernels = [s for s in steps if s.commands and s.bound != "transfer"]
    counted = [gpu.kernels(s, n) for s in kernels]
    seconds, launches = sum(t for t, _ in counted), sum(c for _, c in counted)
    moved = [max(sum(s.at("bytes", n) for s in steps if s.bound == "transfer" and s.one["implementation"] == way) for way in ("upload", "download"))][0]
    link = moved / gpu.link
    flops, n_bytes = (sum(s.at(what, n) for s in kernels) for what in ("flops", "bytes"))
    return {"batch": n, "steps": len(steps), "launches": launches, "mflop": flops / 1e6, "mb": n_bytes / 1e6, "moved_mb": moved / 1e6,
            "launch_us": launches * gpu.launch * 1e6, "arithmetic_us": flops / (gpu.flops * gpu.share) * 1e6,
            "memory_us": n_bytes / (gpu.memory * gpu.memory_share) * 1e6, "kernels_us": seconds * 1e6, "link_us": link * 1e6,
            "per_s": n / max(seconds, link), "host_steps": sum(1 for s in steps if not s.commands)}


COLUMNS = (("batch", "batch", "{:d}"), ("steps", "steps", "{:d}"), ("kernels", "launches", "{:d}"), ("MFLOP", "mflop", "{:.0f}"), ("MB", "mb", "{:.1f}"),
           ("launches, µs", "launch_us", "{:.0f}"), ("arithmetic, µs", "arithmetic_us", "{:.0f}"), ("memory, µs", "memory_us", "{:.0f}"),
           ("kernels together, µs", "kernels_us", "{:.0f}"), ("transfers, µs", "link_us", "{:.0f}"), ("images per s", "per_s", "{:.0f}"),
           ("steps of the host", "host_steps", "{:d}"))


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+", metavar="MODEL")
    p.add_argument("--device", default="GPU.pocl", help="that profiles run on (default: %(default)s)")
    p.add_argument("--precision", default="f32")
    p.add_argument("--batches", default="1,16,64", type=lambda v: [int(n) for n in v.split(",")])
    p.add_argument("--tflops", type=float, default=67, help="f32 (default: %(default)s)")
    p.add_argument("--memory", type=float, default=4.8, help="TB/s (default: %(default)s)")
    p.add_argument("--link", type=float, default=55, help="GB/s to and from the host (default: %(default)s)")
    p.add_argument("--launch", type=float, default=4, help="µs (default: %(default)s)")
    p.add_argument("--units", type=int, default=132, help="compute units (default: %(default)s)")
    p.add_argument("--share", type=float, default=0.65, help="of the f32 peak that the best tile reaches (default: %(default)s)")
    p.add_argument("--memory-share", type=float, default=0.85, help="of the memory's bandwidth that kernels reach (default: %(default)s)")
    p.add_argument("--build", type=type(peer_kit.ROOT), default=peer_kit.ROOT / "build")
    return p.parse_args()


def main():
    a = parse()
    tool, gpu = bench_gpu.Tool(a), Gpu(a)
    print(f"| {a.precision}, calculated | " + " | ".join(head for head, _, _ in COLUMNS) + " |\n|---|" + "--:|" * len(COLUMNS))
    for model in a.models:
        one, two = (tool.profile(model, a.precision, n, []) for n in (1, 2))
        steps = steps_of(one, two)
        for n in a.batches:
            figures = estimate(steps, gpu, n)
            print(f"| {one['model']} | " + " | ".join(form.format(figures[key]) for _, key, form in COLUMNS) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
