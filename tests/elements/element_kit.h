/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the element tests share: harnesses, gray pictures, a log of what leaves a pad. */
#pragma once

#include "gst/meta.h"
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#define KIT_WIDTH    32
#define KIT_HEIGHT   16
#define KIT_FRAME_NS (40 * GST_MSECOND)

/* Registers inferdetect and inferclassify without a plugin. */
void kit_register (void);
/* A harness around a launch line with live 25 fps GRAY8 pictures of KIT_WIDTH × KIT_HEIGHT. */
GstHarness *kit_harness (const gchar *launch);
GstCaps *kit_caps (gint width, gint height);
/* Picture `index`: all bytes are `value`, PTS and duration at 25 fps. */
GstBuffer *kit_buffer (guint index, guint8 value);
GstBuffer *kit_buffer_sized (guint index, guint8 value, gint width, gint height);
/* The next buffer, which must come and carry a WeirMeta. */
GstBuffer *kit_pull (GstHarness *h, WeirMeta **meta);
WeirMetaObject *kit_object (WeirMeta *meta, guint index);
GstElement *kit_find (GstHarness *h, const gchar *factory);
/* Names what is wrong: status and reason. */
void kit_assert_status (const WeirMeta *meta, WeirStatus status, const gchar *reason);

/* What a pad lets through, one word a piece, in order. Thread-safe. */
typedef struct KitLog {
  GMutex lock;
  GCond grown;
  GString *text;
  gboolean eos;
  GstFlowReturn flow; /* OK, or what buffers are refused with from now on */
  gulong probe;
  GstPad *pad;
} KitLog;

void kit_log_init (KitLog *log, GstPad *pad);
void kit_log_wait_eos (KitLog *log);
/* Waits until these words were logged, one after the other. */
void kit_log_wait (KitLog *log, const gchar *words);
void kit_log_set_flow (KitLog *log, GstFlowReturn flow);
void kit_log_clear (KitLog *log);

/* A pipeline; a launch line that does not parse fails the test. */
GstElement *kit_launch (const gchar *format, ...) G_GNUC_PRINTF (1, 2);
/* Plays until EOS; an error on the bus fails the test. */
void kit_play (GstElement *pipeline);
/* A whole number out of the stats of the element of that name; G_MAXUINT64 where there is none. */
guint64 kit_stat (GstElement *pipeline, const gchar *name, const gchar *field);

/* Runs a suite of one case; the exit status of main. */
int kit_run (TCase *tcase);
