/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses the variant of max pooling, most specific first. */
#include "kernels/max_pool.h"

#include "kernels/kernels.h"

#ifdef WEIR_HAVE_AVX2
void weir_max_pool_f32_avx2 (
    const WeirMaxPool *shape, void *dst, const void *const *rows, size_t n_rows);
void weir_max_pool_u8_avx2 (
    const WeirMaxPool *shape, void *dst, const void *const *rows, size_t n_rows);
#endif
#ifdef WEIR_HAVE_AVX512
void weir_max_pool_f32_avx512 (
    const WeirMaxPool *shape, void *dst, const void *const *rows, size_t n_rows);
void weir_max_pool_u8_avx512 (
    const WeirMaxPool *shape, void *dst, const void *const *rows, size_t n_rows);
#endif

WeirMaxPoolFn weir_max_pool_variant (unsigned isa, bool is_f32)
{
#ifdef WEIR_HAVE_AVX512
  if (isa == WEIR_ISA_AVX512 && (weir_cpu_isa () & isa))
    return is_f32 ? weir_max_pool_f32_avx512 : weir_max_pool_u8_avx512;
#endif
#ifdef WEIR_HAVE_AVX2
  if (isa == WEIR_ISA_AVX2 && (weir_cpu_isa () & isa))
    return is_f32 ? weir_max_pool_f32_avx2 : weir_max_pool_u8_avx2;
#endif
  return NULL;
}

WeirMaxPoolFn weir_max_pool (bool is_f32)
{
  WeirMaxPoolFn fn = weir_max_pool_variant (WEIR_ISA_AVX512, is_f32);
  return fn ? fn : weir_max_pool_variant (WEIR_ISA_AVX2, is_f32);
}
