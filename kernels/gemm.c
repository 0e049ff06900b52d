/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packs right-hand sides of matrix products, and chooses the variant for this CPU. */
#include "kernels/gemm.h"

#include "kernels/kernels.h"
#include "kernels/tensor_kernels.h"

void weir_gemm_c (const WeirGemm *task);
#ifdef WEIR_HAVE_AVX2
void weir_gemm_avx2 (const WeirGemm *task);
#endif
#ifdef WEIR_HAVE_AVX512
void weir_gemm_avx512 (const WeirGemm *task);
#endif
#ifdef WEIR_HAVE_AVX512_BF16
void weir_gemm_avx512_bf16 (const WeirGemm *task);
#endif
#ifdef WEIR_HAVE_AMX
void weir_gemm_amx (const WeirGemm *task);
#endif

WeirGemmFn weir_gemm_variant (unsigned isa)
{
#ifdef WEIR_HAVE_AVX512
  if (isa == WEIR_ISA_AVX512 && (weir_cpu_isa () & isa))
    return weir_gemm_avx512;
#endif
#ifdef WEIR_HAVE_AVX2
  if (isa == WEIR_ISA_AVX2 && (weir_cpu_isa () & isa))
    return weir_gemm_avx2;
#endif
  return isa == WEIR_ISA_C ? weir_gemm_c : NULL;
}

WeirGemmFn weir_gemm (void)
{
  WeirGemmFn fn = weir_gemm_variant (WEIR_ISA_AVX512);
  return fn ? fn : weir_gemm_variant (WEIR_ISA_AVX2);
}

WeirGemmFn weir_gemm_bf16_variant (unsigned isa)
{
#ifdef WEIR_HAVE_AMX
  if (isa == WEIR_ISA_AMX)
    return weir_gemm_amx;
#endif
#ifdef WEIR_HAVE_AVX512_BF16
  if (isa == WEIR_ISA_BF16)
    return weir_gemm_avx512_bf16;
#endif
  return NULL;
}

WeirGemmFn weir_gemm_bf16 (void)
{
  WeirGemmFn tiles = weir_gemm_bf16_variant (WEIR_ISA_AMX);
  if (!weir_cpu_has_bf16 ())
    return NULL;
  return (weir_cpu_isa () & WEIR_ISA_AMX) && tiles ? tiles : weir_gemm_bf16_variant (WEIR_ISA_BF16);
}

size_t weir_gemm_packed_floats (size_t n_inner, size_t n_columns)
{
  return (n_columns + WEIR_GEMM_PANEL - 1) / WEIR_GEMM_PANEL * WEIR_GEMM_PANEL * n_inner;
}

void weir_gemm_pack (float *packed, const float *b, size_t inner_step, size_t column_step,
    size_t n_inner, size_t n_columns)
{
  for (size_t first = 0; first < n_columns; first += WEIR_GEMM_PANEL)
    for (size_t k = 0; k < n_inner; k++)
      for (size_t c = first; c < first + WEIR_GEMM_PANEL; c++)
        *packed++ = c < n_columns ? b[k * inner_step + c * column_step] : 0.0f;
}

size_t weir_gemm_packed_bf16 (size_t n_inner, size_t n_columns)
{
  return weir_gemm_packed_floats (n_inner + n_inner % 2, n_columns);
}

void weir_gemm_pack_bf16 (uint16_t *packed, const float *b, size_t inner_step, size_t column_step,
    size_t n_inner, size_t n_columns)
{
  const WeirTensorKernels *kernels = weir_tensor_kernels ();
  float line[2 * WEIR_GEMM_PANEL];
  for (size_t first = 0; first < n_columns; first += WEIR_GEMM_PANEL)
    for (size_t k = 0; k < n_inner; k += 2, packed += 2 * WEIR_GEMM_PANEL) {
      for (size_t i = 0; i < 2 * WEIR_GEMM_PANEL; i++) {
        size_t c = first + i / 2, row = k + i % 2;
        line[i] = c < n_columns && row < n_inner ? b[row * inner_step + c * column_step] : 0.0f;
      }
      kernels->bf16_from_f32 (packed, line, 2 * WEIR_GEMM_PANEL);
    }
}
