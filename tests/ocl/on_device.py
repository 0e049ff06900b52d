#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a test of sessions on an OpenCL device: the first GPU, or else whatever device there is.

    on_device.py WEIR PROGRAM [ARGUMENT...]      WEIR: the tool, which lists devices

The program finds the device's name in WEIR_TEST_DEVICE. Exit status 77 where there is no device.
"""
import json
import os
import subprocess
import sys


def main():
    weir, program, *arguments = sys.argv[1:]
    devices = json.loads(subprocess.run([weir, "devices", "--json"], check=True, capture_output=True, text=True).stdout)
    names = [device["name"] for device in devices if device["name"].startswith("GPU") and not device.get("problem")]
    if not names:
        print("skipped: no OpenCL device")
        return 77
    os.environ["WEIR_TEST_DEVICE"] = names[0]
    os.execv(program, [program, *arguments])


if __name__ == "__main__":
    sys.exit(main())
