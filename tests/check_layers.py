#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads every #include against the layers of docs/architecture.md: an include only points down."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])

# Folder (longest prefix wins): what it may include of the project, and which outside headers it owns.
PUBLIC = {"error.h", "export.h", "frame.h", "model.h", "profile.h", "request.h", "result.h", "session.h", "tensor.h", "tensor_file.h", "tune.h", "weir.h"}
VOCABULARY = {f"engine/{n}" for n in ("error.h", "export.h", "tensor.h", "frame.h", "result.h")}
BASE = ["engine/base/", "kernels/"]
GRAPH = BASE + ["engine/graph/"]
PLAN = GRAPH + ["engine/plan/"]
MAY = {
    "kernels/": ["kernels/"],
    "engine/base/": ["engine/base/"],
    "engine/graph/": ["engine/base/", "engine/graph/"],
    "engine/formats/": ["engine/base/", "engine/graph/", "engine/formats/"],
    "engine/plan/": ["engine/base/", "engine/graph/", "engine/plan/"],
    "engine/ref/": PLAN + ["engine/ref/"],
    "engine/cpu/": PLAN + ["engine/cpu/"],
    "engine/sim/": PLAN + ["engine/sim/"],
    "engine/ocl/": PLAN + ["engine/ocl/", "engine/pre/"],
    "engine/pre/": BASE + ["engine/pre/"],
    "engine/post/": GRAPH + ["engine/pre/", "engine/post/"],
    "engine/cli/": ["engine/cli/"],
    "engine/": GRAPH + ["engine/"],
    "gst/": ["gst/"],
}
OUTSIDE = {  # header: folders that may include it
    r"(oneapi/dnnl/)?dnnl.*\.h": ("engine/cpu/dnnl",),
    r"CL/.*": ("engine/ocl/",),
    r"gst/(?!(meta|filter|props|frame_map|json|caption|paint|\w+_types)\.h).*": ("gst/", "tests/", "pipelines/", "docs/examples/"),
    r"onnx\.pb-c\.h": ("engine/formats/", "tests/"),
    r"glib.*|gio/.*|json-glib/.*": ("engine/", "gst/", "tests/", "pipelines/", "docs/"),
}


def public_header(path):
    return path.startswith("engine/") and path.count("/") == 1 and path.endswith(".h")


def check(path):
    name = path.relative_to(ROOT).as_posix()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not m:
            continue
        target = m.group(2)
        if public_header(name) and m.group(1) == '"':
            target = f"engine/{target}"
        where = f"{name}:{number}: includes {target}"
        for pattern, owners in OUTSIDE.items():
            if re.fullmatch(pattern, target) and not (ROOT / target).exists() and not name.startswith(owners):
                yield f"{where}: only {', '.join(owners)} may"
        if m.group(1) == "<" or not (ROOT / target).exists() or name.startswith(("tests/", "pipelines/", "docs/")):
            continue
        if name.startswith(("engine/cli/", "gst/")) and public_header(target):
            continue
        if target in VOCABULARY and not name.startswith("kernels/"):
            continue
        prefix = max((p for p in MAY if name.startswith(p)), key=len, default=None)
        if prefix and not any(target.startswith(p) for p in MAY[prefix]):
            yield f"{where}: {prefix} may include {', '.join(MAY[prefix])} and the vocabulary"


def self_test():
    """The check must be able to fail."""
    import tempfile
    global ROOT
    keep, bad = ROOT, 0
    with tempfile.TemporaryDirectory() as folder:
        ROOT = pathlib.Path(folder)
        for sub in ("engine/graph", "engine/ref", "engine/cpu", "kernels"):
            (ROOT / sub).mkdir(parents=True)
        (ROOT / "engine/ref/ref.h").write_text("")
        cases = {"engine/graph/a.c": '#include "engine/ref/ref.h"\n', "engine/cpu/b.c": "#include <dnnl.h>\n",
                 "kernels/c.c": "#include <glib.h>\n", "engine/cpu/d.c": '#include "engine/ref/ref.h"\n'}
        for name, text in cases.items():
            (ROOT / name).write_text(text)
            bad += any(True for _ in check(ROOT / name))
    ROOT = keep
    return bad == len(cases)


def main():
    problems = [] if self_test() else ["self test: a wrong include was not found"]
    files = [p for folder in ("kernels", "engine", "gst", "tests", "pipelines", "docs") for p in (ROOT / folder).rglob("*.[ch]")]
    for path in files:
        problems += check(path)
    names = {}
    for path in files:
        if path.suffix == ".c" or path.suffix == ".h":
            if path.name in names:
                problems.append(f"{path.relative_to(ROOT)}: another file has this name: {names[path.name].relative_to(ROOT)}")
            names[path.name] = path
            if "SPDX-License-Identifier: LGPL-2.1-or-later" not in path.read_text(encoding="utf-8").split("\n", 1)[0]:
                problems.append(f"{path.relative_to(ROOT)}: the first line is not the SPDX line")
    print("\n".join(problems) or f"{len(files)} files, every include points down")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
