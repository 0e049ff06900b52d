#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Drives docs/examples/multicamera.c or .py: cameras come, go and fail, and the others do not notice.

    check_multicamera.py PROGRAM
"""
import os
import sys

import example_kit as kit

STEP_NS = 100_000_000
LONGEST_PAUSE_S = 3


def nanoseconds(text):
    hours, minutes, seconds = text.split(":")
    whole, fraction = seconds.split(".")
    return ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * 10**9 + int(fraction)


def frames_of(program, name):
    """(arrival, time, what was read) of each frame of a camera."""
    rows = ((at, line.split(" ", 2)) for at, line in program.lines)
    return [(at, row[1], row[2].replace(" ", "")) for at, row in rows if row[0] == name]


def wait_frames(program, name, count):
    program.wait(f"{count} frames of {name}", lambda: len(frames_of(program, name)) >= count)


def check_camera(program, name):
    frames = frames_of(program, name)
    number = name.removeprefix("camera")
    for _, time, text in frames:
        expected = f"{time[:len('0:00:00.000')]}#{number}"
        assert text == expected, f"{name}: read {text!r}, expected is {expected!r}"
    kit.expect_steady([(at, nanoseconds(time)) for at, time, _ in frames], STEP_NS, LONGEST_PAUSE_S)
    return frames


def start(*args):
    path = os.path.abspath(sys.argv[1])
    if path.endswith(".py"):
        return kit.Program(kit.gi_python("Gst", "GstVideo"), path, *args, traces_leaks=False)
    return kit.Program(path, *args)


def check_cameras_that_come_and_go():
    program = start()
    wait_frames(program, "camera1", 5)
    wait_frames(program, "camera2", 5)
    program.say("+ test")
    wait_frames(program, "camera3", 8)
    program.say("- camera1")
    program.wait_log("^camera1: removed as you say")
    n_lines = len(program.lines)
    program.say("+ no-such-file.mkv")
    program.wait_log("^camera4: removed as it failed")
    program.say("- camera17")
    program.wait_log("expected is")
    wait_frames(program, "camera3", 20)
    program.wait_log(r"frames: .*camera3 \d+, .*mean batch [1-9]")
    assert not any(line.startswith("camera1 ") for _, line in program.lines[n_lines + 1:]), "a removed camera speaks"
    program.interrupt()
    counts = [len(check_camera(program, f"camera{k}")) for k in (1, 2, 3)]
    assert any("no-such-file.mkv" in text and "o such file" in text for _, text in program.log), "no cause is named"
    print(f"{counts} frames, all read right")


def check_failure():
    program = start("--model", "nothing.onnx", "test")
    program.expect_exit(1)
    assert any("nothing.onnx" in text for _, text in program.log), program.log
    assert not program.lines


def main():
    kit.require_elements("videotestsrc", "timeoverlay", "textoverlay", "uridecodebin")
    check_cameras_that_come_and_go()
    check_failure()


if __name__ == "__main__":
    main()
