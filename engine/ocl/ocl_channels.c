/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BatchNormalization that fusing left over, and ImageScaler: a scale and a shift for each channel.
 */
#include "engine/ocl/ocl_constants.h"
#include "engine/ocl/ocl_program.h"
#include "engine/ocl/ocl_stages.h"

#include <math.h>

#define GROUP     64u
#define MAX_ITEMS 65536u

typedef struct Kernel {
  WeirOclKernel base;
  WeirOclStages stages;
  WeirOclMemory *table; /* scale, then shift: f32 */
  cl_program program;
  WeirDtype dtype;
  uint32_t n, n_channels, n_pixels;
} Kernel;

static bool has_constants (const WeirStepSpec *spec)
{
  for (uint32_t i = 1; i < 5; i++)
    if (i >= spec->n_src || !spec->src[i].buffer || spec->src[i].dtype != WEIR_DTYPE_F32)
      return false;
  for (uint32_t i = 1; i < spec->n_dst; i++)
    if (spec->node->dst[i] != WEIR_NONE)
      return false;
  return !weir_node_int (spec->node, "training_mode", 0);
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirOclStages stages;
  bool is_norm = spec->node->op == WEIR_OP_BATCH_NORMALIZATION;
  if (!weir_ocl_takes (&spec->src[0]) || spec->src[0].rank < 2 || spec->src[0].buffer ||
      (is_norm && !has_constants (spec)) || !weir_ocl_stages_init (&stages, spec))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  src[0] = dst[0] = weir_ocl_format_as (device, spec->src[0].layout);
  weir_ocl_stages_propose (&stages, dst[0], src);
  return true;
}

static void fill_norm (const WeirStepSpec *spec, float *factors, float *shifts, uint32_t n)
{
  double epsilon = (double) weir_node_float (spec->node, "epsilon", 1e-5f);
  const float *scale = weir_tensor_data (&spec->src[1]), *shift = weir_tensor_data (&spec->src[2]),
              *mean = weir_tensor_data (&spec->src[3]),
              *variance = weir_tensor_data (&spec->src[4]);
  for (uint32_t c = 0; c < n; c++) {
    double factor = (double) scale[c] / sqrt ((double) variance[c] + epsilon);
    factors[c] = (float) factor;
    shifts[c] = (float) ((double) shift[c] - (double) mean[c] * factor);
  }
}

static void fill_scaler (const WeirStepSpec *spec, float *factors, float *shifts, uint32_t n)
{
  const WeirAttr *bias = weir_node_attr (spec->node, "bias");
  bool has_bias = bias && bias->kind == WEIR_ATTR_FLOATS && bias->n;
  for (uint32_t c = 0; c < n; c++) {
    factors[c] = weir_node_float (spec->node, "scale", 1);
    shifts[c] = has_bias ? bias->floats[c] : 0;
  }
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const WeirOclStage *stage = &self->stages.stages[0];
  uint32_t element_bytes = (uint32_t) weir_dtype_bytes (self->dtype);
  uint32_t group = MIN (GROUP, MAX (weir_ocl_device_facts (self->base.device->ocl)->max_group, 1));
  cl_uint n = self->n, n_channels = self->n_channels, n_pixels = self->n_pixels;
  WeirOclPosts posts;
  weir_ocl_posts_init (&posts, stage->posts, stage->n_posts);
  return weir_ocl_bound_take (bound,
             weir_ocl_call_new (self->base.device->ocl, self->program, "channels",
                 weir_ocl_grid (MIN (n, MAX_ITEMS), 0, 0, group, 0, 0), error,
                 WEIR_OCL_ADDRESS (bound->src[0], element_bytes),
                 WEIR_OCL_ADDRESS (bound->dst[0], element_bytes),
                 WEIR_OCL_ADDRESS (self->table->base, sizeof (float)),
                 WEIR_OCL_ADDRESS (self->table->base + n_channels * sizeof (float), sizeof (float)),
                 WEIR_OCL_VALUE (n), WEIR_OCL_VALUE (n_channels), WEIR_OCL_VALUE (n_pixels),
                 WEIR_OCL_VALUE (posts.parameters))) &&
         weir_ocl_stages_take (&self->stages, 1, bound, self->n, self->dtype, error);
}

static void release (WeirOclKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_ocl_table_free (kernel->device, self->table);
  g_free (self);
}

static bool prepare (Kernel *self, const WeirStepSpec *spec, GError **error)
{
  WeirDevice *device = self->base.device;
  const WeirOclStage *stage = &self->stages.stages[0];
  uint32_t n = self->n_channels;
  g_autofree float *numbers = g_new (float, (size_t) n * 2);
  WeirOclPosts posts;
  weir_ocl_posts_init (&posts, stage->posts, stage->n_posts);
  g_autofree char *options = g_strconcat (weir_ocl_dtype_option (self->dtype), posts.options, NULL);
  bool is_norm = spec->node->op == WEIR_OP_BATCH_NORMALIZATION;
  (is_norm ? fill_norm : fill_scaler) (spec, numbers, numbers + n, n);
  self->program = weir_ocl_program_get (device->ocl, "channels", options, error);
  self->table = self->program
                    ? weir_ocl_table_new (device, numbers, (size_t) n * 2 * sizeof *numbers, error)
                    : NULL;
  return self->table != NULL;
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirTensor *src = &spec->src[0];
  bool is_last = src->layout == WEIR_LAYOUT_CHANNELS_LAST || src->rank == 2;
  Kernel *self =
      (Kernel *) weir_ocl_kernel_new (device, spec, sizeof *self, "channels", weir_ocl_run_calls);
  self->base.bind = bind;
  self->base.free = release;
  weir_ocl_stages_init (&self->stages, spec);
  self->dtype = spec->dst[0].dtype;
  self->n = weir_ocl_n_elements (src);
  self->n_channels = (uint32_t) src->dims[1];
  self->n_pixels = is_last ? 1 : self->n / (uint32_t) src->dims[0] / self->n_channels;
  if (prepare (self, spec, error))
    return &self->base;
  release (&self->base);
  return NULL;
}

const WeirOclOp weir_ocl_batch_norm = { propose, compile };
