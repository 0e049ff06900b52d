/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cuts a convolution of codes into bands of rows, whose source is copied between zero points. The
 * only band there is is cut by results. */
#include "kernels/convolution_int8.h"

#include <string.h>

#define BAND_BYTES  131072 /* of copied source: in the second level, with the weights */
#define LEAST_BANDS 4      /* for as many threads, where there are rows enough */
#define LEAST_ROWS  4      /* of a band: the rows between two bands are copied twice */
#define SLACK       4      /* bytes that are read behind the last window */

static size_t divide_up (size_t n, size_t by)
{
  return (n + by - 1) / by;
}

static bool is_within (size_t n)
{
  return n >= 1 && n <= WEIR_CONVOLUTION_INT8_MAX_EXTENT;
}

/* Source rows under so many rows of results. */
static size_t rows_under (const WeirConvolutionInt8 *shape, size_t n)
{
  return (n - 1) * shape->stride_y + shape->kernel_height;
}

bool weir_convolution_int8_plan (WeirConvolutionInt8Plan *plan, const WeirConvolutionInt8 *shape)
{
  WeirGemmInt8 gemm = { .n_segments = shape->kernel_height,
    .n_columns = shape->kernel_width * shape->n_channels,
    .n_results = shape->n_results };
  if (!is_within (shape->kernel_height) || !is_within (shape->kernel_width) ||
      !is_within (shape->stride_y) || !is_within (shape->stride_x) ||
      shape->pad_y >= shape->kernel_height || shape->pad_x >= shape->kernel_width)
    return false;
  *plan = (WeirConvolutionInt8Plan){ .shape = *shape };
  if (!weir_gemm_int8_plan (&plan->gemm, &gemm))
    return false;
  size_t n_columns = (shape->dst_width - 1) * shape->stride_x + shape->kernel_width;
  plan->row_bytes = n_columns * shape->n_channels;
  size_t n_source = BAND_BYTES / plan->row_bytes, n_rows = LEAST_ROWS;
  if (n_source > rows_under (shape, n_rows))
    n_rows = (n_source - shape->kernel_height) / shape->stride_y + 1;
  size_t most = divide_up (shape->dst_height, LEAST_BANDS);
  most = most > LEAST_ROWS ? most : LEAST_ROWS;
  plan->n_bands = divide_up (shape->dst_height, n_rows < most ? n_rows : most);
  plan->band_rows = divide_up (shape->dst_height, plan->n_bands);
  plan->n_groups = shape->n_items * plan->n_bands > 1 || plan->gemm.n_blocks == 1 ? 1 : 2;
  plan->n_units = shape->n_items * plan->n_bands * plan->n_groups;
  plan->scratch_bytes = rows_under (shape, plan->band_rows) * plan->row_bytes + SLACK;
  return true;
}

/* Source row y - pad_y between zero points. */
static void copy_row (const WeirConvolutionInt8Job *job, uint8_t *dst, size_t item, size_t y)
{
  const WeirConvolutionInt8 *shape = &job->plan->shape;
  size_t n_all = job->plan->row_bytes, pad = shape->pad_x * shape->n_channels;
  size_t row = shape->src_width * shape->n_channels, n = pad + row < n_all ? row : n_all - pad;
  if (y < shape->pad_y || y - shape->pad_y >= shape->src_height) {
    memset (dst, job->codes.src_zero, n_all);
    return;
  }
  memset (dst, job->codes.src_zero, pad);
  memcpy (dst + pad, job->src + (item * shape->src_height + y - shape->pad_y) * row, n);
  memset (dst + pad + n, job->codes.src_zero, n_all - pad - n);
}

static void run_unit (const WeirConvolutionInt8Job *job, uint8_t *scratch, size_t unit)
{
  const WeirConvolutionInt8Plan *plan = job->plan;
  const WeirConvolutionInt8 *shape = &plan->shape;
  size_t group = unit % plan->n_groups, n_blocks = plan->gemm.n_blocks;
  unit /= plan->n_groups;
  size_t item = unit / plan->n_bands, begin = unit % plan->n_bands * plan->band_rows;
  size_t end =
      begin + plan->band_rows < shape->dst_height ? begin + plan->band_rows : shape->dst_height;
  WeirGemmInt8Job gemm = { .plan = &plan->gemm, .packed = job->packed, .codes = job->codes };
  for (size_t i = 0; begin < end && i < rows_under (shape, end - begin); i++)
    copy_row (job, scratch + i * plan->row_bytes, item, begin * shape->stride_y + i);
  WeirGemmInt8Rows rows = { .src = scratch,
    .dst = job->dst + (item * shape->dst_height + begin) * shape->dst_width * shape->n_results,
    .src_row = shape->stride_x * shape->n_channels,
    .src_line = shape->stride_y * plan->row_bytes,
    .src_segment = plan->row_bytes,
    .n_rows = shape->dst_width,
    .n_lines = end > begin ? end - begin : 0 };
  for (size_t block = n_blocks * group / plan->n_groups;
       block < n_blocks * (group + 1) / plan->n_groups; block++)
    weir_gemm_int8_run_block (&gemm, block, &rows);
}

void weir_convolution_int8_run (
    const WeirConvolutionInt8Job *job, uint8_t *scratch, size_t begin, size_t end)
{
  for (size_t i = begin; i < end; i++)
    run_unit (job, scratch, i);
}
