#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real models on real videos and pictures through gst-launch-1.0, compared with reference detections.

    frames.py PRECISION COLOUR [PAIR...]      PRECISION f32 or bf16; COLOUR exact or videoconvert

exact: the decoder's planes straight into the element, against frames/exact-colour; videoconvert: GStreamer's conversion to
BGR in front, against frames. Exit status 77 where the reference data is not there.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

SHARED = pathlib.Path(os.environ.get("WEIR_SHARED", "../shared"))
# Bounds of the reference's README, by what executes.
REDUCED = ["--iou", "0.8", "--conf-tol", "0.1", "--attr-tol", "0.2", "--tensor-tol", "0.1", "--tensor-cosine", "0.97", "--allow", "0.05"]
PRECISE = {"nanodet_m": ["--allow", "0.05"], "mobilenet_v2-qdq-int8-matias": ["--iou", "0.8", "--allow", "0.05"]}
EXCEPTED = {"bf16": {"FastestDet"}}  # its reference in bf16 does not keep the bounds either
DEMUX = {".mp4": "qtdemux ! h264parse ! avdec_h264", ".h264": "h264parse ! avdec_h264", ".jpg": "jpegdec", ".png": "pngdec"}


def inference(pair, precision):
    stage = pair.get("detector") or pair["classifier"]
    model = SHARED / stage["model"]
    text = f"model={model} precision={precision} labels={SHARED / stage['label_file']}"
    if "detector" in pair:
        # the reference lists objects from 0.3 up
        text = f"inferdetect {text} threshold=0.3 iou-threshold={stage['nms_iou']} max-detections={stage['max_detections']}"
    else:
        i = stage["input"]
        numbers = lambda v: ",".join(repr(float(x)) for x in v)
        text = (f"inferclassify {text} region=full-frame attach-tensors=true color-format={i['colour'].lower()} "
                f"mean={numbers(i['mean'])} scale={numbers(i['scale'])}")
    return text


def branch(path, stream, pair, precision, colour, output):
    convert = "videoconvert ! video/x-raw,format=BGR ! " if colour == "videoconvert" else ""
    return (f"filesrc location={path} ! {DEMUX[path.suffix]} ! {convert}{inference(pair, precision)} stream={stream} ! "
            f"inferpublish location={output} ! fakesink sync=false")


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
    done = subprocess.run(["gst-launch-1.0", "-q", *" ".join(branches).split()], capture_output=True, text=True, timeout=500, env=env)
    if done.returncode:
        return False, done.stderr[-1500:]
    reference = SHARED / "golden/frames" / (pair["exact_colour_file"] if colour == "exact" else pair["file"])
    model = pathlib.Path((pair.get("detector") or pair["classifier"])["model"]).stem
    bounds = REDUCED if precision != "f32" else PRECISE.get(model, [])
    command = [sys.executable, str(SHARED / "golden/compare.py"), str(reference), str(output), "--min-confidence", str(pair["min_confidence"]), *bounds]
    compared = subprocess.run(command, capture_output=True, text=True)
    return compared.returncode == 0, compared.stdout + compared.stderr


def main():
    precision, colour, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
    index = SHARED / "golden/frames/index.json"
    if not index.exists():
        print(f"skipped: no reference frames ({index})")
        return 77
    if precision == "bf16":
        devices = json.loads(subprocess.run([os.environ.get("WEIR", "weir"), "devices", "--json"], check=True, capture_output=True, text=True).stdout)
        if not any("bf16" in d["precisions"] for d in devices):
            print("skipped: this CPU does not execute bf16")
            return 77
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, pair in json.loads(index.read_text())["pairs"].items():
            stage = pair.get("detector") or pair["classifier"]
            model = pathlib.Path(stage["model"]).stem
            if "/onnx/" not in stage["model"] or model in EXCEPTED.get(precision, ()) or (wanted and name not in wanted):
                continue
            ok, text = run(name, pair, precision, colour, folder)
            failed += not ok
            print(f"{'ok' if ok else 'FAILED'} {name}", flush=True)
            if not ok:
                print(text, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
