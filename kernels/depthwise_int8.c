/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cuts a depthwise convolution of codes into blocks of channels and strips of rows. */
#include "kernels/depthwise_int8.h"

#include "kernels/kernels.h"

#include <string.h>

#define LANES        64
#define LEAST        16 /* channels of the smallest block */
#define VECTORS      4  /* of 16 sums, that LANES codes become */
#define CHUNK_STRIPS 4  /* at once, of all channels: their source stays in the cache */

#ifdef WEIR_HAVE_AVX512_VNNI
extern const WeirDepthwiseInt8Kernels weir_depthwise_int8_avx512_vnni[4];
#endif

static size_t divide_up (size_t n, size_t by)
{
  return (n + by - 1) / by;
}

static const WeirDepthwiseInt8Kernels *find_kernels (const WeirDepthwiseInt8 *shape)
{
#ifdef WEIR_HAVE_AVX512_VNNI
  for (size_t i = 0; i < 4 && (weir_cpu_isa () & WEIR_ISA_VNNI); i++) {
    const WeirDepthwiseInt8Kernels *kernels = &weir_depthwise_int8_avx512_vnni[i];
    if (kernels->kernel == shape->kernel && kernels->stride == shape->stride)
      return kernels;
  }
#endif
  return NULL;
}

/* Channels of a block. All have LANES but for the last ones, of LANES / 2 and LEAST, or where no
 * whole block of LEAST is left one that overlaps that before it. */
typedef struct Block {
  size_t first, n;
} Block;

static Block block_at (size_t n_channels, size_t i)
{
  size_t n_whole = n_channels / LANES, first = n_whole * LANES;
  if (i < n_whole)
    return (Block){ i * LANES, LANES };
  i -= n_whole;
  if (n_channels - first >= LANES / 2) {
    if (i == 0)
      return (Block){ first, LANES / 2 };
    first += LANES / 2;
    i--;
  }
  first += i * LEAST;
  return (Block){ first + LEAST <= n_channels ? first : n_channels - LEAST, LEAST };
}

static size_t count_blocks (size_t n_channels)
{
  size_t rest = n_channels % LANES;
  return n_channels / LANES + (rest >= LANES / 2) + divide_up (rest % (LANES / 2), LEAST);
}

static size_t count_source_rows (const WeirDepthwiseInt8Plan *plan)
{
  return (plan->kernels->n_rows - 1) * plan->shape.stride + plan->shape.kernel;
}

static size_t count_vectors (const WeirDepthwiseInt8Plan *plan)
{
  size_t n_groups = divide_up (count_source_rows (plan), 4);
  return plan->shape.kernel * n_groups * plan->kernels->n_rows * VECTORS;
}

static size_t count_strips (const WeirDepthwiseInt8Plan *plan)
{
  return divide_up (plan->shape.dst_height, plan->kernels->n_rows);
}

bool weir_depthwise_int8_plan (WeirDepthwiseInt8Plan *plan, const WeirDepthwiseInt8 *shape)
{
  *plan = (WeirDepthwiseInt8Plan){ .shape = *shape, .kernels = find_kernels (shape) };
  if (!plan->kernels || shape->n_channels < LEAST)
    return false;
  plan->n_blocks = count_blocks (shape->n_channels);
  plan->n_chunks = divide_up (count_strips (plan), CHUNK_STRIPS);
  plan->n_units = shape->n_items * plan->n_chunks * plan->n_blocks;
  plan->block_bytes = (count_vectors (plan) + 3 * VECTORS) * LANES;
  /* and a row of zero points */
  plan->packed_bytes =
      plan->n_blocks * plan->block_bytes + shape->src_width * shape->n_channels + LANES;
  return true;
}

/* --- packing: taps, then corrections for the source's zero point, scales, biases --- */

/* Channel of lane i of vector j: as bytes are interleaved and packed within 16 of them. */
static size_t channel_of (Block block, size_t j, size_t i)
{
  return block.first + (i / 4 * 16 + j * 4 + i % 4) % block.n;
}

static void pack_taps (
    const WeirDepthwiseInt8Plan *plan, int8_t *packed, const int8_t *weights, Block block)
{
  size_t k = plan->shape.kernel, n_rows = plan->kernels->n_rows;
  size_t n_groups = divide_up (count_source_rows (plan), 4);
  for (size_t kx = 0; kx < k; kx++)
    for (size_t group = 0; group < n_groups; group++)
      for (size_t row = 0; row < n_rows; row++)
        for (size_t i = 0; i < VECTORS * LANES; i++, packed++) {
          size_t source = group * 4 + i % 4, c = channel_of (block, i / LANES, i % LANES / 4);
          size_t ky = source - row * plan->shape.stride;
          *packed = ky < k ? weights[(c * k + ky) * k + kx] : 0;
        }
}

