/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Colours by label (a stable hash into a palette of distant hues) and texts of objects. */
#include "gst/marks.h"

#include "gst/roi.h"
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

/* "face #7": the number of its track. */
static void append_track (GString *text, guint64 track_id)
{
  gchar digits[24];

  if (track_id == 0)
    return;
  g_snprintf (digits, sizeof digits, "#%" G_GUINT64_FORMAT, track_id);
  append_word (text, digits);
}

/* What is true of the object goes by its name, what is false unsaid. */
static void append_attribute (
    GString *text, const gchar *name, const gchar *label, gdouble confidence)
{
  const gboolean is_true = g_strcmp0 (label, "true") == 0;

  if (g_strcmp0 (label, "false") == 0)
    return;
  append_word (text, is_true && name ? name : label ? label : "?");
  append_confidence (text, confidence);
}

void weir_marks_object_text (const WeirMetaObject *object, gboolean confidence, GString *text)
{
  g_string_truncate (text, 0);
  if (object->label && *object->label)
    append_word (text, object->label);
  append_track (text, object->track_id);
  if (confidence && object->is_detection && object->attributes->len == 0)
    append_confidence (text, object->confidence);
  for (guint i = 0; i < object->attributes->len; i++) {
    const WeirMetaAttribute *attribute = &g_array_index (object->attributes, WeirMetaAttribute, i);
    const WeirMetaClass *best = &g_array_index (attribute->classes, WeirMetaClass, 0);
    if (attribute->classes->len == 0)
      continue;
    append_attribute (text, attribute->name, best->label, confidence ? best->confidence : NAN);
  }
}

void weir_marks_roi_text (
    const GstVideoRegionOfInterestMeta *roi, gboolean confidence, GString *text)
{
  const gchar *type = g_quark_to_string (roi->roi_type);

  g_string_truncate (text, 0);
  if (type && *type)
    append_word (text, type);
  append_track (text, weir_roi_track_id (roi));
  for (const GList *l = roi->params; l; l = l->next) {
    const GstStructure *param = l->data;
    gdouble value = NAN;
    if (confidence)
      gst_structure_get_double (param, "confidence", &value);
    if (gst_structure_has_name (param, "detection"))
      append_confidence (text, value);
    else if (gst_structure_has_field_typed (param, "label", G_TYPE_STRING))
      append_attribute (
          text, gst_structure_get_name (param), gst_structure_get_string (param, "label"), value);
  }
}
