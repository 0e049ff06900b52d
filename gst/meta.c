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

WeirMetaObject *weir_meta_add_object (WeirMeta *meta)
{
  WeirMetaObject *object = append (meta->objects);
  object->attributes = new_array (sizeof (WeirMetaAttribute), clear_attribute);
  object->tensors = new_array (sizeof (WeirMetaTensor), clear_tensor);
  return object;
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

void weir_meta_object_add_tensor (
    WeirMetaObject *object, const WeirNamedTensor *tensor, const gchar *model)
{
  WeirMetaTensor *copy = append (object->tensors);
  copy->name = g_strdup (tensor->name);
  copy->model = g_strdup (model);
  copy->rank = tensor->rank;
  memcpy (copy->dims, tensor->dims, sizeof copy->dims);
  copy->n_elements = tensor->n_elements;
  copy->data = g_memdup2 (tensor->data, tensor->n_elements * sizeof *tensor->data);
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

static void copy_attributes (WeirMetaObject *dst, const WeirMetaObject *src)
{
  for (guint i = 0; i < src->attributes->len; i++) {
    const WeirMetaAttribute *from = &g_array_index (src->attributes, WeirMetaAttribute, i);
    WeirMetaAttribute *to = weir_meta_object_add_attribute (dst, from->name, from->model);
    for (guint k = 0; k < from->classes->len; k++) {
      const WeirMetaClass *c = &g_array_index (from->classes, WeirMetaClass, k);
      weir_meta_attribute_add_class (to, c->label, c->label_id, c->confidence);
    }
  }
}

static void copy_tensors (WeirMetaObject *dst, const WeirMetaObject *src)
{
  for (guint i = 0; i < src->tensors->len; i++) {
    const WeirMetaTensor *from = &g_array_index (src->tensors, WeirMetaTensor, i);
    WeirNamedTensor named = {
      .name = from->name, .rank = from->rank, .n_elements = from->n_elements, .data = from->data
    };
    memcpy (named.dims, from->dims, sizeof named.dims);
    weir_meta_object_add_tensor (dst, &named, from->model);
  }
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
    copy_attributes (to, from);
    copy_tensors (to, from);
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
