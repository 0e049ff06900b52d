/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which device a name means: lists of made-up devices, no driver. */
#include "engine/ocl/ocl_list.h"

#include "tests/run_suite.h"
#include <string.h>

#define MAX_LISTED 8

#define NVIDIA(name_, memory)                                                                 \
  {                                                                                           \
    .name = name_, .vendor = "NVIDIA Corporation", .platform = "NVIDIA CUDA", .suffix = "NV", \
    .kind = WEIR_OCL_GPU, .has_own_memory = memory                                            \
  }
#define INTEL                                                                       \
  {                                                                                 \
    .name = "Intel(R) UHD Graphics 770", .vendor = "Intel(R) Corporation",          \
    .platform = "Intel(R) OpenCL Graphics", .suffix = "INTEL", .kind = WEIR_OCL_GPU \
  }
#define POCL                                                                          \
  {                                                                                   \
    .name = "pthread-skylake-avx512-Xeon", .vendor = "GenuineIntel",                  \
    .platform = "Portable Computing Language", .suffix = "POCL", .kind = WEIR_OCL_CPU \
  }
#define FPGA                                                                       \
  {                                                                                \
    .name = "Board 7", .vendor = "Somebody", .platform = "FPGA SDK", .suffix = "", \
    .kind = WEIR_OCL_ACCELERATOR                                                   \
  }
#define OLD                                                                                    \
  {                                                                                            \
    .name = "Old", .vendor = "Elder", .platform = "Elder", .suffix = "", .kind = WEIR_OCL_GPU, \
    .problem = "it is older than OpenCL 1.2"                                                   \
  }

typedef struct List {
  uint32_t n;
  WeirOclFacts facts[MAX_LISTED];
} List;

static const List lists[] = {
  { 0 },
  { 1, { POCL } },
  { 3, { NVIDIA ("A", true), NVIDIA ("B", true), POCL } },
  { 4, { NVIDIA ("H200", true), INTEL, FPGA, POCL } },
  { 3, { POCL, POCL, POCL } },
  { 1, { OLD } },
};

enum { NONE, CPU_ONLY, TWO, MIXED, TRIPLE, ANCIENT };

static WeirOclDevices use (const List *list)
{
  return (WeirOclDevices){ .n = list->n,
    .facts = (WeirOclFacts *) list->facts,
    .problem = list->n ? NULL : "no OpenCL driver is installed" };
}

static const struct {
  uint32_t list;
  const char *match;
  uint32_t index, chosen;
} choices[] = {
  { TWO, NULL, 0, 0 },
  { TWO, "", 1, 1 },
  { TWO, "nvidia", 1, 1 },
  { TWO, "NV", 0, 0 },
  { TWO, "pocl", 0, 2 },
  { TWO, "PoCL", 0, 2 },
  { TWO, "portable", 0, 2 },
  { TWO, "skylake", 0, 2 },
  { CPU_ONLY, "pocl", 0, 0 },
  { MIXED, NULL, 0, 0 },
  { MIXED, NULL, 1, 1 },
  { MIXED, "intel", 0, 1 },
  { MIXED, "intel", 1, 3 }, /* GenuineIntel */
  { MIXED, "uhd", 0, 1 },
  { MIXED, "fpga", 0, 2 },
  { MIXED, "somebody", 0, 2 },
  { TRIPLE, "pocl", 2, 2 },
};

START_TEST (test_ocl_chosen)
{
  WeirOclDevices devices = use (&lists[choices[_i].list]);
  GError *error = NULL;
  uint32_t chosen = 99;
  ck_assert_msg (
      weir_ocl_devices_choose (&devices, choices[_i].match, choices[_i].index, &chosen, &error),
      "%s", error ? error->message : "");
  ck_assert_uint_eq (chosen, choices[_i].chosen);
}
END_TEST

static const struct {
  uint32_t list;
  const char *match;
  uint32_t index;
  WeirErrorCode code;
  const char *words[3];
} refusals[] = {
  { NONE, NULL, 0, WEIR_ERROR_NOT_FOUND, { "device GPU: no OpenCL driver", "docs/opencl.md" } },
  { NONE, "pocl", 1, WEIR_ERROR_NOT_FOUND, { "device GPU.pocl.1: no OpenCL driver" } },
  { CPU_ONLY, NULL, 0, WEIR_ERROR_NOT_FOUND,
      { "device GPU: OpenCL has no GPU", "pthread-skylake", "CPU, asked for as GPU.pocl" } },
  { CPU_ONLY, NULL, 1, WEIR_ERROR_NOT_FOUND, { "device GPU.1: OpenCL has no GPU" } },
  { CPU_ONLY, "nvidia", 0, WEIR_ERROR_NOT_FOUND,
      { "device GPU.nvidia: no OpenCL device has 'nvidia'", "pthread-skylake" } },
  { TWO, NULL, 2, WEIR_ERROR_NOT_FOUND,
      { "device GPU.2: there are only 2 of these", "B (GPU, asked for as GPU.1)" } },
  { TWO, "pocl", 1, WEIR_ERROR_NOT_FOUND, { "device GPU.pocl.1: there are only 1" } },
  { ANCIENT, NULL, 0, WEIR_ERROR_UNSUPPORTED,
      { "device GPU (Old): it is older than OpenCL 1.2", "expected is" } },
};

