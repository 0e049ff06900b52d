/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device names, config keys, hints: one table of keys, strict parsing. */
#include "engine/sched/settings.h"

#include <string.h>

#define MAX_SIM_MS 60000

static bool parse_device_count (const char *text, const char *digits, const char *end, uint64_t min,
    uint64_t max, uint32_t *value, GError **error)
{
  g_autofree char *number = g_strndup (digits, (gsize) (end - digits));
  guint64 parsed;
  if (g_ascii_string_to_unsigned (number, 10, min, max, &parsed, NULL)) {
    *value = (uint32_t) parsed;
    return true;
  }
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "device '%s': '%s' is not a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, text,
      number, min, max);
  return false;
}

static bool refuse_device (const char *text, const char *why, GError **error)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "device '%s': %s; expected is CPU, GPU, GPU.1, AUTO, REF, SIM(A,B) with A and B from 0 to %d "
      "ms, or BATCH:DEVICE or BATCH:DEVICE(N) with N from 1 to %d",
      text, why, MAX_SIM_MS, WEIR_MAX_BATCH);
  return false;
}

/* Digits, which may have a point and digits behind it: no sign, no exponent, whatever the locale.
 * NULL, or what follows. */
static const char *read_ms (const char *text, double *ms)
{
  const char *p = text + strspn (text, "0123456789"), *point = p;
  if (p == text)
    return NULL;
  if (*point == '.')
    p += 1 + strspn (p + 1, "0123456789");
  if (p == point + 1)
    return NULL;
  *ms = g_ascii_strtod (text, NULL);
  return *ms <= MAX_SIM_MS ? p : NULL;
}

/* "(4,1)" behind SIM. */
static bool parse_sim (const char *text, const char **p, WeirDeviceName *name, GError **error)
{
  const char *next = **p == '(' ? read_ms (*p + 1, &name->sim_fixed_ms) : NULL;
  next = next && *next == ',' ? read_ms (next + 1, &name->sim_per_item_ms) : NULL;
  if (!next || *next != ')')
    return refuse_device (text, "SIM needs its two times", error);
  *p = next + 1;
  return true;
}

bool weir_device_name_parse (const char *text, WeirDeviceName *name, GError **error)
{
  static const char *const bases[] = { "CPU", "REF", "GPU", "AUTO", "SIM" };
  const char *p = text;
  *name = (WeirDeviceName){ 0 };
  name->is_batch = g_str_has_prefix (p, "BATCH:");
  if (name->is_batch)
    p += strlen ("BATCH:");
  for (uint32_t i = 0; i < G_N_ELEMENTS (bases) && !name->base[0]; i++)
    if (g_str_has_prefix (p, bases[i]))
      g_strlcpy (name->base, bases[i], sizeof name->base);
  if (!name->base[0])
    return refuse_device (text, "no such device", error);
  p += strlen (name->base);
  if (strcmp (name->base, "SIM") == 0 && !parse_sim (text, &p, name, error))
    return false;
  if (*p == '.' && strcmp (name->base, "GPU") == 0) {
    const char *end = p + 1 + strcspn (p + 1, "(");
    if (!parse_device_count (text, p + 1, end, 0, 63, &name->index, error))
      return false;
    p = end;
  }
  if (*p == '(') {
    const char *end = strchr (p, ')');
    if (!name->is_batch)
      return refuse_device (text, "(N) needs BATCH: in front", error);
    if (!end)
      return refuse_device (text, "no closing parenthesis", error);
    if (!parse_device_count (text, p + 1, end, 1, WEIR_MAX_BATCH, &name->batch_size, error))
      return false;
    p = end + 1;
  }
  return *p ? refuse_device (text, "text behind the device's name", error) : true;
}

/* One setting: how it is spelt and where it goes. */
typedef struct Key {
  const char *name;
  bool (*set) (WeirSettings *settings, const char *value);
  const char *allowed;
} Key;

static bool parse_range (const char *value, int64_t min, int64_t max, int64_t *result)
{
  gint64 parsed;
  if (!g_ascii_string_to_signed (value, 10, min, max, &parsed, NULL))
    return false;
  *result = parsed;
  return true;
}

static bool parse_bool (const char *value, bool *result)
{
  static const char *const words[] = { "NO", "YES", "FALSE", "TRUE" };
  for (uint32_t i = 0; i < G_N_ELEMENTS (words); i++) {
    if (g_ascii_strcasecmp (value, words[i]) == 0) {
      *result = i & 1;
      return true;
    }
  }
  return false;
}

