/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Measuring batches on zeros within a budget, and keeping the times for the next start.
 *
 * All of it runs on a worker beside the loaded session: loading does not wait for it, and items
 * that come meanwhile go to the other workers or end it. A failure ends it silently, for real work
 * meets and reports the same. */
#include "engine/sched/calibrate.h"

#include "engine/sched/service_cache.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define BUDGET_NS (250 * UINT64_C (1000000))
#define N_RUNS    3
/* By how much the line may be off before it is written again. */
#define MOVED 0.25

/* What a session keeps as long as it stays on a device. */
struct WeirCalibration {
  char *folder; /* NULL: nothing is kept */
  char *model, *shapes, *library;
  WeirServiceKey key;
  uint64_t written_ns[2]; /* of a batch of 1 and of the largest, as they stand in the file; or 0 */
  bool has_more;          /* sizes were measured that the file does not have */
};

/* "1x3x384x672,1x6" */
static char *describe_shapes (const WeirModel *model)
{
  GString *text = g_string_new (NULL);
  for (uint32_t k = 0; k < model->facts.n_inputs; k++) {
    const WeirTensor *input = &model->facts.inputs[k];
    for (uint32_t d = 0; d < input->rank; d++)
      g_string_append_printf (
          text, "%s%" G_GINT64_FORMAT, d ? "x" : (k ? "," : ""), input->dims[d]);
  }
  return g_string_free (text, FALSE);
}

/* The machine's processor as it names itself; "" where it does not. */
static char *describe_processor (void)
{
  static const char name[] = "model name";
  char line[256];
  char *found = NULL;
  FILE *file = fopen ("/proc/cpuinfo", "re");
  while (file && !found && fgets (line, sizeof line, file)) {
    char *colon = strchr (line, ':');
    if (colon && strncmp (line, name, strlen (name)) == 0)
      found = g_utf8_make_valid (g_strstrip (colon + 1), -1);
  }
  if (file)
    fclose (file);
  return found ? found : g_strdup ("");
}

static struct WeirCalibration *calibration_new (const WeirSession *session)
{
  struct WeirCalibration *calibration = g_new0 (struct WeirCalibration, 1);
  calibration->folder = weir_service_cache_folder (session->settings.cache_dir);
  if (calibration->folder)
    calibration->model = weir_service_cache_model (session->model->path);
  if (!calibration->model)
    g_clear_pointer (&calibration->folder, g_free);
  g_autofree char *processor = describe_processor ();
  calibration->shapes = describe_shapes (session->model);
  calibration->library = g_strdup_printf (
      "weir %s, %s, %s", WEIR_VERSION, weir_target_library (session->site->target), processor);
  calibration->key = (WeirServiceKey){ .model = calibration->model,
    .shapes = calibration->shapes,
    .device = session->site->candidate->name,
    .precision = weir_precision_name (session->site->precision),
    .library = calibration->library,
    .n_threads = session->site->n_threads };
  return calibration;
}

static void calibration_free (struct WeirCalibration *calibration)
{
  g_free (calibration->folder);
  g_free (calibration->model);
  g_free (calibration->shapes);
  g_free (calibration->library);
  g_free (calibration);
}

static void write_cache (struct WeirCalibration *calibration, const WeirService *service)
{
  weir_service_cache_write (calibration->folder, &calibration->key, service);
  calibration->written_ns[0] = weir_service_ns (service, 1);
  calibration->written_ns[1] = weir_service_ns (service, service->n_largest);
  calibration->has_more = false;
}

/* What the cache knows and running has not taught yet. */
static void read_cache (WeirSession *session)
{
  struct WeirCalibration *calibration = session->calibration;
  g_autofree WeirService *read = g_new0 (WeirService, 1);
  if (!calibration->folder ||
      !weir_service_cache_read (calibration->folder, &calibration->key, read))
    return;
  calibration->written_ns[0] = weir_service_ns (read, 1);
  calibration->written_ns[1] = weir_service_ns (read, read->n_largest);
  weir_mutex_lock (&session->lock);
  WeirService *service = &session->queue.service;
  for (uint32_t i = 0; i < read->n_sizes; i++) {
    uint32_t n = read->sizes[i];
    if (!service->n_runs[n])
      weir_service_set (service, n, read->mean_ns[n], read->n_runs[n]);
  }
  weir_mutex_unlock (&session->lock);
}

/* Work is there, or nobody needs to know any more. */
static bool is_wanted_elsewhere (WeirSession *session)
{
  weir_mutex_lock (&session->lock);
  bool is_wanted = session->is_stopping || session->is_moving || session->queue.n_queued > 0;
  weir_mutex_unlock (&session->lock);
  return is_wanted;
}

/* What measuring n takes at least, by what is known: its plan, a run that does not count, one that
 * does. 0: it is known already. */
static uint64_t expected_ns (WeirSession *session, uint32_t n)
{
  weir_mutex_lock (&session->lock);
  const WeirService *service = &session->queue.service;
  uint64_t ns = 1 + 2 * weir_service_ns (service, n);
  ns += session->site->plans[n] ? 0 : session->site->plan_ns;
  ns = service->n_runs[n] ? 0 : ns;
  weir_mutex_unlock (&session->lock);
  return ns;
}

