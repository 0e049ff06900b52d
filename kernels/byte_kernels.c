/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses the variant of the byte kernels, most specific first. */
#include "kernels/byte_kernels.h"

#include "kernels/kernels.h"

extern const WeirByteKernels weir_byte_kernels_c;
#ifdef WEIR_HAVE_AVX2
extern const WeirByteKernels weir_byte_kernels_avx2;
#endif
#ifdef WEIR_HAVE_AVX512
extern const WeirByteKernels weir_byte_kernels_avx512;
#endif
#ifdef WEIR_HAVE_AVX512VBMI
extern const WeirByteKernels weir_byte_kernels_avx512vbmi;
#endif

static const struct {
  unsigned isa;
  const WeirByteKernels *kernels;
} variants[] = {
#ifdef WEIR_HAVE_AVX512VBMI
  { WEIR_ISA_VBMI, &weir_byte_kernels_avx512vbmi },
#endif
#ifdef WEIR_HAVE_AVX512
  { WEIR_ISA_AVX512, &weir_byte_kernels_avx512 },
#endif
#ifdef WEIR_HAVE_AVX2
  { WEIR_ISA_AVX2, &weir_byte_kernels_avx2 },
#endif
  { WEIR_ISA_C, &weir_byte_kernels_c },
};

const WeirByteKernels *weir_byte_kernels_variant (unsigned isa)
{
  unsigned has = weir_cpu_isa ();
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
    if (variants[i].isa == isa && (has & isa) == isa)
      return variants[i].kernels;
  return NULL;
}

const WeirByteKernels *weir_byte_kernels (void)
{
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
    const WeirByteKernels *kernels = weir_byte_kernels_variant (variants[i].isa);
    if (kernels)
      return kernels;
  }
  return &weir_byte_kernels_c;
}
