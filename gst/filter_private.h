/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirFilter's state, shared by filter.c (data flow) and filter_session.c (settings and session).
 */
#pragma once

#include "gst/filter.h"
#include "gst/filter_latency.h"
#include "gst/filter_qos.h"
#include <gst/base/gstqueuearray.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* Frames in an element at most. */
#define WEIR_MAX_DEPTH 64u

GST_DEBUG_CATEGORY_EXTERN (weir_debug);

typedef struct WeirFilterPrivate WeirFilterPrivate;

/* A frame in the element. From taking to enqueueing it is the streaming thread's; `done` and
 * what stands in the ring are guarded by the ring lock; once out of the ring the task's. */
typedef struct WeirFilterJob {
  WeirJob base;
  WeirFilterPrivate *priv;
  GstBuffer *buffer;
  GstVideoInfo info;
  GstVideoFrame map; /* map.buffer is NULL while nothing is mapped */
  gchar *message;    /* owned; what job->reason points to, or NULL */
  gboolean done;
} WeirFilterJob;

typedef enum WeirCellKind { WEIR_CELL_BUFFER, WEIR_CELL_EVENT, WEIR_CELL_QUERY } WeirCellKind;

typedef struct WeirCell {
  WeirCellKind kind;
  GstEvent *event;
  GstQuery *query;
  WeirFilterJob *job;
} WeirCell;

typedef enum WeirQueryState {
  WEIR_QUERY_NONE,
  WEIR_QUERY_QUEUED,
  WEIR_QUERY_RUNNING,
  WEIR_QUERY_DONE
} WeirQueryState;

struct WeirFilterPrivate {
  GstPad *sinkpad, *srcpad;

  /* Object lock. */
  WeirSettings settings;
  WeirSession *session;     /* READY and above */
  WeirStream *stream;       /* PAUSED and above; others than chain: weir_ring_with_stream */
  GstStructure *last_stats; /* of the session that was closed */
  WeirStreamStats past;     /* only its counters: of streams that ended since NULL→READY, and what
                             * was skipped before it came to the stream */
  guint64 n_reused;         /* objects, since NULL→READY */

  /* Written at NULL→READY and READY→NULL only. */
  WeirSettings active;
  gchar **classes;
  gchar *stream_name;

  /* Ring lock. */
  GMutex lock;
  GCond item;  /* the head is ready, or something else for the task to see */
  GCond space; /* a job is idle again, or the flow has stopped */
  GCond query_done;
  GstQueueArray *ring;       /* WeirCell */
  GPtrArray *idle;           /* WeirFilterJob, owned */
  GPtrArray *orphans;        /* jobs flushed while their request runs */
  guint depth;               /* frames in the element; where it is leaky, in the engine */
  guint n_busy, n_inferring; /* jobs not idle; of them submitted and not done */
  gboolean has_stream;       /* `stream` may be used */
  guint n_stream_users;
  guint64 n_frames;
  GstFlowReturn flow;      /* what chain returns */
  gboolean eos;            /* an EOS event is in or through the ring */
  gboolean downstream_eos; /* nobody wants buffers until the next segment */
  WeirQueryState query_state;
  gboolean query_result;
  WeirLatency latency;
  gboolean live;
  WeirQos qos;
  GstClockTime frame_ns; /* 0: unknown */

  /* Streaming thread (stream lock of the sink pad). */
  GstVideoInfo info; /* finfo is NULL before the first caps */
  GstSegment segment;
  guint64 n_since_restart;
  guint64 first_frame; /* since a flush or a STREAM_START */

  /* Task (stream lock of the src pad). */
  gboolean caps_layout_only;
  guint64 n_failures;
};

WeirFilterPrivate *weir_filter_private (WeirFilter *filter);

/* filter_session.c. Open and close: NULL↔READY; start and stop: READY↔PAUSED, pads inactive. */
gboolean weir_filter_open (WeirFilter *filter, GError **error);
void weir_filter_close (WeirFilter *filter);
void weir_filter_start (WeirFilter *filter);
/* The ring is empty and every job idle. */
void weir_filter_stop (WeirFilter *filter);
GstStructure *weir_filter_make_stats (WeirFilter *filter);
/* Passes a property that takes effect at once on to the session; of `config` what can, with a
 * warning on the bus for what cannot. */
