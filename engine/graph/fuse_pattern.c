/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chains of nodes that spell one operator: channel shuffles, activations, moves that cancel. */
#include "engine/graph/fuse.h"
#include "engine/graph/geometry.h"
#include "engine/graph/postop.h"

#include <math.h>
#include <string.h>

bool weir_fuse_identity (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  bool has_mask = node->op == WEIR_OP_DROPOUT && node->n_dst > 1 && node->dst[1] != WEIR_NONE &&
                  g_array_index (fuse->n_uses, uint32_t, node->dst[1]) > 0;
  if ((node->op != WEIR_OP_IDENTITY && node->op != WEIR_OP_DROPOUT) || has_mask)
    return false;
  return weir_fuse_bypass (fuse, node, node->src[0]);
}

/* The shape of what is as large as what it is made of: so nothing but shapes read that. */
bool weir_fuse_shape_source (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirNode *before = node->op == WEIR_OP_SHAPE ? weir_fuse_producer (fuse, node->src[0]) : NULL;
  WeirOpKind kind = before ? weir_op_info (before->op)->kind : WEIR_OP_KIND_VIEW;
  if (kind != WEIR_OP_KIND_UNARY && kind != WEIR_OP_KIND_BINARY)
    return false;
  for (uint32_t i = 0; i < before->n_src; i++) {
    if (before->src[i] == WEIR_NONE || !weir_fuse_same_shape (fuse, before->src[i], node->src[0]))
      continue;
    node->src[0] = before->src[i];
    return true;
  }
  return false;
}

/* Of one tensor it is that one; the sum of two is what old exporters write for a residual. */
bool weir_fuse_variadic (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  bool is_variadic = node->op == WEIR_OP_SUM || node->op == WEIR_OP_MEAN ||
                     node->op == WEIR_OP_MAX || node->op == WEIR_OP_MIN;
  if (is_variadic && node->n_src == 1)
    return weir_fuse_bypass (fuse, node, node->src[0]);
  if (node->op != WEIR_OP_SUM || node->n_src != 2)
    return false;
  node->op = WEIR_OP_ADD;
  return true;
}

static bool resolve_perm (
    const WeirFuse *fuse, const WeirNode *node, uint32_t perm[WEIR_MAX_RANK], uint32_t *rank)
{
  const WeirTensor *src = weir_fuse_shape (fuse, node->src[0]);
  WeirShapeJob job = { .graph = fuse->graph, .node = node, .src = src };
  *rank = src->rank;
  return node->op == WEIR_OP_TRANSPOSE && weir_perm_resolve (&job, perm, NULL);
}

static void set_perm (WeirFuse *fuse, WeirNode *node, const uint32_t *perm, uint32_t rank)
{
  int64_t *ints = weir_arena_new_array (fuse->graph->arena, int64_t, rank);
  WeirAttr *attr = weir_arena_new_array (fuse->graph->arena, WeirAttr, 1);
  for (uint32_t i = 0; i < rank; i++)
    ints[i] = perm[i];
  *attr = (WeirAttr){ .name = "perm", .kind = WEIR_ATTR_INTS, .n = rank, .ints = ints };
  node->attrs = attr;
  node->n_attrs = 1;
}

/* Two transposes in a row are one, or none. */
bool weir_fuse_transposes (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  uint32_t first[WEIR_MAX_RANK], second[WEIR_MAX_RANK], both[WEIR_MAX_RANK], rank;
  if (!before || node->op != WEIR_OP_TRANSPOSE || before->op != WEIR_OP_TRANSPOSE ||
      !resolve_perm (fuse, node, second, &rank) || !resolve_perm (fuse, before, first, &rank))
    return false;
  bool is_identity = true;
  for (uint32_t i = 0; i < rank; i++) {
    both[i] = first[second[i]];
    is_identity &= both[i] == i;
  }
  if (is_identity)
    return weir_fuse_bypass (fuse, node, before->src[0]);
  if (!weir_fuse_is_private (fuse, node->src[0]))
    return false;
  set_perm (fuse, before, both, rank);
  weir_fuse_absorb (fuse, before, node);
  return true;
}

