/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tensors in, tensors out: a program to copy from. docs/tensor-api.md says why it is as it is.
 *
 *   gcc tensors.c -o tensors $(pkg-config --cflags --libs weir-1.0)
 *   ./tensors [model.onnx [device [config]]]
 *
 * It opens a session, runs requests of 1 to 8 items in three ways (blocking, with callbacks, and
 * one that is cancelled) over random inputs, and prints what the session says of it. */
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

#define BATCH_MAX  8  /* the most items that a request of ours has */
#define N_REQUESTS 64 /* how many are run with callbacks */

/* What every request uses: the inputs of BATCH_MAX items, which only are read, so that all requests
 * may share them; and what they give, to compare with. */
typedef struct Program {
  WeirSession *session;
  WeirStream *stream;
  uint32_t batch_max;
  WeirTensor *inputs;   /* of n_inputs; dtype NONE: the model fills it */
  WeirTensor *expected; /* of n_outputs */
  GAsyncQueue *done;    /* jobs whose request has ended */
  float difference;     /* the largest that was seen */
} Program;

/* A request with the memory of its outputs. Both are made once and used again and again. */
typedef struct Job {
  Program *program;
  WeirRequest *request;
  WeirTensor *outputs;
  uint32_t n;
} Job;

static uint32_t n_inputs (const Program *program)
{
  return weir_model_n_inputs (weir_session_model (program->session));
}

static uint32_t n_outputs (const Program *program)
{
  return weir_model_n_outputs (weir_session_model (program->session));
}

/* Zeroed memory for `shape`, whose dim `axis` becomes n times what one item has. */
static WeirTensor new_tensor (WeirTensor shape, uint32_t axis, uint32_t n)
{
  size_t n_bytes;
  if (shape.rank)
    shape.dims[axis] *= n;
  if (!weir_tensor_bytes (&shape, &n_bytes))
    g_error ("too large a tensor");
  shape.buffer = g_malloc0 (MAX (n_bytes, 1));
  return shape;
}

static void fill_randomly (WeirTensor *tensor)
{
  int64_t n;
  if (tensor->dtype != WEIR_DTYPE_F32 || !weir_tensor_n_elements (tensor, &n))
    return; /* zeros will do */
  for (int64_t i = 0; i < n; i++)
    ((float *) tensor->buffer)[i] = (float) g_random_double ();
}

/* Prints what the model takes and makes inputs of that shape. A tensor that comes from the model
 * has the shape of one item: weir_model_input_axis says which of its dims counts items. */
static void make_inputs (Program *program)
{
  WeirModel *model = weir_session_model (program->session);
  program->inputs = g_new0 (WeirTensor, n_inputs (program));
  for (uint32_t k = 0; k < n_inputs (program); k++) {
    WeirTensor shape;
    const char *name = weir_model_input (model, k, &shape);
    const char *fill = weir_model_input_fill (model, k);
    g_autofree char *text = weir_tensor_describe (&shape);
    bool is_filled = fill && g_strcmp0 (fill, "picture") != 0;
    printf (
        "input  %s %s%s%s\n", name, text, is_filled ? ", filled with " : "", is_filled ? fill : "");
    if (is_filled)
      continue;
    program->inputs[k] = new_tensor (shape, weir_model_input_axis (model, k), program->batch_max);
    fill_randomly (&program->inputs[k]);
  }
  for (uint32_t k = 0; k < n_outputs (program); k++) {
    WeirTensor shape;
    const char *name = weir_model_output (model, k, &shape);
    g_autofree char *text = weir_tensor_describe (&shape);
    printf ("output %s %s\n", name, text);
  }
}

