/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Session options made into settings. */
#include "engine/sched/config_keys.h"

/* A property through the key of the same meaning, so that both have one parser and one range. */
static bool set_property (WeirSettings *settings, const char *property, const char *key,
    const char *value, GError **error)
{
  const WeirConfigKey *row = weir_config_key_find (key, error);
  return row && weir_config_key_set (row, property, settings, value, error);
}

static bool set_number (
    WeirSettings *settings, const char *property, const char *key, int64_t value, GError **error)
{
  char text[24];
  g_snprintf (text, sizeof text, "%" G_GINT64_FORMAT, (gint64) value);
  return set_property (settings, property, key, text, error);
}

static bool set_batch_size (WeirSettings *settings, uint32_t batch_size, GError **error)
{
  settings->batch_size = batch_size;
  if (batch_size <= WEIR_MAX_BATCH)
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "batch-size=%u: expected is 0 to %d, 0 = automatic", batch_size, WEIR_MAX_BATCH);
  return false;
}

static bool resolve (const WeirSessionOptions *options, WeirSettings *settings, GError **error)
{
  const char *hint = options->performance_hint ? options->performance_hint : "throughput";
  const char *precision = options->precision ? options->precision : "auto";
  const char *device = options->device ? options->device : "CPU";
  uint32_t given;
  return set_property (settings, "performance-hint", "PERFORMANCE_HINT", hint, error) &&
         set_property (settings, "precision", "INFERENCE_PRECISION_HINT", precision, error) &&
         set_number (settings, "num-requests", "PERFORMANCE_HINT_NUM_REQUESTS",
             options->num_requests, error) &&
         set_number (
             settings, "batch-timeout", "AUTO_BATCH_TIMEOUT", options->batch_timeout_ms, error) &&
         set_batch_size (settings, options->batch_size, error) &&
         weir_device_name_parse (device, &settings->device, error) &&
         weir_config_parse (options->config, false, settings, &given, error);
}

bool weir_settings_resolve (
    const WeirSessionOptions *options, WeirSettings *settings, GError **error)
{
  *settings = (WeirSettings){
    .allow_auto_batching = !options->disallow_auto_batching,
    .deterministic = options->deterministic,
    .has_dynamic_batch = true,
  };
  if (resolve (options, settings, error))
    return true;
  weir_settings_clear (settings);
  return false;
}

void weir_settings_clear (WeirSettings *settings)
{
  g_clear_pointer (&settings->cache_dir, g_free);
}
