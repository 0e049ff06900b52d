/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WEIR_DYNAMIC_LOUD tells each deed and how long it took. */
#include "dynamic_wall.h"

#include <gst/check/gstcheck.h>

#define HANG_S         60
#define N_FIRST_FRAMES 3

void dynamic_wall_open (DynamicWall *self, const gchar *models, const gchar *inference)
{
  *self = (DynamicWall){ .pipeline = gst_pipeline_new ("wall"),
    .settings = { .models = models, .inference = inference } };
  watchdog_start (&self->dog, "opening", HANG_S);
  dynamic_arrivals_init (&self->control);
  gst_bin_add (GST_BIN (self->pipeline), dynamic_control_new (&self->control));
  for (guint i = 1; i < DYNAMIC_N_CAMERAS; i++) {
    self->branches[i] = dynamic_branch_new (&self->settings, i, -1);
    dynamic_arrivals_init (&self->arrivals[i]);
    dynamic_branch_watch (self->branches[i], &self->arrivals[i]);
    gst_bin_add (GST_BIN (self->pipeline), self->branches[i]);
  }
  victim_init (&self->victim, self->pipeline, &self->settings, &self->dog, 1);
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
}

void dynamic_wall_wait (DynamicWall *self, gint n_frames)
{
  watchdog_say (&self->dog, "waiting for frames");
  gint end[DYNAMIC_N_CAMERAS];
  for (guint i = 1; i < DYNAMIC_N_CAMERAS; i++)
    end[i] = g_atomic_int_get (&self->arrivals[i].n_arrived) + n_frames;
  for (guint i = 1; i < DYNAMIC_N_CAMERAS; i++) {
    while (g_atomic_int_get (&self->arrivals[i].n_arrived) < end[i])
      g_usleep (1000);
    watchdog_step (&self->dog);
  }
  dynamic_look_at_bus (self->pipeline, self->victim.branch, 0);
}

void dynamic_wall_close (DynamicWall *self)
{
  watchdog_say (&self->dog, "ending");
  for (guint i = 1; i < DYNAMIC_N_CAMERAS; i++)
    dynamic_branch_end (self->branches[i]);
  watchdog_say (&self->dog, "closing");
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_object_unref (self->pipeline);
  victim_clear (&self->victim);
}

void dynamic_wall_clear (DynamicWall *self)
{
  for (guint i = 1; i < DYNAMIC_N_CAMERAS; i++)
    dynamic_arrivals_clear (&self->arrivals[i]);
  dynamic_arrivals_clear (&self->control);
  watchdog_stop (&self->dog);
}

void dynamic_wall_act (DynamicWall *self, guint n_deeds)
{
  Victim *victim = &self->victim;
  for (guint i = 0; i < n_deeds; i++) {
    const guint deed = (guint) g_rand_int_range (victim->rand, 0, (gint32) victim_n_deeds ());
    watchdog_say (&self->dog, "waiting for a frame");
    victim_wait_flow (victim);
    const gint64 start_us = g_get_monotonic_time ();
    victim_do (victim, deed);
    if (g_getenv ("WEIR_DYNAMIC_LOUD"))
      g_print ("%u %s %.1f ms\n", i, victim_deed_name (deed),
          (gdouble) (g_get_monotonic_time () - start_us) * 1e-3);
  }
}

/* The pipeline asked for its latency when no source had told a frame rate: sinks that do not wait
 * for their first frame make it ask no second time, so that is left to the application. Whatever
 * such an answer adds, sinks with a clock pause for once. */
void dynamic_wall_measure (DynamicWall *self)
{
  dynamic_wall_wait (self, N_FIRST_FRAMES);
  ck_assert (gst_bin_recalculate_latency (GST_BIN (self->pipeline)));
  dynamic_wall_wait (self, N_FIRST_FRAMES);
  for (guint i = 1; i < DYNAMIC_N_CAMERAS; i++)
    self->arrivals[i].n_before = g_atomic_int_get (&self->arrivals[i].n_arrived);
}

guint dynamic_wall_count_pauses (const DynamicWall *self)
{
  GstClockTime control_ns;
  dynamic_longest_pause (&self->control, &self->control, &control_ns);
  g_print ("control: %d arrivals, at most %.1f ms apart\n", self->control.n_arrived,
      (gdouble) control_ns * 1e-6);
  guint n_late = 0;
  for (guint i = 1; i < DYNAMIC_N_CAMERAS; i++) {
    GstClockTime with_machine_ns;
    const GstClockTime longest_ns =
        dynamic_longest_pause (&self->arrivals[i], &self->control, &with_machine_ns);
    const GstClockTime bound_ns = 2 * GST_SECOND / (GstClockTime) dynamic_cameras[i].rate;
    g_print ("camera %u: %d frames of %d, pause %.1f ms, less the machine's %.1f of %.1f\n", i,
        self->arrivals[i].n_arrived, self->arrivals[i].n_made, (gdouble) with_machine_ns * 1e-6,
        (gdouble) longest_ns * 1e-6, (gdouble) bound_ns * 1e-6);
    n_late += longest_ns > bound_ns;
  }
  return n_late;
}

void dynamic_wall_check_solo (DynamicWall *self, gdouble tolerance)
{
  watchdog_say (&self->dog, "comparing");
  for (guint i = 1; i < DYNAMIC_N_CAMERAS; i++) {
    ck_assert_int_gt (self->arrivals[i].n_arrived, 5);
    ck_assert_int_eq (self->arrivals[i].n_arrived, self->arrivals[i].n_made);
    dynamic_check_solo (&self->settings, i, &self->arrivals[i], tolerance);
    watchdog_step (&self->dog);
  }
}
