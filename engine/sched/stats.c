/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a session's counters, and the same as JSON: one table of fields. */
#include "engine/sched/session_types.h"

#include <json-glib/json-glib.h>

static void read_percentiles (
    const WeirHistogram *histogram, uint64_t *p50, uint64_t *p90, uint64_t *p99)
{
  *p50 = weir_histogram_percentile (histogram, 50);
  *p90 = weir_histogram_percentile (histogram, 90);
  *p99 = weir_histogram_percentile (histogram, 99);
}

/* [lock] */
static void read_counters (const WeirSession *session, WeirStats *stats)
{
  const WeirQueue *queue = &session->queue;
  stats->n_streams = queue->lanes->len;
  stats->num_requests = weir_queue_limit (queue);
  stats->in_flight = queue->n_in_flight;
  stats->batch_max =
      weir_queue_batch_max (queue, session->batch_max_reason, &stats->batch_max_reason);
  stats->service_fixed_us = (uint64_t) queue->service.fixed_ns / 1000;
  stats->service_per_item_us = (uint64_t) queue->service.per_item_ns / 1000;
  stats->wait_bound_us = queue->bound_ns / 1000;
  stats->batch_limit_reason = session->batch_limit_reason;
  stats->n_items = session->n_items;
  stats->n_batches = session->n_batches;
  memcpy (stats->batch_histogram, session->batch_histogram, sizeof stats->batch_histogram);
  stats->cut_full = queue->n_cuts[WEIR_CUT_FULL];
  stats->cut_complete = queue->n_cuts[WEIR_CUT_COMPLETE];
  stats->cut_deadline = queue->n_cuts[WEIR_CUT_DEADLINE];
  stats->cut_idle = queue->n_cuts[WEIR_CUT_IDLE];
  stats->cut_drain = queue->n_cuts[WEIR_CUT_DRAIN];
  read_percentiles (
      &session->wait_us, &stats->wait_us_p50, &stats->wait_us_p90, &stats->wait_us_p99);
  read_percentiles (
      &session->service_us, &stats->service_us_p50, &stats->service_us_p90, &stats->service_us_p99);
  read_percentiles (
      &session->latency_us, &stats->latency_us_p50, &stats->latency_us_p90, &stats->latency_us_p99);
  stats->n_skipped = session->n_skipped;
  stats->n_failed = session->n_failed;
  stats->n_retried = session->n_retried;
  stats->busy_us = session->busy_ns / 1000;
  for (uint32_t i = 0; i < session->n_workers; i++)
    stats->memory_bytes += session->workers[i].block_bytes;
}

void weir_session_stats (WeirSession *session, WeirStats *stats)
{
  *stats =
      (WeirStats){ .n_workers = session->n_workers, .load_ms = session->load_ms, .n_loads = 1 };
  g_strlcpy (stats->device, session->device_name, sizeof stats->device);
  g_strlcpy (stats->precision, weir_precision_name (weir_target_precision (session->target)),
      sizeof stats->precision);
  weir_mutex_lock (&session->lock);
  read_counters (session, stats);
  weir_mutex_unlock (&session->lock);
  stats->memory_bytes += weir_target_weight_bytes (session->target);
}

typedef struct Field {
  const char *name;
  size_t offset;
  size_t size; /* of an unsigned integer; 0: double */
} Field;

#define FIELD(name, member)                                                \
  {                                                                        \
    name, offsetof (WeirStats, member), sizeof (((WeirStats *) 0)->member) \
  }

static const Field fields[] = {
  FIELD ("streams", n_streams),
  FIELD ("num_requests", num_requests),
  FIELD ("in_flight", in_flight),
  FIELD ("batch_max", batch_max),
  FIELD ("items", n_items),
  FIELD ("batches", n_batches),
  FIELD ("cut_full", cut_full),
  FIELD ("cut_complete", cut_complete),
  FIELD ("cut_deadline", cut_deadline),
  FIELD ("cut_idle", cut_idle),
  FIELD ("cut_drain", cut_drain),
  FIELD ("wait_us_p50", wait_us_p50),
  FIELD ("wait_us_p90", wait_us_p90),
  FIELD ("wait_us_p99", wait_us_p99),
  FIELD ("service_us_p50", service_us_p50),
  FIELD ("service_us_p90", service_us_p90),
  FIELD ("service_us_p99", service_us_p99),
  FIELD ("latency_us_p50", latency_us_p50),
  FIELD ("latency_us_p90", latency_us_p90),
  FIELD ("latency_us_p99", latency_us_p99),
  FIELD ("skipped", n_skipped),
  FIELD ("failed", n_failed),
  FIELD ("retried", n_retried),
  FIELD ("memory_bytes", memory_bytes),
  FIELD ("workers", n_workers),
  FIELD ("loads", n_loads),
};

static void write_fields (JsonBuilder *json, const WeirStats *stats)
{
  for (uint32_t i = 0; i < G_N_ELEMENTS (fields); i++) {
    const char *address = (const char *) stats + fields[i].offset;
    uint32_t narrow;
    uint64_t wide;
    memcpy (&narrow, address, sizeof narrow);
    memcpy (&wide, address, fields[i].size);
    json_builder_set_member_name (json, fields[i].name);
    json_builder_add_int_value (json, (gint64) (fields[i].size == sizeof wide ? wide : narrow));
  }
}

static void write_histogram (JsonBuilder *json, const WeirStats *stats)
{
  uint32_t n = MAX (stats->batch_max, 1);
  for (uint32_t i = n; i < G_N_ELEMENTS (stats->batch_histogram); i++)
    if (stats->batch_histogram[i])
      n = i;
  json_builder_set_member_name (json, "batch_histogram");
  json_builder_begin_array (json);
  for (uint32_t i = 0; i <= n; i++)
    json_builder_add_int_value (json, (gint64) stats->batch_histogram[i]);
  json_builder_end_array (json);
}

char *weir_stats_to_json (const WeirStats *stats)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  json_builder_begin_object (json);
  json_builder_set_member_name (json, "device");
  json_builder_add_string_value (json, stats->device);
  json_builder_set_member_name (json, "precision");
  json_builder_add_string_value (json, stats->precision);
  json_builder_set_member_name (json, "batch_max_reason");
  json_builder_add_string_value (json, stats->batch_max_reason);
  json_builder_set_member_name (json, "batch_limit_reason");
  json_builder_add_string_value (json, stats->batch_limit_reason);
  write_fields (json, stats);
  json_builder_set_member_name (json, "mean_batch");
  json_builder_add_double_value (
      json, stats->n_batches ? (double) stats->n_items / (double) stats->n_batches : 0);
  json_builder_set_member_name (json, "load_ms");
  json_builder_add_double_value (json, stats->load_ms);
  write_histogram (json, stats);
  json_builder_end_object (json);
  g_autoptr (JsonNode) root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}
