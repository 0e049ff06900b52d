/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inferoverlay: draws where it should, in the right colour, and nowhere else. */
#include "gst/marks.h"
#include "gst/meta.h"
#include "gst/overlay.h"

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <math.h>
#include <time.h>

#define GROUND 0x55
#define LINE   3

static const GstVideoFormat formats[] = { GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_I420,
  GST_VIDEO_FORMAT_YV12, GST_VIDEO_FORMAT_YUY2, GST_VIDEO_FORMAT_UYVY, GST_VIDEO_FORMAT_RGB,
  GST_VIDEO_FORMAT_BGR, GST_VIDEO_FORMAT_RGBA, GST_VIDEO_FORMAT_BGRA, GST_VIDEO_FORMAT_RGBx,
  GST_VIDEO_FORMAT_BGRx, GST_VIDEO_FORMAT_xRGB, GST_VIDEO_FORMAT_xBGR, GST_VIDEO_FORMAT_GRAY8,
  GST_VIDEO_FORMAT_P010_10LE };

typedef struct Picture {
  GstHarness *h;
  GstVideoInfo info;
  GstBuffer *buffer;
} Picture;

static void picture_init (
    Picture *p, const char *properties, GstVideoFormat format, int width, int height)
{
  g_autofree char *launch = g_strdup_printf ("inferoverlay line-width=%d %s", LINE, properties);
  GstMapInfo map;
  gst_video_info_set_format (&p->info, format, (guint) width, (guint) height);
  p->h = gst_harness_new_parse (launch);
  gst_harness_set_src_caps (p->h, gst_video_info_to_caps (&p->info));
  p->buffer = gst_buffer_new_allocate (NULL, p->info.size, NULL);
  gst_buffer_map (p->buffer, &map, GST_MAP_WRITE);
  for (gsize i = 0; i < map.size; i++) /* P010: the low byte of each sample stays 0 */
    map.data[i] = format == GST_VIDEO_FORMAT_P010_10LE && i % 2 == 0 ? 0 : GROUND;
  gst_buffer_unmap (p->buffer, &map);
}

/* Pushes the buffer and maps what comes out. */
static void picture_draw (Picture *p, GstVideoFrame *frame)
{
  GstBuffer *drawn = gst_harness_push_and_pull (p->h, p->buffer);
  ck_assert (drawn != NULL);
  ck_assert (gst_video_frame_map (frame, &p->info, drawn, GST_MAP_READ));
  gst_buffer_unref (drawn);
}

static void picture_clear (Picture *p, GstVideoFrame *frame)
{
  gst_video_frame_unmap (frame);
  gst_harness_teardown (p->h);
}

static WeirMetaObject *add_object (
    GstBuffer *buffer, double x_min, double y_min, double x_max, double y_max)
{
  WeirMetaObject *object = weir_meta_add_object (weir_buffer_ensure_meta (buffer));
  object->is_detection = TRUE;
  object->label = g_strdup ("car");
  object->confidence = 0.5;
  object->x_min = x_min;
  object->y_min = y_min;
  object->x_max = x_max;
  object->y_max = y_max;
  return object;
}

static guint sample_at (const GstVideoFrame *frame, guint c, int x, int y)
{
  const guint8 *data = GST_VIDEO_FRAME_COMP_DATA (frame, c);
  if (GST_VIDEO_FRAME_FORMAT (frame) == GST_VIDEO_FORMAT_P010_10LE && c == 2)
    data = (guint8 *) GST_VIDEO_FRAME_COMP_DATA (frame, 1) + 2; /* 1.22 says + 1 */
  data += y * GST_VIDEO_FRAME_COMP_STRIDE (frame, c) + x * GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c);
  return GST_VIDEO_FRAME_COMP_DEPTH (frame, c) > 8 ? GST_READ_UINT16_LE (data) : *data;
}

static gboolean is_changed (const GstVideoFrame *frame, guint c, int x, int y)
{
  guint ground = GST_VIDEO_FRAME_COMP_DEPTH (frame, c) > 8 ? GROUND << 8 : GROUND;
  return sample_at (frame, c, x, y) != ground;
}

