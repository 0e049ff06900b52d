/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cuts a depthwise convolution into units, and runs them on the variant for this CPU. */
#include "kernels/depthwise.h"

#include "kernels/kernels.h"

#include <string.h>

#define MAX_RING_ROWS (2 * WEIR_DEPTHWISE_MAX_EXTENT)
#define GROUP_BLOCKS  4 /* read together, 8 of bf16: 256 bytes of a pixel with AVX-512 */
#define WINDOW_BYTES \
  24576 /* source under two rows of results, in a first level of 32 KiB or more */
#define BAND_BYTES   393216 /* source and results of all groups, in the second level */
#define LEAST_BANDS  4      /* for as many threads */
#define POST_FLOATS  1024   /* at once */

#define LANES_AVX2   8
#define LANES_AVX512 16

#ifdef WEIR_HAVE_AVX2
WeirDepthwiseFn weir_depthwise_avx2 (const WeirDepthwise *shape, size_t *per_vector);
static const WeirDepthwiseKernels avx2 = { LANES_AVX2, weir_depthwise_avx2, NULL, NULL, NULL };
#endif
#ifdef WEIR_HAVE_AVX512
WeirDepthwiseFn weir_depthwise_avx512 (const WeirDepthwise *shape, size_t *per_vector);
WeirDepthwiseFn weir_depthwise_avx512_bf16 (const WeirDepthwise *shape, size_t *per_vector);
WeirDepthwiseFn weir_depthwise_avx512_to_bf16 (const WeirDepthwise *shape, size_t *per_vector);
static const WeirDepthwiseKernels avx512 = { LANES_AVX512, weir_depthwise_avx512,
  weir_depthwise_avx512_bf16, weir_depthwise_avx512_to_bf16, NULL };
#endif
#ifdef WEIR_HAVE_AVX512_BF16
WeirDepthwiseFn weir_depthwise_row_pairs_avx512_bf16 (
    const WeirDepthwise *shape, size_t *per_vector);
static const WeirDepthwiseKernels avx512_bf16 = { LANES_AVX512, weir_depthwise_avx512,
  weir_depthwise_avx512_bf16, weir_depthwise_avx512_to_bf16, weir_depthwise_row_pairs_avx512_bf16 };
#endif

const WeirDepthwiseKernels *weir_depthwise_variant (unsigned isa)
{
#ifdef WEIR_HAVE_AVX512_BF16
  if (isa == WEIR_ISA_BF16 && (weir_cpu_isa () & isa))
    return &avx512_bf16;
#endif
#ifdef WEIR_HAVE_AVX512
  if (isa == WEIR_ISA_AVX512 && (weir_cpu_isa () & isa))
    return &avx512;
#endif
#ifdef WEIR_HAVE_AVX2
  if (isa == WEIR_ISA_AVX2 && (weir_cpu_isa () & isa))
    return &avx2;
#endif
  return NULL;
}

const WeirDepthwiseKernels *weir_depthwise_kernels (void)
{
  static const unsigned best_first[] = { WEIR_ISA_BF16, WEIR_ISA_AVX512, WEIR_ISA_AVX2 };
  const WeirDepthwiseKernels *kernels = NULL;
  for (size_t i = 0; !kernels && i < sizeof best_first / sizeof *best_first; i++)
    kernels = weir_depthwise_variant (best_first[i]);
  return kernels;
}

/* --- plan --- */

static size_t least_of (size_t a, size_t b)
{
  return a < b ? a : b;
}

static size_t element_bytes (bool is_bf16)
{
  return is_bf16 ? sizeof (uint16_t) : sizeof (float);
}

static size_t divide_up (size_t n, size_t by)
{
  return (n + by - 1) / by;
}

static size_t extent_y (const WeirDepthwise *shape)
{
  return (shape->kernel_height - 1) * shape->dilation_y + 1;
}

static size_t extent_x (const WeirDepthwise *shape)
{
  return (shape->kernel_width - 1) * shape->dilation_x + 1;
}

/* Source rows, columns under so many results. */
static size_t rows_under (const WeirDepthwise *shape, size_t n)
{
  return (n - 1) * shape->stride_y + extent_y (shape);
}

static size_t columns_under (const WeirDepthwise *shape, size_t n)
{
  return (n - 1) * shape->stride_x + extent_x (shape);
}

