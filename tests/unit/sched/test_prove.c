/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proofs of rewritten batches: made once for a model, and with one kept all is as without. The
 * device is WEIR_TEST_DEVICE, REF where that is not set. */
#include "engine/sched/session_types.h"
#include "tests/unit/formats/onnx_builder.h"

#include "tests/run_suite.h"
#include <math.h>
#include <string.h>

#define N_IMAGE  (2 * 4 * 4)
#define N_SCORES 5
#define N_ITEMS  3

static char *folder, *cache, *model;

static void set_up (void)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  folder = onnx_builder_folder ();
  cache = g_dir_make_tmp ("weir-prove-XXXXXX", NULL);
  model = onnx_builder_write (builder, folder, "small.onnx");
  g_setenv ("WEIR_CACHE_DIR", cache, TRUE);
}

static void tear_down (void)
{
  weir_session_backend_hook = NULL;
  onnx_builder_remove (folder);
  onnx_builder_remove (cache);
  g_free (model);
}

/* Batches of two without calibration, which would make plans of its own. */
static WeirSession *open_with (WeirSessionOptions options)
{
  const char *device = g_getenv ("WEIR_TEST_DEVICE");
  GError *error = NULL;
  options.model = model;
  options.device = device ? device : "REF";
  options.performance_hint = "latency";
  options.batch_timeout_ms = -1;
  WeirSession *session = weir_session_open (&options, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  return session;
}

static WeirSession *open_batching (void)
{
  return open_with ((WeirSessionOptions){ .batch_size = 2 });
}

/* Whether opening made the plan for two, without which nothing is proved. */
static bool was_proved (const WeirSession *session)
{
  return session->site->plans[2] != NULL;
}

static void run (WeirSession *session, float scores[N_ITEMS * N_SCORES])
{
  static float image[N_ITEMS * N_IMAGE];
  WeirTensor input = {
    .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { N_ITEMS, 2, 4, 4 }, .buffer = image
  };
  GError *error = NULL;
  for (uint32_t i = 0; i < N_ITEMS * N_IMAGE; i++)
    image[i] = (float) (i * 7 % 13) - 5;
  WeirStream *stream = weir_stream_new (session, "prove", 0);
  WeirRequest *request = weir_request_new (stream);
  weir_request_keep_outputs (request, true);
  ck_assert (weir_request_set_input (request, 0, &input, &error));
  ck_assert_msg (weir_request_run (request, &error), "%s", error ? error->message : "");
  memcpy (scores, weir_tensor_data (weir_request_output (request, 0)),
      N_ITEMS * N_SCORES * sizeof *scores);
  weir_request_free (request);
  weir_stream_free (stream);
}

START_TEST (test_prove_once)
{
  float first[N_ITEMS * N_SCORES], again[N_ITEMS * N_SCORES];
  WeirSession *session = open_batching ();
  ck_assert (was_proved (session));
  ck_assert_uint_eq (session->queue.batch_max, 2);
  run (session, first);
  weir_session_unref (session);
  session = open_batching ();
  ck_assert (!was_proved (session));
  ck_assert_uint_eq (session->queue.batch_max, 2);
  run (session, again);
  weir_session_unref (session);
  ck_assert_int_eq (memcmp (first, again, sizeof first), 0);
}
END_TEST

/* Other weights under the same name are another model. */
START_TEST (test_prove_another_model)
{
  weir_session_unref (open_batching ());
  g_autoptr (OnnxBuilder) builder = onnx_builder_small_net ();
  onnx_builder_metadata (builder, "key", "value");
  g_free (onnx_builder_write (builder, folder, "small.onnx"));
  WeirSession *session = open_batching ();
  ck_assert (!was_proved (session));
  weir_session_unref (session);
  builder->graph->node[1]->attribute[0]->f = 0.5f;
  g_free (onnx_builder_write (builder, folder, "small.onnx"));
  session = open_batching ();
  ck_assert (was_proved (session));
  weir_session_unref (session);
}
END_TEST

START_TEST (test_prove_broken_cache)
{
  g_autofree char *file = g_build_filename (cache, "proofs-1", NULL);
  g_autofree char *bytes = NULL;
  gsize n_bytes;
  weir_session_unref (open_batching ());
  ck_assert (g_file_get_contents (file, &bytes, &n_bytes, NULL));
  bytes[20] ^= 1;
  ck_assert (g_file_set_contents (file, bytes, (gssize) n_bytes, NULL));
  WeirSession *session = open_batching ();
  ck_assert (was_proved (session));
  weir_session_unref (session);
  session = open_batching ();
  ck_assert (!was_proved (session));
  weir_session_unref (session);
}
END_TEST

static const WeirSessionOptions lone[] = { { .batch_size = 1 }, { 0 },
  { .batch_size = 2, .deterministic = true }, { .batch_size = 2, .disallow_auto_batching = true } };

/* Where every batch is 1 there is nothing to prove. */
START_TEST (test_prove_not_for_single_items)
{
  WeirSession *session = open_with (lone[_i]);
  ck_assert (!was_proved (session));
  ck_assert_uint_eq (session->queue.batch_max, 1);
  weir_session_unref (session);
}
END_TEST

START_TEST (test_prove_without_cache)
{
  g_setenv ("WEIR_CACHE_DIR", "", TRUE);
  for (int i = 0; i < 2; i++) {
    WeirSession *session = open_batching ();
    ck_assert (was_proved (session));
    weir_session_unref (session);
  }
  g_setenv ("WEIR_CACHE_DIR", "/proc/nowhere", TRUE);
  WeirSession *session = open_batching ();
  ck_assert (was_proved (session));
  ck_assert_uint_eq (session->queue.batch_max, 2);
  weir_session_unref (session);
}
END_TEST

/* The step that was bound last, of the pair, gives what is no number. */
static WeirBackend wrong;
static void *last_bound;
static float *last_dst;

static void *bind (void *kernel, const WeirBinding *binding, GError **error)
{
  last_dst = binding->dst[0];
  return last_bound = weir_backend_ref.bind (kernel, binding, error);
}

static bool run_wrongly (void *bound, GError **error)
{
  bool ok = weir_backend_ref.run (bound, error);
  if (bound == last_bound)
    *last_dst = NAN;
  return ok;
}

/* A failed proof ends batching, is not kept, and nor is one on a device that a test has given. */
START_TEST (test_prove_failure)
{
  wrong = weir_backend_ref;
  wrong.bind = bind;
  wrong.run = run_wrongly;
  weir_session_backend_hook = &wrong;
  for (int i = 0; i < 2; i++) {
    WeirSession *session = open_batching ();
    ck_assert (was_proved (session));
    ck_assert_uint_eq (session->queue.batch_max, 1);
    ck_assert_str_eq (session->batch_max_reason, "model");
    weir_session_unref (session);
  }
  g_autofree char *file = g_build_filename (cache, "proofs-1", NULL);
  ck_assert (!g_file_test (file, G_FILE_TEST_EXISTS));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("prove");
  TCase *tcase = tcase_create ("prove");
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_add_test (tcase, test_prove_once);
  tcase_add_test (tcase, test_prove_another_model);
  tcase_add_test (tcase, test_prove_broken_cache);
  tcase_add_loop_test (tcase, test_prove_not_for_single_items, 0, G_N_ELEMENTS (lone));
  tcase_add_test (tcase, test_prove_without_cache);
  tcase_add_test (tcase, test_prove_failure);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
