/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a session's counters, and the same as JSON by the table of fields. */
#include "engine/sched/session_types.h"
#include "engine/stats_fields.h"

#include <json-glib/json-glib.h>

static void read_percentiles (
    const WeirHistogram *histogram, uint64_t *p50, uint64_t *p90, uint64_t *p99)
{
  *p50 = weir_histogram_percentile (histogram, 50);
  *p90 = weir_histogram_percentile (histogram, 90);
  *p99 = weir_histogram_percentile (histogram, 99);
}

typedef struct Times {
  WeirHistogram wait_us, service_us, latency_us;
} Times;

static void read_times (const Times *times, WeirStats *stats)
{
  read_percentiles (&times->wait_us, &stats->wait_us_p50, &stats->wait_us_p90, &stats->wait_us_p99);
  read_percentiles (
      &times->service_us, &stats->service_us_p50, &stats->service_us_p90, &stats->service_us_p99);
  read_percentiles (
      &times->latency_us, &stats->latency_us_p50, &stats->latency_us_p90, &stats->latency_us_p99);
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
  stats->batch_target = weir_queue_target (queue);
  stats->service_fixed_us = (uint64_t) queue->service.fixed_ns / 1000;
  stats->service_per_item_us = (uint64_t) queue->service.per_item_ns / 1000;
  stats->wait_bound_us = queue->bound_ns / 1000;
  stats->batch_limit_reason = session->site->batch_limit_reason;
  stats->n_items = session->n_items;
  stats->n_batches = session->n_batches;
  memcpy (stats->batch_histogram, session->batch_histogram,
      (session->n_largest + 1) * sizeof *stats->batch_histogram);
  stats->cut_full = queue->n_cuts[WEIR_CUT_FULL];
  stats->cut_complete = queue->n_cuts[WEIR_CUT_COMPLETE];
  stats->cut_deadline = queue->n_cuts[WEIR_CUT_DEADLINE];
  stats->cut_idle = queue->n_cuts[WEIR_CUT_IDLE];
  stats->cut_drain = queue->n_cuts[WEIR_CUT_DRAIN];
  stats->n_skipped = session->n_skipped;
  stats->n_failed = session->n_failed;
  stats->n_retried = session->n_retried;
  stats->busy_us = session->busy_ns / 1000;
  stats->n_loads = session->n_loads;
  stats->n_workers = session->n_workers;
  for (uint32_t i = 0; i < session->n_workers; i++)
    stats->memory_bytes += session->workers[i].block_bytes + session->workers[i].device_bytes;
}

/* Workers wait for the lock, so that under it is only copying. */
void weir_session_stats (WeirSession *session, WeirStats *stats)
{
  g_autoptr (WeirSite) site = weir_session_ref_site (session);
  Times times;
  *stats = (WeirStats){ .load_ms = session->load_ms };
  g_strlcpy (stats->device, site->candidate->name, sizeof stats->device);
  g_strlcpy (stats->precision, weir_precision_name (site->precision), sizeof stats->precision);
  weir_mutex_lock (&session->lock);
  read_counters (session, stats);
  times = (Times){ session->wait_us, session->service_us, session->latency_us };
  weir_mutex_unlock (&session->lock);
  read_times (&times, stats);
  if (stats->n_batches)
    stats->mean_batch = (double) stats->n_items / (double) stats->n_batches;
  stats->memory_bytes += site->target ? weir_target_weight_bytes (site->target) : 0;
  stats->memory_planned_bytes = site->memory_planned_bytes;
  stats->memory_available_bytes = site->memory_available_bytes;
}

static void write_counts (JsonBuilder *json, const uint64_t *counts, uint32_t n)
{
  json_builder_begin_array (json);
  for (uint32_t i = 0; i < n; i++)
    json_builder_add_int_value (json, (gint64) counts[i]);
  json_builder_end_array (json);
}

static void write_field (JsonBuilder *json, const WeirStats *stats, const WeirStatsField *field)
{
  const void *at = (const char *) stats + field->offset;
  json_builder_set_member_name (json, field->name);
  switch (field->type) {
  case WEIR_STATS_U32:
    json_builder_add_int_value (json, *(const uint32_t *) at);
    break;
  case WEIR_STATS_U64:
    json_builder_add_int_value (json, (gint64) * (const uint64_t *) at);
    break;
  case WEIR_STATS_REAL:
    json_builder_add_double_value (json, *(const double *) at);
    break;
  case WEIR_STATS_NAME:
    json_builder_add_string_value (json, at);
    break;
  case WEIR_STATS_TEXT:
    json_builder_add_string_value (json, *(const char *const *) at); /* NULL is null */
    break;
  case WEIR_STATS_COUNTS:
    write_counts (json, at, weir_stats_n_counts (stats));
    break;
  }
}

char *weir_stats_to_json (const WeirStats *stats)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  uint32_t n_fields;
  const WeirStatsField *fields = weir_stats_fields (&n_fields);
  json_builder_begin_object (json);
  for (uint32_t i = 0; i < n_fields; i++)
    write_field (json, stats, &fields[i]);
  json_builder_end_object (json);
  g_autoptr (JsonNode) root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}