typedef struct Box {
  int x0, y0, x1, y1;
} Box;

/* Whether a sample of component c touches the edges of the box. */
static gboolean on_edge (const GstVideoFrame *frame, guint c, int x, int y, const Box *b)
{
  int w_sub = GST_VIDEO_FORMAT_INFO_W_SUB (frame->info.finfo, c);
  int h_sub = GST_VIDEO_FORMAT_INFO_H_SUB (frame->info.finfo, c);
  for (int py = y << h_sub; py < (y + 1) << h_sub; py++)
    for (int px = x << w_sub; px < (x + 1) << w_sub; px++) {
      gboolean inside = px >= b->x0 && px < b->x1 && py >= b->y0 && py < b->y1;
      gboolean hole =
          px >= b->x0 + LINE && px < b->x1 - LINE && py >= b->y0 + LINE && py < b->y1 - LINE;
      if (inside && !hole)
        return TRUE;
    }
  return FALSE;
}

static const struct {
  int width, height;
  double x_min, y_min, x_max, y_max;
  Box box;
} boxes[] = {
  { 64, 48, 0.25, 0.25, 0.75, 0.75, { 16, 12, 48, 36 } },
  { 37, 23, 0.1, 0.1, 0.95, 0.9, { 3, 2, 36, 21 } },            /* odd size, odd edges */
  { 37, 23, 0, 0, 1, 1, { 0, 0, 37, 23 } },                     /* the whole picture */
  { 33, 31, 0.5, 0.5, 0.6, 0.6, { 16, 15, 20, 19 } },           /* too small for a hole */
  { 33, 31, 0.999, 0.999, 1, 1, { 32, 30, 33, 31 } },           /* the last pixel */
  { 640, 360, 0.5, 0.1, 0.503125, 0.9, { 320, 36, 322, 324 } }, /* thin */
};

/* Every sample of every component: changed on the edges, untouched elsewhere. One assertion for
 * all, as each of them writes to a file. */
static void assert_box (const GstVideoFrame *frame, const Box *box)
{
  guint n_wrong = 0, first_c = 0;
  int first_x = 0, first_y = 0;
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (frame); c++)
    for (int y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (frame, c); y++)
      for (int x = 0; x < GST_VIDEO_FRAME_COMP_WIDTH (frame, c); x++)
        if (is_changed (frame, c, x, y) != on_edge (frame, c, x, y, box) && n_wrong++ == 0) {
          first_c = c;
          first_x = x;
          first_y = y;
        }
  ck_assert_msg (n_wrong == 0, "%ux%u: %u samples are wrong, the first of component %u at (%d, %d)",
      frame->info.width, frame->info.height, n_wrong, first_c, first_x, first_y);
}

START_TEST (test_overlay_box)
{
  for (guint k = 0; k < G_N_ELEMENTS (boxes); k++) {
    Picture p;
    GstVideoFrame frame;
    picture_init (&p, "show-labels=false", formats[_i], boxes[k].width, boxes[k].height);
    add_object (p.buffer, boxes[k].x_min, boxes[k].y_min, boxes[k].x_max, boxes[k].y_max);
    picture_draw (&p, &frame);
    assert_box (&frame, &boxes[k].box);
    picture_clear (&p, &frame);
  }
}
END_TEST

