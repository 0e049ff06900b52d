/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One stream of a playing pipeline, and everything an application can do to it while the others
 * run: remove, add, relink, block, flush, restart, change. */
#pragma once

#include "dynamic_kit.h"
#include "tests/watchdog.h"

/* Thread-safety: one application thread; `lock` guards what the streaming thread counts. */
typedef struct Victim {
  GstElement *pipeline; /* not owned */
  GstElement *branch;   /* in the pipeline, which owns it */
  const DynamicSettings *settings;
  Watchdog *dog;
  GRand *rand;
  GMutex lock;
  GCond grown;
  guint n_arrived, n_inferred;
  gint stall_ms; /* atomic: how long the sink takes for its next frame */
} Victim;

/* Adds the first branch to the pipeline; it plays when the pipeline does. */
void victim_init (Victim *self, GstElement *pipeline, const DynamicSettings *settings,
    Watchdog *dog, guint32 seed);
/* The branch stays in the pipeline. */
void victim_clear (Victim *self);
/* One more frame has come to the sink since the call. */
void victim_wait_flow (Victim *self);

guint victim_n_deeds (void);
const gchar *victim_deed_name (guint deed);
/* Does it; the stream flows again afterwards, or will in some milliseconds. */
void victim_do (Victim *self, guint deed);

/* For cases of their own. */
void victim_open (Victim *self);
void victim_remove_now (Victim *self);
void victim_remove_drained (Victim *self);

/* A pad that lets nothing more through, until it is opened. */
typedef struct Block {
  GstPad *pad;
  gulong probe;
  GMutex lock;
  GCond changed;
  gboolean is_blocked;
} Block;

/* Returns when something waits at the pad, or for IDLE nothing passes it. */
void block_close (Block *self, GstElement *element, const gchar *pad, GstPadProbeType type);
void block_open (Block *self);
