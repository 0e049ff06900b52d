/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In doubles: the product of any sizes fits. */
#include "engine/graph/cost.h"

/* How many steps an operator takes that is no convolution or matrix product. */
typedef enum Growth {
  GROWTH_LINEAR = 0, /* with the elements that it reads and writes */
  GROWTH_RESULT,     /* with those that it writes */
  GROWTH_WINDOW,     /* each result may look at all of a source */
  GROWTH_PAIRS,      /* each element of a source may meet each of another */
} Growth;

static const uint8_t growths[WEIR_N_OPS] = {
  [WEIR_OP_SHAPE] = GROWTH_RESULT,
  [WEIR_OP_SIZE] = GROWTH_RESULT,
  [WEIR_OP_ALIGN] = GROWTH_RESULT,
  [WEIR_OP_CAST_LIKE] = GROWTH_RESULT,
  [WEIR_OP_MAX_POOL] = GROWTH_WINDOW,
  [WEIR_OP_AVERAGE_POOL] = GROWTH_WINDOW,
  [WEIR_OP_LP_POOL] = GROWTH_WINDOW,
  [WEIR_OP_LRN] = GROWTH_WINDOW,
  [WEIR_OP_DET] = GROWTH_WINDOW,
  [WEIR_OP_DEFORM_CONV] = GROWTH_WINDOW,
  [WEIR_OP_CONV_INTEGER] = GROWTH_WINDOW,
  [WEIR_OP_MAT_MUL_INTEGER] = GROWTH_WINDOW,
  [WEIR_OP_Q_LINEAR_CONV] = GROWTH_WINDOW,
  [WEIR_OP_Q_LINEAR_MAT_MUL] = GROWTH_WINDOW,
  [WEIR_OP_Q_GEMM] = GROWTH_WINDOW,
  [WEIR_OP_ROI_ALIGN] = GROWTH_WINDOW,
  [WEIR_OP_MAX_ROI_POOL] = GROWTH_WINDOW,
  [WEIR_OP_OV_ROI_ALIGN] = GROWTH_WINDOW,
  [WEIR_OP_OV_ROI_POOLING] = GROWTH_WINDOW,
  [WEIR_OP_OV_PS_ROI_POOLING] = GROWTH_WINDOW,
  [WEIR_OP_OV_DEFORMABLE_PS_ROI_POOLING] = GROWTH_WINDOW,
  [WEIR_OP_EINSUM] = GROWTH_PAIRS,
  [WEIR_OP_NON_MAX_SUPPRESSION] = GROWTH_PAIRS,
  [WEIR_OP_OV_NON_MAX_SUPPRESSION] = GROWTH_PAIRS,
  [WEIR_OP_OV_DETECTION_OUTPUT] = GROWTH_PAIRS,
  [WEIR_OP_OV_PROPOSAL] = GROWTH_PAIRS,
};

static double product (const WeirTensor *tensor, uint32_t first)
{
  double n = 1;
  for (uint32_t i = first; i < tensor->rank; i++)
    n *= (double) tensor->dims[i];
  return n;
}

double weir_node_macs (const WeirNode *node, const WeirTensor *src, const WeirTensor *dst)
{
  switch (node->op) {
  case WEIR_OP_CONV:
    return product (&dst[0], 0) * product (&src[1], 1);
  case WEIR_OP_CONV_TRANSPOSE:
    return product (&src[0], 0) * product (&src[1], 1);
  case WEIR_OP_GEMM:
    return product (&dst[0], 0) * (double) src[0].dims[weir_node_int (node, "transA", 0) ? 0 : 1];
  case WEIR_OP_MAT_MUL:
    return product (&dst[0], 0) * (double) (src[0].rank ? src[0].dims[src[0].rank - 1] : 1);
  default:
    return 0;
  }
}

