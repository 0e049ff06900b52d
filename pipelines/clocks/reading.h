/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From characters that were found and read on a frame to the two texts burnt into it. */
#pragma once

#include <gst/gst.h>

/* What stands in a picture; empty strings where no line looks like one. */
typedef struct Reading {
  char clock[32];  /* "0:00:03.200" */
  char camera[16]; /* "#3" */
  guint n_characters;
} Reading;

/* Reads the regions of the buffer's GstVideoRegionOfInterestMeta with their structure "character".
 */
void reading_of_buffer (GstBuffer *buffer, Reading *reading);
/* As timeoverlay writes a time. */
void reading_write_clock (GstClockTime time_ns, char text[32]);
