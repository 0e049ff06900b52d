/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Suppression: order, ties, classes, the threshold itself, the limit. */
#include "engine/post/boxes.h"
#include "tests/run_suite.h"

/* A box of 10 by 10 that starts at x. */
#define BOX(X, CONFIDENCE, LABEL, INDEX)                                                           \
  {                                                                                                \
    .x0 = (X), .y0 = 0, .x1 = (X) + 10, .y1 = 10, .confidence = (CONFIDENCE), .label_id = (LABEL), \
    .index = (INDEX)                                                                               \
  }

static const struct {
  const char *what;
  float iou_threshold;
  uint32_t max_kept;
  uint32_t n;
  WeirCandidate candidates[5];
  uint32_t n_kept;
  uint32_t kept[5]; /* indexes, in order */
} rows[] = {
  { "none", 0.5f, 10, 0, { BOX (0, 0, 0, 0) }, 0, { 0 } },
  { "one", 0.5f, 10, 1, { BOX (0, 0.5f, 0, 7) }, 1, { 7 } },
  { "best first, far boxes stay", 0.5f, 10, 3,
      { BOX (0, 0.5f, 0, 0), BOX (20, 0.9f, 0, 1), BOX (40, 0.7f, 0, 2) }, 3, { 1, 2, 0 } },
  { "the lower confidence goes", 0.5f, 10, 2, { BOX (0, 0.5f, 0, 0), BOX (1, 0.9f, 0, 1) }, 1,
      { 1 } },
  { "at equal confidence the lower index stays", 0.5f, 10, 3,
      { BOX (2, 0.9f, 0, 9), BOX (1, 0.9f, 0, 4), BOX (0, 0.9f, 0, 5) }, 1, { 4 } },
  { "other classes do not suppress", 0.5f, 10, 2, { BOX (0, 0.5f, 3, 0), BOX (0, 0.9f, 2, 1) }, 2,
      { 1, 0 } },
  /* 5 of 10 columns shared: 50 / 150 */
  { "IoU of a third, threshold above", 0.34f, 10, 2, { BOX (0, 0.9f, 0, 0), BOX (5, 0.8f, 0, 1) },
      2, { 0, 1 } },
  { "IoU of a third, threshold below", 0.33f, 10, 2, { BOX (0, 0.9f, 0, 0), BOX (5, 0.8f, 0, 1) },
      1, { 0 } },
  { "IoU equal to the threshold stays", 1, 10, 2, { BOX (0, 0.9f, 0, 0), BOX (0, 0.8f, 0, 1) }, 2,
      { 0, 1 } },
  { "touching boxes share nothing", 0, 10, 2, { BOX (0, 0.9f, 0, 0), BOX (10, 0.8f, 0, 1) }, 2,
      { 0, 1 } },
  /* the middle one goes for the first; the last overlaps only the middle one */
  { "a box that went suppresses nothing", 0.3f, 10, 3,
      { BOX (0, 0.9f, 0, 0), BOX (5, 0.8f, 0, 1), BOX (10, 0.7f, 0, 2) }, 2, { 0, 2 } },
  { "the limit keeps the best", 0.5f, 2, 4,
      { BOX (0, 0.1f, 0, 0), BOX (20, 0.2f, 0, 1), BOX (40, 0.4f, 0, 2), BOX (60, 0.3f, 0, 3) }, 2,
      { 2, 3 } },
  { "a limit of none", 0.5f, 0, 1, { BOX (0, 0.9f, 0, 0) }, 0, { 0 } },
};

START_TEST (test_nms_rows)
{
  WeirCandidate candidates[5];
  memcpy (candidates, rows[_i].candidates, sizeof candidates);
  uint32_t n = weir_nms (candidates, rows[_i].n, rows[_i].iou_threshold, rows[_i].max_kept);
  ck_assert_msg (n == rows[_i].n_kept, "%s: %u kept", rows[_i].what, n);
  for (uint32_t i = 0; i < n; i++)
    ck_assert_msg (candidates[i].index == rows[_i].kept[i], "%s: place %u holds %u", rows[_i].what,
        i, candidates[i].index);
}
END_TEST

START_TEST (test_nms_sorts_any_number)
{
  static const uint32_t sizes[] = { 1, 2, 3, 10, 255, 4096, 5000 };
  uint32_t n = sizes[_i];
  g_autofree WeirCandidate *candidates = g_new0 (WeirCandidate, n);
  g_autoptr (GRand) random = g_rand_new_with_seed (20 + n);
  g_autofree bool *seen = g_new0 (bool, n);
  for (uint32_t i = 0; i < n; i++)
    candidates[i] =
        (WeirCandidate){ .confidence = (float) g_rand_int_range (random, 0, 50), .index = i };
  weir_candidates_sort (candidates, n);
  for (uint32_t i = 0; i < n; i++) {
    ck_assert (!seen[candidates[i].index]);
    seen[candidates[i].index] = true;
    if (i == 0)
      continue;
    ck_assert (candidates[i - 1].confidence > candidates[i].confidence ||
               (candidates[i - 1].confidence == candidates[i].confidence &&
                   candidates[i - 1].index < candidates[i].index));
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("nms");
  TCase *tcase = tcase_create ("nms");
  tcase_add_loop_test (tcase, test_nms_rows, 0, G_N_ELEMENTS (rows));
  tcase_add_loop_test (tcase, test_nms_sorts_any_number, 0, 7);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
