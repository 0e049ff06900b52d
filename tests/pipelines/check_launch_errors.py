#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the launch lines say, and with which exit status, where something is wrong or missing."""
import os
import pathlib
import sys
import tempfile

import launch_kit as kit

FIND = kit.ROOT / "pipelines/clocks/find-characters.onnx"
FOLDERS = sorted(p.parent.name for p in kit.ROOT.glob("pipelines/*/run"))

# folder, arguments, what the message must say
WRONG = [
    ("single-file", ["no-such.mp4"], "pipelines/single-file/run: no such file: no-such.mp4"),
    ("single-file", ["--model", "no-such.onnx"], "no such model: no-such.onnx (expected .onnx, .xml, or a folder"),
    ("publish", ["--classify-model", "no-such.xml"], "no such model: no-such.xml"),
    ("publish", ["--model", FIND, "--labels", "no-such.txt"], "no-such.txt: cannot be read"),
    ("publish", ["--model", "JUNK.onnx"], "JUNK.onnx"),
    ("publish", ["--device", "TPU"], "TPU"),
    ("publish", ["JUNK.onnx"], "This appears to be a text file"),
    ("single-file", ["--frobnicate"], "unknown option '--frobnicate', see --help"),
    ("single-file", ["a", "b"], "2 inputs: expected 1 at most"),
    ("four-cameras", ["test", "no-such.mp4"], "no such file: no-such.mp4"),
    ("mosaic", ["test"] * 17, "17 inputs: expected 16 at most"),
    ("publish", ["--seconds", "soon"], "--seconds soon: expected a whole number from 1"),
    ("publish", ["--seconds", "0"], "--seconds 0: expected a whole number from 1"),
    ("publish", ["--threshold", "much"], "--threshold much: expected a number from 0 to 1"),
    ("publish", ["--threshold"], "--threshold needs a value"),
    ("rtsp", ["http://127.0.0.1/"], "http://127.0.0.1/: expected rtsp://HOST[:PORT]/PATH"),
    ("rtsp", ["rtsp://127.0.0.1:1/camera", "--seconds", "20", "--output", "out"], "Could not open resource for reading and writing"),
    ("webcam", ["/dev/video77"], "no camera at /dev/video77"),
    ("hls", ["--view"], "--view: the browser is the window"),
    ("publish", ["--build", "/nonexistent"], "no plugin in /nonexistent/gst"),
]


def check_wrong(folder):
    (folder / "JUNK.onnx").write_bytes(b"this is neither a network nor a video" * 100)
    for name, arguments, expected in WRONG:
        done = kit.run(name, *arguments, cwd=folder)
        what = f"{name} {' '.join(map(str, arguments))}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 1 and expected in done.stderr, what
        assert done.stdout == "", what


def check_help():
    for name in FOLDERS:
        done = kit.succeed(name, "--help")
        assert done.stdout.startswith(f"Usage: pipelines/{name}/run") and not done.stderr
        assert (kit.ROOT / "pipelines" / name / "README.md").exists()


def check_missing_elements(folder):
    """With a part of GStreamer's plugins: the message names the element and Debian's package."""
    plugins = kit.plugin_folder(folder, "coreelements", "videotestsrc", "pango", "videoconvert", "videoconvertscale", "openh264",
                                "videoparsersbad")
    env = kit.environment(GST_PLUGIN_SYSTEM_PATH=str(plugins), GST_REGISTRY=str(folder / "registry"))
    done = kit.run("hls", "--output", folder, env=env)
    assert done.returncode == 1 and "no element 'hlssink2': install gstreamer1.0-plugins-bad" in done.stderr, done.stderr
    done = kit.run("mosaic", "--output", folder, env=env)
    assert done.returncode == 1 and "no element 'compositor': install gstreamer1.0-plugins-base" in done.stderr, done.stderr
    (plugins / "libgstopenh264.so").unlink(missing_ok=True)
    done = kit.run("hls", "--output", folder, env=env)
    assert done.returncode == 1 and "no H.264 encoder: install gstreamer1.0-plugins-" in done.stderr, done.stderr


def main():
    if kit.missing("timeoverlay", "videotestsrc", "rtspsrc", "openh264enc", "h264parse"):
        print("skipped: an element of gstreamer1.0-plugins-good or -bad is not there")
        return 77
    check_help()
    with tempfile.TemporaryDirectory() as folder:
        check_wrong(pathlib.Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        check_missing_elements(pathlib.Path(folder))
    return 0


if __name__ == "__main__":
    os.environ.pop("DISPLAY", None)
    sys.exit(main())
