/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Eight live cameras in one pipeline on one session for each of two networks: what arrives at their
 * sinks, when, and whether it is what the camera gives alone. */
#pragma once

#include "process_kit.h"
#include <gst/gst.h>

#define DYNAMIC_N_CAMERAS 8

typedef struct DynamicCamera {
  const gchar *source; /* properties of videotestsrc */
  const gchar *format;
  gint width, height, rate; /* pixels, frames a second */
  gboolean sync;            /* of the sink */
} DynamicCamera;

/* The first is small and fast: the one that comes and goes. */
extern const DynamicCamera dynamic_cameras[DYNAMIC_N_CAMERAS];

typedef struct DynamicSettings {
  const gchar *models;    /* folder of the networks */
  const gchar *inference; /* properties of both inference elements */
} DynamicSettings;

/* What arrives at one sink. Thread-safety: the sink's streaming thread writes; the others may read
 * when it has stopped. */
typedef struct DynamicArrivals {
  GArray *times_ns;  /* GstClockTime, by the pipeline's clock */
  GPtrArray *frames; /* texts: each picture with all its metadata; empty for the control */
  GArray *loads;     /* ProcessLoad at each arrival; only the control's */
  GstClockTime first_pts;
  gint n_made;    /* atomic: left the source */
  gint n_arrived; /* atomic */
  gint n_before;  /* of them, before pauses were measured */
} DynamicArrivals;

void dynamic_arrivals_init (DynamicArrivals *arrivals);
void dynamic_arrivals_clear (DynamicArrivals *arrivals);

/* A camera's elements, `source ! caps ! … tee ! valve ! find ! read ! sink`, in a bin that is not
 * in a pipeline yet. `n_buffers` -1: endless and live; else as fast as it goes. (transfer full) */
GstElement *dynamic_branch_new (const DynamicSettings *settings, guint camera, gint n_buffers);
/* Counts and describes what passes the branch. */
void dynamic_branch_watch (GstElement *branch, DynamicArrivals *arrivals);
/* A hundred pictures a second without inference. What they lose, and what CPU time others than this
 * process use meanwhile, the machine took. */
GstElement *dynamic_control_new (DynamicArrivals *arrivals);

/* EOS into the branch, and waits until it has come to the sink. */
void dynamic_branch_end (GstElement *branch);

/* The longest time between two arrivals, less what the machine took in it. */
GstClockTime dynamic_longest_pause (
    const DynamicArrivals *arrivals, const DynamicArrivals *control, GstClockTime *with_machine);
/* Runs the camera alone and compares frame by frame; numbers may differ by `tolerance`, 0: not by a
 * bit. Ends the test where they differ more. */
void dynamic_check_solo (const DynamicSettings *settings, guint camera,
    const DynamicArrivals *arrivals, gdouble tolerance);

/* Handles what is on the pipeline's bus, as an application does; waits for the first message for
 * some time. Errors and warnings of elements outside `visitor` end the test; returns the number of
 * errors inside. */
guint dynamic_look_at_bus (GstElement *pipeline, GstElement *visitor, GstClockTime wait_ns);
