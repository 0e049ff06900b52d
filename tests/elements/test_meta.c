/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirMeta survives copies and converters; pictures of every format and layout are mapped right. */
#include "element_kit.h"
#include "gst/frame_map.h"
#include <string.h>

static void fill (WeirMeta *meta)
{
  float data[6] = { 1, 2, 3, 4, 5, 6 };
  const WeirNamedTensor tensor = {
    .name = "landmarks", .rank = 2, .dims = { 3, 2 }, .n_elements = 6, .data = data
  };
  WeirMetaObject *object = weir_meta_add_object (meta);
  object->region_id = 5;
  object->parent_id = 2;
  object->is_detection = TRUE;
  object->x_min = 0.1;
  object->x_max = 0.6;
  object->y_min = 0.2;
  object->y_max = 0.7;
  object->confidence = 0.9;
  object->label_id = 3;
  object->label = g_strdup ("face");
  weir_meta_object_add_tensor (object, &tensor, "net");
  WeirMetaAttribute *attribute = weir_meta_object_add_attribute (object, "mood", "net");
  weir_meta_attribute_add_class (attribute, "happy", 1, 0.8);
  weir_meta_attribute_add_class (attribute, "sad", 2, 0.1);
  meta->status = WEIR_STATUS_REUSED;
  meta->reason = g_strdup ("tracked");
  meta->reused_age = 4;
  meta->stream = g_strdup ("cam");
  meta->frame = 12;
}

static void assert_filled (WeirMeta *meta)
{
  ck_assert (meta != NULL);
  kit_assert_status (meta, WEIR_STATUS_REUSED, "tracked");
  ck_assert_uint_eq (meta->reused_age, 4);
  ck_assert_str_eq (meta->stream, "cam");
  ck_assert_uint_eq (meta->frame, 12);
  ck_assert_uint_eq (meta->objects->len, 1);
  const WeirMetaObject *object = weir_meta_find_object (meta, 5);
  ck_assert (object && !weir_meta_find_object (meta, 6));
  ck_assert_uint_eq (object->parent_id, 2);
  ck_assert (object->x_min == 0.1 && object->x_max == 0.6);
  ck_assert (object->y_min == 0.2 && object->y_max == 0.7);
  ck_assert_str_eq (object->label, "face");
  const WeirMetaTensor *tensor = &g_array_index (object->tensors, WeirMetaTensor, 0);
  ck_assert_str_eq (tensor->name, "landmarks");
  ck_assert_uint_eq (tensor->n_elements, 6);
  ck_assert (tensor->dims[0] == 3 && tensor->data[5] == 6);
  const WeirMetaAttribute *attribute = &g_array_index (object->attributes, WeirMetaAttribute, 0);
  ck_assert_str_eq (attribute->name, "mood");
  ck_assert_uint_eq (attribute->classes->len, 2);
  ck_assert_str_eq (g_array_index (attribute->classes, WeirMetaClass, 1).label, "sad");
}

/* The copy is deep: it lives on when the original is gone. */
START_TEST (test_meta_copy)
{
  GstBuffer *buffer = kit_buffer (0, 0);
  fill (weir_buffer_ensure_meta (buffer));
  GstBuffer *copy = gst_buffer_copy (buffer);
  ck_assert (weir_buffer_get_meta (copy) != weir_buffer_get_meta (buffer));
  gst_buffer_unref (buffer);
  assert_filled (weir_buffer_get_meta (copy));
  gst_buffer_unref (copy);
}
END_TEST

/* A part of the bytes is no picture. */
START_TEST (test_meta_region_copy)
{
  GstBuffer *buffer = kit_buffer (0, 0);
  fill (weir_buffer_ensure_meta (buffer));
  GstBuffer *part = gst_buffer_copy_region (buffer, GST_BUFFER_COPY_ALL, 0, 100);
  ck_assert (!weir_buffer_get_meta (part));
  gst_buffer_unref (part);
  gst_buffer_unref (buffer);
}
END_TEST

static const gchar *const converters[] = {
  "videoconvert ! capsfilter caps=video/x-raw,format=NV12",
  "videoscale ! capsfilter caps=video/x-raw,width=100,height=60",
  "videoconvert ! videoscale ! capsfilter caps=video/x-raw,format=RGB,width=100,height=60",
  "videoconvertscale ! capsfilter caps=video/x-raw,format=RGB,width=100,height=60",
  "queue ! identity",
};

