/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames through sessions on a device that makes the pictures itself (far_backend): the outputs are
 * those of the host's, each frame goes up once, tensors and whatever the device cannot go by way of
 * the host. */
#include "engine/sched/session_types.h"
#include "tests/unit/formats/onnx_builder.h"
#include "tests/unit/plan/far_backend.h"
#include "tests/unit/pre/pre_picture.h"

#include "tests/run_suite.h"
#include <string.h>

#define F32       1 /* TensorProto.DataType */
#define WIDTH_PX  10
#define HEIGHT_PX 8
#define N_PIXELS  (WIDTH_PX * HEIGHT_PX)
#define N_ROW     (3 * N_PIXELS)
#define N_OUTPUTS 2
#define BATCH     4

static char *folder;
static WeirFrame frames[2];
static const WeirRegion regions[] = { { 0, 0, 61, 43 }, { 5, 7, 31, 11 }, { 60, 42, 1, 1 } };

/* One reader; one behind a transpose; two, the second of which the device may decline. */
static const struct {
  const char *input, *nodes[N_OUTPUTS][4]; /* op, src, dst, attributes */
} models[] = {
  { "n,3,8,10", { { "Relu", "x", "y0", "" }, { "Neg", "x", "y1", "" } } },
  { "n,8,10,3", { { "Transpose", "x", "t", "perm=0,3,1,2" }, { "Relu", "t", "y1", "" } } },
  { "n,3,8,10", { { "Relu", "x", "y0", "" }, { "Sigmoid", "x", "y1", "" } } },
};

static char *write_model (uint32_t i)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  g_autofree char *name = g_strdup_printf ("model%u.onnx", i);
  onnx_builder_input (builder, "x", F32, models[i].input);
  for (uint32_t k = 0; k < N_OUTPUTS; k++)
    onnx_builder_node (builder, models[i].nodes[k][0], models[i].nodes[k][1], models[i].nodes[k][2],
        models[i].nodes[k][3]);
  for (uint32_t k = 0; k < N_OUTPUTS; k++)
    if (models[i].nodes[k][2][0] == 'y')
      onnx_builder_output (builder, models[i].nodes[k][2]);
  return onnx_builder_write (builder, folder, name);
}

static WeirSession *open_session (uint32_t i, const WeirBackend *backend)
{
  g_autofree char *path = write_model (i);
  g_autoptr (GError) error = NULL;
  const WeirSessionOptions options = { .model = path,
    .instance = backend->name,
    .device = "REF",
    .performance_hint = "latency",
    .batch_size = BATCH,
    .batch_timeout_ms = -1,
    .model_options = { .decoder = "raw", .mean = "1,2,3", .scale = "0.5" } };
  weir_session_backend_hook = backend;
  WeirSession *session = weir_session_open (&options, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  return session;
}

static void set_up (void)
{
  folder = onnx_builder_folder ();
  for (uint32_t i = 0; i < G_N_ELEMENTS (frames); i++)
    frames[i] = picture_new (WEIR_PIXEL_NV12, 61, 43, i, i);
  g_setenv ("WEIR_CACHE_DIR", "", TRUE);
  far_backend_set_taste (&(FarTaste){ 0 });
}

static void tear_down (void)
{
  weir_session_backend_hook = NULL;
  onnx_builder_remove (folder);
  for (uint32_t i = 0; i < G_N_ELEMENTS (frames); i++)
    picture_clear (&frames[i]);
}

/* Of a frame with its regions; of a tensor, one item, where `frame` is NULL. */
static WeirRequest *new_request (WeirStream *stream, const WeirFrame *frame, uint32_t n_regions)
{
  static float values[N_ROW];
  WeirRequest *request = weir_request_new (stream);
  weir_request_keep_outputs (request, true);
  if (frame) {
    weir_request_set_frame (request, frame);
    for (uint32_t i = 0; i < n_regions; i++)
      weir_request_add_region (request, &regions[i]);
    return request;
  }
  WeirTensor input = { .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 1 }, .buffer = values };
  const WeirTensor *wanted = &weir_graph_value (stream->session->model->graph,
      g_array_index (stream->session->model->graph->inputs, uint32_t, 0))
                                  ->tensor;
  memcpy (input.dims + 1, wanted->dims + 1, 3 * sizeof *input.dims);
  for (uint32_t i = 0; i < N_ROW; i++)
    values[i] = (float) i / N_ROW - 0.3f;
  ck_assert (weir_request_set_input (request, 0, &input, NULL));
  return request;
}

/* A request. */
typedef struct Part {
  uint32_t n_regions; /* 0: a tensor */
  uint32_t frame;
} Part;

