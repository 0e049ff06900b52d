/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cuts products of codes into chunks of rows, blocks of results and tiles. */
#include "kernels/gemm_int8.h"

#include "kernels/kernels.h"

#define LANES        16 /* sums of a vector */
#define VECTOR_BYTES 64
#define WIDEST       64     /* results of a block */
#define BLOCK_BYTES  40960  /* of weights, that stay in a first level of 48 KiB */
#define CHUNK_BYTES  131072 /* of source and results, that stay in the second level */
#define LEAST_ROWS   48     /* of a chunk */

#ifdef WEIR_HAVE_AVX512_VNNI
extern const WeirGemmInt8Kernels weir_gemm_int8_avx512_vnni[3];
#endif
#ifdef WEIR_HAVE_AMX
extern const WeirGemmInt8Kernels weir_gemm_int8_amx[3];
#endif

const WeirGemmInt8Kernels *weir_gemm_int8_kernels (unsigned isa)
{
#ifdef WEIR_HAVE_AMX
  if (isa == WEIR_ISA_AMX)
    return weir_gemm_int8_amx;
#endif
#ifdef WEIR_HAVE_AVX512_VNNI
  if (isa == WEIR_ISA_VNNI)
    return weir_gemm_int8_avx512_vnni;
#endif
  return NULL;
}

static const WeirGemmInt8Kernels *find_kernels (void)
{
  unsigned isa = weir_cpu_isa ();
  const WeirGemmInt8Kernels *amx = weir_gemm_int8_kernels (WEIR_ISA_AMX);
  if (!(isa & WEIR_ISA_VNNI))
    return NULL;
  return (isa & WEIR_ISA_AMX) && amx ? amx : weir_gemm_int8_kernels (WEIR_ISA_VNNI);
}

static size_t least_of (size_t a, size_t b)
{
  return a < b ? a : b;
}

static size_t divide_up (size_t n, size_t by)
{
  return (n + by - 1) / by;
}

/* Results of a block, and the vectors they take: a power of two, of which less than one is empty.
 */
typedef struct Block {
  size_t first, n, log_vectors;
  size_t packed; /* bytes before it */
} Block;

static size_t count_quads (const WeirGemmInt8 *shape)
{
  return divide_up (shape->n_columns, 4);
}

static size_t block_bytes (const WeirGemmInt8Plan *plan, size_t log_vectors)
{
  return (plan->shape.n_segments * count_quads (&plan->shape) + 3) * VECTOR_BYTES << log_vectors;
}

static Block block_at (const WeirGemmInt8Plan *plan, size_t i)
{
  Block block = { 0 };
  size_t widest = plan->widest == WIDEST ? 2 : 1;
  for (;; i--) {
    size_t rest = plan->shape.n_results - block.first;
    block.log_vectors = rest > 3 * LANES && widest == 2 ? 2 : rest > LANES;
    block.n = least_of (rest, LANES << block.log_vectors);
    if (i == 0)
      return block;
    block.first += block.n;
    block.packed += block_bytes (plan, block.log_vectors);
  }
}

bool weir_gemm_int8_plan (WeirGemmInt8Plan *plan, const WeirGemmInt8 *shape)
{
  *plan = (WeirGemmInt8Plan){ .shape = *shape, .kernels = find_kernels () };
  if (!plan->kernels || !shape->n_columns || !shape->n_segments || !shape->n_results)
    return false;
  plan->widest = shape->n_segments * shape->n_columns * WIDEST <= BLOCK_BYTES ? WIDEST : WIDEST / 2;
  do {
    Block last = block_at (plan, plan->n_blocks++);
    plan->packed_bytes = last.packed + block_bytes (plan, last.log_vectors);
    if (last.first + last.n == shape->n_results)
      break;
  } while (true);
  size_t n_rows = CHUNK_BYTES / (shape->n_segments * shape->n_columns + shape->n_results);
  plan->n_chunks = divide_up (shape->n_rows, n_rows > LEAST_ROWS ? n_rows : LEAST_ROWS);
  plan->n_units = plan->n_chunks * plan->n_blocks;
  return true;
}

/* --- packing: weights, then corrections for the source's zero point, scales, biases --- */

/* Of lane i of vector j: so that packing within 16 bytes puts them in order. */
static size_t result_of (Block block, size_t j, size_t i)
{
  return block.first + (i / 4 << block.log_vectors) * 4 + j * 4 + i % 4;
}

/* One lane's weights, of a result; their sum. */
static int32_t pack_lane (
    const WeirGemmInt8 *shape, int8_t *packed, size_t step, const int8_t *weights)
{
  int32_t sum = 0;
  for (size_t segment = 0; segment < shape->n_segments; segment++)
    for (size_t k = 0; k < 4 * count_quads (shape); k++) {
      int8_t weight = weights && k < shape->n_columns ? weights[segment * shape->n_columns + k] : 0;
      packed[(segment * count_quads (shape) + k / 4) * step + k % 4] = weight;
      sum += weight;
    }
  return sum;
}

