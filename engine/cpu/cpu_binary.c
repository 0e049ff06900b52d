/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Binary operators with broadcasting.
 *
 * The result keeps the layout of the larger source. Its dims in the order of memory, merged where
 * both sources go along, become rows over the last of them; a source walks along a row, repeats one
 * element, or (rarely) jumps. A source with one element for each channel, such as a gate or the
 * mean of pictures, is repeated to a row of many pixels. */
#include "engine/cpu/cpu.h"

#include "engine/cpu/cpu_row_posts.h"

#define PARALLEL_ELEMENTS 8192
#define MAX_TILED         (WEIR_CPU_ROW / 2) /* channels */

typedef struct Kernel {
  WeirCpuKernel base;
  WeirBinaryFn fn;
  WeirDtype src_dtype[2], dst_dtype;
  uint32_t rank; /* >= 1; the last dim is the row */
  int64_t dims[WEIR_MAX_RANK];
  int64_t strides[2][WEIR_MAX_RANK];
  int64_t n_rows, parts_per_row, part_length;
  uint32_t tiled; /* the source that is repeated every n_tiled elements; WEIR_NONE */
  int64_t n_tiled;
  WeirCpuRowPosts posts;
  WeirRowFn row; /* or NULL */
  WeirCpuRowTail tail;
  bool is_product;
} Kernel;

static const struct {
  bool is_known;
  WeirBinary binary;
} binaries[WEIR_N_OPS] = {
  [WEIR_OP_ADD] = { true, WEIR_BINARY_ADD },
  [WEIR_OP_SUB] = { true, WEIR_BINARY_SUB },
  [WEIR_OP_MUL] = { true, WEIR_BINARY_MUL },
  [WEIR_OP_DIV] = { true, WEIR_BINARY_DIV },
  [WEIR_OP_PRELU] = { true, WEIR_BINARY_PRELU },
};

static bool is_numeric (const WeirTensor *tensor)
{
  return weir_cpu_is_float (tensor->dtype) || (tensor->buffer && tensor->dtype == WEIR_DTYPE_F16);
}

/* The source whose layout the result takes: the larger; of two, the one that is channels-last. */
static uint32_t leader (const WeirStepSpec *spec)
{
  int64_t n[2];
  weir_tensor_n_elements (&spec->src[0], &n[0]);
  weir_tensor_n_elements (&spec->src[1], &n[1]);
  if (n[0] != n[1] && !spec->src[n[1] > n[0]].buffer)
    return n[1] > n[0];
  if (spec->src[0].buffer)
    return 1;
  return !spec->src[1].buffer && spec->src[1].layout == WEIR_LAYOUT_CHANNELS_LAST;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!binaries[spec->node->op].is_known || !weir_cpu_row_posts_can (spec) ||
      !is_numeric (&spec->src[0]) || !is_numeric (&spec->src[1]) ||
      (spec->src[0].buffer && spec->src[1].buffer) || !weir_cpu_has_elements (&spec->dst[0]))
    return false;
  const WeirTensor *lead = &spec->src[leader (spec)];
  bool is_last = lead->layout == WEIR_LAYOUT_CHANNELS_LAST && lead->rank == spec->dst[0].rank;
  dst[0].dtype = WEIR_DTYPE_BF16;
  for (uint32_t i = 0; i < 2; i++) {
    bool is_constant = spec->src[i].buffer != NULL;
    src[i].dtype = is_constant ? WEIR_DTYPE_F32 : spec->src[i].dtype;
    src[i].layout = is_last && spec->src[i].rank == spec->dst[0].rank ? WEIR_LAYOUT_CHANNELS_LAST
                                                                      : WEIR_LAYOUT_PLAIN;
    if (!is_constant && src[i].dtype == WEIR_DTYPE_F32)
      dst[0].dtype = WEIR_DTYPE_F32;
  }
  dst[0].layout = is_last ? WEIR_LAYOUT_CHANNELS_LAST : WEIR_LAYOUT_PLAIN;
  for (uint32_t i = 2; i < spec->n_src; i++) { /* what post-ops add */
    src[i] = (WeirFormat){ spec->src[i].dtype, dst[0].layout };
    if (src[i].dtype == WEIR_DTYPE_F32)
      dst[0].dtype = WEIR_DTYPE_F32;
  }
  return true;
}

