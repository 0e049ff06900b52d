/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QLinearAdd and QLinearMul (kernels/ocl/int8_codes.cl). Operands are [items, pixels, channels], a
 * dim of 1 is repeated. */
#include "engine/ocl/ocl_int8.h"

/* As in int8_codes.cl. */
typedef struct Operand {
  cl_uint strides[3];
  cl_int zero;
  cl_float factor;
} Operand;

typedef struct Kernel {
  WeirOclKernel base;
  cl_program program;
  uint32_t n, n_pixels, n_channels;
  Operand a, b;
  WeirOclCodes codes;
} Kernel;

/* A tensor of up to dst's rank as items, channels, pixels; false where its pixels are neither dst's
 * nor one, or lie in another order. */
static bool split (const WeirTensor *tensor, const WeirTensor *dst, uint32_t dims[3])
{
  uint32_t n_all = 1, missing = dst->rank - tensor->rank;
  dims[0] = dims[1] = dims[2] = 1;
  if (tensor->rank > dst->rank)
    return false;
  for (uint32_t i = 0; i < dst->rank; i++) {
    uint32_t n = i < missing ? 1 : (uint32_t) tensor->dims[i - missing];
    dims[dst->rank == 1 ? 1 : MIN (i, 2)] *= n;
    n_all *= i < 2 ? 1 : (uint32_t) dst->dims[i];
  }
  return dims[2] == 1 || (dims[2] == n_all && tensor->rank == dst->rank);
}

static Operand operand_of (const WeirStepSpec *spec, uint32_t i)
{
  WeirInt8Scale scale;
  uint32_t dims[3];
  split (&spec->src[i], spec->dst, dims);
  weir_int8_scale_read (spec, i + 1, i + 2, &scale);
  return (Operand){ .strides = { dims[0] > 1 ? dims[1] * dims[2] : 0, dims[2] > 1 ? dims[1] : 0,
                        dims[1] > 1 },
    .zero = scale.zero,
    .factor = scale.scale };
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale scale;
  WeirOclCodes codes;
  uint32_t dims[3];
  if (!weir_ocl_takes_codes (&spec->dst[0]) || spec->dst[0].rank < 1 || spec->node->n_post ||
      spec->src[0].dtype != spec->src[3].dtype || !weir_int8_scale_read (spec, 6, 7, &scale) ||
      !weir_ocl_codes_init (&codes, &scale, spec->dst[0].dtype))
    return false;
  for (uint32_t i = 0; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  for (uint32_t i = 0; i < 4; i += 3) {
    if (!weir_ocl_takes_codes (&spec->src[i]) || spec->src[i].buffer ||
        !weir_int8_scale_read (spec, i + 1, i + 2, &scale) ||
        !split (&spec->src[i], spec->dst, dims))
      return false;
    src[i] = spec->src[i].rank == spec->dst[0].rank
                 ? weir_ocl_format_last (device, &spec->src[i])
                 : weir_ocl_format_moved (device, &spec->src[i], WEIR_LAYOUT_PLAIN);
  }
  dst[0] = weir_ocl_format_last (device, &spec->dst[0]);
  return true;
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const cl_uint n = self->n, n_pixels = self->n_pixels, n_channels = self->n_channels;
  return weir_ocl_bound_take (bound,
      weir_ocl_call_new (self->base.device->ocl, self->program, "combine",
          weir_ocl_codes_grid (self->base.device, n), error, WEIR_OCL_ADDRESS (bound->src[0], 1),
          WEIR_OCL_ADDRESS (bound->src[3], 1), WEIR_OCL_ADDRESS (bound->dst[0], 1),
          WEIR_OCL_VALUE (n), WEIR_OCL_VALUE (n_pixels), WEIR_OCL_VALUE (n_channels),
          WEIR_OCL_VALUE (self->a), WEIR_OCL_VALUE (self->b), WEIR_OCL_VALUE (self->codes)));
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  bool is_sum = spec->node->op == WEIR_OP_Q_LINEAR_ADD;
  Kernel *self = (Kernel *) weir_ocl_kernel_new (
      device, spec, sizeof *self, is_sum ? "int8 add" : "int8 multiply", weir_ocl_run_calls);
  WeirInt8Scale scale;
  uint32_t dims[3];
  weir_int8_scale_read (spec, 6, 7, &scale);
  weir_ocl_codes_init (&self->codes, &scale, spec->dst[0].dtype);
  split (&spec->dst[0], spec->dst, dims);
  self->base.bind = bind;
  self->n = weir_ocl_n_elements (&spec->dst[0]);
  self->n_channels = dims[1];
  self->n_pixels = dims[2];
  self->a = operand_of (spec, 0);
  self->b = operand_of (spec, 3);
  self->a.factor =
      is_sum ? self->a.factor / scale.scale : self->a.factor * self->b.factor / scale.scale;
  self->b.factor = is_sum ? self->b.factor / scale.scale : 1;
  g_autofree char *options = g_strdup_printf (
      "-DCODE=%s%s", weir_ocl_code_type (spec->src[0].dtype), is_sum ? "" : " -DPRODUCT");
  self->program = weir_ocl_program_get (device->ocl, "int8_codes", options, error);
  if (self->program)
    return &self->base;
  g_free (self);
  return NULL;
}

const WeirOclOp weir_ocl_int8_binary = { propose, compile };
