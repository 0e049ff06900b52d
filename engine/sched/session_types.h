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

/* A device that a session may run on. */
typedef struct WeirDeviceCandidate {
  const WeirBackend *backend; /* NULL: a list of them ends */
  char *name;                 /* "CPU", "GPU.1 (NVIDIA H200)" */
  const char *match;          /* these two of OpenCL's, as weir_ocl_device_open */
  uint32_t index;
} WeirDeviceCandidate;

/* The session's model on one device, and what was settled for it. Reference-counted: the session
 * has one, each worker, and whoever looks from outside; what it holds goes with the last. It may
 * outlive the session's stay there, never the session. */
typedef struct WeirSite {
  gint ref_count; /* atomic */
  WeirSession *session;
  const WeirDeviceCandidate *candidate;
  GError *failure;      /* the device was given up and no other is left: no target; NULL else */
  WeirGraph *simulated; /* on SIM what runs instead of the model's graph; NULL else */
  const WeirGraph *graph;
  WeirTarget *target;
  WeirPrecision precision;                   /* executed */
  WeirPlan *plans[WEIR_MAX_BATCH + 1];       /* [lock] */
  bool is_plan_building[WEIR_MAX_BATCH + 1]; /* [lock] */
  uint64_t plan_ns;                          /* what building the plan for 1 took */
  uint32_t n_workers, n_threads; /* how many batches run at once, and the threads of each */
  uint32_t batch_max;            /* to begin with */
  bool is_adaptive;              /* of the queue */
  const char *batch_max_reason, *batch_limit_reason;
  uint64_t memory_planned_bytes, memory_available_bytes; /* see WeirStats */
  gint has_no_pictures; /* atomic; the device does not make pictures, or has failed to */
} WeirSite;

typedef struct WeirWorker {
  WeirSession *session;
  WeirSite *site; /* of weir_worker_open; NULL: closed */
  WeirTaken batch[WEIR_MAX_BATCH];
  WeirRequest *done[WEIR_MAX_BATCH]; /* requests that the batch finishes */
  pthread_t thread;
  bool is_started;
  bool calibrates;                     /* before it takes the next batch */
  WeirSlot *slots[WEIR_MAX_BATCH + 1]; /* by n; all in `block` and `device_memory` */
  void *block, *device_memory;         /* device_memory: of the target's; NULL: it has none */
  size_t block_bytes, device_bytes;    /* [lock] for readers */
  WeirPre *pre;
  void *pictures;  /* of weir_target_pictures; NULL: rows are written on the host */
  bool is_warm;    /* no slot was made since the last batch */
  GError *failure; /* why its device cannot be used any more; NULL */
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
  WeirDeviceCandidate *candidates; /* in the order in which they are tried */
  uint32_t n_candidates, n_tried;
  uint32_t n_cores;    /* when it was opened: the system may give more later, workers not */
  char *device_folder; /* of the caches that devices have; NULL */
  WeirWorker *workers;
  double load_ms;
  struct WeirCalibration *calibration; /* of the worker that calibrates; NULL: none does */

  WeirMutex lock;
  WeirCond work;   /* the queue has changed, or the session stops: idle workers wait here */
  WeirCond change; /* items, submits and callbacks ended, plans became ready: everybody else */
  WeirSite *site;  /* [lock]; where a worker is open it stays */
  bool is_moving;  /* [lock] its device is given up: workers leave it, the last opens the next */
  GError *move_reason;          /* [lock] the first worker's failure; NULL: it does not move */
  uint32_t n_on_site;           /* [lock] workers that have not left, or have come back */
  uint32_t n_workers;           /* [lock] of them started */
  uint64_t n_loads;             /* [lock] sites so far */
  WeirQueue queue;              /* [lock] */
  const char *batch_max_reason; /* [lock] of queue.batch_max */
  bool is_stopping;             /* [lock] */
  uint64_t n_submitted;         /* [lock] requests */
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
  uint64_t n_frame;    /* number of the frame in its session, by submits; 0: of none */
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

/* session_device.c: for tests that need a device which fails or hangs. What sessions opened from
 * now on run on, whatever their options name. NULL, always but in such tests: what the options
 * name. */
extern const WeirBackend *weir_session_backend_hook;
/* The list that AUTO means for sessions opened from now on, up to one without a backend. NULL,
 * always but in such tests: the GPUs of OpenCL, then the CPU. */
extern const WeirDeviceCandidate *weir_session_auto_hook;

/* worker.c */
/* Threads for as many as session->n_workers says, of those that are not there. The session's site
 * is there. */
bool weir_workers_start (WeirSession *session, GError **error);
void weir_workers_stop (WeirSession *session);
/* All that a worker has on a device: of the session's site, in the calling thread, and given back.
 * A closed worker is zero but for `session`. */
void weir_worker_open (WeirWorker *worker);
void weir_worker_close (WeirWorker *worker);

/* profile.c: until no worker is at work, for so long at most: one that calibrates would take part
 * of the machine. */
void weir_session_wait_for_rest (WeirSession *session, uint64_t longest_ns);

/* session_device.c */
bool weir_session_is_simulated (const WeirSession *session);
/* Fills session->candidates from the device's name. */
bool weir_session_list_devices (WeirSession *session, GError **error);
void weir_session_free_devices (WeirSession *session);
/* What to open it with. */
WeirDeviceOptions weir_candidate_options (
    const WeirDeviceCandidate *candidate, const WeirSession *session);
/* How many workers do best there. */
uint32_t weir_candidate_n_workers (
    const WeirDeviceCandidate *candidate, const WeirSession *session);

/* site.c */
/* Opens the device and makes the model ready on it: plan 1, proof of batches, batch_max. Touches
 * nothing of the session. */
WeirSite *weir_site_new (
    WeirSession *session, const WeirDeviceCandidate *candidate, GError **error);
/* In its place where no device is left: every plan is the error `failure`, which it takes. */
WeirSite *weir_site_new_failed (const WeirSite *site, GError *failure);
WeirSite *weir_site_ref (WeirSite *site);
void weir_site_unref (WeirSite *site);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirSite, weir_site_unref)
/* The session's at this moment, a new reference: for whoever is no worker. */
WeirSite *weir_session_ref_site (WeirSession *session);
/* The plan for n, built by whoever needs it first. */
WeirPlan *weir_site_plan (WeirSite *site, uint32_t n, GError **error);

