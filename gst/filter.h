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

/* One frame on its way. Thread-safety: one owner at a time: the streaming thread (prepare), the
 * session, the src pad's task (finish). */
typedef struct WeirJob {
  WeirRequest *request; /* frame and options are set before prepare */
  WeirFrame frame;      /* its planes are gone in finish */
  GArray *targets;      /* guint: what each item of the request looks at; empty before prepare */
} WeirJob;

struct _WeirFilterClass {
  GstElementClass parent_class;

  WeirPropOwner owner;
  WeirRegionSource region_default;
  /* NULL→READY: is this model one for this element? */
  gboolean (*configure) (WeirFilter *filter, const WeirModel *model, GError **error);
  /* Adds the regions to look at. `buffer` may be shared: read it, change nothing. */
  void (*prepare) (WeirFilter *filter, GstBuffer *buffer, WeirJob *job);
  /* Attaches what the items gave to the writable `buffer`, whose WeirMeta is `meta`. Items may have
   * failed: see the status of their results. */
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
