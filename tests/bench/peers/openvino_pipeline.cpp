/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peer: what a careful engineer writes with GStreamer and OpenVINO's C++ API instead of using
 * inferdetect and inferclassify.
 *
 * Every camera's streaming thread resizes and converts its picture straight into the input tensor
 * of a free request (PlaneResizer: the cheap order) and starts it; it waits only when none is free.
 * A callback reads the boxes, frees the request and starts one request for each object of the
 * second network, or leaves the object to whichever of those requests becomes free next, so no
 * callback ever waits. One compiled model for all cameras. Prints one JSON line. */
#include "pipeline_kit.hpp"
#include "plane_resize.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <deque>
#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <openvino/openvino.hpp>
#include <stdexcept>
#include <unistd.h>

namespace
{
struct Object {
  int label;
  float confidence, box[4];                          /* corners in 0..1 of the picture */
  std::map<std::string, std::vector<float>> outputs; /* of the second network */
};

/* A decoded picture, mapped while anybody reads it. */
class Picture
{
public:
  explicit Picture (GstSample *sample) : sample (sample)
  {
    GstVideoInfo info;
    if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample)) ||
        GST_VIDEO_INFO_FORMAT (&info) != GST_VIDEO_FORMAT_I420 ||
        !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
      throw std::runtime_error ("expected I420 pictures from the decoder");
  }
  ~Picture ()
  {
    gst_video_frame_unmap (&frame);
    gst_sample_unref (sample);
  }
  Picture (const Picture &) = delete;

  /* The region in pixels of whole chroma samples, inside the picture. */
  void planes (const float box[4], Plane dst[3]) const
  {
    int size[2] = { GST_VIDEO_FRAME_WIDTH (&frame) / 2, GST_VIDEO_FRAME_HEIGHT (&frame) / 2 };
    int from[2], n[2];
    for (int i = 0; i < 2; i++) {
      from[i] = std::clamp ((int) std::lround (box[i] * (float) size[i]), 0, size[i] - 2);
      n[i] = std::clamp (
          (int) std::lround (box[i + 2] * (float) size[i]) - from[i], 2, size[i] - from[i]);
    }
    for (int p = 0; p < 3; p++) {
      int unit = p ? 1 : 2;
      auto stride = (size_t) GST_VIDEO_FRAME_PLANE_STRIDE (&frame, p);
      auto *data = (const uint8_t *) GST_VIDEO_FRAME_PLANE_DATA (&frame, p);
      dst[p] = { data + (size_t) (unit * from[1]) * stride + unit * from[0], stride, unit * n[0],
        unit * n[1] };
    }
  }

private:
  GstSample *sample;
  GstVideoFrame frame;
};

struct Frame {
  int stream, number;
  std::unique_ptr<Picture> picture;
  std::vector<Object> objects;
  std::atomic<int> n_pending{ 0 };
};
using FramePtr = std::shared_ptr<Frame>;

/* A network and its requests. `submit` fills a free request's input with a region and starts it.
 * Safe. */
class Network
{
public:
  struct Job {
    FramePtr frame;
    int object; /* -1: the whole picture */
  };
  using Done = std::function<void (Job, ov::InferRequest &)>;

  Network (ov::Core &core, const kit::Options &options, const std::string &path,
      const std::string &precision, Done done)
      : done (std::move (done)), skips (options.text ("skip-inference") == "1")
  {
    auto model = core.read_model (path);
    ov::preprocess::PrePostProcessor steps (model);
    steps.input ().tensor ().set_element_type (ov::element::f32);
    model = steps.build ();
    ov::AnyMap settings = { ov::hint::performance_mode (
        options.text ("hint") == "latency" ? ov::hint::PerformanceMode::LATENCY
                                           : ov::hint::PerformanceMode::THROUGHPUT) };
    if (precision == "f32")
      settings.insert (ov::hint::inference_precision (ov::element::f32));
    if (!options.text ("pin").empty ())
      settings.insert (ov::hint::enable_cpu_pinning (options.text ("pin") == "1"));
    if (options.number ("infer-streams") > 0)
      settings.insert (ov::num_streams ((int) options.number ("infer-streams")));
    compiled = core.compile_model (model, "CPU", settings);
    auto shape = compiled.input ().get_shape ();
    height = (int) shape.at (2);
    width = (int) shape.at (3);
    n_requests = (int) options.number ("requests");
    if (n_requests <= 0)
      n_requests = (int) compiled.get_property (ov::optimal_number_of_infer_requests);
    slots.resize ((size_t) n_requests);
    for (auto &slot : slots)
      prepare (slot);
  }