/* One label has one colour, in RGB and in Y'CbCr of either matrix and range. */
START_TEST (test_overlay_colour)
{
  static const struct {
    GstVideoFormat format;
    const char *colorimetry;
    double kr, kb, offset, y_scale, c_scale;
  } rows[] = {
    { GST_VIDEO_FORMAT_I420, "bt601", 0.299, 0.114, 16, 219, 224 },
    { GST_VIDEO_FORMAT_NV12, "bt709", 0.2126, 0.0722, 16, 219, 224 },
    { GST_VIDEO_FORMAT_I420, "1:4:0:0", 0.299, 0.114, 0, 255, 255 },
  };
  double rgb[3];
  Picture p;
  GstVideoFrame frame;
  picture_init (&p, "show-labels=false", GST_VIDEO_FORMAT_RGB, 32, 32);
  add_object (p.buffer, 0, 0, 1, 1);
  picture_draw (&p, &frame);
  for (guint c = 0; c < 3; c++)
    rgb[c] = sample_at (&frame, c, 0, 0) / 255.0;
  picture_clear (&p, &frame);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    double y = rows[i].kr * rgb[0] + (1 - rows[i].kr - rows[i].kb) * rgb[1] + rows[i].kb * rgb[2];
    double cb = (rgb[2] - y) / (2 * (1 - rows[i].kb)), cr = (rgb[0] - y) / (2 * (1 - rows[i].kr));
    double expected[3] = { rows[i].offset + rows[i].y_scale * y, 128 + rows[i].c_scale * cb,
      128 + rows[i].c_scale * cr };
    picture_init (&p, "show-labels=false", rows[i].format, 32, 32);
    ck_assert (gst_video_colorimetry_from_string (&p.info.colorimetry, rows[i].colorimetry));
    gst_harness_set_src_caps (p.h, gst_video_info_to_caps (&p.info));
    add_object (p.buffer, 0, 0, 1, 1);
    picture_draw (&p, &frame);
    for (guint c = 0; c < 3; c++)
      ck_assert (fabs (sample_at (&frame, c, 0, 0) - expected[c]) <= 1.01);
    picture_clear (&p, &frame);
  }
}
END_TEST

static guint count_changed (const GstVideoFrame *frame, const Box *b)
{
  guint n = 0;
  for (int y = b->y0; y < b->y1; y++)
    for (int x = b->x0; x < b->x1; x++)
      n += is_changed (frame, 0, x, y);
  return n;
}

/* Planar, semi-planar, packed, deep, grey: what blending tells apart. */
static const GstVideoFormat caption_formats[] = { GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_I420,
  GST_VIDEO_FORMAT_YUY2, GST_VIDEO_FORMAT_RGB, GST_VIDEO_FORMAT_BGRx, GST_VIDEO_FORMAT_GRAY8,
  GST_VIDEO_FORMAT_P010_10LE };

/* The caption stands on the box and says more with attributes; the rest stays as it is. */
START_TEST (test_overlay_caption)
{
  static const struct {
    const char *properties;
    guint64 track_id;
    gboolean attribute;
  } rows[] = { { "show-labels=false", 7, FALSE }, { "show-confidence=false", 0, FALSE },
    { "", 0, FALSE }, { "", 7, FALSE }, { "", 7, TRUE }, { "font-scale=2", 7, TRUE } };
  static const Box above = { 0, 0, 640, 180 }, below = { 0, 300, 640, 360 };
  guint last = 0;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Picture p;
    GstVideoFrame frame;
    picture_init (&p, rows[i].properties, caption_formats[_i], 640, 360);
    WeirMetaObject *car = add_object (p.buffer, 0.25, 0.5, 0.75, 300 / 360.0);
    car->track_id = rows[i].track_id;
    if (rows[i].attribute)
      weir_meta_attribute_add_class (
          weir_meta_object_add_attribute (car, "colour", NULL), "dark metallic red", 1, 0.75);
    picture_draw (&p, &frame);
    guint n = count_changed (&frame, &above);
    ck_assert_msg (i == 0 ? n == 0 : n > last, "row %u: %u pixels after %u", i, n, last);
    ck_assert_uint_eq (count_changed (&frame, &below), 0);
    last = n;
    picture_clear (&p, &frame);
  }
}
END_TEST

static const struct {
  const char *label;
  guint64 track_id;
  const char *attribute;
  gboolean confidence;
  const char *text;
} texts[] = {
  { "car", 0, NULL, TRUE, "car 0.50" },
  { "car", 7, NULL, TRUE, "car #7 0.50" },
  { "car", 7, NULL, FALSE, "car #7" },
  { "car", 7, "red", TRUE, "car #7 red 0.75" },
  { "person", 0, "true", TRUE, "person colour 0.75" },
  { "person", 0, "true", FALSE, "person colour" },
  { "person", 0, "false", TRUE, "person" },
  { NULL, 7, NULL, FALSE, "#7" },
  { "car", G_MAXUINT64, NULL, FALSE, "car #18446744073709551615" },
};

