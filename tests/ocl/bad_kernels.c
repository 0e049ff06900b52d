/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels that do what oclgrind must report, or its silence about ours would say nothing.
 *
 * Usage: bad_kernels beyond|race */
#include "engine/ocl/ocl_program.h"

#include "tests/ocl/ocl_kit.h"
#include <stdio.h>

static const WeirOclSource source = { "bad",
  "__kernel void beyond (__global uint *y, uint at) { y[at + get_global_id (0) + 1] = 1; }\n"
  "__kernel void race (__global uint *y, uint at) { y[at] = get_global_id (0); }\n",
  "bad" };

static bool run_bad (const char *kernel, GError **error)
{
  enum { N = 16 };
  uint32_t values[N];
  cl_program program = weir_ocl_program_build (ocl_kit_device, &source, "", error);
  g_autoptr (WeirOclMemory) memory =
      program ? weir_ocl_memory_new (ocl_kit_device, sizeof values, true, false, error) : NULL;
  if (!memory)
    return false;
  g_autoptr (WeirOclCall) call = weir_ocl_call_new (ocl_kit_device, program, kernel,
      weir_ocl_grid (N, 0, 0, N, 0, 0), error, WEIR_OCL_ADDRESS (memory->base, 4));
  return call && weir_ocl_queue_run (memory->queue, call, NULL, error) &&
         weir_ocl_queue_download (memory->queue, values, memory->base, sizeof values, error);
}

int main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  ocl_kit_start ();
  bool has_run = run_bad (argc > 1 ? argv[1] : "race", &error);
  if (!has_run)
    printf ("%s\n", error->message);
  weir_ocl_device_close (ocl_kit_device);
  return !has_run;
}