/* True where the shapes tell a channel shuffle: [n, C, space…] as [n, group, C / group, space…];
 * the space may be one dim. */
static bool is_split (const WeirTensor *whole, const WeirTensor *split)
{
  int64_t whole_space = 1, split_space = 1;
  if (whole->rank < 3 || split->rank < 4 || whole->dims[0] != split->dims[0] ||
      whole->dims[1] != split->dims[1] * split->dims[2])
    return false;
  for (uint32_t i = 2; i < whole->rank; i++)
    whole_space *= whole->dims[i];
  for (uint32_t i = 3; i < split->rank; i++)
    split_space *= split->dims[i];
  return whole_space == split_space;
}

static bool splits_channels (const WeirFuse *fuse, uint32_t whole, uint32_t split)
{
  const WeirShapes *two = fuse->shapes_two;
  return is_split (weir_fuse_shape (fuse, whole), weir_fuse_shape (fuse, split)) &&
         (!two || is_split (&two->values[whole], &two->values[split]));
}

/* Reshape, Transpose (0, 2, 1, …), Reshape back. */
bool weir_fuse_shuffle (WeirFuse *fuse, uint32_t id)
{
  WeirNode *last = weir_graph_node (fuse->graph, id);
  WeirNode *middle = weir_fuse_producer (fuse, last->src[0]);
  WeirNode *first = middle ? weir_fuse_producer (fuse, middle->src[0]) : NULL;
  uint32_t perm[WEIR_MAX_RANK], rank;
  if (!first || last->op != WEIR_OP_RESHAPE || first->op != WEIR_OP_RESHAPE ||
      !weir_fuse_is_private (fuse, last->src[0]) || !weir_fuse_is_private (fuse, middle->src[0]) ||
      !resolve_perm (fuse, middle, perm, &rank) || rank < 4 || perm[1] != 2 || perm[2] != 1 ||
      !splits_channels (fuse, first->src[0], first->dst[0]) ||
      !weir_fuse_same_shape (fuse, first->src[0], last->dst[0]))
    return false;
  for (uint32_t i = 0; i < rank; i++)
    if (i != 1 && i != 2 && perm[i] != i)
      return false;
  int64_t group = weir_fuse_shape (fuse, first->dst[0])->dims[1];
  weir_fuse_become_unary (last, WEIR_OP_CHANNEL_SHUFFLE, first->src[0]);
  weir_graph_set_int (fuse->graph, last, "group", group);
  return true;
}

/* True where the node's pads are the attribute (or none) and can be replaced. */
static bool has_plain_pads (const WeirNode *node)
{
  return strcmp (weir_node_string (node, "auto_pad", "NOTSET"), "NOTSET") == 0;
}

static void add_pads (WeirFuse *fuse, WeirNode *node, const WeirPads *pads, uint32_t n_spatial)
{
  uint32_t n_old;
  const int64_t *old = weir_node_ints (node, "pads", &n_old);
  int64_t *ints = weir_arena_new_array (fuse->graph->arena, int64_t, 2 * (size_t) n_spatial);
  WeirAttr *attrs = weir_arena_new_array (fuse->graph->arena, WeirAttr, (size_t) node->n_attrs + 1);
  uint32_t n_attrs = 0;
  for (uint32_t i = 0; i < n_spatial; i++) {
    ints[i] = pads->begin[2 + i] + (n_old == 2 * n_spatial ? old[i] : 0);
    ints[n_spatial + i] = pads->end[2 + i] + (n_old == 2 * n_spatial ? old[n_spatial + i] : 0);
  }
  for (uint32_t i = 0; i < node->n_attrs; i++)
    if (strcmp (node->attrs[i].name, "pads") != 0)
      attrs[n_attrs++] = node->attrs[i];
  attrs[n_attrs++] =
      (WeirAttr){ .name = "pads", .kind = WEIR_ATTR_INTS, .n = 2 * n_spatial, .ints = ints };
  node->attrs = attrs;
  node->n_attrs = n_attrs;
}