START_TEST (test_overlay_text)
{
  g_autoptr (GString) text = g_string_new ("what stood here before");
  WeirMetaObject *object = weir_meta_object_new ();
  object->is_detection = TRUE;
  object->label = g_strdup (texts[_i].label);
  object->track_id = texts[_i].track_id;
  object->confidence = 0.5;
  if (texts[_i].attribute)
    weir_meta_attribute_add_class (
        weir_meta_object_add_attribute (object, "colour", NULL), texts[_i].attribute, 1, 0.75);
  weir_marks_object_text (object, texts[_i].confidence, text);
  ck_assert_str_eq (text->str, texts[_i].text);
  weir_meta_object_free (object);
}
END_TEST

static const struct {
  GType type; /* of the field `id` of the structure `object_id` */
  gint id;
  const char *text;
} roi_texts[] = { { G_TYPE_INT, 7, "dog #7 0.50 wet" }, { G_TYPE_INT, 0, "dog 0.50 wet" },
  { G_TYPE_INT, -3, "dog 0.50 wet" }, { G_TYPE_UINT64, 7, "dog #7 0.50 wet" },
  { G_TYPE_FLOAT, 7, "dog 0.50 wet" } };

/* From the structures that other elements attach to their regions. */
START_TEST (test_overlay_roi_text)
{
  g_autoptr (GString) text = g_string_new (NULL);
  GstBuffer *buffer = gst_buffer_new ();
  GValue id = G_VALUE_INIT, number = G_VALUE_INIT;
  GstVideoRegionOfInterestMeta *roi =
      gst_buffer_add_video_region_of_interest_meta (buffer, "dog", 1, 2, 3, 4);
  GstStructure *track = gst_structure_new_empty ("object_id");
  g_value_init (&number, G_TYPE_INT);
  g_value_set_int (&number, roi_texts[_i].id);
  g_value_init (&id, roi_texts[_i].type);
  g_value_transform (&number, &id);
  gst_structure_take_value (track, "id", &id);
  gst_video_region_of_interest_meta_add_param (
      roi, gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5, NULL));
  gst_video_region_of_interest_meta_add_param (
      roi, gst_structure_new ("state", "label", G_TYPE_STRING, "wet", NULL));
  gst_video_region_of_interest_meta_add_param (roi, track);
  weir_marks_roi_text (roi, TRUE, text);
  ck_assert_str_eq (text->str, roi_texts[_i].text);
  gst_buffer_unref (buffer);
}
END_TEST

/* Captions of neighbours do not cover each other. */
START_TEST (test_overlay_captions_apart)
{
  static const Box all = { 0, 0, 640, 360 };
  guint one = 0, two = 0;
  for (guint n = 1; n <= 2; n++) {
    Picture p;
    GstVideoFrame frame;
    picture_init (&p, "line-width=1", GST_VIDEO_FORMAT_GRAY8, 640, 360);
    for (guint i = 0; i < n; i++)
      add_object (p.buffer, 0.5 + i * 0.01, 0.5, 0.508 + i * 0.01, 0.52);
    picture_draw (&p, &frame);
    *(n == 1 ? &one : &two) = count_changed (&frame, &all);
    picture_clear (&p, &frame);
  }
  ck_assert_uint_eq (two, 2 * one);
}
END_TEST

/* Work that grows with the square of their number would take minutes. */
START_TEST (test_overlay_thousands)
{
  const clock_t start = clock ();
  Picture p;
  GstVideoFrame frame;
  picture_init (&p, "", GST_VIDEO_FORMAT_GRAY8, 320, 180);
  for (guint i = 0; i < 160000; i++) {
    const gdouble x = i % 280 / 320.0, y = i / 280 % 150 / 180.0;
    add_object (p.buffer, x, y, x + 0.05, y + 0.05);
  }
  picture_draw (&p, &frame);
  ck_assert (is_changed (&frame, 0, 0, 0));
  picture_clear (&p, &frame);
  ck_assert_int_lt ((clock () - start) / CLOCKS_PER_SEC, 20);
}
END_TEST

