/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MaxPool and AveragePool, channels-last, through oneDNN where there is no own loop. */
#include "engine/cpu/cpu.h"

static bool is_max (const WeirStepSpec *spec)
{
  return spec->node->op == WEIR_OP_MAX_POOL;
}

static bool counts_padding (const WeirStepSpec *spec)
{
  return !is_max (spec) && weir_node_int (spec->node, "count_include_pad", 0);
}

/* The pad at the end that the result's size needs: more than the model's with ceil_mode. */
static int64_t needed_pad_end (const WeirStepSpec *spec, const WeirWindow *window, uint32_t i)
{
  int64_t extent = (window->kernel[i] - 1) * window->dilation[i] + 1;
  return (spec->dst[0].dims[2 + i] - 1) * window->stride[i] + extent - spec->src[0].dims[2 + i] -
         window->pad_begin[i];
}

/* oneDNN would count what ceil_mode adds to the padding, ONNX does not. */
static bool window_fits (const WeirStepSpec *spec, const WeirWindow *window)
{
  for (uint32_t i = 0; i < window->n_spatial; i++) {
    int64_t extent = (window->kernel[i] - 1) * window->dilation[i] + 1;
    if (counts_padding (spec) && needed_pad_end (spec, window, i) > window->pad_end[i])
      return false;
    if (window->pad_begin[i] >= extent || needed_pad_end (spec, window, i) >= extent)
      return false;
  }
  return true;
}

/* The largest of codes is that of values. */
static bool accepts_dtype (const WeirStepSpec *spec)
{
  WeirDtype dtype = spec->src[0].dtype;
  bool is_8_bit = dtype == WEIR_DTYPE_U8 || dtype == WEIR_DTYPE_I8;
  return weir_cpu_is_float (dtype) || (is_8_bit && is_max (spec));
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  uint32_t rank = spec->src[0].rank;
  WeirWindow window;
  WeirDtype dtype = spec->src[0].dtype;
  if (rank < 3 || rank > 5 || spec->node->n_post || !accepts_dtype (spec) ||
      !weir_cpu_has_elements (&spec->src[0]) || !weir_cpu_has_elements (&spec->dst[0]) ||
      (spec->n_dst > 1 && spec->node->dst[1] != WEIR_NONE) ||
      !weir_window_resolve (spec->graph, spec->node, spec->src, NULL, &window, NULL) ||
      !window_fits (spec, &window))
    return false;
  src[0] = dst[0] = weir_cpu_format_last (dtype, rank);
  return true;
}

static WeirCpuKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirWindow window;
  if (!weir_window_resolve (spec->graph, spec->node, spec->src, NULL, &window, error))
    return NULL;
  if (weir_cpu_is_max_pool (spec, &window))
    return weir_cpu_max_pool_new (device, spec, &window);
  WeirDnnlSpec dnnl = { .kind = is_max (spec)           ? WEIR_DNNL_MAX_POOL
                                : counts_padding (spec) ? WEIR_DNNL_AVERAGE_POOL_PADDED
                                                        : WEIR_DNNL_AVERAGE_POOL,
    .src = weir_cpu_dnnl_shape (&spec->src[0]),
    .dst = weir_cpu_dnnl_shape (&spec->dst[0]),
    .n_spatial = window.n_spatial };
  for (uint32_t i = 0; i < window.n_spatial; i++) {
    dnnl.kernel[i] = window.kernel[i];
    dnnl.stride[i] = window.stride[i];
    dnnl.dilation[i] = window.dilation[i];
    dnnl.pad_begin[i] = window.pad_begin[i];
    dnnl.pad_end[i] = needed_pad_end (spec, &window, i);
  }
  return weir_cpu_primitive_new (device, spec, &dnnl, NULL, NULL, scratch_bytes, error);
}

const WeirCpuOp weir_cpu_pool = { propose, compile };
