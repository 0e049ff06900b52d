#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real models on real videos and pictures through gst-launch-1.0, compared with reference results.

    frames.py PRECISION[@GPU] COLOUR [PAIR...]     PRECISION f32, f16, bf16 or int8; COLOUR exact or videoconvert

exact: the decoder's planes straight into the element, against frames/exact-colour; videoconvert: GStreamer's conversion to
BGR in front, against frames. int8 runs the pairs with a quantised network, that network in int8. Frames that the reference
does not have pass uninferred (interval). @GPU: on the first OpenCL device. Exit status 77 where the reference data or the precision is not there.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import leak_retry  # noqa: E402

SHARED = pathlib.Path(os.environ.get("WEIR_SHARED", "../shared"))
# Bounds of the reference's README, by what executes.
REDUCED = ["--iou", "0.8", "--conf-tol", "0.1", "--attr-tol", "0.2", "--tensor-tol", "0.1", "--tensor-cosine", "0.97", "--allow", "0.05"]
QUANTISED = ["--iou", "0.8", "--allow", "0.05"]
SENSITIVE = ["--allow", "0.05"]
EXCEPTED = {"bf16": {"FastestDet"}}  # its reference in bf16 does not keep the bounds either
DEMUX = {".mp4": "qtdemux ! h264parse ! avdec_h264", ".h264": "h264parse ! avdec_h264", ".jpg": "jpegdec", ".png": "pngdec"}


device = "CPU"


def stages(pair):
    return [pair.get("detector") or pair["classifier"], *pair.get("classifiers", [])]


def is_quantised(stage):
    return "INT8" in stage["model"] or "int8" in stage["model"]


def bounds(pair, precision):
    first = stages(pair)[0]
    if precision != "f32":
        return REDUCED
    if is_quantised(first):
        return QUANTISED
    return SENSITIVE if "classifiers" in pair or "nanodet" in first["model"] else []


def common(stage, pair, precision):
    """What every element gets. In int8 only quantised networks run so, the others as ever."""
    if precision == "int8" and not is_quantised(stage):
        precision = "f32"
    text = f"model={SHARED / stage['model']} device={device} precision={precision} interval={pair['source'].get('every', 1)}"
    proc = SHARED / "golden/frames/model-proc" / f"{pathlib.Path(stage['model']).stem}.json"
    if proc.exists():
        text += f" model-proc={proc}"
    elif stage.get("label_file"):
        text += f" labels={SHARED / stage['label_file']}"
    return text


def detect(stage, pair, precision):
    # the reference lists objects from 0.3 up
    text = f"inferdetect {common(stage, pair, precision)} threshold=0.3 max-detections={stage['max_detections']}"
    return text + (f" iou-threshold={stage['nms_iou']}" if stage["nms_iou"] is not None else "")


def classify(stage, pair, precision):
    text = f"inferclassify {common(stage, pair, precision)} attach-tensors=true"
    if "on" in stage:
        return f"{text} region=roi-list classes={stage['on']}"
    text += " region=full-frame"
    if "/onnx/" not in stage["model"]:
        return text
    # an ONNX file says nothing of how its pictures are prepared
    i = stage["input"]
    numbers = lambda v: ",".join(repr(float(x)) for x in v)
    return f"{text} color-format={i['colour'].lower()} mean={numbers(i['mean'])} scale={numbers(i['scale'])}"


def branch(path, stream, pair, precision, colour, output):
    convert = "videoconvert ! video/x-raw,format=BGR ! " if colour == "videoconvert" else ""
    first, *others = stages(pair)
    elements = [detect(first, pair, precision) if "detector" in pair else classify(first, pair, precision)]
    elements += [classify(stage, pair, precision) for stage in others]
    inference = " ! ".join(f"{e} stream={stream}" for e in elements)
    return f"filesrc location={path} ! {DEMUX[path.suffix]} ! {convert}{inference} ! inferpublish location={output} ! fakesink sync=false"


def run(name, pair, precision, colour, folder):
    output = pathlib.Path(folder) / f"{name}.jsonl"
    source = pair["source"]
    if "video" in source:
        path = SHARED / source["video"]
        branches = [branch(path, path.stem, pair, precision, colour, output)]
    else:
        branches = [branch(SHARED / p, pathlib.Path(p).stem, pair, precision, colour, output) for p in source["images"]]
    # a sanitizer's runtime must come first in a program that was built without it
    env = dict(os.environ, LD_PRELOAD=os.environ.get("WEIR_PRELOAD", ""))
    done = leak_retry.run(["gst-launch-1.0", "-q", *" ".join(branches).split()], timeout=500, env=env)
    if done.returncode:
        return False, done.stderr.decode(errors="replace")[-1500:]
    reference = SHARED / "golden/frames" / (pair["exact_colour_file"] if colour == "exact" else pair["file"])
    command = [sys.executable, str(SHARED / "golden/compare.py"), str(reference), str(output), "--min-confidence", str(pair["min_confidence"]),
        *bounds(pair, precision)]
    compared = subprocess.run(command, capture_output=True, text=True)
    return compared.returncode == 0, compared.stdout + compared.stderr


def choose_device(on_ocl, precision):
    """Its name; None where none executes that."""
    command = [os.environ.get("WEIR", "weir"), "devices", "--json"]
    devices = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    fit = [d["name"] for d in devices if precision in d["precisions"] and d["name"].startswith("GPU" if on_ocl else "CPU")]
    return fit[0] if fit else None


def main():
    global device
    precision, _, place = sys.argv[1].partition("@")
    colour, wanted = sys.argv[2], sys.argv[3:]
    index = SHARED / "golden/frames/index.json"
    if not index.exists():
        print(f"skipped: no reference frames ({index})")
        return 77
    device = choose_device(place == "GPU", precision)
    if not device:
        print(f"skipped: no {'OpenCL device' if place else 'CPU'} here executes {precision}")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, pair in json.loads(index.read_text())["pairs"].items():
            models = {pathlib.Path(stage["model"]).stem for stage in stages(pair)}
            if models & EXCEPTED.get(precision, set()) or (wanted and name not in wanted):
                continue
            if precision == "int8" and not any(is_quantised(stage) for stage in stages(pair)):
                continue
            ok, text = run(name, pair, precision, colour, folder)
            failed += not ok
            print(f"{'ok' if ok else 'FAILED'} {name}", flush=True)
            if not ok:
                print(text, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
