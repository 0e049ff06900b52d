#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The decoder that `weir inspect` names for each real model, without decoder= or labels.

Exit status 77 where the reference data is not there.
"""
import json
import os
import pathlib
import subprocess
import sys

SHARED = pathlib.Path(os.environ.get("WEIR_SHARED", "../shared")) / "models"
# By the README of the reference data; a folder stands for the one model in it.
DECODERS = {
    "ir/face-detection-retail-0004/FP32": "detection_output",
    "ir/face-detection-retail-0004/FP16": "detection_output",
    "ir/face-detection-retail-0004/FP16-INT8": "detection_output",
    "ir/person-detection-retail-0013/FP16": "detection_output",
    "ir/person-vehicle-bike-detection-2000/FP16": "detection_output",
    "ir/vehicle-license-plate-detection-barrier-0106/FP16": "detection_output",
    "ir/age-gender-recognition-retail-0013/FP16-INT8": "classification",
    "ir/emotions-recognition-retail-0003/FP16-INT8": "classification",
    "ir/vehicle-attributes-recognition-barrier-0039/FP32": "classification",
    "ir/person-attributes-recognition-crossroad-0230/FP16": "classification",
    "ir/head-pose-estimation-adas-0001/FP16": "regression",
    "ir/landmarks-regression-retail-0009/FP32": "landmarks",
    "ir/license-plate-recognition-barrier-0001/FP16": "ctc",
    "ir/person-reidentification-retail-0288/FP16": "embedding",
    "onnx/version-RFB-320.onnx": "ultraface",
    "onnx/version-slim-320.onnx": "ultraface",
    "onnx/version-RFB-320_simplified.onnx": "ultraface-raw",
    "onnx/yunet_n_320_320.onnx": "yunet",
    "onnx/yunet_n_dynamic.onnx": "yunet",
    "onnx/yolox_nano.onnx": "yolox",
    "onnx/nanodet_m.onnx": "nanodet",
    "onnx/FastestDet.onnx": "fastestdet",
    "onnx/SqueezeNet_fp16.onnx": "classification",
    "onnx/squeezenet_dao_fp16.onnx": "classification",
    "onnx/mobilenet_v2-qdq-int8-matias.onnx": "classification",
    "onnx/mobilenet_v2_128_0.5.onnx": "classification",
    "onnx/mnist-winml.onnx": "classification",
    "onnx/osnet_x0_25_msmt17.onnx": "embedding",
}


def main():
    if not SHARED.exists():
        print(f"skipped: no reference models ({SHARED})")
        return 77
    failed = 0
    for name, expected in DECODERS.items():
        command = [os.environ.get("WEIR", "weir"), "inspect", "--json", str(SHARED / name)]
        if "dynamic" in name:
            command += ["--input-shape", "1x3x320x320"]
        done = subprocess.run(command, capture_output=True, text=True)
        decoder = json.loads(done.stdout)["decoder"] if done.returncode == 0 else {"name": done.stderr.strip(), "why": ""}
        ok = decoder["name"] == expected and decoder["why"]
        failed += not ok
        print(f"{'ok' if ok else 'FAILED'} {name}: {decoder['name']}: {decoder['why']}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
