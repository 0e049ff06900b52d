/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything that crosses the src pad, and everything that upstream hears, is as through
 * `identity ! queue`: for schedules that were written and for many that are drawn.
 *
 *   test_order_random                     all; WEIR_SCHEDULES random ones
 *   test_order_random SEED                one of the random ones
 *   test_order_random SUBJECT SEED STEPS  one that was printed */
#include "element_kit.h"
#include "order_compare.h"
#include "tests/backtraces.h"
#include "tests/sanitized.h"
#include "tests/watchdog.h"
#include <stdlib.h>

#define HANG_S            60u
#define N_SCHEDULES       10000u
#define N_SANITIZED       400u
#define N_RUNS_PER_SCRIPT 6u

static guint32 running_seed;
static guint running_subject;
static const GArray *running_schedule;

/* The kinds of step are in order_pilot.c; the number after a name decides about its variants. */
static const gchar *const scripts[] = {
  "",
  "burst:1 tag burst custom:2 gap buffer segment:3 burst:4 caps:1 buffer",
  "burst hold:1 tag:1 caps:2 toc:3 group-done:1 burst:1 flush:2 buffer:3",
  "burst hold:2 custom-sticky:1 custom-sticky:2 burst flush:3 stream-start segment buffer",
  "hold fill flush buffer hold:1 fill:2 release buffer hold:2 fill:3 restart buffer",
  "hold held-query:1 flush buffer hold:3 held-query:2 release hold:4 held-query:3 restart buffer",
  "burst eos drain allocation custom-query buffer:2 custom:2 stream-start:1 segment:1 buffer:3",
  "burst eos:1 flush:1 segment:1 buffer:1 eos flush:2 caps:3 buffer:2",
  "unlink:1 buffer unlink:2 burst unlink:3 tag relink buffer:1 relink:2",
  "pause burst:1 pause seek:1 burst:2 seek:2 burst:3 restart:1 burst restart:2 burst:4",
  /* refused by downstream: with EOS, */
  "buffer refuse:8 stream-start:1 buffer:2 custom:1 segment:1 buffer:3",
  "buffer refuse:21 drain allocation custom-query:2 segment burst",
  "buffer refuse:40 stream-start:2 segment:2 burst:1",
  "buffer refuse:53 flush buffer:1",
  /* as not linked, */
  "buffer refuse:22 tag custom up-reconfigure buffer",
  "buffer refuse:31 segment:1 up-reconfigure burst",
  "buffer refuse:9 buffer refuse:23 up-reconfigure burst",
  /* and for other reasons */
  "buffer refuse:30 tag:1 custom:1 drain flush:1 buffer:1",
  "buffer refuse:154 buffer:1 refuse:141 eos stream-start restart buffer:2",
  "buffer refuse:4 caps:1 flush:2 buffer:3 refuse:57 restart:3 burst",
  "buffer refuse:90 buffer refuse:5 flush:4 burst:2",
};

static void tell_where (void)
{
  g_autofree gchar *text = order_schedule_text (running_schedule);
  g_printerr ("in: %u %u '%s'\n", running_subject, running_seed, text);
  order_print_state ();
  print_backtraces ();
}

static void start_watch (Watchdog *dog)
{
  watchdog_start_telling (dog, "order", HANG_S, tell_where);
}

static void print_difference (
    const GArray *schedule, guint subject, guint32 seed, const gchar *difference)
{
  g_autofree gchar *text = order_schedule_text (schedule);
  g_printerr ("%s is not as queue; again with: %u %u '%s'\n%s\n", order_subject (subject)->name,
      subject, seed, text, difference);
}

/* FALSE: there is a difference, which is printed. */
static gboolean check_schedule (Watchdog *dog, GArray *schedule, guint subject, guint32 seed)
{
  running_subject = subject;
  running_seed = seed;
  running_schedule = schedule;
  gchar *difference = order_compare (schedule, subject, seed);
  watchdog_step (dog);
  if (!difference)
    return TRUE;
  print_difference (schedule, subject, seed, difference);
  order_shrink (schedule, subject, seed, &difference);
  g_printerr ("shrunk:\n");
  print_difference (schedule, subject, seed, difference);
  g_free (difference);
  return FALSE;
}

static gboolean check_seed (Watchdog *dog, guint32 seed)
{
  g_autoptr (GArray) schedule = order_schedule_random (seed);
  return check_schedule (dog, schedule, seed / 2 % order_n_subjects (), seed);
}

static gboolean check_text (Watchdog *dog, const gchar *text, guint subject, guint32 seed)
{
  g_autoptr (GArray) schedule = order_schedule_parse (text);
  return schedule && check_schedule (dog, schedule, subject, seed);
}

START_TEST (test_order_scripted)
{
  Watchdog dog;
  gboolean equal = TRUE;
  start_watch (&dog);
  for (guint subject = 0; subject < order_n_subjects (); subject++)
    for (guint32 seed = 0; seed < N_RUNS_PER_SCRIPT; seed++)
      equal &= check_text (&dog, scripts[_i], subject, seed);
  watchdog_stop (&dog);
  ck_assert (equal);
}
END_TEST

/* Each kind of step alone, between buffers, and behind the gate. */
START_TEST (test_order_each_kind)
{
  const gchar *kind = order_kind_name ((guint) _i);
  g_autofree gchar *text = g_strdup_printf ("buffer %s:1 buffer:3 burst:2 %s:2 eos flush %s:3 "
                                            "buffer:9 hold %s:4 %s:5 buffer:6 flush:1 buffer:7",
      kind, kind, kind, kind, kind);
  Watchdog dog;
  gboolean equal = TRUE;
  start_watch (&dog);
  for (guint subject = 0; subject < order_n_subjects (); subject++)
    for (guint32 seed = 0; seed < 2; seed++)
      equal &= check_text (&dog, text, subject, seed);
  watchdog_stop (&dog);
  ck_assert (equal);
}
END_TEST

static guint n_schedules (void)
{
  const gchar *text = g_getenv ("WEIR_SCHEDULES");
  const guint n = IS_SANITIZED ? N_SANITIZED : N_SCHEDULES;
  return text ? (guint) strtoul (text, NULL, 10) : n;
}

START_TEST (test_order_random)
{
  Watchdog dog;
  guint n_failed = 0;
  start_watch (&dog);
  for (guint32 seed = 0; seed < n_schedules () && n_failed < 3; seed++)
    n_failed += !check_seed (&dog, seed);
  watchdog_stop (&dog);
  ck_assert_uint_eq (n_failed, 0);
}
END_TEST

static int run_one (int argc, char **argv)
{
  Watchdog dog;
  start_watch (&dog);
  const guint subject_or_seed = (guint) strtoul (argv[1], NULL, 10);
  const gboolean equal =
      argc < 4 ? check_seed (&dog, subject_or_seed)
               : check_text (&dog, argv[3], subject_or_seed, (guint32) strtoul (argv[2], NULL, 10));
  watchdog_stop (&dog);
  g_print (equal ? "equal\n" : "different\n");
  return !equal;
}

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("order");
  gst_init (&argc, &argv);
  kit_register ();
  if (argc > 1)
    return run_one (argc, argv);
  tcase_set_timeout (tcase, 0); /* the watchdog looks */
  tcase_add_loop_test (tcase, test_order_scripted, 0, G_N_ELEMENTS (scripts));
  tcase_add_loop_test (tcase, test_order_each_kind, 0, (int) order_n_kinds ());
  tcase_add_test (tcase, test_order_random);
  return kit_run (tcase);
}
