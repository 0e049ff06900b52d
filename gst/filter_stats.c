/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine's table of fields as a structure, with `-` for `_`. */
#include "gst/filter_stats.h"

#include "engine/stats_fields.h"

static void take_counts (GValue *array, const guint64 *counts, guint n)
{
  gst_value_array_init (array, n);
  for (guint i = 0; i < n; i++) {
    GValue value = G_VALUE_INIT;
    g_value_init (&value, G_TYPE_UINT64);
    g_value_set_uint64 (&value, counts[i]);
    gst_value_array_append_and_take_value (array, &value);
  }
}

static void read_field (const WeirStats *stats, const WeirStatsField *field, GValue *value)
{
  gconstpointer at = (const guint8 *) stats + field->offset;
  switch (field->type) {
  case WEIR_STATS_U32:
    g_value_init (value, G_TYPE_UINT);
    g_value_set_uint (value, *(const guint32 *) at);
    break;
  case WEIR_STATS_U64:
    g_value_init (value, G_TYPE_UINT64);
    g_value_set_uint64 (value, *(const guint64 *) at);
    break;
  case WEIR_STATS_REAL:
    g_value_init (value, G_TYPE_DOUBLE);
    g_value_set_double (value, *(const gdouble *) at);
    break;
  case WEIR_STATS_NAME:
  case WEIR_STATS_TEXT:
    g_value_init (value, G_TYPE_STRING);
    g_value_set_string (value, field->type == WEIR_STATS_NAME ? at : *(const gchar *const *) at);
    break;
  case WEIR_STATS_COUNTS:
    take_counts (value, at, weir_stats_n_counts (stats));
    break;
  }
}

GstStructure *weir_stats_to_structure (
    const WeirStats *stats, guint64 n_frames, const WeirStreamStats *stream)
{
  GstStructure *structure = gst_structure_new ("weir-stats", "frames", G_TYPE_UINT64, n_frames,
      "stream-items", G_TYPE_UINT64, stream->n_items, "stream-skipped", G_TYPE_UINT64,
      stream->n_skipped, "stream-failed", G_TYPE_UINT64, stream->n_failed, NULL);
  guint n_fields;
  const WeirStatsField *fields = weir_stats_fields (&n_fields);
  for (guint i = 0; stats && i < n_fields; i++) {
    g_autofree gchar *name = g_strdelimit (g_strdup (fields[i].name), "_", '-');
    GValue value = G_VALUE_INIT;
    read_field (stats, &fields[i], &value);
    gst_structure_take_value (structure, name, &value);
  }
  return structure;
}
