/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Eight producers on two models while a thousand streams and sessions come and go, streams are
 * flushed, and the settings of the sessions change: every result is that of its own item, those of
 * a stream come in order where one worker runs them, nothing is lost, nothing hangs. */
#include "tests/unit/formats/onnx_builder.h"
#include "tests/unit/sched/session_fixture.h"

#include "tests/run_suite.h"
#include "tests/watchdog.h"
#include <stdlib.h>
#include <string.h>

#define N_PRODUCERS 8
#define N_REQUESTS  4 /* of a producer, at once */
#define BATCH_SIZE  6
#define N_VISITS    1000
#define N_LEAST     20 /* results of each producer, whatever the visitors do */
#define HANG_S      100

/* One network and what it says of item i of picture k alone. */
typedef struct Net {
  const char *file, *hint;
  uint32_t n_values;
  bool is_ordered; /* one worker */
  float expected[N_PICTURES][N_ITEMS][N_CLASSES];
} Net;

static char *folder, *tiny_file, *reader_file;
static Net nets[2];
static Watchdog dog;

/* Gray pictures to their mean and to 2 − 3 · mean. */
static char *write_tiny_net (void)
{
  const float weights[2] = { 1.0f, -3.0f }, bias[2] = { 0.0f, 2.0f };
  g_autoptr (OnnxBuilder) b = onnx_builder_new (13);
  const int32_t f32 = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
  onnx_builder_input (b, "image", f32, "n,1,6,8");
  onnx_builder_constant (b, "w", f32, "2,1,1,1", weights, sizeof weights);
  onnx_builder_constant (b, "b", f32, "2", bias, sizeof bias);
  onnx_builder_node (b, "Conv", "image,w,b", "c", "kernel_shape=1,1");
  onnx_builder_node (b, "GlobalAveragePool", "c", "p", NULL);
  onnx_builder_node (b, "Flatten", "p", "y", NULL);
  onnx_builder_output (b, "y");
  return onnx_builder_write (b, folder, "tiny.onnx");
}

