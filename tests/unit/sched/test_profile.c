/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Profiles: every step with its work by hand, sums that match, what cannot be profiled. */
#include "engine/base/cores.h"
#include "engine/weir.h"
#include "tests/unit/formats/onnx_builder.h"

#include "tests/run_suite.h"
#include <math.h>
#include <string.h>

#define F32 1 /* TensorProto.DataType */

static char *folder, *model;
static WeirSession *session;
static WeirStream *stream;
static float rows[4 * 3 * 16 * 16];

/* x [n,3,16,16] → Conv 3×3 to 8 channels → depthwise Conv 3×3 → Slice of 2 channels */
static void set_up (void)
{
  g_autoptr (OnnxBuilder) b = onnx_builder_new (13);
  WeirSessionOptions options = {
    .device = g_getenv ("WEIR_TEST_DEVICE"), .precision = "f32", .batch_timeout_ms = -1
  };
  GError *error = NULL;
  onnx_builder_input (b, "x", F32, "n,3,16,16");
  onnx_builder_ramp (b, "w", "8,3,3,3");
  onnx_builder_ramp (b, "dw", "8,1,3,3");
  onnx_builder_ints (b, "from", "0");
  onnx_builder_ints (b, "to", "2");
  onnx_builder_ints (b, "axis", "1");
  onnx_builder_node (b, "Conv", "x,w", "c", "kernel_shape=3,3 pads=1,1,1,1");
  onnx_builder_node (b, "Conv", "c,dw", "d", "kernel_shape=3,3 pads=1,1,1,1 group=8");
  onnx_builder_node (b, "Slice", "d,from,to,axis", "y", NULL);
  onnx_builder_output (b, "y");
  folder = onnx_builder_folder ();
  options.model = model = onnx_builder_write (b, folder, "net.onnx");
  session = weir_session_open (&options, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "no error");
  stream = weir_stream_new (session, "profile", 0);
}

static void tear_down (void)
{
  weir_stream_free (stream);
  weir_session_unref (session);
  onnx_builder_remove (folder);
  g_free (model);
}

static WeirProfile *profile_rows (uint32_t n)
{
  WeirRequest *request = weir_request_new (stream);
  WeirTensor input = {
    .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { n, 3, 16, 16 }, .buffer = rows
  };
  GError *error = NULL;
  ck_assert (weir_request_set_input (request, 0, &input, &error));
  WeirProfile *profile = weir_request_profile (request, &error);
  ck_assert_msg (profile != NULL, "%s", error ? error->message : "no error");
  weir_request_free (request);
  return profile;
}

static const WeirProfileStep *find_step (const WeirProfile *profile, const char *kind)
{
  for (uint32_t i = 0; i < profile->n_steps; i++)
    if (strcmp (profile->steps[i].kind, kind) == 0)
      return &profile->steps[i];
  ck_abort_msg ("no step %s", kind);
  return NULL;
}

static void check_step (const WeirProfileStep *step)
{
  ck_assert_msg (step->ns > 0 && step->bytes > 0 && step->flops >= 0, "%s", step->kind);
  ck_assert (step->name && step->fused && step->implementation[0] && step->backend[0]);
  ck_assert_str_eq (step->type, "f32");
  ck_assert (strcmp (step->layout, "nhwc") == 0 || strcmp (step->layout, "plain") == 0);
  /* Steps as small as these are mostly overhead: none reaches the peak, but where our loops are
   * masked and oneDNN's are not. */
  ck_assert_msg (step->roof_ns > 0, "%s", step->kind);
  ck_assert_msg (g_getenv ("WEIR_CPU_DISABLE") || step->is_transfer || step->roof_ns < 2 * step->ns,
      "%s: %g of %g", step->kind, step->roof_ns, step->ns);
}

START_TEST (test_profile_work)
{
  uint32_t n = _i ? 4 : 1;
  const double pixels = 256, products = 2 * 8 * pixels * 27 * n, window = 2 * 8 * pixels * 9 * n;
  g_autoptr (WeirProfile) profile = profile_rows (n);
  const WeirProfileStep *conv = find_step (profile, "Conv 3x3 c3");
  const WeirProfileStep *depthwise = find_step (profile, "Conv 3x3 dw");
  ck_assert_uint_eq (profile->n_items, n);
  for (uint32_t i = 0; i < profile->n_steps; i++)
    check_step (&profile->steps[i]);
  ck_assert_double_eq (conv->flops, products);
  ck_assert_double_eq (depthwise->flops, window);
  ck_assert_double_eq (conv->bytes, 4 * (11 * pixels * n + 8 * 27));
  ck_assert_double_eq (depthwise->bytes, 4 * (16 * pixels * n + 8 * 9));
  ck_assert_str_eq (conv->shapes, n == 1 ? "1x3x16x16 -> 1x8x16x16" : "4x3x16x16 -> 4x8x16x16");
  /* what a slice leaves is not read; the indices are */
  ck_assert_double_le (find_step (profile, "Slice")->bytes, 2 * 4 * 2 * pixels * n);
  ck_assert_double_eq (find_step (profile, "Slice")->flops, 0);
}
END_TEST

