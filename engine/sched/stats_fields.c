/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fields of WeirStats by name, unit, type and offset. */
#include "engine/stats_fields.h"

#define FIELD(type, name, unit, member)                         \
  {                                                             \
    name, unit, WEIR_STATS_##type, offsetof (WeirStats, member) \
  }

static const WeirStatsField fields[] = {
  FIELD (NAME, "device", "", device),
  FIELD (NAME, "precision", "", precision),
  FIELD (U32, "workers", "threads", n_workers),
  FIELD (U32, "streams", "streams", n_streams),
  FIELD (U32, "num_requests", "items", num_requests),
  FIELD (U32, "in_flight", "items", in_flight),
  FIELD (U32, "batch_max", "items", batch_max),
  FIELD (TEXT, "batch_max_reason", "", batch_max_reason),
  FIELD (U32, "batch_target", "items", batch_target),
  FIELD (TEXT, "batch_limit_reason", "", batch_limit_reason),
  FIELD (U64, "items", "items", n_items),
  FIELD (U64, "batches", "batches", n_batches),
  FIELD (REAL, "mean_batch", "items", mean_batch),
  FIELD (COUNTS, "batch_histogram", "batches", batch_histogram),
  FIELD (U64, "cut_full", "batches", cut_full),
  FIELD (U64, "cut_complete", "batches", cut_complete),
  FIELD (U64, "cut_deadline", "batches", cut_deadline),
  FIELD (U64, "cut_idle", "batches", cut_idle),
  FIELD (U64, "cut_drain", "batches", cut_drain),
  FIELD (U64, "wait_us_p50", "us", wait_us_p50),
  FIELD (U64, "wait_us_p90", "us", wait_us_p90),
  FIELD (U64, "wait_us_p99", "us", wait_us_p99),
  FIELD (U64, "service_us_p50", "us", service_us_p50),
  FIELD (U64, "service_us_p90", "us", service_us_p90),
  FIELD (U64, "service_us_p99", "us", service_us_p99),
  FIELD (U64, "latency_us_p50", "us", latency_us_p50),
  FIELD (U64, "latency_us_p90", "us", latency_us_p90),
  FIELD (U64, "latency_us_p99", "us", latency_us_p99),
  FIELD (U64, "service_fixed_us", "us", service_fixed_us),
  FIELD (U64, "service_per_item_us", "us", service_per_item_us),
  FIELD (U64, "wait_bound_us", "us", wait_bound_us),
  FIELD (U64, "busy_us", "us", busy_us),
  FIELD (U64, "skipped", "items", n_skipped),
  FIELD (U64, "failed", "items", n_failed),
  FIELD (U64, "retried", "items", n_retried),
  FIELD (U64, "memory_bytes", "bytes", memory_bytes),
  FIELD (U64, "memory_planned_bytes", "bytes", memory_planned_bytes),
  FIELD (U64, "memory_available_bytes", "bytes", memory_available_bytes),
  FIELD (REAL, "load_ms", "ms", load_ms),
  FIELD (U64, "loads", "models", n_loads),
};

const WeirStatsField *weir_stats_fields (uint32_t *n_fields)
{
  *n_fields = G_N_ELEMENTS (fields);
  return fields;
}

uint32_t weir_stats_n_counts (const WeirStats *stats)
{
  uint32_t n = MIN (stats->batch_max, G_N_ELEMENTS (stats->batch_histogram) - 1);
  for (uint32_t i = n + 1; i < G_N_ELEMENTS (stats->batch_histogram); i++)
    if (stats->batch_histogram[i])
      n = i;
  return n + 1;
}
