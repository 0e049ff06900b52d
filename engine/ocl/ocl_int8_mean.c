/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QLinearAveragePool and QLinearGlobalAveragePool, channels-last (kernels/ocl/int8_mean.cl). */
#include "engine/ocl/ocl_int8.h"
#include "engine/ocl/ocl_pool.h"

typedef struct Kernel {
  WeirOclKernel base;
  cl_program program;
  WeirOclPoolWindow window;
  cl_int zero;
  cl_float factor;
  WeirOclCodes codes;
} Kernel;

/* The whole picture as one window where the pool is a global one. */
static bool find_window (const WeirStepSpec *spec, WeirWindow *window, GError **error)
{
  if (spec->node->op == WEIR_OP_Q_LINEAR_AVERAGE_POOL)
    return weir_window_resolve (spec->graph, spec->node, spec->src, NULL, window, error);
  *window = (WeirWindow){ .n_spatial = spec->src[0].rank - 2 };
  for (uint32_t i = 0; i < window->n_spatial; i++) {
    window->kernel[i] = spec->src[0].dims[2 + i];
    window->stride[i] = window->dilation[i] = window->dst[i] = 1;
  }
  return true;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Scale scale;
  WeirOclCodes codes;
  WeirWindow window;
  uint32_t rank = spec->src[0].rank;
  if (rank < 3 || rank > 5 || spec->node->n_post || !weir_ocl_takes_codes (&spec->src[0]) ||
      spec->src[0].buffer || !weir_ocl_takes_codes (&spec->dst[0]) ||
      weir_node_int (spec->node, "channels_last", 0) ||
      !weir_int8_scale_read (spec, 1, 2, &scale) || !weir_int8_scale_read (spec, 3, 4, &scale) ||
      !weir_ocl_codes_init (&codes, &scale, spec->dst[0].dtype) ||
      !find_window (spec, &window, NULL) || !weir_ocl_pool_can_count (&window))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  src[0] = weir_ocl_format_last (device, &spec->src[0]);
  dst[0] = weir_ocl_format_last (device, &spec->dst[0]);
  return true;
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirOclDevice *device = self->base.device->ocl;
  WeirOclGrid grid = weir_ocl_pixel_grid (
      device, (uint32_t) self->window.n_channels, (uint32_t) self->window.n_pixels);
  return weir_ocl_bound_take (
      bound, weir_ocl_call_new (device, self->program, "int8_mean", grid, error,
                 WEIR_OCL_ADDRESS (bound->src[0], 1), WEIR_OCL_ADDRESS (bound->dst[0], 1),
                 WEIR_OCL_VALUE (self->window), WEIR_OCL_VALUE (self->zero),
                 WEIR_OCL_VALUE (self->factor), WEIR_OCL_VALUE (self->codes)));
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirInt8Scale from, to;
  WeirWindow window;
  if (!find_window (spec, &window, error))
    return NULL;
  Kernel *self =
      (Kernel *) weir_ocl_kernel_new (device, spec, sizeof *self, "int8 mean", weir_ocl_run_calls);
  weir_int8_scale_read (spec, 1, 2, &from);
  weir_int8_scale_read (spec, 3, 4, &to);
  weir_ocl_codes_init (&self->codes, &to, spec->dst[0].dtype);
  weir_ocl_pool_fill (spec, &window, &self->window);
  self->base.bind = bind;
  self->zero = from.zero;
  self->factor = from.scale / to.scale;
  g_autofree char *options = g_strdup_printf ("-DCODE=%s", weir_ocl_code_type (spec->src[0].dtype));
  self->program = weir_ocl_program_get (device->ocl, "int8_mean", options, error);
  if (self->program)
    return &self->base;
  g_free (self);
  return NULL;
}

const WeirOclOp weir_ocl_int8_mean = { propose, compile };
