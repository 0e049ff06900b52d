#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs one folder of pipelines/ on the embedded default and checks all that it leaves: every clock, every frame, the boxes.

    check_launch.py FOLDER
"""
import pathlib
import re
import shlex
import sys
import tempfile

import launch_kit as kit

SECONDS = 2
FRAMES = 25 * SECONDS
WIDTH, HEIGHT = 640, 360
WHOLE = (0, 0, WIDTH, HEIGHT)
H264 = ("x264enc|openh264enc", "h264parse", "mp4mux", "avdec_h264|openh264dec")


def check_video(path, frames, folder):
    pictures = kit.decode_file(path, WIDTH, HEIGHT, folder)
    assert len(pictures) == len(frames), f"{path.name}: {len(pictures)} pictures of {len(frames)} frames"
    for k in range(0, len(frames), 7):
        kit.check_boxes(pictures[k], WIDTH, frames[k], WHOLE)


def check_boxes_video(name, folder, *arguments, is_own_clock=True):
    done = kit.succeed(name, "--seconds", SECONDS, "--output", folder, *arguments)
    streams = kit.read_lines(folder / "objects.jsonl")
    assert list(streams) == ["camera0"]
    kit.check_stream(streams["camera0"], FRAMES, 0, is_own_clock)
    check_video(folder / "boxes.mp4", streams["camera0"], folder)
    return done


def single_file(folder):
    check_boxes_video("single-file", folder)
    again = folder / "again"
    # a file named by the user, and its end is the stream's
    kit.succeed("single-file", folder / "clock.mkv", "--output", again)
    assert (again / "objects.jsonl").read_bytes() == (folder / "objects.jsonl").read_bytes()
    # another network, other labels, and none that reads
    (again / "labels").write_text("sign\n")
    kit.succeed("single-file", folder / "clock.mkv", "--output", again, "--model", kit.ROOT / "pipelines/clocks/find-characters.onnx",
                "--labels", again / "labels", "--threshold", "0.3", "--device", "REF", "--seconds", 60)
    objects = [o for f in kit.read_lines(again / "objects.jsonl")["camera0"] for o in f["objects"]]
    assert {o["roi_type"] for o in objects} == {"sign"} and "character" not in objects[0]


def four_cameras(folder):
    kit.succeed("four-cameras", "--seconds", SECONDS, "--output", folder)
    streams = kit.read_lines(folder / "objects.jsonl")
    assert sorted(streams) == [f"camera{k}" for k in range(4)]
    for k in range(4):
        kit.check_stream(streams[f"camera{k}"], FRAMES, k)
        check_video(folder / f"camera{k}.mp4", streams[f"camera{k}"], folder)


def publish(folder):
    done = kit.succeed("publish", "--seconds", SECONDS)
    kit.check_stream(kit.read_lines(done.stdout)["camera0"], FRAMES, 0)
    kit.succeed("publish", "--seconds", SECONDS, "--output", folder)
    assert (folder / "objects.jsonl").read_text(encoding="utf-8") == done.stdout


def rtsp(folder):
    check_boxes_video("rtsp", folder, is_own_clock=False)


def webcam(folder):
    if pathlib.Path("/dev/video0").exists():
        check_boxes_video("webcam", folder, "test")
        return
    done = check_boxes_video("webcam", folder)
    assert "There is no /dev/video0: taking the embedded camera." in done.stderr, done.stderr


def mosaic(folder):
    kit.succeed("mosaic", "--seconds", SECONDS, "--output", folder)
    streams = kit.read_lines(folder / "objects.jsonl")
    assert sorted(streams) == [f"camera{k}" for k in range(6)]
    width, height = 1440, 540
    pictures = kit.decode_file(folder / "mosaic.mp4", width, height, folder)
    assert len(pictures) == FRAMES, f"{len(pictures)} pictures of {FRAMES} frames"
    for k in range(6):
        frames = streams[f"camera{k}"]
        kit.check_stream(frames, FRAMES, k)
        for i in range(0, FRAMES, 7):
            kit.check_boxes(pictures[i], width, frames[i], (k % 3 * 480, k // 3 * 270, 480, 270))


def hls(folder):
    seconds = 5
    done = kit.succeed("hls", "--seconds", seconds, "--output", folder)
    assert f"python3 -m http.server --directory '{folder}'" in done.stderr and (folder / "index.html").exists()
    frames = kit.read_lines(folder / "objects.jsonl")["camera0"]
    kit.check_stream(frames, 25 * seconds, 0)
    playlist = (folder / "playlist.m3u8").read_text()
    assert playlist.startswith("#EXTM3U") and playlist.rstrip().endswith("#EXT-X-ENDLIST"), playlist
    target = int(re.search(r"#EXT-X-TARGETDURATION:(\d+)", playlist).group(1))
    entries = re.findall(r"#EXTINF:([\d.]+),.*\n(.+)", playlist)
    assert len(entries) == 3 and all(round(float(length)) <= target for length, _ in entries), playlist
    assert abs(sum(float(length) for length, _ in entries) - seconds) < 0.1, playlist
    first = 0
    for length, name in entries:  # each segment plays by itself, and the boxes are those of its frames
        pictures = kit.decode_file(folder / name, WIDTH, HEIGHT, folder)
        assert abs(len(pictures) - 25 * float(length)) < 2, f"{name}: {len(pictures)} pictures in {length} s"
        for k in (0, len(pictures) - 1):
            kit.check_boxes(pictures[k], WIDTH, frames[first + k], WHOLE)
        first += len(pictures)
    assert first == len(frames), f"{first} pictures in all segments of {len(frames)} frames"
    played = kit.decode(["uridecodebin", f"uri=file://{folder}/playlist.m3u8"], WIDTH, HEIGHT, folder)
    assert len(played) == len(frames), f"a player got {len(played)} of {len(frames)} pictures"


def check_print(name, folder):
    """What --print says does what the script does, pasted into a shell in an empty folder."""
    (folder / "pasted").mkdir()
    done = kit.succeed(name, "--print", "--seconds", 1)
    if name in ("rtsp", "webcam"):  # nobody serves at the example's address
        words = shlex.split(done.stdout.replace("\\\n", ""))
        assert words[1:4] == ["gst-launch-1.0", "-e", {"rtsp": "rtspsrc", "webcam": "v4l2src"}[name]], done.stdout
    pasted = kit.execute(["bash", "-c", done.stdout], cwd=folder / "pasted")
    assert "erroneous pipeline" not in pasted.stderr and "no element" not in pasted.stderr and "syntax" not in pasted.stderr, pasted.stderr
    if name not in ("rtsp", "webcam"):
        assert pasted.returncode == 0, pasted.stderr
        assert name == "publish" or len((folder / "pasted/objects.jsonl").read_text().splitlines()) % 25 == 0
    assert done.stdout.count("gst-launch-1.0") == (2 if name == "single-file" else 1) and "device" not in done.stdout.replace("device=/dev", "")


CASES = {
    "single-file": (single_file, H264 + ("jpegenc", "matroskamux")),
    "four-cameras": (four_cameras, H264),
    "publish": (publish, ()),
    "rtsp": (rtsp, H264 + ("rtspsrc", "rtph264pay")),
    "webcam": (webcam, H264),
    "hls": (hls, H264 + ("hlssink2", "mpegtsmux", "hlsdemux")),
    "mosaic": (mosaic, H264 + ("compositor",)),
}


def main():
    name = sys.argv[1]
    case, elements = CASES[name]
    absent = kit.missing("timeoverlay", "videotestsrc", *elements)
    if not absent and name == "rtsp":
        server = kit.execute(["/usr/bin/python3", "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"])
        absent = None if server.returncode == 0 else "python3-gi and gir1.2-gst-rtsp-server-1.0"
    if absent:
        print(f"skipped: {absent} is not there")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        case(pathlib.Path(folder))
        check_print(name, pathlib.Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
