/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From device to device, when a session is opened and when its device is lost.
 *
 * A move is a meeting: every worker leaves the device, with what it had there and the items it
 * still owes in hand, and the last to leave opens the next one while the others wait. So nothing
 * runs on a device that is given up, no time of it is learned as the next one's, and streams only
 * see that it takes a while. */
#include "engine/sched/calibrate.h"
#include "engine/sched/session_types.h"

/* The first site of the candidates that are left. *why: what became of the one before, NULL at the
 * beginning; where none is left, of the last one. */
static WeirSite *open_next (WeirSession *session, GError **why)
{
  while (session->n_tried < session->n_candidates) {
    const WeirDeviceCandidate *candidate = &session->candidates[session->n_tried++];
    if (*why)
      g_warning ("%s: device %s cannot be used, next is %s: %s", session->model->path,
          candidate[-1].name, candidate->name, (*why)->message);
    g_clear_error (why);
    WeirSite *site = weir_site_new (session, candidate, why);
    if (site || g_error_matches (*why, WEIR_ERROR, WEIR_ERROR_OPTION))
      return site;
  }
  return NULL;
}

/* What was learned on another device is forgotten. [lock] */
static void take_site (WeirSession *session, WeirSite *site)
{
  WeirQueue *queue = &session->queue;
  session->site = site;
  session->n_workers = queue->n_workers = site->n_workers;
  session->n_loads += site->failure == NULL;
  session->batch_max_reason = site->batch_max_reason;
  queue->batch_max = site->batch_max;
  queue->is_adaptive = site->is_adaptive;
  queue->service = (WeirService){ 0 };
  queue->climb = (WeirClimb){ 0 };
  weir_session_queue_changed (session);
}

bool weir_session_settle (WeirSession *session, GError **error)
{
  GError *why = NULL;
  WeirSite *site = open_next (session, &why);
  if (!site) {
    g_propagate_error (error, why);
    return false;
  }
  weir_mutex_lock (&session->lock);
  take_site (session, site);
  weir_mutex_unlock (&session->lock);
  return true;
}

/* All workers have left. */
static void move_on (WeirSession *session, GError *why)
{
  WeirSite *old = session->site;
  weir_calibrate_save (session);
  WeirSite *site = open_next (session, &why);
  if (!site) {
    g_warning ("%s: device %s cannot be used, and no other is left: %s", session->model->path,
        session->candidates[session->n_tried - 1].name, why->message);
    site = weir_site_new_failed (old, why);
  }
  weir_mutex_lock (&session->lock);
  take_site (session, site);
  weir_mutex_unlock (&session->lock);
  weir_site_unref (old);
}

/* Where no more threads can be had those that are there do. */
static void start_more (WeirSession *session)
{
  g_autoptr (GError) error = NULL;
  if (!weir_workers_start (session, &error))
    g_warning ("%s: %s", session->model->path, error->message);
}

/* [lock] */
static void begin_move (WeirWorker *worker)
{
  WeirSession *session = worker->session;
  if (!session->move_reason)
    session->move_reason = g_steal_pointer (&worker->failure);
  g_clear_error (&worker->failure);
  session->is_moving = true;
  weir_cond_broadcast (&session->work);
}

void weir_session_move (WeirWorker *worker)
{
  WeirSession *session = worker->session;
  weir_worker_close (worker);
  worker->calibrates = false; /* whoever opens the next one does */
  weir_mutex_lock (&session->lock);
  begin_move (worker);
  bool is_last = --session->n_on_site == 0;
  if (is_last) {
    GError *why = g_steal_pointer (&session->move_reason);
    weir_mutex_unlock (&session->lock);
    move_on (session, why);
    weir_mutex_lock (&session->lock);
    session->is_moving = false;
    weir_cond_broadcast (&session->change);
    worker->calibrates = session->site->target != NULL;
  }
  while (session->is_moving)
    weir_cond_wait (&session->change, &session->lock);
  session->n_on_site++;
  weir_mutex_unlock (&session->lock);
  weir_worker_open (worker);
  if (is_last)
    start_more (session); /* who would take part in the move if it were not over */
}