START_TEST (test_meta_survives)
{
  GstElementFactory *factory = gst_element_factory_find ("videoconvertscale");
  if (!factory) {
    g_print ("skipped: no videoconvert and videoscale here\n");
    return;
  }
  gst_object_unref (factory);
  GstHarness *h = kit_harness (converters[_i]);
  GstBuffer *buffer = kit_buffer (0, 0);
  fill (weir_buffer_ensure_meta (buffer));
  buffer = gst_harness_push_and_pull (h, buffer);
  assert_filled (weir_buffer_get_meta (buffer));
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}
END_TEST

static const struct {
  gdouble min, max;
  guint size, start, length;
} pixel_rows[] = {
  { 0, 1, 640, 0, 640 },
  { 0.1, 0.2, 100, 10, 10 }, /* 0.1 and 0.2 are no binary fractions */
  { 10.0 / 768, 31.0 / 768, 768, 10, 21 },
  { 0.501, 0.502, 10, 5, 1 },
  { 0.5, 0.5, 10, 5, 1 }, /* empty: one pixel */
  { 1, 1, 10, 9, 1 },
  { -3, 0.05, 10, 0, 1 },
  { 0.95, 7, 10, 9, 1 },
  { 0.19999, 0.30001, 10, 1, 3 }, /* floor and ceil */
  { 0, 1, 1, 0, 1 },
};

START_TEST (test_meta_pixels)
{
  WeirRegion box;
  const WeirMetaObject object = { .x_min = pixel_rows[_i].min,
    .x_max = pixel_rows[_i].max,
    .y_min = pixel_rows[_i].min,
    .y_max = pixel_rows[_i].max };
  weir_meta_object_pixels (&object, pixel_rows[_i].size, pixel_rows[_i].size, &box);
  ck_assert_uint_eq (box.x_px, pixel_rows[_i].start);
  ck_assert_uint_eq (box.width_px, pixel_rows[_i].length);
  ck_assert_uint_eq (box.y_px, pixel_rows[_i].start);
  ck_assert_uint_eq (box.height_px, pixel_rows[_i].length);
}
END_TEST

/* Whole pixels made to fractions and back are the same pixels, in every size. */
START_TEST (test_meta_pixels_exact)
{
  for (guint size = 1; size < 400; size += 7)
    for (guint start = 0; start < size; start++) {
      WeirRegion box;
      const guint end = start + 1 + (start * 31) % (size - start);
      const WeirMetaObject object = { .x_min = (gdouble) start / size,
        .x_max = (gdouble) end / size };
      weir_meta_object_pixels (&object, size, size, &box);
      ck_assert_uint_eq (box.x_px, start);
      ck_assert_uint_eq (box.width_px, end - start);
    }
}
END_TEST

static const struct {
  GstVideoFormat format;
  guint n_planes;
} formats[] = {
  { GST_VIDEO_FORMAT_I420, 3 },
  { GST_VIDEO_FORMAT_YV12, 3 },
  { GST_VIDEO_FORMAT_NV12, 2 },
  { GST_VIDEO_FORMAT_YUY2, 1 },
  { GST_VIDEO_FORMAT_UYVY, 1 },
  { GST_VIDEO_FORMAT_P010_10LE, 2 },
  { GST_VIDEO_FORMAT_GRAY8, 1 },
  { GST_VIDEO_FORMAT_RGB, 1 },
  { GST_VIDEO_FORMAT_BGR, 1 },
  { GST_VIDEO_FORMAT_RGBA, 1 },
  { GST_VIDEO_FORMAT_BGRA, 1 },
  { GST_VIDEO_FORMAT_RGBx, 1 },
  { GST_VIDEO_FORMAT_BGRx, 1 },
  { GST_VIDEO_FORMAT_xRGB, 1 },
  { GST_VIDEO_FORMAT_xBGR, 1 },
};

/* Odd size, padded lines and a gap before each plane, all told by GstVideoMeta. */
static GstBuffer *padded (const GstVideoInfo *info, gsize *offset, gint *stride)
{
  gsize size = 0;
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    gint components[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component (info->finfo, p, components);
    stride[p] = info->stride[p] + 16;
    offset[p] = size + 24;
    size = offset[p] + (gsize) stride[p] * (gsize) GST_VIDEO_INFO_COMP_HEIGHT (info, components[0]);
  }
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (info),
      GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info), GST_VIDEO_INFO_N_PLANES (info),
      offset, stride);
  return buffer;
}

