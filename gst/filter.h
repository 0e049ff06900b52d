/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirFilter: the asynchronous base class of inferdetect and inferclassify. */
#pragma once

#include "engine/weir.h"
#include "gst/meta.h"
#include "gst/props.h"
#include <gst/gst.h>

G_BEGIN_DECLS

#define WEIR_TYPE_FILTER (weir_filter_get_type ())
G_DECLARE_DERIVABLE_TYPE (WeirFilter, weir_filter, WEIR, FILTER, GstElement)

/* Where a buffer stands in what came in: since READY→PAUSED, counted from 0. */
typedef struct WeirFrameId {
  guint64 number;
  guint64 first; /* of the stream: earlier buffers came before a flush or a STREAM_START */
} WeirFrameId;

/* One frame on its way. Thread-safety: one owner at a time: the streaming thread (prepare), the
 * session, the src pad's task (finish). */
typedef struct WeirJob {
  WeirRequest *request; /* frame and options are set before prepare */
  WeirFrame frame; /* its planes are gone in finish; only its size where it was not looked at */
  GArray *targets; /* guint: what each item of the request looks at; empty before prepare */
  WeirFrameId id;
  WeirLiveSettings live; /* as they were when the frame came */
  WeirStatus status;     /* INFERRED: the request was submitted, in finish: and is done */
  const gchar *reason;   /* why not; static, or as long as the job */
  guint n_reused;        /* finish: objects that got what an earlier frame gave … */
  guint reused_age;      /* … at most so many frames ago */
} WeirJob;

struct _WeirFilterClass {
  GstElementClass parent_class;

  WeirPropOwner owner;
  WeirRegionSource region_default;
  /* NULL→READY: is this model one for this element? */
  gboolean (*configure) (WeirFilter *filter, const WeirModel *model, GError **error);
  /* Adds the regions to look at. `buffer` may be shared: read it, change nothing. */
  void (*prepare) (WeirFilter *filter, GstBuffer *buffer, WeirJob *job);
  /* Optional, on the streaming thread: the request was not accepted after all. */
  void (*refused) (WeirFilter *filter, WeirJob *job);
  /* Every frame that leaves: attaches what the items gave to the writable `buffer`, whose WeirMeta
   * is `meta`. There are results only where job->status is INFERRED, which it may change; and items
   * may have failed: see the status of their results. */
  void (*finish) (WeirFilter *filter, GstBuffer *buffer, WeirMeta *meta, WeirJob *job);
};

/* Common part of a subclass's class_init, after the fields above: properties and pad templates. */
void weir_filter_class_setup (WeirFilterClass *klass);

/* Settings as copied at NULL→READY; valid and constant until READY→NULL. `live` holds what it was
 * then. */
const WeirSettings *weir_filter_settings (WeirFilter *filter);
/* Labels of the `classes` property; NULL: all. */
gboolean weir_filter_wants_class (WeirFilter *filter, const gchar *label);
/* Name of the model; valid as long as the settings. */
const gchar *weir_filter_model_name (WeirFilter *filter);

G_END_DECLS
