# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the clocks and camera numbers of freshly rendered streams with the two exported files, as the elements do."""
import argparse
import os
import re

import numpy as np
import torch

import nets
import render

FONT = "DejaVu Sans Bold 36"
OVERLAY = f'font-desc="{FONT}" shaded-background=true xpad=12 ypad=12'
CLOCK = f"{OVERLAY} time-mode=running-time halignment=left valignment=top"
CAMERA = f"{OVERLAY} halignment=right valignment=bottom"
# width, height, format, frame rate, pattern: camera K is line K
STREAMS = [(320, 240, "I420", "25/1", "smpte"), (352, 288, "NV12", "15/1", "ball"), (640, 360, "RGB", "30/1", "pinwheel"),
           (640, 480, "BGRx", "30/1", "snow"), (768, 432, "I420", "24/1", "spokes"), (854, 480, "NV12", "30000/1001", "gamut"),
           (960, 540, "BGRx", "10/1", "colors"), (1280, 720, "I420", "50/1", "chroma-zone-plate")]
# not in the demo: other sizes, fonts, patterns, no shade behind the text
OTHERS = [(1920, 1080, "NV12", "25/1", "ball", "DejaVu Sans Bold 36", True), (400, 300, "I420", "12/1", "smpte75", "DejaVu Sans Bold 36", True),
          (720, 576, "I420", "25/1", "checkers-8", "DejaVu Sans Bold 30", True), (1024, 768, "RGB", "7/1", "circular", "DejaVu Sans Bold 42", True),
          (640, 480, "NV12", "30/1", "ball", "DejaVu Sans Mono Bold 36", True), (800, 600, "BGRx", "30/1", "zone-plate", "DejaVu Sans Mono Bold 32", True),
          (640, 480, "I420", "30/1", "smpte", "DejaVu Sans Bold 36", False), (480, 360, "I420", "30/1", "gradient", "DejaVu Sans Bold 36", False)]
STARTS = [0, 5025678, 35999000, 863210, 12345678, 17, 3599000, 28282828]   # ms
THRESHOLD, OVERLAP = 0.5, 0.45


def normalised(gray):
    return (gray - nets.MEAN) * nets.SCALE


