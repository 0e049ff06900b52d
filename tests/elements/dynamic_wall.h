/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The eight cameras and the control playing in one pipeline, seven of them watched, one the victim.
 */
#pragma once

#include "dynamic_kit.h"
#include "victim.h"

typedef struct DynamicWall {
  GstElement *pipeline;
  GstElement *branches[DYNAMIC_N_CAMERAS]; /* all but the victim's */
  DynamicArrivals arrivals[DYNAMIC_N_CAMERAS], control;
  DynamicSettings settings;
  Watchdog dog;
  Victim victim;
} DynamicWall;

/* Plays when it returns. */
void dynamic_wall_open (DynamicWall *self, const gchar *models, const gchar *inference);
/* Does deeds in random order; waits for a frame before each. */
void dynamic_wall_act (DynamicWall *self, guint n_deeds);
/* Waits until every stream but the victim has given so many more frames. */
void dynamic_wall_wait (DynamicWall *self, gint n_frames);
/* From now on pauses count: returns when the first frames are over and the pipeline knows its
 * latency. */
void dynamic_wall_measure (DynamicWall *self);
/* The seven streams end, then the pipeline; what was watched stays. */
void dynamic_wall_close (DynamicWall *self);
/* How many of the seven were away for longer than two frame intervals since they were measured;
 * tells of each. */
guint dynamic_wall_count_pauses (const DynamicWall *self);
/* Each of the seven gave all it took, as it does alone. */
void dynamic_wall_check_solo (DynamicWall *self, gdouble tolerance);
void dynamic_wall_clear (DynamicWall *self);
