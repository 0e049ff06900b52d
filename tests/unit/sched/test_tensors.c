/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests of tensors with a dynamic batch: any n gives what its items give alone, rows past n are
 * neither read nor written, in the request's memory or the caller's; and what is refused. */
#include "tests/unit/sched/session_fixture.h"
#include "tests/unit/sched/tensor_fixture.h"

#include "tests/run_suite.h"
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#define F32   ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
#define N_MAX 8
#define PAGE  4096

/* Pictures for the embedded character reader, and what it says of each alone. */
static struct {
  WeirTensor input, output; /* of one */
  size_t n_pixels;
  float *pictures;
  float expected[N_MAX][N_CLASSES];
} reader;

static void learn_reader (void)
{
  g_autofree char *path = fixture_model ();
  g_autoptr (WeirSession) session = fixture_open_path (path, 1, NULL);
  WeirStream *stream = weir_stream_new (session, "alone", 0);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  int64_t n_pixels;
  weir_model_input (weir_session_model (session), 0, &reader.input);
  weir_model_output (weir_session_model (session), 0, &reader.output);
  ck_assert (weir_tensor_n_elements (&reader.input, &n_pixels));
  ck_assert_int_eq (reader.output.dims[1], N_CLASSES);
  reader.n_pixels = (size_t) n_pixels;
  reader.pictures = g_new (float, N_MAX *reader.n_pixels);
  for (size_t i = 0; i < N_MAX * reader.n_pixels; i++)
    reader.pictures[i] = (float) g_rand_double_range (rand, -1, 1);
  weir_request_keep_outputs (request, true);
  for (uint32_t i = 0; i < N_MAX; i++) {
    WeirTensor tensor = reader.input;
    tensor.buffer = reader.pictures + i * reader.n_pixels;
    fixture_set_input (request, 0, &tensor);
    fixture_run (request);
    memcpy (reader.expected[i], fixture_output (request, 0), sizeof reader.expected[i]);
  }
  weir_stream_free (stream);
}

static void forget_reader (void)
{
  g_clear_pointer (&reader.pictures, g_free);
}

/* All pictures in, `output` out, where it is not NULL. */
static WeirRequest *new_reader_request (WeirStream *stream, float *output)
{
  WeirRequest *request = weir_request_new (stream);
  WeirTensor tensor = reader.input, memory = reader.output;
  ck_assert (weir_request_set_batch_max (request, N_MAX, NULL));
  tensor.dims[0] = memory.dims[0] = N_MAX;
  tensor.buffer = reader.pictures;
  memory.buffer = output;
  fixture_set_input (request, 0, &tensor);
  weir_request_keep_outputs (request, true);
  if (output)
    fixture_set_output (request, 0, &memory);
  return request;
}

static bool rows_are_expected (const float *rows, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t c = 0; c < N_CLASSES; c++)
      if (!(fabsf (rows[i * N_CLASSES + c] - reader.expected[i][c]) <= 1e-4f))
        return false;
  return true;
}

static bool rows_are_canaries (const float *rows, uint32_t n)
{
  for (uint32_t i = n * N_CLASSES; i < N_MAX * N_CLASSES; i++)
    if (rows[i] != FIXTURE_CANARY)
      return false;
  return true;
}

START_TEST (test_tensors_batch_equals_single)
{
  g_autofree char *path = fixture_model ();
  g_autoptr (WeirSession) session = fixture_open_path (path, N_MAX, NULL);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  float rows[N_MAX * N_CLASSES];
  g_autoptr (WeirRequest) request = new_reader_request (stream, rows);
  for (uint32_t n = 1; n <= N_MAX; n++) {
    fixture_fill_f32 (rows, G_N_ELEMENTS (rows), FIXTURE_CANARY);
    ck_assert (weir_request_set_batch (request, n, NULL));
    fixture_run (request);
    ck_assert_uint_eq (weir_request_n_items (request), n);
    ck_assert_ptr_eq (fixture_output (request, 0), rows);
    ck_assert_int_eq (weir_request_output (request, 0)->dims[0], N_MAX);
    ck_assert (rows_are_expected (rows, n));
    ck_assert (rows_are_canaries (rows, n));
  }
  weir_stream_free (stream);
}
END_TEST

