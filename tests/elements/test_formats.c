/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every format of the caps, in every colorimetry and in odd sizes, comes to the network as the
 * colour that GStreamer's own converter put into it. One element takes them all, one after the
 * other, and loads its model once. */
#include "element_kit.h"
#include "tests/unit/formats/onnx_builder.h"
#include <math.h>

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT

static gchar *folder, *model;

/* The mean of each channel. */
static void write_model (void)
{
  folder = onnx_builder_folder ();
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, "data", F32, "n,3,8,8");
  onnx_builder_node (builder, "GlobalAveragePool", "data", "p", "");
  onnx_builder_node (builder, "Flatten", "p", "y", "axis=1");
  onnx_builder_output (builder, "y");
  model = onnx_builder_write (builder, folder, "mean.onnx");
}

static void remove_model (void)
{
  g_clear_pointer (&model, g_free);
  onnx_builder_remove (g_steal_pointer (&folder));
}

static const gchar *const formats[] = { "NV12", "I420", "YV12", "YUY2", "UYVY", "RGB", "BGR",
  "RGBA", "BGRA", "RGBx", "BGRx", "xRGB", "xBGR", "GRAY8", "P010_10LE" };
/* BT.601 and BT.709, limited and full; what the caps say nothing of. */
static const gchar *const colorimetries[] = { "bt601", "bt709", "1:4:0:0", "1:3:0:0", NULL };
static const struct {
  gint width, height;
} frame_sizes[] = { { 64, 48 }, { 17, 9 }, { 1, 1 }, { 1281, 721 } };
static const guint8 colours[][3] = { { 255, 255, 255 }, { 16, 32, 64 }, { 200, 40, 90 } };

static GstBuffer *solid_picture (const GstVideoInfo *info, const guint8 *rgb)
{
  GstVideoInfo plain;
  GstVideoFrame src, dst;
  gst_video_info_set_format (&plain, GST_VIDEO_FORMAT_RGB, (guint) GST_VIDEO_INFO_WIDTH (info),
      (guint) GST_VIDEO_INFO_HEIGHT (info));
  plain.fps_n = info->fps_n;
  plain.fps_d = info->fps_d;
  g_autoptr (GstBuffer) picture = gst_buffer_new_allocate (NULL, plain.size, NULL);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info->size, NULL);
  ck_assert (gst_video_frame_map (&src, &plain, picture, GST_MAP_WRITE));
  ck_assert (gst_video_frame_map (&dst, (GstVideoInfo *) info, buffer, GST_MAP_WRITE));
  for (gint y = 0; y < GST_VIDEO_FRAME_HEIGHT (&src); y++)
    for (gint x = 0; x < GST_VIDEO_FRAME_WIDTH (&src); x++)
      for (gint c = 0; c < 3; c++)
        ((guint8 *) GST_VIDEO_FRAME_PLANE_DATA (
            &src, 0))[y * GST_VIDEO_FRAME_PLANE_STRIDE (&src, 0) + 3 * x + c] = rgb[c];
  GstVideoConverter *converter = gst_video_converter_new (&plain, info, NULL);
  gst_video_converter_frame (converter, &src, &dst);
  gst_video_converter_free (converter);
  gst_video_frame_unmap (&dst);
  gst_video_frame_unmap (&src);
  GST_BUFFER_PTS (buffer) = 0;
  return buffer;
}

/* What the network saw. */
static void look (GstHarness *h, GstBuffer *buffer, gfloat *rgb)
{
  WeirMeta *meta;
  ck_assert_int_eq (gst_harness_push (h, buffer), GST_FLOW_OK);
  buffer = kit_pull (h, &meta);
  kit_assert_status (meta, WEIR_STATUS_INFERRED, NULL);
  const WeirMetaObject *object = kit_object (meta, 0);
  ck_assert_uint_eq (object->tensors->len, 1);
  const WeirMetaTensor *tensor = &g_array_index (object->tensors, WeirMetaTensor, 0);
  ck_assert_uint_eq (tensor->n_elements, 3);
  for (guint c = 0; c < 3; c++)
    rgb[c] = tensor->data[c];
  gst_buffer_unref (buffer);
}

