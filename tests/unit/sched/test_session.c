/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions on the embedded character reader, on the device named by WEIR_TEST_DEVICE (default REF):
 * batched equals single, nothing lost, bounds kept, flush and failures act alone. */
#include "tests/unit/sched/session_fixture.h"

#include "tests/run_suite.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Runs first, in the same process. */
START_TEST (test_session_learn_expected)
{
  fixture_make_pictures ();
  fixture_learn ();
}
END_TEST

START_TEST (test_session_pictures_differ)
{
  int n_equal = 0;
  for (int k = 1; k < N_PICTURES; k++)
    n_equal += memcmp (fixture_expected[k], fixture_expected[0], sizeof fixture_expected[0]) == 0;
  ck_assert_int_eq (n_equal, 0);
}
END_TEST

START_TEST (test_session_batched_equals_single)
{
  WeirSession *session = fixture_open (16, 8);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  WeirRequest *request = weir_request_new (stream);
  for (uint32_t n = 0; n <= N_ITEMS; n++) {
    fixture_fill (request, (int) n, n);
    ck_assert (weir_request_run (request, NULL));
    ck_assert_uint_eq (weir_request_n_items (request), n);
    ck_assert (fixture_is_expected (request, (int) n));
  }
  weir_request_free (request);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

typedef struct Producer {
  WeirSession *session;
  int seed;
  int n_wrong, n_done;
  pthread_t thread;
} Producer;

static void *produce (void *user)
{
  Producer *self = user;
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) self->seed);
  WeirStream *stream = weir_stream_new (self->session, "producer", 0);
  WeirRequest *request = weir_request_new (stream);
  for (int round = 0; round < 30; round++) {
    int k = g_rand_int_range (rand, 0, N_PICTURES);
    fixture_fill (request, k, (uint32_t) g_rand_int_range (rand, 0, N_ITEMS + 1));
    if (weir_request_run (request, NULL))
      self->n_done++;
    self->n_wrong += !fixture_is_expected (request, k);
  }
  weir_request_free (request);
  weir_stream_free (stream);
  return NULL;
}

START_TEST (test_session_streams_are_never_mixed_up)
{
  WeirSession *session = fixture_open (12, 6);
  Producer producers[6];
  WeirStats *stats = g_new0 (WeirStats, 1);
  for (int i = 0; i < 6; i++) {
    producers[i] = (Producer){ .session = session, .seed = i + 1 };
    ck_assert_int_eq (pthread_create (&producers[i].thread, NULL, produce, &producers[i]), 0);
  }
  for (int i = 0; i < 6; i++) {
    pthread_join (producers[i].thread, NULL);
    ck_assert_int_eq (producers[i].n_wrong, 0);
    ck_assert_int_eq (producers[i].n_done, 30);
  }
  weir_session_stats (session, stats);
  uint64_t n_items = 0, n_batches = 0;
  for (uint32_t n = 0; n <= 1024; n++) {
    n_items += n * stats->batch_histogram[n];
    n_batches += stats->batch_histogram[n];
    ck_assert (n <= 6 || stats->batch_histogram[n] == 0);
  }
  ck_assert_uint_eq (n_items, stats->n_items);
  ck_assert_uint_eq (n_batches, stats->n_batches);
  ck_assert_uint_eq (stats->cut_full + stats->cut_complete + stats->cut_deadline + stats->cut_idle +
                         stats->cut_drain,
      stats->n_batches);
  ck_assert_uint_gt (stats->n_items, stats->n_batches); /* mean batch over 1 */
  ck_assert_uint_eq (stats->in_flight, 0);
  ck_assert_uint_eq (stats->n_failed, 0);
  g_free (stats);
  weir_session_unref (session);
}
END_TEST

static void watch_bound (WeirRequest *request, void *user)
{
  g_atomic_int_inc ((gint *) user);
}

