#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a test; once more where LeakSanitizer itself crashed.

    leak_retry.py COMMAND...

Its tracer reads the stacks of threads that may be ending at that moment, and then dies of it ("Tracer caught signal 11"): that
says nothing about the program. A leak that it reports, or any other failure, is never tried again.
"""
import subprocess
import sys

CRASH = b"LeakSanitizer has encountered a fatal error"
ATTEMPTS = 3


def main():
    for attempt in range(1, ATTEMPTS + 1):
        done = subprocess.run(sys.argv[1:], capture_output=True)
        crashed = done.returncode and CRASH in done.stdout + done.stderr and b"detected memory leaks" not in done.stdout + done.stderr
        if not crashed:
            break
        print(f"LeakSanitizer crashed, attempt {attempt} of {ATTEMPTS}", file=sys.stderr)
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


if __name__ == "__main__":
    sys.exit(main())