#define MAX_PARTS 3

static void run_by_queue (WeirRequest *const *requests, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    ck_assert (weir_request_start (requests[i], NULL));
  for (uint32_t i = 0; i < n; i++) {
    g_autoptr (GError) error = NULL;
    bool is_over;
    bool ok = weir_request_wait (requests[i], -1, &is_over, &error);
    ck_assert_msg (ok, "%s", error ? error->message : "");
  }
}

/* As a worker does, all items in one batch, the requests in turns. */
static void run_by_hand (WeirRequest *const *requests, uint32_t n)
{
  WeirSession *session = requests[0]->stream->session;
  g_autofree WeirWorker *worker = g_new0 (WeirWorker, 1);
  uint32_t n_items = 0;
  worker->session = session;
  weir_worker_open (worker);
  for (uint32_t i = 0; i < n; i++)
    ck_assert (weir_request_prepare (requests[i], NULL));
  for (uint32_t k = 0; k < G_N_ELEMENTS (regions); k++)
    for (uint32_t i = 0; i < n; i++)
      if (k < requests[i]->n_items)
        worker->batch[n_items++] = (WeirTaken){ &requests[i]->ticket, k };
  g_autoptr (WeirSlot) slot =
      weir_slot_new (weir_site_plan (worker->site, n_items, NULL), NULL, NULL);
  ck_assert (weir_rows_write (worker, slot, worker->batch, n_items, NULL));
  ck_assert (weir_slot_run (slot, NULL));
  for (uint32_t i = 0; i < n_items; i++) {
    const WeirTaken *taken = &worker->batch[i];
    ck_assert (
        weir_rows_read (worker, slot, n_items, weir_taken_request (taken), taken->item, i, NULL));
  }
  weir_worker_close (worker);
}

typedef void (*RunFn) (WeirRequest *const *requests, uint32_t n);

/* All outputs, one behind the other. */
static GArray *run_parts (WeirSession *session, const Part *parts, uint32_t n_parts, RunFn run)
{
  GArray *outputs = g_array_new (FALSE, FALSE, sizeof (float));
  WeirStream *stream = weir_stream_new (session, "pictures", 0);
  WeirRequest *requests[MAX_PARTS];
  for (uint32_t i = 0; i < n_parts; i++)
    requests[i] = new_request (
        stream, parts[i].n_regions ? &frames[parts[i].frame] : NULL, parts[i].n_regions);
  run (requests, n_parts);
  for (uint32_t i = 0; i < n_parts; i++) {
    for (uint32_t k = 0; weir_request_output (requests[i], k); k++) {
      const WeirTensor *output = weir_request_output (requests[i], k);
      g_array_append_vals (outputs, weir_tensor_data (output), (guint) output->dims[0] * N_ROW);
    }
    weir_request_free (requests[i]);
  }
  weir_stream_free (stream);
  return outputs;
}

static void check_like_host (
    WeirSession *far, uint32_t model, const Part *parts, uint32_t n_parts, RunFn run)
{
  g_autoptr (GArray) got = run_parts (far, parts, n_parts, run);
  WeirSession *host = open_session (model, &weir_backend_ref);
  g_autoptr (GArray) expected = run_parts (host, parts, n_parts, run_by_queue);
  weir_session_unref (host);
  ck_assert_uint_gt (got->len, 0);
  ck_assert_uint_eq (got->len, expected->len);
  ck_assert_mem_eq (got->data, expected->data, got->len * sizeof (float));
}

static const struct {
  FarTaste taste;
  uint32_t model, n_parts;
  Part parts[MAX_PARTS];
  uint32_t n_frames, n_pictures;
} rows[] = {
  { { 0 }, 0, 1, { { 1, 0 } }, 1, 1 },
  { { 0 }, 0, 1, { { 3, 0 } }, 1, 3 },
  { { 0 }, 0, 2, { { 2, 0 }, { 2, 1 } }, 2, 4 }, /* one batch */
  { { 0 }, 0, 2, { { 3, 0 }, { 3, 1 } }, 2, 6 }, /* two batches, the second frame in both */
  { { 0 }, 1, 2, { { 1, 0 }, { 2, 1 } }, 2, 3 },
  { { 0 }, 0, 1, { { 0 } }, 0, 0 },
  { { 0 }, 1, 1, { { 0 } }, 0, 0 },
  { { 1, { WEIR_OP_SIGMOID } }, 2, 1, { { 3, 1 } }, 1, 3 },
  { { 1, { WEIR_OP_SIGMOID } }, 2, 1, { { 0 } }, 0, 0 },
  { { 2, { WEIR_OP_RELU, WEIR_OP_NEG } }, 0, 1, { { 3, 1 } }, 0, 0 }, /* nobody reads it there */
  { { 1, { WEIR_OP_RELU }, true }, 1, 1, { { 3, 1 } }, 0, 0 },
};

