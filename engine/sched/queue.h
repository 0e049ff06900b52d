/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirQueue: the items of all streams of a session: who may enter, who is next, and when. No
 * threads, no clock: the session holds its lock around every call and says what time it is
 * (monotonic ns), so the same queue runs under a virtual clock in tests.
 *
 * A ticket (a request) stands in its lane (a stream) until its last item is taken. Items are
 * admitted as room allows, so a request of 40 crops passes a queue bounded to 4. Whoever makes room
 * hands it on, place by place to the lane that had least; so whoever waits could not enter now. */
#pragma once

#include "engine/sched/climb.h"
#include "engine/sched/policy.h"

typedef struct WeirLane WeirLane;

typedef struct WeirTicket {
  WeirLane *lane;
  uint32_t n_items;
  uint32_t n_admitted, n_taken, n_left; /* left: not yet finished nor cancelled */
  bool is_cancelled;
  uint64_t *queued_ns; /* of n_items items: when each was admitted; the owner's memory */
  struct WeirTicket *next;
} WeirTicket;

struct WeirLane {
  uint32_t max_in_flight;   /* 0: an even share of the queue's */
  WeirTicket *first, *last; /* tickets with items not yet taken, in order */
  WeirTicket *waiting;      /* the first of them with items that have no room yet */
  uint32_t n_in_flight, n_queued;
  bool is_flushing, is_drained;
  uint32_t n_in_batch; /* of the batch that is being taken */
  uint64_t n_turns;    /* items taken, and what was forfeited when idle */
  WeirArrivals arrivals;
};

typedef struct WeirTaken { /* an item that a worker has taken */
  WeirTicket *ticket;
  uint32_t item;
} WeirTaken;

typedef struct WeirQueue {
  /* Written by the owner at any time; weir_queue_admit afterwards. */
  uint32_t batch_max, num_requests; /* num_requests 0: no hint */
  bool is_adaptive;                 /* batches are no larger than pays, as it is measured */
  int32_t batch_timeout_ms;
  uint32_t n_workers, n_idle; /* idle: between batches */
  WeirService service;
  WeirClimb climb; /* where is_adaptive */
  /* Called when the last item of a ticket gets its room. */
  void (*entered) (WeirTicket *ticket);

  GPtrArray *lanes; /* WeirLane, in turn order; not owned */
  guint next_taken, next_admitted;
  uint32_t n_active, n_waiting;   /* lanes not drained; tickets without room */
  uint32_t n_queued, n_in_flight; /* items */
  uint64_t n_turns;               /* the largest of any lane */
  uint64_t held_ns;               /* until when some ticket is held back; 0: none is */
  uint64_t waits_ns;              /* since when an idle worker leaves items waiting; 0: none does */
  uint64_t n_cuts[WEIR_N_CUTS];
  uint64_t frame_ns, bound_ns; /* of the last decision; see WeirSnapshot */
} WeirQueue;

void weir_queue_init (WeirQueue *queue);
void weir_queue_clear (WeirQueue *queue);
void weir_queue_add_lane (WeirQueue *queue, WeirLane *lane);
/* The lane is empty. */
void weir_queue_remove_lane (WeirQueue *queue, WeirLane *lane, uint64_t now_ns);
/* No more items will come for now, or they will again: the others' shares change. */
void weir_queue_set_drained (WeirQueue *queue, WeirLane *lane, bool is_drained, uint64_t now_ns);

/* How many items may be queued or running now: of all lanes, of one. */
uint32_t weir_queue_limit (const WeirQueue *queue);
uint32_t weir_queue_lane_limit (const WeirQueue *queue, const WeirLane *lane);
/* Items of this lane that may enter now. */
uint32_t weir_queue_room (const WeirQueue *queue, const WeirLane *lane);
/* The largest batch now, and which option binds it: `own` is the reason for batch_max. */
uint32_t weir_queue_batch_max (const WeirQueue *queue, const char *own, const char **reason);
/* The largest batch that is made but for trials: of an adaptive queue no larger than pays. */
uint32_t weir_queue_target (const WeirQueue *queue);
/* A batch of n took service_ns; 0: nobody knows. */
void weir_queue_learn (WeirQueue *queue, uint32_t n, uint64_t service_ns);

/* The ticket (lane, n_items >= 1, queued_ns set) stands last in its lane; its items enter as there
 * is room. */
void weir_queue_push (WeirQueue *queue, WeirTicket *ticket, uint64_t now_ns);
/* Gives room to items that wait for it; to be called wherever room is made from outside. */
void weir_queue_admit (WeirQueue *queue, uint64_t now_ns);
/* Drops the items that are not taken. True: nothing of it runs, it has left the queue. False: it
 * leaves with weir_queue_finish of its last running item. */
bool weir_queue_cancel (WeirQueue *queue, WeirTicket *ticket, uint64_t now_ns);
/* Takes a batch for an idle worker. 0: ask again at *wake_ns (WEIR_NEVER_NS: only when something
 * has changed). `batch` holds WEIR_MAX_BATCH. Items of a lane come in order; the lane that had
 * least goes first (deficit round robin). */
uint32_t weir_queue_take (WeirQueue *queue, WeirTaken *batch, uint64_t now_ns, uint64_t *wake_ns);
/* One item of the ticket has run. True: it was the last one. weir_queue_admit after the whole
 * batch. */
bool weir_queue_finish (WeirQueue *queue, WeirTicket *ticket, uint64_t now_ns);
