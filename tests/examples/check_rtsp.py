#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills and restarts a network camera under docs/examples/rtsp-reconnect.c: it comes back, and the other camera never paused.

    check_rtsp.py PROGRAM
"""
import atexit
import json
import os
import re
import subprocess
import sys

import example_kit as kit

# JPEG, as its encoder and payloader are in the packages that Weir needs anyway. The clock counts from when somebody looks.
CAMERA = [*"videotestsrc is-live=true pattern=smpte ! video/x-raw,format=I420,width=640,height=360,framerate=10/1 !"
          " timeoverlay time-mode=running-time halignment=left valignment=top shaded-background=true xpad=12 ypad=12".split(),
          "font-desc=DejaVu Sans Bold 36",
          *"! video/x-raw ! jpegenc quality=95 ! rtpjpegpay name=pay0 pt=26".split()]
STEP_NS = 100_000_000
LONGEST_PAUSE_S = 3


class Server:
    def __init__(self, python, port):
        script = os.path.join(kit.ROOT, "pipelines", "rtsp", "camera.py")
        self.process = subprocess.Popen([python, script, "--port", str(port), "--", *CAMERA], stdout=subprocess.PIPE, text=True,
                                        env=kit.tool_env())
        atexit.register(self.process.kill)
        self.address = self.process.stdout.readline().strip()
        if not self.address:
            sys.exit("the server does not start")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def read(frame):
    """The characters of a frame, from left to right."""
    objects = sorted(frame["objects"], key=lambda found: found["x"])
    return "".join(found["character"]["label"] for found in objects)


def milliseconds(clock):
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d)\.(\d{3})", clock)
    assert found, f"no clock was read, but {clock!r}"
    hours, minutes, seconds, rest = (int(part) for part in found.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest


def frames_of(program, name):
    """(arrival, PTS, milliseconds that were read) of each frame of a camera."""
    rows = ((at, json.loads(line)) for at, line in program.lines)
    return [(at, row["timestamp"], milliseconds(read(row))) for at, row in rows if row["stream"] == name]


def wait_frames(program, name, count):
    program.wait(f"{count} frames of {name}", lambda: sum(f'"{name}"' in line for _, line in program.lines) >= count)
    return sum(f'"{name}"' in line for _, line in program.lines)


def check_network_camera(frames):
    """Its clock counts from when somebody looked: twice from the beginning, each frame a step on; our time only goes on."""
    restarts = [i for i, (before, now) in enumerate(zip(frames, frames[1:]), 1) if now[2] < before[2]]
    assert len(restarts) == 1, f"the clock began anew at frames {restarts} of {len(frames)}"
    lives = frames[: restarts[0]], frames[restarts[0]:]
    for life in lives:
        steps = {now[2] - before[2] for before, now in zip(life, life[1:])}
        assert steps <= {99, 100, 101}, f"steps of the camera's clock: {sorted(steps)} ms, expected is 100"
        times = [frame[1] for frame in life]
        assert times == sorted(set(times)), f"times of a camera: {times}"
    assert lives[1][0][1] > lives[0][-1][1], "the time went back"


def main():
    kit.require_elements("rtspsrc", "rtpjpegdepay", "rtpjpegpay", "jpegdec", "jpegenc", "timeoverlay")
    python = kit.gi_python("Gst", "GstRtspServer")
    port = kit.free_port()
    server = Server(python, port)
    program = kit.Program(sys.argv[1], "--max-delay", "1", server.address, "test")
    n_before = wait_frames(program, "camera1", 8)
    server.kill()
    at = program.wait_log("^camera1: lost: ")
    at = program.wait_log("^camera1: connecting", at)
    at = program.wait_log(r"^camera1: lost: .*next attempt in 1\.0 s", at)  # nobody is there
    server = Server(python, port)
    program.wait_log("^camera1: connected", at)
    wait_frames(program, "camera1", n_before + 10)
    program.interrupt()
    server.kill()
    check_network_camera(frames_of(program, "camera1"))
    steady = frames_of(program, "camera2")
    for _, pts, clock in steady:
        assert clock == pts // 1_000_000, f"camera2: read {clock} ms at {pts} ns"
    kit.expect_steady([frame[:2] for frame in steady], STEP_NS, LONGEST_PAUSE_S)
    assert not any(text.startswith("camera2: lost") for _, text in program.log)
    print(f"{len(steady)} frames of the camera that stayed")


if __name__ == "__main__":
    main()
