/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings of a session that runs, by their keys. */
#include "engine/sched/config_keys.h"
#include "engine/sched/service_cache.h"
#include "engine/sched/session_types.h"

bool weir_session_set_config (WeirSession *session, const char *config, GError **error)
{
  WeirSettings wanted = { 0 };
  uint32_t given;
  bool ok = weir_config_parse (config, true, &wanted, &given, error);
  for (uint32_t i = 0; ok && i < WEIR_N_CONFIG_KEYS; i++)
    if (given & (1u << i))
      weir_config_keys[i].apply (session, &wanted);
  weir_settings_clear (&wanted);
  return ok;
}

char *weir_session_get_config (WeirSession *session, const char *key, GError **error)
{
  const WeirConfigKey *row = weir_config_key_find (key, error);
  if (!row)
    return NULL;
  if (!row->get) /* what a session has beside its settings */
    return g_strdup_printf ("%u", weir_session_optimal_requests (session));
  /* what was asked for, and over it what holds */
  WeirSettings settings = session->settings;
  g_autofree char *folder = weir_service_cache_folder (settings.cache_dir);
  settings.cache_dir = folder;
  weir_mutex_lock (&session->lock);
  settings.precision = session->site->precision;
  settings.num_requests = session->queue.num_requests;
  settings.batch_timeout_ms = session->queue.batch_timeout_ms;
  weir_mutex_unlock (&session->lock);
  return row->get (&settings);
}