START_TEST (test_overlay_landmarks)
{
  float points[] = { 0.5f, 0.25f, 0.75f, 0.75f, -3.0f, 0.5f, NAN, 0.5f };
  WeirNamedTensor tensor = { "landmarks", 2, { 4, 2 }, 8, points };
  static const Box first = { 28, 12, 37, 21 }, second = { 44, 44, 53, 53 }, all = { 0, 0, 64, 64 };
  Picture p;
  GstVideoFrame frame;
  picture_init (&p, "show-labels=false", GST_VIDEO_FORMAT_GRAY8, 64, 64);
  WeirMetaObject *object = add_object (p.buffer, 0, 0, 1, 1);
  object->is_detection = FALSE;
  weir_meta_object_add_tensor (object, &tensor, NULL);
  picture_draw (&p, &frame);
  ck_assert (is_changed (&frame, 0, 32, 16));
  ck_assert (is_changed (&frame, 0, 48, 48));
  ck_assert_uint_eq (count_changed (&frame, &all),
      count_changed (&frame, &first) + count_changed (&frame, &second));
  picture_clear (&p, &frame);
}
END_TEST

START_TEST (test_overlay_status_line)
{
  static const struct {
    WeirStatus status;
    gboolean drawn;
  } rows[] = { { WEIR_STATUS_INFERRED, FALSE }, { WEIR_STATUS_SKIPPED, TRUE },
    { WEIR_STATUS_FAILED, TRUE }, { WEIR_STATUS_REUSED, FALSE } };
  static const Box upper = { 0, 0, 320, 200 }, lower = { 0, 200, 320, 240 };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Picture p;
    GstVideoFrame frame;
    picture_init (&p, "", GST_VIDEO_FORMAT_GRAY8, 320, 240);
    WeirMeta *meta = weir_buffer_ensure_meta (p.buffer);
    meta->status = rows[i].status;
    meta->reason = g_strdup ("queue is full");
    picture_draw (&p, &frame);
    ck_assert_uint_eq (count_changed (&frame, &upper), 0);
    ck_assert_int_eq (count_changed (&frame, &lower) > 0, rows[i].drawn);
    picture_clear (&p, &frame);
  }
}
END_TEST

START_TEST (test_overlay_foreign_regions)
{
  Picture p;
  GstVideoFrame frame;
  static const Box box = { 10, 20, 40, 50 };
  picture_init (&p, "show-labels=false", GST_VIDEO_FORMAT_GRAY8, 64, 64);
  gst_buffer_add_video_region_of_interest_meta (p.buffer, "dog", 10, 20, 30, 30);
  gst_buffer_add_video_region_of_interest_meta (p.buffer, "far", 100, 100, G_MAXUINT, 5);
  picture_draw (&p, &frame);
  assert_box (&frame, &box);
  picture_clear (&p, &frame);
}
END_TEST

/* What a GstVideoMeta may say that is not so; the first buffer has none and is cut short. */
static const struct {
  GstVideoFormat format;
  guint width, height;
  gint stride;
} broken_rows[] = {
  { .width = 0 },
  { GST_VIDEO_FORMAT_GRAY8, 64, 48, 4096 },
  { GST_VIDEO_FORMAT_RGB, 64, 16, 192 },
  { GST_VIDEO_FORMAT_GRAY8, G_MAXUINT, 48, 64 },
  { GST_VIDEO_FORMAT_GRAY8, 64, G_MAXUINT, 64 },
  { GST_VIDEO_FORMAT_GRAY8, G_MAXINT, 48, 64 },
  { GST_VIDEO_FORMAT_GRAY8, 32, 48, 64 },
};