static WeirSession *open_net (const Net *net, const char *instance, uint32_t batch_size)
{
  const char *device = g_getenv ("WEIR_TEST_DEVICE");
  const WeirSessionOptions o = { .model = net->file,
    .model_options = { .decoder = "raw" },
    .device = device ? device : "REF",
    .precision = "f32",
    .performance_hint = net->hint,
    .instance = instance,
    .batch_size = batch_size,
    .batch_timeout_ms = -1 };
  g_autoptr (GError) error = NULL;
  WeirSession *session = weir_session_open (&o, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  return session;
}

static void fill (WeirRequest *request, int k, uint32_t n_items)
{
  fixture_fill (request, k, n_items);
  weir_request_keep_outputs (request, true);
}

/* Row i of the outputs. */
static const float *row_of (const WeirRequest *request, const Net *net, uint32_t i)
{
  const WeirTensor *output = weir_request_output (request, 0);
  return (const float *) weir_tensor_data (output) + i * net->n_values;
}

static bool is_right (const WeirRequest *request, const Net *net, int k)
{
  for (uint32_t i = 0; i < weir_request_n_items (request); i++) {
    const float *row = row_of (request, net, i);
    for (uint32_t c = 0; c < net->n_values; c++)
      if (!(ABS (row[c] - net->expected[k][i][c]) <= 1e-4f))
        return false;
  }
  return true;
}

/* Every batch is 1. */
static void learn (Net *net)
{
  WeirTensor shape;
  g_autoptr (WeirSession) session = open_net (net, "alone", 1);
  WeirStream *stream = weir_stream_new (session, "alone", 0);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  weir_model_output (weir_session_model (session), 0, &shape);
  ck_assert_int_le (shape.dims[1], N_CLASSES);
  net->n_values = (uint32_t) shape.dims[1];
  for (int k = 0; k < N_PICTURES; k++) {
    fill (request, k, N_ITEMS);
    ck_assert (weir_request_run (request, NULL));
    for (uint32_t i = 0; i < N_ITEMS; i++)
      memcpy (net->expected[k][i], row_of (request, net, i), net->n_values * sizeof (float));
  }
  weir_stream_free (stream);
}

/* Producers ------------------------------------------------------------------------------------ */

typedef struct Producer Producer;

typedef struct Slot {
  Producer *producer;
  WeirRequest *request;
  int picture;
  unsigned number; /* of the submit; 0: nothing to look at */
  bool is_busy;    /* the producer's lock */
} Slot;

struct Producer {
  const Net *net;
  WeirStream *stream;
  guint32 seed;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  Slot slots[N_REQUESTS];
  unsigned n_submitted, last; /* `last`: number of the last one that ran, lock */
  unsigned n_out_of_order;    /* lock */
  unsigned n_right, n_wrong, n_cancelled, n_lost;
};

static gint is_over; /* the visitors have gone */

static void on_done (WeirRequest *request, void *user)
{
  Slot *slot = user;
  Producer *self = slot->producer;
  const bool has_run = !weir_request_error (request) && weir_request_n_items (request) > 0;
  pthread_mutex_lock (&self->lock);
  if (has_run) {
    self->n_out_of_order += slot->number < self->last;
    self->last = slot->number;
  }
  self->n_lost += !slot->is_busy; /* called twice */
  slot->is_busy = false;
  pthread_cond_signal (&self->ended);
  pthread_mutex_unlock (&self->lock);
}

/* Waits for the slot's request and looks at what it gave. */
static void collect (Producer *self, Slot *slot)
{
  pthread_mutex_lock (&self->lock);
  while (slot->is_busy)
    pthread_cond_wait (&self->ended, &self->lock);
  pthread_mutex_unlock (&self->lock);
  if (slot->number == 0)
    return;
  const GError *error = weir_request_error (slot->request);
  if (error && error->code == WEIR_ERROR_CANCELLED)
    self->n_cancelled++;
  else if (!error && is_right (slot->request, self->net, slot->picture))
    self->n_right++;
  else
    self->n_wrong++;
  slot->number = 0;
  watchdog_step (&dog);
}

/* A frame, or a crowd of crops; one in eight does not wait for room, one in sixteen is cancelled.
 */
static void submit (Producer *self, Slot *slot, GRand *rand)
{
  const bool is_crowd = g_rand_int_range (rand, 0, 4) == 0;
  const uint32_t n_items = is_crowd ? (uint32_t) g_rand_int_range (rand, 0, N_ITEMS + 1) : 1;
  const bool may_wait = g_rand_int_range (rand, 0, 8) != 0;
  bool full = false;
  slot->picture = g_rand_int_range (rand, 0, N_PICTURES);
  slot->number = ++self->n_submitted;
  slot->is_busy = true;
  fill (slot->request, slot->picture, n_items);
  if (may_wait ? !weir_request_submit (slot->request, on_done, slot, NULL)
               : !weir_request_try_submit (slot->request, on_done, slot, &full, NULL)) {
    slot->is_busy = false;
    slot->number = 0;
    g_usleep (300); /* flushed, or full */
  } else if (g_rand_int_range (rand, 0, 16) == 0) {
    weir_request_cancel (slot->request);
  }
}

static void *produce (void *user)
{
  Producer *self = user;
  g_autoptr (GRand) rand = g_rand_new_with_seed (self->seed);
  for (unsigned i = 0; !g_atomic_int_get (&is_over) || self->n_right < N_LEAST; i++) {
    Slot *slot = &self->slots[i % N_REQUESTS];
    collect (self, slot);
    submit (self, slot, rand);
    if (g_rand_int_range (rand, 0, 16) == 0)
      weir_stream_drain (self->stream);
  }
  for (unsigned i = 0; i < N_REQUESTS; i++)
    collect (self, &self->slots[i]);
  return NULL;
}

static void start_producer (Producer *self, WeirSession *session, const Net *net, guint32 seed)
{
  *self = (Producer){ .net = net, .seed = seed };
  self->stream = weir_stream_new (session, "producer", 0);
  pthread_mutex_init (&self->lock, NULL);
  pthread_cond_init (&self->ended, NULL);
  for (unsigned i = 0; i < N_REQUESTS; i++)
    self->slots[i] = (Slot){ .producer = self, .request = weir_request_new (self->stream) };
  ck_assert_int_eq (pthread_create (&self->thread, NULL, produce, self), 0);
}

static void end_producer (Producer *self)
{
  for (unsigned i = 0; i < N_REQUESTS; i++)
    weir_request_free (self->slots[i].request);
  weir_stream_free (self->stream);
  pthread_mutex_destroy (&self->lock);
  pthread_cond_destroy (&self->ended);
  ck_assert_uint_eq (self->n_wrong, 0);
  ck_assert_uint_eq (self->n_lost, 0);
  ck_assert_uint_ge (self->n_right, N_LEAST);
  ck_assert_msg (!self->net->is_ordered || self->n_out_of_order == 0,
      "%u of %u results came before an earlier one's", self->n_out_of_order, self->n_right);
}

/* Those who disturb ---------------------------------------------------------------------------- */

typedef struct Disturber {
  Producer *producers;
  WeirSession *const *sessions;
  unsigned n_turns;
} Disturber;

static void *flush_streams (void *user)
{
  Disturber *self = user;
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  for (; !g_atomic_int_get (&is_over); self->n_turns++) {
    WeirStream *stream = self->producers[g_rand_int_range (rand, 0, N_PRODUCERS)].stream;
    weir_stream_flush (stream);
    g_usleep ((gulong) g_rand_int_range (rand, 0, 300));
    weir_stream_resume (stream);
    g_usleep (3000);
  }
  return NULL;
}

/* Changes settings and reads figures, which only ever grow. */
static void *change_settings (void *user)
{
  static const int32_t timeouts_ms[] = { -1, 0, 1, 5 };
  Disturber *self = user;
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  uint64_t n_before[G_N_ELEMENTS (nets)] = { 0 };
  for (; !g_atomic_int_get (&is_over); self->n_turns++) {
    const unsigned k = self->n_turns % G_N_ELEMENTS (nets);
    WeirSession *session = self->sessions[k];
    weir_session_set_num_requests (session, (uint32_t) g_rand_int_range (rand, 0, 9));
    weir_session_set_batch_timeout (session, timeouts_ms[g_rand_int_range (rand, 0, 4)]);
    weir_session_stats (session, stats);
    ck_assert_uint_ge (stats->n_items, n_before[k]);
    ck_assert_uint_ge (weir_session_optimal_requests (session), 1);
    n_before[k] = stats->n_items;
    g_usleep (1000);
  }
  return NULL;
}

/* Visitors: streams and sessions that come and go -----------------------------------------------
 */

static void count_done (WeirRequest *request, void *user)
{
  g_atomic_int_inc ((gint *) user);
}

static void visit_and_wait (WeirSession *session, const Net *net, int k)
{
  WeirStream *stream = weir_stream_new (session, "visitor", 0);
  g_autoptr (WeirRequest) request = weir_request_new (stream);
  fill (request, k, 1 + (uint32_t) k % 3);
  ck_assert (weir_request_run (request, NULL));
  ck_assert (is_right (request, net, k));
  weir_stream_free (stream);
}

/* The stream goes while its requests wait or run; they outlive it. */
static void visit_and_leave (WeirSession *session, const Net *net, int k)
{
  WeirStream *stream = weir_stream_new (session, "visitor", 2);
  WeirRequest *requests[3];
  gint n_done = 0, n_accepted = 0;
  bool full;
  for (int i = 0; i < 3; i++) {
    requests[i] = weir_request_new (stream);
    fill (requests[i], (k + i) % N_PICTURES, 1);
    n_accepted += weir_request_try_submit (requests[i], count_done, &n_done, &full, NULL);
  }
  weir_stream_free (stream);
  ck_assert_int_eq (g_atomic_int_get (&n_done), n_accepted);
  for (int i = 0; i < 3; i++) {
    const bool has_run = n_accepted == 3 && !weir_request_error (requests[i]);
    ck_assert (!has_run || is_right (requests[i], net, (k + i) % N_PICTURES));
    weir_request_free (requests[i]);
  }
}

/* What is submitted to a flushed stream is refused; after resume it is as right as ever. */
static void visit_and_flush (WeirSession *session, const Net *net, int k)
{
  WeirStream *stream = weir_stream_new (session, "visitor", 0);
  WeirRequest *early = weir_request_new (stream), *late = weir_request_new (stream);
  gint n_done = 0;
  fill (early, k, 2);
  ck_assert (weir_request_submit (early, count_done, &n_done, NULL));
  weir_stream_flush (stream);
  fill (late, k, 1);
  ck_assert (!weir_request_submit (late, count_done, &n_done, NULL));
  weir_stream_resume (stream);
  ck_assert (weir_request_run (late, NULL));
  ck_assert (is_right (late, net, k));
  weir_stream_free (stream);
  ck_assert_int_eq (g_atomic_int_get (&n_done), 1);
  weir_request_free (early);
  weir_request_free (late);
}

static void visit_and_look (WeirSession *session, const Net *net, int k)
{
  weir_stream_free (weir_stream_new (session, "visitor", 0));
}

static void (*const visits[]) (WeirSession *session, const Net *net, int k) = { visit_and_leave,
  visit_and_look, visit_and_wait, visit_and_leave, visit_and_flush };

/* Every third to a session of its own, which begins and ends with it. */
static void visit (unsigned i)
{
  const Net *net = &nets[i % 7 != 0];
  g_autofree char *own = i % 3 == 0 ? g_strdup_printf ("visit-%u", i) : NULL;
  g_autoptr (WeirSession) session = open_net (net, own, BATCH_SIZE);
  visits[i % G_N_ELEMENTS (visits)](session, net, (int) (i % N_PICTURES));
  watchdog_step (&dog);
}

static void check_session (WeirSession *session)
{
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  uint64_t n_items = 0, n_batches = 0;
  weir_session_stats (session, stats);
  for (uint32_t n = 0; n < G_N_ELEMENTS (stats->batch_histogram); n++) {
    n_items += n * stats->batch_histogram[n];
    n_batches += stats->batch_histogram[n];
    ck_assert (n <= BATCH_SIZE || stats->batch_histogram[n] == 0);
  }
  ck_assert_uint_eq (stats->n_streams, N_PRODUCERS / G_N_ELEMENTS (nets));
  ck_assert_uint_eq (stats->in_flight, 0);
  ck_assert_uint_eq (stats->n_failed, 0);
  ck_assert_uint_eq (stats->n_loads, 1);
  ck_assert_uint_eq (n_items, stats->n_items);
  ck_assert_uint_eq (n_batches, stats->n_batches);
  ck_assert_uint_eq (stats->cut_full + stats->cut_complete + stats->cut_deadline + stats->cut_idle +
                         stats->cut_drain,
      n_batches);
}

/* Runs first, in the same process. */
START_TEST (test_many_streams_alone)
{
  fixture_make_pictures ();
  for (unsigned k = 0; k < G_N_ELEMENTS (nets); k++)
    learn (&nets[k]);
  ck_assert (memcmp (nets[1].expected[0], nets[1].expected[1], sizeof nets[1].expected[0]) != 0);
}
END_TEST

START_TEST (test_many_streams)
{
  WeirSession *sessions[G_N_ELEMENTS (nets)];
  Producer producers[N_PRODUCERS];
  Disturber flusher = { producers, sessions, 0 }, changer = { producers, sessions, 0 };
  pthread_t flush_thread, change_thread;
  watchdog_start (&dog, "many streams", HANG_S);
  for (unsigned k = 0; k < G_N_ELEMENTS (nets); k++)
    sessions[k] = open_net (&nets[k], NULL, BATCH_SIZE);
  for (unsigned i = 0; i < N_PRODUCERS; i++)
    start_producer (
        &producers[i], sessions[i % G_N_ELEMENTS (nets)], &nets[i % G_N_ELEMENTS (nets)], i);
  ck_assert_int_eq (pthread_create (&flush_thread, NULL, flush_streams, &flusher), 0);
  ck_assert_int_eq (pthread_create (&change_thread, NULL, change_settings, &changer), 0);
  for (unsigned i = 0; i < N_VISITS; i++)
    visit (i);
  g_atomic_int_set (&is_over, 1);
  pthread_join (flush_thread, NULL);
  pthread_join (change_thread, NULL);
  for (unsigned i = 0; i < N_PRODUCERS; i++)
    pthread_join (producers[i].thread, NULL);
  for (unsigned k = 0; k < G_N_ELEMENTS (nets); k++)
    check_session (sessions[k]);
  for (unsigned i = 0; i < N_PRODUCERS; i++) {
    g_print (
        "producer %u: %u right, %u cancelled\n", i, producers[i].n_right, producers[i].n_cancelled);
    end_producer (&producers[i]);
  }
  for (unsigned k = 0; k < G_N_ELEMENTS (nets); k++)
    weir_session_unref (sessions[k]);
  watchdog_stop (&dog);
  ck_assert_uint_gt (flusher.n_turns, 10);
  ck_assert_uint_gt (changer.n_turns, 10);
}
END_TEST

/* All have gone: the same options load anew. */
START_TEST (test_many_streams_leave_nothing)
{
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1);
  for (unsigned k = 0; k < G_N_ELEMENTS (nets); k++) {
    g_autoptr (WeirSession) session = open_net (&nets[k], NULL, BATCH_SIZE);
    weir_session_stats (session, stats);
    ck_assert_uint_eq (stats->n_items, 0);
    ck_assert_uint_eq (stats->n_streams, 0);
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("many streams");
  TCase *tcase = tcase_create ("many streams");
  tcase_set_timeout (tcase, 0);
  folder = onnx_builder_folder ();
  reader_file = fixture_model ();
  tiny_file = write_tiny_net ();
  nets[0] = (Net){ .file = reader_file, .hint = "latency", .is_ordered = true };
  nets[1] = (Net){ .file = tiny_file, .hint = "throughput" };
  tcase_add_test (tcase, test_many_streams_alone);
  tcase_add_test (tcase, test_many_streams);
  tcase_add_test (tcase, test_many_streams_leave_nothing);
  suite_add_tcase (suite, tcase);
  const int status = run_suite (suite, CK_NOFORK);
  onnx_builder_remove (folder);
  g_free (tiny_file);
  g_free (reader_file);
  return status;
}