#define N_THREADS 4
#define N_ROUNDS  6

typedef struct Caller {
  WeirSession *session;
  uint32_t first_n;
  const char *problem;
} Caller;

/* Two requests of different n in flight at once. */
static gpointer call (gpointer user)
{
  Caller *caller = user;
  WeirStream *stream = weir_stream_new (caller->session, "caller", 0);
  float rows[2][N_MAX * N_CLASSES];
  WeirRequest *requests[2];
  bool is_over;
  for (int i = 0; i < 2; i++)
    requests[i] = new_reader_request (stream, rows[i]);
  for (uint32_t round = 0; round < N_ROUNDS; round++) {
    uint32_t n[2] = { 1 + (caller->first_n + round) % N_MAX, 1 + (3 * round) % N_MAX };
    for (int i = 0; i < 2; i++) {
      fixture_fill_f32 (rows[i], N_MAX * N_CLASSES, FIXTURE_CANARY);
      if (!weir_request_set_batch (requests[i], n[i], NULL) ||
          !weir_request_start (requests[i], NULL))
        caller->problem = "not started";
    }
    for (int i = 0; i < 2; i++) {
      if (!weir_request_wait (requests[i], -1, &is_over, NULL) || !is_over)
        caller->problem = "failed";
      if (!rows_are_expected (rows[i], n[i]))
        caller->problem = "other values than alone";
      if (!rows_are_canaries (rows[i], n[i]))
        caller->problem = "rows past n are written";
    }
  }
  for (int i = 0; i < 2; i++)
    weir_request_free (requests[i]);
  weir_stream_free (stream);
  return NULL;
}

START_TEST (test_tensors_side_by_side)
{
  g_autofree char *path = fixture_model ();
  g_autoptr (WeirSession) session = fixture_open_path (path, N_MAX, NULL);
  Caller callers[N_THREADS];
  GThread *threads[N_THREADS];
  for (uint32_t i = 0; i < N_THREADS; i++) {
    callers[i] = (Caller){ .session = session, .first_n = 2 * i };
    threads[i] = g_thread_new ("caller", call, &callers[i]);
  }
  for (uint32_t i = 0; i < N_THREADS; i++) {
    g_thread_join (threads[i]);
    ck_assert_pstr_eq (callers[i].problem, NULL);
  }
}
END_TEST

/* The request's own memory: rows past n keep what the run before put there; zero at first. */
START_TEST (test_tensors_own_memory)
{
  WeirStream *stream = fixture_open_model (fixture_two_inputs (), N_MAX, NULL);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  float a[5 * 3], b[5 * 3] = { 0 };
  WeirTensor first = fixture_tensor (2, (int64_t[]){ 5, 3 }, a),
             second = fixture_tensor (2, (int64_t[]){ 5, 3 }, b);
  static const uint32_t batches[] = { 2, 4, 1, 3, 5, 2 };
  float expected[5] = { 0 };
  ck_assert (weir_request_set_batch_max (request, 5, NULL));
  weir_request_keep_outputs (request, true);
  fixture_set_input (request, 0, &first);
  fixture_set_input (request, 1, &second);
  for (uint32_t round = 0; round < G_N_ELEMENTS (batches); round++) {
    uint32_t n = batches[round];
    fixture_fill_f32 (a, G_N_ELEMENTS (a), (float) round + 1);
    fixture_fill_f32 (expected, n, (float) round + 1);
    ck_assert (weir_request_set_batch (request, n, NULL));
    fixture_run (request);
    for (uint32_t i = 0; i < 15; i++) {
      ck_assert_float_eq (fixture_output (request, 0)[i], expected[i / 3]);
      ck_assert_float_eq (fixture_output (request, 1)[i], expected[i / 3]);
    }
  }
  weir_stream_free (stream);
}
END_TEST

