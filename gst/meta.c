/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirMeta: registration, deep copies, and the rule that turns fractions into whole pixels. */
#include "gst/meta.h"

#include <math.h>
#include <string.h>

/* A fraction that was made from whole pixels must give these pixels back: its product with the
 * size is off by some 1e-13; nothing that a network says is meant to a millionth of a pixel. */
#define PIXEL_NOISE 1e-6

static void clear_tensor (gpointer data)
{
  WeirMetaTensor *tensor = data;
  g_free (tensor->name);
  g_free (tensor->model);
  g_free (tensor->data);
}

static void clear_class (gpointer data)
{
  WeirMetaClass *c = data;
  g_free (c->label);
}

static void clear_attribute (gpointer data)
{
  WeirMetaAttribute *attribute = data;
  g_free (attribute->name);
  g_free (attribute->model);
  g_array_unref (attribute->classes);
}

static void clear_object (gpointer data)
{
  WeirMetaObject *object = data;
  g_free (object->label);
  g_array_unref (object->attributes);
  g_array_unref (object->tensors);
}

static GArray *new_array (guint element_bytes, GDestroyNotify clear)
{
  GArray *array = g_array_new (FALSE, TRUE, element_bytes);
  g_array_set_clear_func (array, clear);
  return array;
}

/* Appends a zeroed element. */
static gpointer append (GArray *array)
{
  const guint index = array->len;
  g_array_set_size (array, index + 1);
  return array->data + (gsize) index * g_array_get_element_size (array);
}

static void init_object (WeirMetaObject *object)
{
  object->analytics_id = -1;
  object->attributes = new_array (sizeof (WeirMetaAttribute), clear_attribute);
  object->tensors = new_array (sizeof (WeirMetaTensor), clear_tensor);
}

WeirMetaObject *weir_meta_add_object (WeirMeta *meta)
{
  WeirMetaObject *object = append (meta->objects);
  init_object (object);
  return object;
}

WeirMetaObject *weir_meta_object_new (void)
{
  WeirMetaObject *object = g_new0 (WeirMetaObject, 1);
  init_object (object);
  return object;
}

void weir_meta_object_free (WeirMetaObject *object)
{
  if (!object)
    return;
  clear_object (object);
  g_free (object);
}

WeirMetaObject *weir_meta_find_object (WeirMeta *meta, guint region_id)
{
  for (guint i = 0; i < meta->objects->len; i++) {
    WeirMetaObject *object = &g_array_index (meta->objects, WeirMetaObject, i);
    if (object->region_id == region_id)
      return object;
  }
  return NULL;
}

WeirMetaAttribute *weir_meta_object_add_attribute (
    WeirMetaObject *object, const gchar *name, const gchar *model)
{
  WeirMetaAttribute *attribute = append (object->attributes);
  attribute->name = g_strdup (name);
  attribute->model = g_strdup (model);
  attribute->classes = new_array (sizeof (WeirMetaClass), clear_class);
  return attribute;
}

void weir_meta_attribute_add_class (
    WeirMetaAttribute *attribute, const gchar *label, gint label_id, gdouble confidence)
{
  WeirMetaClass *c = append (attribute->classes);
  c->label = g_strdup (label);
  c->label_id = label_id;
  c->confidence = confidence;
}

WeirMetaTensor *weir_meta_object_add_tensor (
    WeirMetaObject *object, const WeirNamedTensor *tensor, const gchar *model)
{
  WeirMetaTensor *copy = append (object->tensors);
  copy->name = g_strdup (tensor->name);
  copy->model = g_strdup (model);
  copy->rank = tensor->rank;
  memcpy (copy->dims, tensor->dims, sizeof copy->dims);
  copy->n_elements = tensor->n_elements;
  copy->data = g_memdup2 (tensor->data, tensor->n_elements * sizeof *tensor->data);
  return copy;
}

gboolean weir_meta_tensor_is_points (const WeirMetaTensor *tensor)
{
  static const gchar *const names[] = { "landmarks", "keypoints", NULL };
  return tensor->rank == 2 && tensor->dims[1] == 2 && tensor->name &&
         g_strv_contains (names, tensor->name);
}