/* Zeros, which no network takes longer for; but what is filled in of itself as it always is. */
static void clear_inputs (const WeirModel *model, const WeirSlot *slot, uint32_t n)
{
  for (uint32_t k = 0; k < model->facts.n_inputs; k++) {
    const WeirTensor *values = &model->fills[k].values, *input = weir_slot_input (slot, k);
    size_t n_bytes = 0;
    if (weir_tensor_bytes (input, &n_bytes))
      memset (weir_tensor_data (input), 0, n_bytes);
    for (uint32_t row = 0; values->dtype != WEIR_DTYPE_NONE && row < n; row++)
      weir_rows_write_tensor (model, k, values, 1, 0, input, row);
  }
}

/* False: no more is to be measured. */
static bool run_times (WeirSession *session, WeirSlot *slot, uint32_t n, uint64_t end_ns)
{
  g_autoptr (GError) error = NULL;
  uint64_t run_ns = 0;
  for (uint32_t i = 0; i <= N_RUNS && weir_now_ns () + run_ns < end_ns; i++) {
    if (is_wanted_elsewhere (session))
      return false;
    uint64_t start_ns = weir_now_ns ();
    if (!weir_slot_run (slot, &error)) {
      g_debug ("%s: batches of %u are not measured: %s", session->model->path, n, error->message);
      return false;
    }
    run_ns = weir_now_ns () - start_ns;
    if (i == 0)
      continue;
    weir_mutex_lock (&session->lock);
    weir_service_add (&session->queue.service, n, run_ns);
    weir_mutex_unlock (&session->lock);
    session->calibration->has_more = true;
  }
  return true;
}

/* False: no more is to be measured. */
static bool measure_in (
    WeirSession *session, const WeirPlan *plan, void *block, uint32_t n, uint64_t end_ns)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirSlot) slot = weir_slot_new (plan, block, &error);
  if (slot) {
    clear_inputs (session->model, slot, n);
    return run_times (session, slot, n, end_ns);
  }
  g_debug ("%s: batches of %u are not measured: %s", session->model->path, n, error->message);
  return false;
}

/* In memory of its own, and the system's rather than the allocator's: what real batches may never
 * need is given back for certain. False: no more is to be measured. */
static bool measure (WeirSession *session, uint32_t n, uint64_t end_ns)
{
  g_autoptr (GError) error = NULL;
  uint64_t takes_ns = expected_ns (session, n);
  if (takes_ns == 0 || weir_now_ns () + takes_ns > end_ns)
    return true;
  if (is_wanted_elsewhere (session))
    return false;
  WeirPlan *plan = weir_site_plan (session->site, n, &error);
  if (!plan) {
    g_debug ("%s: batches of %u are not measured: %s", session->model->path, n, error->message);
    return false;
  }
  size_t n_bytes = MAX (weir_plan_slot_bytes (plan), 1);
  void *block = mmap (NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED)
    return false;
  bool goes_on = measure_in (session, plan, block, n, end_ns);
  munmap (block, n_bytes);
  return goes_on;
}

/* The session's, as it is now. Newly allocated. */
static WeirService *copy_service (WeirSession *session)
{
  weir_mutex_lock (&session->lock);
  WeirService *service = g_memdup2 (&session->queue.service, sizeof session->queue.service);
  weir_mutex_unlock (&session->lock);
  return service;
}

void weir_calibrate (WeirWorker *worker)
{
  WeirSession *session = worker->session;
  uint64_t end_ns = weir_now_ns () + BUDGET_NS;
  weir_mutex_lock (&session->lock);
  uint32_t largest = session->queue.batch_max;
  weir_mutex_unlock (&session->lock);
  if (largest == 1 || session->settings.hint != WEIR_HINT_THROUGHPUT)
    return;
  session->calibration = calibration_new (session);
  read_cache (session);
  const uint32_t sizes[] = { 1, 2, largest };
  for (uint32_t i = 0; i < G_N_ELEMENTS (sizes); i++)
    if (!measure (session, sizes[i], end_ns))
      return;
  g_autofree WeirService *service = copy_service (session);
  if (session->calibration->folder && session->calibration->has_more)
    write_cache (session->calibration, service);
}

static bool has_moved (uint64_t from_ns, uint64_t to_ns)
{
  double from = (double) from_ns, to = (double) to_ns;
  return to > from * (1 + MOVED) || to * (1 + MOVED) < from;
}

void weir_calibrate_save (WeirSession *session)
{
  struct WeirCalibration *calibration = g_steal_pointer (&session->calibration);
  if (!calibration)
    return;
  g_autofree WeirService *service = copy_service (session);
  bool is_other =
      calibration->has_more ||
      has_moved (calibration->written_ns[0], weir_service_ns (service, 1)) ||
      has_moved (calibration->written_ns[1], weir_service_ns (service, service->n_largest));
  if (calibration->folder && is_other)
    write_cache (calibration, service);
  calibration_free (calibration);
}
