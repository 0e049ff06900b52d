/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FakeQuantize of a whole tensor as QuantizeLinear and DequantizeLinear.
 *
 * It maps [low, high] to levels - 1 steps and these to [out_low, out_high]: a scale and a zero
 * point on either side, where both zeros are codes. */
#include "engine/graph/quantise.h"

#include <math.h>

/* Part of a step by which zero may miss its code: limits that were rounded to f16 move it so. */
#define OFF_GRID 0.1

/* A range as scale and zero point. */
static bool read_range (const WeirFuse *fuse, const WeirNode *node, uint32_t first, double n_steps,
    double *scale, double *zero)
{
  float low, high;
  const WeirTensor *ends[] = { weir_fuse_constant (fuse, node->src[first]),
    weir_fuse_constant (fuse, node->src[first + 1]) };
  int64_t n_low, n_high;
  if (!ends[0] || !ends[1] || !weir_tensor_n_elements (ends[0], &n_low) ||
      !weir_tensor_n_elements (ends[1], &n_high) || n_low != 1 || n_high != 1 ||
      !weir_known_float (ends[0], 0, &low) || !weir_known_float (ends[1], 0, &high))
    return false;
  *scale = ((double) high - (double) low) / n_steps;
  double exact = -(double) low / *scale;
  *zero = rint (exact);
  return *scale > 0 && isfinite ((float) *scale) && (float) *scale > 0 && *zero >= 0 &&
         *zero <= n_steps && fabs (exact - *zero) < OFF_GRID;
}

static uint32_t clip (WeirFuse *fuse, const WeirNode *node)
{
  uint32_t dst = weir_quantise_add_value (fuse, node->name);
  uint32_t src[] = { node->src[0], node->src[1], node->src[2] };
  WeirNode added = { .op = WEIR_OP_CLIP,
    .opset = 13,
    .name = node->name,
    .n_src = G_N_ELEMENTS (src),
    .n_dst = 1,
    .src = src,
    .dst = &dst };
  weir_graph_add_node (fuse->graph, &added);
  return dst;
}

bool weir_quantise_fake (WeirFuse *fuse, uint32_t id)
{
  const WeirNode *node = weir_graph_node (fuse->graph, id);
  int64_t levels = weir_node_int (node, "levels", 256);
  double n_steps = (double) levels - 1, scale[2], zero[2];
  if (node->op != WEIR_OP_OV_FAKE_QUANTIZE || levels < 2 || levels > 256 || node->n_post ||
      weir_fuse_shape (fuse, node->src[0])->buffer ||
      !weir_fuse_same_shape (fuse, node->src[0], node->dst[0]) ||
      !read_range (fuse, node, 1, n_steps, &scale[0], &zero[0]) ||
      !read_range (fuse, node, 3, n_steps, &scale[1], &zero[1]))
    return false;
  WeirQuantiser q[2];
  for (int i = 0; i < 2; i++) {
    q[i].scale = weir_quantise_add_number (fuse, node->name, WEIR_DTYPE_F32, scale[i]);
    q[i].zero = weir_quantise_add_number (fuse, node->name, WEIR_DTYPE_U8, zero[i]);
    if (q[i].scale == WEIR_NONE || q[i].zero == WEIR_NONE)
      return false;
  }
  /* with 256 levels the ends of u8 are those of the range */
  uint32_t src = node->src[0], dst = node->dst[0], codes;
  if (levels < 256)
    src = clip (fuse, node);
  codes = weir_quantise_add_value (fuse, weir_graph_value (fuse->graph, dst)->name);
  WeirNode *old = weir_graph_node (fuse->graph, id);
  old->n_src = old->n_dst = 0;
  weir_quantise_add_node (fuse, WEIR_OP_QUANTIZE_LINEAR, src, &q[0], codes);
  weir_quantise_add_node (fuse, WEIR_OP_DEQUANTIZE_LINEAR, codes, &q[1], dst);
  return true;
}