typedef struct Job {
  const Kernel *self;
  const void *src[2];
  void *dst;
  void *const *added; /* all sources */
} Job;

/* Where a row of source k begins. */
static int64_t find_row (const Kernel *self, uint32_t k, int64_t row)
{
  int64_t at = 0;
  for (uint32_t i = self->rank - 1; i-- > 0; row /= self->dims[i])
    at += row % self->dims[i] * self->strides[k][i];
  return at;
}

static void fill_tile (const Job *job, int64_t row, float *tile)
{
  const Kernel *self = job->self;
  uint32_t k = self->tiled;
  size_t n = (size_t) self->n_tiled, n_all = (size_t) self->part_length;
  const float *values = weir_cpu_row_load (self->base.device->kernels, self->src_dtype[k],
      job->src[k], find_row (self, k, row), 1, n, tile);
  if (values != tile)
    memcpy (tile, values, n * sizeof *tile);
  for (size_t i = n; i < n_all; i += n)
    memcpy (tile + i, tile, n * sizeof *tile);
}

/* Element `first` of a row of source k, in its memory. */
static int64_t find_element (const Kernel *self, uint32_t k, int64_t row, int64_t first)
{
  return find_row (self, k, row) + first * self->strides[k][self->rank - 1];
}

static WeirRowOperand operand_at (
    const Job *job, uint32_t k, int64_t row, int64_t first, const float *tile)
{
  const Kernel *self = job->self;
  if (self->tiled == k)
    return (WeirRowOperand){ WEIR_ROW_F32, tile };
  return weir_cpu_row_operand (self->src_dtype[k], job->src[k], find_element (self, k, row, first));
}

/* n elements of a row; tile: what is there of the source that is tiled. */
static void run_row (const Job *job, int64_t row, int64_t first, size_t n, const float *tile)
{
  const Kernel *self = job->self;
  int64_t to = row * self->dims[self->rank - 1] + first;
  bool is_bf16 = self->dst_dtype == WEIR_DTYPE_BF16;
  WeirRow part = { .n = n,
    .src = operand_at (job, 0, row, first, tile),
    .activation = &self->tail.activation,
    .dst_type = is_bf16 ? WEIR_ROW_BF16 : WEIR_ROW_F32,
    .dst = (uint8_t *) job->dst + to * (is_bf16 ? 2 : 4) };
  *(self->is_product ? &part.scale : &part.shift) = operand_at (job, 1, row, first, tile);
  if (self->tail.added != WEIR_NONE)
    part.shift = weir_cpu_row_operand (self->tail.added_dtype, job->added[self->tail.added], to);
  self->row (&part);
}

/* The same pass by pass. */
static void run_passes (const Job *job, int64_t row, int64_t first, size_t n, const float *tile)
{
  const Kernel *self = job->self;
  const WeirTensorKernels *kernels = self->base.device->kernels;
  float buffers[2][WEIR_CPU_ROW], results[2][WEIR_CPU_ROW];
  bool is_direct = self->dst_dtype == WEIR_DTYPE_F32 && self->posts.n == 0;
  uint32_t last = self->rank - 1;
  int64_t to = row * self->dims[last] + first;
  float *dst = is_direct ? (float *) job->dst + to : results[0];
  const float *rows[2] = { tile, tile };
  for (uint32_t k = 0; k < 2; k++)
    if (self->tiled != k)
      rows[k] = weir_cpu_row_load (kernels, self->src_dtype[k], job->src[k],
          find_element (self, k, row, first), self->strides[k][last], n, buffers[k]);
  self->fn (dst, rows[0], self->strides[0][last] != 0, rows[1], self->strides[1][last] != 0, n);
  if (!is_direct)
    weir_cpu_row_store (kernels, self->dst_dtype, job->dst, to, n,
        weir_cpu_row_posts_run (&self->posts, kernels, job->added, to, n, dst, results));
}

static void run_part (const void *data, int64_t begin, int64_t end)
{
  const Job *job = data;
  const Kernel *self = job->self;
  int64_t length = self->dims[self->rank - 1], row_in_tile = -1;
  float tile[WEIR_CPU_ROW];
  for (int64_t part = begin; part < end; part++) {
    int64_t row = part / self->parts_per_row,
            first = part % self->parts_per_row * self->part_length;
    size_t n = (size_t) MIN (length - first, self->part_length);
    if (self->tiled != WEIR_NONE && row != row_in_tile)
      fill_tile (job, row_in_tile = row, tile);
    (self->row ? run_row : run_passes) (job, row, first, n, tile);
  }
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  Job job = { self, { bound->src[0], bound->src[1] }, bound->dst[0], bound->src };
  weir_cpu_for (self->base.device->n_threads, self->n_rows * self->parts_per_row,
      PARALLEL_ELEMENTS / self->part_length + 1, run_part, &job);
  return true;
}

