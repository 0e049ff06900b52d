/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels: pure functions on memory, one table of variants per kernel, most specific first.
 *
 * libc only: no allocation, no locks, no GLib. A variant is chosen once, at configure, by the CPU's
 * abilities; WEIR_CPU_DISABLE=avx512,avx2 in the environment masks abilities (for tests). Every
 * variant gives the same bytes as the plain C one (suite `kernels`). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum WeirIsa {
  WEIR_ISA_C = 0,
  WEIR_ISA_AVX2 = 1 << 0,
  WEIR_ISA_AVX512 = 1 << 1,
  WEIR_ISA_VBMI = 1 << 2, /* only together with AVX512 */
  WEIR_ISA_VNNI = 1 << 3, /* likewise */
  WEIR_ISA_BF16 = 1 << 4, /* likewise: AVX512_BF16; not beside AMX, which is faster */
  WEIR_ISA_AMX = 1 << 5,  /* likewise: tiles of bf16 and 8 bits, which Linux lets us use */
} WeirIsa;

/* What this CPU has (AVX2 with FMA and F16C; AVX512: F, BW, DQ, VL; VBMI: also VNNI), less what
 * WEIR_CPU_DISABLE masks; `int8` masks VNNI, `bf16` BF16, either with what AMX
 * does of it, and `amx` AMX. */
unsigned weir_cpu_isa (void);
/* Native bf16 dot products (AVX512_BF16, which every AMX comes with): makes precision=auto choose
 * bf16. */
bool weir_cpu_has_bf16 (void);
/* Dot products of u8 and i8 (AVX512_VNNI or AMX): makes precision=auto choose int8 for quantised
 * models. */
bool weir_cpu_has_int8 (void);
