/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device names as users type them. */
#include "engine/sched/settings.h"

#include "tests/run_suite.h"
#include <glib.h>
#include <locale.h>
#include <string.h>

static const struct {
  const char *text, *base;
  uint32_t index, batch_size;
  bool is_batch;
  double fixed_ms, per_item_ms;
} devices[] = {
  { "CPU", "CPU", 0, 0, false },
  { "GPU", "GPU", 0, 0, false },
  { "GPU.1", "GPU", 1, 0, false },
  { "AUTO", "AUTO", 0, 0, false },
  { "REF", "REF", 0, 0, false },
  { "BATCH:GPU", "GPU", 0, 0, true },
  { "BATCH:GPU(4)", "GPU", 0, 4, true },
  { "BATCH:GPU.1(4)", "GPU", 1, 4, true },
  { "BATCH:CPU(1024)", "CPU", 0, 1024, true },
  { "SIM(4,1)", "SIM", 0, 0, false, 4, 1 },
  { "SIM(0,0)", "SIM", 0, 0, false, 0, 0 },
  { "SIM(0.5,60000)", "SIM", 0, 0, false, 0.5, 60000 },
  { "SIM(60000.0,0.03125)", "SIM", 0, 0, false, 60000, 0.03125 },
  { "BATCH:SIM(4,1)", "SIM", 0, 0, true, 4, 1 },
  { "BATCH:SIM(4,1)(8)", "SIM", 0, 8, true, 4, 1 },
  { "BATCH:SIM(0.25,1.75)(1024)", "SIM", 0, 1024, true, 0.25, 1.75 },
};

START_TEST (test_settings_device_accepted)
{
  WeirDeviceName name;
  GError *error = NULL;
  ck_assert (weir_device_name_parse (devices[_i].text, &name, &error));
  ck_assert_ptr_null (error);
  ck_assert_str_eq (name.base, devices[_i].base);
  ck_assert_uint_eq (name.index, devices[_i].index);
  ck_assert_uint_eq (name.batch_size, devices[_i].batch_size);
  ck_assert (name.is_batch == devices[_i].is_batch);
  ck_assert_double_eq (name.sim_fixed_ms, devices[_i].fixed_ms);
  ck_assert_double_eq (name.sim_per_item_ms, devices[_i].per_item_ms);
}
END_TEST

static const char *const bad_devices[] = { "", "cpu", "GPU(4)", "GPU(4x)", "GPU()", "GPU(4",
  "GPU(4294967297)", "(4)", "BATCH:A,B", "BATCH:GPU(0)", "BATCH:GPU(4x)", "BATCH:GPU()",
  "BATCH:GPU(4", "BATCH:GPU(4294967297)", "BATCH:GPU(1025)", "BATCH:GPU( 4 )", "BATCH:GPU(4.7)",
  "BATCH:(4)", "BATCH:", "BATCH:GPU(4))", "BATCH:BATCH:CPU", "CPU.0", "GPU.", "GPU.x", "GPU.64",
  "CPU ", " CPU", "BATCH:CPU(-1)", "BATCH:CPU(+1)", "MULTI:CPU", "SIM", "SIM(", "SIM()", "SIM(4)",
  "SIM(4,)", "SIM(,1)", "SIM(4,1", "SIM(4,1))", "SIM(4,1,1)", "SIM(4;1)", "SIM(4, 1)", "SIM( 4,1)",
  "SIM(-4,1)", "SIM(+4,1)", "SIM(4,-0)", "SIM(1e1,1)", "SIM(0x4,1)", "SIM(inf,1)", "SIM(4,nan)",
  "SIM(.5,1)", "SIM(5.,1)", "SIM(4.,1.)", "SIM(1.2.3,1)", "SIM(60000.01,1)", "SIM(4,60001)",
  "SIM(4,1e400)", "SIM(99999999999999999999,1)", "SIM.1(4,1)", "SIM(4,1)(8)", "SIM(4,1)x",
  "BATCH:SIM", "BATCH:SIM(4)", "BATCH:SIM(4,1)(0)", "BATCH:SIM(4,1)(1025)", "BATCH:SIM(4,1)()",
  "BATCH:SIM(4,1)(8)(8)", "BATCH:SIM(8)", "sim(4,1)", "SIMULATED" };

