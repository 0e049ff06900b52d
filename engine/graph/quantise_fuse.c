/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of the fusing pass for quantised convolutions and products: the quantiser behind them, and
 * residuals of 8 bits. */
#include "engine/graph/quantise.h"

#include <string.h>

/* A quantiser into the node before it, after which that takes no more. */
bool weir_fuse_quantiser (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  WeirQuantiser q;
  if (!before || !weir_fuse_is_open (before) || !weir_fuse_is_private (fuse, node->src[0]) ||
      !weir_quantise_is_quantiser (fuse, node, &q))
    return false;
  before->src[WEIR_QUANTISED_RESULT] = q.scale;
  before->src[WEIR_QUANTISED_RESULT + 1] = q.zero;
  weir_fuse_absorb (fuse, before, node);
  return true;
}

/* A dequantised residual as it was before: codes, scale and zero point. */
bool weir_fuse_quantised_residual (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  if (node->op != WEIR_OP_QUANTISED_CONV && node->op != WEIR_OP_QUANTISED_MAT_MUL)
    return false;
  for (uint32_t k = 0; k < node->n_post; k++) {
    uint32_t i = node->post[k].src;
    WeirQuantiser q;
    WeirNode *source = i == WEIR_NONE ? NULL : weir_quantise_find_source (fuse, node->src[i], &q);
    if (!source)
      continue;
    node->post[k].src = node->n_src;
    node->src[i] = WEIR_NONE;
    weir_fuse_append_src (fuse, node, source->src[0]);
    weir_fuse_append_src (fuse, node, q.scale);
    weir_fuse_append_src (fuse, node, q.zero);
    return true;
  }
  return false;
}
