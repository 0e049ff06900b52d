#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Eight paced cameras through a face detector and a classifier of faces: nobody notices the others.

    check_streams.py STREAMS        the program tests/batching/streams

Each camera replays another part of one clip, all at the same moments. What is found in a frame must be what the whole clip gave on its
own, item by item; no camera is slower than another, waits stay under the bound, every batch is accounted for. Exit status 77 where
the models are not there.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

SHARED = pathlib.Path(os.environ.get("WEIR_SHARED", "../shared"))
CLIP = SHARED / "videos/faces-768x432.h264"
DETECTOR = SHARED / "models/ir/face-detection-retail-0004/FP16-INT8"
CLASSIFIER = SHARED / "models/ir/age-gender-recognition-retail-0013/FP16-INT8"
# Five frames a second of each camera are a tenth of two cores.
N_STREAMS, RATE, N_FRAMES, SHIFT = 8, 5, 60, 25
SAME_RATE = 0.02
N_TRIES = 2  # a machine that was busy with something else gets another chance to be in time; results must be right at once
# On AVX-512 a batch gives the very same numbers, in int8 and in f32. A CPU for which other kernels are chosen by size may add up in another
# order: that moves what lies in 0..1 by some 1e-7.
TOLERANCE = 1e-5


def stages(options):
    return ["--detect", f"model={DETECTOR} {options}", "--classify", f"model={CLASSIFIER} attach-tensors=true {options}"]


def streams(program, folder, options, *arguments):
    command = [program, "--clip", CLIP, "--output", folder, *stages(options), *arguments]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=200)
    if done.returncode:
        raise RuntimeError(f"streams: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def differences(got, wanted, where=""):
    """sentences; numbers that are not whole may differ a little, all else may not"""
    if isinstance(got, dict) and isinstance(wanted, dict) and got.keys() == wanted.keys():
        return [d for k in got for d in differences(got[k], wanted[k], f"{where}.{k}")]
    if isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted):
        return [d for i, (a, b) in enumerate(zip(got, wanted)) for d in differences(a, b, f"{where}[{i}]")]
    if isinstance(got, float) and isinstance(wanted, float) and abs(got - wanted) <= TOLERANCE:
        return []
    return [] if got == wanted else [f"{where[1:]}: {got}, alone {wanted}"]


def check_frames(k, got, alone):
    if len(got) != N_FRAMES:
        return [f"{len(got)} frames, {N_FRAMES} were sent"]
    found = []
    for i, (frame, wanted) in enumerate(zip(got, alone[k * SHIFT:])):
        if frame["stream"] != str(k) or frame["frame"] != i or frame["status"] != "inferred":
            found.append(f"line {i}: stream {frame['stream']}, frame {frame['frame']}, {frame['status']}")
        same = {"stream": str(k), "frame": i, "timestamp": frame["timestamp"]}
        found += differences(frame, {**wanted, **same}, f".frame {i}")
    return found


def check_stats(name, stats):
    """of one session, as the last camera reads them"""
    cuts = sum(stats[f"cut-{reason}"] for reason in ("full", "complete", "deadline", "idle", "drain"))
    sizes = sum(n * count for n, count in enumerate(stats["batch-histogram"]))
    rules = [
        (cuts == stats["batches"], f"{cuts:.0f} batches were cut, {stats['batches']:.0f} ran"),
        (sizes == stats["items"], f"{sizes:.0f} items by the histogram, {stats['items']:.0f} ran"),
        (stats["skipped"] == stats["failed"] == 0, f"{stats['skipped']:.0f} skipped, {stats['failed']:.0f} failed"),
        (stats["mean-batch"] > 1 or name != "detect", "every batch was 1"),
    ]
    return [f"{name}: {text}" for ok, text in rules if not ok]


def check_times(cameras):
    """what a busy machine may spoil"""
    rates = [c["per-second"] for c in cameras]
    print("frames per second:", " ".join(f"{r:.3f}" for r in rates))
    found = []
    if max(rates) > (1 + SAME_RATE) * min(rates) or min(rates) < (1 - SAME_RATE) * RATE:
        found.append(f"a camera of {min(rates):.2f} frames per second beside one of {max(rates):.2f}; {RATE} were sent")
    for name in ("detect", "classify"):
        stats = cameras[-1][name]
        wait_ms, bound_ms = stats["wait-us-p99"] / 1e3, stats["bound-us-half-way"] / 1e3
        print(f"{name}: {stats['items']:.0f} items, mean batch {stats['mean-batch']:.2f}, wait p99 {wait_ms:.1f} ms, bound {bound_ms:.1f} ms")
        if wait_ms > bound_ms:
            found.append(f"{name}: p99 of the wait {wait_ms:.1f} ms, bound {bound_ms:.1f} ms")
    return found


def check_cameras(program, folder, alone):
    """(what is wrong, what is late)"""
    # as said, not only as large as pays
    cameras = streams(program, folder, "batch-size=8", "--streams", N_STREAMS, "--rate", RATE, "--frames", N_FRAMES, "--shift", SHIFT, "--in-step", N_STREAMS)
    found = []
    for k in range(N_STREAMS):
        found += [f"camera {k}: {d}" for d in check_frames(k, lines(folder / f"{k}.jsonl"), alone)]
    for name in ("detect", "classify"):
        found += check_stats(name, cameras[-1][name])
    return found, check_times(cameras)


def main():
    for path in (CLIP, DETECTOR, CLASSIFIER):
        if not path.exists():
            print(f"skipped: {path} is not there")
            return 77
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        streams(sys.argv[1], folder, "allow-auto-batching=false")
        alone = lines(folder / "0.jsonl")
        n_objects = sum(len(frame["objects"]) for frame in alone)
        found, late = [], []
        if len(alone) < (N_STREAMS - 1) * SHIFT + N_FRAMES or n_objects < len(alone):
            found.append(f"alone: {len(alone)} frames with {n_objects} objects")
        for _ in range(N_TRIES):
            wrong, late = check_cameras(sys.argv[1], folder, alone)
            found += wrong
            if found or not late:
                break
    for text in (found + late)[:20]:
        print("FAILED", text)
    return 1 if found or late else 0


if __name__ == "__main__":
    sys.exit(main())
