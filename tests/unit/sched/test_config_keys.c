/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys of `config` and the properties of the same meaning: what is accepted, what is refused
 * and with which words. */
#include "engine/sched/config_keys.h"

#include "tests/run_suite.h"
#include <string.h>

/* Accepted, and how it is printed. */
static const struct {
  const char *config, *key, *value;
} accepted[] = {
  { "", "PERFORMANCE_HINT", "THROUGHPUT" },
  { "", "PERFORMANCE_HINT_NUM_REQUESTS", "0" },
  { "", "ALLOW_AUTO_BATCHING", "YES" },
  { "", "AUTO_BATCH_TIMEOUT", "-1" },
  { "", "DYN_BATCH_ENABLED", "YES" },
  { "", "INFERENCE_PRECISION_HINT", "auto" },
  { "", "CACHE_DIR", "" },
  { "PERFORMANCE_HINT=LATENCY", "PERFORMANCE_HINT", "LATENCY" },
  { "PERFORMANCE_HINT=latency", "PERFORMANCE_HINT", "LATENCY" },
  { "PERFORMANCE_HINT=THROUGHPUT", "PERFORMANCE_HINT", "THROUGHPUT" },
  { "PERFORMANCE_HINT_NUM_REQUESTS=0", "PERFORMANCE_HINT_NUM_REQUESTS", "0" },
  { "PERFORMANCE_HINT_NUM_REQUESTS=6", "PERFORMANCE_HINT_NUM_REQUESTS", "6" },
  { "PERFORMANCE_HINT_NUM_REQUESTS=1024", "PERFORMANCE_HINT_NUM_REQUESTS", "1024" },
  { "ALLOW_AUTO_BATCHING=NO", "ALLOW_AUTO_BATCHING", "NO" },
  { "ALLOW_AUTO_BATCHING=FALSE", "ALLOW_AUTO_BATCHING", "NO" },
  { "ALLOW_AUTO_BATCHING=false", "ALLOW_AUTO_BATCHING", "NO" },
  { "ALLOW_AUTO_BATCHING=True", "ALLOW_AUTO_BATCHING", "YES" },
  { "AUTO_BATCH_TIMEOUT=-1", "AUTO_BATCH_TIMEOUT", "-1" },
  { "AUTO_BATCH_TIMEOUT=0", "AUTO_BATCH_TIMEOUT", "0" },
  { "AUTO_BATCH_TIMEOUT=1000", "AUTO_BATCH_TIMEOUT", "1000" },
  { "AUTO_BATCH_TIMEOUT=2147483647", "AUTO_BATCH_TIMEOUT", "2147483647" },
  { "DYN_BATCH_ENABLED=YES", "DYN_BATCH_ENABLED", "YES" },
  { "DYN_BATCH_ENABLED=NO", "DYN_BATCH_ENABLED", "NO" },
  { "INFERENCE_PRECISION_HINT=auto", "INFERENCE_PRECISION_HINT", "auto" },
  { "INFERENCE_PRECISION_HINT=dynamic", "INFERENCE_PRECISION_HINT", "auto" },
  { "INFERENCE_PRECISION_HINT=f32", "INFERENCE_PRECISION_HINT", "f32" },
  { "INFERENCE_PRECISION_HINT=FP32", "INFERENCE_PRECISION_HINT", "f32" },
  { "INFERENCE_PRECISION_HINT=bf16", "INFERENCE_PRECISION_HINT", "bf16" },
  { "INFERENCE_PRECISION_HINT=FP16", "INFERENCE_PRECISION_HINT", "f16" },
  { "INFERENCE_PRECISION_HINT=int8", "INFERENCE_PRECISION_HINT", "int8" },
  { "INFERENCE_PRECISION_HINT=i8", "INFERENCE_PRECISION_HINT", "int8" },
  { "CACHE_DIR=", "CACHE_DIR", "" },
  { "CACHE_DIR=/var/cache/a=b c", "CACHE_DIR", "/var/cache/a=b c" },
  { "PERFORMANCE_HINT=LATENCY, AUTO_BATCH_TIMEOUT=7,\tCACHE_DIR=x", "AUTO_BATCH_TIMEOUT", "7" },
  { "PERFORMANCE_HINT=LATENCY, AUTO_BATCH_TIMEOUT=7,\tCACHE_DIR=x", "CACHE_DIR", "x" },
};

