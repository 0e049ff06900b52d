# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs pipelines/*/run on the build under test, reads what the clocks' networks found, and looks for boxes in pictures."""
import json
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(os.environ["WEIR_SOURCE_ROOT"])
BUILD = pathlib.Path(os.environ["GST_PLUGIN_PATH"]).parent
FRAME_NS = 40_000_000
COLOUR = (0x46, 0x99, 0x90)  # what inferoverlay gives to "character"


def environment(**more):
    """A sanitizer's runtime comes first in programs built without it, whose own leaks do not count."""
    env = dict(os.environ, LD_PRELOAD=os.environ.get("WEIR_PRELOAD", ""), **more)
    env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return env


def execute(command, timeout=300, **options):
    options.setdefault("env", environment())
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, **options)


def run(name, *arguments, **options):
    return execute([ROOT / "pipelines" / name / "run", "--build", BUILD, *arguments], **options)


def succeed(name, *arguments, **options):
    done = run(name, *arguments, **options)
    assert done.returncode == 0, f"{name}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def missing(*elements):
    """The first of the elements that is not there; of "a|b" one is enough."""
    def is_there(name):
        return execute(["gst-inspect-1.0", "--exists", name]).returncode == 0
    return next((e for e in elements if not any(map(is_there, e.split("|")))), None)


def read_lines(source):
    """The frames of each stream, in order."""
    streams = {}
    text = source.read_text(encoding="utf-8") if isinstance(source, pathlib.Path) else source
    for line in text.splitlines():
        frame = json.loads(line)
        assert frame["schema"] == "weir/1" and frame["status"] == "inferred", line
        streams.setdefault(frame["stream"], []).append(frame)
    return streams


def texts(frame):
    """The clock and the camera number, as pipelines/clocks/README.md reads them."""
    rows = []
    for o in sorted(frame["objects"], key=lambda o: o["y"] + o["h"] / 2):
        middle = o["y"] + o["h"] / 2
        if not rows or middle - rows[-1][-1][1] >= 0.5 * o["h"]:
            rows.append([])
        rows[-1].append((o["x"], middle, o["character"]["label"]))
    lines = ["".join(letter for _, _, letter in sorted(row)) for row in rows]
    clock = next((t for t in lines if re.fullmatch(r"\d+:\d\d:\d\d\.\d\d\d", t)), None)
    return clock, next((t for t in lines if re.fullmatch(r"#\d+", t)), None)


def clock_ms(frame):
    clock = texts(frame)[0]
    assert clock, f"frame {frame['frame']}: no clock among {len(frame['objects'])} objects"
    hours, minutes, seconds = clock.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)


def check_stream(frames, count, camera, is_own_clock=True):
    """Every frame is there, shows its camera's number and its own time (a camera elsewhere: its own steps)."""
    assert [f["frame"] for f in frames] == list(range(count)), f"{len(frames)} frames, expected {count}"
    for k, frame in enumerate(frames):
        clock, number = clock_ms(frame), texts(frame)[1]
        expected = frame["timestamp"] // 1_000_000 if is_own_clock else clock_ms(frames[0]) + k * FRAME_NS // 1_000_000
        assert clock == expected, f"frame {k}: read {clock} ms, expected {expected}"
        assert number == f"#{camera}", f"frame {k}: read {number}, expected #{camera}"


def decode(source, width, height, folder):
    """Pictures of a video as RGB bytes; `source` are words that end in decoded video."""
    raw = folder / "raw"
    done = execute(["gst-launch-1.0", "-q", *source, "!", "videoconvert", "!", f"video/x-raw,format=RGB,width={width},height={height}", "!",
                    "filesink", f"location={raw}"], env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    size, data = width * height * 3, raw.read_bytes()
    assert len(data) % size == 0, f"{len(data)} bytes are no pictures of {width}x{height}"
    return [data[i:i + size] for i in range(0, len(data), size)]


def decode_file(path, width, height, folder):
    return decode(["filesrc", f"location={path}", "!", "decodebin"], width, height, folder)


def edge_share(picture, width, frame, tile, shift):
    """The share of the points on the boxes' upper and lower edges, moved down by `shift`, that have the overlay's colour.
    The frame lies in the tile x, y, width, height of the picture."""
    left, top, tile_width, tile_height = tile
    across, down = tile_width / frame["resolution"]["width"], tile_height / frame["resolution"]["height"]
    hits = total = 0
    for o in frame["objects"]:
        for edge in (int(o["y"] * down), int((o["y"] + o["h"]) * down) - 1):
            for x in range(int(o["x"] * across) + 2, int((o["x"] + o["w"]) * across) - 2, 3):
                at = 3 * ((top + edge + shift) * width + left + x)
                hits += all(abs(picture[at + i] - COLOUR[i]) < 48 for i in range(3))
                total += 1
    return hits / max(total, 1)


def check_boxes(picture, width, frame, tile):
    """The boxes of the frame's objects stand in the picture, to a pixel, and not somewhat lower."""
    assert frame["objects"], f"frame {frame['frame']} has no objects"
    there = max(edge_share(picture, width, frame, tile, shift) for shift in (-1, 0, 1))
    lower = edge_share(picture, width, frame, tile, 9)
    assert there > 0.6 and there > lower + 0.3, f"frame {frame['frame']}: {there:.2f} of the edges painted, {lower:.2f} lower down"


def plugin_folder(folder, *libraries):
    """A folder with only these of GStreamer's plugins."""
    system = subprocess.run(["pkg-config", "--variable=pluginsdir", "gstreamer-1.0"], check=True, capture_output=True, text=True).stdout.strip()
    for library in libraries:
        source = pathlib.Path(system) / f"libgst{library}.so"
        if source.exists():
            shutil.copy(source, folder)
    return folder
