/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The embedded default as a camera that checks itself: a clock is drawn into a test picture, and
 * the two networks of pipelines/clocks read it. */
#pragma once

#include "gst/meta.h"
#include <gst/gst.h>

/* To be filled in: number of pictures, pattern (and more properties of videotestsrc), format,
 * width, height. 25 pictures a second, or `rate`: a fraction. */
#define CLOCK CLOCK_AT ("25/1")
#define CLOCK_AT(rate)                                                                      \
  "videotestsrc num-buffers=%d pattern=%s ! "                                               \
  "video/x-raw,format=%s,width=%d,height=%d,framerate=" rate " "                            \
  "! timeoverlay font-desc=\"DejaVu Sans Bold 36\" shaded-background=true xpad=12 ypad=12 " \
  "time-mode=stream-time halignment=left valignment=top ! video/x-raw "

/* The folder of the networks; NULL where something is missing, which is told. */
gchar *clock_models (void);
/* TRUE where the characters read are those of the time `pts`; tells what was read where not. */
gboolean clock_is_read (WeirMeta *meta, GstClockTime pts);