static void pack_block (const WeirGemmInt8Plan *plan, int8_t *packed, const int8_t *weights,
    Block block, const WeirRequantise *codes)
{
  size_t n_all = plan->shape.n_segments * plan->shape.n_columns;
  size_t n_lanes = LANES << block.log_vectors, step = VECTOR_BYTES << block.log_vectors;
  int8_t *numbers = packed + plan->shape.n_segments * count_quads (&plan->shape) * step;
  int32_t *corrections = (int32_t *) (void *) numbers;
  float *scales = (float *) (void *) (corrections + n_lanes), *biases = scales + n_lanes;
  for (size_t i = 0; i < n_lanes; i++) {
    size_t result = result_of (block, i / LANES, i % LANES);
    bool is_empty = result >= block.first + block.n;
    const int8_t *lane = is_empty ? NULL : weights + result * n_all;
    corrections[i] = -pack_lane (&plan->shape, packed + i * 4, step, lane) * codes->src_zero;
    scales[i] = is_empty ? 0 : codes->scale[result];
    biases[i] = is_empty ? 0 : codes->bias[result];
  }
}

void weir_gemm_int8_pack (const WeirGemmInt8Plan *plan, uint8_t *packed, const int8_t *weights,
    const WeirRequantise *codes)
{
  for (size_t i = 0; i < plan->n_blocks; i++) {
    Block block = block_at (plan, i);
    pack_block (plan, (int8_t *) packed + block.packed, weights, block, codes);
  }
}

/* --- run --- */

/* Rows from `row` on. */
static void find_offsets (const WeirGemmInt8Rows *rows, size_t row, WeirGemmInt8Tile *tile)
{
  size_t x = row % rows->n_rows, line = row / rows->n_rows * rows->src_line;
  for (size_t r = 0; r < tile->n_rows; r++) {
    tile->offsets[r] = line + x * rows->src_row;
    if (++x == rows->n_rows) {
      x = 0;
      line += rows->src_line;
    }
  }
}

/* As even as can be; or all of the same number, of which the last begins within the one before. */
static void run_tiles (
    const WeirGemmInt8Kernels *kernels, const WeirGemmInt8Rows *rows, WeirGemmInt8Tile *tile)
{
  size_t n_rows = rows->n_lines * rows->n_rows, n_tiles = divide_up (n_rows, kernels->max_rows);
  uint8_t *dst = tile->dst;
  for (size_t k = 0; k < n_tiles; k++) {
    size_t row = n_rows * k / n_tiles, end = n_rows * (k + 1) / n_tiles;
    if (kernels->begin) {
      end = least_of ((k + 1) * kernels->max_rows, n_rows);
      row = end - least_of (kernels->max_rows, n_rows);
    }
    tile->n_rows = end - row;
    tile->dst = dst + row * tile->dst_row;
    find_offsets (rows, row, tile);
    kernels->run (tile);
  }
}

void weir_gemm_int8_run_block (const WeirGemmInt8Job *job, size_t i, const WeirGemmInt8Rows *rows)
{
  const WeirGemmInt8Plan *plan = job->plan;
  const WeirGemmInt8 *shape = &plan->shape;
  Block block = block_at (plan, i);
  const WeirGemmInt8Kernels *kernels = &plan->kernels[block.log_vectors];
  size_t n_rows = rows->n_lines * rows->n_rows;
  WeirGemmInt8Tile tile = { .src = rows->src,
    .dst = rows->dst + block.first,
    .src_segment = rows->src_segment,
    .dst_row = shape->n_results,
    .n_segments = shape->n_segments,
    .n_quads = count_quads (shape),
    .n_results = block.n,
    .weights = job->packed + block.packed,
    .low = job->codes.low,
    .high = job->codes.high,
    .flip = job->codes.flip };
  if (n_rows == 0)
    return;
  if (kernels->begin)
    kernels->begin (least_of (kernels->max_rows, n_rows), tile.n_quads);
  run_tiles (kernels, rows, &tile);
  if (kernels->end)
    kernels->end ();
}

static void run_unit (const WeirGemmInt8Job *job, size_t i)
{
  const WeirGemmInt8Plan *plan = job->plan;
  size_t chunk = i / plan->n_blocks, n_rows = plan->shape.n_rows;
  size_t begin = n_rows * chunk / plan->n_chunks, end = n_rows * (chunk + 1) / plan->n_chunks;
  WeirGemmInt8Rows rows = { .src = job->src + begin * plan->shape.n_columns,
    .dst = job->dst + begin * plan->shape.n_results,
    .src_row = plan->shape.n_columns,
    .n_rows = end - begin,
    .n_lines = 1 };
  weir_gemm_int8_run_block (job, i % plan->n_blocks, &rows);
}

void weir_gemm_int8_run (const WeirGemmInt8Job *job, size_t begin, size_t end)
{
  for (size_t i = begin; i < end; i++)
    run_unit (job, i);
}
