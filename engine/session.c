/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirSession: opening, sharing by key, ending.
 *
 * The registry maps keys to sessions. While one caller loads, others who ask for the same key wait
 * for it; callers of other keys do not. */
#include "engine/session.h"

#include "engine/sched/calibrate.h"
#include "engine/sim/sim.h"

#include <string.h>

/* Batches above this gain nothing on a CPU: activations leave the second-level cache. */
#define CPU_BATCH_MAX 8

typedef struct Entry {
  char *fingerprint;    /* all options: what a shared `instance` must agree in */
  WeirSession *session; /* NULL while it is loading */
} Entry;

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t registry_changed = PTHREAD_COND_INITIALIZER;
static GHashTable *registry; /* key to Entry; made once, for ever: others may wait for an entry */

static void free_entry (gpointer p)
{
  Entry *entry = p;
  g_free (entry->fingerprint);
  g_free (entry);
}

const WeirBackend *weir_session_backend_hook;

static bool has_model (const WeirSessionOptions *options)
{
  return options->model && *options->model;
}

static bool is_simulated (const WeirSession *session)
{
  return strcmp (session->settings.device.base, "SIM") == 0;
}

static char *make_fingerprint (const WeirSessionOptions *o)
{
  const WeirModelOptions *m = &o->model_options;
  g_autofree char *path = has_model (o) ? g_canonicalize_filename (o->model, NULL) : NULL;
  const char *const texts[] = { path, m->labels, m->decoder, m->color_format, m->mean, m->scale,
    m->resize, m->input_shape, m->model_proc, m->constant_inputs, o->device, o->precision,
    o->performance_hint, o->config };
  GString *text = g_string_new (NULL);
  for (uint32_t i = 0; i < G_N_ELEMENTS (texts); i++)
    g_string_append_printf (text, "%s\x1f", texts[i] ? texts[i] : "");
  g_string_append_printf (text, "%u %u %d %d %d", o->num_requests, o->batch_size,
      o->batch_timeout_ms, o->disallow_auto_batching, o->deterministic);
  return g_string_free (text, FALSE);
}

static void set_workers (WeirSession *session)
{
  const WeirSettings *settings = &session->settings;
  uint32_t n_cores = g_get_num_processors ();
  bool is_one = settings->hint == WEIR_HINT_LATENCY || is_simulated (session);
  session->n_workers = is_one ? 1 : n_cores;
  if (settings->num_requests)
    session->n_workers = MIN (session->n_workers, settings->num_requests);
  session->n_threads = MAX (n_cores / session->n_workers, 1);
}

/* The smaller of what BATCH:DEVICE(N) and batch-size ask for; 0: neither does. */
static uint32_t asked_batch (const WeirSettings *settings, const char **reason)
{
  uint32_t device = settings->device.batch_size, property = settings->batch_size;
  bool is_property = property && (!device || property < device);
  *reason = is_property ? "property" : "device";
  return is_property ? property : device;
}

static void set_batch_max (WeirSession *session)
{
  const WeirSettings *settings = &session->settings;
  uint32_t asked = asked_batch (settings, &session->batch_max_reason);
  session->queue.batch_max = asked ? asked : CPU_BATCH_MAX;
  if (settings->hint == WEIR_HINT_LATENCY && !settings->device.is_batch && !asked) {
    session->queue.batch_max = 1;
    session->batch_max_reason = "hint";
  }
  if (!settings->allow_auto_batching || settings->deterministic) {
    session->queue.batch_max = 1;
    session->batch_max_reason = "property";
  }
  if (session->batch_limit_reason) {
    session->queue.batch_max = 1;
    session->batch_max_reason = "model";
  }
}

static char *name_simulation (const WeirDeviceName *name)
{
  char fixed[G_ASCII_DTOSTR_BUF_SIZE], per_item[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_formatd (fixed, sizeof fixed, "%.10g", name->sim_fixed_ms);
  g_ascii_formatd (per_item, sizeof per_item, "%.10g", name->sim_per_item_ms);
  return g_strdup_printf ("SIM(%s,%s)", fixed, per_item);
}

static bool choose_backend (WeirSession *session, const WeirBackend **backend, GError **error)
{
  const WeirDeviceName *name = &session->settings.device;
  if (strcmp (name->base, "GPU") == 0) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_DEVICE,
        "device GPU: this build has no GPU backend; expected is CPU or AUTO");
    return false;
  }
  if (is_simulated (session)) {
    *backend = &weir_backend_sim;
    session->device_name = name_simulation (name);
    return true;
  }
  *backend = strcmp (name->base, "REF") == 0 ? &weir_backend_ref : &weir_backend_cpu;
  if (weir_session_backend_hook)
    *backend = weir_session_backend_hook;
  session->device_name = g_strdup (strcmp (name->base, "AUTO") == 0 ? "CPU" : name->base);
  return true;
}

