#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a test under LeakSanitizer as quickly as its suppressions allow; once more where LeakSanitizer itself crashed.

    leak_retry.py COMMAND...

Whole stacks of every allocation take most of a test's time. Only where GStreamer runs are they needed: it has so many names that
GLib's table outgrows its first block, and that suppressed leak is known by its stack: eight calls deep, and ten are kept.

LeakSanitizer's tracer reads the stacks of threads that may be ending at that moment, and thread-local memory of libraries loaded
later (an OpenCL driver's compiled kernels) at addresses that it guessed wrongly, and then dies of it ("Tracer caught signal 11"): that
says nothing about the program. The next attempts leave that memory out. A leak that is reported, or any other failure, is never tried
again. Scripts that start many programs import `run`, or all of them would be run again.
"""
import os
import pathlib
import subprocess
import sys

CRASH = b"LeakSanitizer has encountered a fatal error"
ATTEMPTS = 3


def may_run_gstreamer(program):
    """A script may start anything; what is linked with GStreamer names it."""
    content = pathlib.Path(program).read_bytes() if os.path.exists(program) else b""
    is_test = program.startswith(os.getcwd()) and content.startswith(b"\x7fELF")
    return not is_test or b"libgstreamer-1.0.so" in content


def asan_options(environ, *more):
    return ":".join([*filter(None, [environ.get("ASAN_OPTIONS")]), *more])


def run(command, env=os.environ, **options):
    """subprocess.run of one program, its output captured as bytes"""
    for attempt in range(1, ATTEMPTS + 1):
        done = subprocess.run(command, capture_output=True, env=env, **options)
        crashed = done.returncode and CRASH in done.stdout + done.stderr and b"detected memory leaks" not in done.stdout + done.stderr
        if not crashed:
            break
        print(f"LeakSanitizer crashed, attempt {attempt} of {ATTEMPTS}", file=sys.stderr)
        env = dict(env, ASAN_OPTIONS=asan_options(env, "intercept_tls_get_addr=0"))
    return done


def main():
    unwind = "fast_unwind_on_malloc=0:malloc_context_size=10" if may_run_gstreamer(sys.argv[1]) else "fast_unwind_on_malloc=1"
    done = run(sys.argv[1:], env=dict(os.environ, ASAN_OPTIONS=asan_options(os.environ, unwind)))
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


if __name__ == "__main__":
    sys.exit(main())
