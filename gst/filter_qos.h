/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirQos: what downstream says about lateness, and what follows from it. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Thread-safety: the owner's lock. */
typedef struct WeirQos {
  gdouble proportion;
  GstClockTime earliest_ns; /* running time before which frames are late; NONE: none is */
  guint64 n_processed, n_skipped;
} WeirQos;

void weir_qos_reset (WeirQos *qos);
/* A QOS event from downstream; frame_ns is 0 where the rate is unknown. */
void weir_qos_update (WeirQos *qos, GstEvent *event, GstClockTime frame_ns);
/* Counts the buffer; TRUE where it is late: its inference is not worth doing. */
gboolean weir_qos_is_late (WeirQos *qos, GstClockTime running_ns);
/* The QOS message for a skipped inference. */
GstMessage *weir_qos_message (
    const WeirQos *qos, GstObject *src, const GstSegment *segment, GstBuffer *buffer);

G_END_DECLS
