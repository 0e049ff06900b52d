#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the OpenCL sources that have kernels into one C file, each with what it includes put in its place, once.

Usage: embed.py OUTPUT.c FILE.cl..."""
import hashlib
import pathlib
import re
import sys

INCLUDE = re.compile(r'#include "([\w./]+)"')


def expand(path, seen):
    """Lines of the file and of what it includes; #line keeps the compiler's messages true."""
    seen.add(path.name)
    yield f'#line 1 "{path.name}"'
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            yield "" if line == "#pragma once" else line
            continue
        if pathlib.PurePath(found.group(1)).name not in seen:
            yield from expand(path.parent / found.group(1), seen)
        yield f'#line {number + 1} "{path.name}"'


def numbers(data):
    """Bytes as C: string literals of this length are beyond what C11 promises."""
    for at in range(0, len(data), 32):
        yield "  " + ",".join(str(byte) for byte in data[at:at + 32]) + ","


def main():
    output, files = pathlib.Path(sys.argv[1]), [pathlib.Path(name) for name in sorted(sys.argv[2:])]
    texts = ["/* SPDX-License-Identifier: LGPL-2.1-or-later */", "/* Made by kernels/ocl/embed.py. */",
             '#include "kernels/ocl/ocl_sources.h"', ""]
    rows = []
    for path in files:
        text = "\n".join(expand(path, set())) + "\n"
        if "__kernel" not in text:
            continue
        data = text.encode("ascii", "replace") # comments only: some drivers refuse other bytes
        texts += [f"static const char text_{path.stem}[] = {{", *numbers(data), "  0", "};"]
        rows.append(f'  {{ "{path.stem}", text_{path.stem}, "{hashlib.sha256(data).hexdigest()}" }},')
    texts += ["", "const WeirOclSource weir_ocl_sources[] = {", *rows, "  { 0 },", "};", ""]
    output.write_text("\n".join(texts), encoding="ascii")


if __name__ == "__main__":
    main()