START_TEST (test_ocl_not_chosen)
{
  WeirOclDevices devices = use (&lists[refusals[_i].list]);
  g_autoptr (GError) error = NULL;
  uint32_t chosen;
  ck_assert (
      !weir_ocl_devices_choose (&devices, refusals[_i].match, refusals[_i].index, &chosen, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, (gint) refusals[_i].code));
  for (uint32_t k = 0; k < 3 && refusals[_i].words[k]; k++)
    ck_assert_msg (strstr (error->message, refusals[_i].words[k]) != NULL, "no '%s' in '%s'",
        refusals[_i].words[k], error->message);
}
END_TEST

/* What a device is called is what it is found by. */
START_TEST (test_ocl_names)
{
  static const char *const names[][4] = {
    [CPU_ONLY] = { "GPU.pocl" },
    [TWO] = { "GPU", "GPU.1", "GPU.pocl" },
    [MIXED] = { "GPU", "GPU.1", "GPU.fpga", "GPU.pocl" },
    [TRIPLE] = { "GPU.pocl", "GPU.pocl.1", "GPU.pocl.2" },
    [ANCIENT] = { "GPU" },
  };
  WeirOclDevices devices = use (&lists[_i]);
  for (uint32_t i = 0; i < devices.n; i++) {
    g_autofree char *name = weir_ocl_devices_name (&devices, i);
    ck_assert_str_eq (name, names[_i][i]);
  }
}
END_TEST

START_TEST (test_ocl_order)
{
  static const List shuffled = { 6, { POCL, INTEL, NVIDIA ("shared", false), FPGA,
                                        NVIDIA ("first", true), NVIDIA ("second", true) } };
  static const char *const names[] = { "first", "second", "Intel(R) UHD Graphics 770", "shared",
    "Board 7", "pthread-skylake-avx512-Xeon" };
  WeirOclDevices *devices = weir_ocl_devices_new_empty (MAX_LISTED);
  devices->n = shuffled.n;
  memcpy (devices->facts, shuffled.facts, sizeof shuffled.facts);
  for (uint32_t round = 0; round < 2; round++) {
    weir_ocl_devices_sort (devices);
    for (uint32_t i = 0; i < devices->n; i++)
      ck_assert_str_eq (devices->facts[i].name, names[i]);
  }
  weir_ocl_devices_free (devices);
}
END_TEST

/* Whatever this machine and build have: a list, and if it is empty, the reason. */
START_TEST (test_ocl_list_of_this_machine)
{
  g_autoptr (WeirOclDevices) devices = weir_ocl_devices_new ();
  ck_assert ((devices->n == 0) == (devices->problem != NULL));
  for (uint32_t i = 0; i < devices->n; i++) {
    const WeirOclFacts *facts = &devices->facts[i];
    g_autofree char *name = weir_ocl_devices_name (devices, i);
    ck_assert (g_str_has_prefix (name, "GPU"));
    ck_assert_str_ne (facts->name, "");
    ck_assert (g_str_has_prefix (facts->version, "OpenCL "));
    ck_assert_uint_gt (facts->memory_bytes, 0);
    ck_assert_uint_gt (facts->max_alloc_bytes, 0);
    ck_assert_uint_gt (facts->max_group, 0);
    ck_assert_uint_gt (facts->n_units, 0);
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ocl choose");
  TCase *tcase = tcase_create ("ocl choose");
  tcase_add_loop_test (tcase, test_ocl_chosen, 0, G_N_ELEMENTS (choices));
  tcase_add_loop_test (tcase, test_ocl_not_chosen, 0, G_N_ELEMENTS (refusals));
  tcase_add_loop_test (tcase, test_ocl_names, 0, G_N_ELEMENTS (lists));
  tcase_add_test (tcase, test_ocl_order);
  tcase_add_test (tcase, test_ocl_list_of_this_machine);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
