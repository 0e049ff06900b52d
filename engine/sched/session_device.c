/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a session may run on: the devices that its name of one means, in the order in which they are
 * tried, and how they are opened. */
#include "engine/base/cores.h"
#include "engine/sched/service_cache.h"
#include "engine/sched/session_types.h"

#include <string.h>

/* Two slots for each device: one is filled and read while the other runs. */
#define OCL_WORKERS 2

const WeirBackend *weir_session_backend_hook;
const WeirDeviceCandidate *weir_session_auto_hook;

static bool is_named (const WeirSession *session, const char *base)
{
  return strcmp (session->settings.device.base, base) == 0;
}

bool weir_session_is_simulated (const WeirSession *session)
{
  return is_named (session, "SIM");
}

static char *name_simulation (const WeirDeviceName *name)
{
  char fixed[G_ASCII_DTOSTR_BUF_SIZE], per_item[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_formatd (fixed, sizeof fixed, "%.10g", name->sim_fixed_ms);
  g_ascii_formatd (per_item, sizeof per_item, "%.10g", name->sim_per_item_ms);
  return g_strdup_printf ("SIM(%s,%s)", fixed, per_item);
}

static void add_candidate (
    GArray *list, const WeirBackend *backend, char *name, const char *match, uint32_t index)
{
  WeirDeviceCandidate candidate = { backend, name, match, index };
  g_array_append_val (list, candidate);
}

static void add_ocl (
    GArray *list, const WeirOclDevices *devices, uint32_t i, const char *match, uint32_t index)
{
  g_autofree char *label = weir_ocl_devices_name (devices, i);
  char *name = g_strdup_printf ("%s (%s)", label, devices->facts[i].name);
  add_candidate (list, &weir_backend_ocl, name, match, index);
}

static bool list_named_ocl (const WeirSession *session, GArray *list, GError **error)
{
  const WeirDeviceName *name = &session->settings.device;
  g_autoptr (WeirOclDevices) devices = weir_ocl_devices_new ();
  uint32_t chosen;
  if (!weir_ocl_devices_choose (devices, name->match, name->index, &chosen, error))
    return false;
  add_ocl (list, devices, chosen, name->match, name->index);
  return true;
}

/* GPUs in their order, those left out that say themselves that they cannot be used; then the CPU.
 */
static void list_auto (GArray *list)
{
  g_autoptr (WeirOclDevices) devices = weir_ocl_devices_new ();
  uint32_t chosen;
  for (uint32_t i = 0, index = 0; i < devices->n; i++) {
    if (devices->facts[i].kind != WEIR_OCL_GPU)
      continue;
    if (weir_ocl_devices_choose (devices, NULL, index, &chosen, NULL))
      add_ocl (list, devices, chosen, NULL, index);
    index++;
  }
  add_candidate (list, &weir_backend_cpu, g_strdup ("CPU"), NULL, 0);
}

static void list_hooked (GArray *list)
{
  for (const WeirDeviceCandidate *c = weir_session_auto_hook; c->backend; c++)
    add_candidate (list, c->backend, g_strdup (c->name), c->match, c->index);
}

static bool list_devices (const WeirSession *session, GArray *list, GError **error)
{
  if (weir_session_is_simulated (session))
    add_candidate (list, &weir_backend_sim, name_simulation (&session->settings.device), NULL, 0);
  else if (is_named (session, "GPU"))
    return list_named_ocl (session, list, error);
  else if (is_named (session, "AUTO") && weir_session_auto_hook)
    list_hooked (list);
  else if (is_named (session, "AUTO"))
    list_auto (list);
  else if (is_named (session, "REF"))
    add_candidate (list, &weir_backend_ref, g_strdup ("REF"), NULL, 0);
  else
    add_candidate (list, &weir_backend_cpu, g_strdup ("CPU"), NULL, 0);
  return true;
}

bool weir_session_list_devices (WeirSession *session, GError **error)
{
  GArray *list = g_array_new (FALSE, TRUE, sizeof (WeirDeviceCandidate));
  session->n_cores = weir_n_cores ();
  bool ok = list_devices (session, list, error);
  session->n_candidates = list->len;
  session->candidates = (WeirDeviceCandidate *) g_array_free (list, FALSE);
  for (uint32_t i = 0; i < session->n_candidates; i++)
    if (weir_session_backend_hook && !weir_session_is_simulated (session))
      session->candidates[i].backend = weir_session_backend_hook;
  session->device_folder = weir_service_cache_folder (session->settings.cache_dir);
  return ok;
}

void weir_session_free_devices (WeirSession *session)
{
  for (uint32_t i = 0; i < session->n_candidates; i++)
    g_free (session->candidates[i].name);
  g_free (session->candidates);
  g_free (session->device_folder);
}

WeirDeviceOptions weir_candidate_options (
    const WeirDeviceCandidate *candidate, const WeirSession *session)
{
  const WeirDeviceName *name = &session->settings.device;
  return (WeirDeviceOptions){
    .n_threads = session->n_cores,
    .sim_fixed_ns = (uint64_t) (name->sim_fixed_ms * 1e6 + 0.5),
    .sim_per_item_ns = (uint64_t) (name->sim_per_item_ms * 1e6 + 0.5),
    .match = candidate->match,
    .index = candidate->index,
    .cache_folder = session->device_folder,
  };
}

uint32_t weir_candidate_n_workers (const WeirDeviceCandidate *candidate, const WeirSession *session)
{
  const WeirSettings *settings = &session->settings;
  bool is_one = settings->hint == WEIR_HINT_LATENCY || weir_session_is_simulated (session);
  bool is_ocl = candidate->backend == &weir_backend_ocl;
  uint32_t n = is_one ? 1 : is_ocl ? OCL_WORKERS : session->n_cores;
  return settings->num_requests ? MIN (n, settings->num_requests) : n;
}