static bool resolve_pads (const WeirFuse *fuse, const WeirNode *node, WeirPads *pads)
{
  WeirTensor src[4] = { { 0 } };
  for (uint32_t i = 0; i < MIN (node->n_src, G_N_ELEMENTS (src)); i++)
    if (node->src[i] != WEIR_NONE)
      src[i] = *weir_fuse_shape (fuse, node->src[i]);
  WeirShapeJob job = { .graph = fuse->graph, .node = node, .src = src };
  bool is_zero = node->n_src < 3 || node->src[2] == WEIR_NONE ||
                 weir_fuse_is_number (fuse, node->src[2], 0.0f);
  return is_zero && fabsf (weir_node_float (node, "value", 0.0f)) <= 0.0f &&
         weir_pads_resolve (&job, pads, NULL) && pads->mode == WEIR_PAD_CONSTANT;
}

/* Zeros around the source of a convolution are its own padding. */
bool weir_fuse_pad (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirNode *pad = weir_fuse_producer (fuse, node->src[0]);
  WeirPads pads;
  if (!pad || node->op != WEIR_OP_CONV || pad->op != WEIR_OP_PAD || !has_plain_pads (node) ||
      !weir_fuse_is_private (fuse, node->src[0]) || !resolve_pads (fuse, pad, &pads))
    return false;
  uint32_t rank = weir_fuse_shape (fuse, pad->src[0])->rank;
  for (uint32_t i = 0; i < rank; i++)
    if (pads.begin[i] < 0 || pads.end[i] < 0 || (i < 2 && (pads.begin[i] || pads.end[i])))
      return false;
  add_pads (fuse, node, &pads, rank - 2);
  node->src[0] = pad->src[0];
  return true;
}

/* --- activations --- */

static bool is_near (float a, float b)
{
  return fabsf (a - b) < 1e-5f;
}

/* `node` is Clip (x + 3, 0, 6) for value x. */
static bool is_shifted_clip (const WeirFuse *fuse, const WeirNode *node, uint32_t *x)
{
  WeirTensor src[3] = { { 0 } };
  WeirPostOp post;
  if (!node || node->op != WEIR_OP_CLIP)
    return false;
  for (uint32_t i = 0; i < MIN (node->n_src, G_N_ELEMENTS (src)); i++)
    if (node->src[i] != WEIR_NONE)
      src[i] = *weir_fuse_shape (fuse, node->src[i]);
  WeirShapeJob job = { .graph = fuse->graph, .node = node, .src = src };
  const WeirNode *add = weir_fuse_producer (fuse, node->src[0]);
  if (!add || add->op != WEIR_OP_ADD || !weir_post_op_resolve (&job, &post) ||
      !is_near (post.alpha, 0.0f) || !is_near (post.beta, 6.0f) ||
      !weir_fuse_is_private (fuse, node->src[0]))
    return false;
  uint32_t k = weir_fuse_is_number (fuse, add->src[1], 3.0f) ? 1 : 0;
  *x = add->src[1 - k];
  return weir_fuse_is_number (fuse, add->src[k], 3.0f) &&
         weir_fuse_same_shape (fuse, *x, add->dst[0]);
}

/* `node` divides operand *i by 6. */
static bool divides_by_six (const WeirFuse *fuse, const WeirNode *node, uint32_t *i)
{
  *i = 0;
  if (node->op == WEIR_OP_DIV)
    return weir_fuse_is_number (fuse, node->src[1], 6.0f);
  if (node->op != WEIR_OP_MUL)
    return false;
  *i = weir_fuse_is_number (fuse, node->src[0], 1.0f / 6.0f) ? 1 : 0;
  return weir_fuse_is_number (fuse, node->src[1 - *i], 1.0f / 6.0f);
}

static void set_float (WeirFuse *fuse, WeirAttr *attr, const char *name, float value)
{
  *attr = (WeirAttr){ .name = name, .kind = WEIR_ATTR_FLOAT, .n = 1, .f = value };
}

