#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a program under GStreamer's leaks tracer: no object may be alive after gst_deinit.

    leaks.py PROGRAM [ARGUMENT...]
"""
import os
import re
import subprocess
import sys
import tempfile


def main():
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        env = dict(os.environ, GST_TRACERS="leaks", GST_DEBUG="GST_TRACER:7", GST_DEBUG_FILE=log, GST_DEBUG_NO_COLOR="1")
        done = subprocess.run(sys.argv[1:], env=env, timeout=200)
        text = open(log, encoding="utf-8", errors="replace").read()
    alive = re.findall(r"^(?!.*new format string).*(object-alive, .*)", text, re.MULTILINE)
    if "object-alive.class" not in text:
        print("the leaks tracer did not run", file=sys.stderr)
        return 1
    print(f"{len(alive)} objects alive", *alive[:20], sep="\n", file=sys.stderr)
    return done.returncode or bool(alive)


if __name__ == "__main__":
    sys.exit(main())
