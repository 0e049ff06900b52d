/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A small network is tuned on the device: later sessions use what was found, and give the same
 * results within rounding. */
#include "engine/ocl/ocl_variant.h"
#include "engine/weir.h"
#include "tests/ocl/ocl_kit.h"
#include "tests/run_suite.h"
#include "tests/unit/formats/onnx_builder.h"

#include <math.h>
#include <string.h>

#define F32       1 /* TensorProto.DataType */
#define N_ITEMS   3u
#define N_SRC     (8u * 9 * 7)
#define N_DST     (6u * 9 * 7)
#define TOLERANCE 1e-5

static char *folder, *model, *device, *config;

static void add_weights (OnnxBuilder *builder, const char *name, const char *dims, uint32_t n)
{
  g_autofree float *values = g_new (float, n);
  ocl_kit_fill (values, n, n);
  onnx_builder_constant (builder, name, F32, dims, values, n * sizeof *values);
}

/* x [n,8,9,7] → Conv 3×3 to 6 channels → Relu → depthwise Conv 3×3 */
static void make_model (void)
{
  g_autoptr (OnnxBuilder) b = onnx_builder_new (13);
  g_autoptr (WeirOclDevices) devices = weir_ocl_devices_new ();
  onnx_builder_input (b, "x", F32, "n,8,9,7");
  add_weights (b, "w", "6,8,3,3", 6 * 8 * 9);
  add_weights (b, "dw", "6,1,3,3", 6 * 9);
  onnx_builder_node (b, "Conv", "x,w", "c", "kernel_shape=3,3 pads=1,1,1,1");
  onnx_builder_node (b, "Relu", "c", "r", "");
  onnx_builder_node (b, "Conv", "r,dw", "y", "kernel_shape=3,3 pads=1,1,1,1 group=6");
  onnx_builder_output (b, "y");
  folder = onnx_builder_folder ();
  model = onnx_builder_write (b, folder, "net.onnx");
  device = weir_ocl_devices_name (devices, 0);
  config = g_strconcat ("CACHE_DIR=", folder, NULL);
}

static void remove_model (void)
{
  onnx_builder_remove (folder);
  g_free (model);
  g_free (device);
  g_free (config);
}

static WeirSessionOptions session_options (void)
{
  return (WeirSessionOptions){
    .model = model, .device = device, .config = config, .batch_timeout_ms = -1
  };
}

/* Results of N_ITEMS as one request, and the plan for so many. */
static void run_items (float results[N_ITEMS * N_DST], char **plan)
{
  GError *error = NULL;
  WeirSessionOptions options = session_options ();
  g_autoptr (WeirSession) session = weir_session_open (&options, &error);
  ocl_must (session, error);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  WeirRequest *request = weir_request_new (stream);
  g_autofree float *values = g_new (float, N_ITEMS *N_SRC);
  WeirTensor input = {
    .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { N_ITEMS, 8, 9, 7 }, .buffer = values
  };
  ocl_kit_fill (values, N_ITEMS * N_SRC, 3);
  weir_request_keep_outputs (request, true);
  ocl_must (weir_request_set_input (request, 0, &input, &error), error);
  ocl_must (weir_request_run (request, &error), error);
  memcpy (results, weir_request_output (request, 0)->buffer, N_ITEMS * N_DST * sizeof *results);
  *plan = weir_session_describe_plan (session, N_ITEMS);
  weir_request_free (request);
  weir_stream_free (stream);
}

static void check_close (const float *got, const float *expected)
{
  double most = 0, difference = 0;
  for (uint32_t i = 0; i < N_ITEMS * N_DST; i++) {
    most = MAX (most, fabs ((double) expected[i]));
    difference = MAX (difference, fabs ((double) got[i] - (double) expected[i]));
  }
  ck_assert_msg (difference <= TOLERANCE * most, "differs by %g of %g", difference, most);
}

typedef struct Progress {
  uint32_t n_calls, n;
} Progress;

static void count_progress (
    uint32_t done, uint32_t n, const char *shape, uint32_t batch, void *user)
{
  Progress *progress = user;
  ck_assert (done == progress->n_calls && done < n && strlen (shape) > 0);
  ck_assert (batch == 1 || batch == N_ITEMS);
  progress->n_calls++;
  progress->n = n;
}

