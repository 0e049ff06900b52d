/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirLatency: how long a frame stays in the element, measured and reported steadily. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define WEIR_LATENCY_WINDOW 64

/* Thread-safety: the owner's lock. Zeroed memory is a valid start. */
typedef struct WeirLatency {
  guint64 samples_ns[WEIR_LATENCY_WINDOW];
  guint n_samples; /* ever seen */
  gboolean asked;  /* a query was answered: with reported_ns */
  GstClockTime reported_ns;
} WeirLatency;

/* One measured submit-to-done time. TRUE where the estimate has moved by more than 25 % from what
 * was reported: a LATENCY message is due. */
gboolean weir_latency_add (WeirLatency *latency, guint64 sample_ns);
/* The bound is another one than before, as new caps make it. TRUE where so much more than was reported
 * must be expected that a LATENCY message is due. */
gboolean weir_latency_expect (const WeirLatency *latency, GstClockTime bound_ns);
/* What to answer: all of the last frames but one were done within it, in whole ms. Before there are
 * enough of them, `bound_ns` (of the batch wait and the service) where it is more. Remembers it as
 * reported. */
GstClockTime weir_latency_report (WeirLatency *latency, GstClockTime bound_ns);

G_END_DECLS