static void pack_codes (const WeirDepthwiseInt8Plan *plan, uint8_t *packed, const int8_t *weights,
    Block block, const WeirRequantise *codes)
{
  size_t n_taps = plan->shape.kernel * plan->shape.kernel;
  int32_t *corrections = (int32_t *) (void *) packed;
  float *scales = (float *) (void *) (packed + VECTORS * LANES);
  float *biases = (float *) (void *) (packed + 2 * VECTORS * LANES);
  for (size_t i = 0; i < VECTORS * LANES / 4; i++) {
    size_t c = channel_of (block, i / (LANES / 4), i % (LANES / 4));
    int32_t sum = 0;
    for (size_t tap = 0; tap < n_taps; tap++)
      sum += weights[c * n_taps + tap];
    corrections[i] = -sum * codes->src_zero;
    scales[i] = codes->scale[c];
    biases[i] = codes->bias[c];
  }
}

void weir_depthwise_int8_pack (const WeirDepthwiseInt8Plan *plan, uint8_t *packed,
    const int8_t *weights, const WeirRequantise *codes)
{
  for (size_t i = 0; i < plan->n_blocks; i++, packed += plan->block_bytes) {
    Block block = block_at (plan->shape.n_channels, i);
    pack_taps (plan, (int8_t *) packed, weights, block);
    pack_codes (plan, packed + count_vectors (plan) * LANES, weights, block, codes);
  }
  memset (packed, codes->src_zero, plan->shape.src_width * plan->shape.n_channels + LANES);
}

/* --- run --- */

/* The rows of a strip; of the last one where there are no more, which then is computed twice. */
static void place_strip (const WeirDepthwiseInt8Job *job, WeirDepthwiseInt8Task *task, size_t band,
    size_t item, size_t strip, size_t channel)
{
  const WeirDepthwiseInt8Plan *plan = job->plan;
  const WeirDepthwiseInt8 *shape = &plan->shape;
  const uint8_t *zeros = job->packed + plan->n_blocks * plan->block_bytes;
  size_t last = count_strips (plan) - 1, y = (strip < last ? strip : last) * plan->kernels->n_rows;
  size_t src_row = shape->src_width * shape->n_channels;
  size_t dst_row = shape->dst_width * shape->n_channels;
  for (size_t i = 0; i < count_source_rows (plan); i++) {
    size_t at = y * shape->stride + i - shape->pad_y; /* beyond the height where it is before */
    task->outside[band][i] = zeros;
    task->rows[band][i] = at < shape->src_height
                              ? job->src + (item * shape->src_height + at) * src_row + channel
                              : zeros;
  }
  for (size_t i = 0; i < plan->kernels->n_rows; i++) {
    size_t at = y + i < shape->dst_height ? y + i : y;
    task->dst[band][i] = job->dst + (item * shape->dst_height + at) * dst_row + channel;
  }
}

static void run_unit (const WeirDepthwiseInt8Job *job, size_t i)
{
  const WeirDepthwiseInt8Plan *plan = job->plan;
  size_t item = i / plan->n_blocks / plan->n_chunks;
  size_t first = i / plan->n_blocks % plan->n_chunks * CHUNK_STRIPS;
  Block block = block_at (plan->shape.n_channels, i % plan->n_blocks);
  size_t n_bands = LANES / block.n, n_strips = count_strips (plan) - first;
  WeirDepthwiseInt8Task task = { .shape = &plan->shape,
    .weights = job->packed + i % plan->n_blocks * plan->block_bytes,
    .codes = job->codes };
  for (size_t strip = 0; strip < n_strips && strip < CHUNK_STRIPS; strip += n_bands) {
    for (size_t band = 0; band < n_bands; band++)
      place_strip (job, &task, band, item, first + strip + band, block.first);
    plan->kernels->by_bands[n_bands / 2](&task);
  }
}

void weir_depthwise_int8_run (const WeirDepthwiseInt8Job *job, size_t begin, size_t end)
{
  for (size_t i = begin; i < end; i++)
    run_unit (job, i);
}
