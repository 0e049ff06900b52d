/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What reaches an element that does not run, or is just being stopped. GStreamer refuses buffers
 * and most events at inactive pads, but lets queries and FLUSH_STOP through: upstream and
 * downstream change states at moments of their own. */
#include "element_kit.h"
#include "fake_engine.h"

#include "tests/slowdown.h"

#define N_STOPS repeat (200, 10)

static void ask_drain (GstPad *sink)
{
  GstQuery *query = gst_query_new_drain ();
  gst_pad_query (sink, query);
  gst_query_unref (query);
}

static void ask_allocation (GstPad *sink)
{
  GstCaps *caps = kit_caps (KIT_WIDTH, KIT_HEIGHT);
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  gst_pad_query (sink, query);
  gst_query_unref (query);
  gst_caps_unref (caps);
}

static void ask_latency (GstPad *sink)
{
  GstElement *element = gst_pad_get_parent_element (sink);
  GstPad *src = gst_element_get_static_pad (element, "src");
  GstQuery *query = gst_query_new_latency ();
  gst_pad_query (src, query);
  gst_query_unref (query);
  gst_object_unref (src);
  gst_object_unref (element);
}

static void read_stats (GstPad *sink)
{
  GstElement *element = gst_pad_get_parent_element (sink);
  GstStructure *stats;
  g_object_get (element, "stats", &stats, NULL);
  gst_structure_free (stats);
  gst_object_unref (element);
}

static void flush (GstPad *sink)
{
  gst_pad_send_event (sink, gst_event_new_flush_start ());
  gst_pad_send_event (sink, gst_event_new_flush_stop (TRUE));
}

static void stop_flush (GstPad *sink)
{
  gst_pad_send_event (sink, gst_event_new_flush_stop (TRUE));
}

static void send_serialized (GstPad *sink)
{
  gst_pad_send_event (sink, gst_event_new_gap (0, KIT_FRAME_NS));
  gst_pad_send_event (sink, gst_event_new_eos ());
}

static void (*const visits[]) (GstPad *sink) = {
  ask_drain,
  ask_allocation,
  ask_latency,
  read_stats,
  flush,
  stop_flush,
  send_serialized,
};

static GstElement *make_filter (void)
{
  const FakeEngine plain = { .n_workers = 1 };
  fake_engine_reset (&plain);
  GstElement *filter = gst_element_factory_make ("inferdetect", NULL);
  g_object_set (filter, "model", "net.onnx", NULL);
  return gst_object_ref_sink (filter);
}

static void drop_filter (GstElement *filter)
{
  gst_element_set_state (filter, GST_STATE_NULL);
  ASSERT_OBJECT_REFCOUNT (filter, "filter", 1);
  gst_object_unref (filter);
  ck_assert_uint_eq (fake_engine_n_requests (), 0);
  ck_assert_uint_eq (fake_engine_n_streams (), 0);
  ck_assert_uint_eq (fake_engine_n_sessions (), 0);
}

static const GstState resting[] = { GST_STATE_NULL, GST_STATE_READY };

/* All of it at an element that has not run yet, and at one that has. */
START_TEST (test_states_at_rest)
{
  GstElement *filter = make_filter ();
  GstPad *sink = gst_element_get_static_pad (filter, "sink");
  for (guint run = 0; run < 2; run++) {
    for (guint i = 0; i < G_N_ELEMENTS (resting); i++) {
      gst_element_set_state (filter, resting[i]);
      for (guint k = 0; k < G_N_ELEMENTS (visits); k++)
        visits[k](sink);
    }
    ck_assert_int_eq (gst_element_set_state (filter, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  }
  gst_object_unref (sink);
  drop_filter (filter);
}
END_TEST

typedef struct Visitor {
  GstPad *sink;
  void (*visit) (GstPad *sink);
  gint is_over; /* atomic */
} Visitor;

static gpointer keep_visiting (gpointer data)
{
  Visitor *visitor = data;
  while (!g_atomic_int_get (&visitor->is_over))
    visitor->visit (visitor->sink);
  return NULL;
}

/* Each of it from another thread while the element starts and stops. */
START_TEST (test_states_under_way)
{
  GstElement *filter = make_filter ();
  Visitor visitor = { .sink = gst_element_get_static_pad (filter, "sink"), .visit = visits[_i] };
  GThread *thread = g_thread_new ("visitor", keep_visiting, &visitor);
  for (guint i = 0; i < N_STOPS; i++) {
    ck_assert_int_eq (gst_element_set_state (filter, GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
    if (i % 4 == 0)
      g_usleep (200);
    gst_element_set_state (filter, resting[i % 2]);
  }
  g_atomic_int_set (&visitor.is_over, TRUE);
  g_thread_join (thread);
  gst_object_unref (visitor.sink);
  drop_filter (filter);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("filter-states");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_test (tcase, test_states_at_rest);
  tcase_add_loop_test (tcase, test_states_under_way, 0, G_N_ELEMENTS (visits));
  return kit_run (tcase);
}
