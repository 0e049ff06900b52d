#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a test program under oclgrind: an access out of bounds or a race that it reports fails the test.

Usage: oclgrind.py [--expect TEXT] PROGRAM [ARGUMENT...]; with --expect, the test passes where the report has TEXT.
Exit status 77 where oclgrind is not installed."""
import os
import shutil
import subprocess
import sys
import tempfile

LISTED = 60  # lines of the report that are shown


def main():
    command, expected = sys.argv[1:], None
    if command[0] == "--expect":
        expected, command = command[1], command[2:]
    oclgrind = shutil.which("oclgrind")
    if not oclgrind:
        print("skipped: oclgrind is not installed")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        environment = dict(os.environ, CK_FORK="no")
        status = subprocess.run([oclgrind, "--data-races", "--max-errors", "100", "--log", log, *command],
                                env=environment, check=False).returncode
        report = ""
        if os.path.exists(log):
            with open(log, encoding="utf-8", errors="replace") as file:
                report = file.read().strip()
    print("\n".join(report.splitlines()[:LISTED]))
    if expected is not None:
        return 0 if expected in report else 1
    return 1 if report and not status else status


if __name__ == "__main__":
    sys.exit(main())