/* All sessions are closed in between, so that the device is opened anew and reads what was kept. */
START_TEST (test_ocl_tune_network)
{
  static const uint32_t batches[] = { 1, N_ITEMS, 1 };
  g_autofree char *plan = NULL, *tuned_plan = NULL;
  float expected[N_ITEMS * N_DST], got[N_ITEMS * N_DST];
  Progress progress = { 0 };
  uint32_t n_left = 0;
  double times_slower = 1;
  GError *error = NULL;
  WeirSessionOptions session = session_options ();
  WeirTuneOptions options = { batches, 3, 3, count_progress, &progress };
  run_items (expected, &plan);
  ck_assert_msg (!strstr (plan, "(tuned)"), "%s", plan);
  g_autoptr (WeirTuning) tuning = weir_session_tune (&session, &options, &error);
  ocl_must (tuning, error);
  ck_assert_uint_eq (tuning->n_rows, 4); /* two windows, two batches */
  ck_assert_uint_lt (tuning->n_left, tuning->n_rows);
  ck_assert (progress.n_calls > 0 && progress.n == 4);
  for (uint32_t i = 0; i < tuning->n_rows; i++) {
    const WeirTuneRow *row = &tuning->rows[i];
    bool stays = strcmp (row->before, row->after) == 0;
    ck_assert (row->n_steps == 1 && isfinite (row->before_ns) && isfinite (row->after_ns));
    ck_assert (!stays || row->after_ns == row->before_ns);
    n_left += row->after_ns <= 0;
    times_slower *= row->after_ns > 0 ? row->after_ns / row->before_ns : 1;
  }
  ck_assert_uint_eq (tuning->n_left, n_left);
  ck_assert_double_le (times_slower, 1); /* a class is picked by the product of its rows */
  run_items (got, &tuned_plan);
  ck_assert_msg (strstr (tuned_plan, "(tuned)") != NULL, "%s", tuned_plan);
  check_close (got, expected);
}
END_TEST

/* The shape that takes longest is done all the same. */
START_TEST (test_ocl_tune_in_no_time)
{
  static const uint32_t batches[] = { 1, N_ITEMS };
  GError *error = NULL;
  WeirSessionOptions session = session_options ();
  WeirTuneOptions options = { batches, 2, 1e-6, NULL, NULL };
  g_autoptr (WeirTuning) tuning = weir_session_tune (&session, &options, &error);
  ocl_must (tuning, error);
  ck_assert_uint_eq (tuning->n_rows, 4);
  ck_assert_uint_eq (tuning->n_left, 2);
  for (uint32_t i = 0; i < 2; i++)
    ck_assert (
        tuning->rows[i].after_ns > 0 && strcmp (tuning->rows[i].shape, tuning->rows[0].shape) == 0);
}
END_TEST

/* What the file says is what plans take, whatever the device is. */
START_TEST (test_ocl_tune_is_obeyed)
{
  static const char window[] = "f32 8x9x7 -> 6x9x7, window 3x3, pad 1x1";
  static const char *const variants[] = { "product 32x32/4x4x16", "product 64x16/4x4x16" };
  float first[N_ITEMS * N_DST], got[N_ITEMS * N_DST];
  for (uint32_t i = 0; i < G_N_ELEMENTS (variants); i++) {
    g_autoptr (WeirOclTuning) tuning = weir_ocl_tuning_new ();
    g_autofree char *plan = NULL;
    GError *error = NULL;
    WeirOclDevice *opened = ocl_kit_open (folder);
    weir_ocl_tuning_set (tuning, window, 1, variants[i]);
    ocl_must (weir_ocl_device_keep_tuning (opened, tuning, &error), error);
    weir_ocl_device_close (opened);
    run_items (i ? got : first, &plan);
    g_autofree char *name = g_strconcat (variants[i], " (tuned)", NULL);
    ck_assert_msg (strstr (plan, name) != NULL, "%s", plan);
  }
  ck_assert_mem_eq (got, first, sizeof first); /* another tile, the same bytes */
}
END_TEST

static const struct {
  const char *device;
  double seconds;
  uint32_t batch;
  WeirErrorCode code;
  const char *word;
} refusals[] = {
  { "CPU", 1, 1, WEIR_ERROR_UNSUPPORTED, "nothing to tune" },
  { "SIM(1,1)", 1, 1, WEIR_ERROR_UNSUPPORTED, "nothing to tune" },
  { NULL, 0, 1, WEIR_ERROR_OPTION, "seconds" },
  { NULL, NAN, 1, WEIR_ERROR_OPTION, "seconds" },
  { NULL, 1, 0, WEIR_ERROR_OPTION, "a batch of 0" },
  { NULL, 1, 1025, WEIR_ERROR_OPTION, "a batch of 1025" },
};

START_TEST (test_ocl_tune_refusals)
{
  g_autoptr (GError) error = NULL;
  WeirSessionOptions session = session_options ();
  WeirTuneOptions options = { &refusals[_i].batch, 1, refusals[_i].seconds, NULL, NULL };
  session.device = refusals[_i].device ? refusals[_i].device : device;
  ck_assert_ptr_null (weir_session_tune (&session, &options, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, refusals[_i].code));
  ck_assert_msg (strstr (error->message, refusals[_i].word) != NULL, "%s", error->message);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ocl tune");
  TCase *tcase = tcase_create ("ocl tune");
  ocl_kit_start ();
  weir_ocl_device_close (ocl_kit_device);
  tcase_add_checked_fixture (tcase, make_model, remove_model);
  tcase_add_test (tcase, test_ocl_tune_in_no_time);
  tcase_add_test (tcase, test_ocl_tune_network);
  tcase_add_test (tcase, test_ocl_tune_is_obeyed);
  tcase_add_loop_test (tcase, test_ocl_tune_refusals, 0, G_N_ELEMENTS (refusals));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
