/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Eight pipelines on two networks in one process: four cameras with a clock, whose frames are
 * searched and whose characters are read, and four whose whole pictures go through the same reader,
 * so that frames and crops share its queue. A thousand others come and go meanwhile; nobody may
 * notice. And settings that change while four of them play. */
#include "clock_kit.h"
#include "element_kit.h"
#include "process_kit.h"

#include "tests/sanitized.h"
#include "tests/slowdown.h"
#include "tests/watchdog.h"
#include <math.h>
#include <string.h>

#define N_CAMERAS  4
#define N_PICTURES 4 /* pipelines that read whole pictures */
#define N_STREAMS  (N_CAMERAS + N_PICTURES)
#define RATE       10 /* pictures a second */
#define N_KNOWN \
  repeat (1000, 24) /* pictures of each pipeline whose results are known from a run alone */
#define N_VISITS  repeat (IS_SANITIZED ? 150 : 1000, 21)
#define HANG_S    60
#define TOLERANCE 1e-4

static gchar *models; /* folder of the networks */

static const struct {
  const gchar *pattern, *format;
  gint width, height;
} cameras[N_CAMERAS] = {
  { "red is-live=true name=made", "I420", 320, 240 },
  { "blue is-live=true name=made", "RGB", 321, 241 },
  { "gradient is-live=true name=made", "NV12", 352, 288 },
  { "black is-live=true name=made", "BGRx", 320, 180 },
};

/* Moving pictures: another class, or another confidence, for every one. */
static const gchar *const pictures[N_PICTURES] = {
  "pattern=ball ! video/x-raw,format=GRAY8,width=32,height=48",
  "pattern=ball motion=sweep ! video/x-raw,format=I420,width=64,height=64",
  "pattern=ball flip=true ! video/x-raw,format=BGRx,width=40,height=30",
  "pattern=pinwheel horizontal-speed=3 ! video/x-raw,format=NV12,width=48,height=48",
};

typedef struct Reading {
  gint label_id;
  gdouble confidence;
} Reading;

/* What one of the eight pipelines has given; written by its streaming thread. */
typedef struct Stream {
  GstElement *pipeline;
  Reading *known;  /* N_KNOWN of them, for whole pictures */
  gboolean learns; /* fills `known` */
  gint n_made;     /* atomic: pictures that left the source */
  guint n_arrived, n_wrong, n_out_of_order;
  GstClockTime first_ns;
  gint64 first_us, last_us, longest_gap_us;
} Stream;

static gboolean check_reading (Stream *self, WeirMeta *meta, guint frame)
{
  if (!meta || meta->status != WEIR_STATUS_INFERRED || meta->objects->len != 1)
    return FALSE;
  const WeirMetaObject *object = kit_object (meta, 0);
  const WeirMetaAttribute *attribute = &g_array_index (object->attributes, WeirMetaAttribute, 0);
  const WeirMetaClass *best = &g_array_index (attribute->classes, WeirMetaClass, 0);
  const Reading reading = { best->label_id, best->confidence };
  if (frame >= N_KNOWN)
    return TRUE;
  if (self->learns)
    self->known[frame] = reading;
  return reading.label_id == self->known[frame].label_id &&
         fabs (reading.confidence - self->known[frame].confidence) <= TOLERANCE;
}

static GstPadProbeReturn note_arrival (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Stream *self = user;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  const guint frame = self->n_arrived++;
  const gint64 now_us = g_get_monotonic_time ();
  if (frame == 0) {
    self->first_us = now_us;
    self->first_ns = GST_BUFFER_PTS (buffer); /* a live source starts at the time it is */
  } else {
    self->longest_gap_us = MAX (self->longest_gap_us, now_us - self->last_us);
  }
  self->last_us = now_us;
  const GstClockTime due_ns = self->first_ns + frame * (GST_SECOND * slowdown () / RATE);
  self->n_out_of_order += GST_BUFFER_PTS (buffer) != due_ns || !meta || meta->frame != frame;
  self->n_wrong += self->known ? !check_reading (self, meta, frame)
                               : !clock_is_read (meta, GST_BUFFER_PTS (buffer));
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn note_made (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  g_atomic_int_inc (&((Stream *) user)->n_made);
  return GST_PAD_PROBE_OK;
}

static void probe_pad (
    Stream *self, const gchar *name, const gchar *pad_name, GstPadProbeCallback probe)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (self->pipeline), name);
  GstPad *pad = gst_element_get_static_pad (element, pad_name);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, probe, self, NULL);
  gst_object_unref (pad);
  gst_object_unref (element);
}

