/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Picked channels: the loads that vectors are made of, plain loops, and the choice of a variant. */
#include "kernels/channels.h"

#include "kernels/kernels.h"

#ifdef WEIR_HAVE_AVX512
void weir_channels_avx512_2 (
    const WeirChannels *channels, void *dst, const void *const *src, size_t first, size_t n_pixels);
void weir_channels_avx512_4 (
    const WeirChannels *channels, void *dst, const void *const *src, size_t first, size_t n_pixels);
#endif

/* One load for as many of the lanes that are left as lie within reach of the first of them. */
static void fill_load (const WeirChannelPick *picks, size_t n, const size_t *n_src, unsigned *left,
    WeirChannelLoad *load)
{
  size_t k = 0;
  while (!(*left >> k & 1u))
    k++;
  load->src = picks[k].src;
  load->first = picks[k].channel;
  for (size_t i = k; i < n; i++)
    if ((*left >> i & 1u) && picks[i].src == load->src && picks[i].channel < load->first &&
        picks[k].channel - picks[i].channel < WEIR_CHANNEL_LANES)
      load->first = picks[i].channel;
  size_t n_there = n_src[load->src] - load->first;
  load->there = (uint16_t) (n_there < WEIR_CHANNEL_LANES ? (1u << n_there) - 1u : 0xffffu);
  load->lanes = 0;
  for (size_t i = 0; i < WEIR_CHANNEL_LANES; i++) {
    bool is_given = i < n && (*left >> i & 1u) && picks[i].src == load->src &&
                    picks[i].channel >= load->first &&
                    picks[i].channel - load->first < WEIR_CHANNEL_LANES;
    load->index[i] = is_given ? (int32_t) (picks[i].channel - load->first) : 0;
    load->lanes |= (uint16_t) (is_given ? 1u << i : 0u);
  }
  *left &= ~(unsigned) load->lanes;
}

size_t weir_channels_find_loads (
    const WeirChannelPick *picks, size_t n_channels, const size_t *n_src, WeirChannelLoad *loads)
{
  size_t n_loads = 0;
  for (size_t dst = 0; dst < n_channels; dst += WEIR_CHANNEL_LANES) {
    size_t n = n_channels - dst < WEIR_CHANNEL_LANES ? n_channels - dst : WEIR_CHANNEL_LANES;
    size_t first = n_loads;
    unsigned left = (1u << n) - 1u;
    while (left) {
      loads[n_loads].dst = (uint32_t) dst;
      fill_load (picks + dst, n, n_src, &left, &loads[n_loads++]);
    }
    for (size_t i = first; i < n_loads; i++)
      loads[i].n_left = (uint32_t) (n_loads - 1 - i);
  }
  return n_loads;
}

#define PICK(name, Element)                                                                       \
  static void name (const WeirChannels *channels, void *dst_bytes, const void *const *src,        \
      size_t first, size_t n_pixels)                                                              \
  {                                                                                               \
    Element *dst = (Element *) dst_bytes + first * channels->n_channels;                          \
    for (size_t pixel = first; pixel < first + n_pixels; pixel++, dst += channels->n_channels)    \
      for (size_t c = 0; c < channels->n_channels; c++) {                                         \
        const WeirChannelPick *pick = &channels->picks[c];                                        \
        dst[c] = ((                                                                               \
            const Element *) src[pick->src])[pixel * channels->n_src[pick->src] + pick->channel]; \
      }                                                                                           \
  }

PICK (pick_1, uint8_t)
PICK (pick_2, uint16_t)
PICK (pick_4, uint32_t)
PICK (pick_8, uint64_t)

WeirChannelsFn weir_channels_variant (unsigned isa, size_t element_bytes)
{
  static const WeirChannelsFn plain[] = { [1] = pick_1, [2] = pick_2, [4] = pick_4, [8] = pick_8 };
#ifdef WEIR_HAVE_AVX512
  if (isa == WEIR_ISA_AVX512 && (weir_cpu_isa () & isa) && element_bytes == 2)
    return weir_channels_avx512_2;
  if (isa == WEIR_ISA_AVX512 && (weir_cpu_isa () & isa) && element_bytes == 4)
    return weir_channels_avx512_4;
#endif
  return isa == WEIR_ISA_C && element_bytes < sizeof plain / sizeof *plain ? plain[element_bytes]
                                                                           : NULL;
}

WeirChannelsFn weir_channels (size_t element_bytes)
{
  WeirChannelsFn fn = weir_channels_variant (WEIR_ISA_AVX512, element_bytes);
  return fn ? fn : weir_channels_variant (WEIR_ISA_C, element_bytes);
}
