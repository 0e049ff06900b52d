/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all of the last frames but one were done within, rounded up to whole milliseconds: a sink
 * that waits for less shows every other frame too late, one that waits for the slowest ever waits
 * for ever. More is told as soon as a second frame needs it, less every half window. */
#include "gst/filter_latency.h"

#define MIN_SAMPLES (WEIR_LATENCY_WINDOW / 4)

/* Of a few frames the slowest counts, or what is known without them. */
static GstClockTime estimate (const WeirLatency *latency, GstClockTime bound_ns)
{
  const guint n = MIN (latency->n_samples, WEIR_LATENCY_WINDOW);
  guint64 slowest_ns = 0, second_ns = 0;
  for (guint i = 0; i < n; i++) {
    const guint64 sample_ns = latency->samples_ns[i];
    second_ns = MAX (second_ns, MIN (sample_ns, slowest_ns));
    slowest_ns = MAX (slowest_ns, sample_ns);
  }
  const GstClockTime ns = n >= MIN_SAMPLES ? second_ns : MAX (bound_ns, slowest_ns);
  return (ns + GST_MSECOND - 1) / GST_MSECOND * GST_MSECOND;
}

static gboolean is_news (GstClockTime more_ns, GstClockTime less_ns, GstClockTime reported_ns)
{
  return more_ns > less_ns && 4 * (more_ns - less_ns) > reported_ns;
}

gboolean weir_latency_add (WeirLatency *latency, guint64 sample_ns)
{
  latency->samples_ns[latency->n_samples % WEIR_LATENCY_WINDOW] = sample_ns;
  latency->n_samples++;
  if (latency->n_samples < MIN_SAMPLES || !latency->asked)
    return FALSE;
  const GstClockTime now_ns = estimate (latency, 0), then_ns = latency->reported_ns;
  const gboolean may_be_less = latency->n_samples % (WEIR_LATENCY_WINDOW / 2) == 0;
  return is_news (now_ns, then_ns, then_ns) || (may_be_less && is_news (then_ns, now_ns, then_ns));
}

gboolean weir_latency_expect (const WeirLatency *latency, GstClockTime bound_ns)
{
  const GstClockTime then_ns = latency->reported_ns;
  return latency->asked && is_news (estimate (latency, bound_ns), then_ns, then_ns);
}

GstClockTime weir_latency_report (WeirLatency *latency, GstClockTime bound_ns)
{
  latency->asked = TRUE;
  latency->reported_ns = estimate (latency, bound_ns);
  return latency->reported_ns;
}