static bool is_within (size_t kernel, size_t dilation, size_t stride)
{
  return kernel >= 1 && kernel <= WEIR_DEPTHWISE_MAX_EXTENT && dilation >= 1 &&
         dilation <= WEIR_DEPTHWISE_MAX_EXTENT &&
         (kernel - 1) * dilation < WEIR_DEPTHWISE_MAX_EXTENT && stride >= 1 &&
         stride <= WEIR_DEPTHWISE_MAX_EXTENT;
}

/* Columns, as even as can be, of which the source under two rows stays in the first level. */
static void choose_columns (WeirDepthwisePlan *plan)
{
  const WeirDepthwise *shape = &plan->shape;
  size_t line_bytes = plan->group_channels * element_bytes (plan->reads_src && shape->src_is_bf16);
  size_t limit = WINDOW_BYTES / (rows_under (shape, 2) * line_bytes), n = 4;
  if (limit > columns_under (shape, n))
    n = (limit - extent_x (shape)) / shape->stride_x + 1;
  n = least_of (n, shape->dst_width);
  n = divide_up (shape->dst_width, divide_up (shape->dst_width, n));
  plan->chunk_columns = (n + 3) & ~(size_t) 3;
  plan->n_chunks = divide_up (shape->dst_width, plan->chunk_columns);
}

/* Of pairs of rows. */
static void choose_rows (WeirDepthwisePlan *plan)
{
  const WeirDepthwise *shape = &plan->shape;
  size_t line_bytes =
      (shape->src_width * shape->stride_y * element_bytes (plan->reads_src && shape->src_is_bf16) +
          shape->dst_width * element_bytes (plan->writes_dst && shape->dst_is_bf16)) *
      shape->n_channels;
  size_t most = divide_up (shape->dst_height, 2 * LEAST_BANDS);
  plan->band_rows = 2 * least_of (BAND_BYTES / (2 * line_bytes) + 2, most);
  plan->n_bands = divide_up (shape->dst_height, plan->band_rows);
}

/* Sources that are not read as they are: the ring; results that are not written as they are: two
 * rows, and three buffers. */
static void choose_scratch (WeirDepthwisePlan *plan)
{
  const WeirDepthwise *shape = &plan->shape;
  size_t result_floats = plan->chunk_columns * plan->group_channels;
  if (!plan->reads_src) {
    plan->ring_rows = rows_under (shape, 2);
    plan->row_floats = columns_under (shape, plan->chunk_columns) * plan->group_channels;
  }
  plan->scratch_bytes =
      (plan->ring_rows * plan->row_floats + 2 * result_floats + 3 * POST_FLOATS) * sizeof (float);
}

/* Vectors of rounded weights and the bias. */
static size_t count_rounded (const WeirDepthwise *shape)
{
  return weir_depthwise_row_begins (shape->stride_y) *
             weir_depthwise_row_pairs (shape->kernel_height) * shape->kernel_width +
         1;
}

/* Post-ops are for rows of f32. */
static void choose_kernel (WeirDepthwisePlan *plan)
{
  const WeirDepthwise *shape = &plan->shape;
  const WeirDepthwiseKernels *kernels = plan->kernels;
  WeirDepthwiseFind narrow = shape->src_is_bf16 ? kernels->from_bf16 : kernels->only_to_bf16;
  bool is_narrow = narrow && shape->dst_is_bf16 && shape->n_posts == 0;
  plan->reads_src = is_narrow || !shape->src_is_bf16;
  plan->writes_dst = is_narrow || (!shape->dst_is_bf16 && shape->n_posts == 0);
  plan->block_vectors = shape->kernel_height * shape->kernel_width + 1;
  if (is_narrow && shape->src_is_bf16 && kernels->row_pairs)
    plan->fn = kernels->row_pairs (shape, &plan->per_vector);
  plan->rounds_weights = plan->fn != NULL;
  if (plan->fn)
    plan->block_vectors = count_rounded (shape);
  else
    plan->fn = (is_narrow ? narrow : kernels->find) (shape, &plan->per_vector);
}

