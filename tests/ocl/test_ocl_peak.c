/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernels that measure a device's peaks, with few rounds: what they leave behind shows that no
 * round was left out. */
#include "engine/ocl/ocl_memory.h"
#include "engine/ocl/ocl_program.h"

#include "tests/ocl/ocl_kit.h"
#include "tests/run_suite.h"

#define N_ITEMS   24u
#define GROUP     8u
#define N_SUMS    16 /* of peak.cl */
#define MARGIN    4u /* floats before and behind, which stay as they are */
#define UNTOUCHED (-77.0f)

/* Multiply-adds halve the distance to 1; `n_taken` of a vector's elements are stored. */
static float expect_sum (uint32_t local, uint32_t n_rounds, float n_taken)
{
  float sum = 0;
  for (uint32_t i = 0; i < N_SUMS; i++) {
    float value = (float) i * 0.125f + (float) (local & 7);
    for (uint32_t round = 0; round < n_rounds; round++)
      value = value * 0.5f + 0.5f;
    sum += value;
  }
  return n_taken * sum;
}

/* Each round adds the sum's own lowest bytes, as many as `ones` tells. */
static float expect_dot (uint32_t local, uint32_t n_rounds, float n_taken)
{
  int32_t ones = (int32_t) ((n_rounds & 0x01010101u) | 1u), all = 0;
  for (int32_t i = 0; i < N_SUMS; i++) {
    int32_t value = i + (int32_t) local;
    for (uint32_t round = 0; round < n_rounds; round++) {
      int32_t next = i;
      for (int32_t byte = 0; byte < 4; byte++)
        next += (int8_t) (value >> 8 * byte) * (int8_t) (ones >> 8 * byte);
      value = next;
    }
    all += value;
  }
  return n_taken * (float) all;
}

typedef struct Row {
  const char *kernel, *options;
  bool needs_fp16;
  uint32_t n_rounds;
  float (*expect) (uint32_t local, uint32_t n_rounds, float n_taken);
  float n_taken;
} Row;

static const Row rows[] = {
  { "multiply_add", "", false, 3, expect_sum, 1 },
  { "multiply_add", "-DWIDE", false, 3, expect_sum, 2 },
  { "multiply_add", "-DHALF", true, 3, expect_sum, 2 },
  { "dot_products", "-DDOT", false, 3, expect_dot, 1 },
  { "dot_products", "-DDOT", false, 257, expect_dot, 1 },
};

static WeirOclMemory *new_memory (uint32_t n)
{
  GError *error = NULL;
  WeirOclMemory *memory =
      weir_ocl_memory_new (ocl_kit_device, n * sizeof (float), true, false, &error);
  ocl_must (memory, error);
  return memory;
}

static cl_program get_program (const char *options)
{
  GError *error = NULL;
  cl_program program = weir_ocl_program_get (ocl_kit_device, "peak", options, &error);
  ocl_must (program, error);
  return program;
}

static void run (WeirOclMemory *memory, WeirOclCall *call, GError *error)
{
  ocl_must (call, error);
  ocl_must (weir_ocl_queue_run (memory->queue, call, NULL, &error), error);
}

/* Room for N_ITEMS between two margins. */
static WeirOclMemory *new_untouched (void)
{
  float values[MARGIN + N_ITEMS + MARGIN];
  WeirOclMemory *memory = new_memory (G_N_ELEMENTS (values));
  for (uint32_t i = 0; i < G_N_ELEMENTS (values); i++)
    values[i] = UNTOUCHED;
  ocl_kit_upload (memory, 0, values, G_N_ELEMENTS (values), WEIR_DTYPE_F32);
  return memory;
}

static void check (WeirOclMemory *memory, const float *expected)
{
  float values[MARGIN + N_ITEMS + MARGIN];
  ocl_kit_download (memory, 0, values, G_N_ELEMENTS (values), WEIR_DTYPE_F32);
  for (uint32_t i = 0; i < G_N_ELEMENTS (values); i++) {
    bool is_item = i >= MARGIN && i < MARGIN + N_ITEMS;
    ck_assert_float_eq (values[i], is_item ? expected[i - MARGIN] : UNTOUCHED);
  }
}

START_TEST (test_ocl_peak_rounds)
{
  const Row *row = &rows[_i];
  if (row->needs_fp16 && !weir_ocl_device_facts (ocl_kit_device)->has_fp16)
    return;
  g_autoptr (WeirOclMemory) memory = new_untouched ();
  GError *error = NULL;
  float expected[N_ITEMS];
  g_autoptr (WeirOclCall) call = weir_ocl_call_new (ocl_kit_device, get_program (row->options),
      row->kernel, weir_ocl_grid (N_ITEMS, 0, 0, GROUP, 0, 0), &error,
      WEIR_OCL_ADDRESS (memory->base + MARGIN * sizeof (float), sizeof (float)),
      WEIR_OCL_VALUE (row->n_rounds));
  run (memory, call, error);
  for (uint32_t i = 0; i < N_ITEMS; i++)
    expected[i] = row->expect (i % GROUP, row->n_rounds, row->n_taken);
  check (memory, expected);
}
END_TEST

/* The last group has more items than there are fours. */
START_TEST (test_ocl_peak_stream)
{
  const uint32_t n_fours = 5, n = 4 * n_fours;
  g_autoptr (WeirOclMemory) dst = new_untouched (), src = new_memory (2 * n);
  float values[40], expected[N_ITEMS];
  GError *error = NULL;
  ocl_kit_fill (values, 2 * n, 1);
  ocl_kit_upload (src, 0, values, 2 * n, WEIR_DTYPE_F32);
  g_autoptr (WeirOclCall) call = weir_ocl_call_new (ocl_kit_device, get_program (""), "stream",
      weir_ocl_grid (n_fours, 0, 0, GROUP, 0, 0), &error,
      WEIR_OCL_ADDRESS (dst->base + MARGIN * sizeof (float), sizeof (cl_float4)),
      WEIR_OCL_ADDRESS (src->base, sizeof (cl_float4)),
      WEIR_OCL_ADDRESS (src->base + n * sizeof (float), sizeof (cl_float4)),
      WEIR_OCL_VALUE (n_fours));
  run (dst, call, error);
  for (uint32_t i = 0; i < N_ITEMS; i++)
    expected[i] = i < n ? values[i] + values[n + i] : UNTOUCHED;
  check (dst, expected);
}
END_TEST

START_TEST (test_ocl_peak_nothing)
{
  g_autoptr (WeirOclMemory) memory = new_untouched ();
  float expected[N_ITEMS];
  GError *error = NULL;
  g_autoptr (WeirOclCall) call = weir_ocl_call_new (ocl_kit_device, get_program (""), "nothing",
      weir_ocl_grid (1, 0, 0, 1, 0, 0), &error, WEIR_OCL_ADDRESS (memory->base, sizeof (float)));
  run (memory, call, error);
  for (uint32_t i = 0; i < N_ITEMS; i++)
    expected[i] = UNTOUCHED;
  check (memory, expected);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ocl peak");
  TCase *tcase = tcase_create ("ocl peak");
  ocl_kit_start ();
  tcase_add_loop_test (tcase, test_ocl_peak_rounds, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_ocl_peak_stream);
  tcase_add_test (tcase, test_ocl_peak_nothing);
  suite_add_tcase (suite, tcase);
  return ocl_kit_end (run_suite (suite, CK_NOFORK));
}
