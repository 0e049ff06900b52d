/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses the variant of the depthwise convolution, most specific first. */
#include "kernels/depthwise.h"

#include "kernels/kernels.h"

#ifdef WEIR_HAVE_AVX2
void weir_depthwise_avx2 (const WeirDepthwise *shape, float *dst, const float *const *rows,
    const float *weights, const float *bias);
#endif
#ifdef WEIR_HAVE_AVX512
void weir_depthwise_avx512 (const WeirDepthwise *shape, float *dst, const float *const *rows,
    const float *weights, const float *bias);
#endif

WeirDepthwiseFn weir_depthwise_variant (unsigned isa)
{
#ifdef WEIR_HAVE_AVX512
  if (isa == WEIR_ISA_AVX512 && (weir_cpu_isa () & isa))
    return weir_depthwise_avx512;
#endif
#ifdef WEIR_HAVE_AVX2
  if (isa == WEIR_ISA_AVX2 && (weir_cpu_isa () & isa))
    return weir_depthwise_avx2;
#endif
  return NULL;
}

WeirDepthwiseFn weir_depthwise (void)
{
  WeirDepthwiseFn fn = weir_depthwise_variant (WEIR_ISA_AVX512);
  return fn ? fn : weir_depthwise_variant (WEIR_ISA_AVX2);
}
