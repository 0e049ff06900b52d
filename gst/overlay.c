/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-inferoverlay
 * @title: inferoverlay
 * @short_description: draws the results of inference
 *
 * Draws a box, its label, confidence, attributes and landmarks for every object that #inferdetect
 * and #inferclassify found, in one colour per label. Without their metadata it draws every
 * #GstVideoRegionOfInterestMeta. A frame that was not inferred gets a line that says why. One
 * whose buffer does not hold its picture passes as it is, with a WARNING at the 1st, 10th, 100th.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=street.mp4 ! decodebin ! inferdetect model=yolox_nano.onnx ! \
 *     inferoverlay ! videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 *
 * Thread-safety: properties are copied under the object lock at the start of each frame; all other
 * state belongs to the streaming thread.
 */
#include "gst/overlay.h"

#include "gst/bus_errors.h"
#include "gst/caption.h"
#include "gst/frame_map.h"
#include "gst/marks.h"
#include "gst/paint.h"
#include <math.h>

GST_DEBUG_CATEGORY_STATIC (weir_overlay_debug);
#define GST_CAT_DEFAULT weir_overlay_debug

enum { PROP_0, PROP_FONT_SCALE, PROP_LINE_WIDTH, PROP_SHOW_LABELS, PROP_SHOW_CONFIDENCE };

typedef struct Settings {
  gdouble font_scale;
  guint line_width;
  gboolean show_labels, show_confidence;
} Settings;

struct _InferOverlay {
  GstBaseTransform parent;
  Settings settings; /* object lock */
  GstVideoInfo info;
  WeirCaptions *captions; /* NULL until there is a text: fonts take their time to load */
  GArray *placed;         /* GstVideoRectangle: captions of this frame */
  GString *text;
  guint64 n_failures; /* frames that could not be drawn into, since the start */
};

/* What one frame is drawn with. */
typedef struct Drawing {
  InferOverlay *self;
  GstVideoFrame *frame;
  Settings settings;
  guint line_px, font_px;
} Drawing;

