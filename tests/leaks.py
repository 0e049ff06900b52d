#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a program under GStreamer's leaks tracer: no object may be alive after gst_deinit.

    leaks.py PROGRAM [ARGUMENT...]

The tracer speaks in gst_deinit, which the program must reach: its tests run in its own process (CK_FORK=no). What the program
itself starts is looked at too; a program that skips itself (exit status 77) or fails before is believed.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ALIVE = re.compile(r"^(?!.*new format string).*(object-alive, .*)", re.MULTILINE)


def main():
    if os.environ.get("GST_TRACERS") == "leaks":  # one that started this one looks at all
        os.execvp(sys.argv[1], sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ, GST_TRACERS="leaks", GST_DEBUG="GST_TRACER:7", GST_DEBUG_FILE=os.path.join(folder, "%p"),
                   GST_DEBUG_NO_COLOR="1", CK_FORK="no")
        done = subprocess.run(sys.argv[1:], env=env)
        text = "\n".join(log.read_text("utf-8", "replace") for log in pathlib.Path(folder).iterdir())
    if done.returncode:
        return done.returncode if done.returncode > 0 else 128 - done.returncode
    if "object-alive.class" not in text:
        print("the leaks tracer did not run", file=sys.stderr)
        return 1
    alive = ALIVE.findall(text)
    print(f"{len(alive)} objects alive", *alive[:20], sep="\n", file=sys.stderr)
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main())
