/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens a session, makes its plans once more while the device listens, has the device measure what
 * it heard. */
#include "engine/tune.h"

#include "engine/ocl/ocl_tune.h"
#include "engine/sched/session_types.h"

#include <math.h>

#define REST_NS (10 * UINT64_C (1000000000)) /* longest wait for workers that still calibrate */

static bool is_tunable (const WeirSite *site, GError **error)
{
  if (g_str_has_prefix (site->candidate->name, "GPU"))
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
      "device %s: there is nothing to tune: expected is a device of OpenCL, such as GPU (see "
      "weir devices)",
      site->candidate->name);
  return false;
}

static bool check_options (const WeirTuneOptions *options, GError **error)
{
  if (isfinite (options->seconds) && options->seconds > 0)
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "seconds: %g: expected is a number above 0",
      options->seconds);
  return false;
}

/* Newly allocated; NULL: one is beyond the session's largest. */
static GArray *choose_batches (WeirSession *session, const WeirTuneOptions *options, GError **error)
{
  g_autoptr (GArray) batches = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  weir_mutex_lock (&session->lock);
  const uint32_t largest = session->queue.batch_max, usual[] = { 1, largest };
  weir_mutex_unlock (&session->lock);
  const uint32_t *asked = options->batches ? options->batches : usual;
  uint32_t n_asked = options->batches ? options->n_batches : largest > 1 ? 2 : 1;
  for (uint32_t i = 0; i < n_asked; i++)
    if (asked[i] < 1 || asked[i] > largest) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
          "%s: a batch of %u: expected are 1 to %u (%s)", session->model->path, asked[i], largest,
          session->batch_max_reason);
      return NULL;
    }
  g_array_append_vals (batches, asked, n_asked);
  return g_steal_pointer (&batches);
}

static bool make_plans (WeirSite *site, const GArray *batches, GError **error)
{
  for (uint32_t i = 0; i < batches->len; i++) {
    bool is_again = false;
    uint32_t n = g_array_index (batches, uint32_t, i);
    for (uint32_t k = 0; k < i; k++)
      is_again |= g_array_index (batches, uint32_t, k) == n;
    g_autoptr (WeirPlan) plan = is_again ? NULL : weir_plan_new (site->target, n, error);
    if (!plan && !is_again)
      return false;
  }
  return true;
}

static WeirTuning *tuning_new (const WeirSite *site, const GArray *found)
{
  WeirTuning *tuning = g_new0 (WeirTuning, 1);
  WeirArena *arena = tuning->arena = weir_arena_new ();
  tuning->device = weir_arena_strdup (arena, site->candidate->name);
  tuning->precision = weir_arena_strdup (arena, weir_precision_name (site->precision));
  const char *folder = site->session->device_folder;
  tuning->folder = folder ? weir_arena_strdup (arena, folder) : NULL;
  tuning->n_rows = found->len;
  tuning->rows = weir_arena_new_array (arena, WeirTuneRow, found->len);
  for (uint32_t i = 0; i < found->len; i++) {
    const WeirOclTuneRow *from = &g_array_index (found, WeirOclTuneRow, i);
    WeirTuneRow row = { weir_arena_strdup (arena, from->window), from->n_items, from->n_steps,
      weir_arena_strdup (arena, from->before), weir_arena_strdup (arena, from->after),
      from->before_ns, from->after_ns };
    tuning->rows[i] = row;
    tuning->n_left += row.after_ns <= 0;
    tuning->before_ns += row.before_ns * row.n_steps;
    tuning->after_ns += row.after_ns * row.n_steps;
  }
  return tuning;
}

void weir_tuning_free (WeirTuning *tuning)
{
  if (!tuning)
    return;
  weir_arena_free (tuning->arena);
  g_free (tuning);
}

/* The device listens from here on. */
static GArray *search (WeirSite *site, WeirOclDevice *device, const GArray *batches,
    const WeirTuneOptions *options, GError **error)
{
  WeirOclTuneOptions own = { options->seconds, options->progress, options->user };
  GArray *found = NULL;
  weir_ocl_tune_begin (device);
  if (make_plans (site, batches, error))
    found = weir_ocl_tune_run (device, &own, error);
  weir_ocl_tune_end (device);
  return found;
}

WeirTuning *weir_session_tune (
    const WeirSessionOptions *session_options, const WeirTuneOptions *options, GError **error)
{
  WeirTuning *tuning = NULL;
  if (!check_options (options, error))
    return NULL;
  g_autoptr (WeirSession) session = weir_session_open (session_options, error);
  if (!session)
    return NULL;
  g_autoptr (WeirSite) site = weir_session_ref_site (session);
  if (!is_tunable (site, error))
    return NULL;
  g_autoptr (GArray) batches = choose_batches (session, options, error);
  if (!batches)
    return NULL;
  weir_session_wait_for_rest (session, REST_NS);
  g_autoptr (WeirOclDevice) device = weir_ocl_device_open (
      site->candidate->match, site->candidate->index, session->device_folder, error);
  g_autoptr (GArray) found = device ? search (site, device, batches, options, error) : NULL;
  if (found)
    tuning = tuning_new (site, found);
  return tuning;
}
