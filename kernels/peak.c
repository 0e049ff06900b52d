/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses among the loops that measure what the CPU can do, the fastest first. */
#include "kernels/peak.h"

#include "kernels/kernels.h"

#include <stdbool.h>

extern const WeirPeakLoop weir_peak_f32_c;
void weir_stream_c (float *dst, const float *a, const float *b, size_t n);
#ifdef WEIR_HAVE_AVX2
extern const WeirPeakLoop weir_peak_f32_avx2, weir_peak_int8_avx2;
void weir_stream_avx2 (float *dst, const float *a, const float *b, size_t n);
#endif
#ifdef WEIR_HAVE_AVX512
extern const WeirPeakLoop weir_peak_f32_avx512, weir_peak_int8_avx512;
void weir_stream_avx512 (float *dst, const float *a, const float *b, size_t n);
#endif
#ifdef WEIR_HAVE_AVX512_VNNI
extern const WeirPeakLoop weir_peak_int8_avx512_vnni;
#endif
#ifdef WEIR_HAVE_AVX512_BF16
extern const WeirPeakLoop weir_peak_bf16_avx512_bf16;
#endif
#ifdef WEIR_HAVE_AMX
extern const WeirPeakLoop weir_peak_bf16_amx, weir_peak_int8_amx;
#endif

static bool is_any (void)
{
  return true;
}

#ifdef WEIR_HAVE_AVX2
static bool has_avx2 (void)
{
  return (weir_cpu_isa () & WEIR_ISA_AVX2) != 0;
}
#endif

#ifdef WEIR_HAVE_AVX512
static bool has_avx512 (void)
{
  return (weir_cpu_isa () & WEIR_ISA_AVX512) != 0;
}
#endif

#ifdef WEIR_HAVE_AVX512_VNNI
static bool has_avx512_vnni (void)
{
  return weir_cpu_has_int8 () && __builtin_cpu_supports ("avx512vnni");
}
#endif

#ifdef WEIR_HAVE_AVX512_BF16
static bool has_avx512_bf16 (void)
{
  return weir_cpu_has_bf16 () && __builtin_cpu_supports ("avx512bf16");
}
#endif

#ifdef WEIR_HAVE_AMX
static bool has_amx_bf16 (void)
{
  return weir_cpu_has_bf16 () && (weir_cpu_isa () & WEIR_ISA_AMX);
}

static bool has_amx_int8 (void)
{
  return weir_cpu_has_int8 () && (weir_cpu_isa () & WEIR_ISA_AMX);
}
#endif

static const struct {
  WeirPeakKind kind;
  bool (*is_there) (void);
  const WeirPeakLoop *loop;
} loops[] = {
#ifdef WEIR_HAVE_AMX
  { WEIR_PEAK_BF16, has_amx_bf16, &weir_peak_bf16_amx },
  { WEIR_PEAK_INT8, has_amx_int8, &weir_peak_int8_amx },
#endif
#ifdef WEIR_HAVE_AVX512_BF16
  { WEIR_PEAK_BF16, has_avx512_bf16, &weir_peak_bf16_avx512_bf16 },
#endif
#ifdef WEIR_HAVE_AVX512_VNNI
  { WEIR_PEAK_INT8, has_avx512_vnni, &weir_peak_int8_avx512_vnni },
#endif
#ifdef WEIR_HAVE_AVX512
  { WEIR_PEAK_F32, has_avx512, &weir_peak_f32_avx512 },
  { WEIR_PEAK_INT8, has_avx512, &weir_peak_int8_avx512 },
#endif
#ifdef WEIR_HAVE_AVX2
  { WEIR_PEAK_F32, has_avx2, &weir_peak_f32_avx2 },
  { WEIR_PEAK_INT8, has_avx2, &weir_peak_int8_avx2 },
#endif
  { WEIR_PEAK_F32, is_any, &weir_peak_f32_c },
};

const WeirPeakLoop *weir_peak_loop (WeirPeakKind kind, size_t i)
{
  for (size_t k = 0; k < sizeof loops / sizeof *loops; k++)
    if (loops[k].kind == kind && loops[k].is_there () && i-- == 0)
      return loops[k].loop;
  return NULL;
}

static const struct {
  unsigned isa;
  WeirStreamFn fn;
} streams[] = {
#ifdef WEIR_HAVE_AVX512
  { WEIR_ISA_AVX512, weir_stream_avx512 },
#endif
#ifdef WEIR_HAVE_AVX2
  { WEIR_ISA_AVX2, weir_stream_avx2 },
#endif
  { WEIR_ISA_C, weir_stream_c },
};

WeirStreamFn weir_stream_variant (unsigned isa)
{
  for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
    if (streams[i].isa == isa && (weir_cpu_isa () & isa) == isa)
      return streams[i].fn;
  return NULL;
}

WeirStreamFn weir_stream (void)
{
  for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
    if ((weir_cpu_isa () & streams[i].isa) == streams[i].isa)
      return streams[i].fn;
  return weir_stream_c;
}
