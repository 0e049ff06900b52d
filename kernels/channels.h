/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Channels of channels-last pictures, picked in any order and from several pictures: what is left
 * of Concat, channel shuffles and Split in a row. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WEIR_CHANNEL_LANES 16

/* Where a channel of the result comes from. */
typedef struct WeirChannelPick {
  uint32_t src, channel;
} WeirChannelPick;

/* What one vector of source channels, side by side, gives to one vector of the result's. */
typedef struct WeirChannelLoad {
  uint32_t src, first;               /* its source, and the channel there that it begins at */
  uint32_t dst;                      /* channel of the result that the vector begins at */
  uint16_t there;                    /* bit k: the source has channel first + k */
  uint16_t lanes;                    /* bit k: it gives channel dst + k of the result, from ... */
  int32_t index[WEIR_CHANNEL_LANES]; /* ... channel first + index[k] */
  uint32_t n_left; /* loads behind it for the same vector; of each vector they stand together */
} WeirChannelLoad;

typedef struct WeirChannels {
  size_t n_channels;            /* of the result */
  const size_t *n_src;          /* channels of each source */
  const WeirChannelPick *picks; /* n_channels */
  const WeirChannelLoad *loads;
  size_t n_loads;
} WeirChannels;

/* Fills `loads`, with room for as many as picks, and returns their number. */
size_t weir_channels_find_loads (
    const WeirChannelPick *picks, size_t n_channels, const size_t *n_src, WeirChannelLoad *loads);

/* Pixels [first, first + n_pixels): pixel i of the result stands at dst + i · n_channels, of a
 * source at src[k] + i · n_src[k]. All elements are of one size. Nothing beyond these pixels is
 * read. */
typedef void (*WeirChannelsFn) (
    const WeirChannels *channels, void *dst, const void *const *src, size_t first, size_t n_pixels);

/* For this CPU and elements of 1, 2, 4 or 8 bytes; NULL for others. Variants give the same bytes.
 */
WeirChannelsFn weir_channels (size_t element_bytes);
/* Variant `isa` of kernels.h (a single bit, or plain C), NULL where this build or CPU has none. */
WeirChannelsFn weir_channels_variant (unsigned isa, size_t element_bytes);
