#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Renders clocks with GStreamer, trains the two networks of the embedded default on them, exports and verifies them."""
import argparse
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import nets
import render
import verify

SIZES = [(400, 300), (480, 360), (720, 576), (800, 600), (1024, 576), (1024, 768), (1600, 900), (1920, 1080)]
FORMATS = ["I420", "NV12", "RGB", "BGRx", "YUY2", "RGBx"]
# none of the demo's eight (smpte75 is its smpte in paler colours)
PATTERNS = ["smpte75", "black", "white", "red", "checkers-1", "checkers-2", "checkers-4", "checkers-8", "circular", "blink",
            "zone-plate", "solid-color", "bar", "gradient", "smpte-rp-219"]
PICTURES_PER_SET = 24
MOST = 20     # characters in a picture


def started(text, since=time.time()):
    print(f"[{time.time() - since:6.0f} s] {text}", flush=True)


# --- the pictures

def random_size(rng):
    if rng.random() < 0.3:
        return SIZES[rng.integers(len(SIZES))]
    width = int(320 * 2 ** rng.uniform(0, 2))
    return width & ~1, int(width / rng.uniform(1.2, 1.85)) & ~1


def random_text(rng):
    if rng.random() < 0.5:
        return f"#{rng.integers(10 ** rng.integers(1, 4))}"
    return "".join(rng.choice(list(nets.CHARACTERS), rng.integers(2, 8)))


def random_pts(rng):
    hours = rng.integers(10) if rng.random() < 0.9 else rng.integers(10, 100)
    return (int(hours) * 3600000 + int(rng.integers(3600000))) * 1000000


def random_layout(rng):
    """Two elements' properties and their font; more often than not as the demo has them."""
    font = verify.FONT
    kind = rng.random()
    if kind < 0.7:
        font = f"DejaVu Sans Bold {rng.integers(29, 44)}"
    elif kind < 0.85:
        font = f"DejaVu Sans Mono Bold {rng.integers(28, 40)}"
    rows = ["top", "bottom"] if rng.random() < 0.7 else list(rng.permutation(["top", "center", "bottom"]))
    shade = f"shaded-background={'true' if rng.random() < 0.7 else 'false'} shading-value={rng.integers(60, 120)}"
    placed = []
    for row, usual in zip(rows, ("left", "right")):
        column = usual if rng.random() < 0.6 else rng.choice(["left", "center", "right"])
        placed.append(f'font-desc="{font}" halignment={column} valignment={row} xpad={rng.integers(4, 40)} '
                      f"ypad={rng.integers(4, 40)} deltax={rng.integers(-3, 4)}")
    return [f"{p} {shade}" for p in placed], [f"{p} color={c}" for p, c in zip(placed, ("0xff00ff00", "0xffff0000"))], font


def targets(boxes):
    """What the finder should say for [n, MOST, 4] boxes: scores [n, h, w] (1 here, 0 not, -1 either) and boxes [n, 4, h, w].

    Between two characters cells must stay silent, they would give a box half on each: 1.2 cells is less than half the way."""
    score = np.zeros((len(boxes), nets.GRID_H, nets.GRID_W), np.int8)
    wanted = np.zeros((len(boxes), 4, nets.GRID_H, nets.GRID_W), np.float16)
    for index, k in np.argwhere(np.isfinite(boxes[..., 0])):
        x0, y0, x1, y1 = boxes[index, k] / nets.STRIDE
        cx, cy, w, h = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
        whole = x0 > -0.1 * w and y0 > -0.1 * h and x1 < nets.GRID_W + 0.1 * w and y1 < nets.GRID_H + 0.1 * h
        for row in range(max(0, int(cy - 1.7)), min(nets.GRID_H, int(cy + 1.7) + 1)):
            for column in range(max(0, int(cx - 1.7)), min(nets.GRID_W, int(cx + 1.7) + 1)):
                dx, dy = abs(column + 0.5 - cx), abs(row + 0.5 - cy)
                if dx < 1.2 and dy < 1.2:
                    score[index, row, column] = 1 if dx < 0.6 and dy < 0.6 and whole else -1
                    wanted[index, :, row, column] = cx - column, cy - row, np.log(w), np.log(h)
    return score, wanted


