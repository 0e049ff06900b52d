/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirSession: one model on one device, shared by every stream that asks for the same: plans,
 * slots, one bounded queue, workers. WeirStream: one producer of requests (a camera). */
#pragma once

#include "export.h"

#include "model.h"

WEIR_BEGIN_PUBLIC

typedef enum WeirHint { WEIR_HINT_THROUGHPUT = 0, WEIR_HINT_LATENCY } WeirHint;

typedef struct WeirSessionOptions {
  const char *model; /* path; NULL on SIM(a,b): a stub, f32 [n,1] in and out, no pictures */
  WeirModelOptions model_options;
  /* "CPU" (default when NULL), "GPU", "AUTO", "REF", "BATCH:CPU(4)", "SIM(4,1)", …:
   * docs/batching.md. AUTO goes on to the next device when one is lost; any other then fails what
   * it is asked. */
  const char *device;
  /* "auto" (NULL), "f32", "bf16", "int8". auto: int8 for quantised models where the CPU has
   * products of 8 bits, else bf16 where it has those, else f32. int8 of a model that is not
   * quantised is an OPTION error. */
  const char *precision;
  const char *performance_hint; /* "throughput" (NULL), "latency" */
  const char *config;           /* "KEY=VALUE,KEY=VALUE" in OpenVINO's spelling; NULL */
  const char *instance;         /* share by name; NULL: share by equality of all options */
  uint32_t num_requests;        /* 0..1024: items in flight (queued + running); 0 = no hint */
  uint32_t batch_size;          /* 0..1024: largest batch; 0 = automatic */
  int32_t batch_timeout_ms;     /* -1 adaptive, 0 never wait */
  bool disallow_auto_batching;  /* every batch is 1 */
  bool deterministic;           /* bit-identical results whatever the batch */
} WeirSessionOptions;

/* Thread-safety: safe, reference-counted. */
typedef struct WeirSession WeirSession;

/* Loads, or returns the session that exists for these options. The same `instance` with other
 * options is an OPTION error. */
WeirSession *weir_session_open (const WeirSessionOptions *options, GError **error);
WeirSession *weir_session_ref (WeirSession *session);
/* The last unref stops the workers: in less than one batch. */
void weir_session_unref (WeirSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirSession, weir_session_unref)

/* The steps of the plan for a batch of n, one a line, for people: `weir inspect --plan`. Newly
 * allocated; NULL where n is over the batch maximum or the plan cannot be built. */
char *weir_session_describe_plan (WeirSession *session, uint32_t n);

WeirModel *weir_session_model (const WeirSession *session); /* not a new reference */
/* Changes that take effect at once, for everybody who shares the session. */
void weir_session_set_num_requests (WeirSession *session, uint32_t num_requests);
void weir_session_set_batch_timeout (WeirSession *session, int32_t batch_timeout_ms);
/* The same in OpenVINO's spelling: "AUTO_BATCH_TIMEOUT=5,PERFORMANCE_HINT_NUM_REQUESTS=8", all of
 * it or nothing. Keys that only loading can obey, read-only keys and unknown ones are OPTION errors
 * that say which. */
bool weir_session_set_config (WeirSession *session, const char *config, GError **error);
/* The value of one key as it is in effect ("PERFORMANCE_HINT" → "THROUGHPUT"): of all that `config`
 * takes, and OPTIMAL_NUMBER_OF_INFER_REQUESTS. Newly allocated; NULL + OPTION error for unknown
 * keys. */
char *weir_session_get_config (WeirSession *session, const char *key, GError **error);
/* How many items to keep in flight so that no worker starves, by what is known of S(n) now: every
 * worker runs a batch and one more is gathered. num_requests where that is set. */
uint32_t weir_session_optimal_requests (const WeirSession *session);
/* Streams that are open. */
uint32_t weir_session_n_streams (const WeirSession *session);

/* The fields of `stats` (docs/stats in interfaces): read while running at no cost to the hot path.
 */
typedef struct WeirStats {
  char device[64];
  char precision[8];
  uint32_t n_streams, num_requests, in_flight;
  uint32_t batch_max;
  const char *batch_max_reason; /* "hint", "model", "memory", "device", "property" */
  uint32_t batch_target;        /* <= batch_max: no larger batches are made, for they do not pay */
  const char *batch_limit_reason; /* of the model; NULL */
  uint64_t n_items, n_batches;
  double mean_batch;              /* items a batch; 0 before the first */
  uint64_t batch_histogram[1025]; /* index n */
  uint64_t cut_full, cut_complete, cut_deadline, cut_idle, cut_drain;
  uint64_t wait_us_p50, wait_us_p90, wait_us_p99;
  uint64_t service_us_p50, service_us_p90, service_us_p99;
  uint64_t latency_us_p50, latency_us_p90, latency_us_p99;
  uint64_t n_skipped, n_failed, n_retried;
  uint64_t memory_bytes, busy_us;  /* busy: summed service time of the workers */
  uint64_t memory_planned_bytes;   /* weights and all slots at batch_max, reckoned at load */
  uint64_t memory_available_bytes; /* what the plan was made against; 0: nothing could be read */
  uint64_t service_fixed_us, service_per_item_us; /* S(n) = fixed + per item · n, as learned */
  uint64_t wait_bound_us;                         /* what batching may add to a wait now */
  uint32_t n_workers;
  double load_ms;
  uint64_t n_loads; /* models compiled by this session: 1, and one for each move of AUTO */
} WeirStats;

void weir_session_stats (WeirSession *session, WeirStats *stats);
/* The same as a JSON object with `_` in names. Newly allocated. */
char *weir_stats_to_json (const WeirStats *stats);

/* A producer: fairness and order are per stream. Thread-safety: one thread submits at a time. */
typedef struct WeirStream WeirStream;

/* max_in_flight: items of this stream queued or running at once; 0 = automatic. `name` is copied.
 */
WeirStream *weir_stream_new (WeirSession *session, const char *name, uint32_t max_in_flight);
/* Waits for its running items; queued ones are cancelled. Holds a session reference until then. */
void weir_stream_free (WeirStream *stream);
/* Cancels everything queued: each request's done is called with CANCELLED before it returns,
 * running ones call theirs later. Wakes a blocked submit, which then fails until
 * weir_stream_resume. */
void weir_stream_flush (WeirStream *stream);
void weir_stream_resume (WeirStream *stream);
/* No more items will come for now: batches need not wait for this stream. The next submit ends it.
 */
void weir_stream_drain (WeirStream *stream);
uint64_t weir_stream_n_items (const WeirStream *stream);
typedef struct WeirStreamStats {
  uint64_t n_items, n_failed, n_skipped; /* ended, of them failed; refused by try_submit */
  uint32_t in_flight, max_in_flight;     /* now */
} WeirStreamStats;
void weir_stream_stats (const WeirStream *stream, WeirStreamStats *stats);

WEIR_END_PUBLIC
