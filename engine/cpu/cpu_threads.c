/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What threads set while they compute, and loops that are cut into parts.
 *
 * omp.h belongs to the compiler, the OpenMP runtime to oneDNN; only the two functions below are
 * needed, and their prototypes are part of the OpenMP standard. */
#include "engine/cpu/cpu_crew.h"

#include "engine/cpu/cpu.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

int omp_get_max_threads (void);
void omp_set_num_threads (int n_threads);

#if defined(__x86_64__)
#define FLUSH_DENORMALS 0x8040u /* flush to zero, denormals are zero */

static uint32_t set_float_control (uint32_t bits, bool adds)
{
  uint32_t before = _mm_getcsr ();
  _mm_setcsr (adds ? before | bits : bits);
  return before;
}
#else
#define FLUSH_DENORMALS 0u

static uint32_t set_float_control (uint32_t bits, bool adds)
{
  return 0;
}
#endif

WeirCpuThread weir_cpu_thread_enter (void)
{
  WeirCpuThread before = { .n_threads = (uint32_t) omp_get_max_threads (),
    .float_control = set_float_control (FLUSH_DENORMALS, true) };
  if (before.n_threads != 1)
    omp_set_num_threads (1);
  return before;
}

void weir_cpu_thread_leave (WeirCpuThread before)
{
  if (before.n_threads != 1)
    omp_set_num_threads ((int) before.n_threads);
  set_float_control (before.float_control, false);
}

typedef struct Loop {
  int64_t n, n_parts;
  void (*body) (const void *job, int64_t begin, int64_t end);
  const void *job;
} Loop;

static void run_part (const void *data, uint32_t part)
{
  const Loop *loop = data;
  loop->body (loop->job, loop->n * part / loop->n_parts, loop->n * (part + 1) / loop->n_parts);
}

void weir_cpu_for (uint32_t n_threads, int64_t n, int64_t grain,
    void (*body) (const void *job, int64_t begin, int64_t end), const void *job)
{
  Loop loop = { n, MIN (MIN (n_threads, WEIR_CPU_MAX_PARTS), n / MAX (grain, 1)), body, job };
  if (loop.n_parts > 1 && weir_cpu_crew_helps ())
    weir_cpu_crew_run ((uint32_t) loop.n_parts, run_part, &loop);
  else
    body (job, 0, n);
}
