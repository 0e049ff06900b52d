/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weir's side: the same cameras through elements as they stand in a launch line, measured between
 * the pads around them. JSON, one line. */
#include "pipeline_kit.hpp"

#include <cstdio>
#include <deque>
#include <gst/video/gstvideometa.h>
#include <stdexcept>
#include <unistd.h>

namespace
{
struct Tap {
  int stream;
  kit::Meter *meter;
  int n_known = 0;
};

GstPadProbeReturn enter (GstPad *, GstPadProbeInfo *, gpointer user)
{
  auto *tap = (Tap *) user;
  tap->meter->arrive (tap->stream);
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn leave (GstPad *, GstPadProbeInfo *info, gpointer user)
{
  auto *tap = (Tap *) user;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  int n_objects = (int) gst_buffer_get_n_meta (buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
  tap->meter->done (tap->stream, tap->n_known++, n_objects);
  return GST_PAD_PROBE_OK;
}

void attach (kit::Camera &camera, const char *name, const char *pad_name, GstPadProbeCallback probe,
    Tap &tap)
{
  GstElement *element = camera.element (name);
  GstPad *pad = gst_element_get_static_pad (element, pad_name);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, probe, &tap, nullptr);
  gst_object_unref (pad);
  gst_object_unref (element);
}

/* What the first element says of itself, where it is one of ours. */
std::string about (kit::Camera &camera)
{
  GstElement *first = camera.element ("first");
  std::string text;
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (first), "stats")) {
    GstStructure *stats = nullptr;
    g_object_get (first, "stats", &stats, nullptr);
    const char *precision = gst_structure_get_string (stats, "precision");
    guint workers = 0, requests = 0;
    double mean_batch = 0;
    gst_structure_get (stats, "workers", G_TYPE_UINT, &workers, "num-requests", G_TYPE_UINT,
        &requests, "mean-batch", G_TYPE_DOUBLE, &mean_batch, nullptr);
    text = std::string ("\"precision\":\"") + (precision ? precision : "") +
           "\",\"workers\":" + std::to_string (workers) +
           ",\"requests\":" + std::to_string (requests) +
           ",\"mean_batch\":" + std::to_string (mean_batch) + ",";
    gst_structure_free (stats);
  }
  gst_object_unref (first);
  return text;
}

void run (const kit::Options &options)
{
  int n_streams = (int) options.number ("streams");
  kit::Meter meter (n_streams, (int) options.number ("frames"), options.number ("fps"),
      (int) options.number ("warm-up"));
  std::deque<Tap> taps;
  kit::Cameras cameras;
  for (int k = 0; k < n_streams; k++) {
    cameras.push_back (std::make_unique<kit::Camera> (
        k, options, meter, options.text ("elements") + " ! fakesink name=sink sync=false"));
    taps.push_back ({ k, &meter });
    attach (*cameras.back (), "first", "sink", enter, taps.back ());
    attach (*cameras.back (), "sink", "sink", leave, taps.back ());
  }
  double load_s = kit::now_s ();
  for (auto &camera : cameras)
    camera->set_state (GST_STATE_READY);
  load_s = kit::now_s () - load_s;
  kit::play (cameras, meter);
  meter.wait ();
  puts (meter.report (about (*cameras[0]) + "\"load_s\":" + std::to_string (load_s)).c_str ());
  fflush (stdout);
  if (options.text ("tear-down") != "1")
    _exit (0);
}
} // namespace

int main (int argc, char **argv)
{
  try {
    auto defaults = kit::common_options ();
    defaults.insert ({ { "elements", "identity name=first" }, { "tear-down", "0" } });
    kit::Options options (argc, argv, defaults);
    gst_init (nullptr, nullptr);
    run (options);
  } catch (const std::exception &e) {
    fprintf (stderr, "elements_pipeline: %s\n", e.what ());
    return 1;
  }
  return 0;
}
