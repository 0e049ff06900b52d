/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sums and products of quantised tensors, and their global average: rows of channels. */
#include "engine/cpu/cpu_int8.h"

#define PARALLEL_ELEMENTS 8192

/* --- QLinearAdd, QLinearMul --- */

/* Where an operand's rows lie: [items, pixels, channels], a dim of 1 is repeated. */
typedef struct Operand {
  int64_t item, pixel; /* elements from one to the next */
  size_t step;         /* from one channel to the next */
  WeirCodes codes;
} Operand;

typedef struct Binary {
  WeirCpuKernel base;
  void (*fn) (uint8_t *dst, WeirCodes to, const uint8_t *a, size_t a_step, WeirCodes codes_a,
      const uint8_t *b, size_t b_step, WeirCodes codes_b, size_t n);
  int64_t n_items, n_pixels, n_channels;
  Operand a, b;
  WeirCodes to;
} Binary;

/* A tensor of up to `rank` dims as [items, channels, pixels]; false where its pixels are neither
 * dst's nor one. */
static bool split (const WeirTensor *tensor, const WeirTensor *dst, int64_t dims[3])
{
  int64_t n_all = 1;
  dims[0] = dims[1] = dims[2] = 1;
  if (tensor->rank > dst->rank)
    return false;
  for (uint32_t i = 0; i < dst->rank; i++) {
    uint32_t missing = dst->rank - tensor->rank;
    int64_t n = i < missing ? 1 : tensor->dims[i - missing];
    dims[dst->rank == 1 ? 1 : MIN (i, 2)] *= n;
    n_all *= i < 2 ? 1 : dst->dims[i];
  }
  return dims[2] == 1 || dims[2] == n_all;
}

