/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both programs of the end-to-end comparison share: options, cameras, clock and report, so
 * that only the analysis differs. */
#pragma once

#include <condition_variable>
#include <functional>
#include <gst/gst.h>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace kit
{
/* --name value pairs; a name that is not among `defaults` is an error. Immutable after
 * construction. */
class Options
{
public:
  Options (int argc, char **argv, std::map<std::string, std::string> defaults);
  const std::string &text (const std::string &name) const;
  double number (const std::string &name) const;

private:
  std::map<std::string, std::string> values;
};

/* Options that every program has, with their defaults. */
std::map<std::string, std::string> common_options ();

double now_s ();

/* Counts results of all streams; safe. The first `n_warm_up` results are not counted: time and CPU
 * start behind them. */
class Meter
{
public:
  Meter (int n_streams, int n_frames, double fps, int n_warm_up);

  /* A frame comes decoded out of stream `k`: its number in the stream, for done (). One thread a
   * stream. */
  int arrive (int k);
  /* What is to be known of frame `i` of stream `k` is known. */
  void done (int k, int i, int n_objects);
  /* Cameras start now. */
  void start ();
  /* When access unit `i` of stream `k` leaves the camera; 0 where there is no rate. */
  double due_s (int k, int i) const;
  /* Until all asked frames are known; throws after a minute without any. */
  void wait ();
  /* One JSON object: fps_total, fps_slowest, cpu_ms_frame, p50_ms, p99_ms, max_ms (decoded to
   * known), behind_p50_ms and behind_p99_ms (camera to known, paced only), peak_rss_mb, objects,
   * frames. `more` is put in front, without braces. */
  std::string report (const std::string &more) const;

private:
  struct Frame {
    double arrived_s = 0, known_s = 0;
  };
  const int n_streams, n_frames, n_warm_up;
  const double fps;
  std::vector<std::vector<Frame>> frames;
  std::vector<int> n_arrived;
  std::mutex lock;
  std::condition_variable last_known;
  int n_known = 0;
  long n_objects = 0;
  double cameras_s = 0, start_s = 0, end_s = 0, start_cpu_s = 0, end_cpu_s = 0;
};

/* One pipeline: file, decoder of one thread, then `tail`. Pads of the decoder limit it to the asked
 * frames and its rate. One thread. */
class Camera
{
public:
  Camera (int k, const Options &options, Meter &meter, const std::string &tail);
  ~Camera ();
  Camera (const Camera &) = delete;
  GstElement *element (const char *name) const; /* (transfer full) */
  void set_state (GstState state);
  void wait_end (); /* throws what the bus says was an error */
  GstPadProbeReturn feed (GstPadProbeInfo *info);

private:
  const int k, n_frames, n_skip;
  Meter &meter;
  int n_skipped = 0, n_fed = 0;
  GstElement *pipeline;
};

using Cameras = std::vector<std::unique_ptr<Camera>>;

/* Plays all to their end; results may still be under way. */
void play (Cameras &cameras, Meter &meter);

/* Peak resident memory of the process in MB. */
double peak_rss_mb ();
} // namespace kit