bool weir_depthwise_plan (
    WeirDepthwisePlan *plan, const WeirDepthwise *shape, const WeirDepthwiseKernels *kernels)
{
  if (!is_within (shape->kernel_height, shape->dilation_y, shape->stride_y) ||
      !is_within (shape->kernel_width, shape->dilation_x, shape->stride_x))
    return false;
  size_t lanes = kernels->n_lanes, n_blocks = divide_up (shape->n_channels, lanes), most;
  *plan =
      (WeirDepthwisePlan){ .shape = *shape, .kernels = kernels, .rows = weir_tensor_kernels () };
  choose_kernel (plan);
  most = plan->reads_src && shape->src_is_bf16 ? 2 * GROUP_BLOCKS : GROUP_BLOCKS;
  plan->group_channels = lanes * divide_up (n_blocks, divide_up (n_blocks, most));
  plan->n_groups = divide_up (shape->n_channels, plan->group_channels);
  plan->n_weight_floats = n_blocks * plan->block_vectors * lanes;
  choose_columns (plan);
  choose_rows (plan);
  choose_scratch (plan);
  plan->n_units = shape->n_items * plan->n_bands * plan->n_chunks * plan->n_groups;
  return true;
}

/* Of a block: the last one of a group overlaps that before it rather than be filled in part. */
static size_t first_channel (const WeirDepthwisePlan *plan, size_t block)
{
  size_t lanes = plan->kernels->n_lanes, c = block * lanes;
  size_t group = c / plan->group_channels * plan->group_channels;
  size_t n = least_of (plan->group_channels, plan->shape.n_channels - group);
  return n < lanes ? c : least_of (c, group + n - lanes);
}

/* The taps of a channel, `lane` of a block. */
static void pack_taps (
    const WeirDepthwisePlan *plan, float *block, size_t lane, const float *weights)
{
  size_t n_taps = plan->shape.kernel_height * plan->shape.kernel_width;
  for (size_t tap = 0; tap < n_taps; tap++)
    block[tap * plan->kernels->n_lanes + lane] = weights[tap];
}

/* The same, rounded, in the form of depthwise.h. */
static void pack_row_pairs (
    const WeirDepthwisePlan *plan, float *block, size_t lane, const float *weights)
{
  size_t height = plan->shape.kernel_height, width = plan->shape.kernel_width;
  size_t n_rows = 2 * weir_depthwise_row_pairs (height);
  size_t n_begins = weir_depthwise_row_begins (plan->shape.stride_y);
  for (size_t begin = 0; begin < n_begins; begin++)
    for (size_t i = 0; i < n_rows * width; i++) {
      size_t row = i / width, ky = row - begin;
      size_t at = ((begin * n_rows + row) / 2 * width + i % width) * plan->kernels->n_lanes + lane;
      if (row >= begin && ky < height)
        plan->rows->bf16_from_f32 (
            (uint16_t *) (block + at) + row % 2, &weights[ky * width + i % width], 1);
    }
}

void weir_depthwise_pack_weights (
    const WeirDepthwisePlan *plan, float *packed, const float *weights, const float *bias)
{
  size_t n_taps = plan->shape.kernel_height * plan->shape.kernel_width;
  size_t lanes = plan->kernels->n_lanes;
  memset (packed, 0, plan->n_weight_floats * sizeof *packed);
  for (size_t block = 0; block * lanes < plan->shape.n_channels; block++) {
    float *to = packed + block * plan->block_vectors * lanes;
    size_t first = first_channel (plan, block), n = plan->shape.n_channels - first;
    for (size_t lane = 0; lane < least_of (n * plan->per_vector, lanes); lane++) {
      size_t c = first + lane % n;
      (plan->rounds_weights ? pack_row_pairs : pack_taps) (plan, to, lane, weights + c * n_taps);
      to[(plan->block_vectors - 1) * lanes + lane] = bias ? bias[c] : 0.0f;
    }
  }
}

/* --- run --- */

typedef struct Unit {
  const WeirDepthwiseJob *job;
  size_t item, channel;
  size_t column, n_columns; /* of the source, that it reads */
  WeirDepthwiseTask task;
  float *ring, *results, *buffers[2], *added;
  ptrdiff_t next; /* source row to widen next */
} Unit;

static void place_columns (Unit *unit)
{
  const WeirDepthwise *shape = unit->task.shape;
  size_t n = columns_under (shape, unit->task.x_end - unit->task.x_begin);
  size_t begin = unit->task.x_begin * shape->stride_x, end = begin + n;
  size_t limit = shape->src_width + shape->pad_x;
  unit->column = begin < shape->pad_x ? 0 : least_of (begin, limit) - shape->pad_x;
  end = end < shape->pad_x ? 0 : least_of (end, limit) - shape->pad_x;
  unit->n_columns = end > unit->column ? end - unit->column : 0;
}