def crops(rng, picture, boxes, text):
    """Every character twice, its box off as a finder's box is, as the integer rectangle that the reader gets."""
    for box, character in zip(boxes, text):
        size = np.array([box[2] - box[0], box[3] - box[1]] * 2)
        for spread in (0.03, 0.07):
            x0, y0, x1, y1 = box + rng.normal(0, spread, 4) * size
            x0, y0 = max(0, np.floor(x0)), max(0, np.floor(y0))
            x1, y1 = min(picture.shape[1], np.ceil(x1)), min(picture.shape[0], np.ceil(y1))
            if x1 - x0 >= 2 and y1 - y0 >= 2:
                yield render.sample(picture, (x0, y0, x1, y1), nets.READ_W, nets.READ_H), nets.CHARACTERS.index(character)


def views(rng, picture, boxes):
    """The whole picture as the finder gets it, and a window somewhat off; with either the boxes in the finder's pixels."""
    height, width = picture.shape[:2]
    grow, shift = rng.uniform(-0.12, 0.12, 2), rng.uniform(-0.1, 0.1, 2)
    x0, y0 = width * (shift[0] - grow[0] / 2), height * (shift[1] - grow[1] / 2)
    for window in ((0, 0, width, height), (x0, y0, x0 + width * (1 + grow[0]), y0 + height * (1 + grow[1]))):
        sx, sy = nets.FIND_W / (window[2] - window[0]), nets.FIND_H / (window[3] - window[1])
        inside = np.full((MOST, 4), np.nan, np.float32)
        inside[:len(boxes)] = (boxes - np.array([window[0], window[1]] * 2)) * np.array([sx, sy] * 2)
        yield render.sample(picture, window, nets.FIND_W, nets.FIND_H), inside


def make_data(rng, pictures):
    images, places, letters, classes = [], [], [], []
    black, skipped = None, 0
    for index in range(-(-pictures // PICTURES_PER_SET)):
        width, height = random_size(rng)
        shown, ink, font = random_layout(rng)
        first = int(rng.integers(20))
        backgrounds = render.test_patterns(rng.choice(PATTERNS, 4, replace=False), width, height, 3, first)
        backgrounds += [render.random_background(rng, width, height) for _ in range(6)]
        real = render.Overlay(width, height, FORMATS[rng.integers(len(FORMATS))], *shown)
        bare = render.Overlay(width, height, "RGBx", *ink)
        black = np.zeros((height, width, 4), np.uint8)
        for _ in range(PICTURES_PER_SET):
            pts, text = random_pts(rng), random_text(rng)
            picture = real.render(backgrounds[rng.integers(len(backgrounds))], pts, text)
            marks = bare.render(black, pts, text)
            clock = render.boxes(marks[..., 1], render.clock_text(pts), font)
            camera = render.boxes(marks[..., 0], text, font)
            both = np.concatenate((clock, camera))
            # a long line may reach the border or be broken in two: then the cells are not where Pango's line has them
            if both[:, 0].min() < 0 or both[:, 2].max() > width or np.ptp(both[:, 3] - both[:, 1]) > 0.5 * height / 10:
                skipped += 1
                continue
            for image, inside in views(rng, picture, both):
                images.append(image.round().astype(np.uint8))
                places.append(inside)
            for line, line_text in ((clock, render.clock_text(pts)), (camera, text)):
                for crop, k in crops(rng, picture, line, line_text):
                    letters.append(crop.round().astype(np.uint8))
                    classes.append(k)
        real.close()
        bare.close()
        if index % 20 == 19:
            started(f"rendered {(index + 1) * PICTURES_PER_SET} pictures, {len(letters)} characters, {skipped} skipped")
    return [np.stack(images), np.stack(places), np.stack(letters), np.array(classes)]


# --- the training

def batch_of(pictures, chosen, generator, noise=14.0):
    """uint8 pictures as the network's input, with contrast, brightness and noise changed."""
    x = torch.from_numpy(pictures[chosen]).float()[:, None]

    def uniform(low, high):
        return torch.rand(len(x), 1, 1, 1, generator=generator) * (high - low) + low

    pivot = uniform(40, 215)
    x = (x - pivot) * uniform(0.6, 1.15) + pivot + uniform(-20, 20)
    x = x + torch.randn(x.shape, generator=generator) * uniform(-noise, noise).clamp(min=0)
    return (x.clamp(0, 255) - nets.MEAN) * nets.SCALE


def optimise(network, steps, rate, loss_of, name):
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.15)
    network.train()
    recent = []
    for step in range(steps):
        loss, parts = loss_of()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        recent.append(parts)
        if step % 200 == 199:
            started(f"{name} step {step + 1} of {steps}: " + ", ".join(f"{v:.5f}" for v in np.mean(recent, 0)))
            recent = []
    return network.eval()


def train_finder(data, steps, seed, batch=24):
    images = data[0]
    scores, wanted = targets(data[1])
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed + 1)
    network = nets.Finder()

    def loss_of():
        chosen = torch.randint(len(images), (batch,), generator=generator).numpy()
        target, box = torch.from_numpy(scores[chosen]), torch.from_numpy(wanted[chosen]).float()
        boxes, score = network.maps(batch_of(images, chosen, generator))
        sure = target == 1
        near = (target != 0).float()
        count = sure.sum()
        known = (target >= 0)[:, None].float()
        goal = sure[:, None].float().expand_as(score)
        scored = (F.binary_cross_entropy_with_logits(score, goal, reduction="none") * known).sum() / count
        placed = (F.smooth_l1_loss(boxes, box, beta=0.05, reduction="none").sum(1) * near).sum() / near.sum()
        return scored + 2 * placed, (scored.item(), placed.item())

    return optimise(network, steps, 4e-3, loss_of, "finder")