/* From the file, or for a simulated device, which needs none, the stub. */
static WeirModel *load_model (
    const WeirSession *session, const WeirSessionOptions *options, GError **error)
{
  if (has_model (options))
    return weir_model_load (options->model, &options->model_options, error);
  if (is_simulated (session))
    return weir_model_new_stub (&options->model_options, error);
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "no model is given: expected is a file; only the device SIM(A,B) needs none");
  return NULL;
}

/* The model's shapes on a device that only takes time. */
static bool simulate (
    WeirSession *session, WeirDeviceOptions *device, const WeirGraph **graph, GError **error)
{
  const WeirDeviceName *name = &session->settings.device;
  session->simulated = weir_sim_graph_new (session->model->graph, error);
  *graph = session->simulated;
  device->sim_fixed_ns = (uint64_t) (name->sim_fixed_ms * 1e6 + 0.5);
  device->sim_per_item_ns = (uint64_t) (name->sim_per_item_ms * 1e6 + 0.5);
  g_message ("%s: %s is a simulated device: it takes its time and gives zeros",
      session->model->path, session->device_name);
  return session->simulated != NULL;
}

static bool load (WeirSession *session, const WeirSessionOptions *options, GError **error)
{
  const WeirBackend *backend;
  bool proved = true;
  if (!weir_settings_resolve (options, &session->settings, error) ||
      !choose_backend (session, &backend, error))
    return false;
  session->model = load_model (session, options, error);
  if (!session->model)
    return false;
  set_workers (session);
  WeirDeviceOptions device = { .n_threads = session->n_threads };
  const WeirGraph *graph;
  if (!weir_session_choose_precision (session, backend, &device.precision, &graph, error) ||
      (is_simulated (session) && !simulate (session, &device, &graph, error)))
    return false;
  session->target = weir_target_new (graph, backend, &device, error);
  uint64_t start_ns = weir_now_ns ();
  if (!session->target || !weir_session_plan (session, 1, error))
    return false;
  session->plan_ns = weir_now_ns () - start_ns;
  session->batch_limit_reason = session->model->batch_limit_reason;
  if (session->model->needs_proof && !session->batch_limit_reason && !is_simulated (session) &&
      !weir_session_prove (session, &proved, error))
    return false;
  if (!proved)
    session->batch_limit_reason = "a batch of two gave other values than its items alone";
  set_batch_max (session);
  weir_session_plan_memory (session);
  session->queue.num_requests = session->settings.num_requests;
  session->queue.batch_timeout_ms = session->settings.batch_timeout_ms;
  session->queue.n_workers = session->n_workers;
  return weir_workers_start (session, error);
}

static void session_free (WeirSession *session)
{
  weir_workers_stop (session);
  weir_calibrate_save (session);
  for (uint32_t n = 0; n <= WEIR_MAX_BATCH; n++)
    g_clear_pointer (&session->plans[n], weir_plan_free);
  weir_target_free (session->target);
  weir_graph_free (session->simulated);
  weir_model_unref (session->model);
  weir_queue_clear (&session->queue);
  weir_cond_clear (&session->work);
  weir_cond_clear (&session->change);
  weir_mutex_clear (&session->lock);
  weir_settings_clear (&session->settings);
  g_free (session->device_name);
  g_free (session->key);
  g_free (session);
}

static WeirSession *session_new (const WeirSessionOptions *options, const char *key, GError **error)
{
  WeirSession *session = g_new0 (WeirSession, 1);
  uint64_t start_ns = weir_now_ns ();
  session->key = g_strdup (key);
  session->ref_count = 1;
  weir_queue_init (&session->queue);
  session->queue.entered = weir_request_entered;
  weir_mutex_init (&session->lock);
  weir_cond_init (&session->work);
  weir_cond_init (&session->change);
  if (!load (session, options, error)) {
    session_free (session);
    return NULL;
  }
  session->load_ms = (double) (weir_now_ns () - start_ns) * 1e-6;
  return session;
}