static bool open_session (Program *program, int argc, char **argv, GError **error)
{
  /* What is not named here is as the library thinks best. */
  WeirSessionOptions options = {
    .model = argc > 1 ? argv[1] : "pipelines/clocks/read-characters.onnx",
    .device = argc > 2 ? argv[2] : "CPU",
    .config = argc > 3 ? argv[3] : NULL, /* "AUTO_BATCH_TIMEOUT=5,…" */
    .batch_timeout_ms = -1,              /* waits for a fuller batch only as long as that pays */
  };
  program->session = weir_session_open (&options, error);
  if (!program->session)
    return false;
  const char *limit = weir_model_batch_limit_reason (weir_session_model (program->session));
  program->batch_max = limit ? 1 : BATCH_MAX;
  if (limit)
    printf ("one item a request: %s\n", limit);
  /* Of one stream one thread submits at a time. A program of several threads has a stream each:
   * they share the session's batches fairly. */
  program->stream = weir_stream_new (program->session, "example", 0);
  program->done = g_async_queue_new ();
  make_inputs (program);
  return true;
}

/* Everything that a request needs is given once; what changes later is only weir_request_set_batch
 * and the bytes in the inputs. */
static bool set_job_up (Job *job, Program *program, GError **error)
{
  WeirModel *model = weir_session_model (program->session);
  job->program = program;
  job->request = weir_request_new (program->stream);
  job->outputs = g_new0 (WeirTensor, n_outputs (program));
  job->n = program->batch_max;
  if (!weir_request_set_batch_max (job->request, program->batch_max, error))
    return false;
  for (uint32_t k = 0; k < n_inputs (program); k++)
    if (program->inputs[k].dtype != WEIR_DTYPE_NONE &&
        !weir_request_set_input (job->request, k, &program->inputs[k], error))
      return false;
  for (uint32_t k = 0; k < n_outputs (program); k++) {
    WeirTensor shape;
    weir_model_output (model, k, &shape);
    if (shape.rank == 0 && program->batch_max > 1) { /* a number an item */
      shape.rank = 1;
      shape.dims[0] = 1;
    }
    job->outputs[k] = new_tensor (shape, 0, program->batch_max);
    if (!weir_request_set_output (job->request, k, &job->outputs[k], NULL))
      weir_request_keep_outputs (job->request, true); /* of a size that only the data know */
  }
  return true;
}

static void clear_job (Job *job)
{
  weir_request_free (job->request);
  for (uint32_t k = 0; k < n_outputs (job->program); k++)
    g_free (job->outputs[k].buffer);
  g_free (job->outputs);
}

/* Rows 0..n-1 against those of the first run: the company of others changes nothing. */
static void compare (Job *job)
{
  Program *program = job->program;
  for (uint32_t k = 0; k < n_outputs (program); k++) {
    const float *ours = job->outputs[k].buffer, *theirs = program->expected[k].buffer;
    int64_t n;
    if (job->outputs[k].dtype != WEIR_DTYPE_F32 || !weir_tensor_n_elements (&job->outputs[k], &n))
      continue;
    for (int64_t i = 0; i < n / program->batch_max * job->n; i++)
      program->difference = MAX (program->difference, ABS (ours[i] - theirs[i]));
  }
}

/* Blocking: run returns when everything is there. False where any item failed. */
static bool run_blocking (Program *program, Job *first, GError **error)
{
  if (!weir_request_run (first->request, error))
    return false;
  program->expected = first->outputs;
  printf ("blocking: %u items in %.3f ms\n", weir_request_n_items (first->request),
      (double) weir_request_latency_ns (first->request) * 1e-6);
  return true;
}

/* On a thread of the session, which must not be held up, and must not submit: so it only hands the
 * job on. From here on the request is ours again. */
static void on_done (WeirRequest *request, void *user)
{
  Job *job = user;
  (void) request;
  g_async_queue_push (job->program->done, job);
}

static bool submit (Job *job, uint32_t n, GError **error)
{
  job->n = n;
  return weir_request_set_batch (job->request, n, error) &&
         weir_request_submit (job->request, on_done, job, error);
}

/* Takes a job that has ended. False where the request as a whole failed. */
static bool collect (Program *program, Job **job, GError **error)
{
  *job = g_async_queue_pop (program->done);
  const GError *failure = weir_request_error ((*job)->request);
  if (failure) {
    g_propagate_error (error, g_error_copy (failure));
    return false;
  }
  compare (*job);
  return true;
}

