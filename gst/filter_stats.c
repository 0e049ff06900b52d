/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fields of `stats` by table of offsets. */
#include "gst/filter_stats.h"

typedef struct Field {
  const gchar *name;
  GType (*type) (void);
  gsize offset;
} Field;

static GType type_string (void)
{
  return G_TYPE_STRING;
}

static GType type_uint (void)
{
  return G_TYPE_UINT;
}

static GType type_uint64 (void)
{
  return G_TYPE_UINT64;
}

#define UINT(name, field)                               \
  {                                                     \
    name, type_uint, G_STRUCT_OFFSET (WeirStats, field) \
  }
#define UINT64(name, field)                               \
  {                                                       \
    name, type_uint64, G_STRUCT_OFFSET (WeirStats, field) \
  }
#define STRING(name, field)                               \
  {                                                       \
    name, type_string, G_STRUCT_OFFSET (WeirStats, field) \
  }

static const Field fields[] = {
  UINT ("streams", n_streams),
  UINT ("num-requests", num_requests),
  UINT ("in-flight", in_flight),
  UINT ("workers", n_workers),
  UINT ("batch-max", batch_max),
  STRING ("batch-max-reason", batch_max_reason),
  STRING ("batch-limit-reason", batch_limit_reason),
  UINT64 ("items", n_items),
  UINT64 ("batches", n_batches),
  UINT64 ("cut-full", cut_full),
  UINT64 ("cut-complete", cut_complete),
  UINT64 ("cut-deadline", cut_deadline),
  UINT64 ("cut-idle", cut_idle),
  UINT64 ("cut-drain", cut_drain),
  UINT64 ("wait-us-p50", wait_us_p50),
  UINT64 ("wait-us-p90", wait_us_p90),
  UINT64 ("wait-us-p99", wait_us_p99),
  UINT64 ("service-us-p50", service_us_p50),
  UINT64 ("service-us-p90", service_us_p90),
  UINT64 ("service-us-p99", service_us_p99),
  UINT64 ("latency-us-p50", latency_us_p50),
  UINT64 ("latency-us-p90", latency_us_p90),
  UINT64 ("latency-us-p99", latency_us_p99),
  UINT64 ("skipped", n_skipped),
  UINT64 ("failed", n_failed),
  UINT64 ("retried", n_retried),
  UINT64 ("memory-bytes", memory_bytes),
  UINT64 ("busy-us", busy_us),
  UINT64 ("loads", n_loads),
};

static void append_histogram (GstStructure *structure, const WeirStats *stats)
{
  GValue array = G_VALUE_INIT;
  gst_value_array_init (&array, stats->batch_max + 1);
  const guint last = MIN (stats->batch_max, G_N_ELEMENTS (stats->batch_histogram) - 1);
  for (guint n = 0; n <= last; n++) {
    GValue value = G_VALUE_INIT;
    g_value_init (&value, G_TYPE_UINT64);
    g_value_set_uint64 (&value, stats->batch_histogram[n]);
    gst_value_array_append_and_take_value (&array, &value);
  }
  gst_structure_take_value (structure, "batch-histogram", &array);
}

static void append_field (GstStructure *structure, const WeirStats *stats, const Field *field)
{
  gconstpointer at = (const guint8 *) stats + field->offset;
  const GType type = field->type ();
  if (type == G_TYPE_STRING) {
    if (*(const gchar *const *) at)
      gst_structure_set (structure, field->name, type, *(const gchar *const *) at, NULL);
  } else if (type == G_TYPE_UINT) {
    gst_structure_set (structure, field->name, type, *(const guint32 *) at, NULL);
  } else {
    gst_structure_set (structure, field->name, type, *(const guint64 *) at, NULL);
  }
}

GstStructure *weir_stats_to_structure (
    const WeirStats *stats, guint64 n_frames, guint64 n_stream_items)
{
  GstStructure *structure = gst_structure_new ("weir-stats", "frames", G_TYPE_UINT64, n_frames,
      "stream-items", G_TYPE_UINT64, n_stream_items, NULL);
  if (!stats)
    return structure;
  gst_structure_set (structure, "device", G_TYPE_STRING, stats->device, "precision", G_TYPE_STRING,
      stats->precision, "load-ms", G_TYPE_DOUBLE, stats->load_ms, "mean-batch", G_TYPE_DOUBLE,
      stats->n_batches ? (gdouble) stats->n_items / (gdouble) stats->n_batches : 0.0, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    append_field (structure, stats, &fields[i]);
  append_histogram (structure, stats);
  return structure;
}