/* The session of an entry that exists, once it is loaded. *gone: its loading failed. [registry] */
static WeirSession *share (const char *key, const char *fingerprint, bool *gone, GError **error)
{
  Entry *entry;
  while ((entry = g_hash_table_lookup (registry, key)) && !entry->session)
    pthread_cond_wait (&registry_changed, &registry_lock);
  *gone = !entry;
  if (!entry)
    return NULL;
  if (strcmp (entry->fingerprint, fingerprint) != 0) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "instance '%s' exists with another model, device or options: expected are the same ones",
        key);
    return NULL;
  }
  entry->session->ref_count++;
  return entry->session;
}

/* Loads outside the lock, behind an entry that makes others wait. [registry] */
static WeirSession *load_new (
    const WeirSessionOptions *options, const char *key, const char *fingerprint, GError **error)
{
  Entry *entry = g_new0 (Entry, 1);
  entry->fingerprint = g_strdup (fingerprint);
  g_hash_table_insert (registry, g_strdup (key), entry);
  pthread_mutex_unlock (&registry_lock);
  WeirSession *session = session_new (options, key, error);
  pthread_mutex_lock (&registry_lock);
  if (session)
    entry->session = session;
  else
    g_hash_table_remove (registry, key);
  pthread_cond_broadcast (&registry_changed);
  return session;
}

WeirSession *weir_session_open (const WeirSessionOptions *options, GError **error)
{
  g_autofree char *fingerprint = make_fingerprint (options);
  const char *key = options->instance && *options->instance ? options->instance : fingerprint;
  bool gone = true;
  WeirSession *session = NULL;
  pthread_mutex_lock (&registry_lock);
  if (!registry)
    registry = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_entry);
  if (g_hash_table_contains (registry, key))
    session = share (key, fingerprint, &gone, error);
  if (gone)
    session = load_new (options, key, fingerprint, error);
  pthread_mutex_unlock (&registry_lock);
  return session;
}

WeirSession *weir_session_ref (WeirSession *session)
{
  pthread_mutex_lock (&registry_lock);
  session->ref_count++;
  pthread_mutex_unlock (&registry_lock);
  return session;
}

void weir_session_unref (WeirSession *session)
{
  if (!session)
    return;
  pthread_mutex_lock (&registry_lock);
  bool is_last = --session->ref_count == 0;
  if (is_last)
    g_hash_table_remove (registry, session->key);
  pthread_mutex_unlock (&registry_lock);
  if (is_last)
    session_free (session);
}

WeirModel *weir_session_model (const WeirSession *session)
{
  return session->model;
}

void weir_session_set_num_requests (WeirSession *session, uint32_t num_requests)
{
  weir_mutex_lock (&session->lock);
  session->queue.num_requests = MIN (num_requests, WEIR_MAX_REQUESTS);
  weir_session_queue_changed (session);
  weir_mutex_unlock (&session->lock);
}

void weir_session_set_batch_timeout (WeirSession *session, int32_t batch_timeout_ms)
{
  weir_mutex_lock (&session->lock);
  WeirQueue *queue = &session->queue;
  queue->batch_timeout_ms = MAX (batch_timeout_ms, -1);
  queue->bound_ns = weir_policy_bound_ns (queue->frame_ns, queue->batch_timeout_ms);
  weir_session_queue_changed (session);
  weir_mutex_unlock (&session->lock);
}

uint32_t weir_session_optimal_requests (const WeirSession *session)
{
  const WeirQueue *queue = &session->queue;
  WeirMutex *lock = (WeirMutex *) &session->lock;
  const char *reason;
  weir_mutex_lock (lock);
  uint32_t batch_max = weir_queue_batch_max (queue, NULL, &reason);
  bool is_known = queue->service.n_largest > 0;
  uint32_t useful = is_known ? weir_service_useful_batch (&queue->service, batch_max) : 1;
  uint32_t n = queue->num_requests ? queue->num_requests : (queue->n_workers + 1) * useful;
  n = MIN (n, weir_queue_limit (queue));
  weir_mutex_unlock (lock);
  return n;
}

char *weir_session_describe_plan (WeirSession *session, uint32_t n)
{
  weir_mutex_lock (&session->lock);
  bool is_in_range = n >= 1 && n <= session->queue.batch_max;
  weir_mutex_unlock (&session->lock);
  WeirPlan *plan = is_in_range ? weir_session_plan (session, n, NULL) : NULL;
  return plan ? weir_plan_describe (plan) : NULL;
}
