/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalisations by the input's own statistics: Instance-, Group-, Layer-, RMS- and
 * MeanVarianceNormalization, and MVN of OpenVINO IR.
 *
 * In plain layout each of them is rows, one set of statistics a row, in f32. Scale and bias are one
 * number for each part of a row (its channels), or one for each element. Those with statistics for
 * each channel have a form of their own for channels-last pictures: cpu_normalise_last.c. */
#include "engine/cpu/cpu_normalise.h"

#include "engine/graph/openvino.h"

#include <math.h>

#define PARALLEL_ELEMENTS 8192

typedef struct Kernel {
  WeirCpuKernel base;
  bool is_centred; /* about the mean, not about nought */
  bool is_outside; /* epsilon is added to the deviation, not to the variance */
  double epsilon;
  int64_t n_rows, n_row;
  int64_t n_parts, n_sets; /* parts of a row; rows until the parameters begin again */
  size_t step;             /* 1: a row is one part, with parameters for each element */
  float *scale, *shift;
} Kernel;

/* Where statistics are taken over the last axes, from which one on; axes of one element are on
 * either side. False where it is another set of axes, or is not divided by the deviation. */
static bool find_axis (const WeirStepSpec *spec, WeirNormalise *n, uint32_t *axis)
{
  const WeirTensor *src = &spec->src[0];
  WeirShapeJob job = weir_step_job (spec);
  uint32_t axes[WEIR_MAX_RANK], n_axes;
  *n = (WeirNormalise){ .subtracts_mean = true, .divides = true, .eps_mode = WEIR_EPS_OUTSIDE };
  n->eps = 1e-9f; /* ONNX defines the operator with this constant */
  if (spec->node->op == WEIR_OP_OV_MVN) {
    if (!weir_normalise_resolve (&job, n, NULL))
      return false;
  } else if (!weir_shape_axes (&job, "axes", WEIR_NONE, src->rank, axes, &n_axes, NULL)) {
    return false;
  } else {
    for (uint32_t i = 0; i < src->rank; i++)
      n->is_reduced[i] = n_axes == 0 && i != 1;
    for (uint32_t i = 0; i < n_axes; i++)
      n->is_reduced[axes[i]] = true;
  }
  for (*axis = src->rank; *axis; --*axis)
    if (!n->is_reduced[*axis - 1] && src->dims[*axis - 1] != 1)
      break;
  for (uint32_t i = 0; i < *axis; i++)
    if (n->is_reduced[i] && src->dims[i] != 1)
      return false;
  return n->divides;
}

static bool is_plain (WeirOp op)
{
  return op == WEIR_OP_MEAN_VARIANCE_NORMALIZATION || op == WEIR_OP_OV_MVN;
}

/* In f32, in the layout that it has if there is a form for it. */
static bool propose_format (
    const WeirStepSpec *spec, bool is_by_channel, WeirFormat *src, WeirFormat *dst)
{
  src[0] = dst[0] = (WeirFormat){ WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN };
  if (is_by_channel && weir_cpu_channel_norm_can (&spec->src[0]))
    src[0].layout = dst[0].layout = WEIR_LAYOUT_CHANNELS_LAST;
  return true;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirNormalise normalise;
  uint32_t axis;
  if (spec->node->n_post || !weir_cpu_is_float (spec->src[0].dtype) ||
      !weir_cpu_has_elements (&spec->src[0]))
    return false;
  if (is_plain (spec->node->op)) {
    for (uint32_t i = 1; i < spec->n_src; i++)
      src[i] = weir_cpu_format_as_is ();
    return find_axis (spec, &normalise, &axis) && propose_format (spec, axis == 2, src, dst);
  }
  for (uint32_t i = 1; i < spec->n_dst; i++)
    if (spec->node->dst[i] != WEIR_NONE)
      return false;
  for (uint32_t i = 1; i < spec->n_src; i++) {
    bool is_absent = spec->src[i].dtype == WEIR_DTYPE_NONE;
    if (!is_absent && (!spec->src[i].buffer || !weir_dtype_is_floating (spec->src[i].dtype)))
      return false;
    src[i] = weir_cpu_format_as_is ();
  }
  return propose_format (spec, spec->node->op == WEIR_OP_INSTANCE_NORMALIZATION, src, dst);
}

static void run_rows (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  const WeirTensorKernels *kernels = self->base.device->kernels;
  int64_t n_part = self->n_row / self->n_parts;
  for (int64_t row = begin; row < end; row++) {
    const float *src = (const float *) bound->src[0] + row * self->n_row;
    float *dst = (float *) bound->dst[0] + row * self->n_row;
    float centre = self->is_centred ? (float) kernels->mean (src, (size_t) self->n_row) : 0.0f;
    double spread = kernels->spread (src, (size_t) self->n_row, centre);
    float factor = (float) (self->is_outside ? 1 / (sqrt (spread) + self->epsilon)
                                             : 1 / sqrt (spread + self->epsilon));
    for (int64_t part = 0; part < self->n_parts; part++) {
      int64_t set = self->step ? 0 : row % self->n_sets * self->n_parts + part;
      kernels->normalise (dst + part * n_part, src + part * n_part, self->scale + set,
          self->shift + set, self->step, centre, factor, (size_t) n_part);
    }
  }
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  weir_cpu_for (self->base.device->n_threads, self->n_rows, PARALLEL_ELEMENTS / self->n_row + 1,
      run_rows, bound);
  return true;
}