START_TEST (test_pictures)
{
  far_backend_set_taste (&rows[_i].taste);
  WeirSession *session = open_session (rows[_i].model, &far_backend);
  check_like_host (session, rows[_i].model, rows[_i].parts, rows[_i].n_parts, run_by_queue);
  ck_assert_uint_eq (far_backend_n_frames (), rows[_i].n_frames);
  ck_assert_uint_eq (far_backend_n_pictures (), rows[_i].n_pictures);
  weir_session_unref (session);
  ck_assert_uint_eq (far_backend_n_memories (), 0);
}
END_TEST

/* A batch with a tensor in it is written on the host, those before and behind on the device. */
START_TEST (test_pictures_beside_tensors)
{
  static const Part mixed[] = { { 2, 0 }, { 0 }, { 1, 1 } }, pure[] = { { 2, 0 }, { 2, 1 } };
  WeirSession *session = open_session (0, &far_backend);
  for (uint32_t i = 0; i < 2; i++) {
    check_like_host (session, 0, mixed, 3, run_by_hand);
    ck_assert_uint_eq (far_backend_n_pictures (), 4 * i);
    check_like_host (session, 0, pure, 2, run_by_hand);
    ck_assert_uint_eq (far_backend_n_pictures (), 4 * (i + 1));
    ck_assert_uint_eq (far_backend_n_frames (), 2 * (i + 1));
  }
  weir_session_unref (session);
}
END_TEST

static void swallow (const char *domain, GLogLevelFlags level, const char *message, void *user)
{
  (*(uint32_t *) user)++;
  ck_assert_ptr_nonnull (strstr (message, "frames are preprocessed by the CPU"));
}

static const struct {
  int code;
  bool is_new; /* from the start; else with the first frame */
} failures[] = {
  { WEIR_ERROR_DEVICE, true },
  { WEIR_ERROR_MEMORY, true },
  { WEIR_ERROR_MEMORY, false },
  { WEIR_ERROR_UNSUPPORTED, false },
};

/* A device that cannot: one warning, and the same outputs. */
START_TEST (test_pictures_fall_back)
{
  static const Part parts[] = { { 3, 0 }, { 1, 1 } };
  uint32_t n_warnings = 0;
  g_autoptr (GError) cause = g_error_new (WEIR_ERROR, failures[_i].code, "because");
  FarTaste taste = { .new_error = failures[_i].is_new ? cause : NULL,
    .hold_error = failures[_i].is_new ? NULL : cause };
  guint handler = g_log_set_handler ("weir", G_LOG_LEVEL_WARNING, swallow, &n_warnings);
  far_backend_set_taste (&taste);
  WeirSession *session = open_session (0, &far_backend);
  for (uint32_t i = 0; i < 2; i++)
    check_like_host (session, 0, parts, 2, run_by_queue);
  ck_assert_uint_eq (n_warnings, 1);
  ck_assert_uint_eq (far_backend_n_pictures (), 0);
  weir_session_unref (session);
  g_log_remove_handler ("weir", handler);
}
END_TEST

/* What is no lack of memory fails the items that it meets, and no others. */
START_TEST (test_pictures_fail)
{
  static const Part parts[] = { { 1, 1 } };
  g_autoptr (GError) cause = g_error_new (WEIR_ERROR, WEIR_ERROR_DEVICE, "lost");
  WeirSession *session = open_session (0, &far_backend);
  far_backend_set_taste (&(FarTaste){ .hold_error = cause });
  WeirStream *stream = weir_stream_new (session, "pictures", 0);
  WeirRequest *request = new_request (stream, &frames[0], 2);
  ck_assert (!weir_request_run (request, NULL));
  for (uint32_t i = 0; i < 2; i++)
    ck_assert_int_eq (weir_request_result (request, i)->status, WEIR_STATUS_FAILED);
  weir_request_free (request);
  weir_stream_free (stream);
  far_backend_set_taste (&(FarTaste){ 0 });
  check_like_host (session, 0, parts, 1, run_by_queue);
  ck_assert_uint_eq (far_backend_n_pictures (), 1);
  weir_session_unref (session);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("worker pictures");
  TCase *tcase = tcase_create ("worker pictures");
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_add_loop_test (tcase, test_pictures, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_pictures_beside_tensors);
  tcase_add_loop_test (tcase, test_pictures_fall_back, 0, G_N_ELEMENTS (failures));
  tcase_add_test (tcase, test_pictures_fail);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
