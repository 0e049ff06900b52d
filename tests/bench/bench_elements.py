#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a frame's way through the elements costs beside inference; JSON, one object a case.

Needs python3-gi, and a plugin to be found: meson devenv -C build python3 tests/bench/bench_elements.py [CASE...]

frame   CPU time a frame, of all threads: a still 1080p NV12 picture, handed on again and again, with inferdetect less without.
        SIM(0,0) runs nothing, so this is mapping, preprocessing, queue, metadata and push. `input` is the network's: the
        smaller, the less of it is preprocessing.
queue   frames a second of a video without any queue and with one before and one after, in turn
live    30 fps cameras into sinks that keep time: frames that were late, with the latency that the pipeline was told
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import sys
import time

import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIND = ROOT / "pipelines/clocks/find-characters.onnx"
SHARED = pathlib.Path(os.environ.get("WEIR_SHARED", ROOT.parent / "shared"))


def play(line, seconds=None):
    """Plays to the end, or for so long; the pipeline is still there."""
    pipeline = Gst.parse_launch(line)
    bus, end = pipeline.get_bus(), None
    pipeline.set_state(Gst.State.PLAYING)
    while end is None or time.monotonic() < end:
        message = bus.timed_pop(20 * Gst.MSECOND)
        if message is None:
            if seconds and end is None and pipeline.current_state == Gst.State.PLAYING:
                end = time.monotonic() + seconds
            continue
        if message.type == Gst.MessageType.ERROR:
            sys.exit(message.parse_error()[0].message)
        if message.type == Gst.MessageType.LATENCY:
            pipeline.recalculate_latency()
        if message.type == Gst.MessageType.EOS:
            break
    return pipeline


def cpu_us():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e6


def cpu_us_a_frame(elements, n_frames):
    """Of many frames less few, so that loading does not count."""
    def cost(n):
        start = cpu_us()
        pipeline = play(f"videotestsrc num-buffers=1 ! video/x-raw,format=NV12,width=1920,height=1080,framerate=30/1 ! "
                        f"imagefreeze num-buffers={n} ! {elements} fakesink")
        detect = pipeline.get_by_name("detect")
        if detect and detect.get_property("stats").get_uint64("stream-items").value != n:
            sys.exit("not every frame was looked at")
        pipeline.set_state(Gst.State.NULL)
        return cpu_us() - start
    few = n_frames // 10
    return (cost(n_frames) - cost(few)) / (n_frames - few)


def bench_frame(rounds):
    rows = {"1x192x320": f"model={FIND}"}
    tiny = SHARED / "models/onnx/yunet_n_dynamic.onnx"
    if tiny.exists():
        rows["3x32x32"] = f"model={tiny} input-shape=1x3x32x32"
    for size, model in rows.items():
        detect = f"inferdetect name=detect {model} device=SIM(0,0) !"
        costs = [cpu_us_a_frame(detect, 20000) - cpu_us_a_frame("", 20000) for _ in range(rounds)]
        yield {"input": size, "cpu_us_a_frame": round(min(costs), 1), "median": round(statistics.median(costs), 1)}


def bench_queue(rounds):
    video, model = SHARED / "videos/car-detection.mp4", SHARED / "models/onnx/nanodet_m.onnx"
    if not (video.exists() and model.exists()):
        return
    def rate(before, after, device):
        start = time.monotonic()
        pipeline = play(f"filesrc location={video} ! decodebin ! {before} "
                        f"inferdetect name=detect model={model} device={device} ! {after} fakesink")
        seconds = time.monotonic() - start
        frames = pipeline.get_by_name("detect").get_property("stats").get_uint64("frames").value
        pipeline.set_state(Gst.State.NULL)
        return frames / seconds
    for device in ("SIM(4,1)", "CPU"):
        pairs = [(rate("", "", device), rate("queue !", "queue !", device)) for _ in range(rounds)]
        without, with_queues = (max(p[i] for p in pairs) for i in (0, 1))
        yield {"device": device, "without_fps": round(without, 1), "with_fps": round(with_queues, 1),
               "ratio": round(without / with_queues, 3),
               "median_ratio": round(statistics.median(a / b for a, b in pairs), 3)}


def bench_live(seconds):
    for n_streams, device in ((1, "CPU"), (8, "CPU"), (1, "SIM(20,2)"), (8, "SIM(4,1)")):
        branch = ("videotestsrc is-live=true ! video/x-raw,format=NV12,width=640,height=360,framerate=30/1 ! "
                  f"inferdetect model={FIND} device={device} ! fakesink name=sink{{}} sync=true max-lateness=0 ")
        pipeline = play("".join(branch.format(i) for i in range(n_streams)), seconds)
        query = Gst.Query.new_latency()
        pipeline.query(query)
        stats = [pipeline.get_by_name(f"sink{i}").get_property("stats") for i in range(n_streams)]
        pipeline.set_state(Gst.State.NULL)
        count = {name: sum(s.get_uint64(name).value for s in stats) for name in ("rendered", "dropped")}
        yield {"streams": n_streams, "device": device, "in_time": count["rendered"], "late": count["dropped"],
               "latency_ms": round(query.parse_latency()[1] / Gst.MSECOND, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="of a live case")
    cases = {"frame": lambda o: bench_frame(o.rounds), "queue": lambda o: bench_queue(o.rounds),
             "live": lambda o: bench_live(o.seconds)}
    parser.add_argument("case", nargs="*", help=", ".join(cases))
    options = parser.parse_args()
    Gst.init(None)
    for name in options.case or cases:
        for row in cases[name](options):
            print(json.dumps({"case": name, **row}), flush=True)


main()
