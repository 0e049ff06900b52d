/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalisations by the input's own statistics (kernels/ocl/normalise.cl): Instance-, Group-,
 * Layer-, RMS- and MeanVarianceNormalization; MVN, NormalizeL2 and GRN of OpenVINO IR. */
#include "engine/graph/geometry.h"
#include "engine/graph/openvino.h"
#include "engine/ocl/ocl_constants.h"
#include "engine/ocl/ocl_program.h"
#include "engine/ocl/ocl_rows.h"

/* As in normalise.cl. */
typedef struct Arguments {
  cl_uint n_outer, n, n_inner;
  cl_uint outer_sets, outer_step, part, part_step, inner_step;
  cl_int is_centred, divides, takes_sum, eps_mode;
  cl_float eps;
} Arguments;

/* An operator in one of the layouts. */
typedef struct Shape {
  WeirOclRows rows;
  Arguments arguments;
  uint32_t n_scales; /* and shifts */
} Shape;

typedef struct Kernel {
  WeirOclKernel base;
  Shape shape;
  WeirOclMemory *table; /* scales, then shifts */
  cl_program program;
  WeirDtype dtype;
} Kernel;

static void fill_arguments (const WeirNormalise *n, Shape *shape)
{
  shape->n_scales = 1;
  shape->arguments = (Arguments){ .n_outer = shape->rows.n_outer,
    .n = shape->rows.n,
    .n_inner = shape->rows.n_inner,
    .outer_sets = 1,
    .part = 1,
    .is_centred = n->subtracts_mean,
    .divides = n->divides,
    .takes_sum = n->takes_sum,
    .eps_mode = n->eps_mode == WEIR_EPS_OUTSIDE ? 1
                : n->eps_mode == WEIR_EPS_LEAST ? 2
                                                : 0,
    .eps = n->eps };
}

static WeirNormalise by_deviation (const WeirStepSpec *spec)
{
  return (WeirNormalise){ .subtracts_mean = spec->node->op != WEIR_OP_RMS_NORMALIZATION,
    .divides = true,
    .eps_mode = WEIR_EPS_INSIDE,
    .eps = weir_node_float (spec->node, "epsilon", 1e-5f) };
}

/* --- without parameters --- */

static bool resolve_axes (const WeirStepSpec *spec, WeirNormalise *n)
{
  WeirShapeJob job = weir_step_job (spec);
  uint32_t axes[WEIR_MAX_RANK], n_axes, rank = spec->src[0].rank;
  if (spec->node->op != WEIR_OP_MEAN_VARIANCE_NORMALIZATION)
    return weir_normalise_resolve (&job, n, NULL);
  *n = (WeirNormalise){ .subtracts_mean = true, .divides = true, .eps_mode = WEIR_EPS_OUTSIDE };
  n->eps = 1e-9f; /* ONNX defines the operator with this constant */
  if (!weir_shape_axes (&job, "axes", WEIR_NONE, rank, axes, &n_axes, NULL))
    return false;
  for (uint32_t i = 0; i < rank; i++)
    n->is_reduced[i] = n_axes == 0 && i != 1;
  for (uint32_t i = 0; i < n_axes; i++)
    n->is_reduced[axes[i]] = true;
  return true;
}

static bool describe_axes (const WeirStepSpec *spec, const WeirTensor *src, Shape *shape)
{
  WeirNormalise n;
  if (!resolve_axes (spec, &n) || !weir_ocl_rows_describe (&shape->rows, src, n.is_reduced))
    return false;
  fill_arguments (&n, shape);
  return true;
}

/* --- with parameters --- */

static bool describe_layer (const WeirStepSpec *spec, const WeirTensor *src, Shape *shape)
{
  WeirShapeJob job = weir_step_job (spec);
  WeirNormalise n = by_deviation (spec);
  WeirLayerNorm layer;
  if (src->layout != WEIR_LAYOUT_PLAIN || !weir_layer_norm_resolve (&job, &layer, NULL))
    return false;
  shape->rows = (WeirOclRows){ (uint32_t) layer.n_outer, (uint32_t) layer.n, 1 };
  fill_arguments (&n, shape);
  shape->n_scales = shape->rows.n;
  shape->arguments.part_step = 1;
  return true;
}

/* Statistics of each channel. */
static bool describe_instance (const WeirStepSpec *spec, const WeirTensor *src, Shape *shape)
{
  WeirNormalise n = by_deviation (spec);
  bool is_last = src->layout == WEIR_LAYOUT_CHANNELS_LAST;
  for (uint32_t i = 2; i < src->rank; i++)
    n.is_reduced[i] = true;
  if (!weir_ocl_rows_describe (&shape->rows, src, n.is_reduced))
    return false;
  fill_arguments (&n, shape);
  shape->n_scales = (uint32_t) src->dims[1];
  shape->arguments.outer_sets = shape->n_scales;
  shape->arguments.outer_step = !is_last;
  shape->arguments.inner_step = is_last;
  return true;
}

/* [items · groups, channels of a group · pixels]. */
static bool describe_groups (const WeirStepSpec *spec, const WeirTensor *src, Shape *shape)
{
  WeirNormalise n = by_deviation (spec);
  uint32_t n_groups = (uint32_t) weir_node_int (spec->node, "num_groups", 1),
           n_channels = (uint32_t) src->dims[1], n_items = (uint32_t) src->dims[0];
  if (src->layout != WEIR_LAYOUT_PLAIN || n_groups == 0 || n_channels % n_groups)
    return false;
  shape->rows =
      (WeirOclRows){ n_items * n_groups, weir_ocl_n_elements (src) / (n_items * n_groups), 1 };
  fill_arguments (&n, shape);
  shape->n_scales = n_channels;
  shape->arguments.outer_sets = n_groups;
  shape->arguments.outer_step = n_channels / n_groups;
  shape->arguments.part = weir_ocl_n_elements (src) / (n_items * n_channels);
  shape->arguments.part_step = 1;
  return true;
}