def decode(output, width, height):
    """Rows x0, y0, x1, y1, confidence in the frame's pixels, of [cells, 6]; threshold, then non-maximum suppression."""
    confidence = output[:, 4] * output[:, 5]
    cells = np.flatnonzero(confidence >= THRESHOLD)
    cells = cells[np.argsort(-confidence[cells], kind="stable")]
    o = output[cells]
    cx, cy = (o[:, 0] + cells % nets.GRID_W) * nets.STRIDE, (o[:, 1] + cells // nets.GRID_W) * nets.STRIDE
    w, h = np.exp(o[:, 2]) * nets.STRIDE, np.exp(o[:, 3]) * nets.STRIDE
    sx, sy = width / nets.FIND_W, height / nets.FIND_H
    found = np.stack(((cx - w / 2) * sx, (cy - h / 2) * sy, (cx + w / 2) * sx, (cy + h / 2) * sy, confidence[cells]), 1)
    found[:, [0, 2]] = found[:, [0, 2]].clip(0, width)
    found[:, [1, 3]] = found[:, [1, 3]].clip(0, height)
    kept = []
    for row in found:
        for other in kept:
            iw = min(row[2], other[2]) - max(row[0], other[0])
            ih = min(row[3], other[3]) - max(row[1], other[1])
            both = max(iw, 0) * max(ih, 0)
            areas = (row[2] - row[0]) * (row[3] - row[1]) + (other[2] - other[0]) * (other[3] - other[1])
            if both > OVERLAP * (areas - both):
                break
        else:
            kept.append(row)
    return np.array(kept, np.float32).reshape(-1, 5)


def lines(found, characters):
    """The texts, top to bottom.  A line is a run of boxes, ordered by their middle's y, without a gap of half a height;
    a text is a run of a line's boxes, ordered by x, without a gap of half a height."""
    middle = (found[:, 1] + found[:, 3]) / 2
    groups = []
    for i in np.argsort(middle, kind="stable"):
        if groups and middle[i] - middle[groups[-1][-1]] < 0.5 * (found[i, 3] - found[i, 1]):
            groups[-1].append(i)
        else:
            groups.append([i])
    texts = []
    for group in groups:
        last = None
        for i in sorted(group, key=lambda i: found[i, 0] + found[i, 2]):
            if last is None or found[i, 0] - found[last, 2] > 0.5 * (found[i, 3] - found[i, 1]):
                texts.append("")
            texts[-1] += characters[i]
            last = i
    return texts


class Eye:
    def __init__(self, folder):
        self.find = nets.OnnxFile(os.path.join(folder, "find-characters.onnx"))
        self.read = nets.OnnxFile(os.path.join(folder, "read-characters.onnx"))
        self.labels = self.read.metadata["weir.labels"].split("\n")

    def boxes(self, picture):
        height, width = picture.shape[:2]
        gray = render.sample(picture, (0, 0, width, height), nets.FIND_W, nets.FIND_H)
        return decode(self.find(normalised(gray)[None, None])[0], width, height)

    def look(self, picture):
        """clock, camera (None where no line looks like one), boxes, characters, lowest confidences of both networks."""
        found = self.boxes(picture)
        if len(found) == 0:
            return None, None, found, [], (1, 1)
        crops = [render.sample(picture, (np.floor(b[0]), np.floor(b[1]), np.ceil(b[2]), np.ceil(b[3])), nets.READ_W, nets.READ_H)
                 for b in found]
        chances = self.read(normalised(np.stack(crops))[:, None])
        characters = [self.labels[k] for k in chances.argmax(1)]
        texts = lines(found, characters)
        clock = next((t for t in texts if re.fullmatch(r"\d+:\d\d:\d\d\.\d\d\d", t)), None)
        camera = next((t for t in texts if re.fullmatch(r"#\d+", t)), None)
        return clock, camera, found, characters, (found[:, 4].min(), chances.max(1).min())


def check(eye, name, size, pattern, pixels, rate, clock, camera, number, frames, misses):
    width, height = size
    frames_at = {start: frames // len(STARTS) + (i < frames % len(STARTS)) for i, start in enumerate(STARTS)}
    right, total, camera_right, low = 0, 0, 0, np.ones(2)
    for start, count in frames_at.items():
        pipeline, _, sink = render.launch(
            f"videotestsrc pattern={pattern} num-buffers={count} timestamp-offset={start * 1000000} ! "
            f"video/x-raw,format={pixels},width={width},height={height},framerate={rate} ! timeoverlay {clock} ! "
            f'textoverlay text="#{number}" {camera} ! videoconvert ! video/x-raw,format=RGBx ! appsink name=sink sync=false')
        while True:
            picture, pts = render.pull(sink, width, height)
            if picture is None:
                break
            found = eye.look(picture)
            total += 1
            right += found[0] == render.clock_text(pts)
            camera_right += found[1] == f"#{number}"
            low = np.minimum(low, found[4])
            if found[0] != render.clock_text(pts) or found[1] != f"#{number}":
                misses.append((name, picture, render.clock_text(pts), f"#{number}", *found[:4]))
        pipeline.set_state(render.Gst.State.NULL)
    print(f"{name:58} {total:5} frames: clocks {100 * right / total:7.3f} %, camera numbers {100 * camera_right / total:7.3f} %,"
          f" lowest confidence find {low[0]:.3f} read {low[1]:.3f}", flush=True)
    return np.array([total, right, camera_right])


def verify(folder, frames):
    """The demo's streams, then others; returns (demo's counts, others' counts, misses)."""
    torch.set_num_threads(1)
    eye, misses = Eye(folder), []
    demo = sum(check(eye, f"{w}x{h} {f} {r} {p}", (w, h), p, f, r, CLOCK, CAMERA, k, frames, misses)
               for k, (w, h, f, r, p) in enumerate(STREAMS))
    print(f"the demo's streams: {demo[0]} frames, clocks right {100 * demo[1] / demo[0]:.3f} %,"
          f" camera numbers right {100 * demo[2] / demo[0]:.3f} %")
    others = np.zeros(3, int)
    for k, (w, h, f, r, p, font, shade) in enumerate(OTHERS):
        clock, camera = (t.replace(FONT, font).replace("background=true", f"background={str(shade).lower()}") for t in (CLOCK, CAMERA))
        others += check(eye, f"{w}x{h} {f} {r} {p} {font}{'' if shade else ' no shade'}", (w, h), p, f, r, clock, camera,
                        17 * k + 8, frames, misses)
    print(f"other streams: {others[0]} frames, clocks right {100 * others[1] / others[0]:.3f} %,"
          f" camera numbers right {100 * others[2] / others[0]:.3f} %")
    for miss in misses[:20]:
        print("miss:", miss[0], "want", miss[2], miss[3], "got", miss[4], miss[5], "characters", "".join(miss[7]))
    for file, shape in (("find-characters.onnx", (1, 1, nets.FIND_H, nets.FIND_W)), ("read-characters.onnx", (1, 1, nets.READ_H, nets.READ_W))):
        network = nets.OnnxFile(os.path.join(folder, file))
        network(np.zeros(shape))
        print(f"{file}: {network.flop / 1e6:.2f} MFLOP, {os.path.getsize(os.path.join(folder, file))} bytes")
    return demo, others, misses


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", default=os.path.dirname(os.path.abspath(__file__)), help="where the .onnx files are")
    arguments.add_argument("--frames", type=int, default=300, help="frames per stream (default %(default)s)")
    options = arguments.parse_args()
    demo_counts, _, _ = verify(options.folder, options.frames)
    raise SystemExit(int(min(demo_counts[1:]) < 0.995 * demo_counts[0]))
