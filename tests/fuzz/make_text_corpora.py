#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the corpora of fuzz_modelproc and fuzz_labels: make_text_corpora.py FOLDER (usually tests/fuzz/corpus)."""
import json
import pathlib
import sys

HEADS = [
    {"layer_name": "age", "converter": "tensor_to_text", "attribute_name": "age", "tensor_to_text_scale": 100.0,
     "tensor_to_text_precision": 0},
    {"layer_names": ["prob", "p2"], "converter": "label", "method": "max", "labels": ["a", "b\u00e9", "\"q\\"], "threshold": 0.5},
    {"converter": "label", "method": "multi", "labels_file": "none.txt"},
]
YOLO = {"converter": "yolo_v3", "anchors": [1.08, 1.19, 3e2], "masks": [[6, 7, 8], [0]], "classes": 80, "do_cls_softmax": True,
        "iou_threshold": 0.4, "labels": "one,two", "nothing": None}
IMAGE = {"format": "image", "layer_name": "data", "precision": "FP32",
         "params": {"resize": "aspect-ratio", "crop": "central", "color_space": "RGB", "range": [0.0, 1.0], "mean": [0.485, 0.456, 0.406],
                    "std": [0.229, 0.224, 0.225], "padding": {"stride_x": 8, "fill_value": [114, 114, 114]}, "alignment_points": [0.3]}}
OTHERS = [{"format": "image_info", "layer_name": "im_info", "params": {"scale": 1.0}},
          {"format": "sequence_index", "layer_name": "seq_ind"}, {"params": {"color_space": "GRAYSCALE", "resize": "no", "mean": 1}}]


def proc(inputs, outputs, version="2.2.0"):
    return json.dumps({"json_schema_version": version, "input_preproc": inputs, "output_postproc": outputs}, ensure_ascii=False)


FILES = {
    "modelproc": {
        "heads.json": proc([], HEADS, "2.0.0"),
        "yolo.json": proc([], [YOLO]),
        "image.json": proc([IMAGE], []),
        "others.json": proc(OTHERS, None),
        "old.json": proc([], [], "1.0.0"),
    },
    "labels": {
        "lines.txt": "\ufeffperson\r\ntraffic light\n\n\u8f66",
        "list.txt": "person,traffic light,,dog",
        "python.txt": "{0: 'person', 1: \"child's\", 4: 'it\\'s \\x41\\u00e9\\U0001F600', 2: bare}",
        "json.txt": "{\"person\": 0, \"dog\": 1}",
        "array.txt": "['a', \"b\", c, ('d')]",
        "numbers.txt": "[640, 480.5] (1) 2e1",
        "metadata.yaml": "# made\ndate: '2025''s'\nstride: 32 # px\nimgsz:\n- 640\n- 480\nnames:\n  0: person\n  3: \"d\\u00f6g\"\n"
                         "args: {a: 1}\nkpt_shape: [17, 3]\n",
    },
}

for name, files in FILES.items():
    folder = pathlib.Path(sys.argv[1]) / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8", newline="")
