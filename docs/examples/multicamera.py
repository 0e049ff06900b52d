#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cameras that come and go in one pipeline, all looked at through one session: multicamera.c in Python.

    ./multicamera.py [--help] [test | FILE | URI]...

While it runs it reads commands: "+ SOURCE" adds a camera, "- NAME" removes one; Ctrl-C ends. Standard output gets a line a
frame (camera, time, objects from left to right), standard error the rest. Without arguments: two synthetic cameras and the
networks of pipelines/clocks. Needs Debian's python3-gi and gir1.2-gst-plugins-base-1.0.
"""
import argparse
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import GLib, Gst, GstVideo  # noqa: E402

TEXT = 'font-desc="DejaVu Sans Bold 36" shaded-background=true xpad=12 ypad=12'
# The caps filter at the end makes the overlays paint into the pixels that inferdetect sees.
TEST_SOURCE = f"""
    videotestsrc is-live=true pattern=smpte ! video/x-raw,width=640,height=360,framerate=10/1 !
    timeoverlay time-mode=running-time halignment=left valignment=top {TEXT} !
    textoverlay name=number halignment=right valignment=bottom {TEXT} ! video/x-raw"""
# Of its pads the one with pictures is linked.
URI_SOURCE = "uridecodebin name=decoder"


def log(text):
    print(text, file=sys.stderr, flush=True)


def regions_of(buffer):
    """The GstVideoRegionOfInterestMeta of a buffer. gi cannot iterate over metas, so they are asked for by their ids, which
    count from 1 on every frame; where a classifier looked at whole pictures one number is a picture's and has no region."""
    count = buffer.get_n_meta(GstVideo.video_region_of_interest_meta_api_get_type())
    found = (GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, i) for i in range(1, count + 2))
    return [region for region in found if region]


def label_of(region, attribute):
    """What the classifier says of the object, else what the detector does. "detection" has the fields confidence, label_id, x_min
    ... y_max (fractions); each attribute has label, label_id, confidence, model, and the name that the network gives it."""
    said = region.get_param(attribute)
    return said.get_value("label") if said else GLib.quark_to_string(region.roi_type)


