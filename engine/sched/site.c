/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirSite: the session's model made ready on one device, and what was settled for it there. */
#include "engine/sched/session_types.h"

#include "engine/sim/sim.h"

/* Batches above this gain nothing on a CPU: activations leave the second-level cache. Other devices
 * say themselves. */
#define CPU_BATCH_MAX 8

/* The smaller of what BATCH:DEVICE(N) and batch-size ask for; 0: neither does. */
static uint32_t asked_batch (const WeirSettings *settings, const char **reason)
{
  uint32_t device = settings->device.batch_size, property = settings->batch_size;
  bool is_property = property && (!device || property < device);
  *reason = is_property ? "property" : "device";
  return is_property ? property : device;
}

/* Where nobody asks for a size; of these, that which gives the most is found by running. */
static uint32_t automatic_batch (const WeirSite *site)
{
  WeirDeviceLimits limits;
  bool tells = weir_target_limits (site->target, &limits) && limits.batch_max > 0;
  return tells ? limits.batch_max : CPU_BATCH_MAX;
}

static void set_batch_max (WeirSite *site)
{
  const WeirSettings *settings = &site->session->settings;
  uint32_t asked = asked_batch (settings, &site->batch_max_reason);
  site->batch_max = asked ? asked : automatic_batch (site);
  site->is_adaptive = !asked && !weir_session_is_simulated (site->session);
  if (settings->hint == WEIR_HINT_LATENCY && !settings->device.is_batch && !asked) {
    site->batch_max = 1;
    site->batch_max_reason = "hint";
  }
  if (!settings->allow_auto_batching || settings->deterministic) {
    site->batch_max = 1;
    site->batch_max_reason = "property";
  }
  if (site->batch_limit_reason) {
    site->batch_max = 1;
    site->batch_max_reason = "model";
  }
}

/* The model's shapes on a device that only takes time. */
static bool simulate (WeirSite *site, GError **error)
{
  const WeirModel *model = site->session->model;
  site->simulated = weir_sim_graph_new (model->graph, error);
  site->graph = site->simulated;
  g_message ("%s: %s is a simulated device: it takes its time and gives zeros", model->path,
      site->candidate->name);
  return site->simulated != NULL;
}

static bool open_target (WeirSite *site, GError **error)
{
  WeirSession *session = site->session;
  WeirDeviceOptions device = weir_candidate_options (site->candidate, session);
  if (!weir_session_choose_precision (
          session, site->candidate, &device.precision, &site->graph, error) ||
      (weir_session_is_simulated (session) && !simulate (site, error)))
    return false;
  site->target = weir_target_new (site->graph, site->candidate->backend, &device, error);
  if (!site->target)
    return false;
  if (session->model->has_picture)
    weir_target_set_picture (site->target, session->model->facts.picture);
  site->precision = weir_target_precision (site->target);
  uint64_t start_ns = weir_now_ns ();
  if (!weir_site_plan (site, 1, error))
    return false;
  site->plan_ns = weir_now_ns () - start_ns;
  return true;
}

static bool limit_batch (WeirSite *site, GError **error)
{
  const WeirModel *model = site->session->model;
  bool proved = true;
  site->batch_limit_reason = model->batch_limit_reason;
  set_batch_max (site);
  if (model->needs_proof && site->batch_max > 1 && !weir_session_is_simulated (site->session) &&
      !weir_site_prove (site, &proved, error))
    return false;
  if (!proved) {
    site->batch_limit_reason = "a batch of two gave other values than its items alone";
    set_batch_max (site);
  }
  weir_site_plan_memory (site);
  return true;
}

WeirSite *weir_site_new (WeirSession *session, const WeirDeviceCandidate *candidate, GError **error)
{
  g_autoptr (WeirSite) site = g_new0 (WeirSite, 1);
  site->ref_count = 1;
  site->session = session;
  site->candidate = candidate;
  /* Workers that are there stay: n_workers is only written by who calls this. */
  site->n_workers = MAX (session->n_workers, weir_candidate_n_workers (candidate, session));
  site->n_threads = MAX (session->n_cores / site->n_workers, 1);
  if (open_target (site, error) && limit_batch (site, error))
    return g_steal_pointer (&site);
  return NULL;
}

WeirSite *weir_site_new_failed (const WeirSite *site, GError *failure)
{
  WeirSite *failed = g_new0 (WeirSite, 1);
  *failed = (WeirSite){
    .ref_count = 1,
    .session = site->session,
    .candidate = site->candidate,
    .failure = failure,
    .precision = site->precision,
    .n_workers = site->n_workers,
    .n_threads = site->n_threads,
    .batch_max = site->batch_max,
    .batch_max_reason = site->batch_max_reason,
    .batch_limit_reason = site->batch_limit_reason,
  };
  return failed;
}

WeirSite *weir_site_ref (WeirSite *site)
{
  g_atomic_int_inc (&site->ref_count);
  return site;
}

void weir_site_unref (WeirSite *site)
{
  if (!site || !g_atomic_int_dec_and_test (&site->ref_count))
    return;
  for (uint32_t n = 0; n <= WEIR_MAX_BATCH; n++)
    g_clear_pointer (&site->plans[n], weir_plan_free);
  weir_target_free (site->target);
  weir_graph_free (site->simulated);
  g_clear_error (&site->failure);
  g_free (site);
}

WeirSite *weir_session_ref_site (WeirSession *session)
{
  weir_mutex_lock (&session->lock);
  WeirSite *site = weir_site_ref (session->site);
  weir_mutex_unlock (&session->lock);
  return site;
}

WeirPlan *weir_site_plan (WeirSite *site, uint32_t n, GError **error)
{
  WeirSession *session = site->session;
  if (site->failure) {
    g_propagate_error (error, g_error_copy (site->failure));
    return NULL;
  }
  weir_mutex_lock (&session->lock);
  while (site->is_plan_building[n])
    weir_cond_wait (&session->change, &session->lock);
  WeirPlan *plan = site->plans[n];
  site->is_plan_building[n] = !plan;
  weir_mutex_unlock (&session->lock);
  if (plan)
    return plan;
  plan = weir_plan_new (site->target, n, error);
  weir_mutex_lock (&session->lock);
  site->plans[n] = plan;
  site->is_plan_building[n] = false;
  weir_cond_broadcast (&session->change);
  weir_mutex_unlock (&session->lock);
  return plan;
}
