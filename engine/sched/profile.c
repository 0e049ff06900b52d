/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the time of a request goes. The plan runs in the calling thread as a worker would run it,
 * each part timed, the least of several runs kept; then the request goes through the queue. */
#include "engine/profile.h"

#include "engine/sched/session_peaks.h"

#define MIN_RUNS  10
#define MAX_RUNS  1000
#define BUDGET_NS (500 * UINT64_C (1000000))
#define QUEUE_NS  (200 * UINT64_C (1000000))
#define REST_NS   (1000 * UINT64_C (1000000)) /* longest wait for workers that still calibrate */

typedef struct Times {
  uint64_t *step_ns;
  uint32_t *n_commands;
  uint64_t preprocess_ns, run_ns, postprocess_ns;
} Times;

/* Times and what is needed to run; `worker` is none of the session's. */
typedef struct Job {
  WeirRequest *request;
  WeirSession *session;
  WeirWorker *worker;
  WeirSlot *slot;
  uint32_t n;
  Times best;
} Job;

static bool check_regions (const WeirRequest *request, GError **error)
{
  for (uint32_t i = 0; request->has_frame && i < request->n_items; i++)
    if (!weir_pre_check (&request->frame, &g_array_index (request->regions, WeirRegion, i), error))
      return false;
  return true;
}

static bool check_items (const WeirSite *site, uint32_t n, GError **error)
{
  const char *path = site->session->model->path;
  if (n < 1 || n > WEIR_MAX_BATCH)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: %u items: 1 to %d are expected", path,
        n, WEIR_MAX_BATCH);
  else if (n > 1 && site->batch_limit_reason)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "%s: %u items: 1 is expected, for the model does not batch: %s", path, n,
        site->batch_limit_reason);
  else
    return true;
  return false;
}

static void keep_least (uint64_t *least_ns, uint64_t start_ns)
{
  *least_ns = MIN (*least_ns, weir_now_ns () - start_ns);
}

static bool run_once (Job *job, GError **error)
{
  if (!weir_request_prepare (job->request, error))
    return false;
  uint64_t start_ns = weir_now_ns ();
  if (!weir_rows_write (job->worker, job->slot, job->worker->batch, job->n, error) ||
      !weir_slot_settle (job->slot, error))
    return false;
  keep_least (&job->best.preprocess_ns, start_ns);
  start_ns = weir_now_ns ();
  bool is_helped = job->worker->site->n_threads > 1; /* as with performance-hint=latency */
  if (is_helped)
    weir_target_begin_batch (job->worker->site->target);
  bool ok = weir_slot_profile (job->slot, job->best.step_ns, job->best.n_commands, error);
  if (is_helped)
    weir_target_end_batch (job->worker->site->target);
  if (!ok)
    return false;
  keep_least (&job->best.run_ns, start_ns);
  start_ns = weir_now_ns ();
  for (uint32_t i = 0; i < job->n; i++)
    if (!weir_rows_read (job->worker, job->slot, job->n, job->request, i, i, error))
      return false;
  keep_least (&job->best.postprocess_ns, start_ns);
  return true;
}

static bool run_times (Job *job, GError **error)
{
  uint64_t end_ns = weir_now_ns () + BUDGET_NS;
  for (int i = 0; i < MIN_RUNS || (i < MAX_RUNS && weir_now_ns () < end_ns); i++)
    if (!run_once (job, error))
      return false;
  return true;
}

static uint64_t busy_ns (WeirSession *session)
{
  weir_mutex_lock (&session->lock);
  uint64_t ns = session->busy_ns;
  weir_mutex_unlock (&session->lock);
  return ns;
}

/* What passes from submit to done while no worker works: only of one item is that all of the rest.
 */
static bool run_queue (Job *job, double *queue_ns, GError **error)
{
  uint64_t end_ns = weir_now_ns () + QUEUE_NS, least_ns = G_MAXUINT64;
  *queue_ns = -1;
  for (int i = 0; job->n == 1 && (i < MIN_RUNS || (i < MAX_RUNS && weir_now_ns () < end_ns)); i++) {
    uint64_t before_ns = busy_ns (job->session);
    if (!weir_request_run (job->request, error))
      return false;
    uint64_t latency_ns = weir_request_latency_ns (job->request);
    least_ns = MIN (least_ns, latency_ns - MIN (latency_ns, busy_ns (job->session) - before_ns));
    *queue_ns = (double) least_ns;
  }
  return true;
}