/* Strides of a source by dim of the result; 0 where it is repeated. */
static void broadcast_strides (const WeirTensor *src, const WeirTensor *dst, int64_t *strides)
{
  int64_t own[WEIR_MAX_RANK];
  weir_tensor_strides (src, own);
  for (uint32_t i = 0; i < dst->rank; i++) {
    uint32_t missing = dst->rank - src->rank;
    bool is_repeated = i < missing || src->dims[i - missing] == 1;
    strides[i] = is_repeated ? 0 : own[i - missing];
  }
}

/* Fills dims and strides, merged. */
static void describe (Kernel *self, const WeirStepSpec *spec)
{
  const WeirTensor *dst = &spec->dst[0];
  uint32_t order[WEIR_MAX_RANK];
  int64_t strides[2][WEIR_MAX_RANK];
  weir_memory_order (dst, order);
  for (uint32_t k = 0; k < 2; k++)
    broadcast_strides (&spec->src[k], dst, strides[k]);
  for (uint32_t i = 0; i < dst->rank; i++) {
    int64_t dim = dst->dims[order[i]], a = strides[0][order[i]], b = strides[1][order[i]];
    uint32_t last = self->rank - 1;
    if (dim == 1)
      continue;
    if (self->rank && self->strides[0][last] == a * dim && self->strides[1][last] == b * dim) {
      dim *= self->dims[last];
    } else {
      last = self->rank++;
    }
    self->dims[last] = dim;
    self->strides[0][last] = a;
    self->strides[1][last] = b;
  }
  if (self->rank == 0)
    self->dims[self->rank++] = 1;
}

/* Source k has one element for each channel, the other one is dense: both as one row of all pixels.
 */
static bool tile_channels (Kernel *self, uint32_t k)
{
  uint32_t last = self->rank - 1;
  int64_t n = self->dims[last];
  const int64_t *own = self->strides[k], *other = self->strides[1 - k];
  if (last == 0 || n > MAX_TILED || own[last] != 1 || own[last - 1] != 0 || other[last] != 1 ||
      other[last - 1] != n)
    return false;
  self->tiled = k;
  self->n_tiled = n;
  self->dims[last - 1] *= n;
  self->strides[1 - k][last - 1] = self->strides[k][last - 1] = 1;
  self->rank--;
  self->part_length = WEIR_CPU_ROW / n * n;
  return true;
}

/* Where both sources have as many elements as the row. */
static void choose_row (Kernel *self, const WeirStepSpec *spec)
{
  uint32_t last = self->rank - 1;
  self->is_product = spec->node->op == WEIR_OP_MUL;
  if ((self->is_product || spec->node->op == WEIR_OP_ADD) &&
      weir_cpu_row_tail (spec, &self->tail) &&
      (self->is_product || self->tail.added == WEIR_NONE) && self->strides[0][last] == 1 &&
      self->strides[1][last] == 1)
    self->row = weir_row_fn ();
}

static WeirCpuKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "elementwise", run);
  self->fn = device->kernels->binary[binaries[spec->node->op].binary];
  self->src_dtype[0] = spec->src[0].dtype;
  self->src_dtype[1] = spec->src[1].dtype;
  self->dst_dtype = spec->dst[0].dtype;
  weir_cpu_row_posts_take (&self->posts, device, spec, 0);
  self->tiled = WEIR_NONE;
  self->part_length = WEIR_CPU_ROW;
  describe (self, spec);
  if (!tile_channels (self, 0))
    tile_channels (self, 1);
  self->n_rows = 1;
  for (uint32_t i = 0; i + 1 < self->rank; i++)
    self->n_rows *= self->dims[i];
  int64_t row_length = self->dims[self->rank - 1];
  self->parts_per_row = (row_length + self->part_length - 1) / self->part_length;
  self->part_length = MIN (row_length, self->part_length);
  choose_row (self, spec);
  return &self->base;
}

const WeirCpuOp weir_cpu_binary = { propose, compile };
