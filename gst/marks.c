/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Colours by label (a stable hash into a palette of distant hues) and texts of objects. */
#include "gst/marks.h"

#include <math.h>

/* Neighbours differ in hue and in lightness, so that close indices stay apart on any picture. */
static const guint32 palette[] = {
  0xe6194b,
  0x3cb44b,
  0xffe119,
  0x4363d8,
  0xf58231,
  0x911eb4,
  0x42d4f4,
  0xf032e6,
  0xbfef45,
  0xfabed4,
  0x469990,
  0xdcbeff,
  0x9a6324,
  0xfffac8,
  0x800000,
  0xaaffc3,
};

guint32 weir_marks_colour (const gchar *label, gint label_id)
{
  guint32 hash = 2166136261u; /* FNV-1a */

  if (!label || !*label)
    return palette[(guint) label_id % G_N_ELEMENTS (palette)];
  for (; *label; label++)
    hash = (hash ^ (guint8) *label) * 16777619u;
  return palette[(hash ^ (hash >> 16)) % G_N_ELEMENTS (palette)];
}

gboolean weir_marks_is_points (const WeirMetaTensor *tensor)
{
  static const gchar *const names[] = { "landmarks", "keypoints", NULL };

  return tensor->rank == 2 && tensor->dims[1] == 2 && tensor->name &&
         g_strv_contains (names, tensor->name);
}

static void append_word (GString *text, const gchar *word)
{
  if (text->len > 0)
    g_string_append_c (text, ' ');
  g_string_append (text, word);
}

/* A text read by a network may have none. */
static void append_confidence (GString *text, gdouble confidence)
{
  gchar digits[G_ASCII_DTOSTR_BUF_SIZE];

  if (isnan (confidence))
    return;
  append_word (text, g_ascii_formatd (digits, sizeof digits, "%.2f", confidence));
}

void weir_marks_object_text (const WeirMetaObject *object, gboolean confidence, GString *text)
{
  g_string_truncate (text, 0);
  if (object->label && *object->label)
    append_word (text, object->label);
  if (confidence && object->is_detection && object->attributes->len == 0)
    append_confidence (text, object->confidence);
  for (guint i = 0; i < object->attributes->len; i++) {
    const WeirMetaAttribute *attribute = &g_array_index (object->attributes, WeirMetaAttribute, i);
    const WeirMetaClass *best = &g_array_index (attribute->classes, WeirMetaClass, 0);
    if (attribute->classes->len == 0)
      continue;
    append_word (text, best->label ? best->label : "?");
    if (confidence)
      append_confidence (text, best->confidence);
  }
}

void weir_marks_roi_text (
    const GstVideoRegionOfInterestMeta *roi, gboolean confidence, GString *text)
{
  const gchar *type = g_quark_to_string (roi->roi_type);

  g_string_truncate (text, 0);
  if (type && *type)
    append_word (text, type);
  for (const GList *l = roi->params; l; l = l->next) {
    const GstStructure *param = l->data;
    gboolean is_detection = gst_structure_has_name (param, "detection");
    const gchar *label = is_detection ? NULL : gst_structure_get_string (param, "label");
    gdouble value;
    if (label)
      append_word (text, label);
    if (confidence && (label || is_detection) &&
        gst_structure_get_double (param, "confidence", &value))
      append_confidence (text, value);
  }
}