uint32_t weir_node_weights (const WeirNode *node)
{
  static const uint8_t places[WEIR_N_OPS] = {
    /* plus 1 */
    [WEIR_OP_CONV] = 2,
    [WEIR_OP_CONV_TRANSPOSE] = 2,
    [WEIR_OP_GEMM] = 2,
    [WEIR_OP_MAT_MUL] = 2,
    [WEIR_OP_CONV_INTEGER] = 2,
    [WEIR_OP_MAT_MUL_INTEGER] = 2,
    [WEIR_OP_Q_LINEAR_CONV] = 4,
    [WEIR_OP_QUANTISED_CONV] = 4,
    [WEIR_OP_Q_LINEAR_MAT_MUL] = 4,
    [WEIR_OP_QUANTISED_MAT_MUL] = 4,
    [WEIR_OP_Q_GEMM] = 4,
  };
  return places[node->op] && places[node->op] <= node->n_src ? places[node->op] - 1u : WEIR_NONE;
}

/* Elements that each result is made of, where that is known from the node alone. */
static double window_size (const WeirNode *node)
{
  uint32_t n = 0;
  double size = 1;
  const int64_t *kernel = weir_node_ints (node, "kernel_shape", &n);
  for (uint32_t i = 0; kernel && i < n; i++)
    size *= (double) kernel[i];
  return size;
}

static double products (const WeirNode *node, const WeirTensor *src, const WeirTensor *dst)
{
  uint32_t weights = weir_node_weights (node);
  switch (node->op) {
  case WEIR_OP_CONV_INTEGER:
  case WEIR_OP_Q_LINEAR_CONV:
  case WEIR_OP_QUANTISED_CONV:
    return weights == WEIR_NONE ? 0 : product (&dst[0], 0) * product (&src[weights], 1);
  case WEIR_OP_MAT_MUL_INTEGER:
  case WEIR_OP_Q_LINEAR_MAT_MUL:
  case WEIR_OP_QUANTISED_MAT_MUL:
  case WEIR_OP_Q_GEMM: {
    bool is_transposed = weir_node_int (node, "transA", 0) && src[0].rank == 2;
    return product (&dst[0], 0) *
           (double) (src[0].rank ? src[0].dims[is_transposed ? 0 : src[0].rank - 1] : 1);
  }
  default:
    return weir_node_macs (node, src, dst);
  }
}

double weir_node_flops (const WeirNode *node, const WeirTensor *src, const WeirTensor *dst)
{
  double n_dst = product (&dst[0], 0), post = n_dst * node->n_post;
  if (weir_node_weights (node) != WEIR_NONE)
    return 2 * products (node, src, dst) + post;
  switch (weir_op_info (node->op)->kind) {
  case WEIR_OP_KIND_VIEW:
  case WEIR_OP_KIND_MOVE:
    return post;
  case WEIR_OP_KIND_UNARY:
  case WEIR_OP_KIND_BINARY:
    return n_dst + post;
  default:
    return growths[node->op] == GROWTH_WINDOW ? n_dst * window_size (node) + post
                                              : MAX (n_dst, product (&src[0], 0)) + post;
  }
}

double weir_node_steps (const WeirNode *node, const WeirTensor *src, const WeirTensor *dst)
{
  double n_src = 0, n_dst = 0, pairs = 1, largest = 1;
  for (uint32_t i = 0; i < node->n_src; i++) {
    double n = src[i].dtype == WEIR_DTYPE_NONE ? 0 : product (&src[i], 0);
    n_src += n;
    pairs *= MAX (n, 1);
    largest = MAX (largest, n);
  }
  for (uint32_t i = 0; i < node->n_dst; i++)
    n_dst += node->dst[i] == WEIR_NONE ? 0 : product (&dst[i], 0);
  double linear = n_src + n_dst + weir_node_macs (node, src, dst);
  switch (growths[node->op]) {
  case GROWTH_RESULT:
    return n_dst;
  case GROWTH_WINDOW:
    return linear + n_dst * largest;
  case GROWTH_PAIRS:
    return linear + MAX (pairs, largest * largest);
  default:
    return linear;
  }
}
