/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions on the device: large batches, the memory that they take, what batches cost. */
#include "engine/ocl/ocl_peak.h"
#include "engine/ocl/ocl_program.h"
#include "engine/weir.h"
#include "tests/ocl/ocl_kit.h"
#include "tests/run_suite.h"
#include "tests/unit/formats/onnx_builder.h"

#include <math.h>
#include <string.h>

#define F32      1 /* TensorProto.DataType */
#define N_ITEMS  64
#define N_PIXELS (11 * 13)
#define N_VALUES (3 * N_PIXELS) /* of an item's input */
#define N_DST    (8 * N_PIXELS)
#define WAIT_US  5000000

static char *folder, *model, *device;

/* x [n,3,11,13] → Conv 3×3 to 8 channels, Relu */
static void set_up (void)
{
  g_autoptr (OnnxBuilder) b = onnx_builder_new (13);
  onnx_builder_input (b, "x", F32, "n,3,11,13");
  onnx_builder_ramp (b, "w", "8,3,3,3");
  onnx_builder_node (b, "Conv", "x,w", "c", "kernel_shape=3,3 pads=1,1,1,1");
  onnx_builder_node (b, "Relu", "c", "y", NULL);
  onnx_builder_output (b, "y");
  folder = onnx_builder_folder ();
  model = onnx_builder_write (b, folder, "net.onnx");
  device = ocl_kit_match () ? g_strconcat ("GPU.", ocl_kit_match (), NULL) : g_strdup ("GPU");
}

static void tear_down (void)
{
  onnx_builder_remove (folder);
  g_free (model);
  g_free (device);
}

static WeirSession *open_session (const char *precision, uint32_t batch_size)
{
  const WeirSessionOptions options = { .model = model,
    .device = device,
    .precision = precision,
    .config = "CACHE_DIR=",
    .batch_size = batch_size,
    .batch_timeout_ms = -1 };
  GError *error = NULL;
  WeirSession *session = weir_session_open (&options, &error);
  ocl_must (session, error);
  return session;
}

static void run_rows (WeirStream *stream, float *rows, uint32_t n, float *dst)
{
  WeirRequest *request = weir_request_new (stream);
  WeirTensor input = {
    .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { n, 3, 11, 13 }, .buffer = rows
  };
  GError *error = NULL;
  weir_request_keep_outputs (request, true);
  ocl_must (weir_request_set_input (request, 0, &input, &error), error);
  ocl_must (weir_request_run (request, &error), error);
  memcpy (dst, weir_tensor_data (weir_request_output (request, 0)), n * N_DST * sizeof *dst);
  weir_request_free (request);
}

static const char *const precisions[] = { "f32", "f16" };

START_TEST (test_ocl_session_batch_of_64)
{
  static float rows[N_ITEMS * N_VALUES], together[N_ITEMS * N_DST], alone[N_DST];
  WeirSession *session = open_session (precisions[_i], N_ITEMS);
  WeirStream *stream = weir_stream_new (session, "rows", N_ITEMS);
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  ocl_kit_fill (rows, G_N_ELEMENTS (rows), 7);
  run_rows (stream, rows, N_ITEMS, together);
  weir_session_stats (session, stats);
  ck_assert_uint_eq (stats->batch_max, N_ITEMS);
  ck_assert_str_eq (stats->batch_max_reason, "property");
  /* the values of the device, input and result, at least */
  ck_assert_uint_ge (stats->memory_bytes, N_ITEMS * (N_VALUES + N_DST) * (_i ? 2 : 4));
  ck_assert_uint_ge (stats->memory_planned_bytes, stats->memory_bytes);
  ck_assert_uint_gt (stats->memory_available_bytes, stats->memory_planned_bytes);
  for (uint32_t i = 0; i < N_ITEMS; i++) {
    run_rows (stream, rows + i * N_VALUES, 1, alone);
    for (uint32_t k = 0; k < N_DST; k++)
      ck_assert_float_eq_tol (together[i * N_DST + k], alone[k], 1e-5f * fabsf (alone[k]) + 1e-6f);
  }
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* S(n) = a + c n from batches of 1, 2 and the largest, which run before any item comes. */
START_TEST (test_ocl_session_learns_what_batches_cost)
{
  WeirSession *session = open_session ("f32", N_ITEMS);
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  for (uint32_t us = 0; us < WAIT_US; us += 10000) {
    weir_session_stats (session, stats);
    if (stats->service_fixed_us + stats->service_per_item_us > 0)
      break;
    g_usleep (10000);
  }
  ck_assert_uint_gt (stats->service_fixed_us + stats->service_per_item_us, 0);
  weir_session_unref (session);
}
END_TEST

/* Without dot products, too: no device of a test may have them. */
START_TEST (test_ocl_peaks_are_built)
{
  GError *error = NULL;
  ocl_must (weir_ocl_program_get (ocl_kit_device, "peak", "-DDOT", &error), error);
}
END_TEST

START_TEST (test_ocl_peaks)
{
  WeirDevicePeaks peaks;
  GError *error = NULL;
  ocl_must (weir_ocl_peaks_measure (ocl_kit_device, &peaks, &error), error);
  ck_assert (isfinite (peaks.f32_gflops) && peaks.f32_gflops > 0);
  ck_assert ((peaks.int8_gflops > 0) == weir_ocl_device_facts (ocl_kit_device)->has_int8_dot);
  ck_assert ((peaks.f16_gflops > 0) == weir_ocl_device_facts (ocl_kit_device)->has_fp16);
  ck_assert (peaks.cache_bytes > 0 && peaks.cache_gbps > 0 && peaks.memory_gbps > 0);
  ck_assert (peaks.upload_gbps > 0 && peaks.download_gbps > 0 && peaks.launch_us > 0);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ocl session");
  TCase *tcase = tcase_create ("ocl session");
  ocl_kit_start ();
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_add_loop_test (tcase, test_ocl_session_batch_of_64, 0, G_N_ELEMENTS (precisions));
  tcase_add_test (tcase, test_ocl_session_learns_what_batches_cost);
  tcase_add_test (tcase, test_ocl_peaks);
  tcase_add_test (tcase, test_ocl_peaks_are_built);
  suite_add_tcase (suite, tcase);
  return ocl_kit_end (run_suite (suite, CK_NOFORK));
}