static void open_camera (Stream *self, guint i)
{
  *self = (Stream){ .known = NULL };
  self->pipeline = kit_launch (CLOCK_AT ("10/%u") "! inferdetect name=find "
                                                  "model=%s/find-characters.onnx ! inferclassify "
                                                  "name=read model=%s/read-characters.onnx "
                                                  "! fakesink name=sink",
      -1, cameras[i].pattern, cameras[i].format, cameras[i].width, cameras[i].height, slowdown (),
      models, models);
}

/* As fast as it goes where the stream learns. */
static void open_picture (Stream *self, guint i, gboolean learns)
{
  Reading *known = learns ? g_new0 (Reading, N_KNOWN) : self->known;
  *self = (Stream){ .known = known, .learns = learns };
  self->pipeline =
      kit_launch ("videotestsrc name=made num-buffers=%d is-live=%d %s,framerate=10/%u "
                  "! inferclassify name=read region=full-frame "
                  "model=%s/read-characters.onnx ! fakesink name=sink",
          learns ? (gint) N_KNOWN : -1, !learns, pictures[i], slowdown (), models);
}

static void watch_stream (Stream *self)
{
  probe_pad (self, "made", "src", note_made);
  probe_pad (self, "sink", "sink", note_arrival);
}

static void close_pipeline (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

static void learn_pictures (Stream *streams)
{
  for (guint i = 0; i < N_PICTURES; i++) {
    open_picture (&streams[i], i, TRUE);
    watch_stream (&streams[i]);
    kit_play (streams[i].pipeline);
    close_pipeline (streams[i].pipeline);
    ck_assert_uint_eq (streams[i].n_arrived, N_KNOWN);
    ck_assert_uint_eq (streams[i].n_wrong, 0);
    ck_assert (memcmp (&streams[i].known[3], &streams[i].known[20], sizeof (Reading)) != 0);
  }
}

/* Visitors ------------------------------------------------------------------------------------- */

typedef enum Stay { TO_THE_END, UNTIL_PREROLL, NOT_WAITING, ONLY_READY, FOR_A_MOMENT } Stay;

#define SMALL "video/x-raw,format=GRAY8,width=32,height=48"

static const struct {
  const gchar *line; /* %1: folder of the networks */
  Stay stay;
} visits[] = {
  { "videotestsrc num-buffers=2 ! " SMALL " ! inferclassify region=full-frame "
    "model=%1$s/read-characters.onnx ! fakesink",
      TO_THE_END },
  { "videotestsrc ! " SMALL " ! inferclassify region=full-frame model=%1$s/read-characters.onnx "
    "! fakesink",
      NOT_WAITING },
  { "videotestsrc ! " SMALL " ! inferdetect model=%1$s/find-characters.onnx ! "
    "inferclassify model=%1$s/read-characters.onnx ! fakesink",
      UNTIL_PREROLL },
  { "videotestsrc ! inferdetect model=%1$s/find-characters.onnx ! fakesink", ONLY_READY },
  { "videotestsrc num-buffers=3 ! " SMALL " ! inferclassify region=full-frame batch-size=3 "
    "model=%1$s/read-characters.onnx ! fakesink", /* a session of its own */
      TO_THE_END },
  { "videotestsrc ! " SMALL " ! inferclassify region=full-frame leaky=downstream "
    "model=%1$s/read-characters.onnx ! fakesink sync=true",
      FOR_A_MOMENT },
  { "videotestsrc ! " SMALL " ! inferclassify region=full-frame instance=passing "
    "model=%1$s/read-characters.onnx ! fakesink",
      NOT_WAITING },
};

static gint n_alive; /* visitors' pipelines and elements */

static void note_death (gpointer user, GObject *object)
{
  g_atomic_int_dec_and_test (&n_alive);
}

static void note_birth (gpointer object)
{
  g_atomic_int_inc (&n_alive);
  g_object_weak_ref (object, note_death, NULL);
}

static void note_births (GstElement *pipeline)
{
  GstIterator *elements = gst_bin_iterate_elements (GST_BIN (pipeline));
  GValue item = G_VALUE_INIT;
  note_birth (pipeline);
  while (gst_iterator_next (elements, &item) == GST_ITERATOR_OK) {
    note_birth (g_value_get_object (&item));
    g_value_reset (&item);
  }
  g_value_unset (&item);
  gst_iterator_free (elements);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static GstElement *open_visit (guint i)
{
  GstElement *pipeline = kit_launch (visits[i].line, models);
  note_births (pipeline);
  return pipeline;
}
#pragma GCC diagnostic pop

static void visit (guint i)
{
  const guint row = i % G_N_ELEMENTS (visits);
  GstElement *pipeline = open_visit (row);
  switch (visits[row].stay) {
  case TO_THE_END:
    kit_play (pipeline);
    break;
  case UNTIL_PREROLL:
    gst_element_set_state (pipeline, GST_STATE_PAUSED);
    ck_assert_int_eq (gst_element_get_state (pipeline, NULL, NULL, HANG_S * GST_SECOND),
        GST_STATE_CHANGE_SUCCESS);
    break;
  case ONLY_READY:
    ck_assert_int_eq (gst_element_set_state (pipeline, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    break;
  case FOR_A_MOMENT:
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    g_usleep (i % 5 * 1000);
    break;
  case NOT_WAITING:
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    break;
  }
  close_pipeline (pipeline);
}

/* A visit may end in a thread of GStreamer's that is about to drop the last reference. */
static void check_none_alive (void)
{
  for (guint i = 0; i < 500 && g_atomic_int_get (&n_alive); i++)
    g_usleep (10 * 1000);
  ck_assert_int_eq (g_atomic_int_get (&n_alive), 0);
}

typedef struct Visitor {
  Watchdog *dog;
  guint first, end; /* visits */
} Visitor;

static gpointer visit_some (gpointer user)
{
  const Visitor *self = user;
  for (guint i = self->first; i < self->end; i++) {
    visit (i);
    watchdog_step (self->dog);
  }
  return NULL;
}

/* Two at a time, so that sessions are opened while others of the same options end. */
static void visit_range (Watchdog *dog, guint first, guint end)
{
  const guint middle = (first + end) / 2;
  Visitor early = { dog, first, middle }, late = { dog, middle, end };
  GThread *thread = g_thread_new ("visitor", visit_some, &late);
  visit_some (&early);
  g_thread_join (thread);
}

/* A session that is forgotten has some hundred kB; allocators keep a few MB at most. */
static void visit_all (void)
{
  Watchdog dog;
  watchdog_start (&dog, "elements that come and go", HANG_S);
  visit_range (&dog, 0, N_VISITS / 5);
  const glong before_kb = process_resident_kb ();
  visit_range (&dog, N_VISITS / 5, N_VISITS);
  watchdog_stop (&dog);
  check_none_alive ();
  const glong grown_kb = process_resident_kb () - before_kb;
  g_print ("%u visits, %ld kB more\n", N_VISITS, grown_kb);
  ck_assert_int_lt (is_timed () ? grown_kb : 0, 40 * 1024);
}

/* The eight -------------------------------------------------------------------------------------
 */

static void end_stream (Stream *self)
{
  GstBus *bus = gst_element_get_bus (self->pipeline);
  gst_element_send_event (self->pipeline, gst_event_new_eos ());
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, patience (HANG_S) * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  ck_assert_msg (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS, "no EOS within %u s",
      patience (HANG_S));
  gst_message_unref (message);
  gst_object_unref (bus);
}

/* Rates of a loaded machine are no matter of ours: half of what is due must come, and a stream that
 * stood still while others came and went would be seen. */
static void check_stream (const Stream *self, guint i)
{
  const gdouble seconds = (gdouble) (self->last_us - self->first_us) * 1e-6;
  const gdouble rate = (self->n_arrived - 1) / seconds;
  g_print ("stream %u: %u pictures, %u wrong, %.2f a second, at most %.0f ms apart\n", i,
      self->n_arrived, self->n_wrong, rate, (gdouble) self->longest_gap_us * 1e-3);
  ck_assert_uint_gt (self->n_arrived, 10);
  ck_assert_uint_eq (self->n_arrived, (guint) self->n_made);
  ck_assert_uint_eq (self->n_out_of_order, 0);
  ck_assert_uint_eq (self->n_wrong, 0);
  if (!is_timed ())
    return;
  ck_assert_msg (rate > RATE / 2.0, "%.2f pictures a second of %d", rate, RATE);
  ck_assert_int_lt (self->longest_gap_us, 3 * G_USEC_PER_SEC);
}

/* All of them in one session for each network: nobody of the visitors is left in it. */
static void check_sessions (Stream *streams)
{
  for (guint i = 0; i < N_STREAMS; i++) {
    ck_assert_uint_eq (kit_stat (streams[i].pipeline, "read", "streams"), N_STREAMS);
    ck_assert_uint_eq (kit_stat (streams[i].pipeline, "read", "loads"), 1);
    ck_assert_uint_eq (kit_stat (streams[i].pipeline, "read", "failed"), 0);
    if (i < N_CAMERAS)
      ck_assert_uint_eq (kit_stat (streams[i].pipeline, "find", "streams"), N_CAMERAS);
  }
}

START_TEST (test_many_elements)
{
  Stream streams[N_STREAMS] = { { 0 } };
  learn_pictures (streams + N_CAMERAS);
  for (guint i = 0; i < N_STREAMS; i++) {
    if (i < N_CAMERAS)
      open_camera (&streams[i], i);
    else
      open_picture (&streams[i], i - N_CAMERAS, FALSE);
    watch_stream (&streams[i]);
    gst_element_set_state (streams[i].pipeline, GST_STATE_PLAYING);
  }
  visit_all ();
  check_sessions (streams);
  for (guint i = 0; i < N_STREAMS; i++)
    end_stream (&streams[i]);
  for (guint i = 0; i < N_STREAMS; i++) {
    close_pipeline (streams[i].pipeline);
    check_stream (&streams[i], i);
    g_free (streams[i].known);
  }
  /* the sessions have ended with their last elements */
  GstElement *last =
      kit_launch ("inferclassify name=read model=%s/read-characters.onnx ! fakesink", models);
  gst_element_set_state (last, GST_STATE_READY);
  ck_assert_uint_eq (kit_stat (last, "read", "items"), 0);
  close_pipeline (last);
}
END_TEST

/* Settings ---------------------------------------------------------------------------------------
 */

typedef struct Changer {
  Stream *streams;
  gint is_over; /* atomic */
  guint n_changes;
} Changer;

static void set_int (GstElement *pipeline, const gchar *name, const gchar *property, gint value)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), name);
  g_object_set (element, property, value, NULL);
  gst_object_unref (element);
}

static gpointer change_settings (gpointer user)
{
  static const gint timeouts_ms[] = { -1, 0, 1, 20, 60000 };
  Changer *self = user;
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  for (; !g_atomic_int_get (&self->is_over); self->n_changes++) {
    GstElement *pipeline = self->streams[g_rand_int_range (rand, 0, N_CAMERAS)].pipeline;
    const gchar *name = g_rand_boolean (rand) ? "find" : "read";
    if (g_rand_boolean (rand))
      set_int (pipeline, name, "num-requests", g_rand_int_range (rand, 1, 9));
    else
      set_int (pipeline, name, "batch-timeout",
          timeouts_ms[g_rand_int_range (rand, 0, G_N_ELEMENTS (timeouts_ms))]);
    g_usleep (2000);
  }
  return NULL;
}

/* A bound holds from the moment that what was in flight before it has ended. */
static void check_bound (GstElement *pipeline, guint num_requests)
{
  set_int (pipeline, "read", "num-requests", (gint) num_requests);
  ck_assert_uint_eq (kit_stat (pipeline, "read", "num-requests"), num_requests);
  for (guint i = 0; i < 1000 && kit_stat (pipeline, "read", "in-flight") > num_requests; i++)
    g_usleep (5 * 1000);
  for (guint i = 0; i < 30; i++) {
    ck_assert_uint_le (kit_stat (pipeline, "read", "in-flight"), num_requests);
    g_usleep (2000);
  }
}

START_TEST (test_many_settings_change)
{
  Stream streams[N_CAMERAS];
  Watchdog dog;
  Changer changer = { .streams = streams };
  watchdog_start (&dog, "settings that change", 2 * HANG_S);
  for (guint i = 0; i < N_CAMERAS; i++) {
    open_camera (&streams[i], i);
    watch_stream (&streams[i]);
    gst_element_set_state (streams[i].pipeline, GST_STATE_PLAYING);
  }
  GThread *thread = g_thread_new ("changer", change_settings, &changer);
  g_usleep (patience (3) * G_USEC_PER_SEC);
  g_atomic_int_set (&changer.is_over, TRUE);
  g_thread_join (thread);
  ck_assert_uint_gt (changer.n_changes, 50);
  check_bound (streams[0].pipeline, 1);
  check_bound (streams[1].pipeline, 8);
  for (guint i = 0; i < N_CAMERAS; i++)
    end_stream (&streams[i]);
  for (guint i = 0; i < N_CAMERAS; i++) {
    close_pipeline (streams[i].pipeline);
    check_stream (&streams[i], i);
  }
  watchdog_stop (&dog);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("many-elements");
  gst_init (&argc, &argv);
  kit_register ();
  models = clock_models ();
  if (!models)
    return 77;
  tcase_set_timeout (tcase, 600);
  tcase_add_test (tcase, test_many_elements);
  tcase_add_test (tcase, test_many_settings_change);
  return kit_run (tcase);
}
