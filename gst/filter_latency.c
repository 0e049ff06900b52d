/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The 90th percentile of the last frames, rounded up to whole milliseconds: a value that stays put
 * while the load does. It is looked at every half window, so that one slow frame moves nothing. */
#include "gst/filter_latency.h"

#include <stdlib.h>
#include <string.h>

#define MIN_SAMPLES (WEIR_LATENCY_WINDOW / 4)

static int compare (const void *a, const void *b)
{
  const guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;
  return (x > y) - (x < y);
}

static GstClockTime estimate (const WeirLatency *latency, GstClockTime bound_ns)
{
  guint64 sorted[WEIR_LATENCY_WINDOW];
  const guint n = MIN (latency->n_samples, WEIR_LATENCY_WINDOW);
  GstClockTime ns = bound_ns;
  if (n >= MIN_SAMPLES) {
    memcpy (sorted, latency->samples_ns, n * sizeof *sorted);
    qsort (sorted, n, sizeof *sorted, compare);
    ns = sorted[(n - 1) * 9 / 10];
  }
  return (ns + GST_MSECOND - 1) / GST_MSECOND * GST_MSECOND;
}

gboolean weir_latency_add (WeirLatency *latency, guint64 sample_ns, GstClockTime bound_ns)
{
  latency->samples_ns[latency->n_samples % WEIR_LATENCY_WINDOW] = sample_ns;
  latency->n_samples++;
  if (latency->n_samples % (WEIR_LATENCY_WINDOW / 2) != 0 || !latency->asked)
    return FALSE;
  const GstClockTime now_ns = estimate (latency, bound_ns), then_ns = latency->reported_ns;
  return 4 * (now_ns > then_ns ? now_ns - then_ns : then_ns - now_ns) > then_ns;
}

GstClockTime weir_latency_report (WeirLatency *latency, GstClockTime bound_ns)
{
  latency->asked = TRUE;
  latency->reported_ns = estimate (latency, bound_ns);
  return latency->reported_ns;
}
