/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Formats of the CPU backend: layouts as strides, and the type each operator computes in. */
#include "engine/cpu/cpu.h"

#include "engine/base/half.h"

WeirFormat weir_cpu_format_of (const WeirTensor *tensor)
{
  return (WeirFormat){ tensor->dtype, tensor->layout };
}

WeirFormat weir_cpu_format_last (WeirDtype dtype, uint32_t rank)
{
  return (WeirFormat){ dtype, rank >= 3 ? WEIR_LAYOUT_CHANNELS_LAST : WEIR_LAYOUT_PLAIN };
}

WeirFormat weir_cpu_format_as_is (void)
{
  return (WeirFormat){ WEIR_DTYPE_NONE, WEIR_LAYOUT_PLAIN };
}

bool weir_cpu_has_elements (const WeirTensor *tensor)
{
  int64_t n;
  size_t n_bytes;
  return weir_tensor_bytes (tensor, &n_bytes) && weir_tensor_n_elements (tensor, &n) && n > 0;
}

WeirDnnlShape weir_cpu_dnnl_shape (const WeirTensor *tensor)
{
  WeirDnnlShape shape = { .dtype = tensor->dtype, .rank = tensor->rank };
  weir_tensor_strides (tensor, shape.strides);
  for (uint32_t i = 0; i < tensor->rank; i++)
    shape.dims[i] = tensor->dims[i];
  return shape;
}

float *weir_cpu_constant_f32 (const WeirTensor *tensor, int64_t *n)
{
  const void *data = weir_tensor_data (tensor);
  if (!data || !weir_tensor_n_elements (tensor, n) || *n > (int64_t) (SIZE_MAX / sizeof (float)))
    return NULL;
  float *copy = g_try_new (float, (size_t) MAX (*n, 1));
  if (copy && tensor->dtype == WEIR_DTYPE_F32)
    return memcpy (copy, data, (size_t) *n * sizeof *copy);
  for (int64_t i = 0; copy && i < *n; i++) {
    switch (tensor->dtype) {
    case WEIR_DTYPE_F16:
      copy[i] = weir_f16_to_f32 (((const uint16_t *) data)[i]);
      break;
    case WEIR_DTYPE_BF16:
      copy[i] = weir_bf16_to_f32 (((const uint16_t *) data)[i]);
      break;
    case WEIR_DTYPE_F64:
      copy[i] = (float) ((const double *) data)[i];
      break;
    default:
      g_clear_pointer (&copy, g_free);
      break;
    }
  }
  return copy;
}

/* Depthwise convolutions are not: they gain nothing from bf16. */
static bool is_compute (const WeirGraph *graph, const WeirNode *node)
{
  if (node->op == WEIR_OP_CONV && node->src[1] < graph->values->len) {
    const WeirTensor *weights = &weir_graph_value (graph, node->src[1])->tensor;
    return weights->rank < 2 || weights->dims[1] > 1 || weights->dims[0] == 1;
  }
  return node->op == WEIR_OP_CONV || node->op == WEIR_OP_CONV_TRANSPOSE ||
         node->op == WEIR_OP_GEMM || node->op == WEIR_OP_MAT_MUL;
}

/* Nodes stand in topological order, so one walk from the end finds everything that reaches a
 * compute-heavy node. */
static uint8_t *find_tails (const WeirGraph *graph)
{
  uint8_t *is_tail = g_malloc ((size_t) graph->values->len + 1);
  memset (is_tail, 1, graph->values->len);
  for (uint32_t id = graph->nodes->len; id-- > 0;) {
    const WeirNode *node = weir_graph_node (graph, id);
    bool leads_on = is_compute (graph, node);
    for (uint32_t i = 0; i < node->n_dst; i++)
      leads_on |= node->dst[i] < graph->values->len && !is_tail[node->dst[i]];
    for (uint32_t i = 0; i < node->n_src && leads_on; i++)
      if (node->src[i] < graph->values->len)
        is_tail[node->src[i]] = 0;
  }
  return is_tail;
}

WeirDtype weir_cpu_result_dtype (WeirDevice *device, const WeirStepSpec *spec, uint32_t k)
{
  uint32_t value = spec->node->dst[k];
  bool is_tail = false;
  if (device->dtype == WEIR_DTYPE_F32)
    return WEIR_DTYPE_F32;
  weir_mutex_lock (&device->lock);
  if (device->tail_graph != spec->graph) {
    g_free (device->is_tail);
    device->is_tail = find_tails (spec->graph);
    device->tail_graph = spec->graph;
  }
  if (value < spec->graph->values->len)
    is_tail = device->is_tail[value];
  weir_mutex_unlock (&device->lock);
  return is_tail ? WEIR_DTYPE_F32 : device->dtype;
}
