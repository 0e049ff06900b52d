/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strict parsing: a number is accepted as it would be printed, a word in any case, nothing else. */
#include "engine/sched/config_keys.h"

#include <string.h>

static bool parse_number (const char *value, int64_t min, int64_t max, int64_t *result)
{
  char printed[24];
  gint64 parsed;
  if (!g_ascii_string_to_signed (value, 10, min, max, &parsed, NULL))
    return false;
  *result = parsed;
  g_snprintf (printed, sizeof printed, "%" G_GINT64_FORMAT, parsed);
  return strcmp (printed, value) == 0;
}

/* One spelling of a value. */
typedef struct Word {
  const char *text;
  int value;
} Word;

static bool parse_word (const Word *words, uint32_t n_words, const char *text, int *value)
{
  for (uint32_t i = 0; i < n_words; i++) {
    if (g_ascii_strcasecmp (text, words[i].text) == 0) {
      *value = words[i].value;
      return true;
    }
  }
  return false;
}

static bool parse_bool (const char *text, bool *value)
{
  static const Word words[] = { { "NO", 0 }, { "YES", 1 }, { "FALSE", 0 }, { "TRUE", 1 } };
  int parsed = *value;
  bool ok = parse_word (words, G_N_ELEMENTS (words), text, &parsed);
  *value = parsed;
  return ok;
}

static char *print_bool (bool value)
{
  return g_strdup (value ? "YES" : "NO");
}

static const Word hints[] = {
  { "THROUGHPUT", WEIR_HINT_THROUGHPUT },
  { "LATENCY", WEIR_HINT_LATENCY },
};

static bool set_hint (WeirSettings *settings, const char *value)
{
  int hint;
  bool ok = parse_word (hints, G_N_ELEMENTS (hints), value, &hint);
  if (ok)
    settings->hint = (WeirHint) hint;
  return ok;
}

static char *get_hint (const WeirSettings *settings)
{
  return g_strdup (hints[settings->hint].text);
}

static bool set_num_requests (WeirSettings *settings, const char *value)
{
  int64_t n;
  bool ok = parse_number (value, 0, WEIR_MAX_REQUESTS, &n);
  if (ok)
    settings->num_requests = (uint32_t) n;
  return ok;
}

static char *get_num_requests (const WeirSettings *settings)
{
  return g_strdup_printf ("%u", settings->num_requests);
}

static void apply_num_requests (WeirSession *session, const WeirSettings *settings)
{
  weir_session_set_num_requests (session, settings->num_requests);
}

static bool set_auto_batching (WeirSettings *settings, const char *value)
{
  return parse_bool (value, &settings->allow_auto_batching);
}

static char *get_auto_batching (const WeirSettings *settings)
{
  return print_bool (settings->allow_auto_batching);
}

static bool set_timeout (WeirSettings *settings, const char *value)
{
  int64_t ms;
  bool ok = parse_number (value, -1, G_MAXINT32, &ms);
  if (ok)
    settings->batch_timeout_ms = (int32_t) ms;
  return ok;
}

static char *get_timeout (const WeirSettings *settings)
{
  return g_strdup_printf ("%d", settings->batch_timeout_ms);
}

static void apply_timeout (WeirSession *session, const WeirSettings *settings)
{
  weir_session_set_batch_timeout (session, settings->batch_timeout_ms);
}

static bool set_dynamic_batch (WeirSettings *settings, const char *value)
{
  return parse_bool (value, &settings->has_dynamic_batch);
}

static char *get_dynamic_batch (const WeirSettings *settings)
{
  return print_bool (settings->has_dynamic_batch);
}

/* Ours, and OpenVINO's names of the same types, old and new. */
static bool set_precision (WeirSettings *settings, const char *value)
{
  static const Word words[] = {
    { "auto", WEIR_PRECISION_AUTO },
    { "dynamic", WEIR_PRECISION_AUTO },
    { "undefined", WEIR_PRECISION_AUTO },
    { "f32", WEIR_PRECISION_F32 },
    { "fp32", WEIR_PRECISION_F32 },
    { "bf16", WEIR_PRECISION_BF16 },
    { "f16", WEIR_PRECISION_F16 },
    { "fp16", WEIR_PRECISION_F16 },
    { "int8", WEIR_PRECISION_INT8 },
    { "i8", WEIR_PRECISION_INT8 },
  };
  int precision;
  bool ok = parse_word (words, G_N_ELEMENTS (words), value, &precision);
  if (ok)
    settings->precision = (WeirPrecision) precision;
  return ok;
}