void weir_filter_apply_live (WeirFilter *filter, const gchar *property);
WeirLiveSettings weir_filter_live (WeirFilter *filter);
/* As many frames in the element as the session can use, by what it knows now. */
void weir_filter_update_depth (WeirFilterPrivate *priv, WeirSession *session);
/* Longest wait for other streams that batching may add to a frame, and the service time known. */
GstClockTime weir_filter_bound_ns (WeirFilter *filter, GstClockTime frame_ns);

/* filter.c: the data flow. */
GstFlowReturn weir_filter_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer);
GstFlowReturn weir_filter_sink_event (GstPad *pad, GstObject *parent, GstEvent *event);
gboolean weir_filter_sink_query (GstPad *pad, GstObject *parent, GstQuery *query);
/* The task of the src pad; `pad` is that pad. */
void weir_filter_loop (gpointer pad);

/* filter_ring.c. "Locked": the caller holds the ring lock; else it must not. */
/* Locked. What chain returns. */
GstFlowReturn weir_ring_flow (const WeirFilterPrivate *priv);
/* Waits for a job and makes it the caller's. NULL: *flow says why. Where it is leaky, frames that
 * skip inference do not wait for those that do not, up to WEIR_MAX_DEPTH of both. */
WeirFilterJob *weir_ring_take_job (WeirFilterPrivate *priv, gboolean leaky, GstFlowReturn *flow);
/* A job is about to be submitted. FALSE: it is leaky, and as many as may are in the engine. */
gboolean weir_ring_begin_inference (WeirFilterPrivate *priv, gboolean leaky);
/* It is done, or was not accepted. */
void weir_ring_end_inference (WeirFilterPrivate *priv);
/* Nobody uses the job any more: it is emptied and idle again. */
void weir_ring_release_job (WeirFilterPrivate *priv, WeirFilterJob *job);
/* Locked, but for a moment not. Releases an orphan whose request is done; FALSE: there is none. */
gboolean weir_ring_release_orphan (WeirFilterPrivate *priv);
/* Releases all orphans whose request is done. */
void weir_ring_reap (WeirFilterPrivate *priv);
/* WeirDoneFn of all jobs: called by a worker, or from submit or flush. */
void weir_ring_on_done (WeirRequest *request, void *user);
/* Locked. A buffer becomes an orphan; sticky events but SEGMENT, STREAM_GROUP_DONE and EOS go to
 * the src pad where `keep_sticky`; a query is answered with FALSE. */
void weir_ring_drop_cell (WeirFilterPrivate *priv, WeirCell *cell, gboolean keep_sticky);
/* Locked. All cells but events. */
void weir_ring_drop_frames (WeirFilterPrivate *priv);
/* All cells, and the end of the stream is forgotten. */
void weir_ring_empty (WeirFilterPrivate *priv, gboolean keep_sticky);
/* Locked. Downstream wants no more buffers: what stands before the next event that could change
 * its mind is dropped. Where there is none, chain says EOS from now on. */
void weir_ring_drop_until_restart (WeirFilterPrivate *priv);
/* Calls the engine with the stream, which stays until that is over; nothing where there is none.
 * Queries and flushes come whenever their sender likes, also while the element stops. */
void weir_ring_with_stream (WeirFilterPrivate *priv, void (*use) (WeirStream *stream));
/* From now on nobody may use the stream: waits for those who do. */
void weir_ring_close_stream (WeirFilterPrivate *priv);
/* The src pad is: from before downstream hears of a flush or stop. The ring lock may be held. */
gboolean weir_ring_is_flushing (const WeirFilterPrivate *priv);
/* Locked. A new stream after EOS, whatever the end of the old one was; not during a flush or stop.
 */
void weir_ring_begin_stream (WeirFilterPrivate *priv);
/* Everything that waits wakes up and gives up; what runs in the engine is nobody's any more. */
void weir_ring_interrupt (WeirFilterPrivate *priv);
/* The end of an interruption: flow OK, task running; unless the src pad is inactive. */
void weir_ring_restart (WeirFilterPrivate *priv);
/* The pads are inactive, so nothing new comes: waits for what still runs. */
void weir_ring_settle (WeirFilterPrivate *priv);

WeirFilterJob *weir_filter_job_new (WeirFilterPrivate *priv);
void weir_filter_job_free (WeirFilterJob *job);

G_END_DECLS
