/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirSession: opening, sharing by key, ending.
 *
 * The registry maps keys to sessions. While one caller loads, others who ask for the same key wait
 * for it; callers of other keys do not. */
#include "engine/session.h"

#include "engine/sched/calibrate.h"

#include <string.h>

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

static bool has_model (const WeirSessionOptions *options)
{
  return options->model && *options->model;
}

/* What a session is made of, in the order of make_fingerprint. */
static const char *const option_names[] = { "model", "labels", "decoder", "color-format", "mean",
  "scale", "resize", "input-shape", "model-proc", "constant-inputs", "device", "precision",
  "performance-hint", "config", "num-requests", "batch-size", "batch-timeout",
  "allow-auto-batching", "deterministic" };

#define SEPARATOR "\x1f"

static char *make_fingerprint (const WeirSessionOptions *o)
{
  const WeirModelOptions *m = &o->model_options;
  g_autofree char *path = has_model (o) ? g_canonicalize_filename (o->model, NULL) : NULL;
  const char *const texts[] = { path, m->labels, m->decoder, m->color_format, m->mean, m->scale,
    m->resize, m->input_shape, m->model_proc, m->constant_inputs, o->device, o->precision,
    o->performance_hint, o->config };
  GString *text = g_string_new (NULL);
  for (uint32_t i = 0; i < G_N_ELEMENTS (texts); i++)
    g_string_append_printf (text, "%s" SEPARATOR, texts[i] ? texts[i] : "");
  g_string_append_printf (text, "%u" SEPARATOR "%u" SEPARATOR "%d" SEPARATOR "%s" SEPARATOR "%s",
      o->num_requests, o->batch_size, o->batch_timeout_ms,
      o->disallow_auto_batching ? "false" : "true", o->deterministic ? "true" : "false");
  return g_string_free (text, FALSE);
}

/* "mean is 'a' there and 'b' here, …" */
static char *describe_difference (const char *there, const char *here)
{
  g_auto (GStrv) old = g_strsplit (there, SEPARATOR, -1), new = g_strsplit (here, SEPARATOR, -1);
  GString *text = g_string_new (NULL);
  for (uint32_t i = 0; i < G_N_ELEMENTS (option_names) && old[i] && new[i]; i++)
    if (strcmp (old[i], new[i]) != 0)
      g_string_append_printf (text, "%s%s is '%s' there and '%s' here", text->len ? ", " : "",
          option_names[i], old[i], new[i]);
  return g_string_free (text, FALSE);
}

/* From the file, or for a simulated device, which needs none, the stub. */
static WeirModel *load_model (
    const WeirSession *session, const WeirSessionOptions *options, GError **error)
{
  if (has_model (options))
    return weir_model_load (options->model, &options->model_options, error);
  if (weir_session_is_simulated (session))
    return weir_model_new_stub (&options->model_options, error);
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "no model is given: expected is a file; only the device SIM(A,B) needs none");
  return NULL;
}

static bool load (WeirSession *session, const WeirSessionOptions *options, GError **error)
{
  if (!weir_settings_resolve (options, &session->settings, error) ||
      !weir_session_list_devices (session, error))
    return false;
  session->model = load_model (session, options, error);
  if (!session->model)
    return false;
  session->queue.num_requests = session->settings.num_requests;
  session->queue.batch_timeout_ms = session->settings.batch_timeout_ms;
  return weir_session_settle (session, error) && weir_workers_start (session, error);
}

static void session_free (WeirSession *session)
{
  weir_workers_stop (session);
  weir_calibrate_save (session);
  weir_site_unref (session->site);
  weir_session_free_devices (session);
  weir_model_unref (session->model);
  weir_queue_clear (&session->queue);
  weir_cond_clear (&session->work);
  weir_cond_clear (&session->change);
  weir_mutex_clear (&session->lock);
  weir_settings_clear (&session->settings);
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
    g_autofree char *difference = describe_difference (entry->fingerprint, fingerprint);
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "instance '%s' exists with other options: %s; expected are the same ones, or another name",
        key, difference);
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
  weir_mutex_lock (lock);
  uint32_t batch_max = weir_queue_target (queue);
  bool is_known = queue->service.n_largest > 0;
  uint32_t useful = is_known ? weir_service_useful_batch (&queue->service, batch_max) : 1;
  uint32_t n = queue->num_requests ? queue->num_requests : (queue->n_workers + 1) * useful;
  n = MIN (n, weir_queue_limit (queue));
  weir_mutex_unlock (lock);
  return n;
}

uint32_t weir_session_n_streams (const WeirSession *session)
{
  WeirMutex *lock = (WeirMutex *) &session->lock;
  weir_mutex_lock (lock);
  uint32_t n = session->queue.lanes->len;
  weir_mutex_unlock (lock);
  return n;
}

char *weir_session_describe_plan (WeirSession *session, uint32_t n)
{
  g_autoptr (WeirSite) site = weir_session_ref_site (session);
  weir_mutex_lock (&session->lock);
  bool is_in_range = n >= 1 && n <= session->queue.batch_max;
  weir_mutex_unlock (&session->lock);
  WeirPlan *plan = is_in_range ? weir_site_plan (site, n, NULL) : NULL;
  return plan ? weir_plan_describe (plan) : NULL;
}