static GstBuffer *broken_buffer (guint row)
{
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  gint stride[GST_VIDEO_MAX_PLANES] = { broken_rows[row].stride };
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 64 * 48, NULL);
  if (broken_rows[row].width == 0)
    gst_buffer_set_size (buffer, 100);
  else
    gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, broken_rows[row].format,
        broken_rows[row].width, broken_rows[row].height, 1, offset, stride);
  add_object (buffer, 0.25, 0.25, 0.75, 0.75);
  return buffer;
}

/* They pass, with a warning at 1 and 10, and the next frame is drawn into. */
START_TEST (test_overlay_broken_buffers)
{
  Picture p;
  GstVideoFrame frame;
  GstMessage *message;
  guint n_warnings = 0;
  picture_init (&p, "", GST_VIDEO_FORMAT_GRAY8, 64, 48);
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (p.h->element, bus);
  for (guint i = 0; i < 12; i++)
    gst_buffer_unref (gst_harness_push_and_pull (p.h, broken_buffer ((guint) _i)));
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR))) {
    g_autoptr (GError) error = NULL;
    ck_assert_int_eq (GST_MESSAGE_TYPE (message), GST_MESSAGE_WARNING);
    gst_message_parse_warning (message, &error, NULL);
    ck_assert_msg (
        strstr (error->message, n_warnings ? "(10 such" : "(1 such") != NULL, "%s", error->message);
    gst_message_unref (message);
    n_warnings++;
  }
  ck_assert_uint_eq (n_warnings, 2);
  add_object (p.buffer, 0.25, 0.25, 0.75, 0.75);
  picture_draw (&p, &frame);
  ck_assert_uint_ne (((guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, 0))[12 * 64 + 16], GROUND);
  gst_element_set_bus (p.h->element, NULL);
  gst_object_unref (bus);
  picture_clear (&p, &frame);
}
END_TEST

/* A frame that others hold is copied when there is something to draw, and only then. */
START_TEST (test_overlay_shared_buffer)
{
  for (guint n = 0; n < 2; n++) {
    Picture p;
    GstVideoFrame frame;
    guint8 first;
    picture_init (&p, "show-labels=false", GST_VIDEO_FORMAT_GRAY8, 64, 64);
    if (n)
      add_object (p.buffer, 0, 0, 1, 1);
    gst_buffer_ref (p.buffer);
    picture_draw (&p, &frame);
    gst_buffer_extract (p.buffer, 0, &first, 1);
    ck_assert_uint_eq (first, GROUND);
    ck_assert_int_eq (frame.buffer == p.buffer, n == 0);
    ck_assert_int_eq (is_changed (&frame, 0, 0, 0), n == 1);
    gst_buffer_unref (p.buffer);
    picture_clear (&p, &frame);
  }
}
END_TEST

int main (int argc, char **argv)
{
  Suite *suite = suite_create ("overlay");
  TCase *tcase = tcase_create ("inferoverlay");
  SRunner *runner;
  int n_failed;

  gst_init (&argc, &argv);
  GST_ELEMENT_REGISTER (inferoverlay, NULL);
  tcase_add_loop_test (tcase, test_overlay_box, 0, G_N_ELEMENTS (formats));
  tcase_add_test (tcase, test_overlay_colour);
  tcase_add_loop_test (tcase, test_overlay_caption, 0, G_N_ELEMENTS (caption_formats));
  tcase_add_loop_test (tcase, test_overlay_text, 0, G_N_ELEMENTS (texts));
  tcase_add_loop_test (tcase, test_overlay_roi_text, 0, G_N_ELEMENTS (roi_texts));
  tcase_add_test (tcase, test_overlay_captions_apart);
  tcase_add_test (tcase, test_overlay_thousands);
  tcase_add_test (tcase, test_overlay_landmarks);
  tcase_add_test (tcase, test_overlay_status_line);
  tcase_add_test (tcase, test_overlay_foreign_regions);
  tcase_add_loop_test (tcase, test_overlay_broken_buffers, 0, G_N_ELEMENTS (broken_rows));
  tcase_add_test (tcase, test_overlay_shared_buffer);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  n_failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  gst_deinit (); /* lets the leaks tracer report */
  return n_failed != 0;
}