static bool propose_binary (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale q;
  int64_t dims[3];
  uint32_t rank = spec->dst[0].rank;
  if (!weir_cpu_has_elements (&spec->dst[0]) || rank < 1 || spec->src[0].buffer ||
      spec->src[3].buffer || !weir_int8_scale_read (spec, 1, 2, &q) ||
      !weir_int8_scale_read (spec, 4, 5, &q) || !weir_int8_scale_read (spec, 6, 7, &q) ||
      !split (&spec->src[0], spec->dst, dims) || !split (&spec->src[3], spec->dst, dims))
    return false;
  for (uint32_t i = 0; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  /* one of fewer dims than the result's has its channels elsewhere */
  for (uint32_t i = 0; i < 4; i += 3)
    src[i] = spec->src[i].rank == rank ? weir_cpu_format_last (spec->src[i].dtype, rank)
                                       : (WeirFormat){ spec->src[i].dtype, WEIR_LAYOUT_PLAIN };
  dst[0] = weir_cpu_format_last (spec->dst[0].dtype, rank);
  for (uint32_t i = 0; i < 4; i += 3)
    if (spec->src[i].rank != rank && (!split (&spec->src[i], spec->dst, dims) || dims[2] != 1))
      return false;
  return true;
}

static void binary_part (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Binary *self = (const Binary *) bound->kernel;
  for (int64_t row = begin; row < end; row++) {
    int64_t item = row / self->n_pixels, pixel = row % self->n_pixels;
    const uint8_t *a =
        (const uint8_t *) bound->src[0] + item * self->a.item + pixel * self->a.pixel;
    const uint8_t *b =
        (const uint8_t *) bound->src[3] + item * self->b.item + pixel * self->b.pixel;
    self->fn ((uint8_t *) bound->dst[0] + row * self->n_channels, self->to, a, self->a.step,
        self->a.codes, b, self->b.step, self->b.codes, (size_t) self->n_channels);
  }
}

static bool run_binary (const WeirCpuBound *bound, GError **error)
{
  const Binary *self = (const Binary *) bound->kernel;
  weir_cpu_for (self->base.device->n_threads, self->n_items * self->n_pixels,
      PARALLEL_ELEMENTS / self->n_channels + 1, binary_part, bound);
  return true;
}

static Operand operand_of (const WeirStepSpec *spec, uint32_t i)
{
  WeirInt8Scale q;
  int64_t dims[3];
  split (&spec->src[i], spec->dst, dims);
  weir_int8_scale_read (spec, i + 1, i + 2, &q);
  return (Operand){ .item = dims[0] > 1 ? dims[1] * dims[2] : 0,
    .pixel = dims[2] > 1 ? dims[1] : 0,
    .step = dims[1] > 1,
    .codes = weir_cpu_codes (&q, spec->src[i].dtype) };
}

/* One row where nothing is repeated. */
static void merge_rows (Binary *self)
{
  int64_t row = self->n_pixels * self->n_channels;
  bool is_dense = self->a.step == 1 && self->b.step == 1 &&
                  (self->n_pixels == 1 || (self->a.pixel && self->b.pixel));
  if (!is_dense)
    return;
  self->n_channels = row;
  self->n_pixels = 1;
}

static WeirCpuKernel *compile_binary (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirByteKernels *kernels = weir_byte_kernels ();
  bool is_sum = spec->node->op == WEIR_OP_Q_LINEAR_ADD;
  WeirInt8Scale q;
  int64_t dims[3];
  Binary *self = (Binary *) weir_cpu_kernel_new (
      device, spec, sizeof *self, is_sum ? "add" : "multiply", run_binary);
  weir_int8_scale_read (spec, 6, 7, &q);
  split (&spec->dst[0], spec->dst, dims);
  self->fn = is_sum ? kernels->add : kernels->multiply;
  self->to = weir_cpu_codes (&q, spec->dst[0].dtype);
  self->a = operand_of (spec, 0);
  self->b = operand_of (spec, 3);
  self->n_items = dims[0];
  self->n_channels = dims[1];
  self->n_pixels = dims[2];
  merge_rows (self);
  return &self->base;
}

/* --- QLinearGlobalAveragePool --- */

#define ROW 512 /* channels at once */

typedef struct Pool {
  WeirCpuKernel base;
  const WeirByteKernels *kernels;
  int64_t n_items, n_pixels, n_channels;
  WeirCodes from, to;
} Pool;

static bool propose_pool (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale q;
  if (spec->src[0].rank < 3 || !weir_cpu_has_elements (&spec->src[0]) || spec->src[0].buffer ||
      weir_node_int (spec->node, "channels_last", 0) || !weir_int8_scale_read (spec, 1, 2, &q) ||
      !weir_int8_scale_read (spec, 3, 4, &q))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  src[0] = weir_cpu_format_last (spec->src[0].dtype, spec->src[0].rank);
  dst[0] = weir_cpu_format_last (spec->dst[0].dtype, spec->dst[0].rank);
  return true;
}

/* Up to ROW channels of one item. */
static void average (const Pool *self, const WeirCpuBound *bound, int64_t item, int64_t begin)
{
  uint32_t sums[ROW] = { 0 };
  float values[ROW];
  size_t n = (size_t) MIN (self->n_channels - begin, ROW);
  const uint8_t *src =
      (const uint8_t *) bound->src[0] + item * self->n_pixels * self->n_channels + begin;
  for (int64_t pixel = 0; pixel < self->n_pixels; pixel++)
    self->kernels->accumulate (sums, src + pixel * self->n_channels, self->from.flip, n);
  for (size_t i = 0; i < n; i++) {
    double mean = (double) sums[i] / (double) self->n_pixels - (double) self->from.zero;
    values[i] = (float) (mean * (double) self->from.scale);
  }
  self->kernels->quantise (
      (uint8_t *) bound->dst[0] + item * self->n_channels + begin, values, self->to, n);
}

static void pool_part (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Pool *self = (const Pool *) bound->kernel;
  for (int64_t item = begin; item < end; item++)
    for (int64_t channel = 0; channel < self->n_channels; channel += ROW)
      average (self, bound, item, channel);
}

static bool run_pool (const WeirCpuBound *bound, GError **error)
{
  const Pool *self = (const Pool *) bound->kernel;
  weir_cpu_for (self->base.device->n_threads, self->n_items,
      PARALLEL_ELEMENTS / (self->n_pixels * self->n_channels) + 1, pool_part, bound);
  return true;
}

static WeirCpuKernel *compile_pool (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirTensor *src = &spec->src[0];
  WeirInt8Scale from, to;
  Pool *self = (Pool *) weir_cpu_kernel_new (device, spec, sizeof *self, "global pool", run_pool);
  weir_int8_scale_read (spec, 1, 2, &from);
  weir_int8_scale_read (spec, 3, 4, &to);
  self->kernels = weir_byte_kernels ();
  self->from = weir_cpu_codes (&from, src->dtype);
  self->to = weir_cpu_codes (&to, spec->dst[0].dtype);
  self->n_items = src->dims[0];
  self->n_channels = src->dims[1];
  self->n_pixels = 1;
  for (uint32_t i = 2; i < src->rank; i++)
    self->n_pixels *= src->dims[i];
  return &self->base;
}

const WeirCpuOp weir_cpu_quantised_binary = { propose_binary, compile_binary };
const WeirCpuOp weir_cpu_quantised_global_pool = { propose_pool, compile_pool };
