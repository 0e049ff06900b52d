/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interpolate of OpenVINO IR. */
#include "engine/formats/ir_private.h"

/* Source i without its first element, where it is a constant of n of them that says "as it is". */
static bool drop_first (WeirIrJob *job, uint32_t i, uint32_t n, int64_t same_size, uint32_t *value)
{
  const WeirValue *constant =
      *value == WEIR_NONE ? NULL : weir_graph_value (job->loader->graph, *value);
  int64_t sizes[WEIR_MAX_RANK];
  uint32_t n_sizes;
  if (!constant)
    return true;
  if (!constant->is_constant || constant->tensor.rank != 1 || constant->tensor.dims[0] != n)
    return false;
  if (constant->tensor.dtype == WEIR_DTYPE_F32) {
    WeirTensor rest = constant->tensor;
    const float *scales = weir_tensor_data (&rest);
    if (scales[0] != 1.0f)
      return false;
    rest.dims[0] = n - 1;
    rest.offset_bytes += sizeof *scales;
    *value = weir_ir_add_constant (job, &rest);
    return true;
  }
  if (!weir_ir_known_ints (job, i, sizes, &n_sizes) || sizes[0] != same_size)
    return false;
  *value = weir_ir_add_ints (job, sizes + 1, n - 1);
  return true;
}

/* An operator of its own, but files that give sizes for all axes bake the batch into them: where
 * the first one does not change it is left out. Opset 4: data, sizes, scales, axes. Opset 11: data,
 * one of them, axes. */
bool weir_ir_convert_interpolate (WeirIrJob *job)
{
  bool is_v4 = job->layer->opset < 11;
  bool by_sizes = weir_ir_is (job, "shape_calculation_mode", "sizes", "sizes");
  uint32_t last = is_v4 ? 3 : 2, n;
  int64_t axes[WEIR_MAX_RANK];
  if (!weir_ir_need (job, 2))
    return false;
  uint32_t src[] = { job->src[0], job->src[1], weir_ir_src (job, 2), weir_ir_src (job, 3) };
  WeirIrInfo info = weir_ir_info (job, src[0]);
  bool is_all = job->layer->opset >= 4 && info.has_rank && info.rank > 1;
  if (is_all && src[last] != WEIR_NONE)
    is_all = weir_ir_known_ints (job, last, axes, &n) && n == info.rank;
  for (uint32_t i = 0; is_all && i < info.rank; i++) {
    is_all = src[last] == WEIR_NONE || axes[i] == i;
    axes[i] = i;
  }
  /* sizes do not count where scales do, and need not say the same */
  int64_t same_size = by_sizes || info.dims[0] < 0 ? MAX (info.dims[0], 1) : info.dims[0];
  uint32_t first = src[1], second = src[2];
  if (is_all && drop_first (job, 1, info.rank, same_size, &first) &&
      (!is_v4 || drop_first (job, 2, info.rank, same_size, &second))) {
    src[1] = first;
    src[2] = second;
    src[last] = weir_ir_add_ints (job, axes + 1, info.rank - 1);
  }
  return weir_ir_emit_row (job, src, last + 1);
}