/* Of a gray picture only the lightness comes through, by the weights of its matrix. */
static void expect_colour (
    const GstVideoInfo *info, const gchar *where, const guint8 *colour, const gfloat *rgb)
{
  gdouble red, blue;
  gst_video_color_matrix_get_Kr_Kb (info->colorimetry.matrix, &red, &blue);
  const gdouble luma = red * colour[0] + (1 - red - blue) * colour[1] + blue * colour[2];
  for (guint c = 0; c < 3; c++) {
    const gdouble expected = GST_VIDEO_INFO_IS_GRAY (info) ? luma : colour[c];
    ck_assert_msg (fabs ((gdouble) rgb[c] - expected) <= 3, "%s: channel %u of %u,%u,%u is %g",
        where, c, colour[0], colour[1], colour[2], (gdouble) rgb[c]);
  }
}

static gboolean has_own_colorimetry (const gchar *format)
{
  return !g_strrstr (format, "RGB") && !g_strrstr (format, "BGR");
}

static void try_format (GstHarness *h, const gchar *format, const gchar *colorimetry, guint size)
{
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, format,
      "width", G_TYPE_INT, frame_sizes[size].width, "height", G_TYPE_INT, frame_sizes[size].height,
      "framerate", GST_TYPE_FRACTION, 25, 1, NULL);
  GstVideoInfo info;
  gfloat rgb[3];
  if (colorimetry)
    gst_caps_set_simple (caps, "colorimetry", G_TYPE_STRING, colorimetry, NULL);
  ck_assert (gst_video_info_from_caps (&info, caps));
  g_autofree gchar *where = gst_caps_to_string (caps);
  gst_harness_set_src_caps (h, gst_caps_ref (caps));
  for (guint k = 0; k < G_N_ELEMENTS (colours); k++) {
    look (h, solid_picture (&info, colours[k]), rgb);
    expect_colour (&info, where, colours[k], rgb);
  }
}

START_TEST (test_formats)
{
  g_autofree gchar *launch = g_strdup_printf (
      "inferclassify name=c model=%s region=full-frame decoder=raw attach-tensors=true "
      "color-format=rgb resize=stretch precision=f32",
      model);
  GstHarness *h = kit_harness (launch);
  for (guint f = 0; f < G_N_ELEMENTS (formats); f++)
    for (guint c = 0; c < G_N_ELEMENTS (colorimetries); c++)
      if (!colorimetries[c] || has_own_colorimetry (formats[f]))
        try_format (h, formats[f], colorimetries[c], (guint) _i);
  ck_assert_uint_eq (kit_stat (h->element, "c", "loads"), 1);
  gst_harness_teardown (h);
}
END_TEST

/* The largest pictures that cameras have. */
START_TEST (test_large_frame)
{
  g_autofree gchar *launch = g_strdup_printf (
      "inferclassify model=%s region=full-frame decoder=raw attach-tensors=true precision=f32",
      model);
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      "video/x-raw,format=NV12,width=7680,height=4320,framerate=30/1,colorimetry=bt709");
  GstVideoInfo info;
  gfloat rgb[3];
  ck_assert (gst_video_info_from_caps (&info, caps));
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
  gst_buffer_memset (buffer, 0, 128, info.size);
  GstHarness *h = kit_harness (launch);
  gst_harness_set_src_caps (h, gst_caps_ref (caps));
  look (h, buffer, rgb);
  for (guint c = 0; c < 3; c++)
    ck_assert_msg (fabsf (rgb[c] - 130.4f) < 1, "%g", (gdouble) rgb[c]);
  gst_harness_teardown (h);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("formats");
  gst_init (&argc, &argv);
  kit_register ();
  tcase_add_checked_fixture (tcase, write_model, remove_model);
  tcase_add_loop_test (tcase, test_formats, 0, G_N_ELEMENTS (frame_sizes));
  tcase_add_test (tcase, test_large_frame);
  return kit_run (tcase);
}