START_TEST (test_profile_sums)
{
  g_autoptr (WeirProfile) profile = profile_rows (1);
  double ns = 0, roof_ns = 0;
  for (uint32_t i = 0; i < profile->n_steps; i++) {
    ns += profile->steps[i].ns;
    roof_ns += profile->steps[i].roof_ns;
  }
  ck_assert_double_eq_tol (profile->steps_ns, ns, 1e-3);
  ck_assert_double_eq_tol (profile->roof_ns, roof_ns, 1e-3);
  ck_assert (profile->preprocess_ns > 0 && profile->postprocess_ns > 0);
  ck_assert (profile->queue_ns >= 0);
}
END_TEST

/* A device's steps are timed by its clock: each is a kernel, or a transfer, or several; and the
 * whole takes no less than they do. */
START_TEST (test_profile_commands)
{
  g_autoptr (WeirProfile) profile = profile_rows (2);
  const WeirPeaks *peaks = &profile->peaks;
  bool is_device = peaks->n_threads == 0;
  uint32_t n_transfers = 0;
  ck_assert (profile->run_ns >= 0.9 * profile->steps_ns || is_device);
  ck_assert (profile->run_ns > 0);
  for (uint32_t i = 0; i < profile->n_steps; i++) {
    const WeirProfileStep *step = &profile->steps[i];
    ck_assert_msg ((step->n_commands > 0) == is_device, "%s", step->kind);
    n_transfers += step->is_transfer;
  }
  ck_assert_uint_eq (n_transfers, is_device ? 2 : 0);
  ck_assert (!is_device || (peaks->upload_gbps > 0 && peaks->download_gbps > 0));
  ck_assert (
      !is_device || (peaks->launch_us > 0 && peaks->memory_gbps > 0 && peaks->f32_gflops > 0));
}
END_TEST

/* With several items two workers may share them, so the queue's part cannot be told. */
START_TEST (test_profile_queue_of_several)
{
  g_autoptr (WeirProfile) profile = profile_rows (2);
  ck_assert_double_eq (profile->queue_ns, -1);
}
END_TEST

START_TEST (test_profile_of_nothing)
{
  WeirRequest *request = weir_request_new (stream);
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (weir_request_profile (request, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  ck_assert (strstr (error->message, "0 items") && strstr (error->message, "1 to 1024"));
  weir_request_free (request);
}
END_TEST

START_TEST (test_peaks)
{
  WeirPeaks peaks;
  weir_peaks_measure ((uint32_t) _i, &peaks);
  ck_assert_uint_eq (peaks.n_threads, _i ? (guint) _i : weir_n_cores ());
  ck_assert (peaks.f32_gflops > 0 && peaks.f32_loop);
  ck_assert ((peaks.bf16_gflops > 0) == (peaks.bf16_loop != NULL));
  ck_assert ((peaks.int8_gflops > 0) == (peaks.int8_loop != NULL));
  ck_assert (peaks.l2_gbps > 0 && peaks.memory_gbps > 0);
  ck_assert (peaks.l2_bytes >= 65536u * peaks.n_threads);
  ck_assert (isfinite (peaks.f32_gflops) && isfinite (peaks.memory_gbps));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("profile");
  TCase *tcase = tcase_create ("profile"), *machine = tcase_create ("machine");
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_set_timeout (tcase, 60);
  tcase_add_loop_test (tcase, test_profile_work, 0, 2);
  tcase_add_test (tcase, test_profile_sums);
  tcase_add_test (tcase, test_profile_commands);
  tcase_add_test (tcase, test_profile_queue_of_several);
  tcase_add_test (tcase, test_profile_of_nothing);
  tcase_set_timeout (machine, 60);
  tcase_add_loop_test (machine, test_peaks, 0, 4); /* 0: all processors */
  suite_add_tcase (suite, tcase);
  suite_add_tcase (suite, machine);
  return run_suite (suite, CK_FORK_GETENV);
}