/* session_move.c */
/* Opens the first candidate that can be, when the session is opened. */
bool weir_session_settle (WeirSession *session, GError **error);
/* Called by a worker whose device is of no use any more, as worker->failure says, or that sees the
 * session move. Returns when the session is on the next device and the worker open there; batches
 * that it has it must run again. */
void weir_session_move (WeirWorker *worker);

/* session_precision.c: which of the model's graphs runs, and in which precision, from what is asked
 * for. OPTION error where the model or the machine has not that. */
bool weir_session_choose_precision (const WeirSession *session, const WeirDeviceCandidate *device,
    WeirPrecision *precision, const WeirGraph **graph, GError **error);

/* session_memory.c: lowers the largest batch to what memory allows, and says so. Plan 1 is there,
 * workers are counted. */
void weir_site_plan_memory (WeirSite *site);

/* prove.c: a rewritten batch must equal single runs of the graph. True or false in *proved; false +
 * error where plans cannot be made at all. */
bool weir_site_prove (WeirSite *site, bool *proved, GError **error);

/* rows.c: a batch in, its item i as row i; one item out. */
bool weir_rows_write (
    WeirWorker *worker, WeirSlot *slot, const WeirTaken *batch, uint32_t n, GError **error);
/* The model's picture as preprocessing knows it: [n, c, h, w]. */
WeirTensor weir_rows_picture (const WeirModel *model, const WeirTensor *input);
/* Item `item` of n_items in `src` (plain, input k of the model) becomes row `row` of `dst`. */
void weir_rows_write_tensor (const WeirModel *model, uint32_t k, const WeirTensor *src,
    uint32_t n_items, uint32_t item, const WeirTensor *dst, uint32_t row);
bool weir_rows_read (WeirWorker *worker, const WeirSlot *slot, uint32_t n, WeirRequest *request,
    uint32_t item, uint32_t row, GError **error);

/* worker_pictures.c: preprocessing on the device, for a worker's slots. Where the device cannot, it
 * is the host's from then on, as long as the session stays there. Closing is fine at any time: what
 * is needed is opened again. */
void weir_worker_open_pictures (WeirWorker *worker);
void weir_worker_close_pictures (WeirWorker *worker);
/* *on_device: the pictures of the batch are written, or about to be, into weir_slot_picture; false:
 * they are to be written on the host, for not all items are of frames, or the device cannot. */
bool weir_worker_write_pictures (WeirWorker *worker, WeirSlot *slot, const WeirTaken *batch,
    uint32_t n, bool *on_device, GError **error);

/* admission.c: to be called after whatever changes the queue from outside: limits, streams. Wakes
 * workers where items wait. [lock] */
void weir_session_queue_changed (WeirSession *session);
/* WeirQueue.entered: the thread that waits in submit may go on. */
void weir_request_entered (WeirTicket *ticket);