void weir_session_wait_for_rest (WeirSession *session, uint64_t longest_ns)
{
  uint64_t end_ns = weir_now_ns () + longest_ns;
  bool is_resting = false;
  while (!is_resting && weir_now_ns () < end_ns) {
    weir_mutex_lock (&session->lock);
    is_resting = session->queue.n_idle == session->n_workers;
    weir_mutex_unlock (&session->lock);
    if (!is_resting)
      g_usleep (2000);
  }
}

static const char *type_name (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_NONE ? "-" : dtype == WEIR_DTYPE_U8 ? "int8" : weir_dtype_name (dtype);
}

static void append_dims (GString *text, const WeirTensor *tensor)
{
  for (uint32_t i = 0; i < tensor->rank; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? "x" : "", tensor->dims[i]);
  if (tensor->rank == 0)
    g_string_append (text, tensor->dtype == WEIR_DTYPE_NONE ? "-" : "1");
}

/* A rate that was not measured takes no time. */
static double at_rate (double amount, double per_ns)
{
  return per_ns > 0 ? amount / per_ns : 0;
}

/* The nearest bytes from the second-level cache, more from the last-level one, the rest from
 * memory.
 */
static double move_ns (double bytes, const WeirPeaks *peaks)
{
  double l2 = MIN (bytes, (double) peaks->l2_bytes), rest = bytes - l2;
  double l3 = peaks->l3_gbps > 0 ? MIN (rest, (double) peaks->l3_bytes) : 0;
  return at_rate (l2, peaks->l2_gbps) + at_rate (l3, peaks->l3_gbps) +
         at_rate (rest - l3, peaks->memory_gbps);
}

/* Without products of its own a type is computed in f32; of f16 the sums are. */
static void set_roof (WeirProfileStep *step, WeirDtype dtype, const WeirPeaks *peaks)
{
  double gflops = dtype == WEIR_DTYPE_U8     ? peaks->int8_gflops
                  : dtype == WEIR_DTYPE_BF16 ? peaks->bf16_gflops
                                             : peaks->f32_gflops;
  if (peaks->n_threads == 0 && step->n_commands == 0)
    return;
  double compute_ns = at_rate (step->flops, gflops > 0 ? gflops : peaks->f32_gflops);
  double moving_ns = move_ns (step->bytes, peaks);
  step->roof_ns = MAX (compute_ns, moving_ns);
  step->is_compute_bound = compute_ns > moving_ns;
}

static void set_transfer_roof (WeirProfileStep *step, const WeirPeaks *peaks, bool is_upload)
{
  step->roof_ns = at_rate (step->bytes, is_upload ? peaks->upload_gbps : peaks->download_gbps);
  step->is_transfer = true;
}

static void fill_step (WeirProfile *profile, uint32_t i, const WeirPlan *plan, const Times *times)
{
  WeirProfileStep *step = &profile->steps[i];
  g_autoptr (GString) shapes = g_string_new (NULL);
  WeirStepFacts facts;
  weir_plan_step_facts (plan, i, &facts);
  append_dims (shapes, &facts.src);
  g_string_append (shapes, " -> ");
  append_dims (shapes, &facts.dst);
  *step = (WeirProfileStep){
    .name = weir_arena_strdup (profile->arena, facts.name ? facts.name : ""),
    .kind = weir_arena_strdup (profile->arena, facts.kind),
    .fused = weir_arena_strdup (profile->arena, facts.fused),
    .backend = facts.backend,
    .implementation = weir_arena_strdup (profile->arena, facts.implementation),
    .type = type_name (facts.dtype),
    .layout = facts.dst.layout == WEIR_LAYOUT_CHANNELS_LAST ? "nhwc" : "plain",
    .shapes = weir_arena_strdup (profile->arena, shapes->str),
    .flops = facts.flops,
    .bytes = facts.bytes,
    .ns = (double) times->step_ns[i],
    .n_commands = times->n_commands[i],
  };
  if (facts.is_upload || facts.is_download)
    set_transfer_roof (step, &profile->peaks, facts.is_upload);
  else
    set_roof (step, facts.dtype, &profile->peaks);
  profile->steps_ns += step->ns;
  profile->roof_ns += step->roof_ns;
}