static float *new_pages (size_t n)
{
  void *pages = mmap (NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne (pages, MAP_FAILED);
  return pages;
}

/* Rows of a page each; those past n cannot be read or written at all. */
START_TEST (test_tensors_past_n_is_not_touched)
{
  WeirStream *stream = fixture_open_model (fixture_negation ("n,1024"), 4, NULL);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  float *src = new_pages (6), *dst = new_pages (6);
  WeirTensor input = fixture_tensor (2, (int64_t[]){ 6, 1024 }, src),
             output = fixture_tensor (2, (int64_t[]){ 6, 1024 }, dst);
  fixture_fill_f32 (src, 6 * 1024, 1);
  ck_assert (weir_request_set_batch_max (request, 6, NULL));
  fixture_set_input (request, 0, &input);
  fixture_set_output (request, 0, &output);
  for (uint32_t n = 5; n >= 1; n--) {
    size_t n_bytes = (6 - n) * PAGE;
    ck_assert_int_eq (mprotect ((char *) src + n * PAGE, n_bytes, PROT_NONE), 0);
    ck_assert_int_eq (mprotect ((char *) dst + n * PAGE, n_bytes, PROT_NONE), 0);
    fixture_fill_f32 (dst, n * 1024, FIXTURE_CANARY);
    ck_assert (weir_request_set_batch (request, n, NULL));
    fixture_run (request);
    for (uint32_t i = 0; i < n * 1024; i++)
      ck_assert_float_eq (dst[i], -1);
  }
  munmap (src, 6 * PAGE);
  munmap (dst, 6 * PAGE);
  weir_stream_free (stream);
}
END_TEST

/* Twelve elements an item, in models that differ in where the items lie: rows, columns; no batch,
 * and three rows an item. */
static const struct {
  const char *input, *perm, *shape;
  uint32_t n_max, axis;
} forms[] = {
  { "n,12", NULL, NULL, 5, 0 },
  { "12,n", "perm=1,0", NULL, 5, 1 },
  { "3,4", NULL, NULL, 1, 0 },
  { "n,3,4", NULL, "-1,4", 1, 0 },
};

static WeirSession *open_form (int form)
{
  OnnxBuilder *b = onnx_builder_new (13);
  onnx_builder_input (b, "x", F32, forms[form].input);
  if (forms[form].perm)
    onnx_builder_node (b, "Transpose", "x", "r", forms[form].perm);
  if (forms[form].shape) {
    onnx_builder_ints (b, "shape", forms[form].shape);
    onnx_builder_node (b, "Reshape", "x,shape", "r", NULL);
  }
  onnx_builder_node (b, "Neg", forms[form].perm || forms[form].shape ? "r" : "x", "y", NULL);
  onnx_builder_output (b, "y");
  return fixture_open_session (b, 4, NULL);
}

/* Output memory of the caller in each form, with a canary behind row n and behind the last row. */
START_TEST (test_tensors_forms)
{
  g_autoptr (WeirSession) session = open_form (_i);
  const WeirModel *model = weir_session_model (session);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  uint32_t n_max = forms[_i].n_max, axis = weir_model_input_axis (model, 0);
  float src[5 * 12], dst[5 * 12 + 4];
  WeirTensor input, output;
  for (uint32_t i = 0; i < n_max * 12; i++)
    src[axis ? i % 12 * n_max + i / 12 : i] = (float) i; /* in the order of the output */
  weir_model_input (model, 0, &input);
  weir_model_output (model, 0, &output);
  input.dims[axis] *= n_max;
  output.dims[0] *= n_max;
  input.buffer = src;
  output.buffer = dst;
  ck_assert_uint_eq (axis, forms[_i].axis);
  ck_assert (weir_request_set_batch_max (request, n_max, NULL));
  fixture_set_input (request, 0, &input);
  fixture_set_output (request, 0, &output);
  for (uint32_t n = 1; n <= n_max; n++) {
    fixture_fill_f32 (dst, G_N_ELEMENTS (dst), FIXTURE_CANARY);
    ck_assert (weir_request_set_batch (request, n, NULL));
    fixture_run (request);
    for (uint32_t i = 0; i < G_N_ELEMENTS (dst); i++)
      ck_assert_float_eq (dst[i], i < n * 12 ? -(float) i : FIXTURE_CANARY);
  }
  weir_stream_free (stream);
}
END_TEST

/* More items than the session runs together. */
START_TEST (test_tensors_more_than_the_session_batches)
{
  WeirStream *stream = fixture_open_model (fixture_negation ("n,4"), 2, NULL);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  float src[300 * 4], dst[300 * 4];
  WeirTensor input = fixture_tensor (2, (int64_t[]){ 300, 4 }, src),
             output = fixture_tensor (2, (int64_t[]){ 300, 4 }, dst);
  for (int i = 0; i < 300 * 4; i++)
    src[i] = (float) i;
  fixture_fill_f32 (dst, G_N_ELEMENTS (dst), FIXTURE_CANARY);
  ck_assert (weir_request_set_batch_max (request, 300, NULL));
  ck_assert (weir_request_set_batch (request, 201, NULL));
  fixture_set_input (request, 0, &input);
  fixture_set_output (request, 0, &output);
  fixture_run (request);
  for (int i = 0; i < 300 * 4; i++)
    ck_assert_float_eq (dst[i], i < 201 * 4 ? -(float) i : FIXTURE_CANARY);
  ck_assert_uint_eq (weir_stream_n_items (stream), 201);
  weir_stream_free (stream);
}
END_TEST

typedef struct Flight {
  float src[N_MAX * 4], dst[N_MAX * 4];
  uint32_t n;
  gint is_done;
} Flight;

static void land (WeirRequest *request, void *user)
{
  Flight *flight = user;
  g_atomic_int_set (&flight->is_done, weir_request_error (request) ? -1 : 1);
}

/* Callbacks; as many requests in flight as the session wants, each with an n of its own. */
START_TEST (test_tensors_callbacks)
{
  g_autoptr (WeirSession) session = fixture_open_session (fixture_negation ("n,4"), N_MAX, NULL);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  uint32_t n_flights = weir_session_optimal_requests (session);
  ck_assert_uint_ge (n_flights, 1);
  g_autofree Flight *flights = g_new0 (Flight, n_flights);
  g_autoptr (GPtrArray) requests =
      g_ptr_array_new_with_free_func ((GDestroyNotify) weir_request_free);
  for (uint32_t i = 0; i < n_flights; i++) {
    Flight *flight = &flights[i];
    WeirRequest *request = weir_request_new (stream);
    WeirTensor input = fixture_tensor (2, (int64_t[]){ N_MAX, 4 }, flight->src),
               output = fixture_tensor (2, (int64_t[]){ N_MAX, 4 }, flight->dst);
    flight->n = 1 + i % N_MAX;
    fixture_fill_f32 (flight->src, N_MAX * 4, (float) i);
    fixture_fill_f32 (flight->dst, N_MAX * 4, FIXTURE_CANARY);
    ck_assert (weir_request_set_batch_max (request, N_MAX, NULL));
    ck_assert (weir_request_set_batch (request, flight->n, NULL));
    fixture_set_input (request, 0, &input);
    fixture_set_output (request, 0, &output);
    g_ptr_array_add (requests, request);
    ck_assert (weir_request_submit (request, land, flight, NULL));
  }
  for (uint32_t i = 0; i < n_flights; i++) {
    Flight *flight = &flights[i];
    while (!g_atomic_int_get (&flight->is_done))
      g_usleep (1000);
    ck_assert_int_eq (flight->is_done, 1);
    for (uint32_t e = 0; e < N_MAX * 4; e++)
      ck_assert_float_eq (flight->dst[e], e < flight->n * 4 ? -(float) i : FIXTURE_CANARY);
  }
  weir_stream_free (stream);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("tensors");
  TCase *tcase = tcase_create ("tensors");
  tcase_add_unchecked_fixture (tcase, learn_reader, forget_reader);
  tcase_add_test (tcase, test_tensors_batch_equals_single);
  tcase_add_test (tcase, test_tensors_side_by_side);
  tcase_add_test (tcase, test_tensors_own_memory);
  tcase_add_test (tcase, test_tensors_past_n_is_not_touched);
  tcase_add_loop_test (tcase, test_tensors_forms, 0, G_N_ELEMENTS (forms));
  tcase_add_test (tcase, test_tensors_more_than_the_session_batches);
  tcase_add_test (tcase, test_tensors_callbacks);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
