#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks at the pixels of what docs/examples/wall.c makes: boxes stand where the characters are, on every tile.

    check_wall.py PROGRAM
"""
import json
import os
import subprocess
import sys
import tempfile

import example_kit as kit

WIDTH, HEIGHT = 1280, 720
REACH_PX, N_SAMPLES = 3, 16
N_PICTURES = 3
MODEL = "pipelines/clocks/find-characters.onnx"
TEXT = ("font-desc=DejaVu Sans Bold 36", "shaded-background=true", "xpad=12", "ypad=12")
# as in wall.c
TESTS = (("smpte100", "I420", 640, 360), ("gradient", "NV12", 854, 480), ("gradient", "RGB", 960, 540), ("spokes", "BGRx", 1280, 720))


def launch(*words):
    """Runs a pipeline. Words with blanks are given whole, others as one string."""
    line = [part for word in words for part in ([word] if "=" in word and "!" not in word else word.split())]
    done = subprocess.run(["gst-launch-1.0", *line], capture_output=True, text=True, cwd=kit.ROOT, timeout=kit.PATIENCE_S, check=False,
                          env=kit.tool_env())
    if done.returncode:
        sys.exit(f"{line}\n{done.stderr}")
    return done.stdout


def boxes_of(folder, number):
    """Left, top, right, bottom of each character of a test camera, on its tile. Digits have one width, so any time will do."""
    pattern, layout, width, height = TESTS[number]
    path = os.path.join(folder, f"boxes{number}")
    launch(f"videotestsrc num-buffers=1 pattern={pattern} ! video/x-raw,format={layout},width={width},height={height},framerate=10/1 !",
           "timeoverlay", "time-mode=running-time", "halignment=left", "valignment=top", *TEXT, "!",
           "textoverlay", f"text=#{number}", "halignment=right", "valignment=bottom", *TEXT, "!",
           f"video/x-raw ! inferdetect model={MODEL} ! inferpublish location={path} ! fakesink")
    with open(path, encoding="utf-8") as file:
        objects = json.loads(file.readline())["objects"]
    left, top = number % 2 * WIDTH // 2, number // 2 * HEIGHT // 2
    across, down = WIDTH / 2 / width, HEIGHT / 2 / height
    return [(left + o["x"] * across, top + o["y"] * down, left + (o["x"] + o["w"]) * across, top + (o["y"] + o["h"]) * down)
            for o in objects]


class Picture:
    def __init__(self, path, folder):
        raw = os.path.join(folder, "raw")
        launch(f"filesrc location={path} ! pngdec ! videoconvert ! video/x-raw,format=RGB ! filesink location={raw}")
        with open(raw, "rb") as file:
            self.pixels = file.read()
        assert len(self.pixels) == WIDTH * HEIGHT * 3

    def is_marked(self, x, y):
        """The teal 469990 of the label "character", thinned by scaling: a line may be narrower than a pixel. Green and blue are alike
        and well above red, and it is no cyan of the test pictures."""
        at = (y * WIDTH + x) * 3
        red, green, blue = self.pixels[at:at + 3]
        return green - red >= 24 and blue - red >= 16 and abs(green - blue) <= 30 and green <= 225

    def has_line(self, x0, y0, x1, y1):
        """Most of it, give or take a few pixels to either side; letters of a caption may hide some."""
        down = x0 == x1
        n_marked = 0
        for i in range(N_SAMPLES):
            x, y = round(x0 + (x1 - x0) * (i + 0.5) / N_SAMPLES), round(y0 + (y1 - y0) * (i + 0.5) / N_SAMPLES)
            reach = range(-REACH_PX, REACH_PX + 1)
            near = ((x + d, y) if down else (x, y + d) for d in reach)
            n_marked += any(0 <= u < WIDTH and 0 <= v < HEIGHT and self.is_marked(u, v) for u, v in near)
        return n_marked > N_SAMPLES // 2

    def count_marked(self, x0, y0, x1, y1):
        return sum(self.is_marked(x, y) for y in range(y0, y1) for x in range(x0, x1))


def check_tile(picture, number, boxes):
    assert len(boxes) == len("0:00:00.000") + len("#0"), f"tile {number}: {len(boxes)} boxes"
    for x0, y0, x1, y1 in boxes:
        sides = {"left": (x0, y0, x0, y1), "right": (x1, y0, x1, y1), "top": (x0, y0, x1, y0), "bottom": (x0, y1, x1, y1)}
        missing = [name for name, side in sides.items() if not picture.has_line(*side)]
        assert not missing, f"tile {number}: the box {x0:.0f},{y0:.0f} to {x1:.0f},{y1:.0f} lacks its lines {missing}"
    left, top = number % 2 * WIDTH // 2, number // 2 * HEIGHT // 2
    # between the two texts and their captions nothing is painted
    n = picture.count_marked(left + 4, top + HEIGHT // 4, left + WIDTH // 2 - 4, top + HEIGHT // 4 + 60)
    assert n == 0, f"tile {number}: {n} pixels are painted where nothing was found"


def check_picture(folder):
    """A machine that cannot keep up lets frames pass without inference (qos): its picture lacks boxes."""
    for attempt in range(N_PICTURES):
        try:
            return check_one_picture(folder)
        except AssertionError:
            if attempt == N_PICTURES - 1:
                raise


def check_one_picture(folder):
    path = os.path.join(folder, "wall.png")
    program = kit.Program(sys.argv[1], "--output", path)
    for number in range(len(TESTS)):
        program.wait_log(rf"frames: .*camera{number} [1-9]\d")
    program.interrupt()
    picture = Picture(path, folder)
    for number in range(len(TESTS)):
        check_tile(picture, number, boxes_of(folder, number))


def check_video(folder):
    """Ended by SIGINT, it is complete: its index, which comes last, is there, and it plays to its end."""
    path = os.path.join(folder, "wall.mkv")
    program = kit.Program(sys.argv[1], "--output", path)
    program.wait_log(r"frames: .*camera0 [1-9]\d")
    program.interrupt()
    with open(path, "rb") as file:
        assert b"\x1c\x53\xbb\x6b" in file.read(), f"{path} has no index"
    text = launch(f"-v filesrc location={path} ! matroskademux ! vp8dec ! fakesink silent=false")
    n_frames = text.count("chain ")
    assert n_frames >= 10, f"{n_frames} frames in the video"
    assert f"width=(int){WIDTH}, height=(int){HEIGHT}" in text


def main():
    kit.require_elements("compositor", "pngenc", "pngdec", "vp8enc", "matroskamux", "timeoverlay", "textoverlay")
    with tempfile.TemporaryDirectory() as folder:
        check_picture(folder)
        check_video(folder)
    program = kit.Program(sys.argv[1], "--output", "wall.gif")
    program.expect_exit(1)
    assert any(".mkv or .png" in text for _, text in program.log), program.log


if __name__ == "__main__":
    main()