static void free_kernel (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  g_free (self->scale);
  g_free (self->shift);
  g_free (self);
}

/* One number for each of n_channels, from as many or from one for each group of them. */
static float *expand_channels (const WeirTensor *param, int64_t n_channels)
{
  int64_t n;
  g_autofree float *values = weir_cpu_constant_f32 (param, &n);
  float *all = g_new (float, (size_t) n_channels);
  for (int64_t i = 0; i < n_channels; i++)
    all[i] = values[i / (n_channels / n)];
  return all;
}

/* One number for each element of the dims from `axis` on, as `param` broadcasts to them. */
static float *expand_row (
    const WeirTensor *param, const WeirTensor *src, uint32_t axis, int64_t n_row, float fallback)
{
  int64_t n;
  float *all = g_new (float, (size_t) n_row);
  g_autofree float *values =
      param->dtype == WEIR_DTYPE_NONE ? NULL : weir_cpu_constant_f32 (param, &n);
  for (int64_t i = 0; i < n_row; i++) {
    int64_t rest = i, at = 0, stride = 1;
    for (uint32_t k = 0; values && k < MIN (param->rank, src->rank - axis); k++) {
      int64_t dim = src->dims[src->rank - 1 - k], own = param->dims[param->rank - 1 - k];
      at += own == 1 ? 0 : rest % dim * stride;
      stride *= own;
      rest /= dim;
    }
    all[i] = values ? values[at] : fallback;
  }
  return all;
}

static void describe_rows (Kernel *self, const WeirStepSpec *spec)
{
  static const WeirTensor absent;
  WeirShapeJob job = weir_step_job (spec);
  WeirLayerNorm norm = { 0 };
  weir_layer_norm_resolve (&job, &norm, NULL);
  self->n_rows = norm.n_outer;
  self->n_row = norm.n;
  self->n_parts = self->n_sets = 1;
  self->step = 1;
  self->scale = expand_row (&spec->src[1], &spec->src[0], norm.axis, norm.n, 1);
  self->shift =
      expand_row (spec->n_src > 2 ? &spec->src[2] : &absent, &spec->src[0], norm.axis, norm.n, 0);
}

static void describe_groups (Kernel *self, const WeirStepSpec *spec, int64_t n_groups)
{
  const WeirTensor *src = &spec->src[0];
  self->n_rows = src->dims[0] * n_groups;
  self->n_sets = n_groups;
  self->n_parts = src->dims[1] / n_groups;
  self->n_row = self->n_parts;
  for (uint32_t i = 2; i < src->rank; i++)
    self->n_row *= src->dims[i];
  self->scale = expand_channels (&spec->src[1], src->dims[1]);
  self->shift = expand_channels (&spec->src[2], src->dims[1]);
}

static void describe_plain (Kernel *self, const WeirStepSpec *spec)
{
  const WeirTensor *src = &spec->src[0];
  WeirNormalise normalise;
  uint32_t axis;
  find_axis (spec, &normalise, &axis);
  self->is_outside = normalise.eps_mode == WEIR_EPS_OUTSIDE;
  self->epsilon = (double) normalise.eps;
  self->n_rows = self->n_row = self->n_parts = self->n_sets = 1;
  for (uint32_t i = 0; i < src->rank; i++)
    *(i < axis ? &self->n_rows : &self->n_row) *= src->dims[i];
  self->scale = g_new (float, 1);
  self->shift = g_new0 (float, 1);
  *self->scale = 1;
}

static WeirCpuKernel *compile_last (WeirDevice *device, const WeirStepSpec *spec)
{
  WeirCpuChannelNorm norm = { .epsilon = (double) weir_node_float (spec->node, "epsilon", 1e-5f) };
  if (is_plain (spec->node->op)) {
    WeirNormalise normalise;
    uint32_t axis;
    find_axis (spec, &normalise, &axis);
    norm.is_outside = normalise.eps_mode == WEIR_EPS_OUTSIDE;
    norm.epsilon = (double) normalise.eps;
  } else {
    norm.scale = expand_channels (&spec->src[1], spec->src[0].dims[1]);
    norm.shift = expand_channels (&spec->src[2], spec->src[0].dims[1]);
  }
  return weir_cpu_channel_norm_new (device, spec, &norm);
}

static WeirCpuKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirNode *node = spec->node;
  if (spec->src[0].layout == WEIR_LAYOUT_CHANNELS_LAST)
    return compile_last (device, spec);
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "normalise", run);
  self->base.free = free_kernel;
  self->is_centred = node->op != WEIR_OP_RMS_NORMALIZATION;
  self->epsilon = (double) weir_node_float (node, "epsilon", 1e-5f);
  if (is_plain (node->op))
    describe_plain (self, spec);
  else if (node->op == WEIR_OP_INSTANCE_NORMALIZATION)
    describe_groups (self, spec, spec->src[0].dims[1]);
  else if (node->op == WEIR_OP_GROUP_NORMALIZATION)
    describe_groups (self, spec, weir_node_int (node, "num_groups", 1));
  else
    describe_rows (self, spec);
  return &self->base;
}

const WeirCpuOp weir_cpu_normalise = { propose, compile };