START_TEST (test_config_accepted)
{
  WeirSessionOptions options = { .config = accepted[_i].config, .batch_timeout_ms = -1 };
  WeirSettings settings;
  g_autoptr (GError) error = NULL;
  ck_assert_msg (weir_settings_resolve (&options, &settings, &error), "%s: %s", accepted[_i].config,
      error ? error->message : "");
  const WeirConfigKey *key = weir_config_key_find (accepted[_i].key, NULL);
  ck_assert_ptr_nonnull (key);
  g_autofree char *value = key->get (&settings);
  ck_assert_str_eq (value, accepted[_i].value);
  weir_settings_clear (&settings);
}
END_TEST

#define REQUESTS "0 to 1024"
#define TIMEOUT  "milliseconds, -1 (adaptive) to 2147483647"
#define HINTS    "LATENCY or THROUGHPUT"
#define TYPES    "auto, f32, bf16, f16 or int8"

static const struct {
  const char *config, *message;
} refused[] = {
  { "NOPE=1", "unknown key 'NOPE'; known are PERFORMANCE_HINT, " },
  { "performance_hint=LATENCY", "unknown key 'performance_hint'" },
  { " PERFORMANCE_HINT=LATENCY", "unknown key ' PERFORMANCE_HINT'" },
  { "PERFORMANCE_HINT =LATENCY", "unknown key 'PERFORMANCE_HINT '" },
  { "=LATENCY", "unknown key ''" },
  { "PERFORMANCE_HINT", "'PERFORMANCE_HINT' is not KEY=VALUE" },
  { ",", "'' is not KEY=VALUE" },
  { " ", "' ' is not KEY=VALUE" },
  { "PERFORMANCE_HINT=LATENCY,", "'' is not KEY=VALUE" },
  { "PERFORMANCE_HINT=LATENCY;ALLOW_AUTO_BATCHING=NO", HINTS },
  { "PERFORMANCE_HINT=FAST", "PERFORMANCE_HINT=FAST: expected is " HINTS },
  { "PERFORMANCE_HINT=", "PERFORMANCE_HINT=: expected is " HINTS },
  { "PERFORMANCE_HINT=LATENCY ", "PERFORMANCE_HINT=LATENCY : expected is " HINTS },
  { "PERFORMANCE_HINT= LATENCY", HINTS },
  { "PERFORMANCE_HINT=LATENCYX", "LATENCYX: expected is " HINTS },
  { "PERFORMANCE_HINT=CUMULATIVE_THROUGHPUT", HINTS },
  { "PERFORMANCE_HINT=LATENCY=", HINTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=", REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=1025",
      "PERFORMANCE_HINT_NUM_REQUESTS=1025: expected is " REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=-1", "=-1: expected is " REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=4x", "=4x: expected is " REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=4 ", REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS= 4", REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=+4", REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=04", REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=0x4", REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=4.0", REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=1e2", REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=4294967297", "4294967297: expected is " REQUESTS },
  { "PERFORMANCE_HINT_NUM_REQUESTS=18446744073709551617", REQUESTS },
  { "ALLOW_AUTO_BATCHING=MAYBE", "ALLOW_AUTO_BATCHING=MAYBE: expected is YES or NO" },
  { "ALLOW_AUTO_BATCHING=1", "YES or NO" },
  { "AUTO_BATCH_TIMEOUT=x", "AUTO_BATCH_TIMEOUT=x: expected is " TIMEOUT },
  { "AUTO_BATCH_TIMEOUT=-2", "AUTO_BATCH_TIMEOUT=-2: expected is " TIMEOUT },
  { "AUTO_BATCH_TIMEOUT=2147483648", "2147483648: expected is " TIMEOUT },
  { "AUTO_BATCH_TIMEOUT=99999999999999999999", TIMEOUT },
  { "AUTO_BATCH_TIMEOUT=5ms", "=5ms: expected is " TIMEOUT },
  { "AUTO_BATCH_TIMEOUT=-0", TIMEOUT },
  { "DYN_BATCH_ENABLED=ON", "DYN_BATCH_ENABLED=ON: expected is YES or NO" },
  { "INFERENCE_PRECISION_HINT=f33", "INFERENCE_PRECISION_HINT=f33: expected is " TYPES },
  { "INFERENCE_PRECISION_HINT=u8", "INFERENCE_PRECISION_HINT=u8: expected is " TYPES },
  { "OPTIMAL_NUMBER_OF_INFER_REQUESTS=4",
      "OPTIMAL_NUMBER_OF_INFER_REQUESTS=4: the key is read only" },
  { "AUTO_BATCH_TIMEOUT=4,AUTO_BATCH_TIMEOUT=4", "AUTO_BATCH_TIMEOUT=4: the key is given twice" },
  { "CACHE_DIR=a,PERFORMANCE_HINT=LATENCY,CACHE_DIR=b", "CACHE_DIR=b: the key is given twice" },
};