static char *get_precision (const WeirSettings *settings)
{
  return g_strdup (weir_precision_name (settings->precision));
}

static bool set_cache_dir (WeirSettings *settings, const char *value)
{
  g_free (settings->cache_dir);
  settings->cache_dir = g_strdup (value);
  return true;
}

static char *get_cache_dir (const WeirSettings *settings)
{
  return g_strdup (settings->cache_dir ? settings->cache_dir : "");
}

const WeirConfigKey weir_config_keys[WEIR_N_CONFIG_KEYS] = {
  { "PERFORMANCE_HINT", "LATENCY or THROUGHPUT", set_hint, get_hint, NULL },
  { "PERFORMANCE_HINT_NUM_REQUESTS", "0 to " G_STRINGIFY (WEIR_MAX_REQUESTS) ", 0 = no hint",
      set_num_requests, get_num_requests, apply_num_requests },
  { "ALLOW_AUTO_BATCHING", "YES or NO", set_auto_batching, get_auto_batching, NULL },
  { "AUTO_BATCH_TIMEOUT", "milliseconds, -1 (adaptive) to 2147483647", set_timeout, get_timeout,
      apply_timeout },
  { "DYN_BATCH_ENABLED", "YES or NO", set_dynamic_batch, get_dynamic_batch, NULL },
  { "INFERENCE_PRECISION_HINT", "auto, f32, bf16, f16 or int8", set_precision, get_precision,
      NULL },
  { "CACHE_DIR", "a folder, or nothing for no cache", set_cache_dir, get_cache_dir, NULL },
  { "OPTIMAL_NUMBER_OF_INFER_REQUESTS", "read only", NULL, NULL, NULL },
};

static char *list_keys (bool live_only)
{
  GString *text = g_string_new (NULL);
  for (uint32_t i = 0; i < WEIR_N_CONFIG_KEYS; i++)
    if (!live_only || weir_config_keys[i].apply)
      g_string_append_printf (text, "%s%s", text->len ? ", " : "", weir_config_keys[i].name);
  return g_string_free (text, FALSE);
}

const WeirConfigKey *weir_config_key_find (const char *name, GError **error)
{
  for (uint32_t i = 0; i < WEIR_N_CONFIG_KEYS; i++)
    if (strcmp (name, weir_config_keys[i].name) == 0)
      return &weir_config_keys[i];
  g_autofree char *known = list_keys (false);
  g_set_error (
      error, WEIR_ERROR, WEIR_ERROR_OPTION, "config: unknown key '%s'; known are %s", name, known);
  return NULL;
}

bool weir_config_key_set (const WeirConfigKey *key, const char *what, WeirSettings *settings,
    const char *value, GError **error)
{
  if (key->set (settings, value))
    return true;
  g_set_error (
      error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s=%s: expected is %s", what, value, key->allowed);
  return false;
}

static bool refuse (const char *pair, const char *why, GError **error)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "config: %s: %s", pair, why);
  return false;
}

static bool check_may_set (
    const WeirConfigKey *key, const char *pair, bool live_only, uint32_t given, GError **error)
{
  if (!key->set)
    return refuse (pair, "the key is read only", error);
  if (given & (1u << (key - weir_config_keys)))
    return refuse (pair, "the key is given twice; expected is each key once", error);
  if (!live_only || key->apply)
    return true;
  g_autofree char *live = list_keys (true);
  g_autofree char *why = g_strdup_printf (
      "takes effect at the next start only; what can change while running is %s", live);
  return refuse (pair, why, error);
}

static bool parse_pair (
    const char *pair, bool live_only, WeirSettings *settings, uint32_t *given, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (pair, "=", 2);
  if (g_strv_length (parts) != 2) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "config: '%s' is not KEY=VALUE", pair);
    return false;
  }
  const WeirConfigKey *key = weir_config_key_find (parts[0], error);
  if (!key || !check_may_set (key, pair, live_only, *given, error))
    return false;
  g_autofree char *what = g_strdup_printf ("config: %s", key->name);
  *given |= 1u << (key - weir_config_keys);
  return weir_config_key_set (key, what, settings, parts[1], error);
}

bool weir_config_parse (
    const char *config, bool live_only, WeirSettings *settings, uint32_t *given, GError **error)
{
  *given = 0;
  if (!config || !*config)
    return true;
  g_auto (GStrv) pairs = g_strsplit (config, ",", -1);
  for (uint32_t i = 0; pairs[i]; i++)
    if (!parse_pair (i ? g_strchug (pairs[i]) : pairs[i], live_only, settings, given, error))
      return false;
  return true;
}