START_TEST (test_frame_map_layout)
{
  gsize offset[GST_VIDEO_MAX_PLANES];
  gint stride[GST_VIDEO_MAX_PLANES];
  GstVideoInfo info;
  GstVideoFrame map;
  WeirFrame frame;
  GstMapInfo bytes;
  const gchar *reason = NULL;
  gst_video_info_set_format (&info, formats[_i].format, 17, 9);
  GstBuffer *buffer = padded (&info, offset, stride);
  ck_assert (weir_frame_map (&map, &info, buffer, &frame, &reason));
  gst_buffer_map (buffer, &bytes, GST_MAP_READ);
  g_autofree gchar *upper = g_ascii_strup (gst_video_format_to_string (formats[_i].format), -1);
  g_autofree gchar *name = g_ascii_strup (weir_pixel_format_name (frame.format), -1);
  ck_assert (g_str_has_prefix (upper, name)); /* P010_10LE is P010 */
  ck_assert_uint_eq (weir_pixel_format_n_planes (frame.format), formats[_i].n_planes);
  ck_assert_uint_eq (frame.width_px, 17);
  ck_assert_uint_eq (frame.height_px, 9);
  for (guint p = 0; p < formats[_i].n_planes; p++) {
    ck_assert (frame.planes[p] == bytes.data + offset[p]);
    ck_assert_int_eq (frame.stride_bytes[p], stride[p]);
  }
  gst_buffer_unmap (buffer, &bytes);
  weir_frame_unmap (&map);
  /* One line less than promised does not pass. */
  gst_buffer_set_size (buffer, (gssize) (gst_buffer_get_size (buffer) - (gsize) stride[0] - 17));
  ck_assert (!weir_frame_map (&map, &info, buffer, &frame, &reason));
  ck_assert (reason != NULL && map.buffer == NULL);
  gst_buffer_unref (buffer);
}
END_TEST

static const struct {
  const gchar *caps;
  WeirMatrix matrix;
  WeirRange range;
} colours[] = {
  { "format=I420,height=576", WEIR_MATRIX_BT601, WEIR_RANGE_LIMITED },
  { "format=I420,height=720", WEIR_MATRIX_BT709, WEIR_RANGE_LIMITED },
  { "format=I420,height=720,colorimetry=bt601", WEIR_MATRIX_BT601, WEIR_RANGE_LIMITED },
  { "format=I420,height=480,colorimetry=bt709", WEIR_MATRIX_BT709, WEIR_RANGE_LIMITED },
  { "format=I420,height=480,colorimetry=1:4:0:0", WEIR_MATRIX_BT601, WEIR_RANGE_FULL },
  { "format=NV12,height=480,colorimetry=bt2020", WEIR_MATRIX_BT709, WEIR_RANGE_LIMITED },
  { "format=GRAY8,height=480,colorimetry=1:4:0:0", WEIR_MATRIX_BT601, WEIR_RANGE_FULL },
  { "format=GRAY8,height=480,colorimetry=bt601", WEIR_MATRIX_BT601, WEIR_RANGE_LIMITED },
};

START_TEST (test_frame_map_colorimetry)
{
  g_autofree gchar *text =
      g_strdup_printf ("video/x-raw,width=16,framerate=30/1,%s", colours[_i].caps);
  g_autoptr (GstCaps) caps = gst_caps_from_string (text);
  GstVideoInfo info;
  GstVideoFrame map;
  WeirFrame frame;
  const gchar *reason;
  ck_assert (gst_video_info_from_caps (&info, caps));
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
  ck_assert (weir_frame_map (&map, &info, buffer, &frame, &reason));
  ck_assert_int_eq (frame.matrix, colours[_i].matrix);
  ck_assert_int_eq (frame.range, colours[_i].range);
  weir_frame_unmap (&map);
  gst_buffer_unref (buffer);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("meta");
  gst_init (&argc, &argv);
  tcase_add_test (tcase, test_meta_copy);
  tcase_add_test (tcase, test_meta_region_copy);
  tcase_add_loop_test (tcase, test_meta_survives, 0, G_N_ELEMENTS (converters));
  tcase_add_loop_test (tcase, test_meta_pixels, 0, G_N_ELEMENTS (pixel_rows));
  tcase_add_test (tcase, test_meta_pixels_exact);
  tcase_add_loop_test (tcase, test_frame_map_layout, 0, G_N_ELEMENTS (formats));
  tcase_add_loop_test (tcase, test_frame_map_colorimetry, 0, G_N_ELEMENTS (colours));
  return kit_run (tcase);
}