START_TEST (test_settings_device_refused)
{
  WeirDeviceName name;
  g_autoptr (GError) error = NULL;
  ck_assert_msg (!weir_device_name_parse (bad_devices[_i], &name, &error), "'%s' is accepted",
      bad_devices[_i]);
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
  ck_assert_ptr_nonnull (strstr (error->message, bad_devices[_i]));
}
END_TEST

/* Times are read the same where the locale's decimal point is a comma. */
START_TEST (test_settings_device_in_any_locale)
{
  static const char *const locales[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "C.UTF-8" };
  WeirDeviceName name;
  for (uint32_t i = 0; i < G_N_ELEMENTS (locales); i++) {
    setlocale (LC_ALL, locales[i]); /* as many as the machine has */
    ck_assert (weir_device_name_parse ("SIM(0.5,1.25)", &name, NULL));
    ck_assert_double_eq (name.sim_fixed_ms, 0.5);
    ck_assert_double_eq (name.sim_per_item_ms, 1.25);
  }
  setlocale (LC_ALL, "C");
}
END_TEST

static const struct {
  const char *config, *message; /* message: NULL where it is accepted */
} configs[] = {
  { "PERFORMANCE_HINT=LATENCY", NULL },
  { "PERFORMANCE_HINT=THROUGHPUT,PERFORMANCE_HINT_NUM_REQUESTS=6, AUTO_BATCH_TIMEOUT=-1", NULL },
  { "ALLOW_AUTO_BATCHING=NO", NULL },
  { "INFERENCE_PRECISION_HINT=bf16", NULL },
  { "NOPE=1", "unknown key 'NOPE'" },
  { "PERFORMANCE_HINT", "not KEY=VALUE" },
  { "PERFORMANCE_HINT=FAST", "LATENCY or THROUGHPUT" },
  { "PERFORMANCE_HINT_NUM_REQUESTS=1025", "0 to 1024" },
  { "PERFORMANCE_HINT_NUM_REQUESTS=-1", "0 to 1024" },
  { "PERFORMANCE_HINT_NUM_REQUESTS=4x", "0 to 1024" },
  { "AUTO_BATCH_TIMEOUT=-2", "milliseconds" },
  { "AUTO_BATCH_TIMEOUT=99999999999", "milliseconds" },
  { "ALLOW_AUTO_BATCHING=MAYBE", "YES or NO" },
  { "PERFORMANCE_HINT=LATENCY,,", "not KEY=VALUE" },
};

START_TEST (test_settings_config)
{
  WeirSessionOptions options = { .config = configs[_i].config, .batch_timeout_ms = -1 };
  WeirSettings settings;
  g_autoptr (GError) error = NULL;
  bool ok = weir_settings_resolve (&options, &settings, &error);
  ck_assert (ok == !configs[_i].message);
  if (!ok)
    ck_assert_msg (strstr (error->message, configs[_i].message) != NULL, "%s", error->message);
}
END_TEST

START_TEST (test_settings_config_overrides)
{
  WeirSessionOptions options = { .num_requests = 2,
    .performance_hint = "throughput",
    .config = "PERFORMANCE_HINT_NUM_REQUESTS=6,PERFORMANCE_HINT=LATENCY,ALLOW_AUTO_BATCHING=NO" };
  WeirSettings settings;
  ck_assert (weir_settings_resolve (&options, &settings, NULL));
  ck_assert_uint_eq (settings.num_requests, 6);
  ck_assert_int_eq (settings.hint, WEIR_HINT_LATENCY);
  ck_assert (!settings.allow_auto_batching);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("settings");
  TCase *tcase = tcase_create ("settings");
  tcase_add_loop_test (tcase, test_settings_device_accepted, 0, G_N_ELEMENTS (devices));
  tcase_add_loop_test (tcase, test_settings_device_refused, 0, G_N_ELEMENTS (bad_devices));
  tcase_add_test (tcase, test_settings_device_in_any_locale);
  tcase_add_loop_test (tcase, test_settings_config, 0, G_N_ELEMENTS (configs));
  tcase_add_test (tcase, test_settings_config_overrides);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
