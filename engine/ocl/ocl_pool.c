/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MaxPool and AveragePool, channels-last (kernels/ocl/pool.cl). */
#include "engine/ocl/ocl_pool.h"

typedef struct Kernel {
  WeirOclKernel base;
  WeirOclPoolWindow window;
  WeirDtype dtype;
} Kernel;

bool weir_ocl_pool_can_count (const WeirWindow *window)
{
  for (uint32_t i = 0; i < window->n_spatial; i++)
    if (MAX (MAX (window->pad_begin[i], window->pad_end[i]), window->stride[i]) > INT16_MAX ||
        window->kernel[i] > INT16_MAX || window->dilation[i] > INT16_MAX)
      return false;
  return true;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  uint32_t rank = spec->src[0].rank;
  WeirWindow window;
  bool is_max = spec->node->op == WEIR_OP_MAX_POOL;
  if (rank < 3 || rank > 5 || spec->node->n_post || spec->src[0].buffer ||
      !(is_max ? weir_ocl_moves : weir_ocl_takes) (&spec->src[0]) ||
      !weir_ocl_moves (&spec->dst[0]) || (spec->n_dst > 1 && spec->node->dst[1] != WEIR_NONE) ||
      !weir_window_resolve (spec->graph, spec->node, spec->src, NULL, &window, NULL) ||
      !weir_ocl_pool_can_count (&window))
    return false;
  src[0] = dst[0] = weir_ocl_format_last (device, &spec->src[0]);
  return true;
}

/* Pixels stand on the aligned addresses of whole tensors, so that channels in fours are aligned. */
static cl_program get_program (const Kernel *self, bool is_wide, GError **error)
{
  g_autofree char *options = g_strdup_printf ("-DWIDTH=%u%s%s", is_wide ? 4 : 1,
      weir_ocl_dtype_option (self->dtype), self->base.name[0] == 'a' ? " -DAVERAGE" : "");
  return weir_ocl_program_get (self->base.device->ocl, "pool", options, error);
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirOclDevice *device = self->base.device->ocl;
  const WeirOclPoolWindow window = self->window;
  uint32_t element_bytes = (uint32_t) weir_dtype_bytes (self->dtype);
  uintptr_t addresses = (uintptr_t) bound->src[0] | (uintptr_t) bound->dst[0];
  bool is_wide = window.n_channels % 4 == 0 && addresses % (4 * element_bytes) == 0;
  cl_program program = get_program (self, is_wide, error);
  if (!program)
    return false;
  WeirOclGrid grid = weir_ocl_pixel_grid (
      device, (uint32_t) window.n_channels / (is_wide ? 4 : 1), (uint32_t) window.n_pixels);
  return weir_ocl_bound_take (
      bound, weir_ocl_call_new (device, program, "pool", grid, error,
                 WEIR_OCL_ADDRESS (bound->src[0], element_bytes),
                 WEIR_OCL_ADDRESS (bound->dst[0], element_bytes), WEIR_OCL_VALUE (window)));
}

void weir_ocl_pool_fill (
    const WeirStepSpec *spec, const WeirWindow *window, WeirOclPoolWindow *result)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  *result = (WeirOclPoolWindow){ .n_channels = (cl_int) src->dims[1],
    .n_pixels = (cl_int) dst->dims[0],
    .counts_pads = weir_node_int (spec->node, "count_include_pad", 0) != 0 };
  for (uint32_t i = 0; i < 3; i++) {
    result->src[i] = result->dst[i] = result->kernel[i] = result->stride[i] = 1;
    result->dilation[i] = result->limit[i] = 1;
  }
  for (uint32_t k = 0; k < window->n_spatial; k++) {
    uint32_t i = 3 - window->n_spatial + k;
    result->src[i] = (cl_int) src->dims[2 + k];
    result->dst[i] = (cl_int) dst->dims[2 + k];
    result->kernel[i] = (cl_int) window->kernel[k];
    result->stride[i] = (cl_int) window->stride[k];
    result->dilation[i] = (cl_int) window->dilation[k];
    result->pad[i] = (cl_int) window->pad_begin[k];
    result->limit[i] = (cl_int) (src->dims[2 + k] + window->pad_end[k]);
    result->n_pixels *= result->dst[i];
  }
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirWindow window;
  if (!weir_window_resolve (spec->graph, spec->node, spec->src, NULL, &window, error))
    return NULL;
  bool is_max = spec->node->op == WEIR_OP_MAX_POOL;
  Kernel *self = (Kernel *) weir_ocl_kernel_new (
      device, spec, sizeof *self, is_max ? "max pool" : "average pool", weir_ocl_run_calls);
  self->base.bind = bind;
  self->dtype = spec->dst[0].dtype;
  weir_ocl_pool_fill (spec, &window, &self->window);
  return &self->base;
}

const WeirOclOp weir_ocl_pool = { propose, compile };