G_DEFINE_FINAL_TYPE (InferOverlay, weir_overlay, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (inferoverlay, "inferoverlay", GST_RANK_NONE, WEIR_TYPE_OVERLAY)

/* Captions that others keep clear of: so many fill any picture, and there may be far more. */
#define MAX_PLACED 256

static gboolean overlaps_placed (GArray *placed, const GstVideoRectangle *r)
{
  for (guint i = 0; i < MIN (placed->len, MAX_PLACED); i++) {
    const GstVideoRectangle *other = &g_array_index (placed, GstVideoRectangle, i);
    if (r->x < other->x + other->w && other->x < r->x + r->w && r->y < other->y + other->h &&
        other->y < r->y + r->h)
      return TRUE;
  }
  return FALSE;
}

/* Above the box, then below, inside, and stacked further up or down, where it covers no other
 * caption; above where there is no such place. */
static void place (const Drawing *drawing, const WeirRegion *box, GstVideoRectangle *r)
{
  static const gint rows[] = { 1, 2, 3, 4, 5, 6 };
  gint width = GST_VIDEO_FRAME_WIDTH (drawing->frame);
  gint height = GST_VIDEO_FRAME_HEIGHT (drawing->frame);
  gint top = (gint) box->y_px, bottom = (gint) (box->y_px + box->height_px);
  gint candidates[3 + 2 * G_N_ELEMENTS (rows)];
  guint n = 0;

  candidates[n++] = top - r->h;
  candidates[n++] = bottom;
  if (r->w < (gint) box->width_px && r->h < (gint) box->height_px)
    candidates[n++] = top + (gint) drawing->line_px;
  for (guint i = 1; i < G_N_ELEMENTS (rows); i++) {
    candidates[n++] = top - (rows[i]) * r->h;
    candidates[n++] = bottom + (rows[i] - 1) * r->h;
  }
  r->x = CLAMP ((gint) box->x_px, 0, MAX (width - r->w, 0));
  for (guint i = 0; i < n; i++) {
    r->y = candidates[i];
    if (r->y >= 0 && r->y + r->h <= height && !overlaps_placed (drawing->self->placed, r))
      return;
  }
  r->y = CLAMP (candidates[0], 0, MAX (height - r->h, 0));
}

/* Black on light grounds, white on dark ones. */
static guint32 ink_on (guint32 rgb)
{
  guint luma = 299 * ((rgb >> 16) & 0xff) + 587 * ((rgb >> 8) & 0xff) + 114 * (rgb & 0xff);

  return luma > 128000 ? 0x000000 : 0xffffff;
}

static void draw_caption (Drawing *drawing, const gchar *text, guint32 rgb, const WeirRegion *box)
{
  InferOverlay *self = drawing->self;
  const WeirCaption *caption;
  GstVideoRectangle r;
  WeirPaint letters, ground;

  if (!self->captions)
    self->captions = weir_captions_new ();
  weir_captions_set_font_height (self->captions, drawing->font_px);
  caption =
      weir_captions_get (self->captions, text, (guint) GST_VIDEO_FRAME_WIDTH (drawing->frame));
  if (!caption)
    return;
  r = (GstVideoRectangle){ .w = (gint) caption->width_px, .h = (gint) caption->height_px };
  place (drawing, box, &r);
  g_array_append_val (self->placed, r);
  weir_paint_init (&letters, &self->info, ink_on (rgb));
  weir_paint_init (&ground, &self->info, rgb);
  weir_paint_caption (drawing->frame, r.x, r.y, caption, &letters, &ground);
}

/* Points of a tensor [n, 2], in fractions of the picture. */
static void draw_points (Drawing *drawing, const WeirMetaTensor *tensor, const WeirPaint *paint)
{
  gint width = GST_VIDEO_FRAME_WIDTH (drawing->frame);
  gint height = GST_VIDEO_FRAME_HEIGHT (drawing->frame);

  for (gsize i = 0; i + 1 < tensor->n_elements; i += 2) {
    gfloat x = tensor->data[i], y = tensor->data[i + 1];
    if (x >= 0 && x <= 1 && y >= 0 && y <= 1)
      weir_paint_dot (drawing->frame, (gint) (x * (gfloat) width), (gint) (y * (gfloat) height),
          (gint) drawing->line_px, paint);
  }
}

static void draw_object (Drawing *drawing, const WeirMetaObject *object)
{
  InferOverlay *self = drawing->self;
  guint32 rgb = weir_marks_colour (object->label, object->label_id);
  WeirPaint paint;
  WeirRegion box;

  weir_paint_init (&paint, &self->info, rgb);
  weir_meta_object_pixels (object, (guint) GST_VIDEO_FRAME_WIDTH (drawing->frame),
      (guint) GST_VIDEO_FRAME_HEIGHT (drawing->frame), &box);
  if (object->is_detection)
    weir_paint_box (drawing->frame, &box, drawing->line_px, &paint);
  for (guint i = 0; i < object->tensors->len; i++) {
    const WeirMetaTensor *tensor = &g_array_index (object->tensors, WeirMetaTensor, i);
    if (weir_meta_tensor_is_points (tensor))
      draw_points (drawing, tensor, &paint);
  }
  if (!drawing->settings.show_labels)
    return;
  weir_marks_object_text (object, drawing->settings.show_confidence, self->text);
  if (self->text->len > 0)
    draw_caption (drawing, self->text->str, rgb, &box);
}

static void draw_roi (Drawing *drawing, const GstVideoRegionOfInterestMeta *roi)
{
  InferOverlay *self = drawing->self;
  guint width = (guint) GST_VIDEO_FRAME_WIDTH (drawing->frame);
  guint height = (guint) GST_VIDEO_FRAME_HEIGHT (drawing->frame);
  guint32 rgb = weir_marks_colour (g_quark_to_string (roi->roi_type), 0);
  WeirPaint paint;
  WeirRegion box = { .x_px = roi->x, .y_px = roi->y };

  if (roi->x >= width || roi->y >= height)
    return;
  box.width_px = MIN (roi->w, width - roi->x);
  box.height_px = MIN (roi->h, height - roi->y);
  weir_paint_init (&paint, &self->info, rgb);
  weir_paint_box (drawing->frame, &box, drawing->line_px, &paint);
  if (!drawing->settings.show_labels)
    return;
  weir_marks_roi_text (roi, drawing->settings.show_confidence, self->text);
  if (self->text->len > 0)
    draw_caption (drawing, self->text->str, rgb, &box);
}

/* The lower left corner says what happened to a frame without results of its own. */
static void draw_status (Drawing *drawing, const WeirMeta *meta)
{
  guint height = (guint) GST_VIDEO_FRAME_HEIGHT (drawing->frame);
  WeirRegion corner = { .y_px = height, .width_px = 1 };

  if (meta->status != WEIR_STATUS_SKIPPED && meta->status != WEIR_STATUS_FAILED)
    return;
  g_string_assign (drawing->self->text, weir_status_name (meta->status));
  if (meta->reason)
    g_string_append_printf (drawing->self->text, ": %s", meta->reason);
  draw_caption (drawing, drawing->self->text->str, 0x202020, &corner);
}

static void draw (Drawing *drawing, GstBuffer *buffer)
{
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  GstMeta *roi;
  gpointer state = NULL;

  if (meta) {
    draw_status (drawing, meta);
    for (guint i = 0; i < meta->objects->len; i++)
      draw_object (drawing, &g_array_index (meta->objects, WeirMetaObject, i));
    return;
  }
  while ((roi = gst_buffer_iterate_meta_filtered (
              buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)))
    draw_roi (drawing, (GstVideoRegionOfInterestMeta *) roi);
}

static gboolean has_marks (GstBuffer *buffer)
{
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  gpointer state = NULL;

  if (meta)
    return meta->objects->len > 0 || meta->status == WEIR_STATUS_SKIPPED ||
           meta->status == WEIR_STATUS_FAILED;
  return gst_buffer_iterate_meta_filtered (
             buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE) != NULL;
}

/* A frame with nothing to draw stays shared: no copy behind a tee. */
static GstFlowReturn prepare_output_buffer (GstBaseTransform *base, GstBuffer *src, GstBuffer **dst)
{
  if (!has_marks (src)) {
    *dst = src;
    return GST_FLOW_OK;
  }
  return GST_BASE_TRANSFORM_CLASS (weir_overlay_parent_class)
      ->prepare_output_buffer (base, src, dst);
}

/* Measures that scale with the picture: 2 px lines and 12 px letters at 432 lines. */
static void scale_marks (Drawing *drawing)
{
  guint side =
      (guint) MIN (GST_VIDEO_FRAME_WIDTH (drawing->frame), GST_VIDEO_FRAME_HEIGHT (drawing->frame));
  gdouble font_px = MAX (side / 36.0, 8.0) * drawing->settings.font_scale;

  drawing->line_px =
      drawing->settings.line_width ? drawing->settings.line_width : MAX (side / 216, 1);
  drawing->font_px = (guint) lrint (MAX (font_px, 4.0));
}

/* A frame that is not whole passes as it is: the next one may be fine. */
static gboolean map_frame (InferOverlay *self, GstVideoFrame *frame, GstBuffer *buffer)
{
  const gchar *reason;

  if (weir_frame_map_whole (frame, &self->info, buffer, GST_MAP_READWRITE, &reason))
    return TRUE;
  if (weir_bus_is_told (++self->n_failures))
    weir_bus_warning (GST_ELEMENT (self),
        "%s (%" G_GSIZE_FORMAT " bytes, %d x %d %s): nothing is drawn (%" G_GUINT64_FORMAT
        " such frames so far)",
        reason, gst_buffer_get_size (buffer), GST_VIDEO_INFO_WIDTH (&self->info),
        GST_VIDEO_INFO_HEIGHT (&self->info), GST_VIDEO_INFO_NAME (&self->info), self->n_failures);
  return FALSE;
}

static GstFlowReturn transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  InferOverlay *self = WEIR_OVERLAY (base);
  GstVideoFrame frame;
  Drawing drawing = { .self = self, .frame = &frame };

  if (!has_marks (buffer))
    return GST_FLOW_OK;
  if (!map_frame (self, &frame, buffer))
    return GST_FLOW_OK;
  GST_OBJECT_LOCK (self);
  drawing.settings = self->settings;
  GST_OBJECT_UNLOCK (self);
  scale_marks (&drawing);
  g_array_set_size (self->placed, 0);
  draw (&drawing, buffer);
  if (self->captions)
    weir_captions_expire (self->captions);
  gst_video_frame_unmap (&frame);
  return GST_FLOW_OK;
}

