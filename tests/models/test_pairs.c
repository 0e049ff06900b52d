/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pairs of an input and an output that came with SqueezeNet (weights in f16, results in f32).
 * Usage: test_pairs DEVICE PRECISION; exit 77 where the pairs or the precision are not there. */
#include "engine/tensor_file.h"
#include "engine/weir.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define N_PAIRS 12
#define FOLDER  "conformance/squeezenet-pairs"

/* Between the pairs, computed in f16, and another implementation in f32: 8e-4. */
static const struct {
  const char *precision;
  double largest;
} bounds[] = { { "f32", 1e-3 }, { "bf16", 3e-2 } };

static bool load (const char *folder, int pair, const char *name, WeirTensor *tensor)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_strdup_printf ("%s/test_data_set_%d/%s_0.pb", folder, pair, name);
  bool ok = weir_tensor_load_pb (path, tensor, NULL, &error);
  if (!ok)
    printf ("FAILED %s\n", error->message);
  return ok;
}

static double find_difference (const WeirTensor *expected, const WeirTensor *actual)
{
  int64_t n = 0, n_actual = 0;
  double largest = 0;
  if (!weir_tensor_n_elements (expected, &n) || !weir_tensor_n_elements (actual, &n_actual) ||
      n != n_actual)
    return INFINITY;
  g_autofree double *a = g_new (double, n), *b = g_new (double, n);
  weir_tensor_to_doubles (expected, (size_t) n, a);
  weir_tensor_to_doubles (actual, (size_t) n, b);
  for (int64_t i = 0; i < n; i++) /* a NaN is no small difference */
    largest = fabs (a[i] - b[i]) <= largest ? largest : fabs (a[i] - b[i]);
  return isnan (largest) ? INFINITY : largest;
}

/* Largest difference of the pair; INFINITY where it does not run. */
static double run_pair (WeirRequest *request, const char *folder, int pair)
{
  WeirTensor input = { 0 }, output = { 0 };
  g_autoptr (GError) error = NULL;
  double difference = INFINITY;
  if (load (folder, pair, "input", &input) && load (folder, pair, "output", &output)) {
    if (weir_request_set_input (request, 0, &input, &error) && weir_request_run (request, &error))
      difference = find_difference (&output, weir_request_output (request, 0));
    else
      printf ("FAILED pair %d: %s\n", pair, error->message);
  }
  weir_tensor_clear (&input);
  weir_tensor_clear (&output);
  return difference;
}

static int run_pairs (WeirSession *session, const char *folder, double bound)
{
  WeirStream *stream = weir_stream_new (session, "pairs", 0);
  WeirRequest *request = weir_request_new (stream);
  int n_failed = 0;
  weir_request_keep_outputs (request, true);
  for (int pair = 0; pair < N_PAIRS; pair++) {
    double difference = run_pair (request, folder, pair);
    n_failed += difference > bound;
    printf ("%s pair %d: largest difference %.3g, at most %.3g\n",
        difference > bound ? "FAILED" : "ok", pair, difference, bound);
  }
  weir_request_free (request);
  weir_stream_free (stream);
  return n_failed;
}

int main (int argc, char **argv)
{
  const char *shared = g_getenv ("WEIR_SHARED"), *device = argc > 1 ? argv[1] : "CPU";
  const char *precision = argc > 2 ? argv[2] : "f32";
  g_autofree char *folder = g_build_filename (shared ? shared : "", FOLDER, NULL);
  g_autofree char *model = g_build_filename (folder, "model_fp16.onnx", NULL);
  g_autofree char *devices = weir_devices_to_json ();
  g_autoptr (GError) error = NULL;
  if (!g_file_test (model, G_FILE_TEST_EXISTS) || !strstr (devices, precision)) {
    printf ("skipped: %s or %s is not there\n", model, precision);
    return 77;
  }
  WeirSessionOptions options = {
    .model = model, .device = device, .precision = precision, .performance_hint = "latency"
  };
  g_autoptr (WeirSession) session = weir_session_open (&options, &error);
  if (!session) {
    printf ("FAILED %s\n", error->message);
    return 1;
  }
  double bound = 0;
  for (size_t i = 0; i < G_N_ELEMENTS (bounds); i++)
    if (strcmp (bounds[i].precision, precision) == 0)
      bound = bounds[i].largest;
  return run_pairs (session, folder, bound) != 0;
}
