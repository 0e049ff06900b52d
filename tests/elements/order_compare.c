/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two runs and the first line in which they differ. */
#include "order_compare.h"

#include "fake_engine.h"

#define N_BEFORE 12u /* lines shown before a difference */
#define N_AFTER  4u
#define DEPTH    4u /* of a ring, with optimal = 2 */
/* A difference that depends on timing is not there each time. */
#define N_TRIES 5u

static const OrderSubject subjects[] = {
  { "inferdetect", { { "inferdetect", "model=a.onnx" } }, DEPTH, DEPTH, FALSE },
  { "inferclassify", { { "inferclassify", "model=a.onnx region=full-frame" } }, DEPTH, DEPTH,
      TRUE },
  { "inferclassify with nothing to do", { { "inferclassify", "model=a.onnx" } }, DEPTH, DEPTH,
      TRUE },
  { "leaky inferdetect", { { "inferdetect", "model=a.onnx leaky=downstream qos=true" } }, 64, 64,
      FALSE },
  { "inferdetect now and then", { { "inferdetect", "model=a.onnx interval=3" } }, DEPTH, DEPTH,
      FALSE },
  { "inferdetect twice",
      { { "inferdetect", "model=a.onnx" }, { "inferdetect", "model=b.onnx region=roi-list" } },
      2 * DEPTH + 1, DEPTH, FALSE },
};

guint order_n_subjects (void)
{
  return G_N_ELEMENTS (subjects);
}

const OrderSubject *order_subject (guint index)
{
  return &subjects[index];
}

/* Comparing ----------------------------------------------------------------------------------- */

static const gchar *line_of (const GPtrArray *lines, guint index)
{
  return index < lines->len ? g_ptr_array_index (lines, index) : "(end)";
}

static gchar *show (const gchar *log, const GPtrArray *expected, guint at_expected,
    const GPtrArray *got, guint at_got)
{
  GString *text = g_string_new (NULL);
  g_string_append_printf (text, "%s:\n", log);
  for (guint i = at_got > N_BEFORE ? at_got - N_BEFORE : 0; i < at_got; i++)
    g_string_append_printf (text, "  both:  %s\n", line_of (got, i));
  for (guint i = at_expected; i < at_expected + N_AFTER && i <= expected->len; i++)
    g_string_append_printf (text, "  queue: %s\n", line_of (expected, i));
  for (guint i = at_got; i < at_got + N_AFTER && i <= got->len; i++)
    g_string_append_printf (text, "  weir:  %s\n", line_of (got, i));
  return g_string_free (text, FALSE);
}

static gboolean is_prefix_mark (const GPtrArray *lines, guint index)
{
  return index < lines->len && order_rig_is_prefix_mark (g_ptr_array_index (lines, index));
}

/* The next mark, or the end. */
static guint find_mark (const GPtrArray *lines, guint index)
{
  while (index < lines->len && !order_rig_is_mark (g_ptr_array_index (lines, index)))
    index++;
  return index;
}

/* Of a section that a flush cut off, the longer log is skipped to its end. */
static gchar *compare_lines (const gchar *log, const GPtrArray *expected, const GPtrArray *got)
{
  guint e = 0, g = 0;
  while (e < expected->len || g < got->len) {
    if (is_prefix_mark (expected, e))
      g = find_mark (got, g);
    else if (is_prefix_mark (got, g))
      e = find_mark (expected, e);
    if (!g_str_equal (line_of (expected, e), line_of (got, g)))
      return show (log, expected, e, got, g);
    e++;
    g++;
  }
  return NULL;
}

static gchar *compare_rigs (const OrderRig *expected, const OrderRig *got)
{
  g_autofree gchar *crossed = compare_lines ("what crossed", expected->crossed, got->crossed);
  g_autofree gchar *told = compare_lines ("what was told", expected->told, got->told);
  return crossed || told ? g_strconcat (crossed ? crossed : "", told ? told : "", NULL) : NULL;
}

static gchar *find_rest (void)
{
  const guint n_sessions = fake_engine_n_sessions (), n_streams = fake_engine_n_streams (),
              n_requests = fake_engine_n_requests ();
  if (n_sessions + n_streams + n_requests == 0)
    return NULL;
  return g_strdup_printf (
      "left over: %u sessions, %u streams, %u requests", n_sessions, n_streams, n_requests);
}

gchar *order_compare (const GArray *schedule, guint subject, guint32 seed)
{
  const gboolean is_plain = seed % 2;
  const FakeEngine engine = { .n_workers = 1 + seed % 3,
    .optimal = 2,
    .delay_us = seed / 6 % 3 == 0 ? 200 : 0,
    .is_classifier = subjects[subject].classifies };
  OrderRig expected, got;
  fake_engine_reset (&engine);
  order_run (
      &expected, &subjects[subject], is_plain ? ORDER_QUEUE : ORDER_IDENTITY_QUEUE, schedule);
  fake_engine_reset (&engine);
  order_run (&got, &subjects[subject], is_plain ? ORDER_TESTED_PLAIN : ORDER_TESTED, schedule);
  gchar *difference = compare_rigs (&expected, &got);
  order_rig_clear (&expected);
  order_rig_clear (&got);
  return difference ? difference : find_rest ();
}

/* Shrinking ----------------------------------------------------------------------------------- */

static gchar *try_often (const GArray *schedule, guint subject, guint32 seed)
{
  gchar *difference = NULL;
  for (guint i = 0; i < N_TRIES && !difference; i++)
    difference = order_compare (schedule, subject, seed);
  return difference;
}

void order_shrink (GArray *schedule, guint subject, guint32 seed, gchar **difference)
{
  for (guint i = schedule->len; i-- > 0;) {
    const OrderStep step = g_array_index (schedule, OrderStep, i);
    g_array_remove_index (schedule, i);
    gchar *rest = try_often (schedule, subject, seed);
    if (rest) {
      g_free (*difference);
      *difference = rest;
    } else {
      g_array_insert_val (schedule, i, step);
    }
  }
}
