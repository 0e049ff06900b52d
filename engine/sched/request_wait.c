/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Completion without a callback of the caller's: start, wait, run.
 *
 * The done function of a started request is `wake`. It lets go of the request by unlocking
 * wait_lock, so whoever has waited may free it. */
#include "engine/sched/session_types.h"

static void set_state (WeirRequest *request, WeirWaitState state)
{
  weir_mutex_lock (&request->wait_lock);
  request->wait_state = state;
  weir_cond_broadcast (&request->waited);
  weir_mutex_unlock (&request->wait_lock);
}

static void wake (WeirRequest *request, void *user)
{
  set_state (request, WEIR_WAIT_OVER);
}

void weir_request_begin_wait (WeirRequest *request)
{
  set_state (request, request->done == wake ? WEIR_WAIT_RUNNING : WEIR_WAIT_NOTHING);
}

static WeirWaitState wait_until (WeirRequest *request, int32_t timeout_ms)
{
  uint64_t deadline_ns = weir_now_ns () + (uint64_t) MAX (timeout_ms, 0) * 1000000u;
  bool is_in_time = timeout_ms != 0;
  weir_mutex_lock (&request->wait_lock);
  while (request->wait_state == WEIR_WAIT_RUNNING && is_in_time) {
    if (timeout_ms < 0)
      weir_cond_wait (&request->waited, &request->wait_lock);
    else
      is_in_time = weir_cond_wait_until (&request->waited, &request->wait_lock, deadline_ns);
  }
  WeirWaitState state = request->wait_state;
  weir_mutex_unlock (&request->wait_lock);
  return state;
}

bool weir_request_start (WeirRequest *request, GError **error)
{
  if (wait_until (request, 0) == WEIR_WAIT_RUNNING) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "the request still runs: weir_request_wait is expected before its next start");
    return false;
  }
  bool ok = weir_request_submit (request, wake, NULL, error);
  if (!ok)
    set_state (request, WEIR_WAIT_NOTHING);
  return ok;
}

/* The request as a whole, or the first item, that failed. */
static const GError *first_error (const WeirRequest *request)
{
  const GError *error = request->error;
  for (uint32_t i = 0; i < request->n_items && !error; i++)
    error = weir_request_item (request, i)->error;
  return error;
}

bool weir_request_wait (WeirRequest *request, int32_t timeout_ms, bool *is_over, GError **error)
{
  WeirWaitState state = wait_until (request, timeout_ms);
  *is_over = state != WEIR_WAIT_RUNNING;
  if (state == WEIR_WAIT_NOTHING)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "nothing to wait for: weir_request_start is expected first");
  if (state != WEIR_WAIT_OVER)
    return false;
  const GError *failure = first_error (request);
  if (failure)
    g_propagate_error (error, g_error_copy (failure));
  return !failure;
}

bool weir_request_run (WeirRequest *request, GError **error)
{
  bool is_over;
  return weir_request_start (request, error) && weir_request_wait (request, -1, &is_over, error);
}
