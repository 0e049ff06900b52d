/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cameras made of files, and what is measured of their frames. */
#include "pipeline_kit.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <sys/resource.h>
#include <thread>

namespace kit
{
Options::Options (int argc, char **argv, std::map<std::string, std::string> defaults)
    : values (std::move (defaults))
{
  for (int i = 1; i < argc; i += 2) {
    std::string name = argv[i];
    if (name.compare (0, 2, "--") != 0 || !values.count (name.substr (2)) || i + 1 == argc) {
      std::string known;
      for (auto &row : values)
        known += " --" + row.first;
      throw std::runtime_error (name + ": expected pairs of an option and its value, of" + known);
    }
    values[name.substr (2)] = argv[i + 1];
  }
}

const std::string &Options::text (const std::string &name) const
{
  return values.at (name);
}

double Options::number (const std::string &name) const
{
  return std::stod (values.at (name));
}

std::map<std::string, std::string> common_options ()
{
  return { { "video", "" }, { "streams", "1" }, { "frames", "300" }, { "skip", "0" },
    { "fps", "0" }, { "warm-up", "32" } };
}

double now_s ()
{
  return std::chrono::duration<double> (std::chrono::steady_clock::now ().time_since_epoch ())
      .count ();
}

static double seconds (const timeval &t)
{
  return (double) t.tv_sec + 1e-6 * (double) t.tv_usec;
}

static double cpu_s ()
{
  rusage used;
  getrusage (RUSAGE_SELF, &used);
  return seconds (used.ru_utime) + seconds (used.ru_stime);
}

double peak_rss_mb ()
{
  rusage used;
  getrusage (RUSAGE_SELF, &used);
  return (double) used.ru_maxrss / 1024;
}

Meter::Meter (int n_streams, int n_frames, double fps, int n_warm_up)
    : n_streams (n_streams), n_frames (n_frames), n_warm_up (n_warm_up), fps (fps),
      frames ((size_t) n_streams, std::vector<Frame> ((size_t) n_frames)),
      n_arrived ((size_t) n_streams)
{
  if (n_streams < 1 || n_warm_up < 0 || (long) n_streams * n_frames <= n_warm_up)
    throw std::runtime_error ("--streams times --frames: expected more than --warm-up");
}

int Meter::arrive (int k)
{
  int i = n_arrived[(size_t) k]++;
  if (i >= n_frames)
    throw std::runtime_error ("more pictures came out of the decoder than went in");
  frames[(size_t) k][(size_t) i].arrived_s = now_s ();
  return i;
}

void Meter::start ()
{
  cameras_s = start_s = now_s ();
  start_cpu_s = cpu_s ();
}

double Meter::due_s (int k, int i) const
{
  return fps > 0 ? cameras_s + (i + (double) k / n_streams) / fps : 0;
}

void Meter::done (int k, int i, int n_found)
{
  double t = now_s ();
  std::lock_guard<std::mutex> hold (lock);
  frames[(size_t) k][(size_t) i].known_s = t;
  n_objects += n_found;
  n_known++;
  if (n_known == n_warm_up) {
    start_s = t;
    start_cpu_s = cpu_s ();
  }
  if (n_known == n_streams * n_frames) {
    end_s = t;
    end_cpu_s = cpu_s ();
    last_known.notify_all ();
  }
}

void Meter::wait ()
{
  std::unique_lock<std::mutex> hold (lock);
  if (!last_known.wait_for (
          hold, std::chrono::minutes (1), [&] { return n_known == n_streams * n_frames; }))
    throw std::runtime_error (std::to_string (n_known) + " of " +
                              std::to_string (n_streams * n_frames) +
                              " frames came through: is the video long enough?");
}

static double quantile_ms (std::vector<double> &sorted, double p)
{
  if (sorted.empty ())
    return 0;
  return 1e3 * sorted[std::min (sorted.size () - 1, (size_t) (p * (double) sorted.size ()))];
}

std::string Meter::report (const std::string &more) const
{
  std::vector<double> latency, behind;
  double slowest = 1e9;
  for (int k = 0; k < n_streams; k++) {
    int counted = 0;
    double last = start_s;
    for (int i = 0; i < n_frames; i++) {
      const Frame &frame = frames[(size_t) k][(size_t) i];
      if (frame.known_s <= start_s)
        continue;
      counted++;
      last = std::max (last, frame.known_s);
      latency.push_back (frame.known_s - frame.arrived_s);
      if (fps > 0)
        behind.push_back (frame.known_s - due_s (k, i));
    }
    slowest = std::min (slowest, counted / (last - start_s));
  }
  std::sort (latency.begin (), latency.end ());
  std::sort (behind.begin (), behind.end ());
  double n = (double) latency.size ();
  char text[512];
  snprintf (text, sizeof text,
      "\"fps_total\":%.2f,\"fps_slowest\":%.2f,\"cpu_ms_frame\":%.4f,\"p50_ms\":%.3f,\"p99_ms\":%"
      ".3f,\"max_ms\":%.3f,\"behind_p50_ms\":%.3f,\"behind_p99_ms\":%.3f,\"peak_rss_mb\":%.1f,"
      "\"objects\":%ld,\"frames\":%d",
      n / (end_s - start_s), slowest, 1e3 * (end_cpu_s - start_cpu_s) / n,
      quantile_ms (latency, 0.5), quantile_ms (latency, 0.99), quantile_ms (latency, 1),
      quantile_ms (behind, 0.5), quantile_ms (behind, 0.99), peak_rss_mb (), n_objects,
      n_streams * n_frames);
  return "{" + more + (more.empty () ? "" : ",") + text + "}";
}

static std::string decode_line (const std::string &video)
{
  bool is_stream = video.size () > 5 && video.compare (video.size () - 5, 5, ".h264") == 0;
  return "filesrc location=\"" + video + "\" ! " + (is_stream ? "" : "qtdemux ! ") +
         "h264parse ! video/x-h264,alignment=au ! avdec_h264 name=decoder max-threads=1 ! ";
}

Camera::Camera (int k, const Options &options, Meter &meter, const std::string &tail)
    : k (k), n_frames ((int) options.number ("frames")), n_skip ((int) options.number ("skip")),
      meter (meter)
{
  GError *error = nullptr;
  pipeline = gst_parse_launch ((decode_line (options.text ("video")) + tail).c_str (), &error);
  if (error) {
    std::string why = error->message;
    g_error_free (error);
    throw std::runtime_error (why);
  }
  GstElement *decoder = element ("decoder");
  GstPad *pad = gst_element_get_static_pad (decoder, "sink");
  auto probe = [] (GstPad *, GstPadProbeInfo *info, gpointer self) {
    return ((Camera *) self)->feed (info);
  };
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, probe, this, nullptr);
  gst_object_unref (pad);
  gst_object_unref (decoder);
}

