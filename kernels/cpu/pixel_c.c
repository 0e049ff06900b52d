/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pixel kernels in plain C: what every other variant must equal. */
#include "kernels/cpu/pixel_scalar.h"

#define MAKE_ROW_8(kind, luma)                                                \
  static void row_##kind (const WeirPixelRow *row, const WeirPixelLine *line) \
  {                                                                           \
    make_row_8 (row, line, luma, fetch_##kind);                               \
  }

MAKE_ROW_8 (planar, fetch_luma)
MAKE_ROW_8 (semiplanar, fetch_luma)
MAKE_ROW_8 (packed_yuv, fetch_luma_packed)

#define MAKE_ROW(kind)                                                        \
  static void row_##kind (const WeirPixelRow *row, const WeirPixelLine *line) \
  {                                                                           \
    make_row (row, line, fetch_##kind);                                       \
  }

MAKE_ROW (semiplanar10)
MAKE_ROW (gray)
MAKE_ROW (rgb)

#define AS_U8(store, c, value)   ((uint8_t) (value))
#define AS_F32(store, c, value)  normalise (store, c, value)
#define AS_BF16(store, c, value) round_bf16 (normalise (store, c, value))

/* Values are blended a run at a time, so that a compiler can vectorise it although what it stores
 * lies apart. */
#define MAKE_STORE(name, Type, AS)                                               \
  static void store_##name##_planar (const WeirPixelStore *store)                \
  {                                                                              \
    for (uint32_t c = 0; c < store->n_channels; c++) {                           \
      Type *dst = store->dst[c];                                                 \
      for (size_t i = 0; i < store->n_px; i++)                                   \
        dst[i] = AS (store, c, blend (store, c, i));                             \
    }                                                                            \
  }                                                                              \
  static void store_##name##_interleaved (const WeirPixelStore *store)           \
  {                                                                              \
    for (size_t first = 0; first < store->n_px; first += RUN_PX) {               \
      uint16_t values[3][RUN_PX];                                                \
      Type *dst = (Type *) store->dst[0] + 3 * first;                            \
      size_t n_px = store->n_px - first < RUN_PX ? store->n_px - first : RUN_PX; \
      for (uint32_t c = 0; c < 3; c++)                                           \
        for (size_t i = 0; i < RUN_PX; i++)                                      \
          values[c][i] = blend (store, c, first + i);                            \
      for (size_t i = 0; i < n_px; i++)                                          \
        for (uint32_t c = 0; c < 3; c++)                                         \
          dst[3 * i + c] = AS (store, c, values[c][i]);                          \
    }                                                                            \
  }

MAKE_STORE (u8, uint8_t, AS_U8)
MAKE_STORE (f32, float, AS_F32)
MAKE_STORE (bf16, uint16_t, AS_BF16)

const WeirPixelKernels weir_pixel_kernels_c = {
  .name = "c",
  .isa = WEIR_ISA_C,
  .rows = {
    [WEIR_SAMPLES_PLANAR] = row_planar,
    [WEIR_SAMPLES_SEMIPLANAR] = row_semiplanar,
    [WEIR_SAMPLES_SEMIPLANAR10] = row_semiplanar10,
    [WEIR_SAMPLES_PACKED_YUV] = row_packed_yuv,
    [WEIR_SAMPLES_GRAY] = row_gray,
    [WEIR_SAMPLES_RGB] = row_rgb,
  },
  .stores = {
    [WEIR_STORE_U8] = { store_u8_planar, store_u8_interleaved },
    [WEIR_STORE_F32] = { store_f32_planar, store_f32_interleaved },
    [WEIR_STORE_BF16] = { store_bf16_planar, store_bf16_interleaved },
  },
};
