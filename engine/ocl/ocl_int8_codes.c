/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QuantizeLinear and DequantizeLinear of whole tensors, in whatever layout they come
 * (kernels/ocl/int8_codes.cl). */
#include "engine/ocl/ocl_int8.h"

#define GROUP     128u
#define MAX_ITEMS 262144u

typedef struct Kernel {
  WeirOclKernel base;
  cl_program program;
  uint32_t n;
  WeirDtype src_dtype, dst_dtype;
  WeirInt8Scale scale; /* of DequantizeLinear */
  WeirOclCodes codes;  /* else */
} Kernel;

WeirOclGrid weir_ocl_codes_grid (WeirDevice *device, uint32_t n)
{
  uint32_t most = weir_ocl_device_facts (device->ocl)->max_group;
  return weir_ocl_grid (MIN (n, MAX_ITEMS), 0, 0, MIN (GROUP, MAX (most, 1)), 0, 0);
}

static Kernel *kernel_new (WeirDevice *device, const WeirStepSpec *spec, const char *name,
    bool (*bind) (const WeirOclBound *bound, GError **error))
{
  Kernel *self =
      (Kernel *) weir_ocl_kernel_new (device, spec, sizeof *self, name, weir_ocl_run_calls);
  self->base.bind = bind;
  self->n = weir_ocl_n_elements (&spec->dst[0]);
  self->src_dtype = spec->src[0].dtype;
  self->dst_dtype = spec->dst[0].dtype;
  return self;
}

static WeirOclKernel *with_program (Kernel *self, const char *options, GError **error)
{
  self->program = weir_ocl_program_get (self->base.device->ocl, "int8_codes", options, error);
  if (self->program)
    return &self->base;
  g_free (self);
  return NULL;
}

/* --- QuantizeLinear --- */

static bool propose_quantise (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale scale;
  WeirOclCodes codes;
  if (!weir_ocl_takes (&spec->src[0]) || spec->src[0].buffer ||
      !weir_ocl_takes_codes (&spec->dst[0]) || !weir_int8_scale_read (spec, 1, 2, &scale) ||
      !weir_ocl_codes_init (&codes, &scale, spec->dst[0].dtype))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  src[0] = weir_ocl_format_as (device, spec->src[0].layout);
  dst[0] = (WeirFormat){ spec->dst[0].dtype, spec->src[0].layout, true };
  return true;
}

static bool bind_quantise (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  cl_uint n = self->n;
  return weir_ocl_bound_take (bound,
      weir_ocl_call_new (self->base.device->ocl, self->program, "quantise",
          weir_ocl_codes_grid (self->base.device, n), error,
          WEIR_OCL_ADDRESS (bound->src[0], (uint32_t) weir_dtype_bytes (self->src_dtype)),
          WEIR_OCL_ADDRESS (bound->dst[0], 1), WEIR_OCL_VALUE (n), WEIR_OCL_VALUE (self->codes)));
}

static WeirOclKernel *compile_quantise (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirInt8Scale scale;
  Kernel *self = kernel_new (device, spec, "quantise", bind_quantise);
  weir_int8_scale_read (spec, 1, 2, &scale);
  weir_ocl_codes_init (&self->codes, &scale, self->dst_dtype);
  return with_program (self, weir_ocl_dtype_option (self->src_dtype), error);
}

/* --- DequantizeLinear --- */

static bool propose_dequantise (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale scale;
  if (!weir_ocl_takes_codes (&spec->src[0]) || spec->src[0].buffer ||
      !weir_ocl_takes (&spec->dst[0]) || !weir_int8_scale_read (spec, 1, 2, &scale))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  src[0] = (WeirFormat){ spec->src[0].dtype, spec->src[0].layout, true };
  dst[0] = weir_ocl_format_as (device, spec->src[0].layout);
  return true;
}

static bool bind_dequantise (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const cl_uint n = self->n;
  const cl_float scale = self->scale.scale;
  const cl_int zero = self->scale.zero;
  return weir_ocl_bound_take (bound,
      weir_ocl_call_new (self->base.device->ocl, self->program, "dequantise",
          weir_ocl_codes_grid (self->base.device, n), error, WEIR_OCL_ADDRESS (bound->src[0], 1),
          WEIR_OCL_ADDRESS (bound->dst[0], (uint32_t) weir_dtype_bytes (self->dst_dtype)),
          WEIR_OCL_VALUE (n), WEIR_OCL_VALUE (scale), WEIR_OCL_VALUE (zero)));
}

static WeirOclKernel *compile_dequantise (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self = kernel_new (device, spec, "dequantise", bind_dequantise);
  weir_int8_scale_read (spec, 1, 2, &self->scale);
  g_autofree char *options = g_strdup_printf (
      "-DCODE=%s%s", weir_ocl_code_type (self->src_dtype), weir_ocl_dtype_option (self->dst_dtype));
  return with_program (self, options, error);
}

const WeirOclOp weir_ocl_quantise = { propose_quantise, compile_quantise };
const WeirOclOp weir_ocl_dequantise = { propose_dequantise, compile_dequantise };
