# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pictures with burnt-in characters, rendered by GStreamer itself, and where each character stands.

Every picture is rendered twice by the same two overlay elements: once over a background, once as a green clock and a red
camera number on black, where the ink of either line is one colour channel.  Pango knows how the characters of a line
divide it; the ink says where the line is.  A character's box is its cell: as wide as the font's advance, as
high as the line's ink plus a margin, the same for '.' as for '8'.
"""
import functools

import gi
import numpy as np

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("Pango", "1.0")
gi.require_version("PangoCairo", "1.0")
from gi.repository import Gst, GstApp, Pango, PangoCairo  # noqa: E402,F401

Gst.init(None)

MARGIN = 0.08   # of the ink's height, added above and below


def launch(text):
    """A running pipeline and its elements `src` (or None) and `sink`."""
    pipeline = Gst.parse_launch(text)
    pipeline.set_state(Gst.State.PLAYING)
    return pipeline, pipeline.get_by_name("src"), pipeline.get_by_name("sink")


def pull(sink, width, height):
    """The next RGBx picture as [height, width, 4] and its timestamp; (None, None) at the end."""
    sample = sink.emit("pull-sample")
    if sample is None:
        return None, None
    buffer = sample.get_buffer()
    data = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)
    return data.reshape(height, width, 4), buffer.pts


def test_patterns(patterns, width, height, count, first=0):
    """`count` pictures of each pattern of videotestsrc, RGBx, without text."""
    found = []
    for pattern in patterns:
        pipeline, _, sink = launch(
            f"videotestsrc pattern={pattern} num-buffers={first + count} ! video/x-raw,format=RGBx,width={width},"
            f"height={height},framerate=7/1 ! appsink name=sink sync=false")
        for index in range(first + count):
            picture = pull(sink, width, height)[0]
            if index >= first:
                found.append(picture)
        pipeline.set_state(Gst.State.NULL)
    return found


def random_background(rng, width, height):
    """Nothing that videotestsrc draws: noise of several scales, gradients, boxes, lines, discs."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = rng.uniform(0, 255, 3)
    if rng.random() < 0.6:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = (np.cos(angle) * x / width + np.sin(angle) * y / height)[..., None]
        picture += ramp * rng.uniform(-200, 200, 3).astype(np.float32)
    for _ in range(rng.integers(0, 4)):      # noise, enlarged by 1 .. 32 pixels
        scale = 2 ** int(rng.integers(0, 6))
        small = rng.normal(0, rng.uniform(5, 60), (height // scale + 1, width // scale + 1, 3)).astype(np.float32)
        picture += small.repeat(scale, 0).repeat(scale, 1)[:height, :width]
    for _ in range(rng.integers(0, 25)):
        colour = rng.uniform(0, 255, 3).astype(np.float32)
        kind, cx, cy = rng.integers(0, 4), rng.uniform(0, width), rng.uniform(0, height)
        if kind == 0:                          # a box
            w, h = rng.uniform(2, width / 4), rng.uniform(2, height / 4)
            picture[int(cy):int(cy + h), int(cx):int(cx + w)] = colour
        elif kind == 1:                        # a disc or a ring
            r, distance = rng.uniform(2, width / 12), np.hypot(x - cx, y - cy)
            picture[(distance < r) & (distance > r * rng.choice([0, 0.7]))] = colour
        elif kind == 2:                        # a line
            angle = rng.uniform(0, np.pi)
            away = np.abs((x - cx) * np.sin(angle) - (y - cy) * np.cos(angle))
            picture[away < rng.uniform(0.7, width / 120)] = colour
        else:                                  # strokes as thick as a character's
            u, w, h = width / 320, int(rng.uniform(2, 14) * width / 320), int(rng.uniform(2, 18) * width / 320)
            px, py = int(cx), int(cy)
            picture[py:py + h, px:px + w] = 255 - colour * 0.3
            picture[py + int(3 * u):py + h - int(3 * u), px + int(3 * u):px + w - int(3 * u)] = colour * 0.3
    found = np.zeros((height, width, 4), np.uint8)
    found[..., :3] = np.clip(picture, 0, 255)
    return found


class Overlay:
    """appsrc -> the two overlay elements in `pixels` (a raw video format) -> RGBx; one picture in, one picture out."""

    def __init__(self, width, height, pixels, clock, camera):
        self.size = width, height
        caps = f"video/x-raw,format=RGBx,width={width},height={height},framerate=0/1"
        self.pipeline, self.source, self.sink = launch(
            f"appsrc name=src format=time caps={caps} ! videoconvert ! video/x-raw,format={pixels} ! "
            f"timeoverlay {clock} ! textoverlay name=camera {camera} ! "
            f"videoconvert ! video/x-raw,format=RGBx ! appsink name=sink sync=false")
        self.camera = self.pipeline.get_by_name("camera")

    def render(self, picture, pts, text):
        self.camera.set_property("text", text)
        buffer = Gst.Buffer.new_wrapped(picture.tobytes())
        buffer.pts = pts
        self.source.emit("push-buffer", buffer)
        return pull(self.sink, *self.size)[0]

    def close(self):
        self.pipeline.set_state(Gst.State.NULL)


def clock_text(pts):
    """What timeoverlay prints."""
    ms = pts // 1000000
    return f"{ms // 3600000}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


@functools.lru_cache(1)
def _context():
    return PangoCairo.FontMap.get_default().create_context()


@functools.lru_cache(100000)
def _divide(text, font):
    """Left and right of every character and of the line's ink, in Pango's units."""
    layout = Pango.Layout.new(_context())
    layout.set_font_description(Pango.FontDescription.from_string(font))
    layout.set_text(text, -1)
    ink, _ = layout.get_extents()
    cells = [layout.index_to_pos(i) for i in range(len(text))]
    return [(c.x, c.x + c.width) for c in cells], ink.x, ink.x + ink.width


def _edges(profile):
    """First and last coordinate of ink; coverage of the outermost pixels gives the fraction."""
    on = np.flatnonzero(profile > 40)
    if len(on) == 0:
        return None
    return on[0] + 1 - profile[on[0]] / 255, on[-1] + profile[on[-1]] / 255


def boxes(ink, text, font):
    """[len(text), 4] boxes x0, y0, x1, y1 in pixels from one line's ink channel; None when no ink was found."""
    across, down = _edges(ink.max(0)), _edges(ink.max(1))
    if across is None:
        return None
    cells, left, right = _divide(text, font)
    scale = (across[1] - across[0]) / (right - left)
    margin = MARGIN * (down[1] - down[0])
    return np.array([[across[0] + (a - left) * scale, down[0] - margin, across[0] + (b - left) * scale, down[1] + margin]
                     for a, b in cells], np.float32)


def gray_at(picture, rows, columns):
    p = picture[rows[:, None], columns[None]].astype(np.float32)
    return 0.299 * p[..., 0] + 0.587 * p[..., 1] + 0.114 * p[..., 2]


def sample(picture, box, width, height):
    """The gray picture inside `box` (x0, y0, x1, y1; any numbers) stretched to width x height: bilinear, half-pixel
    centres, no antialiasing, edges repeated.  For an integer box, pixels outside of it are never read."""
    full_h, full_w = picture.shape[:2]
    x0, y0, x1, y1 = box

    def axis(start, end, count, limit):
        at = start + (np.arange(count) + 0.5) * (end - start) / count - 0.5
        low, high = max(0, int(np.floor(start))), min(limit, int(np.ceil(end))) - 1
        base = np.floor(at)
        part = (at - base).astype(np.float32)
        base = base.astype(int)
        return np.clip(base, low, high), np.clip(base + 1, low, high), part

    xa, xb, fx = axis(x0, x1, width, full_w)
    ya, yb, fy = axis(y0, y1, height, full_h)
    top = gray_at(picture, ya, xa) * (1 - fx) + gray_at(picture, ya, xb) * fx
    bottom = gray_at(picture, yb, xa) * (1 - fx) + gray_at(picture, yb, xb) * fx
    return top * (1 - fy[:, None]) + bottom * fy[:, None]
