/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of sessions, streams and requests.
 *
 * Locks: the registry's (registry.c) and each session's `lock`; never nested, never held across a
 * backend call or a callback. What a session's lock guards is marked [lock]. */
#pragma once

#include "engine/base/sync.h"
#include "engine/plan/plan.h"
#include "engine/request.h"
#include "engine/sched/histogram.h"
#include "engine/sched/model_types.h"
#include "engine/sched/policy.h"
#include "engine/sched/settings.h"

typedef struct WeirTaken { /* an item that a worker has taken */
  WeirRequest *request;
  uint32_t item;
} WeirTaken;

typedef struct WeirWorker {
  WeirSession *session;
  WeirTaken batch[WEIR_MAX_BATCH];
  WeirRequest *done[WEIR_MAX_BATCH]; /* requests that the batch finishes */
  pthread_t thread;
  bool is_started;
  WeirSlot *slots[WEIR_MAX_BATCH + 1]; /* by n; all in `block` */
  void *block;
  size_t block_bytes; /* [lock] for readers */
  WeirPre *pre;
} WeirWorker;

/* A submit that waits for room: on its thread's stack, for the request may be done and freed before
 * the thread wakes. [lock] */
typedef struct WeirWaiter {
  bool is_over;
  bool is_accepted; /* done is or will be called */
} WeirWaiter;

struct WeirSession {
  WeirSettings settings; /* num_requests, batch_timeout_ms: [lock] */
  WeirModel *model;
  WeirTarget *target;
  const char *batch_limit_reason;
  uint32_t n_threads, n_workers;
  WeirWorker *workers;
  double load_ms;
  char *device_name;

  WeirMutex lock;
  WeirCond work;   /* items were queued, or the session stops: workers wait here */
  WeirCond change; /* items, submits and callbacks ended, plans became ready: everybody else */
  WeirPlan *plans[WEIR_MAX_BATCH + 1];       /* [lock] */
  bool is_plan_building[WEIR_MAX_BATCH + 1]; /* [lock] */
  uint32_t batch_max;                        /* [lock] of plans: property, model */
  const char *batch_max_reason;              /* [lock] */
  GPtrArray *streams;                        /* [lock] WeirStream, in turn order */
  guint next_taken, next_admitted;           /* [lock] streams whose turn it is */
  uint32_t n_active, n_waiting;              /* [lock] streams not drained; requests without room */
  uint32_t n_queued, n_in_flight, n_idle;    /* [lock] items, items, workers */
  uint64_t n_turns;                          /* [lock] the largest of any stream */
  bool is_stopping;                          /* [lock] */
  uint64_t n_items, n_batches, batch_histogram[WEIR_MAX_BATCH + 1], n_cuts[WEIR_N_CUTS];
  uint64_t n_skipped, n_failed, n_retried, busy_ns; /* [lock] */
  WeirHistogram wait_us, service_us, latency_us;    /* [lock] */

  int ref_count; /* the registry's lock guards it */
  char *key;
};

struct WeirStream {
  WeirSession *session;
  char *name;
  uint32_t max_in_flight;
  WeirCond admitted;              /* requests got their room, or were cancelled */
  WeirRequest *first, *last;      /* [lock] requests with items not yet taken, in order */
  WeirRequest *waiting;           /* [lock] the first of them with items that have no room yet */
  uint32_t n_in_flight, n_queued; /* [lock] */
  uint32_t n_callbacks;           /* [lock] done functions that run */
  uint32_t n_submitting;          /* [lock] threads inside submit */
  bool is_flushing, is_drained;   /* [lock] */
  uint64_t n_turns;               /* [lock] items taken, and what was forfeited when idle */
  uint64_t n_items;               /* [lock] */
};

typedef struct WeirItem {
  WeirResult result; /* with an arena of its own: items of one request run side by side */
  GError *error;
  uint64_t queued_ns;
} WeirItem;

struct WeirRequest {
  WeirStream *stream;
  WeirModel *model; /* a reference: results name its labels */
  WeirRequestOptions options;
  WeirFrame frame;
  bool has_frame, keeps_outputs;
  GArray *regions; /* WeirRegion */
  uint32_t n_items;
  WeirTensor *inputs;   /* tensor requests: by input; dtype NONE where not set */
  WeirTensor *outputs;  /* stacked; buffers owned */
  size_t *output_bytes; /* allocated for each */
  GPtrArray *items;     /* WeirItem, kept over resets; at least n_items while submitted */
  WeirDoneFn done;
  void *user;
  uint64_t submit_ns, done_ns;
  GError *error;
  /* [lock] of the session, between submit and done */
  uint32_t n_admitted, n_taken, n_left;
  bool is_cancelled;
  WeirWaiter *waiter; /* NULL: no thread waits */
  WeirRequest *next;
};

static inline WeirItem *weir_request_item (const WeirRequest *request, uint32_t i)
{
  return request->items->pdata[i];
}

/* request.c: checks what was given, forgets the results of an earlier run, makes room for the
 * outputs of all items where they are kept. */
bool weir_request_prepare (WeirRequest *request, GError **error);
/* Copies an output whose size the data decide (WEIR_OUTPUT_DYNAMIC); only for a request of one
 * item. */
bool weir_request_keep_dynamic (
    WeirRequest *request, uint32_t k, const WeirTensor *row, GError **error);

/* worker.c */
bool weir_workers_start (WeirSession *session, GError **error);
void weir_workers_stop (WeirSession *session);
/* The session's plan for n, built by whoever needs it first. */
WeirPlan *weir_session_plan (WeirSession *session, uint32_t n, GError **error);

/* session_precision.c: which of the model's graphs runs, and in which precision, from what is asked
 * for. OPTION error where the model or the machine has not that. */
bool weir_session_choose_precision (const WeirSession *session, const WeirBackend *backend,
    WeirPrecision *precision, const WeirGraph **graph, GError **error);

/* prove.c: a rewritten batch must equal single runs. True or false in *proved; false + error where
 * plans cannot be made at all. */
bool weir_session_prove (WeirSession *session, bool *proved, GError **error);

/* rows.c: one item in, one item out. */
bool weir_rows_write (WeirWorker *worker, const WeirSlot *slot, WeirRequest *request, uint32_t item,
    uint32_t row, GError **error);
/* Item `item` of n_items in `src` (plain, input k of the model) becomes row `row` of `dst`. */
void weir_rows_write_tensor (const WeirModel *model, uint32_t k, const WeirTensor *src,
    uint32_t n_items, uint32_t item, const WeirTensor *dst, uint32_t row);
bool weir_rows_read (WeirWorker *worker, const WeirSlot *slot, uint32_t n, WeirRequest *request,
    uint32_t item, uint32_t row, GError **error);

/* admission.c: gives room to items that wait for it; to be called wherever room is made. [lock] */
void weir_session_admit (WeirSession *session);
/* How many items may be queued or running now. [lock] */
uint32_t weir_session_limit (const WeirSession *session);
uint32_t weir_stream_limit (const WeirStream *stream);
/* The largest batch now, and which option binds it. [lock] */
uint32_t weir_session_batch_max (const WeirSession *session, const char **reason);
