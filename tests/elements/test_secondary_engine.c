/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secondary inference over libweir: many more objects than the queue takes, in several streams of
 * one session; each gets its own result, a tracked one that of the frame it was looked at in. */
#include "secondary_kit.h"
#include "tests/must.h"
#include "tests/unit/formats/onnx_builder.h"

#include <math.h>

#define F32       ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define N_OBJECTS 500u
#define N_STREAMS 3u
#define N_FRAMES  4u
#define SIDE      300u /* of the picture: 25 x 25 cells of 12 pixels */

static gchar *folder, *model, *points_model;

/* The mean of a region: [n,1]. */
static OnnxBuilder *build_mean (void)
{
  OnnxBuilder *builder = onnx_builder_new (13);
  onnx_builder_input (builder, "data", F32, "n,1,6,6");
  onnx_builder_node (builder, "GlobalAveragePool", "data", "p", "");
  onnx_builder_node (builder, "Flatten", "p", "mean", "axis=1");
  return builder;
}

static void make_models (void)
{
  g_autoptr (OnnxBuilder) mean = build_mean (), points = build_mean ();
  folder = onnx_builder_folder ();
  onnx_builder_output (mean, "mean");
  model = onnx_builder_write (mean, folder, "mean.onnx");
  onnx_builder_node (points, "Concat", "mean,mean", "landmarks", "axis=1"); /* one point */
  onnx_builder_output (points, "landmarks");
  points_model = onnx_builder_write (points, folder, "points.onnx");
}

static void remove_models (void)
{
  g_clear_pointer (&model, g_free);
  g_clear_pointer (&points_model, g_free);
  onnx_builder_remove (g_steal_pointer (&folder));
}

static guint8 shade_of (guint stream, guint frame, guint i)
{
  return (guint8) ((7 * i + 31 * frame + 83 * stream) % 251);
}

/* Half of the objects are tracked. */
static GstBuffer *make_picture (guint stream, guint frame)
{
  Thing things[N_OBJECTS];
  for (guint i = 0; i < N_OBJECTS; i++)
    things[i] = (Thing){ "face", i % 2 ? i : 0, i % 25 * 12 + 1, i / 25 * 12 + 1, 10, 10, 0 };
  GstBuffer *buffer = secondary_buffer_sized (frame, things, N_OBJECTS, SIDE, SIDE);
  for (guint i = 0; i < N_OBJECTS; i++)
    for (guint y = 0; y < things[i].h; y++)
      gst_buffer_memset (
          buffer, (things[i].y + y) * SIDE + things[i].x, shade_of (stream, frame, i), things[i].w);
  return buffer;
}

static void check_frame (GstHarness *h, guint stream, guint frame)
{
  WeirMeta *meta;
  GstBuffer *buffer = kit_pull (h, &meta);
  ck_assert_uint_eq (GST_BUFFER_PTS (buffer), frame * KIT_FRAME_NS);
  kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
  ck_assert_uint_eq (meta->objects->len, N_OBJECTS);
  for (guint i = 0; i < N_OBJECTS; i++) {
    const WeirMetaObject *object = kit_object (meta, i);
    const guint looked_at = i % 2 ? 0 : frame;
    must (object->region_id == i + 1 && object->tensors->len == 1);
    const WeirMetaTensor *mean = &g_array_index (object->tensors, WeirMetaTensor, 0);
    must (mean->age == frame - looked_at && mean->n_elements == 1);
    must (fabsf (mean->data[0] - (gfloat) shade_of (stream, looked_at, i)) < 1e-2f);
  }
  gst_buffer_unref (buffer);
}

static gpointer push_all (gpointer user)
{
  GstHarness *h = user;
  const guint stream = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (h->element), "stream"));
  for (guint f = 0; f < N_FRAMES; f++)
    ck_assert_int_eq (gst_harness_push (h, make_picture (stream, f)), GST_FLOW_OK);
  return NULL;
}

static const gchar *const bounds[] = { "num-requests=7 batch-size=3", "num-requests=1",
  "batch-size=64" };