/* i: of a group of channels of a chunk of columns. */
static Unit unit_at (const WeirDepthwiseJob *job, float *scratch, size_t item, size_t i)
{
  const WeirDepthwisePlan *plan = job->plan;
  const WeirDepthwise *shape = &plan->shape;
  size_t group = i % plan->n_groups, chunk = i / plan->n_groups;
  Unit unit = { .job = job,
    .item = item,
    .channel = group * plan->group_channels,
    .task = { .shape = shape, .x_begin = chunk * plan->chunk_columns },
    .ring = scratch };
  WeirDepthwiseTask *task = &unit.task;
  task->x_end = least_of (task->x_begin + plan->chunk_columns, shape->dst_width);
  task->n_channels = least_of (plan->group_channels, shape->n_channels - unit.channel);
  task->apart = plan->reads_src ? shape->n_channels : task->n_channels;
  task->dst_apart = plan->writes_dst ? shape->n_channels : task->n_channels;
  task->dst_row = plan->writes_dst ? shape->dst_width * shape->n_channels
                                   : plan->chunk_columns * plan->group_channels;
  task->weights = job->weights + unit.channel * plan->block_vectors;
  unit.results = unit.ring + plan->ring_rows * plan->row_floats;
  unit.buffers[0] = unit.results + 2 * plan->chunk_columns * plan->group_channels;
  unit.buffers[1] = unit.buffers[0] + POST_FLOATS;
  unit.added = unit.buffers[1] + POST_FLOATS;
  place_columns (&unit);
  return unit;
}

/* The address of column 0 of source row y, widened if the kernel cannot read it. */
static const void *source_row (Unit *unit, size_t y)
{
  const WeirDepthwisePlan *plan = unit->job->plan;
  const WeirDepthwise *shape = &plan->shape;
  size_t n = unit->task.n_channels;
  size_t row = unit->job->src_rows ? y % unit->job->src_rows : unit->item * shape->src_height + y;
  size_t at = row * shape->src_width * shape->n_channels + unit->channel;
  if (plan->reads_src)
    return (const char *) unit->job->src + at * element_bytes (shape->src_is_bf16);
  float *wide = unit->ring + y % plan->ring_rows * plan->row_floats;
  const uint16_t *src = (const uint16_t *) unit->job->src + at + unit->column * shape->n_channels;
  if ((ptrdiff_t) y >= unit->next) {
    unit->next = (ptrdiff_t) y + 1;
    if (n == shape->n_channels)
      plan->rows->f32_from_bf16 (wide, src, unit->n_columns * n);
    else
      for (size_t x = 0; x < unit->n_columns; x++)
        plan->rows->f32_from_bf16 (wide + x * n, src + x * shape->n_channels, n);
  }
  return wide - unit->column * n;
}

/* n channels of so many pixels, that lie in a picture of the results' size from element `at` on,
 * one after the other, as f32. */
static const float *load_added (
    const Unit *unit, const void *picture, size_t at, size_t n, size_t n_pixels)
{
  const WeirDepthwise *shape = unit->task.shape;
  for (size_t x = 0; x < n_pixels; x++, at += shape->n_channels)
    if (shape->dst_is_bf16)
      unit->job->plan->rows->f32_from_bf16 (
          unit->added + x * n, (const uint16_t *) picture + at, n);
    else
      memcpy (unit->added + x * n, (const float *) picture + at, n * sizeof (float));
  return unit->added;
}

static void store_bf16 (const Unit *unit, const float *values, size_t at, size_t n, size_t n_pixels)
{
  for (size_t x = 0; x < n_pixels; x++, at += unit->task.shape->n_channels)
    unit->job->plan->rows->bf16_from_f32 ((uint16_t *) unit->job->dst + at, values + x * n, n);
}

/* The last post-op, of f32 results: pixel by pixel where other channels lie between them. */
static void store_post (
    const Unit *unit, size_t i, const float *values, size_t at, size_t n, size_t n_pixels)
{
  const WeirDepthwise *shape = unit->task.shape;
  const WeirDepthwisePost *post = &shape->posts[i];
  if (n == shape->n_channels) {
    n *= n_pixels;
    n_pixels = 1;
  }
  for (size_t x = 0; x < n_pixels; x++, values += n, at += shape->n_channels) {
    float *dst = (float *) unit->job->dst + at;
    if (post->fn)
      post->fn (dst, values, n, post->alpha, post->beta);
    else
      unit->job->plan->rows->binary[WEIR_BINARY_ADD](
          dst, values, 1, (const float *) unit->job->added[i] + at, 1, n);
  }
}

