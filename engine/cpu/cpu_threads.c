/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads of the CPU backend: OpenMP's, the ones oneDNN runs on, so that no second pool competes.
 *
 * omp.h belongs to the compiler, the runtime to oneDNN; only the two functions below are needed,
 * and their prototypes are part of the OpenMP standard. Loops are cut by OpenMP where the
 * compiler's runtime is oneDNN's (WEIR_CPU_OPENMP), else they run in the caller. */
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

WeirCpuThread weir_cpu_thread_enter (uint32_t n_threads)
{
  WeirCpuThread before = { .n_threads = (uint32_t) omp_get_max_threads (),
    .float_control = set_float_control (FLUSH_DENORMALS, true) };
  if (before.n_threads != n_threads)
    omp_set_num_threads ((int) n_threads);
  return before;
}

void weir_cpu_thread_leave (WeirCpuThread before)
{
  if ((uint32_t) omp_get_max_threads () != before.n_threads)
    omp_set_num_threads ((int) before.n_threads);
  set_float_control (before.float_control, false);
}

void weir_cpu_for (uint32_t n_threads, int64_t n, int64_t grain,
    void (*body) (const void *job, int64_t begin, int64_t end), const void *job)
{
  int64_t n_parts = MIN ((int64_t) n_threads, n / MAX (grain, 1));
  if (n_parts <= 1) {
    body (job, 0, n);
    return;
  }
#ifdef WEIR_CPU_OPENMP
#pragma omp parallel for num_threads(n_parts) schedule(static, 1)
#endif
  for (int64_t part = 0; part < n_parts; part++)
    body (job, n * part / n_parts, n * (part + 1) / n_parts);
}