START_TEST (test_session_num_requests_bounds_exactly)
{
  WeirSession *session = fixture_open (3, 8);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  WeirStats *stats = g_new0 (WeirStats, 1);
  WeirRequest *requests[10];
  gint n_done = 0;
  for (int i = 0; i < 10; i++) {
    requests[i] = weir_request_new (stream);
    fixture_fill (requests[i], i, 4);
    ck_assert (weir_request_submit (requests[i], watch_bound, &n_done, NULL));
    weir_session_stats (session, stats);
    ck_assert_uint_le (stats->in_flight, 3);
  }
  while (g_atomic_int_get (&n_done) < 10)
    g_usleep (1000);
  weir_session_stats (session, stats);
  ck_assert_uint_eq (stats->batch_max, 3);
  ck_assert_str_eq (stats->batch_max_reason, "hint");
  for (uint32_t n = 4; n <= 1024; n++)
    ck_assert_uint_eq (stats->batch_histogram[n], 0);
  for (int i = 0; i < 10; i++) {
    ck_assert (fixture_is_expected (requests[i], i));
    weir_request_free (requests[i]);
  }
  g_free (stats);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

START_TEST (test_session_bad_region_fails_alone)
{
  WeirSession *session = fixture_open (8, 8);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  WeirRequest *request = weir_request_new (stream);
  WeirRegion bad = { 90, 0, 4000000000u, 10 };
  for (int round = 0; round < 2; round++) { /* and nothing is sticky */
    fixture_fill (request, 2, 3);
    weir_request_add_region (request, &bad);
    ck_assert (!weir_request_run (request, NULL));
    ck_assert_int_eq (weir_request_result (request, 3)->status, WEIR_STATUS_FAILED);
    ck_assert_ptr_nonnull (weir_request_result (request, 3)->reason);
    for (uint32_t i = 0; i < 3; i++)
      ck_assert_int_eq (weir_request_result (request, i)->status, WEIR_STATUS_INFERRED);
  }
  fixture_fill (request, 2, 3);
  ck_assert (weir_request_run (request, NULL));
  ck_assert (fixture_is_expected (request, 2));
  weir_request_free (request);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

START_TEST (test_session_flush_loses_nothing)
{
  WeirSession *session = fixture_open (2, 1);
  WeirStream *stream = weir_stream_new (session, "s", 0),
             *other = weir_stream_new (session, "o", 0);
  WeirRequest *request = weir_request_new (stream), *others = weir_request_new (other);
  for (int round = 0; round < 20; round++) {
    gint n_done = 0;
    fixture_fill (request, round % N_PICTURES, 1);
    ck_assert (weir_request_submit (request, watch_bound, &n_done, NULL));
    weir_stream_flush (stream);
    while (!g_atomic_int_get (&n_done))
      g_usleep (100);
    if (weir_request_error (request))
      ck_assert_int_eq (weir_request_error (request)->code, WEIR_ERROR_CANCELLED);
    else
      ck_assert (fixture_is_expected (request, round % N_PICTURES));
    WeirRequest *refused = weir_request_new (stream);
    g_autoptr (GError) error = NULL;
    fixture_fill (refused, 0, 1);
    ck_assert (!weir_request_submit (refused, watch_bound, &n_done, &error));
    ck_assert_int_eq (error->code, WEIR_ERROR_CANCELLED);
    weir_request_free (refused);
    fixture_fill (others, 1, 2);
    ck_assert (weir_request_run (others, NULL)); /* the other stream goes on */
    ck_assert (fixture_is_expected (others, 1));
    weir_stream_resume (stream);
  }
  weir_request_free (request);
  weir_request_free (others);
  weir_stream_free (stream);
  weir_stream_free (other);
  weir_session_unref (session);
}
END_TEST

static void *submit_blocked (void *user)
{
  Producer *self = user;
  WeirStream *stream = weir_stream_new (self->session, "blocked", 0);
  WeirRequest *request = weir_request_new (stream);
  fixture_fill (request, 1, N_ITEMS);
  self->n_done = weir_request_run (request, NULL);
  self->n_wrong = self->n_done && !fixture_is_expected (request, 1);
  weir_request_free (request);
  weir_stream_free (stream);
  return NULL;
}

START_TEST (test_session_crowd_passes_a_narrow_queue)
{
  WeirSession *session = fixture_open (1, 1);
  Producer producers[3];
  for (int i = 0; i < 3; i++) {
    producers[i] = (Producer){ .session = session };
    ck_assert_int_eq (
        pthread_create (&producers[i].thread, NULL, submit_blocked, &producers[i]), 0);
  }
  for (int i = 0; i < 3; i++) {
    pthread_join (producers[i].thread, NULL);
    ck_assert_int_eq (producers[i].n_done, 1);
    ck_assert_int_eq (producers[i].n_wrong, 0);
  }
  weir_session_unref (session);
}
END_TEST

START_TEST (test_session_is_shared_by_options)
{
  WeirSession *a = fixture_open (4, 2), *b = fixture_open (4, 2), *c = fixture_open (5, 2);
  ck_assert_ptr_eq (a, b);
  ck_assert_ptr_ne (a, c);
  weir_session_unref (a);
  weir_session_unref (b);
  weir_session_unref (c);
  WeirSession *again = fixture_open (4, 2);
  ck_assert_ptr_nonnull (again);
  weir_session_unref (again);
}
END_TEST

/* No company, no influence: every batch is 1. */
START_TEST (test_session_deterministic_runs_one_by_one)
{
  g_autofree char *path = g_build_filename (
      g_getenv ("WEIR_SOURCE_ROOT"), "pipelines", "clocks", "read-characters.onnx", NULL);
  WeirSessionOptions o = { .model = path,
    .device = g_getenv ("WEIR_TEST_DEVICE"),
    .precision = "f32",
    .deterministic = true,
    .batch_timeout_ms = -1 };
  g_autoptr (WeirSession) session = weir_session_open (&o, NULL);
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  WeirRequest *request = weir_request_new (stream);
  fixture_fill (request, 3, 6);
  ck_assert (weir_request_run (request, NULL));
  weir_session_stats (session, stats);
  ck_assert_uint_eq (stats->batch_max, 1);
  ck_assert_uint_eq (stats->batch_histogram[1], 6);
  weir_request_free (request);
  weir_stream_free (stream);
}
END_TEST

START_TEST (test_session_instance_with_other_options_is_refused)
{
  g_autofree char *path = fixture_model ();
  WeirSessionOptions o = {
    .model = path, .device = "REF", .instance = "mine", .batch_timeout_ms = -1
  };
  g_autoptr (GError) error = NULL;
  WeirSession *first = weir_session_open (&o, NULL);
  ck_assert_ptr_nonnull (first);
  WeirSession *second = weir_session_open (&o, NULL);
  ck_assert_ptr_eq (first, second);
  o.batch_size = 3;
  ck_assert_ptr_null (weir_session_open (&o, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  ck_assert_ptr_nonnull (strstr (error->message, "mine"));
  weir_session_unref (first);
  weir_session_unref (second);
}
END_TEST

static const struct {
  const char *model, *device, *precision, *labels, *config, *decoder, *mean, *message;
  int code;
} errors[] = {
  { "/nowhere/x.onnx", NULL, NULL, NULL, NULL, NULL, NULL, "no such file", WEIR_ERROR_NOT_FOUND },
  { NULL, "GPU(4)", NULL, NULL, NULL, NULL, NULL, "GPU(4)", WEIR_ERROR_OPTION },
  { NULL, "GPU.63", NULL, NULL, NULL, NULL, NULL, "GPU.63", WEIR_ERROR_NOT_FOUND },
  { NULL, NULL, "f8", NULL, NULL, NULL, NULL, "f8", WEIR_ERROR_OPTION },
  { NULL, NULL, NULL, "a,b,c", NULL, NULL, NULL, "3 labels", WEIR_ERROR_OPTION },
  { NULL, NULL, NULL, "/nowhere/labels.txt", NULL, NULL, NULL, "/nowhere/labels.txt",
      WEIR_ERROR_NOT_FOUND },
  { NULL, NULL, NULL, NULL, "NOPE=1", NULL, NULL, "NOPE", WEIR_ERROR_OPTION },
  { NULL, NULL, NULL, NULL, NULL, "nosuch", NULL, "nosuch", WEIR_ERROR_OPTION },
  { NULL, NULL, NULL, NULL, NULL, "yolox", NULL, "read-characters.onnx", WEIR_ERROR_SHAPE },
  { NULL, NULL, NULL, NULL, NULL, NULL, "1,2,3,4", "mean", WEIR_ERROR_OPTION },
};

START_TEST (test_session_errors_name_the_cause)
{
  g_autofree char *path = fixture_model ();
  WeirSessionOptions o = { .model = errors[_i].model ? errors[_i].model : path,
    .device = errors[_i].device ? errors[_i].device : "REF",
    .precision = errors[_i].precision,
    .config = errors[_i].config,
    .batch_timeout_ms = -1 };
  o.model_options.labels = errors[_i].labels;
  o.model_options.decoder = errors[_i].decoder;
  o.model_options.mean = errors[_i].mean;
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (weir_session_open (&o, &error));
  ck_assert_ptr_nonnull (error);
  ck_assert_msg (strstr (error->message, errors[_i].message) != NULL, "%s", error->message);
  ck_assert_msg (error->code == errors[_i].code, "code %d: %s", error->code, error->message);
}
END_TEST

START_TEST (test_session_tensors)
{
  WeirSession *session = fixture_open (8, 4);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  WeirRequest *batch = weir_request_new (stream), *single = weir_request_new (stream);
  WeirTensor shape;
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_nonnull (weir_model_input (weir_session_model (session), 0, &shape));
  size_t n_row = (size_t) (shape.dims[1] * shape.dims[2] * shape.dims[3]);
  g_autofree float *data = g_new (float, n_row * 5);
  for (size_t i = 0; i < n_row * 5; i++)
    data[i] = (float) (i * 7919 % 255);
  shape.dims[0] = 5;
  shape.buffer = data;
  weir_request_keep_outputs (batch, true);
  weir_request_keep_outputs (single, true);
  ck_assert (weir_request_set_input (batch, 0, &shape, NULL));
  ck_assert (weir_request_run (batch, NULL));
  const WeirTensor *stacked = weir_request_output (batch, 0);
  ck_assert_int_eq (stacked->dims[0], 5);
  for (int row = 0; row < 5; row++) {
    shape.dims[0] = 1;
    shape.buffer = data + n_row * (size_t) row;
    weir_request_reset (single);
    ck_assert (weir_request_set_input (single, 0, &shape, NULL));
    ck_assert (weir_request_run (single, NULL));
    const float *a = weir_tensor_data (weir_request_output (single, 0));
    const float *b = (const float *) weir_tensor_data (stacked) + row * N_CLASSES;
    for (int c = 0; c < N_CLASSES; c++)
      ck_assert_float_eq_tol (a[c], b[c], 1e-4f);
  }
  shape.dims[2]++;
  ck_assert (!weir_request_set_input (single, 0, &shape, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
  ck_assert_ptr_null (weir_request_output (single, 9));
  weir_request_free (batch);
  weir_request_free (single);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("session");
  TCase *tcase = tcase_create ("session");
  tcase_add_test (tcase, test_session_learn_expected);
  tcase_add_test (tcase, test_session_pictures_differ);
  tcase_add_test (tcase, test_session_batched_equals_single);
  tcase_add_test (tcase, test_session_streams_are_never_mixed_up);
  tcase_add_test (tcase, test_session_num_requests_bounds_exactly);
  tcase_add_test (tcase, test_session_bad_region_fails_alone);
  tcase_add_test (tcase, test_session_flush_loses_nothing);
  tcase_add_test (tcase, test_session_crowd_passes_a_narrow_queue);
  tcase_add_test (tcase, test_session_is_shared_by_options);
  tcase_add_test (tcase, test_session_deterministic_runs_one_by_one);
  tcase_add_test (tcase, test_session_instance_with_other_options_is_refused);
  tcase_add_loop_test (tcase, test_session_errors_name_the_cause, 0, G_N_ELEMENTS (errors));
  tcase_add_test (tcase, test_session_tensors);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