void weir_meta_tensor_move (WeirMetaTensor *tensor, const gdouble src[4], const gdouble dst[4])
{
  if (!weir_meta_tensor_is_points (tensor))
    return;
  for (guint axis = 0; axis < 2; axis++) {
    const gdouble size = src[2 + axis] - src[axis];
    const gdouble scale = size > 0 ? (dst[2 + axis] - dst[axis]) / size : 0;
    for (gsize i = axis; i < tensor->n_elements; i += 2)
      tensor->data[i] = (gfloat) (dst[axis] + scale * ((gdouble) tensor->data[i] - src[axis]));
  }
}

/* First and last pixel line that an interval of fractions touches. */
static void interval_pixels (gdouble min, gdouble max, guint size, guint32 *start, guint32 *length)
{
  if (size == 0) {
    *start = *length = 0;
    return;
  }
  const gdouble low = floor (fmin (fmax (min, 0), 1) * size + PIXEL_NOISE);
  const gdouble high = ceil (fmin (fmax (max, 0), 1) * size - PIXEL_NOISE);
  const gdouble first = fmin (low, (gdouble) size - 1);
  *start = (guint32) first;
  *length = (guint32) fmax (high - first, 1);
}

void weir_meta_object_pixels (
    const WeirMetaObject *object, guint width, guint height, WeirRegion *pixels)
{
  interval_pixels (object->x_min, object->x_max, width, &pixels->x_px, &pixels->width_px);
  interval_pixels (object->y_min, object->y_max, height, &pixels->y_px, &pixels->height_px);
}

WeirBox weir_meta_object_box (const WeirMetaObject *object, const WeirFrame *frame)
{
  WeirRegion pixels;
  if (object->box.width_px > 0 && object->box.height_px > 0)
    return object->box;
  weir_meta_object_pixels (object, frame->width_px, frame->height_px, &pixels);
  return weir_box_make (pixels.x_px, pixels.y_px, pixels.width_px, pixels.height_px);
}

static void append_attributes (WeirMetaObject *dst, const WeirMetaObject *src, guint first)
{
  for (guint i = first; i < src->attributes->len; i++) {
    const WeirMetaAttribute *from = &g_array_index (src->attributes, WeirMetaAttribute, i);
    WeirMetaAttribute *to = weir_meta_object_add_attribute (dst, from->name, from->model);
    for (guint k = 0; k < from->classes->len; k++) {
      const WeirMetaClass *c = &g_array_index (from->classes, WeirMetaClass, k);
      weir_meta_attribute_add_class (to, c->label, c->label_id, c->confidence);
    }
    to->age = from->age;
  }
}

static void append_tensors (WeirMetaObject *dst, const WeirMetaObject *src, guint first)
{
  for (guint i = first; i < src->tensors->len; i++) {
    const WeirMetaTensor *from = &g_array_index (src->tensors, WeirMetaTensor, i);
    WeirNamedTensor named = {
      .name = from->name, .rank = from->rank, .n_elements = from->n_elements, .data = from->data
    };
    memcpy (named.dims, from->dims, sizeof named.dims);
    weir_meta_object_add_tensor (dst, &named, from->model)->age = from->age;
  }
}

void weir_meta_object_append_results (
    WeirMetaObject *dst, const WeirMetaObject *src, guint first_attribute, guint first_tensor)
{
  append_attributes (dst, src, first_attribute);
  append_tensors (dst, src, first_tensor);
}

static void copy_objects (WeirMeta *dst, const WeirMeta *src)
{
  for (guint i = 0; i < src->objects->len; i++) {
    const WeirMetaObject *from = &g_array_index (src->objects, WeirMetaObject, i);
    WeirMetaObject *to = weir_meta_add_object (dst);
    GArray *attributes = to->attributes, *tensors = to->tensors;
    *to = *from;
    to->label = g_strdup (from->label);
    to->attributes = attributes;
    to->tensors = tensors;
    weir_meta_object_append_results (to, from, 0, 0);
  }
}