class Program:
    def __init__(self, args):
        self.args = args
        self.n_added = 0
        self.has_failed = False
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline.new("cameras")  # its children are the cameras: bins from source to sink
        self.pipeline.set_property("message-forward", True)
        # A clock that does not go with a camera.
        self.pipeline.use_clock(Gst.SystemClock.obtain())

    def cameras(self):
        return list(self.pipeline.children)

    def on_frame(self, _pad, info, name):
        """Results are on the buffer that leaves the last inference element. This is the stream's own thread: be quick, change no
        state here, and keep no region longer than the call: it is the buffer's."""
        buffer = info.get_buffer()
        regions = sorted(regions_of(buffer), key=lambda region: region.x)  # x, y, w, h are pixels of this buffer
        labels = (label_of(region, self.args.attribute) for region in regions)
        time = f"{buffer.pts // 3600_000000000}:{buffer.pts // 60_000000000 % 60:02}:{buffer.pts // Gst.SECOND % 60:02}"
        # one write a line: other streams print, too
        sys.stdout.write(f"{name} {time}.{buffer.pts % Gst.SECOND:09} {' '.join(labels)}\n")
        return Gst.PadProbeReturn.OK

    def on_decoded_pad(self, _decoder, pad):
        """A file's time begins at 0 when it is added, the pipeline's began long ago: without this offset all its frames would be
        late. Live sources know the time themselves."""
        latency = Gst.Query.new_latency()
        if not (pad.query(latency) and latency.parse_latency()[0]):
            pad.set_offset(self.pipeline.get_current_running_time())

    def new_camera(self, source, name):
        """No queue, no videoconvert: the elements take what a decoder gives, and do not hold it up. All that name the same
        model, device and options share one session and its batches by themselves."""
        launch = TEST_SOURCE if source == "test" else URI_SOURCE
        classify = "! inferclassify name=classify" if self.args.classifier else ""
        # async=false: the pipeline need not wait for the first frame of a camera that joins it.
        camera = Gst.parse_bin_from_description(f"{launch} ! inferdetect name=detect {classify} ! fakesink sync=true async=false", False)
        camera.set_name(name)
        # Text of the user never goes into a launch line, where a blank would change its meaning.
        if source == "test":
            camera.get_by_name("number").set_property("text", f"#{self.n_added}")
        else:
            decoder = camera.get_by_name("decoder")
            decoder.set_property("uri", source if Gst.uri_is_valid(source) else Gst.filename_to_uri(source))
            decoder.connect("pad-added", self.on_decoded_pad)
        detect = last = camera.get_by_name("detect")
        for key in ("model", "labels", "device"):
            detect.set_property(key, getattr(self.args, key))
        detect.set_property("stream", name)
        if classify:
            last = camera.get_by_name("classify")
            last.set_property("model", self.args.classifier)
            last.set_property("device", self.args.device)
        last.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self.on_frame, name)
        return camera

    def add(self, source):
        self.n_added += 1
        try:
            camera = self.new_camera(source, f"camera{self.n_added}")
        except GLib.Error as error:
            log(f"{source}: {error.message}")
            self.has_failed = True
            return
        log(f"{camera.name}: added, {source}")
        self.pipeline.add(camera)
        # Only now, in the pipeline, may it start. What goes wrong comes as a message.
        camera.sync_state_with_parent()

    def remove(self, camera, why):
        """The whole branch goes at once, so nothing need be blocked or unlinked: in state NULL its threads have ended. Never from
        one of them: they would wait for themselves."""
        log(f"{camera.name}: removed {why}")
        camera.set_locked_state(True)  # the pipeline must not start it again
        camera.set_state(Gst.State.NULL)
        self.pipeline.remove(camera)
        if not self.cameras():
            self.loop.quit()

    def camera_of(self, element):
        """The camera that an element is part of; None where it has been removed meanwhile."""
        while element and element.get_parent() != self.pipeline:
            element = element.get_parent()
        return element

    def on_message(self, _bus, message):
        if message.type == Gst.MessageType.LATENCY:
            self.pipeline.recalculate_latency()
        elif message.type == Gst.MessageType.ERROR:
            error, debug = message.parse_error()
            log(f"{message.src.name}: {error.message}\n  {debug}")
            camera = self.camera_of(message.src)
            if camera:  # else it is a last word of one that is gone
                self.has_failed = True
                self.remove(camera, "as it failed")
        elif message.type == Gst.MessageType.ELEMENT and message.get_structure().get_name() == "GstBinForwarded":
            # The pipeline says EOS when all cameras have ended; with message-forward also of each.
            inner = message.get_structure().get_value("message")
            camera = self.camera_of(inner.src)
            if camera and inner.type == Gst.MessageType.EOS:
                self.remove(camera, "at its end")
        return GLib.SOURCE_CONTINUE

    def on_second(self):
        """All cameras have one session, so what one says of it is true of all. docs/stats.md has all fields."""
        read = [(camera.name, camera.get_by_name("detect").get_property("stats")) for camera in self.cameras()]
        frames = ", ".join(f"{name} {stats.get_value('frames')}" for name, stats in read if stats)
        stats = read[0][1] if read else None
        if stats and stats.has_field("mean-batch"):
            session = f"mean batch {stats.get_value('mean-batch'):.2f}, latency p99 {stats.get_value('latency-us-p99') / 1e3:.1f} ms"
            log(f"frames: {frames}, {session}")
        return GLib.SOURCE_CONTINUE

    def on_command(self, channel, _condition):
        line = channel.readline()
        if not line:
            return GLib.SOURCE_REMOVE  # no more commands; the cameras go on
        command, word = line[0], line[1:].strip()
        camera = next((c for c in self.cameras() if c.name == word), None)
        if command == "+" and word:
            self.add(word)
        elif command == "-" and camera:
            self.remove(camera, "as you say")
        else:
            log(f"expected is '+ SOURCE' or '- NAME' of a camera, not '{line.strip()}'")
        return GLib.SOURCE_CONTINUE

    def run(self):
        bus = self.pipeline.get_bus()
        bus.add_watch(GLib.PRIORITY_DEFAULT, self.on_message)
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGINT, self.loop.quit)
        GLib.timeout_add_seconds(1, self.on_second)
        GLib.io_add_watch(GLib.IOChannel.unix_new(0), GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, self.on_command)
        # It plays before it has a camera: the first ones come as any other does, and one that fails fails alone.
        self.pipeline.set_state(Gst.State.PLAYING)
        for source in self.args.source or ["test", "test"]:
            self.add(source)
        if self.cameras():
            self.loop.run()
        has_cameras = bool(self.cameras())
        self.pipeline.set_state(Gst.State.NULL)
        return has_cameras or not self.has_failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="*", help="test, a file or a URI")
    parser.add_argument("--model", help="network that finds objects")
    parser.add_argument("--classifier", help="network that looks at each of them")
    parser.add_argument("--attribute", default="character", help="what the classifier's answer is called")
    parser.add_argument("--labels", help="the model's labels: a file, or A,B,C")
    parser.add_argument("--device", default="CPU", help="where the networks run")
    args = parser.parse_args()
    if not args.model:
        args.model = "pipelines/clocks/find-characters.onnx"
        args.classifier = "pipelines/clocks/read-characters.onnx"
    sys.stdout.reconfigure(line_buffering=True)
    Gst.init(None)
    return 0 if Program(args).run() else 1


if __name__ == "__main__":
    sys.exit(main())
