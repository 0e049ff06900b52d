/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 3x3 convolutions at stride 1 by Winograd's minimal filtering, where that is faster. Pictures are
 * f32 or bf16, all between them f32.
 *
 * A residual that comes first and the activation behind it are done while results are in registers;
 * other post-ops row by row of a tile, when its unit is done. Units are shared out to the crew;
 * where it does not help they are cut as one thread likes best, which gives the same bytes.
 *
 * Whether a convolution is done this way depends on its shape without the batch, so that results do
 * not depend on the batch. */
#include "engine/cpu/cpu_crew.h"
#include "engine/cpu/cpu_packed.h"
#include "engine/cpu/cpu_row_posts.h"

#include "engine/graph/geometry.h"
#include "kernels/kernels.h"
#include "kernels/winograd.h"

#define PARALLEL_UNITS_NS 5000 /* of work that a thread must have */
#define MAX_CHANNELS      2048

typedef struct Kernel {
  WeirCpuKernel base;
  WeirWinogradPlan plan, alone; /* for n_parts threads, for one */
  int64_t n_parts;
  size_t part_bytes;
  WeirCpuPacked *weights;
  float *bias;
  uint32_t added; /* source that comes before the activation, WEIR_NONE */
  WeirCpuRowPosts posts;
} Kernel;

/* --- choice --- */

static int64_t divide_up (int64_t n, int64_t by)
{
  return (n + by - 1) / by;
}

/* What one item takes both ways on one thread, as measured with AVX-512: products as windows and as
 * tiles, on whole vectors of channels; reading the weights of a pair of channels, 9 of the source's
 * type or 36 of f32; and the transforms of a vector of channels of a tile. */
typedef struct Costs {
  double direct_gflops, direct_pair_ns, winograd_gflops, winograd_pair_ns, vector_ns;
} Costs;

/* By how oneDNN multiplies the source's type. NULL: by AMX, which is ahead of everything.
 *
 * f32: peak 190 GFLOP/s; weights come from the last level at 30 and 40 bytes a ns, the latter since
 * the caches' prefetching sees long rows. bf16 by AVX512_BF16: peak 118 GFLOP/s in f32, twice that
 * in bf16; weights at 30 and 24 bytes a ns. Where oneDNN converts bf16 to multiply in f32 it
 * reaches a third of what it does in f32. */
static const Costs *costs_of (WeirDtype dtype)
{
  static const Costs f32 = { 170, 1.2, 140, 3.6, 55 }, bf16 = { 215, 0.6, 110, 6, 50 },
                     converted = { 57, 0.6, 140, 6, 55 };
  if (dtype == WEIR_DTYPE_F32)
    return &f32;
  if (!weir_cpu_has_bf16 ())
    return &converted;
  return weir_cpu_isa () & WEIR_ISA_BF16 ? &bf16 : NULL;
}

static void estimate (const Costs *costs, const WeirTensor *src, const WeirTensor *dst,
    double *direct_ns, double *winograd_ns)
{
  int64_t n_tiles = divide_up (dst->dims[2], WEIR_WINOGRAD_RESULTS) *
                    divide_up (dst->dims[3], WEIR_WINOGRAD_RESULTS);
  int64_t src_vectors = divide_up (src->dims[1], 16), dst_vectors = divide_up (dst->dims[1], 16);
  double pairs = (double) src->dims[1] * (double) (dst_vectors * 16);
  double n_results = (double) (dst->dims[2] * dst->dims[3]);
  *direct_ns = 18 * pairs * n_results / costs->direct_gflops + pairs * costs->direct_pair_ns;
  *winograd_ns = 72 * pairs * (double) n_tiles / costs->winograd_gflops +
                 pairs * costs->winograd_pair_ns +
                 costs->vector_ns * (double) (n_tiles * (src_vectors + dst_vectors));
}

static bool pays (const WeirStepSpec *spec)
{
  const Costs *costs = costs_of (spec->src[0].dtype);
  double direct_ns, winograd_ns;
  if (!costs)
    return false;
  estimate (costs, &spec->src[0], &spec->dst[0], &direct_ns, &winograd_ns);
  return winograd_ns < 0.9 * direct_ns;
}

