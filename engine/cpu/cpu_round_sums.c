/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/cpu/cpu_round_sums.h"

#include "engine/base/half.h"

#include <glib.h>
#include <math.h>
#include <stdbool.h>

#define MOST_VALUES 1024 /* of more the errors even out, and the time does not */

/* A value's error as it is rounded, and what the other neighbour adds to it; 0: there is none. */
typedef struct Choice {
  double error, step;
} Choice;

static Choice round_value (float *value)
{
  uint32_t below = weir_f32_bits (*value) & 0xffff0000u;
  float towards_0 = weir_bits_f32 (below), away = weir_bits_f32 (below + 0x10000u);
  float exact = *value, nearest = weir_bf16_to_f32 (weir_f32_to_bf16 (exact));
  float other = nearest == towards_0 ? away : towards_0;
  bool is_exact = nearest == exact || !isfinite (other);
  *value = nearest;
  return (Choice){ (double) nearest - (double) exact,
    is_exact ? 0.0 : (double) other - (double) nearest };
}

/* The one whose step brings the sum nearer to 0 for the least squared error; n: none does. */
static size_t best_step (const Choice *choices, size_t n, double sum)
{
  size_t best = n;
  double least = INFINITY;
  for (size_t i = 0; i < n; i++) {
    double step = choices[i].step, gain = fabs (sum) - fabs (sum + step);
    double cost = step * (step + 2 * choices[i].error) / gain;
    if (gain > 0 && cost < least) {
      least = cost;
      best = i;
    }
  }
  return best;
}

void weir_cpu_round_keeping_sum (float *values, size_t n)
{
  g_autofree Choice *choices = g_new (Choice, n);
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    choices[i] = round_value (&values[i]);
    sum += choices[i].error;
  }
  for (size_t i; n <= MOST_VALUES && (i = best_step (choices, n, sum)) < n; choices[i].step = 0) {
    values[i] = (float) ((double) values[i] + choices[i].step);
    sum += choices[i].step;
  }
}
