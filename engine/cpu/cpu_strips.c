/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A 1x1 convolution, the depthwise one behind it and the 1x1 one behind that - or two of them - as
 * one step: some rows of results are made from end to end before the next ones, so that what is
 * between never leaves the second-level cache (fused layers: Alwani et al., MICRO 2016).
 *
 * What the first gives is kept in a ring of rows, as windows of neighbouring strips overlap; only
 * where a part of the work begins rows are made a second time. All sums are those of the single
 * steps, so the results are the same bytes. */
#include "engine/cpu/cpu.h"
#include "engine/cpu/cpu_crew.h"

/* What is between two steps pays where it would not stay in the cache by itself. */
#define MIN_BETWEEN_BYTES (1u << 20)
#define MAX_WEIGHT_BYTES  (256u << 10) /* are read again for every strip */
#define STRIP_BYTES       (384u << 10) /* of what is between, in a second level of 1 MiB or more */
#define MAX_STRIP_ROWS    16
#define BLOCK_ROWS        252
#define TILE_ROWS         14 /* of the matrix product */

typedef enum Part { EXPAND, DEPTHWISE, PROJECT, N_PARTS } Part;

typedef struct Kernel {
  WeirCpuKernel base;
  WeirCpuKernel *parts[N_PARTS]; /* NULL: there is none */
  const WeirCpuPointwisePlan *expand, *project;
  const WeirDepthwisePlan *depthwise;
  const float *weights;
  uint32_t added;                 /* by the projection, a source of this kernel; WEIR_NONE */
  size_t strip_rows, n_strips;    /* of one picture */
  size_t ring_rows;               /* of what the first gives; 0: it is the source */
  size_t ring_bytes, strip_bytes; /* of scratch memory; then that of the depthwise kernel */
  size_t part_bytes;
  int64_t n_parts;
} Kernel;

/* Where a strip reads and writes. */
typedef struct Strip {
  const WeirCpuBound *bound;
  char *ring, *results, *scratch;
  size_t item, begin, end; /* rows of results */
  size_t made;             /* rows of the ring that are there already: those before */
} Strip;