static bool set_hint (WeirSettings *settings, const char *value)
{
  bool is_latency = g_ascii_strcasecmp (value, "LATENCY") == 0;
  settings->hint = is_latency ? WEIR_HINT_LATENCY : WEIR_HINT_THROUGHPUT;
  return is_latency || g_ascii_strcasecmp (value, "THROUGHPUT") == 0;
}

static bool set_num_requests (WeirSettings *settings, const char *value)
{
  int64_t n;
  bool ok = parse_range (value, 0, WEIR_MAX_REQUESTS, &n);
  if (ok)
    settings->num_requests = (uint32_t) n;
  return ok;
}

static bool set_auto_batching (WeirSettings *settings, const char *value)
{
  return parse_bool (value, &settings->allow_auto_batching);
}

static bool set_timeout (WeirSettings *settings, const char *value)
{
  int64_t ms;
  bool ok = parse_range (value, -1, G_MAXINT32, &ms);
  if (ok)
    settings->batch_timeout_ms = (int32_t) ms;
  return ok;
}

static bool set_precision (WeirSettings *settings, const char *value)
{
  for (WeirPrecision p = WEIR_PRECISION_AUTO; p <= WEIR_PRECISION_INT8; p++) {
    if (g_ascii_strcasecmp (value, weir_precision_name (p)) == 0) {
      settings->precision = p;
      return true;
    }
  }
  return false;
}

static const Key keys[] = {
  { "PERFORMANCE_HINT", set_hint, "LATENCY or THROUGHPUT" },
  { "PERFORMANCE_HINT_NUM_REQUESTS", set_num_requests, "0 to 1024" },
  { "ALLOW_AUTO_BATCHING", set_auto_batching, "YES or NO" },
  { "AUTO_BATCH_TIMEOUT", set_timeout, "milliseconds, -1 (adaptive) to 2147483647" },
  { "INFERENCE_PRECISION_HINT", set_precision, "auto, f32, bf16, f16 or int8" },
};

static bool apply_key (WeirSettings *settings, const char *name, const char *value, GError **error)
{
  GString *known = NULL;
  for (uint32_t i = 0; i < G_N_ELEMENTS (keys); i++) {
    if (strcmp (name, keys[i].name) != 0)
      continue;
    if (keys[i].set (settings, value))
      return true;
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "config: %s=%s: expected is %s", name, value,
        keys[i].allowed);
    return false;
  }
  known = g_string_new (NULL);
  for (uint32_t i = 0; i < G_N_ELEMENTS (keys); i++)
    g_string_append_printf (known, "%s%s", i ? ", " : "", keys[i].name);
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "config: unknown key '%s'; known are %s", name,
      known->str);
  g_string_free (known, TRUE);
  return false;
}

static bool apply_config (WeirSettings *settings, const char *config, GError **error)
{
  g_auto (GStrv) pairs = g_strsplit (config, ",", -1);
  for (uint32_t i = 0; pairs[i]; i++) {
    g_auto (GStrv) pair = g_strsplit (g_strstrip (pairs[i]), "=", 2);
    if (g_strv_length (pair) != 2) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "config: '%s' is not KEY=VALUE", pairs[i]);
      return false;
    }
    if (!apply_key (settings, g_strstrip (pair[0]), g_strstrip (pair[1]), error))
      return false;
  }
  return true;
}

static bool check_word (
    const char *what, const char *value, bool ok, const char *allowed, GError **error)
{
  if (!ok)
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s '%s': expected is %s", what, value, allowed);
  return ok;
}

bool weir_settings_resolve (
    const WeirSessionOptions *options, WeirSettings *settings, GError **error)
{
  const char *precision = options->precision ? options->precision : "auto";
  const char *hint = options->performance_hint ? options->performance_hint : "throughput";
  *settings = (WeirSettings){
    .num_requests = options->num_requests,
    .batch_size = options->batch_size,
    .batch_timeout_ms = options->batch_timeout_ms,
    .allow_auto_batching = !options->disallow_auto_batching,
    .deterministic = options->deterministic,
  };
  if (options->num_requests > WEIR_MAX_REQUESTS || options->batch_size > WEIR_MAX_BATCH) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "num-requests %u, batch-size %u: 0 to 1024 are expected", options->num_requests,
        options->batch_size);
    return false;
  }
  return check_word ("precision", precision, set_precision (settings, precision),
             "auto, f32, bf16, f16 or int8", error) &&
         check_word (
             "performance-hint", hint, set_hint (settings, hint), "latency or throughput", error) &&
         weir_device_name_parse (
             options->device ? options->device : "CPU", &settings->device, error) &&
         (!options->config || !*options->config || apply_config (settings, options->config, error));
}
