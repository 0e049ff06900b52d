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
#include "engine/sched/queue.h"
#include "engine/sched/settings.h"

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
  bool is_warm; /* no slot was made since the last batch */
} WeirWorker;

/* A submit that waits for room: on its thread's stack, for the request may be done and freed before
 * the thread wakes. [lock] */
typedef struct WeirWaiter {
  bool is_over;
  bool is_accepted; /* done is or will be called */
} WeirWaiter;

struct WeirSession {
  WeirSettings settings; /* as asked for; the queue has what may change */
  WeirModel *model;
  WeirGraph *simulated; /* on SIM what runs instead of the model's graph; NULL else */
  WeirTarget *target;
  const char *batch_limit_reason;
  uint32_t n_threads, n_workers;
  WeirWorker *workers;
  double load_ms;
  char *device_name;
  uint64_t memory_planned_bytes, memory_available_bytes; /* see WeirStats */
  struct WeirCalibration *calibration; /* of the worker that calibrates; NULL: none does */

  WeirMutex lock;
  WeirCond work;   /* the queue has changed, or the session stops: idle workers wait here */
  WeirCond change; /* items, submits and callbacks ended, plans became ready: everybody else */
  WeirPlan *plans[WEIR_MAX_BATCH + 1];       /* [lock] */
  bool is_plan_building[WEIR_MAX_BATCH + 1]; /* [lock] */
  uint64_t plan_ns;                          /* what building the plan for 1 took */
  WeirQueue queue;                           /* [lock] */
  const char *batch_max_reason;              /* [lock] of queue.batch_max */
  bool is_stopping;                          /* [lock] */
  uint64_t n_items, n_batches, batch_histogram[WEIR_MAX_BATCH + 1]; /* [lock] */
  uint32_t n_largest; /* [lock] batch that ran: entries of batch_histogram above it are 0 */
  uint64_t n_skipped, n_failed, n_retried, busy_ns; /* [lock] */
  WeirHistogram wait_us, service_us, latency_us;    /* [lock] */

  int ref_count; /* the registry's lock guards it */
  char *key;
};

struct WeirStream {
  WeirLane lane; /* [lock]; first, so that a lane is its stream */
  WeirSession *session;
  char *name;
  WeirCond admitted;                     /* requests got their room, or were cancelled */
  uint32_t n_callbacks;                  /* [lock] done functions that run */
  uint32_t n_submitting;                 /* [lock] threads inside submit */
  uint64_t n_items, n_failed, n_skipped; /* [lock] */
};

typedef struct WeirItem {
  WeirResult result; /* with an arena of its own: items of one request run side by side */
  GError *error;
} WeirItem;

typedef enum WeirWaitState {
  WEIR_WAIT_NOTHING = 0,
  WEIR_WAIT_RUNNING,
  WEIR_WAIT_OVER
} WeirWaitState;

/* Memory of a request's own for one output. */
typedef struct WeirRoom {
  void *data;
  size_t n_bytes;
} WeirRoom;

struct WeirRequest {
  WeirTicket ticket; /* [lock] of the session, between submit and done; first, as above */
  WeirStream *stream;
  WeirModel *model; /* a reference: results name its labels */
  WeirRequestOptions options;
  WeirFrame frame;
  bool has_frame, keeps_outputs;
  bool has_dynamic_batch; /* DYN_BATCH_ENABLED of the session */
  GArray *regions;        /* WeirRegion */
  uint32_t n_items;
  uint32_t n_max,
      n_batch;         /* dynamic batch: rows of all tensors, and how many of them run; 0: none */
  WeirTensor *inputs;  /* tensor requests: by input; dtype NONE where not set */
  WeirTensor *outputs; /* stacked, in `given` or `room` */
  WeirTensor *given;   /* the caller's memory for outputs; dtype NONE where there is none */
  WeirRoom *room;      /* by output */
  GPtrArray *items;    /* WeirItem, kept over resets; at least n_items while submitted */
  WeirDoneFn done;
  void *user;
  uint64_t submit_ns, done_ns;
  GError *error;
  GArray *queued_ns;   /* uint64_t, of the items; the ticket's */
  gint is_submitted;   /* atomic; true from submit to done, changed under [lock] */
  WeirWaiter *waiter;  /* [lock] NULL: no thread waits */
  WeirMutex wait_lock; /* never held with another lock */
  WeirCond waited;
  WeirWaitState wait_state; /* [wait_lock] */
};

static inline WeirItem *weir_request_item (const WeirRequest *request, uint32_t i)
{
  return request->items->pdata[i];
}

/* How many rows the request's tensors have: with a dynamic batch more than there are items. */
static inline uint32_t weir_request_n_rows (const WeirRequest *request)
{
  return request->n_max ? request->n_max : request->n_items;
}

/* request.c: checks what was given, forgets the results of an earlier run, settles n_items, makes
 * room for the outputs of all items where they are kept. `done` is set before. */
bool weir_request_prepare (WeirRequest *request, GError **error);
/* Items for results and errors of at least n. */
void weir_request_reserve_items (WeirRequest *request, uint32_t n);
/* request_wait.c: whoever waits from now on waits for the submit that is being prepared, if it is
 * one of weir_request_start. */
void weir_request_begin_wait (WeirRequest *request);
/* request_outputs.c: every output that is kept gets its memory. SHAPE error where what the caller
 * gave does not fit. */
bool weir_request_prepare_outputs (WeirRequest *request, GError **error);
/* Copies an output whose size the data decide (WEIR_OUTPUT_DYNAMIC); only for a request of one
 * item. */
bool weir_request_keep_dynamic (
    WeirRequest *request, uint32_t k, const WeirTensor *row, GError **error);

static inline WeirRequest *weir_taken_request (const WeirTaken *taken)
{
  return (WeirRequest *) taken->ticket;
}

/* session.c: for tests that need a device which fails or hangs: what sessions opened from now on
 * run on, whatever their options name. NULL, always but in such tests: what the options name. */
extern const WeirBackend *weir_session_backend_hook;

/* worker.c */
bool weir_workers_start (WeirSession *session, GError **error);
void weir_workers_stop (WeirSession *session);
/* The session's plan for n, built by whoever needs it first. */
WeirPlan *weir_session_plan (WeirSession *session, uint32_t n, GError **error);

/* session_precision.c: which of the model's graphs runs, and in which precision, from what is asked
 * for. OPTION error where the model or the machine has not that. */
bool weir_session_choose_precision (const WeirSession *session, const WeirBackend *backend,
    WeirPrecision *precision, const WeirGraph **graph, GError **error);

/* session_memory.c: lowers the largest batch to what memory allows, and says so. Plan 1 is there,
 * workers are counted. */
void weir_session_plan_memory (WeirSession *session);

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

/* admission.c: to be called after whatever changes the queue from outside: limits, streams. Wakes
 * workers where items wait. [lock] */
void weir_session_queue_changed (WeirSession *session);
/* WeirQueue.entered: the thread that waits in submit may go on. */
void weir_request_entered (WeirTicket *ticket);
