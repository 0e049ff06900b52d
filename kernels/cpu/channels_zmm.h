/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Picked channels with AVX-512, compiled once per size of the elements: a vector of the result is
 * one, two or more vectors of the sources, each permuted into its lanes of 32 bits. Vector by vector
 * over blocks of pixels that stay in the first-level cache, so that masks and permutations are read
 * once.
 *
 * Including files define CHANNELS, the function's name; Element; load_some (p, mask), whose vector
 * has an element in each lane; and store_some (p, v, mask). */
#include "kernels/channels.h"

#include <immintrin.h>

#define BLOCK 32 /* pixels */

static inline __m512i take (const WeirChannelLoad *load, __m512i before, const Element *src)
{
  __m512i values = load_some (src, load->there);
  return _mm512_mask_permutexvar_epi32 (
      before, load->lanes, _mm512_loadu_si512 (load->index), values);
}

static __mmask16 stored (const WeirChannels *channels, const WeirChannelLoad *load)
{
  size_t n = channels->n_channels - load->dst;
  return (__mmask16) (n < WEIR_CHANNEL_LANES ? (1u << n) - 1u : 0xffffu);
}

/* Of one load. */
static void copy_one (const WeirChannelLoad *load, __mmask16 mask, Element *dst, size_t step,
    const Element *src, size_t src_step, size_t n)
{
  for (size_t i = 0; i < n; i++, dst += step, src += src_step)
    store_some (dst, take (load, _mm512_setzero_si512 (), src), mask);
}

static void copy_two (const WeirChannelLoad *loads, __mmask16 mask, Element *dst, size_t step,
    const Element *a, size_t a_step, const Element *b, size_t b_step, size_t n)
{
  for (size_t i = 0; i < n; i++, dst += step, a += a_step, b += b_step) {
    __m512i values = take (&loads[0], _mm512_setzero_si512 (), a);
    store_some (dst, take (&loads[1], values, b), mask);
  }
}

static const Element *source (
    const WeirChannels *channels, const WeirChannelLoad *load, const void *const *src, size_t pixel)
{
  return (const Element *) src[load->src] + pixel * channels->n_src[load->src] + load->first;
}

static void copy_many (const WeirChannels *channels, const WeirChannelLoad *loads, Element *dst,
    const void *const *src, size_t pixel, size_t n)
{
  __mmask16 mask = stored (channels, loads);
  for (size_t i = 0; i < n; i++, dst += channels->n_channels) {
    __m512i values = _mm512_setzero_si512 ();
    for (size_t k = 0; k <= loads->n_left; k++)
      values = take (&loads[k], values, source (channels, &loads[k], src, pixel + i));
    store_some (dst, values, mask);
  }
}

void CHANNELS (
    const WeirChannels *channels, void *dst, const void *const *src, size_t first, size_t n_pixels);
void CHANNELS (
    const WeirChannels *channels, void *dst, const void *const *src, size_t first, size_t n_pixels)
{
  size_t end = first + n_pixels;
  for (size_t pixel = first; pixel < end; pixel += BLOCK) {
    size_t n = end - pixel < BLOCK ? end - pixel : BLOCK;
    for (size_t i = 0; i < channels->n_loads; i += channels->loads[i].n_left + 1) {
      const WeirChannelLoad *loads = &channels->loads[i];
      Element *to = (Element *) dst + pixel * channels->n_channels + loads->dst;
      __mmask16 mask = stored (channels, loads);
      if (loads->n_left == 0)
        copy_one (loads, mask, to, channels->n_channels, source (channels, loads, src, pixel),
            channels->n_src[loads->src], n);
      else if (loads->n_left == 1)
        copy_two (loads, mask, to, channels->n_channels, source (channels, loads, src, pixel),
            channels->n_src[loads->src], source (channels, loads + 1, src, pixel),
            channels->n_src[loads[1].src], n);
      else
        copy_many (channels, loads, to, src, pixel, n);
    }
  }
}
