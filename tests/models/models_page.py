#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes docs/models.md: what the real models of the reference data give here.

    models_page.py TEST_GOLDEN WEIR > docs/models.md

TEST_GOLDEN is the test of reference tensors (it states the largest distance of each model), WEIR the command; WEIR_SHARED is the
folder of the reference data.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

HEAD = """# Models

What Weir reads: ONNX of operator sets 1 to 22 (newer ones are tried) and OpenVINO IR of versions 10 and 11, in 32-bit, 16-bit and 8-bit
forms. [operators.md](operators.md) lists every operator with the tests it passes; `weir inspect MODEL` says what becomes of a file: how its
inputs are filled, which decoder was chosen and why, whether it batches, and every operator that is missing, all at once.

## Measured

Each model runs on pictures and on noise, alone and in a batch of three, and is compared with an independent runtime (ONNX Runtime for
ONNX, OpenVINO for IR, both in f32) by `tests/models/test_golden.c`. The figures are the largest difference of any number of any output,
alone or in a batch; of detections, the largest difference of a confidence; of texts, how many characters differ. All
lie within the bounds that the reference data state for the precision. This page is written by `tests/models/models_page.py`.

"""

TAIL = """
f32, bf16 and int8 are the precisions that were executed; int8 exists for quantised models alone. bf16 was emulated on the machine that wrote this page: its
numbers are those of the format, its speed is not. *batches*: "rewritten" where the file bakes a batch of 1 into its constants
and the rewritten network was proved to give the same.

[decoders.md](decoders.md) says how outputs are read, by which names and shapes a family is recognised, and what overrules the choice.
"""


def distances(golden, precision):
    done = subprocess.run([golden, precision], capture_output=True, text=True)
    return dict(re.findall(r"^ok (\S+), largest distance (\S+)$", done.stdout, re.M))


def main():
    golden, weir = sys.argv[1:3]
    shared = pathlib.Path(os.environ["WEIR_SHARED"])
    index = json.loads((shared / "golden/tensors/index.json").read_text())
    measured = {p: distances(golden, p) for p in ("f32", "bf16", "int8")}
    out = [HEAD, "| model | GFLOP | decoder | batches | f32 | bf16 | int8 |\n|---|--:|---|---|--:|--:|--:|\n"]
    for name, model in index["models"].items():
        shape = model["inputs"][0]["shape"]
        size = ["--input-shape", "x".join(map(str, shape[0]))] if isinstance(shape[0], list) else []
        inspect = [weir, "inspect", "--json", *size, str(shared / model["model"])]
        facts = json.loads(subprocess.run(inspect, check=True, capture_output=True, text=True).stdout)
        rewritten = model["batch"].get("after_rewrite", {}).get("batchable") and not model["batch"]["batchable"]
        batches = ("rewritten" if rewritten else "yes") if facts["batchable"] else "no"
        cells = [name, f"{facts['gflop']:.3f}", facts["decoder"]["name"], batches, *(measured[p].get(name, "-") for p in measured)]
        out.append("| " + " | ".join(cells) + " |\n")
    out.append("\nRefused, with every cause in one sentence:\n\n")
    for name, model in index["refused"].items():
        done = subprocess.run([weir, "inspect", str(shared / model["model"])], capture_output=True, text=True)
        said = done.stderr.strip().split(": ", 2)[-1] if done.returncode else "runs without the nodes that nobody reads, and says so"
        out.append(f"- {name}: {said}\n")
    out.append(TAIL)
    sys.stdout.write("".join(out))


if __name__ == "__main__":
    main()