static bool measure_peaks (const Job *job, WeirPeaks *peaks, GError **error)
{
  g_autoptr (GError) failure = NULL;
  WeirDevicePeaks device;
  if (weir_target_peaks (job->worker->site->target, &device, &failure))
    weir_peaks_of_device (&device, peaks);
  else if (!failure)
    weir_peaks_measure (job->worker->site->n_threads, peaks);
  if (failure)
    g_propagate_error (error, g_steal_pointer (&failure));
  return !failure;
}

static WeirProfile *profile_new (const Job *job, const WeirPlan *plan, GError **error)
{
  WeirPeaks peaks;
  if (!measure_peaks (job, &peaks, error))
    return NULL;
  WeirProfile *profile = g_new0 (WeirProfile, 1);
  profile->peaks = peaks;
  profile->arena = weir_arena_new ();
  profile->n_items = job->n;
  profile->n_steps = weir_plan_n_steps (plan);
  profile->steps = weir_arena_new_array (profile->arena, WeirProfileStep, profile->n_steps);
  profile->preprocess_ns = (double) job->best.preprocess_ns;
  profile->run_ns = (double) job->best.run_ns;
  profile->postprocess_ns = (double) job->best.postprocess_ns;
  for (uint32_t i = 0; i < profile->n_steps; i++)
    fill_step (profile, i, plan, &job->best);
  return profile;
}

void weir_profile_free (WeirProfile *profile)
{
  if (!profile)
    return;
  weir_arena_free (profile->arena);
  g_free (profile);
}

/* Everything but the job's slot is there. */
static WeirProfile *measure (Job *job, WeirPlan *plan, GError **error)
{
  uint32_t n_steps = weir_plan_n_steps (plan);
  g_autoptr (WeirSlot) slot = weir_slot_new_timed (plan, error);
  g_autofree uint64_t *step_ns = g_new (uint64_t, n_steps + 1);
  g_autofree uint32_t *n_commands = g_new0 (uint32_t, n_steps + 1);
  g_autoptr (WeirProfile) profile = NULL;
  if (!slot)
    return NULL;
  job->slot = slot;
  job->best = (Times){ step_ns, n_commands, G_MAXUINT64, G_MAXUINT64, G_MAXUINT64 };
  for (uint32_t i = 0; i < n_steps; i++)
    step_ns[i] = G_MAXUINT64;
  weir_session_wait_for_rest (job->session, REST_NS);
  if (!run_times (job, error))
    return NULL;
  profile = profile_new (job, plan, error);
  return profile && run_queue (job, &profile->queue_ns, error) ? g_steal_pointer (&profile) : NULL;
}

static WeirProfile *profile_request (Job *job, GError **error)
{
  if (!check_items (job->worker->site, job->n, error) ||
      !weir_request_prepare (job->request, error) || !check_regions (job->request, error))
    return NULL;
  WeirPlan *plan = weir_site_plan (job->worker->site, job->n, error);
  return plan ? measure (job, plan, error) : NULL;
}

WeirProfile *weir_request_profile (WeirRequest *request, GError **error)
{
  WeirSession *session = request->stream->session;
  Job job = { .request = request, .session = session, .n = request->n_items };
  job.worker = g_new0 (WeirWorker, 1);
  job.worker->session = session;
  weir_worker_open (job.worker);
  for (uint32_t i = 0; i < MIN (job.n, WEIR_MAX_BATCH); i++)
    job.worker->batch[i] = (WeirTaken){ &request->ticket, i };
  WeirProfile *profile = profile_request (&job, error);
  weir_worker_close (job.worker);
  g_free (job.worker);
  return profile;
}
