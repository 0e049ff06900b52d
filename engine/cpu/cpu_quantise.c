/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QuantizeLinear, DynamicQuantizeLinear and DequantizeLinear of whole tensors, and
 * Cast of whole numbers to f32, in the layout that they come in. */
#include "engine/cpu/cpu_int8.h"

#include <math.h>

#define PARALLEL_ELEMENTS 8192

typedef struct Kernel {
  WeirCpuKernel base;
  const WeirByteKernels *kernels;
  WeirCodes codes;
  int64_t n;
} Kernel;

static Kernel *kernel_new (WeirDevice *device, const WeirStepSpec *spec, const char *name,
    bool (*run) (const WeirCpuBound *bound, GError **error))
{
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, name, run);
  self->kernels = weir_byte_kernels ();
  weir_tensor_n_elements (&spec->src[0], &self->n);
  return self;
}

static bool run_parts (
    const WeirCpuBound *bound, void (*body) (const void *job, int64_t begin, int64_t end))
{
  const Kernel *self = (const Kernel *) bound->kernel;
  weir_cpu_for (self->base.device->n_threads, self->n, PARALLEL_ELEMENTS, body, bound);
  return true;
}

/* --- QuantizeLinear --- */

static bool propose_quantise (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale q;
  if (!weir_int8_is_code (spec->dst[0].dtype) || !weir_cpu_is_float (spec->src[0].dtype) ||
      spec->src[0].buffer || !weir_cpu_has_elements (&spec->src[0]) ||
      !weir_int8_scale_read (spec, 1, 2, &q))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  src[0] = (WeirFormat){ WEIR_DTYPE_F32, spec->src[0].layout };
  dst[0] = (WeirFormat){ spec->dst[0].dtype, spec->src[0].layout };
  return true;
}

static void quantise_part (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  self->kernels->quantise ((uint8_t *) bound->dst[0] + begin, (const float *) bound->src[0] + begin,
      self->codes, (size_t) (end - begin));
}

static bool run_quantise (const WeirCpuBound *bound, GError **error)
{
  return run_parts (bound, quantise_part);
}

static WeirCpuKernel *compile_quantise (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirInt8Scale q;
  Kernel *self = kernel_new (device, spec, "quantise", run_quantise);
  weir_int8_scale_read (spec, 1, 2, &q);
  self->codes = weir_cpu_codes (&q, spec->dst[0].dtype);
  return &self->base;
}

/* --- DequantizeLinear --- */

static bool propose_dequantise (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale q;
  if (!weir_int8_is_code (spec->src[0].dtype) || spec->src[0].buffer ||
      spec->dst[0].dtype != WEIR_DTYPE_F32 || !weir_cpu_has_elements (&spec->src[0]) ||
      !weir_int8_scale_read (spec, 1, 2, &q))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  src[0] = weir_cpu_format_of (&spec->src[0]);
  dst[0] = (WeirFormat){ WEIR_DTYPE_F32, spec->src[0].layout };
  return true;
}

static void dequantise_part (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  self->kernels->dequantise ((float *) bound->dst[0] + begin,
      (const uint8_t *) bound->src[0] + begin, self->codes, (size_t) (end - begin));
}

static bool run_dequantise (const WeirCpuBound *bound, GError **error)
{
  return run_parts (bound, dequantise_part);
}

static WeirCpuKernel *compile_dequantise (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirInt8Scale q;
  Kernel *self = kernel_new (device, spec, "dequantise", run_dequantise);
  weir_int8_scale_read (spec, 1, 2, &q);
  self->codes = weir_cpu_codes (&q, spec->src[0].dtype);
  return &self->base;
}

/* --- DynamicQuantizeLinear --- */

static bool propose_dynamic (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!weir_cpu_is_float (spec->src[0].dtype) || spec->src[0].buffer ||
      spec->node->dst[0] == WEIR_NONE || !weir_cpu_has_elements (&spec->src[0]))
    return false;
  src[0] = (WeirFormat){ WEIR_DTYPE_F32, spec->src[0].layout };
  dst[0] = (WeirFormat){ WEIR_DTYPE_U8, spec->src[0].layout };
  for (uint32_t i = 1; i < spec->n_dst; i++)
    dst[i] = weir_cpu_format_of (&spec->dst[i]);
  return true;
}

/* One thread: the range needs all before the first is quantised. */
static bool run_dynamic (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  float range[2];
  self->kernels->find_range (range, bound->src[0], (size_t) self->n);
  float scale = range[1] > range[0] ? (range[1] - range[0]) / 255.0f : 1.0f;
  float zero = CLAMP (rintf (-range[0] / scale), 0.0f, 255.0f);
  self->kernels->quantise (
      bound->dst[0], bound->src[0], (WeirCodes){ scale, zero, 0 }, (size_t) self->n);
  if (self->base.n_dst > 1 && bound->dst[1])
    *(float *) bound->dst[1] = scale;
  if (self->base.n_dst > 2 && bound->dst[2])
    *(uint8_t *) bound->dst[2] = (uint8_t) zero;
  return true;
}

static WeirCpuKernel *compile_dynamic (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  return &kernel_new (device, spec, "quantise", run_dynamic)->base;
}

/* --- Cast --- */

static bool propose_cast (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (spec->src[0].dtype != WEIR_DTYPE_I32 || spec->dst[0].dtype != WEIR_DTYPE_F32 ||
      spec->src[0].buffer || spec->node->n_post || !weir_cpu_has_elements (&spec->src[0]))
    return false;
  src[0] = weir_cpu_format_of (&spec->src[0]);
  dst[0] = (WeirFormat){ WEIR_DTYPE_F32, spec->src[0].layout };
  return true;
}

static void cast_part (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const int32_t *src = bound->src[0];
  float *dst = bound->dst[0];
  for (int64_t i = begin; i < end; i++)
    dst[i] = (float) src[i];
}

static bool run_cast (const WeirCpuBound *bound, GError **error)
{
  return run_parts (bound, cast_part);
}

static WeirCpuKernel *compile_cast (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  return &kernel_new (device, spec, "cast", run_cast)->base;
}

const WeirCpuOp weir_cpu_quantise = { propose_quantise, compile_quantise };
const WeirCpuOp weir_cpu_dequantise = { propose_dequantise, compile_dequantise };
const WeirCpuOp weir_cpu_dynamic_quantise = { propose_dynamic, compile_dynamic };
const WeirCpuOp weir_cpu_cast = { propose_cast, compile_cast };