/* With callbacks: all jobs in flight, each with another n. One that ends goes off again. After an
 * error nothing more is submitted, and what is in flight is waited for. */
static bool run_callbacks (Program *program, Job *jobs, uint32_t n_jobs, GError **error)
{
  uint32_t n_submitted = 0, n_ended = 0;
  bool ok = true;
  while (ok && n_submitted < MIN (n_jobs, N_REQUESTS)) {
    ok = submit (&jobs[n_submitted], 1 + n_submitted % program->batch_max, error);
    n_submitted += ok;
  }
  while (n_ended < n_submitted) {
    Job *job;
    bool was_good = collect (program, &job, ok ? error : NULL);
    n_ended++;
    ok &= was_good;
    if (ok && n_submitted < N_REQUESTS) {
      ok = submit (job, 1 + n_submitted % program->batch_max, error);
      n_submitted += ok;
    }
  }
  if (ok)
    printf ("callbacks: %u requests, %u in flight, largest difference %g\n", n_ended, n_jobs,
        (double) program->difference);
  return ok;
}

/* Without a callback: start, then wait, here or on another thread, as often and as long as one
 * likes. What is cancelled ends as cancelled, but for a request that was over already. */
static bool run_cancelled (Job *job, GError **error)
{
  g_autoptr (GError) failure = NULL;
  bool is_over = false;
  if (!weir_request_set_batch (job->request, job->program->batch_max, error) ||
      !weir_request_start (job->request, error))
    return false;
  weir_request_cancel (job->request);
  while (!is_over && !failure)
    weir_request_wait (job->request, 100, &is_over, &failure); /* ms */
  if (failure && !g_error_matches (failure, WEIR_ERROR, WEIR_ERROR_CANCELLED)) {
    g_propagate_error (error, g_steal_pointer (&failure));
    return false;
  }
  printf ("cancelled: %s\n", failure ? "in time" : "too late");
  return true;
}

/* A batch out of range is an error that names the range, and changes nothing. */
static void show_range (Job *job)
{
  for (uint32_t i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    uint32_t n = i * (job->program->batch_max + 1);
    if (!weir_request_set_batch (job->request, n, &error))
      printf ("refused: %s\n", error->message);
  }
}

static bool run_all (Program *program, GError **error)
{
  /* So many items in flight keep every worker busy; a request has several. One at least. */
  uint32_t n_items = weir_session_optimal_requests (program->session);
  uint32_t n_jobs = MAX (n_items / program->batch_max, 2), n_made = 0;
  Job *jobs = g_new0 (Job, n_jobs);
  Job first = { 0 };
  bool ok = set_job_up (&first, program, error);
  printf ("optimal requests: %u\n", n_items);
  while (ok && n_made < n_jobs)
    ok = set_job_up (&jobs[n_made++], program, error);
  ok = ok && run_blocking (program, &first, error) &&
       run_callbacks (program, jobs, n_jobs, error) && run_cancelled (&jobs[0], error);
  if (ok)
    show_range (&jobs[0]);
  for (uint32_t i = 0; i < n_made; i++)
    clear_job (&jobs[i]);
  clear_job (&first);
  g_free (jobs);
  return ok;
}

static void print_stats (const Program *program)
{
  g_autofree WeirStats *stats = g_new0 (WeirStats, 1); /* large: it holds a histogram */
  weir_session_stats (program->session, stats);
  g_autofree char *json = weir_stats_to_json (stats);
  printf ("%s\n", json);
}

/* Requests end before their stream, the stream before its session; NULL is fine everywhere. */
static void close_session (Program *program)
{
  for (uint32_t k = 0; program->inputs && k < n_inputs (program); k++)
    g_free (program->inputs[k].buffer);
  g_free (program->inputs);
  weir_stream_free (program->stream);
  weir_session_unref (program->session);
  if (program->done)
    g_async_queue_unref (program->done);
}

int main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  Program program = { 0 };
  bool ok = open_session (&program, argc, argv, &error) && run_all (&program, &error);
  if (ok)
    print_stats (&program);
  else
    fprintf (stderr, "%s\n", error->message);
  close_session (&program);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
