/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Percentiles of durations at constant cost: a histogram with logarithmic buckets, 8 per octave
 * (width at most 12.5 %). */
#pragma once

#include <stdint.h>

#define WEIR_HISTOGRAM_SUB_BITS 3
#define WEIR_HISTOGRAM_BUCKETS  (40 << WEIR_HISTOGRAM_SUB_BITS)

typedef struct WeirHistogram {
  uint64_t n;
  uint32_t buckets[WEIR_HISTOGRAM_BUCKETS];
} WeirHistogram;

/* Values below 8 have a bucket each; above, the three bits behind the leading one choose. */
static inline uint32_t weir_histogram_bucket (uint64_t value)
{
  if (value < (1u << WEIR_HISTOGRAM_SUB_BITS))
    return (uint32_t) value;
  uint32_t octave = 63u - (uint32_t) __builtin_clzll (value) - WEIR_HISTOGRAM_SUB_BITS;
  uint32_t sub = (uint32_t) (value >> octave) & ((1u << WEIR_HISTOGRAM_SUB_BITS) - 1);
  uint32_t bucket = ((octave + 1) << WEIR_HISTOGRAM_SUB_BITS) + sub;
  return bucket < WEIR_HISTOGRAM_BUCKETS ? bucket : WEIR_HISTOGRAM_BUCKETS - 1;
}

static inline void weir_histogram_add (WeirHistogram *histogram, uint64_t value)
{
  histogram->buckets[weir_histogram_bucket (value)]++;
  histogram->n++;
}

/* Upper end of the bucket that holds the percentile; 0 when empty. */
static inline uint64_t weir_histogram_percentile (const WeirHistogram *histogram, double percent)
{
  uint64_t rank = (uint64_t) ((double) histogram->n * percent / 100.0), seen = 0;
  if (!histogram->n)
    return 0;
  for (uint32_t i = 0; i < WEIR_HISTOGRAM_BUCKETS; i++) {
    seen += histogram->buckets[i];
    if (seen > rank || seen == histogram->n) {
      uint32_t octave = i >> WEIR_HISTOGRAM_SUB_BITS,
               sub = i & ((1u << WEIR_HISTOGRAM_SUB_BITS) - 1);
      return octave == 0
                 ? sub
                 : ((((uint64_t) sub + 1) + (1u << WEIR_HISTOGRAM_SUB_BITS)) << (octave - 1)) - 1;
    }
  }
  return 0;
}
