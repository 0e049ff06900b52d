/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Candidates in order of their scores, as detectors keep the best of many. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct WeirScored {
  float score;
  int32_t label, index;
} WeirScored;

/* Whether `a` comes first: by score, highest first, then index and label, lowest first. */
bool weir_scored_before (const WeirScored *a, const WeirScored *b);
/* Brings the first n_best of n in order to the front; the others stay behind in any order. In
 * O (n + n_best log n) whatever the scores are. */
void weir_scored_sort (WeirScored *scored, int64_t n, int64_t n_best);

/* A heap with the best in front. Sift: only the one at `at` may be worse than those below it. */
void weir_scored_heapify (WeirScored *heap, int64_t n);
void weir_scored_sift (WeirScored *heap, int64_t n, int64_t at);