def train_reader(data, steps, seed, batch=256):
    letters, classes = data[2:]
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed + 2)
    network = nets.Reader()

    def loss_of():
        chosen = torch.randint(len(letters), (batch,), generator=generator).numpy()
        logits = network.logits(batch_of(letters, chosen, generator))
        target = torch.from_numpy(classes[chosen])
        loss = F.cross_entropy(logits, target, label_smoothing=0.01)
        return loss, (loss.item(), (logits.argmax(1) != target).float().mean().item())

    return optimise(network, steps, 4e-3, loss_of, "reader")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", default=here, help="folder for the two .onnx files (default: beside this script)")
    arguments.add_argument("--seed", type=int, default=20261122)
    arguments.add_argument("--pictures", type=int, default=7200, help="to render (default %(default)s)")
    arguments.add_argument("--finder-steps", type=int, default=1800, help="(default %(default)s; 0: leave that file as it is)")
    arguments.add_argument("--reader-steps", type=int, default=2000, help="(default %(default)s; 0: leave that file as it is)")
    arguments.add_argument("--data", help="file (.npz) to keep the rendered pictures in, or to take them from when it exists")
    arguments.add_argument("--threads", type=int, default=1, help="(default %(default)s; the result depends on it)")
    arguments.add_argument("--verify-frames", type=int, default=300, help="per stream (default %(default)s; 0: none)")
    options = arguments.parse_args()

    torch.set_num_threads(options.threads)
    if options.data and os.path.exists(options.data):
        with np.load(options.data) as kept:
            data = [kept[name] for name in kept.files]
    else:
        data = make_data(np.random.default_rng(options.seed), options.pictures)
        if options.data:
            np.savez(options.data, *data)
    started(f"{len(data[0])} pictures for the finder, {len(data[2])} characters for the reader")
    if options.reader_steps:
        nets.export(train_reader(data, options.reader_steps, options.seed), os.path.join(options.out, "read-characters.onnx"), nets.READ_H,
                    nets.READ_W, "label", (len(nets.CHARACTERS),), nets.READ_METADATA)
    if options.finder_steps:
        finder = train_finder(data, options.finder_steps, options.seed)
        # At 0.5 the verification found false characters of 0.5 .. 0.6 beside true ones of mostly 0.97 and more: 0.5 shall be between.
        finder.score.bias.data -= 2
        nets.export(finder, os.path.join(options.out, "find-characters.onnx"), nets.FIND_H,
                    nets.FIND_W, "output", (nets.GRID_W * nets.GRID_H, 6), nets.FIND_METADATA)
    if options.verify_frames:
        verify.verify(options.out, options.verify_frames)
    started("done")


if __name__ == "__main__":
    main()