START_TEST (test_secondary_engine_many)
{
  GstHarness *h[N_STREAMS];
  GThread *threads[N_STREAMS];
  g_autofree gchar *launch = g_strdup_printf ("inferclassify model=%s decoder=raw precision=f32 "
                                              "attach-tensors=true reclassify-interval=0 %s",
      model, bounds[_i]);
  for (guint s = 0; s < N_STREAMS; s++) {
    h[s] = kit_harness (launch);
    gst_harness_set_src_caps (h[s], kit_caps (SIDE, SIDE));
    g_object_set_data (G_OBJECT (h[s]->element), "stream", GUINT_TO_POINTER (s));
    threads[s] = g_thread_new (NULL, push_all, h[s]);
  }
  for (guint s = 0; s < N_STREAMS; s++) {
    for (guint f = 0; f < N_FRAMES; f++)
      check_frame (h[s], s, f);
    g_thread_join (threads[s]);
    ck_assert_uint_eq (
        secondary_stat (h[s], "inferclassify", "stream-items"), N_OBJECTS / 2 * (1 + N_FRAMES));
    ck_assert_uint_eq (
        secondary_stat (h[s], "inferclassify", "stream-reused"), N_OBJECTS / 2 * (N_FRAMES - 1));
  }
  ck_assert_uint_eq (
      secondary_stat (h[0], "inferclassify", "items"), N_STREAMS * N_OBJECTS / 2 * (1 + N_FRAMES));
  for (guint s = 0; s < N_STREAMS; s++)
    gst_harness_teardown (h[s]);
}
END_TEST

/* Points that a network sees in a region are told where they are in the picture; those that are
 * recalled go along with the object. */
START_TEST (test_secondary_engine_points)
{
  static const Thing places[] = { { "face", 7, 8, 4, 16, 8, 0 }, { "face", 7, 8, 4, 16, 8, 0 },
    { "face", 7, 0, 0, 8, 4, 0 } };
  g_autofree gchar *launch = g_strdup_printf ("inferclassify model=%s decoder=raw precision=f32 "
                                              "attach-tensors=true reclassify-interval=0 "
                                              "scale=0.0078125",
      points_model);
  GstHarness *h = kit_harness (launch);
  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    WeirMeta *meta;
    GstBuffer *buffer = secondary_buffer (i, &places[i], 1);
    gst_buffer_memset (buffer, 0, i == 0 ? 96 : 5, KIT_WIDTH * KIT_HEIGHT); /* 96 / 128 = 0.75 */
    gst_harness_push (h, buffer);
    buffer = kit_pull (h, &meta);
    const WeirMetaObject *object = kit_object (meta, 0);
    ck_assert_uint_eq (object->tensors->len, 1);
    const WeirMetaTensor *points = &g_array_index (object->tensors, WeirMetaTensor, 0);
    ck_assert (weir_meta_tensor_is_points (points) && points->n_elements == 2);
    const gfloat x = points->data[0] * KIT_WIDTH, y = points->data[1] * KIT_HEIGHT;
    ck_assert_msg (fabsf (x - (gfloat) (places[i].x + 0.75 * places[i].w)) < 1e-2f &&
                       fabsf (y - (gfloat) (places[i].y + 0.75 * places[i].h)) < 1e-2f,
        "frame %u: %g, %g", i, (gdouble) x, (gdouble) y);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}
END_TEST

/* A frame without objects passes while another stream keeps the whole queue busy for long. */
START_TEST (test_secondary_engine_none)
{
  g_autofree gchar *launch = g_strdup_printf (
      "inferclassify model=%s decoder=raw attach-tensors=true num-requests=1 device=SIM(500,0)",
      model);
  const Thing thing = { "face", 0, 1, 1, 5, 5, 10 };
  WeirMeta *meta;
  GstHarness *busy = kit_harness (launch), *idle = kit_harness (launch);
  gst_harness_push (busy, secondary_buffer (0, &thing, 1));
  for (guint i = 0; i < 20; i++) {
    gst_harness_push (idle, secondary_buffer (i, NULL, 0));
    gst_buffer_unref (kit_pull (idle, &meta));
  }
  ck_assert_uint_eq (gst_harness_buffers_in_queue (busy), 0);
  gst_buffer_unref (kit_pull (busy, &meta));
  gst_harness_teardown (busy);
  gst_harness_teardown (idle);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("secondary-engine");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_checked_fixture (tcase, make_models, remove_models);
  tcase_add_loop_test (tcase, test_secondary_engine_many, 0, G_N_ELEMENTS (bounds));
  tcase_add_test (tcase, test_secondary_engine_points);
  tcase_add_test (tcase, test_secondary_engine_none);
  return kit_run (tcase);
}