static const struct {
  bool (*describe) (const WeirStepSpec *spec, const WeirTensor *src, Shape *shape);
  bool has_parameters;
} kinds[WEIR_N_OPS] = {
  [WEIR_OP_MEAN_VARIANCE_NORMALIZATION] = { describe_axes, false },
  [WEIR_OP_OV_MVN] = { describe_axes, false },
  [WEIR_OP_OV_NORMALIZE_L2] = { describe_axes, false },
  [WEIR_OP_OV_GRN] = { describe_axes, false },
  [WEIR_OP_LAYER_NORMALIZATION] = { describe_layer, true },
  [WEIR_OP_RMS_NORMALIZATION] = { describe_layer, true },
  [WEIR_OP_INSTANCE_NORMALIZATION] = { describe_instance, true },
  [WEIR_OP_GROUP_NORMALIZATION] = { describe_groups, true },
};

static bool describe (const WeirStepSpec *spec, WeirLayout layout, Shape *shape)
{
  WeirTensor src = spec->src[0];
  src.layout = layout;
  return kinds[spec->node->op].describe (spec, &src, shape);
}

/* Parameter i: one number, or as many as there are. */
static bool can_read (const WeirStepSpec *spec, uint32_t i, uint32_t n_scales)
{
  if (i >= spec->n_src || spec->src[i].dtype == WEIR_DTYPE_NONE)
    return true;
  uint32_t n = weir_ocl_n_elements (&spec->src[i]);
  return spec->src[i].buffer && weir_ocl_takes (&spec->src[i]) && (n == 1 || n == n_scales);
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  Shape shape;
  WeirLayout layout = spec->src[0].layout;
  if (spec->node->n_post || !weir_ocl_takes (&spec->src[0]) || spec->src[0].buffer ||
      spec->src[0].rank < 2)
    return false;
  for (uint32_t i = 1; i < spec->n_dst; i++)
    if (spec->node->dst[i] != WEIR_NONE)
      return false;
  if (!describe (spec, layout, &shape)) {
    layout = layout == WEIR_LAYOUT_PLAIN ? WEIR_LAYOUT_CHANNELS_LAST : WEIR_LAYOUT_PLAIN;
    if (spec->src[0].rank < 3 || !describe (spec, layout, &shape))
      return false;
  }
  for (uint32_t i = 1; i < spec->n_src; i++) {
    if (kinds[spec->node->op].has_parameters && !can_read (spec, i, shape.n_scales))
      return false;
    src[i] = weir_ocl_format_packed ();
  }
  src[0] = dst[0] = weir_ocl_format_as (device, layout);
  return true;
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const Arguments arguments = self->shape.arguments;
  uint32_t element_bytes = (uint32_t) weir_dtype_bytes (self->dtype);
  const uint8_t *scales = self->table->base;
  return weir_ocl_bound_take (
      bound, weir_ocl_call_new (self->base.device->ocl, self->program, "normalise",
                 weir_ocl_rows_grid (&self->shape.rows), error,
                 WEIR_OCL_ADDRESS (bound->src[0], element_bytes),
                 WEIR_OCL_ADDRESS (bound->dst[0], element_bytes),
                 WEIR_OCL_ADDRESS (scales, sizeof (float)),
                 WEIR_OCL_ADDRESS (scales + self->shape.n_scales * sizeof (float), sizeof (float)),
                 WEIR_OCL_VALUE (arguments)));
}

static void release (WeirOclKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_ocl_table_free (kernel->device, self->table);
  g_free (self);
}

static void read_parameter (
    const WeirStepSpec *spec, uint32_t i, float fallback, float *values, uint32_t n)
{
  bool is_given = kinds[spec->node->op].has_parameters && i < spec->n_src &&
                  spec->src[i].dtype != WEIR_DTYPE_NONE;
  uint32_t n_given = is_given ? weir_ocl_n_elements (&spec->src[i]) : 0;
  for (uint32_t k = 0; k < n; k++) {
    values[k] = fallback;
    if (is_given)
      weir_known_float (&spec->src[i], n_given == 1 ? 0 : k, &values[k]);
  }
}

static bool prepare (Kernel *self, const WeirStepSpec *spec, GError **error)
{
  WeirDevice *device = self->base.device;
  uint32_t n = self->shape.n_scales;
  g_autofree float *numbers = g_new (float, (size_t) n * 2);
  weir_ocl_rows_choose (&self->shape.rows, device->ocl);
  g_autofree char *options = g_strdup_printf ("-DCOLUMNS=%u -DLINES=%u%s", self->shape.rows.columns,
      self->shape.rows.lines, weir_ocl_dtype_option (self->dtype));
  self->program = weir_ocl_program_get (device->ocl, "normalise", options, error);
  read_parameter (spec, 1, 1, numbers, n);
  read_parameter (spec, 2, 0, numbers + n, n);
  self->table = self->program
                    ? weir_ocl_table_new (device, numbers, (size_t) n * 2 * sizeof *numbers, error)
                    : NULL;
  return self->table != NULL;
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self =
      (Kernel *) weir_ocl_kernel_new (device, spec, sizeof *self, "normalise", weir_ocl_run_calls);
  self->base.bind = bind;
  self->base.free = release;
  self->dtype = spec->dst[0].dtype;
  describe (spec, spec->src[0].layout, &self->shape);
  if (prepare (self, spec, error))
    return &self->base;
  release (&self->base);
  return NULL;
}

const WeirOclOp weir_ocl_normalise = { propose, compile };