static bool is_picture (const WeirTensor *tensor)
{
  return tensor->rank == 4 && weir_cpu_is_float (tensor->dtype) &&
         tensor->layout == WEIR_LAYOUT_CHANNELS_LAST && tensor->dims[1] <= MAX_CHANNELS;
}

/* A window of 3 × 3 at stride 1 in each of two dimensions. */
static bool is_dense (const WeirWindow *window)
{
  if (window->n_spatial != 2)
    return false;
  for (uint32_t i = 0; i < 2; i++)
    if (window->kernel[i] != 3 || window->stride[i] != 1 || window->dilation[i] != 1 ||
        window->pad_begin[i] < 0)
      return false;
  return true;
}

static bool takes_posts (const WeirStepSpec *spec)
{
  for (uint32_t i = 0; i < spec->node->n_post; i++)
    if (spec->node->post[i].op == WEIR_OP_ADD) {
      const WeirTensor *added = &spec->src[spec->node->post[i].src];
      if (!is_picture (added) || added->dtype != spec->dst[0].dtype)
        return false;
    }
  return weir_cpu_row_posts_can (spec);
}

static void fill_shape (const WeirStepSpec *spec, const WeirWindow *window, WeirWinograd *shape)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  *shape = (WeirWinograd){ .n_items = (size_t) src->dims[0],
    .src_channels = (size_t) src->dims[1],
    .dst_channels = (size_t) dst->dims[1],
    .src_height = (size_t) src->dims[2],
    .src_width = (size_t) src->dims[3],
    .dst_height = (size_t) dst->dims[2],
    .dst_width = (size_t) dst->dims[3],
    .pad_y = (size_t) window->pad_begin[0],
    .pad_x = (size_t) window->pad_begin[1],
    .src_is_bf16 = src->dtype == WEIR_DTYPE_BF16,
    .dst_is_bf16 = dst->dtype == WEIR_DTYPE_BF16 };
}

bool weir_cpu_is_winograd (const WeirStepSpec *spec, const WeirWindow *window)
{
  WeirWinogradKernels kernels;
  WeirWinograd shape;
  if (spec->node->op != WEIR_OP_CONV || weir_node_int (spec->node, "group", 1) != 1 ||
      !is_picture (&spec->src[0]) || !is_picture (&spec->dst[0]) || !is_dense (window) ||
      !pays (spec) || !takes_posts (spec))
    return false;
  fill_shape (spec, window, &shape);
  return weir_winograd_kernels (&shape, &kernels);
}

/* --- run --- */

/* The post-ops that are left, on the channels of a unit's tiles. */
static void finish_unit (const WeirCpuBound *bound, const WeirWinogradUnit *unit)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const WeirWinograd *shape = &self->plan.shape;
  WeirDtype dtype = shape->dst_is_bf16 ? WEIR_DTYPE_BF16 : WEIR_DTYPE_F32;
  for (size_t i = 0; i < unit->n_tiles; i++) {
    WeirWinogradPlace place = weir_winograd_place (&self->plan, unit->first_tile + i);
    for (size_t y = place.y; y < place.y + place.n_rows; y++)
      for (size_t x = place.x; x < place.x + place.n_columns; x++) {
        size_t pixel = (place.item * shape->dst_height + y) * shape->dst_width + x;
        weir_cpu_row_posts_apply (&self->posts, self->base.device->kernels, bound, dtype,
            (int64_t) (pixel * shape->dst_channels + unit->first_channel), unit->n_channels);
      }
  }
}

static void run_units (const WeirCpuBound *bound, const WeirWinogradPlan *plan, void *scratch,
    int64_t begin, int64_t end)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirWinogradJob job = { .plan = plan,
    .src = bound->src[0],
    .added = self->added == WEIR_NONE ? NULL : bound->src[self->added],
    .dst = bound->dst[0],
    .weights = weir_cpu_packed_data (self->weights),
    .bias = self->bias };
  for (int64_t i = begin; i < end; i++) {
    WeirWinogradUnit unit = weir_winograd_unit (plan, (size_t) i);
    weir_winograd_run (&job, scratch, &unit);
    if (self->posts.n > 0)
      finish_unit (bound, &unit);
  }
}

