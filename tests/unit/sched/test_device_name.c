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
  const char *match; /* NULL: "" */
} devices[] = {
  { "CPU", "CPU", 0, 0, false },
  { "GPU", "GPU", 0, 0, false },
  { "GPU.1", "GPU", 1, 0, false },
  { "AUTO", "AUTO", 0, 0, false },
  { "REF", "REF", 0, 0, false },
  { "BATCH:GPU", "GPU", 0, 0, true },
  { "BATCH:GPU(4)", "GPU", 0, 4, true },
  { "BATCH:GPU.1(4)", "GPU", 1, 4, true },
  { "BATCH:CPU(8)", "CPU", 0, 8, true },
  { "BATCH:CPU(1024)", "CPU", 0, 1024, true },
  { "BATCH:AUTO", "AUTO", 0, 0, true },
  { "BATCH:AUTO(2)", "AUTO", 0, 2, true },
  { "GPU.63", "GPU", 63, 0, false },
  { "GPU.pocl", "GPU", 0, 0, false, .match = "pocl" },
  { "GPU.NV", "GPU", 0, 0, false, .match = "NV" },
  { "GPU.Arc-A770_x", "GPU", 0, 0, false, .match = "Arc-A770_x" },
  { "GPU.nvidia.1", "GPU", 1, 0, false, .match = "nvidia" },
  { "GPU.a234567890123456789012345678901", "GPU", 0, 0, false,
      .match = "a234567890123456789012345678901" },
  { "BATCH:GPU.pocl", "GPU", 0, 0, true, .match = "pocl" },
  { "BATCH:GPU.pocl.2(16)", "GPU", 2, 16, true, .match = "pocl" },
  { "SIM(4,1)", "SIM", 0, 0, false, 4, 1 },
  { "SIM(0,0)", "SIM", 0, 0, false, 0, 0 },
  { "SIM(0.5,60000)", "SIM", 0, 0, false, 0.5, 60000 },
  { "SIM(60000.0,0.03125)", "SIM", 0, 0, false, 60000, 0.03125 },
  { "BATCH:SIM(4,1)", "SIM", 0, 0, true, 4, 1 },
  { "BATCH:SIM(4,1)(8)", "SIM", 0, 8, true, 4, 1 },
  { "BATCH:SIM(0.25,1.75)(1024)", "SIM", 0, 1024, true, 0.25, 1.75 },
};

START_TEST (test_device_name_accepted)
{
  WeirDeviceName name;
  GError *error = NULL;
  ck_assert (weir_device_name_parse (devices[_i].text, &name, &error));
  ck_assert_ptr_null (error);
  ck_assert_str_eq (name.base, devices[_i].base);
  ck_assert_str_eq (name.match, devices[_i].match ? devices[_i].match : "");
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
  "GPU.pocl.", "GPU.pocl.x", "GPU.pocl.64", "GPU.pocl.1.2", "GPU.po cl", "GPU.-pocl", "GPU.pocl()",
  "GPU.pocl(4)", "GPU..pocl", "GPU.a2345678901234567890123456789012", "CPU.pocl", "AUTO.pocl",

  "CPU ", " CPU", "CPU\n", "CPUX", "GPU.01", "GPU.1x", "GPU1", "BATCH:CPU(08)", "BATCH:CPU(8)x",
  "BATCH:CPU(8) ", "BATCH: CPU", "batch:CPU", "BATCH:CPU,GPU", "BATCH", "CPU:BATCH", "AUTO.1",
  "BATCH:CPU(18446744073709551617)", "BATCH:CPU((8))", "HETERO:CPU", "BATCH:CPU(-1)",
  "BATCH:CPU(+1)", "MULTI:CPU", "SIM", "SIM(", "SIM()", "SIM(4)", "SIM(4,)", "SIM(,1)", "SIM(4,1",
  "SIM(4,1))", "SIM(4,1,1)", "SIM(4;1)", "SIM(4, 1)", "SIM( 4,1)", "SIM(-4,1)", "SIM(+4,1)",
  "SIM(4,-0)", "SIM(1e1,1)", "SIM(0x4,1)", "SIM(inf,1)", "SIM(4,nan)", "SIM(.5,1)", "SIM(5.,1)",
  "SIM(4.,1.)", "SIM(1.2.3,1)", "SIM(60000.01,1)", "SIM(4,60001)", "SIM(4,1e400)",
  "SIM(99999999999999999999,1)", "SIM.1(4,1)", "SIM(4,1)(8)", "SIM(4,1)x", "BATCH:SIM",
  "BATCH:SIM(4)", "BATCH:SIM(4,1)(0)", "BATCH:SIM(4,1)(1025)", "BATCH:SIM(4,1)()",
  "BATCH:SIM(4,1)(8)(8)", "BATCH:SIM(8)", "sim(4,1)", "SIMULATED" };

START_TEST (test_device_name_refused)
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
START_TEST (test_device_name_in_any_locale)
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

/* What a device's name says, written anew. */
static char *print_device (const WeirDeviceName *name)
{
  GString *text = g_string_new (name->is_batch ? "BATCH:" : "");
  g_string_append (text, name->base);
  if (name->match[0])
    g_string_append_printf (text, ".%s", name->match);
  if (name->index)
    g_string_append_printf (text, ".%u", name->index);
  if (name->batch_size)
    g_string_append_printf (text, "(%u)", name->batch_size);
  return g_string_free (text, FALSE);
}

/* Names with up to three random edits: what is accepted was read whole, nothing of it skipped. */
START_TEST (test_device_name_mutations)
{
  static const char *const names[] = { "CPU", "GPU.1", "AUTO", "REF", "BATCH:GPU(4)", "BATCH:CPU",
    "BATCH:GPU.12(1024)", "BATCH:AUTO(16)", "GPU.pocl", "BATCH:GPU.nvidia.1(4)" };
  static const char letters[] = "0123456789.()BATCH:GPU-+ x,\t\xff";
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);
  uint32_t n_accepted = 0;
  for (int round = 0; round < 100000; round++) {
    g_autoptr (GString) text = g_string_new (names[round % G_N_ELEMENTS (names)]);
    WeirDeviceName name;
    for (int edits = g_rand_int_range (rand, 1, 4); edits > 0; edits--) {
      gssize at = g_rand_int_range (rand, 0, (gint32) text->len + 1);
      if (at < (gssize) text->len && g_rand_boolean (rand))
        g_string_erase (text, at, 1);
      if (g_rand_boolean (rand))
        g_string_insert_c (text, at, letters[g_rand_int_range (rand, 0, sizeof letters - 1)]);
    }
    if (!weir_device_name_parse (text->str, &name, NULL))
      continue;
    g_autofree char *printed = print_device (&name);
    if (name.index == 0 && strstr (text->str, ".0"))
      g_string_erase (text, strstr (text->str, ".0") - text->str, 2);
    ck_assert_msg (strcmp (text->str, printed) == 0, "'%s' is taken for %s", text->str, printed);
    ck_assert_uint_le (name.batch_size, WEIR_MAX_BATCH);
    n_accepted++;
  }
  ck_assert_uint_gt (n_accepted, 1000);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("device name");
  TCase *tcase = tcase_create ("device name");
  tcase_add_loop_test (tcase, test_device_name_accepted, 0, G_N_ELEMENTS (devices));
  tcase_add_loop_test (tcase, test_device_name_refused, 0, G_N_ELEMENTS (bad_devices));
  tcase_add_test (tcase, test_device_name_in_any_locale);
  tcase_add_test (tcase, test_device_name_mutations);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