  /* Waits for a free request. */
  void submit (Job job)
  {
    Slot *slot;
    {
      std::unique_lock<std::mutex> hold (lock);
      freed.wait (hold, [&] { return !idle.empty () && waiting.empty (); });
      slot = idle.back ();
      idle.pop_back ();
    }
    run (*slot, std::move (job));
  }

  /* Never waits. */
  void submit_later (Job job)
  {
    Slot *slot;
    {
      std::lock_guard<std::mutex> hold (lock);
      if (idle.empty ()) {
        waiting.push_back (std::move (job));
        return;
      }
      slot = idle.back ();
      idle.pop_back ();
    }
    run (*slot, std::move (job));
  }

  /* Until at most so many are waiting for a request. */
  void wait_below (size_t n)
  {
    std::unique_lock<std::mutex> hold (lock);
    freed.wait (hold, [&] { return waiting.size () <= n; });
  }

  std::string precision () const
  {
    return compiled.get_property (ov::hint::inference_precision).get_type_name ();
  }

  int streams () const
  {
    return compiled.get_property (ov::num_streams).num;
  }

  int n_requests;

private:
  struct Slot {
    ov::InferRequest request;
    Job job;
  };

  void prepare (Slot &slot)
  {
    slot.request = compiled.create_infer_request ();
    slot.request.infer ();
    slot.request.set_callback ([this, &slot] (std::exception_ptr error) { finish (slot, error); });
    idle.push_back (&slot);
  }

  void run (Slot &slot, Job job)
  {
    static thread_local PlaneResizer resizer;
    static const float whole[4] = { 0, 0, 1, 1 };
    Plane planes[3];
    job.frame->picture->planes (
        job.object < 0 ? whole : job.frame->objects[(size_t) job.object].box, planes);
    resizer.run (planes, width, height, slot.request.get_input_tensor ().data<float> ());
    slot.job = std::move (job);
    if (skips)
      finish (slot, nullptr);
    else
      slot.request.start_async ();
  }

  void finish (Slot &slot, std::exception_ptr error)
  {
    if (error) { /* nothing can catch it here */
      fprintf (stderr, "openvino_pipeline: inference failed\n");
      _exit (1);
    }
    done (std::move (slot.job), slot.request);
    Job next = {};
    {
      std::lock_guard<std::mutex> hold (lock);
      if (waiting.empty ()) {
        idle.push_back (&slot);
      } else {
        next = std::move (waiting.front ());
        waiting.pop_front ();
      }
    }
    freed.notify_all ();
    if (next.frame)
      run (slot, std::move (next));
  }

  Done done;
  bool skips;
  ov::CompiledModel compiled;
  int width, height;
  std::deque<Slot> slots;
  std::mutex lock;
  std::condition_variable freed;
  std::vector<Slot *> idle;
  std::deque<Job> waiting;
};

class Analysis
{
public:
  Analysis (const kit::Options &options, kit::Meter &meter)
      : threshold ((float) options.number ("threshold")), label ((int) options.number ("label")),
        meter (meter)
  {
    auto &classifier = options.text ("classifier");
    if (!classifier.empty ())
      second = std::make_unique<Network> (core, options, classifier,
          options.text ("classifier-precision"),
          [this] (Network::Job job, ov::InferRequest &request) {
            classified (std::move (job), request);
          });
    first = std::make_unique<Network> (core, options, options.text ("model"),
        options.text ("precision"), [this] (Network::Job job, ov::InferRequest &request) {
          detected (std::move (job), request);
        });
    if (!options.text ("objects").empty () &&
        !(list = fopen (options.text ("objects").c_str (), "w")))
      throw std::runtime_error (options.text ("objects") + ": cannot be written");
  }

  void close ()
  {
    if (list)
      fclose (list);
  }

  void take (int stream, GstSample *sample)
  {
    auto frame = std::make_shared<Frame> ();
    frame->stream = stream;
    frame->number = meter.arrive (stream);
    frame->picture = std::make_unique<Picture> (sample);
    if (second)
      second->wait_below (4 * (size_t) second->n_requests);
    first->submit ({ std::move (frame), -1 });
  }

  std::string about () const
  {
    return "\"precision\":\"" + first->precision () +
           "\",\"infer_streams\":" + std::to_string (first->streams ()) +
           ",\"requests\":" + std::to_string (first->n_requests);
  }

private:
  void detected (Network::Job job, ov::InferRequest &request)
  {
    Frame &frame = *job.frame;
    auto output = request.get_output_tensor (0);
    const float *row = output.data<float> ();
    for (size_t i = 0; i < output.get_size () / 7 && row[0] >= 0; i++, row += 7)
      if (row[2] > threshold)
        frame.objects.push_back ({ (int) row[1], row[2], { row[3], row[4], row[5], row[6] }, {} });
    std::vector<int> wanted;
    for (size_t i = 0; second && i < frame.objects.size (); i++)
      if (frame.objects[i].label == label)
        wanted.push_back ((int) i);
    if (wanted.empty ())
      return known (frame);
    frame.n_pending = (int) wanted.size ();
    for (int i : wanted)
      second->submit_later ({ job.frame, i });
  }

