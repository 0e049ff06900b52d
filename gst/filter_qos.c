/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The usual arithmetic of QOS events: a late picture moves the earliest useful running time on by
 * twice its lateness, so that the elements before the sink catch up instead of staying late. */
#include "gst/filter_qos.h"

void weir_qos_reset (WeirQos *qos)
{
  *qos = (WeirQos){ .proportion = 1, .earliest_ns = GST_CLOCK_TIME_NONE };
}

void weir_qos_update (WeirQos *qos, GstEvent *event, GstClockTime frame_ns)
{
  GstClockTimeDiff diff;
  GstClockTime running_ns;
  gst_event_parse_qos (event, NULL, &qos->proportion, &diff, &running_ns);
  if (!GST_CLOCK_TIME_IS_VALID (running_ns)) {
    qos->earliest_ns = GST_CLOCK_TIME_NONE;
    return;
  }
  const gint64 ahead = diff > 0 ? 2 * diff + (gint64) frame_ns : diff;
  const gint64 earliest = (gint64) running_ns + ahead;
  qos->earliest_ns = earliest > 0 ? (GstClockTime) earliest : 0;
}

gboolean weir_qos_is_late (WeirQos *qos, GstClockTime running_ns)
{
  const gboolean late = GST_CLOCK_TIME_IS_VALID (qos->earliest_ns) &&
                        GST_CLOCK_TIME_IS_VALID (running_ns) && running_ns <= qos->earliest_ns;
  if (late)
    qos->n_skipped++;
  else
    qos->n_processed++;
  return late;
}

GstMessage *weir_qos_message (
    const WeirQos *qos, GstObject *src, const GstSegment *segment, GstBuffer *buffer)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  const GstClockTime running_ns = gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts);
  const GstClockTime stream_ns = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts);
  GstMessage *message =
      gst_message_new_qos (src, FALSE, running_ns, stream_ns, pts, GST_BUFFER_DURATION (buffer));
  gst_message_set_qos_values (
      message, GST_CLOCK_DIFF (running_ns, qos->earliest_ns), qos->proportion, 1000000);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, qos->n_processed, qos->n_skipped);
  return message;
}