/* In blocks as even as can be, of whole tiles. */
static void multiply_rows (
    const WeirCpuPointwisePlan *plan, const char *src, char *dst, const char *added, size_t n_rows)
{
  WeirGemm part = plan->task;
  size_t n_blocks = (n_rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
  size_t block = ((n_rows + n_blocks - 1) / n_blocks + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
  for (size_t row = 0; row < n_rows; row += block) {
    part.n_rows = MIN (block, n_rows - row);
    part.a = src + row * part.a_row * plan->src_bytes;
    part.dst = dst + row * part.dst_row * plan->dst_bytes;
    part.added = added ? added + row * part.dst_row * plan->dst_bytes : NULL;
    plan->multiply (&part);
  }
}

/* Makes the rows of the ring under this strip. */
static void expand_rows (const Kernel *self, Strip *strip)
{
  const WeirDepthwise *shape = &self->depthwise->shape;
  const WeirCpuPointwisePlan *expand = self->expand;
  size_t extent = (shape->kernel_height - 1) * shape->dilation_y + 1;
  size_t top = strip->begin * shape->stride_y, bottom = (strip->end - 1) * shape->stride_y + extent;
  size_t y = MAX (top > shape->pad_y ? top - shape->pad_y : 0, strip->made);
  size_t end = MIN (bottom > shape->pad_y ? bottom - shape->pad_y : 0, shape->src_height);
  size_t src_row = shape->src_width * expand->task.a_row * expand->src_bytes;
  size_t ring_row = shape->src_width * expand->task.dst_row * expand->dst_bytes;
  const char *src = (const char *) strip->bound->src[0] + strip->item * shape->src_height * src_row;
  while (y < end) {
    size_t at = y % self->ring_rows, n = MIN (end - y, self->ring_rows - at);
    multiply_rows (
        expand, src + y * src_row, strip->ring + at * ring_row, NULL, n * shape->src_width);
    y += n;
  }
  strip->made = MAX (strip->made, end);
}

static void run_strip (const Kernel *self, Strip *strip)
{
  const WeirCpuBound *bound = strip->bound;
  const WeirDepthwise *shape = &self->depthwise->shape;
  WeirDepthwiseJob job = { .plan = self->depthwise,
    .src = self->expand ? strip->ring : bound->src[0],
    .dst = self->project ? strip->results : bound->dst[0],
    .weights = self->weights,
    .src_rows = self->ring_rows,
    .dst_rows = self->project ? self->strip_rows : 0 };
  if (self->expand)
    expand_rows (self, strip);
  weir_depthwise_run_rows (&job, strip->scratch, strip->item, strip->begin, strip->end);
  if (!self->project)
    return;
  const WeirCpuPointwisePlan *project = self->project;
  size_t at = (strip->item * shape->dst_height + strip->begin) * shape->dst_width *
              project->task.dst_row * project->dst_bytes;
  multiply_rows (project, strip->results, (char *) bound->dst[0] + at,
      self->added == WEIR_NONE ? NULL : (const char *) bound->src[self->added] + at,
      (strip->end - strip->begin) * shape->dst_width);
}

static int64_t count_strips (const Kernel *self)
{
  return (int64_t) (self->n_strips * self->depthwise->shape.n_items);
}

/* With the scratch memory of part p. */
static void run_strips (const WeirCpuBound *bound, int64_t p, int64_t begin, int64_t end)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  Strip strip = { .bound = bound,
    .ring = (char *) bound->scratch + (size_t) p * self->part_bytes,
    .item = SIZE_MAX };
  strip.results = strip.ring + self->ring_bytes;
  strip.scratch = strip.results + self->strip_bytes;
  for (int64_t i = begin; i < end; i++) {
    size_t item = (size_t) i / self->n_strips;
    if (item != strip.item)
      strip.made = 0;
    strip.item = item;
    strip.begin = (size_t) i % self->n_strips * self->strip_rows;
    strip.end = MIN (strip.begin + self->strip_rows, self->depthwise->shape.dst_height);
    run_strip (self, &strip);
  }
}

static void run_parts (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  int64_t n_strips = count_strips (self);
  for (int64_t p = begin; p < end; p++)
    run_strips (bound, p, n_strips * p / self->n_parts, n_strips * (p + 1) / self->n_parts);
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  if (weir_cpu_crew_helps ())
    weir_cpu_for (self->base.device->n_threads, self->n_parts, 1, run_parts, bound);
  else
    run_strips (bound, 0, 0, count_strips (self));
  return true;
}

static void release (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  for (int i = 0; i < N_PARTS; i++)
    if (self->parts[i])
      self->parts[i]->free (self->parts[i]);
  g_free (self);
}

/* --- which steps --- */

/* What is between, in bytes, for one picture. */
static size_t bytes_between (const WeirStepSpec *second)
{
  const WeirTensor *src = &second->src[0];
  return (size_t) (src->dims[1] * src->dims[2] * src->dims[3]) * weir_dtype_bytes (src->dtype);
}

static bool is_small (const WeirCpuPointwisePlan *plan)
{
  return plan->task.n_inner * plan->task.n_columns * plan->src_bytes <= MAX_WEIGHT_BYTES;
}

static bool ends_depthwise (const WeirCpuKernel *kernel)
{
  const Kernel *self = (const Kernel *) kernel;
  const float *weights;
  return kernel->run == run ? !self->project : weir_cpu_depthwise_strips (kernel, &weights) != NULL;
}

bool weir_cpu_may_join_strips (const WeirCpuKernel *first, const WeirStepSpec *second)
{
  const WeirTensor *src = &second->src[0], *weights = &second->src[1];
  if (second->node->op != WEIR_OP_CONV || src->rank != 4 || !weir_cpu_is_float (src->dtype) ||
      bytes_between (second) < MIN_BETWEEN_BYTES)
    return false;
  if (weir_cpu_is_depthwise_strip (second)) {
    const WeirCpuPointwisePlan *plan = weir_cpu_pointwise_strips (first);
    return plan && is_small (plan) && plan->added == WEIR_NONE;
  }
  size_t weight_bytes =
      (size_t) (weights->dims[0] * weights->dims[1]) * weir_dtype_bytes (src->dtype);
  return ends_depthwise (first) && weir_cpu_is_pointwise_strip (second) &&
         weight_bytes <= MAX_WEIGHT_BYTES;
}

/* --- how --- */

static size_t count_ring_rows (const WeirDepthwise *shape, size_t strip_rows)
{
  return (strip_rows - 1) * shape->stride_y + (shape->kernel_height - 1) * shape->dilation_y + 1;
}

static size_t element_bytes (bool is_bf16)
{
  return is_bf16 ? sizeof (uint16_t) : sizeof (float);
}

static size_t whole_lines (size_t n_bytes)
{
  return (n_bytes + 63) & ~(size_t) 63;
}

/* As many rows as stay in the cache, an even number. */
static void choose_strips (Kernel *self)
{
  const WeirDepthwise *shape = &self->depthwise->shape;
  size_t src_bytes = shape->src_width * shape->n_channels * element_bytes (shape->src_is_bf16);
  size_t dst_bytes = shape->dst_width * shape->n_channels * element_bytes (shape->dst_is_bf16);
  size_t n = MAX_STRIP_ROWS;
  src_bytes = self->expand ? src_bytes : 0;
  dst_bytes = self->project ? dst_bytes : 0;
  while (n > 2 && count_ring_rows (shape, n) * src_bytes + n * dst_bytes > STRIP_BYTES)
    n -= 2;
  self->strip_rows = n;
  self->n_strips = (shape->dst_height + n - 1) / n;
  self->ring_rows = self->expand ? count_ring_rows (shape, n) : 0;
  self->ring_bytes = whole_lines (self->ring_rows * src_bytes);
  self->strip_bytes = whole_lines (n * dst_bytes);
}

static void take_parts (Kernel *self, WeirCpuKernel *first, WeirCpuKernel *second)
{
  if (first->run == run) {
    memcpy (self->parts, ((Kernel *) first)->parts, sizeof self->parts);
    g_free (first);
  } else {
    const float *weights;
    self->parts[weir_cpu_depthwise_strips (first, &weights) ? DEPTHWISE : EXPAND] = first;
  }
  self->parts[self->parts[DEPTHWISE] ? PROJECT : DEPTHWISE] = second;
  if (self->parts[EXPAND])
    self->expand = weir_cpu_pointwise_strips (self->parts[EXPAND]);
  self->depthwise = weir_cpu_depthwise_strips (self->parts[DEPTHWISE], &self->weights);
  if (self->parts[PROJECT])
    self->project = weir_cpu_pointwise_strips (self->parts[PROJECT]);
  self->added = WEIR_NONE;
  if (self->project && self->project->added != WEIR_NONE)
    self->added = self->base.n_src - second->n_src + self->project->added;
}

WeirCpuKernel *weir_cpu_join_strips (
    WeirCpuKernel *first, WeirCpuKernel *second, size_t *scratch_bytes)
{
  Kernel *self = g_new0 (Kernel, 1);
  self->base = (WeirCpuKernel){ .name = "strips",
    .device = second->device,
    .n_src = first->n_src + second->n_src,
    .n_dst = second->n_dst,
    .overwritten = second->overwritten,
    .run = run,
    .free = release };
  take_parts (self, first, second);
  choose_strips (self);
  self->n_parts = CLAMP (count_strips (self), 1, (int64_t) self->base.device->n_threads);
  self->part_bytes =
      self->ring_bytes + self->strip_bytes + whole_lines (self->depthwise->scratch_bytes);
  *scratch_bytes = self->part_bytes * (size_t) self->n_parts;
  return &self->base;
}
