#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads nm: libweir exports weir_ symbols of the public headers and nothing else; the plugin its descriptor."""
import pathlib
import re
import subprocess
import sys


def exported(library):
    text = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in text.splitlines() if line.split()[-2] in "TDBRVW"}


def declared(root):
    names = set()
    for header in (root / "engine").glob("*.h"):
        names |= set(re.findall(r"\b(weir_[a-z0-9_]+) \(", header.read_text(encoding="utf-8")))
    return names


def main():
    root, libweir, plugin = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    have, want = exported(libweir), declared(root)
    inline = {"weir_tensor_data"}
    problems = [f"libweir exports {n}, which no public header declares" for n in sorted(have - want)]
    problems += [f"libweir does not export {n}, which a public header declares" for n in sorted(want - have - inline)]
    extra = exported(plugin) - {"gst_plugin_desc", "gst_plugin_weir_get_desc", "gst_plugin_weir_register"}
    problems += [f"the plugin exports {n}" for n in sorted(extra)]
    print("\n".join(problems) or f"{len(have)} symbols, all of them public")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
