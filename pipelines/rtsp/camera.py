#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A camera on this machine: serves a launch line over RTSP and prints its address.

    camera.py [--port N] WORD...

The words are those of gst-launch-1.0 and end in a payloader named pay0. Without --port any free port is taken.
"""
import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def quoted(word):
    """A word as Gst.parse_launch reads it."""
    key, equals, value = word.partition("=")
    return f'{key}="{value}"' if equals and " " in value else word


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--port", default="0")
    arguments.add_argument("words", nargs="+")
    options = arguments.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=options.port)
    factory = GstRtspServer.RTSPMediaFactory(shared=True)
    factory.set_launch(f"( {' '.join(map(quoted, options.words))} )")
    server.get_mount_points().add_factory("/camera", factory)
    if not server.attach(None):
        raise SystemExit(f"camera.py: port {options.port} of 127.0.0.1 is taken")
    print(f"rtsp://127.0.0.1:{server.get_bound_port()}/camera", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
