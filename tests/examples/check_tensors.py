#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs docs/examples/tensors.c on the embedded networks and reads what it prints."""
import json
import os
import re
import subprocess
import sys

PROGRAM, DEVICE = os.path.abspath(sys.argv[1]), sys.argv[2]
ROOT = os.environ["WEIR_SOURCE_ROOT"]
BATCH_MAX, N_REQUESTS = 8, 64


def run(*args, status=0):
    done = subprocess.run([PROGRAM, *args], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != status:
        sys.exit(f"{args}: exit status {done.returncode}, expected is {status}\n{done.stdout}{done.stderr}")
    return done.stdout if status == 0 else done.stderr


def expect(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        sys.exit(f"nothing like {pattern!r} in\n{text}")
    return found.group(1) if found.groups() else None


def check(text, config):
    expect(r"^input  \S+ f32\[1,", text)
    expect(r"^output \S+ f32\[1,", text)
    expect(rf"^blocking: {BATCH_MAX} items in [0-9.]+ ms$", text)
    n_in_flight = int(expect(rf"^callbacks: {N_REQUESTS} requests, (\d+) in flight", text))
    difference = float(expect(r"largest difference (\S+)$", text))
    assert difference <= 1e-4, f"largest difference {difference}"
    expect(r"^cancelled: (in time|too late)$", text)
    for n in (0, BATCH_MAX + 1):
        expect(rf"^refused: .*batch {n}: 1 to {BATCH_MAX} are expected", text)
    n_optimal = int(expect(r"^optimal requests: (\d+)$", text))
    assert n_in_flight == max(n_optimal // BATCH_MAX, 2)
    stats = json.loads(text.splitlines()[-1])
    n_items = BATCH_MAX + sum(1 + i % BATCH_MAX for i in range(N_REQUESTS))
    assert stats["items"] >= n_items, f"{stats['items']} items, expected are {n_items}"
    assert stats["failed"] == 0 and stats["in_flight"] == 0
    if "NUM_REQUESTS=3" in config:
        assert n_optimal == 3 and stats["batch_max"] == 3 and max_batch(stats) <= 3


def max_batch(stats):
    return max(n for n, count in enumerate(stats["batch_histogram"]) if count)


def main():
    reader = "pipelines/clocks/read-characters.onnx"
    check(run(), "")
    for config in ("", "PERFORMANCE_HINT_NUM_REQUESTS=3"):
        check(run(reader, DEVICE, config), config)
    if DEVICE == "CPU":
        check(run("pipelines/clocks/find-characters.onnx"), "")
    assert "nothing.onnx" in run("nothing.onnx", DEVICE, status=1)
    assert "NO_SUCH_KEY" in run(reader, DEVICE, "NO_SUCH_KEY=1", status=1)
    print("ok")


if __name__ == "__main__":
    main()
