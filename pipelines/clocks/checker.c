/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pad probe that reads, compares and counts. */
#include "pipelines/clocks/checker.h"

#include "pipelines/clocks/reading.h"

#include <string.h>

/* A clock that equals the time of one of this many neighbours was taken from a wrong frame. */
#define N_NEIGHBOURS 16

struct Checker {
  GstPad *pad;
  guint camera;
  gboolean inject_error;
  Reading late; /* with inject_error: the frame before's */
  char times[N_NEIGHBOURS][32];
  Tally tally;
  GMutex lock; /* guards last */
  GstBuffer *last;
};

static gboolean is_neighbours_time (const Checker *checker, const char *clock)
{
  for (guint i = 0; i < N_NEIGHBOURS; i++)
    if (strcmp (checker->times[i], clock) == 0)
      return TRUE;
  return FALSE;
}

static void compare (Checker *checker, const Reading *reading, GstClockTime running_time_ns)
{
  Tally *tally = &checker->tally;
  char clock[32], camera[16];
  reading_write_clock (running_time_ns, clock);
  g_snprintf (camera, sizeof camera, "#%u", checker->camera);
  tally->n_clocks_read += reading->clock[0] != '\0';
  if (strcmp (reading->clock, clock) == 0)
    tally->n_clocks_right++;
  else if (reading->clock[0] && is_neighbours_time (checker, reading->clock))
    tally->n_wrong_frame++;
  if (strcmp (reading->camera, camera) == 0)
    tally->n_cameras_right++;
  else if (reading->camera[0])
    tally->n_wrong_stream++;
  g_strlcpy (checker->times[tally->n_frames % N_NEIGHBOURS], clock, sizeof clock);
  tally->n_characters += reading->n_characters;
  tally->n_frames++;
}

static GstPadProbeReturn look (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Checker *checker = user;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstEvent *event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;
  Reading reading, shown;
  if (!event)
    return GST_PAD_PROBE_OK;
  gst_event_parse_segment (event, &segment);
  reading_of_buffer (buffer, &reading);
  shown = checker->inject_error ? checker->late : reading;
  compare (checker, &shown,
      gst_segment_to_running_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer)));
  checker->late = reading;
  gst_event_unref (event);
  g_mutex_lock (&checker->lock);
  gst_buffer_replace (&checker->last, buffer);
  g_mutex_unlock (&checker->lock);
  return GST_PAD_PROBE_OK;
}

Checker *checker_new (GstPad *pad, guint camera, gboolean inject_error)
{
  Checker *checker = g_new0 (Checker, 1);
  checker->pad = gst_object_ref (pad);
  checker->camera = camera;
  checker->inject_error = inject_error;
  g_mutex_init (&checker->lock);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, look, checker, NULL);
  return checker;
}

const Tally *checker_tally (Checker *checker)
{
  return &checker->tally;
}

GstSample *checker_last_sample (Checker *checker)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (checker->pad);
  GstSample *sample = NULL;
  g_mutex_lock (&checker->lock);
  if (checker->last && caps)
    sample = gst_sample_new (checker->last, caps, NULL, NULL);
  g_mutex_unlock (&checker->lock);
  return sample;
}

void checker_free (Checker *checker)
{
  gst_buffer_replace (&checker->last, NULL);
  gst_object_unref (checker->pad);
  g_mutex_clear (&checker->lock);
  g_free (checker);
}