START_TEST (test_config_refused)
{
  WeirSessionOptions options = { .config = refused[_i].config, .batch_timeout_ms = -1 };
  WeirSettings settings;
  g_autoptr (GError) error = NULL;
  ck_assert_msg (
      !weir_settings_resolve (&options, &settings, &error), "%s is accepted", refused[_i].config);
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  ck_assert (g_str_has_prefix (error->message, "config: "));
  ck_assert_msg (strstr (error->message, refused[_i].message) != NULL, "%s: %s", refused[_i].config,
      error->message);
}
END_TEST

/* Fields of WeirSessionOptions; message NULL: accepted. */
static const struct {
  WeirSessionOptions options;
  const char *message;
} fields[] = {
  { { .num_requests = 1024, .batch_size = 1024, .batch_timeout_ms = G_MAXINT32 }, NULL },
  { { .num_requests = 1025 }, "num-requests=1025: expected is " REQUESTS },
  { { .num_requests = G_MAXUINT32 }, "num-requests=4294967295: expected is " REQUESTS },
  { { .batch_size = 1025 }, "batch-size=1025: expected is 0 to 1024" },
  { { .batch_timeout_ms = -1 }, NULL },
  { { .batch_timeout_ms = -2 }, "batch-timeout=-2: expected is " TIMEOUT },
  { { .batch_timeout_ms = G_MININT32 }, "batch-timeout=-2147483648: expected is " TIMEOUT },
  { { .precision = "int8", .performance_hint = "latency" }, NULL },
  { { .precision = "f33" }, "precision=f33: expected is " TYPES },
  { { .performance_hint = "fast" }, "performance-hint=fast: expected is " HINTS },
  { { .performance_hint = "" }, "performance-hint=: expected is " HINTS },
  { { .device = "GPU(4x)" }, "device 'GPU(4x)'" },
  /* a value that `config` overrides must be right all the same */
  { { .num_requests = 1025, .config = "PERFORMANCE_HINT_NUM_REQUESTS=4" }, "num-requests=1025" },
};

START_TEST (test_config_fields)
{
  WeirSettings settings;
  g_autoptr (GError) error = NULL;
  bool ok = weir_settings_resolve (&fields[_i].options, &settings, &error);
  ck_assert_msg (ok == !fields[_i].message, "%s", error ? error->message : "is accepted");
  if (ok)
    return;
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  ck_assert_msg (strstr (error->message, fields[_i].message) != NULL, "%s", error->message);
}
END_TEST

START_TEST (test_config_overrides_fields)
{
  WeirSessionOptions options = { .num_requests = 2,
    .performance_hint = "throughput",
    .batch_timeout_ms = 3,
    .precision = "f32",
    .config = "PERFORMANCE_HINT_NUM_REQUESTS=6,PERFORMANCE_HINT=LATENCY,ALLOW_AUTO_BATCHING=NO" };
  WeirSettings settings;
  ck_assert (weir_settings_resolve (&options, &settings, NULL));
  ck_assert_uint_eq (settings.num_requests, 6);
  ck_assert_int_eq (settings.hint, WEIR_HINT_LATENCY);
  ck_assert_int_eq (settings.batch_timeout_ms, 3);
  ck_assert_int_eq (settings.precision, WEIR_PRECISION_F32);
  ck_assert (!settings.allow_auto_batching);
  weir_settings_clear (&settings);
}
END_TEST

/* While running: only what can change then. */
static const struct {
  const char *config, *message;
} live[] = {
  { "", NULL },
  { "AUTO_BATCH_TIMEOUT=5,PERFORMANCE_HINT_NUM_REQUESTS=8", NULL },
  { "AUTO_BATCH_TIMEOUT=5,PERFORMANCE_HINT=LATENCY",
      "PERFORMANCE_HINT=LATENCY: takes effect at the next start only; what can change while "
      "running "
      "is PERFORMANCE_HINT_NUM_REQUESTS, AUTO_BATCH_TIMEOUT" },
  { "ALLOW_AUTO_BATCHING=NO", "ALLOW_AUTO_BATCHING=NO: takes effect at the next start" },
  { "DYN_BATCH_ENABLED=NO", "DYN_BATCH_ENABLED=NO: takes effect at the next start" },
  { "INFERENCE_PRECISION_HINT=f32", "takes effect at the next start" },
  { "CACHE_DIR=/x", "CACHE_DIR=/x: takes effect at the next start" },
  { "OPTIMAL_NUMBER_OF_INFER_REQUESTS=1", "read only" },
  { "AUTO_BATCH_TIMEOUT=-2", "AUTO_BATCH_TIMEOUT=-2: expected is " TIMEOUT },
  { "FROB=1", "unknown key 'FROB'" },
};