static gboolean set_caps (GstBaseTransform *base, GstCaps *sink_caps, GstCaps *src_caps)
{
  return gst_video_info_from_caps (&WEIR_OVERLAY (base)->info, sink_caps);
}

static gboolean stop (GstBaseTransform *base)
{
  InferOverlay *self = WEIR_OVERLAY (base);

  g_clear_pointer (&self->captions, weir_captions_free);
  self->n_failures = 0;
  return TRUE;
}

static void set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  Settings *settings = &WEIR_OVERLAY (object)->settings;

  GST_OBJECT_LOCK (object);
  switch (id) {
  case PROP_FONT_SCALE:
    settings->font_scale = g_value_get_double (value);
    break;
  case PROP_LINE_WIDTH:
    settings->line_width = g_value_get_uint (value);
    break;
  case PROP_SHOW_LABELS:
    settings->show_labels = g_value_get_boolean (value);
    break;
  case PROP_SHOW_CONFIDENCE:
    settings->show_confidence = g_value_get_boolean (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (object);
}

static void get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  Settings *settings = &WEIR_OVERLAY (object)->settings;

  GST_OBJECT_LOCK (object);
  switch (id) {
  case PROP_FONT_SCALE:
    g_value_set_double (value, settings->font_scale);
    break;
  case PROP_LINE_WIDTH:
    g_value_set_uint (value, settings->line_width);
    break;
  case PROP_SHOW_LABELS:
    g_value_set_boolean (value, settings->show_labels);
    break;
  case PROP_SHOW_CONFIDENCE:
    g_value_set_boolean (value, settings->show_confidence);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (object);
}

static void finalize (GObject *object)
{
  InferOverlay *self = WEIR_OVERLAY (object);

  g_array_unref (self->placed);
  g_string_free (self->text, TRUE);
  G_OBJECT_CLASS (weir_overlay_parent_class)->finalize (object);
}

static void install_properties (GObjectClass *class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (class, PROP_FONT_SCALE,
      g_param_spec_double ("font-scale", "Font scale",
          "Height of the letters; 1 = automatic (1/36 of the picture's shorter side)", 0.1, 10.0,
          1.0, flags));
  g_object_class_install_property (class, PROP_LINE_WIDTH,
      g_param_spec_uint ("line-width", "Line width",
          "Width of the lines in pixels; 0 = automatic (1/216 of the picture's shorter side)", 0,
          100, 0, flags));
  g_object_class_install_property (class, PROP_SHOW_LABELS,
      g_param_spec_boolean ("show-labels", "Show labels",
          "Write the label and the attributes of each object", TRUE, flags));
  g_object_class_install_property (class, PROP_SHOW_CONFIDENCE,
      g_param_spec_boolean ("show-confidence", "Show confidence",
          "Write confidences, 0 to 1, behind labels and attributes", TRUE, flags));
}

static void weir_overlay_class_init (InferOverlayClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GstElementClass *element_class = GST_ELEMENT_CLASS (class);
  GstBaseTransformClass *base_class = GST_BASE_TRANSFORM_CLASS (class);
  g_autoptr (GstCaps) caps = gst_caps_from_string (GST_VIDEO_CAPS_MAKE (WEIR_VIDEO_FORMATS));

  GST_DEBUG_CATEGORY_INIT (weir_overlay_debug, "inferoverlay", 0, "draws inference results");
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties (object_class);
  gst_element_class_set_static_metadata (element_class, "Inference overlay", "Filter/Editor/Video",
      "Draws boxes, labels, attributes and landmarks that inference found", "The Weir developers");
  gst_element_class_add_pad_template (
      element_class, gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (
      element_class, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  base_class->set_caps = set_caps;
  base_class->stop = stop;
  base_class->prepare_output_buffer = prepare_output_buffer;
  base_class->transform_ip = transform_ip;
}

static void weir_overlay_init (InferOverlay *self)
{
  self->settings = (Settings){ .font_scale = 1.0, .show_labels = TRUE, .show_confidence = TRUE };
  self->placed = g_array_new (FALSE, FALSE, sizeof (GstVideoRectangle));
  self->text = g_string_new (NULL);
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
}
