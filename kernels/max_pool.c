/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses the variant of max pooling, most specific first. */
#include "kernels/max_pool.h"

#include "kernels/kernels.h"

#define DECLARE(name) \
  void name (const WeirMaxPool *shape, void *dst, const void *const *rows, size_t n_rows)

#ifdef WEIR_HAVE_AVX2
DECLARE (weir_max_pool_f32_avx2);
DECLARE (weir_max_pool_u8_avx2);
#endif
#ifdef WEIR_HAVE_AVX512
DECLARE (weir_max_pool_f32_avx512);
DECLARE (weir_max_pool_bf16_avx512);
DECLARE (weir_max_pool_u8_avx512);
#endif

static const struct {
  unsigned isa;
  WeirMaxPoolType type;
  WeirMaxPoolFn fn;
} variants[] = {
#ifdef WEIR_HAVE_AVX512
  { WEIR_ISA_AVX512, WEIR_MAX_POOL_F32, weir_max_pool_f32_avx512 },
  { WEIR_ISA_AVX512, WEIR_MAX_POOL_BF16, weir_max_pool_bf16_avx512 },
  { WEIR_ISA_AVX512, WEIR_MAX_POOL_U8, weir_max_pool_u8_avx512 },
#endif
#ifdef WEIR_HAVE_AVX2
  { WEIR_ISA_AVX2, WEIR_MAX_POOL_F32, weir_max_pool_f32_avx2 },
  { WEIR_ISA_AVX2, WEIR_MAX_POOL_U8, weir_max_pool_u8_avx2 },
#endif
  { WEIR_ISA_C, WEIR_MAX_POOL_F32, NULL }, /* without vectors the only one */
};

WeirMaxPoolFn weir_max_pool_variant (unsigned isa, WeirMaxPoolType type)
{
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
    if (variants[i].isa == isa && variants[i].type == type && (weir_cpu_isa () & isa) == isa)
      return variants[i].fn;
  return NULL;
}

WeirMaxPoolFn weir_max_pool (WeirMaxPoolType type)
{
  WeirMaxPoolFn fn = weir_max_pool_variant (WEIR_ISA_AVX512, type);
  return fn ? fn : weir_max_pool_variant (WEIR_ISA_AVX2, type);
}