/* Post-ops and storing of pixels whose first one is element `at` of the results. */
static void finish_pixels (const Unit *unit, const float *values, size_t at, size_t n_pixels)
{
  const WeirDepthwise *shape = unit->task.shape;
  size_t n_channels = unit->task.n_channels, n = n_pixels * n_channels;
  size_t n_buffered = shape->n_posts - !shape->dst_is_bf16;
  for (size_t i = 0; i < n_buffered; i++) {
    const WeirDepthwisePost *post = &shape->posts[i];
    float *to = unit->buffers[i & 1];
    if (post->fn)
      post->fn (to, values, n, post->alpha, post->beta);
    else
      unit->job->plan->rows->binary[WEIR_BINARY_ADD](
          to, values, 1, load_added (unit, unit->job->added[i], at, n_channels, n_pixels), 1, n);
    values = to;
  }
  if (shape->dst_is_bf16)
    store_bf16 (unit, values, at, n_channels, n_pixels);
  else
    store_post (unit, n_buffered, values, at, n_channels, n_pixels);
}

static void finish_row (const Unit *unit, const float *row, size_t y)
{
  const WeirDepthwise *shape = unit->task.shape;
  size_t n_channels = unit->task.n_channels, n_at_once = POST_FLOATS / n_channels;
  for (size_t x = unit->task.x_begin; x < unit->task.x_end; x += n_at_once) {
    size_t n = least_of (n_at_once, unit->task.x_end - x);
    size_t pixel = (unit->item * shape->dst_height + y) * shape->dst_width + x;
    finish_pixels (unit, row + (x - unit->task.x_begin) * n_channels,
        pixel * shape->n_channels + unit->channel, n);
  }
}

/* Results of one or two rows from y on. */
static void run_pair (Unit *unit, size_t y)
{
  const WeirDepthwise *shape = unit->task.shape;
  bool writes_dst = unit->job->plan->writes_dst;
  size_t row = unit->job->dst_rows ? y % unit->job->dst_rows : unit->item * shape->dst_height + y;
  const void *rows[MAX_RING_ROWS];
  size_t top = y * shape->stride_y, n_rows = rows_under (shape, unit->task.n_rows);
  size_t pixel = row * shape->dst_width + unit->task.x_begin;
  for (size_t i = 0; i < n_rows; i++)
    rows[i] = top + i < shape->pad_y || top + i - shape->pad_y >= shape->src_height
                  ? NULL
                  : source_row (unit, top + i - shape->pad_y);
  unit->task.rows = rows;
  size_t at = (pixel * shape->n_channels + unit->channel) * element_bytes (shape->dst_is_bf16);
  unit->task.dst = writes_dst ? (char *) unit->job->dst + at : (char *) unit->results;
  unit->job->plan->fn (&unit->task);
  for (size_t r = 0; r < unit->task.n_rows && !writes_dst; r++)
    finish_row (unit, unit->results + r * unit->task.dst_row, y + r);
}

static void run_unit (Unit *unit, size_t y_begin, size_t y_end)
{
  for (size_t y = y_begin; y < y_end; y += 2) {
    unit->task.n_rows = least_of (2, y_end - y);
    run_pair (unit, y);
  }
}

void weir_depthwise_run (const WeirDepthwiseJob *job, void *scratch, size_t begin, size_t end)
{
  const WeirDepthwisePlan *plan = job->plan;
  size_t n = plan->n_groups * plan->n_chunks;
  for (size_t i = begin; i < end; i++) {
    Unit unit = unit_at (job, scratch, i / n / plan->n_bands, i % n);
    size_t y = i / n % plan->n_bands * plan->band_rows;
    run_unit (&unit, y, least_of (y + plan->band_rows, plan->shape.dst_height));
  }
}

void weir_depthwise_run_rows (
    const WeirDepthwiseJob *job, void *scratch, size_t item, size_t y_begin, size_t y_end)
{
  for (size_t i = 0; i < job->plan->n_groups * job->plan->n_chunks; i++) {
    Unit unit = unit_at (job, scratch, item, i);
    run_unit (&unit, y_begin, y_end);
  }
}