START_TEST (test_config_live)
{
  WeirSettings settings = { 0 };
  uint32_t given;
  g_autoptr (GError) error = NULL;
  bool ok = weir_config_parse (live[_i].config, true, &settings, &given, &error);
  ck_assert (ok == !live[_i].message);
  for (uint32_t i = 0; ok && i < WEIR_N_CONFIG_KEYS; i++) {
    g_autofree char *start = g_strconcat (weir_config_keys[i].name, "=", NULL);
    ck_assert (((given >> i) & 1) == (strstr (live[_i].config, start) != NULL));
  }
  if (!ok)
    ck_assert_msg (strstr (error->message, live[_i].message) != NULL, "%s", error->message);
  weir_settings_clear (&settings);
}
END_TEST

/* One to three random edits. */
static void mutate (GRand *rand, GString *text)
{
  static const char letters[] = "0123456789-+ .,=xXeEAUTOLNYS()\t\n\x80\xff";
  for (int edits = g_rand_int_range (rand, 1, 4); edits > 0; edits--) {
    char letter = letters[g_rand_int_range (rand, 0, sizeof letters - 1)];
    gssize at = g_rand_int_range (rand, 0, (gint32) text->len + 1);
    if (at < (gssize) text->len && g_rand_boolean (rand))
      g_string_erase (text, at, 1);
    if (g_rand_boolean (rand))
      g_string_insert_c (text, at, letter);
  }
}

static bool is_synonym (const char *value, const char *printed)
{
  static const char *const synonyms[][2] = { { "TRUE", "YES" }, { "FALSE", "NO" }, { "i8", "int8" },
    { "fp32", "f32" }, { "fp16", "f16" }, { "dynamic", "auto" }, { "undefined", "auto" } };
  for (uint32_t i = 0; i < G_N_ELEMENTS (synonyms); i++)
    if (g_ascii_strcasecmp (value, synonyms[i][0]) == 0 && strcmp (printed, synonyms[i][1]) == 0)
      return true;
  return g_ascii_strcasecmp (value, printed) == 0;
}

/* Whatever is accepted is printed as it was given: nothing was skipped, cut or wrapped around. */
START_TEST (test_config_mutations)
{
  static const char *const values[] = { "LATENCY", "THROUGHPUT", "0", "6", "1024", "-1", "100",
    "2147483647", "4294967296", "YES", "NO", "TRUE", "auto", "bf16", "f32", "int8", "a/b" };
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  uint32_t n_accepted = 0;
  for (int round = 0; round < 100000; round++) {
    const WeirConfigKey *key = &weir_config_keys[g_rand_int_range (rand, 0, WEIR_N_CONFIG_KEYS)];
    g_autoptr (GString) value =
        g_string_new (values[g_rand_int_range (rand, 0, G_N_ELEMENTS (values))]);
    WeirSettings settings = { 0 };
    uint32_t given;
    mutate (rand, value);
    g_autofree char *config = g_strdup_printf ("%s=%s", key->name, value->str);
    if (weir_config_parse (config, false, &settings, &given, NULL)) {
      g_autofree char *printed = key->get (&settings);
      ck_assert_msg (is_synonym (value->str, printed), "%s is taken for %s", config, printed);
      n_accepted++;
    }
    weir_settings_clear (&settings);
  }
  ck_assert_uint_gt (n_accepted, 1000);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("config keys");
  TCase *tcase = tcase_create ("config keys");
  tcase_add_loop_test (tcase, test_config_accepted, 0, G_N_ELEMENTS (accepted));
  tcase_add_loop_test (tcase, test_config_refused, 0, G_N_ELEMENTS (refused));
  tcase_add_loop_test (tcase, test_config_fields, 0, G_N_ELEMENTS (fields));
  tcase_add_test (tcase, test_config_overrides_fields);
  tcase_add_loop_test (tcase, test_config_live, 0, G_N_ELEMENTS (live));
  tcase_add_test (tcase, test_config_mutations);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