/* Clip (x + 3, 0, 6) / 6 is HardSigmoid with alpha 1/6 and beta 1/2; x · Clip (x + 3, 0, 6) / 6 is
 * HardSwish. */
bool weir_fuse_hard_sigmoid (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  uint32_t i, x;
  if (!divides_by_six (fuse, node, &i) || !weir_fuse_is_private (fuse, node->src[i]) ||
      !weir_fuse_same_shape (fuse, node->src[i], node->dst[0]))
    return false;
  const WeirNode *before = weir_fuse_producer (fuse, node->src[i]);
  if (is_shifted_clip (fuse, before, &x)) {
    weir_fuse_become_unary (node, WEIR_OP_HARD_SIGMOID, x);
    node->attrs = weir_arena_new_array (fuse->graph->arena, WeirAttr, 2);
    node->n_attrs = 2;
    set_float (fuse, &node->attrs[0], "alpha", 1.0f / 6.0f);
    set_float (fuse, &node->attrs[1], "beta", 0.5f);
    return true;
  }
  if (!before || before->op != WEIR_OP_MUL)
    return false;
  for (uint32_t k = 0; k < 2; k++)
    if (is_shifted_clip (fuse, weir_fuse_producer (fuse, before->src[k]), &x) &&
        weir_fuse_is_private (fuse, before->src[k]) && before->src[1 - k] == x) {
      weir_fuse_become_unary (node, WEIR_OP_HARD_SWISH, x);
      return true;
    }
  return false;
}

/* What gate (x) · x is called; WEIR_N_OPS where it has no name. */
static WeirOp gated (const WeirFuse *fuse, const WeirNode *gate, uint32_t x)
{
  if (gate->op == WEIR_OP_SIGMOID && gate->src[0] == x)
    return WEIR_OP_SWISH;
  if (gate->op == WEIR_OP_HARD_SIGMOID && gate->src[0] == x &&
      is_near (weir_node_float (gate, "alpha", 0.2f), 1.0f / 6.0f) &&
      is_near (weir_node_float (gate, "beta", 0.5f), 0.5f))
    return WEIR_OP_HARD_SWISH;
  const WeirNode *softplus = weir_fuse_producer (fuse, gate->src[0]);
  if (gate->op == WEIR_OP_TANH && softplus && softplus->op == WEIR_OP_SOFTPLUS &&
      softplus->src[0] == x && weir_fuse_is_private (fuse, gate->src[0]))
    return WEIR_OP_MISH;
  return WEIR_N_OPS;
}

bool weir_fuse_gate (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  if (node->op != WEIR_OP_MUL)
    return false;
  for (uint32_t k = 0; k < 2; k++) {
    const WeirNode *gate = weir_fuse_producer (fuse, node->src[k]);
    if (!gate || !weir_fuse_is_private (fuse, node->src[k]) || !gate->n_src)
      continue;
    WeirOp op = gated (fuse, gate, node->src[1 - k]);
    if (op == WEIR_N_OPS)
      continue;
    weir_fuse_become_unary (node, op, node->src[1 - k]);
    return true;
  }
  return false;
}

/* With one slope for all it is LeakyRelu. */
bool weir_fuse_slope (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  const WeirTensor *slope =
      node->op == WEIR_OP_PRELU ? weir_fuse_constant (fuse, node->src[1]) : NULL;
  int64_t n;
  if (!slope || !weir_tensor_n_elements (slope, &n) || n != 1 ||
      !weir_fuse_same_shape (fuse, node->src[0], node->dst[0]))
    return false;
  float alpha = *(const float *) weir_tensor_data (slope);
  weir_fuse_become_unary (node, WEIR_OP_LEAKY_RELU, node->src[0]);
  node->attrs = weir_arena_new_array (fuse->graph->arena, WeirAttr, 1);
  node->n_attrs = 1;
  set_float (fuse, &node->attrs[0], "alpha", alpha);
  return true;
}
