/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole plans on the device: uploads, views, what the reference does in between, downloads. */
#include "tests/ocl/ocl_kit.h"
#include "tests/run_suite.h"
#include "tests/unit/cpu/net.h"

#include <string.h>

typedef void (*BuildFn) (Net *net);

static void build_chain (Net *net)
{
  uint32_t x = net_input (net, "x", "8,7,5");
  uint32_t scaled = net_op (net, "Mul", "", x, net_constant (net, "8,1,1", 1, 0));
  uint32_t pooled = net_op (net, "MaxPool", "kernel_shape=[2,2]", scaled);
  uint32_t gate = net_op (net, "Sigmoid", "", net_op (net, "GlobalAveragePool", "", pooled));
  uint32_t gated = net_op (net, "Mul", "", pooled, gate);
  uint32_t wide = net_op (net, "Concat", "axis=1", gated, pooled);
  uint32_t flat = net_op (net, "Flatten", "", wide);
  uint32_t sums = net_op (net, "Gemm", "transB=1", flat, net_constant (net, "10,384", 0.1f, 0));
  net_output (net, net_op (net, "Softmax", "axis=1", sums));
  net_output (net, wide);
}

/* Cos of an angle has a kernel, its inverse has none. */
static void build_with_gap (Net *net)
{
  uint32_t x = net_input (net, "x", "5,6,7");
  uint32_t y = net_op (net, "Cos", "", net_op (net, "Relu", "", x));
  uint32_t z = net_op (net, "Acos", "", y);
  uint32_t turned = net_op (net, "Transpose", "perm=[0,2,3,1]", net_op (net, "Abs", "", z));
  uint32_t shape = net_ints (net, "-1,210");
  uint32_t rows = net_op (net, "Reshape", "", turned, shape);
  net_output (net, net_op (net, "Add", "", rows, net_constant (net, "210", 1, 0)));
  net_output (net, z);
}

static void build_tokens (Net *net)
{
  uint32_t x = net_input (net, "x", "9,16");
  uint32_t q = net_op (net, "MatMul", "", x, net_constant (net, "16,8", 0.5f, 0));
  uint32_t k = net_op (net, "MatMul", "", x, net_constant (net, "16,8", 0.5f, 0));
  uint32_t turned = net_op (net, "Transpose", "perm=[0,2,1]", k);
  uint32_t scores = net_op (net, "Softmax", "axis=-1", net_op (net, "MatMul", "", q, turned));
  uint32_t mixed = net_op (net, "MatMul", "", scores, x);
  uint32_t mean = net_op (net, "ReduceMean", "axes=[-1]", mixed);
  net_output (net, net_op (net, "Sub", "", mixed, mean));
}

static const struct {
  BuildFn build;
  double f32, f16; /* tolerances */
  const char *step;
} nets[] = {
  { build_chain, 2e-6, 4e-3, "ocl upload" },
  { build_with_gap, 2e-4, 5e-2, "ref" },
  { build_tokens, 2e-6, 1e-2, "ocl matrix" },
};

START_TEST (test_ocl_plans)
{
  static const WeirPrecision precisions[] = { WEIR_PRECISION_F32, WEIR_PRECISION_F16 };
  g_autoptr (Net) net = net_new ();
  nets[_i].build (net);
  net_finish (net);
  for (uint32_t k = 0; k < G_N_ELEMENTS (precisions); k++)
    for (uint32_t n = 1; n <= 3; n += 2) {
      NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, n };
      NetRun run = { &weir_backend_ocl, precisions[k], 1, n, .match = ocl_kit_match () };
      g_autofree char *steps = NULL;
      size_t n_expected, n_got;
      g_autofree float *expected = net_run (net, &ref, &n_expected, NULL);
      g_autofree float *got = net_run (net, &run, &n_got, &steps);
      ck_assert (expected && got && n_got == n_expected);
      ck_assert_msg (strstr (steps, nets[_i].step), "%s", steps);
      double difference = net_difference (got, expected, n_got);
      ck_assert_msg (
          difference <= (k ? nets[_i].f16 : nets[_i].f32), "differs by %g:\n%s", difference, steps);
    }
}
END_TEST

START_TEST (test_ocl_no_bf16)
{
  g_autoptr (GError) error = NULL;
  WeirDeviceOptions options = { .precision = WEIR_PRECISION_BF16, .match = ocl_kit_match () };
  ck_assert_ptr_null (weir_backend_ocl.open (&options, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED));
}
END_TEST

int main (void)
{
  ocl_kit_start ();
  Suite *suite = suite_create ("ocl plan");
  TCase *tcase = tcase_create ("ocl plan");
  tcase_add_loop_test (tcase, test_ocl_plans, 0, G_N_ELEMENTS (nets));
  tcase_add_test (tcase, test_ocl_no_bf16);
  suite_add_tcase (suite, tcase);
  return ocl_kit_end (run_suite (suite, CK_NOFORK));
}
