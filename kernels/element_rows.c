/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses the variant of rows, most specific first. */
#include "kernels/element_rows.h"

#include "kernels/kernels.h"

#ifdef WEIR_HAVE_AVX512
void weir_row_avx512 (const WeirRow *row);
#endif
#ifdef WEIR_HAVE_AVX512_BF16
void weir_row_avx512_bf16 (const WeirRow *row);
#endif

static const struct {
  unsigned isa;
  WeirRowFn fn;
} variants[] = {
#ifdef WEIR_HAVE_AVX512_BF16
  { WEIR_ISA_BF16, weir_row_avx512_bf16 },
  { WEIR_ISA_AMX, weir_row_avx512_bf16 },
#endif
#ifdef WEIR_HAVE_AVX512
  { WEIR_ISA_AVX512, weir_row_avx512 },
#endif
  { WEIR_ISA_C, NULL },
};

WeirRowFn weir_row_variant (unsigned isa)
{
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
    if (variants[i].isa == isa && (weir_cpu_isa () & isa) == isa)
      return variants[i].fn;
  return NULL;
}

WeirRowFn weir_row_fn (void)
{
  size_t i = 0;
  while (variants[i].fn && !weir_row_variant (variants[i].isa))
    i++;
  return variants[i].fn;
}