static void run_parts (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  int64_t n_units = (int64_t) self->plan.n_units;
  for (int64_t p = begin; p < end; p++)
    run_units (bound, &self->plan, (char *) bound->scratch + (size_t) p * self->part_bytes,
        n_units * p / self->n_parts, n_units * (p + 1) / self->n_parts);
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  if (self->n_parts > 1 && weir_cpu_crew_helps ())
    weir_cpu_for (self->base.device->n_threads, self->n_parts, 1, run_parts, bound);
  else
    run_units (bound, &self->alone, bound->scratch, 0, (int64_t) self->alone.n_units);
  return true;
}

/* --- compile --- */

static void release (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_cpu_packed_unref (kernel->device, self->weights);
  g_free (self->bias);
  g_free (self);
}

/* The first residual and the activation go to the kernel. */
static void take_posts (Kernel *self, const WeirStepSpec *spec, WeirWinograd *shape)
{
  const WeirNode *node = spec->node;
  uint32_t n_done = 0;
  self->added = WEIR_NONE;
  if (node->n_post > 0 && node->post[0].op == WEIR_OP_ADD) {
    self->added = node->post[n_done++].src;
    shape->adds = true;
    if (self->added < 32 && (spec->may_overwrite >> self->added & 1) &&
        node->src[self->added] != node->src[0])
      self->base.overwritten = self->added;
  }
  if (n_done < node->n_post && weir_cpu_activation (&node->post[n_done], &shape->activation))
    n_done++;
  weir_cpu_row_posts_take (&self->posts, self->base.device, spec, n_done);
}

static void pack (void *data, const float *values, const void *job)
{
  const WeirWinogradPlan *plan = job;
  g_autofree float *buffer = g_new (float, plan->n_weight_floats / 4);
  weir_winograd_pack (plan, data, values, buffer);
}

static bool take_weights (Kernel *self, const WeirStepSpec *spec, GError **error)
{
  bool has_bias = spec->n_src > 2 && spec->src[2].dtype != WEIR_DTYPE_NONE;
  int64_t n;
  g_autofree float *bias = has_bias ? weir_cpu_constant_f32 (&spec->src[2], &n) : NULL;
  self->bias = g_new0 (float, self->plan.n_bias_floats);
  if (bias)
    memcpy (self->bias, bias, self->plan.shape.dst_channels * sizeof *bias);
  self->weights = weir_cpu_packed_ref (self->base.device, &spec->src[1], "winograd",
      self->plan.n_weight_floats * sizeof (float), pack, &self->plan, error);
  return self->weights != NULL;
}

static void choose_parts (
    Kernel *self, const WeirStepSpec *spec, const WeirWinograd *shape, size_t *scratch_bytes)
{
  double direct_ns, winograd_ns;
  WeirWinogradKernels kernels;
  estimate (costs_of (spec->src[0].dtype), &spec->src[0], &spec->dst[0], &direct_ns, &winograd_ns);
  double n_most = winograd_ns * (double) shape->n_items / PARALLEL_UNITS_NS;
  self->n_parts = CLAMP ((int64_t) n_most, 1, (int64_t) self->base.device->n_threads);
  weir_winograd_kernels (shape, &kernels);
  weir_winograd_plan (&self->plan, shape, &kernels, (size_t) self->n_parts);
  weir_winograd_plan (&self->alone, shape, &kernels, 1);
  self->n_parts = MIN (self->n_parts, (int64_t) self->plan.n_units);
  self->part_bytes = (self->plan.scratch_bytes + 63) & ~(size_t) 63;
  *scratch_bytes = MAX (self->part_bytes * (size_t) self->n_parts, self->alone.scratch_bytes);
}

WeirCpuKernel *weir_cpu_winograd_new (WeirDevice *device, const WeirStepSpec *spec,
    const WeirWindow *window, size_t *scratch_bytes, GError **error)
{
  bool is_f32 = spec->src[0].dtype == WEIR_DTYPE_F32;
  Kernel *self = (Kernel *) weir_cpu_kernel_new (
      device, spec, sizeof *self, is_f32 ? "winograd" : "f32 winograd", run);
  WeirWinograd shape;
  self->base.free = release;
  fill_shape (spec, window, &shape);
  take_posts (self, spec, &shape);
  choose_parts (self, spec, &shape, scratch_bytes);
  if (take_weights (self, spec, error))
    return &self->base;
  release (&self->base);
  return NULL;
}
