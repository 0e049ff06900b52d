/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this CPU can do, less what WEIR_CPU_DISABLE masks. */
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static bool is_disabled (const char *name)
{
  const char *list = getenv ("WEIR_CPU_DISABLE");
  size_t length = strlen (name);
  while (list && *list) {
    const char *end = strchr (list, ',');
    size_t n = end ? (size_t) (end - list) : strlen (list);
    if (n == length && memcmp (list, name, n) == 0)
      return true;
    list = end ? end + 1 : NULL;
  }
  return false;
}

#if defined(__x86_64__)
enum { ASKED = 1 << 0, AVX512_BF16 = 1 << 1, TILES = 1 << 2, INT8 = 1 << 3 };

/* Linux gives the tiles' registers only to processes that have asked for them (its
 * Documentation/arch/x86/xstate.rst). */
static bool may_use_tiles (void)
{
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  return syscall (SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/* What __builtin_cpu_supports does not tell. The CPU is asked once: under a hypervisor the
 * instruction takes microseconds. */
static unsigned ask_features (void)
{
  const unsigned amx = (1u << 22) | (1u << 24) | (1u << 25); /* BF16, TILE, INT8 */
  static _Atomic unsigned known;
  unsigned found = known, eax = 0, ebx, ecx, edx = 0, unused;
  if (found)
    return found;
  found = ASKED;
  if (__get_cpuid_count (7, 0, &eax, &ebx, &ecx, &edx))
    found |= (ecx & (1u << 11)) || (edx & (1u << 25)) ? INT8 : 0; /* AVX512_VNNI, AMX_INT8 */
  if (__get_cpuid_count (7, 1, &eax, &ebx, &ecx, &unused))
    found |= eax & (1u << 5) ? AVX512_BF16 : 0;
  if ((found & AVX512_BF16) && (edx & amx) == amx && may_use_tiles ())
    found |= TILES;
  known = found;
  return found;
}
#endif

unsigned weir_cpu_isa (void)
{
  unsigned isa = WEIR_ISA_C;
#if defined(__x86_64__)
  __builtin_cpu_init ();
  if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma") && !is_disabled ("avx2"))
    isa |= WEIR_ISA_AVX2;
  if (__builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw") &&
      __builtin_cpu_supports ("avx512dq") && __builtin_cpu_supports ("avx512vl") &&
      !is_disabled ("avx512"))
    isa |= WEIR_ISA_AVX512;
  if ((isa & WEIR_ISA_AVX512) && __builtin_cpu_supports ("avx512vbmi") &&
      __builtin_cpu_supports ("avx512vnni") && !is_disabled ("avx512vbmi"))
    isa |= WEIR_ISA_VBMI;
  if ((isa & WEIR_ISA_AVX512) && __builtin_cpu_supports ("avx512vnni") && !is_disabled ("int8"))
    isa |= WEIR_ISA_VNNI;
  if ((isa & WEIR_ISA_AVX512) && (ask_features () & TILES) && !is_disabled ("amx"))
    isa |= WEIR_ISA_AMX;
  else if ((isa & WEIR_ISA_AVX512) && (ask_features () & AVX512_BF16) && !is_disabled ("bf16"))
    isa |= WEIR_ISA_BF16;
#endif
  return isa;
}

bool weir_cpu_has_bf16 (void)
{
#if defined(__x86_64__)
  return (weir_cpu_isa () & WEIR_ISA_AVX512) && !is_disabled ("bf16") &&
         (ask_features () & AVX512_BF16);
#else
  return false;
#endif
}

bool weir_cpu_has_int8 (void)
{
#if defined(__x86_64__)
  return (weir_cpu_isa () & WEIR_ISA_AVX512) && !is_disabled ("int8") && (ask_features () & INT8);
#else
  return false;
#endif
}
