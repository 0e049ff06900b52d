/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Eight live cameras in one pipeline. One of them is removed, added, relinked, blocked, flushed,
 * restarted and changed a thousand times; the seven others give what they give alone, bit by bit,
 * and do not pause. WEIR_DYNAMIC_DEEDS sets another number. */
#include "clock_kit.h"
#include "dynamic_wall.h"
#include "element_kit.h"

#include "tests/slowdown.h"

#define N_WARM_DEEDS repeat (IS_SANITIZED ? 10 : 40, 2)
#define TOLERANCE    1e-4
#define GROWN_KB     4096

static gchar *models; /* folder of the networks */

/* Batches of different sizes may add up in another order: bits are compared where every batch is
 * one, values where batches form as they like. On the slow device every batch holds frames of
 * several streams, so whatever happens to the victim happens in the middle of one. */
typedef struct Row {
  const gchar *inference; /* properties */
  gdouble tolerance;
  guint n_deeds;
} Row;

static const Row rows[] = {
  { "deterministic=true", 0, 1000 },
  { "", TOLERANCE, 300 },
  { "device=SIM(12,1)", 0, 100 },
};

static guint n_wanted (const Row *row)
{
  const gchar *text = g_getenv ("WEIR_DYNAMIC_DEEDS");
  const guint n_deeds = IS_SANITIZED ? row->n_deeds / 20 : row->n_deeds;
  return text ? MIN ((guint) g_ascii_strtoull (text, NULL, 10), row->n_deeds) : n_deeds;
}

START_TEST (test_dynamic)
{
  DynamicWall wall;
  const Row *row = &rows[_i];
  ProcessFacts now;
  const guint n_deeds = n_wanted (row);
  dynamic_wall_open (&wall, models, row->inference);
  dynamic_wall_act (&wall, N_WARM_DEEDS);
  dynamic_wall_close (&wall);
  dynamic_wall_clear (&wall);
  const ProcessFacts before = process_facts ();

  dynamic_wall_open (&wall, models, row->inference);
  const gint64 start_us = g_get_monotonic_time ();
  dynamic_wall_measure (&wall);
  dynamic_wall_act (&wall, n_deeds);
  g_print ("%u deeds in %.1f s\n", n_deeds, (gdouble) (g_get_monotonic_time () - start_us) * 1e-6);
  dynamic_wall_close (&wall);
  const guint n_late = dynamic_wall_count_pauses (&wall);
  ck_assert_uint_eq (is_timed () ? n_late : 0, 0);
  dynamic_wall_check_solo (&wall, row->tolerance);
  dynamic_wall_clear (&wall);
  ck_assert_msg (process_wait_for (&before, &now), "%u threads and %u files are %u and %u",
      before.n_threads, before.n_files, now.n_threads, now.n_files);
  g_print ("heap: %ld kB before, %ld kB after\n", before.heap_kb, now.heap_kb);
  ck_assert_int_lt (now.heap_kb - before.heap_kb, GROWN_KB);
}
END_TEST

int main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  kit_register ();
  models = clock_models ();
  if (!models)
    return 77;
  TCase *tcase = tcase_create ("dynamic");
  tcase_set_timeout (tcase, 600);
  tcase_add_loop_test (tcase, test_dynamic, 0, G_N_ELEMENTS (rows));
  return kit_run (tcase);
}