Camera::~Camera ()
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

GstElement *Camera::element (const char *name) const
{
  GstElement *found = gst_bin_get_by_name (GST_BIN (pipeline), name);
  if (!found)
    throw std::runtime_error (std::string ("no element is called ") + name);
  return found;
}

/* A camera: access unit i, from a key frame on, is there at its time. Behind the last one asked for
 * comes the end. */
GstPadProbeReturn Camera::feed (GstPadProbeInfo *info)
{
  if (n_skipped < n_skip) {
    n_skipped++;
    return GST_PAD_PROBE_DROP;
  }
  if (n_fed == n_frames) {
    gst_buffer_unref (GST_PAD_PROBE_INFO_BUFFER (info));
    GST_PAD_PROBE_INFO_DATA (info) = nullptr;
    GST_PAD_PROBE_INFO_FLOW_RETURN (info) = GST_FLOW_EOS;
    return GST_PAD_PROBE_HANDLED;
  }
  double wait_s = meter.due_s (k, n_fed++) - now_s ();
  if (wait_s > 0)
    std::this_thread::sleep_for (std::chrono::duration<double> (wait_s));
  return GST_PAD_PROBE_OK;
}

void Camera::set_state (GstState state)
{
  if (gst_element_set_state (pipeline, state) != GST_STATE_CHANGE_FAILURE)
    return;
  wait_end ();
  throw std::runtime_error ("the pipeline does not start");
}

void Camera::wait_end ()
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, 300 * GST_SECOND, (GstMessageType) (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  gst_object_unref (bus);
  if (!message)
    throw std::runtime_error ("no end after 300 s");
  GError *error = nullptr;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, nullptr);
  gst_message_unref (message);
  if (!error)
    return;
  std::string why = error->message;
  g_error_free (error);
  throw std::runtime_error (why);
}

void play (Cameras &cameras, Meter &meter)
{
  meter.start ();
  for (auto &camera : cameras)
    camera->set_state (GST_STATE_PLAYING);
  for (auto &camera : cameras)
    camera->wait_end ();
}
} // namespace kit