  void classified (Network::Job job, ov::InferRequest &request)
  {
    Object &object = job.frame->objects[(size_t) job.object];
    for (auto &port : request.get_compiled_model ().outputs ()) {
      auto output = request.get_tensor (port);
      const float *data = output.data<float> ();
      object.outputs[port.get_any_name ()].assign (data, data + output.get_size ());
    }
    if (--job.frame->n_pending == 0)
      known (*job.frame);
  }

  void known (Frame &frame)
  {
    frame.picture.reset ();
    if (list)
      write (frame);
    meter.done (frame.stream, frame.number, (int) frame.objects.size ());
  }

  void write (const Frame &frame)
  {
    std::lock_guard<std::mutex> hold (list_lock);
    fprintf (list, "{\"stream\":%d,\"frame\":%d,\"objects\":[", frame.stream, frame.number);
    for (size_t k = 0; k < frame.objects.size (); k++) {
      const Object &o = frame.objects[k];
      fprintf (list, "%s{\"label_id\":%d,\"confidence\":%g,\"box\":[%g,%g,%g,%g],\"outputs\":{",
          k ? "," : "", o.label, o.confidence, o.box[0], o.box[1], o.box[2], o.box[3]);
      const char *comma = "";
      for (auto &[name, values] : o.outputs) {
        fprintf (list, "%s\"%s\":[", comma, name.c_str ());
        for (size_t i = 0; i < values.size (); i++)
          fprintf (list, "%s%g", i ? "," : "", values[i]);
        fputs ("]", list);
        comma = ",";
      }
      fputs ("}}", list);
    }
    fputs ("]}\n", list);
  }

  const float threshold;
  const int label;
  kit::Meter &meter;
  ov::Core core;
  std::unique_ptr<Network> second, first;
  FILE *list = nullptr;
  std::mutex list_lock;
};

struct Tap {
  int stream;
  Analysis *analysis;
};

GstFlowReturn take_sample (GstAppSink *sink, gpointer user)
{
  auto *tap = (Tap *) user;
  GstSample *sample = gst_app_sink_pull_sample (sink);
  if (!sample)
    return GST_FLOW_EOS;
  try {
    tap->analysis->take (tap->stream, sample);
  } catch (const std::exception &e) {
    GST_ELEMENT_ERROR (sink, STREAM, FAILED, ("%s", e.what ()), (NULL));
    return GST_FLOW_ERROR;
  }
  return GST_FLOW_OK;
}

void attach (kit::Camera &camera, Tap &tap)
{
  GstElement *sink = camera.element ("sink");
  GstAppSinkCallbacks callbacks = {};
  callbacks.new_sample = take_sample;
  gst_app_sink_set_callbacks (GST_APP_SINK (sink), &callbacks, &tap, nullptr);
  gst_object_unref (sink);
}

void run (const kit::Options &options)
{
  int n_streams = (int) options.number ("streams");
  kit::Meter meter (n_streams, (int) options.number ("frames"), options.number ("fps"),
      (int) options.number ("warm-up"));
  double load_s = kit::now_s ();
  Analysis analysis (options, meter);
  load_s = kit::now_s () - load_s;
  std::deque<Tap> taps;
  kit::Cameras cameras;
  for (int k = 0; k < n_streams; k++) {
    cameras.push_back (std::make_unique<kit::Camera> (
        k, options, meter, "appsink name=sink sync=false max-buffers=2"));
    taps.push_back ({ k, &analysis });
    attach (*cameras.back (), taps.back ());
  }
  kit::play (cameras, meter);
  meter.wait ();
  analysis.close ();
  puts (meter.report (analysis.about () + ",\"load_s\":" + std::to_string (load_s)).c_str ());
  fflush (stdout);
  _exit (0); /* what is left to tear down is measured by nobody */
}
} // namespace

int main (int argc, char **argv)
{
  try {
    auto defaults = kit::common_options ();
    defaults.insert ({ { "model", "" }, { "precision", "default" }, { "classifier", "" },
        { "classifier-precision", "default" }, { "label", "0" }, { "threshold", "0.5" },
        { "requests", "0" }, { "hint", "throughput" }, { "pin", "" }, { "infer-streams", "0" },
        { "skip-inference", "0" }, { "objects", "" } });
    kit::Options options (argc, argv, defaults);
    gst_init (nullptr, nullptr);
    run (options);
  } catch (const std::exception &e) {
    fprintf (stderr, "openvino_pipeline: %s\n", e.what ());
    return 1;
  }
}