/* The public metas are scaled by GStreamer, from whole pixels to whole pixels; what they have
 * become is known only by doing the same. */
static void scale_boxes (WeirMeta *meta, const GstVideoMetaTransform *transform)
{
  const GstVideoInfo *src = transform->in_info, *dst = transform->out_info;
  if (GST_VIDEO_INFO_WIDTH (src) <= 0 || GST_VIDEO_INFO_HEIGHT (src) <= 0)
    return;
  for (guint i = 0; i < meta->objects->len; i++) {
    WeirBox *box = &g_array_index (meta->objects, WeirMetaObject, i).box;
    *box = weir_box_scale (box, GST_VIDEO_INFO_WIDTH (src), GST_VIDEO_INFO_HEIGHT (src),
        GST_VIDEO_INFO_WIDTH (dst), GST_VIDEO_INFO_HEIGHT (dst));
  }
}

static gboolean init_meta (GstMeta *base, gpointer params, GstBuffer *buffer)
{
  WeirMeta *meta = (WeirMeta *) base;
  meta->status = WEIR_STATUS_INFERRED;
  meta->reason = NULL;
  meta->reused_age = 0;
  meta->stream = NULL;
  meta->frame = 0;
  meta->objects = new_array (sizeof (WeirMetaObject), clear_object);
  return TRUE;
}

static void free_meta (GstMeta *base, GstBuffer *buffer)
{
  WeirMeta *meta = (WeirMeta *) base;
  g_free (meta->reason);
  g_free (meta->stream);
  g_array_unref (meta->objects);
}

/* Copies go along whole; after scaling the fractions hold as they are. A part of the bytes is no
 * picture, and any other transformation (a crop, say) would leave the boxes wrong. */
static gboolean transform_meta (
    GstBuffer *dst, GstMeta *base, GstBuffer *src, GQuark type, gpointer data)
{
  const WeirMeta *meta = (const WeirMeta *) base;
  if (GST_META_TRANSFORM_IS_COPY (type)) {
    if (((GstMetaTransformCopy *) data)->region)
      return FALSE;
  } else if (!GST_VIDEO_META_TRANSFORM_IS_SCALE (type)) {
    return FALSE;
  }
  if (weir_buffer_get_meta (dst))
    return TRUE;
  WeirMeta *copy = weir_buffer_ensure_meta (dst);
  copy->status = meta->status;
  copy->reason = g_strdup (meta->reason);
  copy->reused_age = meta->reused_age;
  copy->stream = g_strdup (meta->stream);
  copy->frame = meta->frame;
  copy_objects (copy, meta);
  if (GST_VIDEO_META_TRANSFORM_IS_SCALE (type))
    scale_boxes (copy, data);
  return TRUE;
}

GType weir_meta_api_get_type (void)
{
  static gsize once;
  if (g_once_init_enter (&once)) {
    static const gchar *tags[] = { GST_META_TAG_VIDEO_STR, GST_META_TAG_VIDEO_SIZE_STR, NULL };
    g_once_init_leave (&once, gst_meta_api_type_register ("WeirMetaAPI", tags));
  }
  return (GType) once;
}

const GstMetaInfo *weir_meta_get_info (void)
{
  static gsize once;
  if (g_once_init_enter (&once)) {
    const GstMetaInfo *info = gst_meta_register (weir_meta_api_get_type (), "WeirMeta",
        sizeof (WeirMeta), init_meta, free_meta, transform_meta);
    g_once_init_leave (&once, (gsize) info);
  }
  return (const GstMetaInfo *) once;
}

WeirMeta *weir_buffer_get_meta (GstBuffer *buffer)
{
  return (WeirMeta *) gst_buffer_get_meta (buffer, weir_meta_api_get_type ());
}

WeirMeta *weir_buffer_ensure_meta (GstBuffer *buffer)
{
  WeirMeta *meta = weir_buffer_get_meta (buffer);
  return meta ? meta : (WeirMeta *) gst_buffer_add_meta (buffer, weir_meta_get_info (), NULL);
}
