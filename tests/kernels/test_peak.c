/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loops that measure the machine: they do the arithmetic that they say, which their own sums
 * count, and the variants of the stream agree. */
#include "kernels/kernels.h"
#include "kernels/peak.h"

#include "tests/run_suite.h"
#include <stdlib.h>
#include <string.h>

#define N_STREAM (4 * WEIR_STREAM_BLOCK)

static const uint32_t rounds[] = { 2, 7, 1000, 65536, WEIR_PEAK_MAX_ROUNDS };

START_TEST (test_loops_count)
{
  const WeirPeakLoop *loop;
  for (size_t i = 0; (loop = weir_peak_loop ((WeirPeakKind) _i, i)); i++) {
    double once = loop->run (1);
    ck_assert_msg (once >= 16 && loop->name[0], "%s: %g", loop->name, once);
    ck_assert_double_eq (loop->run (0), 0);
    for (size_t k = 0; k < sizeof rounds / sizeof *rounds; k++)
      ck_assert_msg (loop->run (rounds[k]) == once * rounds[k], "%s: %u rounds: %g, one: %g",
          loop->name, rounds[k], loop->run (rounds[k]), once);
  }
}
END_TEST

/* What precision=auto takes for native has a peak; f32 has one everywhere. */
START_TEST (test_loops_there)
{
  ck_assert_ptr_nonnull (weir_peak_loop (WEIR_PEAK_F32, 0));
  if (weir_cpu_has_int8 ())
    ck_assert_ptr_nonnull (weir_peak_loop (WEIR_PEAK_INT8, 0));
  if (!weir_cpu_has_bf16 ())
    ck_assert_ptr_null (weir_peak_loop (WEIR_PEAK_BF16, 0));
}
END_TEST

static float *floats_new (uint32_t seed)
{
  float *values = malloc (N_STREAM * sizeof *values);
  for (size_t i = 0; i < N_STREAM; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float) (seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

START_TEST (test_streams_agree)
{
  static const unsigned variants[] = { WEIR_ISA_C, WEIR_ISA_AVX2, WEIR_ISA_AVX512 };
  float *a = floats_new (1), *b = floats_new (2), *dst = malloc (N_STREAM * sizeof *dst);
  ck_assert (weir_stream () != NULL);
  for (size_t v = 0; v < sizeof variants / sizeof *variants; v++) {
    WeirStreamFn stream = weir_stream_variant (variants[v]);
    if (!stream)
      continue;
    memset (dst, 0xff, N_STREAM * sizeof *dst);
    stream (dst, a, b, N_STREAM);
    for (size_t i = 0; i < N_STREAM; i++)
      ck_assert_msg (dst[i] == a[i] + b[i], "variant %u, element %zu", variants[v], i);
  }
  free (a);
  free (b);
  free (dst);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("peak");
  TCase *tcase = tcase_create ("peak");
  tcase_add_loop_test (tcase, test_loops_count, 0, WEIR_N_PEAKS);
  tcase_add_test (tcase, test_loops_there);
  tcase_add_test (tcase, test_streams_agree);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
