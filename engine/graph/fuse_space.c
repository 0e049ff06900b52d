/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layers that take pictures or channels apart by hand.
 *
 * The "focus" of YOLO networks puts the four pixels of each 2×2 square side by side as channels and
 * convolves with k×k; that is a convolution of the picture itself with 2k×2k and stride 2.
 *
 * Some ShuffleNets halve channels by [n·C/2, 2, H·W] → transpose → [2, n, C/2, H, W] and one Gather
 * for each half: the even and the odd channels, a Slice with step 2. */
#include "engine/graph/fuse.h"
#include "engine/graph/geometry.h"

#include <string.h>

#define N_PARTS 4

static WeirShapeJob job_of (const WeirFuse *fuse, const WeirNode *node, WeirTensor *src, uint32_t n)
{
  for (uint32_t i = 0; i < MIN (node->n_src, n); i++)
    if (node->src[i] != WEIR_NONE)
      src[i] = *weir_fuse_shape (fuse, node->src[i]);
  return (WeirShapeJob){ .graph = fuse->graph, .node = node, .src = src };
}

/* Where the elements of a chain of slices lie in the value the chain starts from. */
typedef struct View {
  uint32_t value;
  int64_t start[4], step[4];
} View;

static bool trace_slices (const WeirFuse *fuse, uint32_t value, View *view)
{
  *view = (View){ .value = value, .step = { 1, 1, 1, 1 } };
  for (;;) {
    const WeirNode *node = weir_fuse_producer (fuse, view->value);
    WeirTensor src[5] = { { 0 } };
    WeirSlice slice;
    if (!node || node->op != WEIR_OP_SLICE)
      return true;
    WeirShapeJob job = job_of (fuse, node, src, G_N_ELEMENTS (src));
    if (src[0].rank != 4 || !weir_slice_resolve (&job, &slice, NULL))
      return false;
    for (uint32_t i = 0; i < 4; i++) {
      view->start[i] = slice.start[i] + slice.step[i] * view->start[i];
      view->step[i] *= slice.step[i];
    }
    view->value = node->src[0];
  }
}

/* The four parts of a focus: part i begins at row y[i], column x[i] of the squares. */
static bool trace_focus (
    const WeirFuse *fuse, const WeirNode *concat, uint32_t *value, int64_t *y, int64_t *x)
{
  bool is_seen[N_PARTS] = { false };
  *value = WEIR_NONE;
  if (concat->op != WEIR_OP_CONCAT || concat->n_src != N_PARTS ||
      weir_fuse_shape (fuse, concat->dst[0])->rank != 4)
    return false;
  int64_t axis = weir_node_int (concat, "axis", 0);
  if (axis != 1 && axis != -3)
    return false;
  for (uint32_t i = 0; i < N_PARTS; i++) {
    View view;
    if (!trace_slices (fuse, concat->src[i], &view) || (i && view.value != *value) ||
        view.start[0] || view.start[1] || view.step[0] != 1 || view.step[1] != 1 ||
        view.step[2] != 2 || view.step[3] != 2 || (view.start[2] | view.start[3]) & ~1)
      return false;
    *value = view.value;
    y[i] = view.start[2];
    x[i] = view.start[3];
    if (is_seen[2 * y[i] + x[i]])
      return false;
    is_seen[2 * y[i] + x[i]] = true;
  }
  const WeirTensor *whole = weir_fuse_shape (fuse, *value),
                   *dst = weir_fuse_shape (fuse, concat->dst[0]);
  return dst->dims[1] == N_PARTS * whole->dims[1] && 2 * dst->dims[2] == whole->dims[2] &&
         2 * dst->dims[3] == whole->dims[3];
}

static bool is_ints (const WeirNode *node, const char *name, int64_t expected)
{
  uint32_t n;
  const int64_t *ints = weir_node_ints (node, name, &n);
  for (uint32_t i = 0; i < n; i++)
    if (ints[i] != expected)
      return false;
  return true;
}

/* Attributes that stay what they are when the kernel doubles. */
static bool can_double (const WeirNode *conv)
{
  return weir_node_int (conv, "group", 1) == 1 && is_ints (conv, "strides", 1) &&
         is_ints (conv, "dilations", 1) &&
         strcmp (weir_node_string (conv, "auto_pad", "NOTSET"), "NOTSET") == 0;
}

static void double_attrs (WeirFuse *fuse, WeirNode *conv, const WeirTensor *weights)
{
  WeirArena *arena = fuse->graph->arena;
  uint32_t n_pads;
  const int64_t *old = weir_node_ints (conv, "pads", &n_pads);
  WeirAttr *attrs = weir_arena_new_array (arena, WeirAttr, 3);
  int64_t *pads = weir_arena_new_array (arena, int64_t, 4);
  int64_t *strides = weir_arena_new_array (arena, int64_t, 2);
  int64_t *kernel = weir_arena_new_array (arena, int64_t, 2);
  for (uint32_t i = 0; i < 4; i++)
    pads[i] = n_pads == 4 ? 2 * old[i] : 0;
  strides[0] = strides[1] = 2;
  kernel[0] = 2 * weights->dims[2];
  kernel[1] = 2 * weights->dims[3];
  attrs[0] = (WeirAttr){ .name = "pads", .kind = WEIR_ATTR_INTS, .n = 4, .ints = pads };
  attrs[1] = (WeirAttr){ .name = "strides", .kind = WEIR_ATTR_INTS, .n = 2, .ints = strides };
  attrs[2] = (WeirAttr){ .name = "kernel_shape", .kind = WEIR_ATTR_INTS, .n = 2, .ints = kernel };
  conv->attrs = attrs;
  conv->n_attrs = 3;
}

/* weights[o][part · C + c][ky][kx] at [o][c][2 ky + y][2 kx + x]. */
static uint32_t spread_weights (WeirFuse *fuse, const WeirNode *conv, const WeirTensor *weights,
    const int64_t *y, const int64_t *x)
{
  WeirTensor shape = *weights;
  const int64_t *d = weights->dims;
  const float *src = weir_tensor_data (weights);
  int64_t n_channels = d[1] / N_PARTS;
  float *dst;
  shape.dims[1] = n_channels;
  shape.dims[2] = 2 * d[2];
  shape.dims[3] = 2 * d[3];
  uint32_t id = weir_fuse_add_constant (fuse, conv->name, &shape, &dst);
  if (id == WEIR_NONE)
    return id;
  for (int64_t o = 0; o < d[0]; o++)
    for (int64_t k = 0; k < d[1]; k++)
      for (int64_t ky = 0; ky < d[2]; ky++)
        for (int64_t kx = 0; kx < d[3]; kx++) {
          int64_t part = k / n_channels, c = k % n_channels;
          int64_t row = (o * n_channels + c) * 2 * d[2] + 2 * ky + y[part];
          dst[row * 2 * d[3] + 2 * kx + x[part]] = src[((o * d[1] + k) * d[2] + ky) * d[3] + kx];
        }
  return id;
}

bool weir_fuse_focus (WeirFuse *fuse, uint32_t id)
{
  WeirNode *conv = weir_graph_node (fuse->graph, id);
  const WeirNode *concat = weir_fuse_producer (fuse, conv->src[0]);
  int64_t y[N_PARTS], x[N_PARTS];
  uint32_t value;
  if (conv->op != WEIR_OP_CONV || !concat || !weir_fuse_is_private (fuse, conv->src[0]) ||
      !can_double (conv) || !trace_focus (fuse, concat, &value, y, x))
    return false;
  const WeirTensor *constant = weir_fuse_constant (fuse, conv->src[1]);
  if (!constant || constant->rank != 4)
    return false;
  const WeirTensor weights = *constant;
  uint32_t spread = spread_weights (fuse, conv, &weights, y, x);
  if (spread == WEIR_NONE)
    return false;
  double_attrs (fuse, conv, &weights);
  conv->src[0] = value;
  conv->src[1] = spread;
  return true;
}

/* --- even and odd channels --- */

static bool has_dims (const WeirTensor *tensor, uint32_t rank, const int64_t *dims)
{
  return tensor->rank == rank && memcmp (tensor->dims, dims, rank * sizeof *dims) == 0;
}

/* At one batch size: whole [n, C, H, W], split [n·C/2, 2, H·W], halves [2, n, C/2, H, W]. */
static bool is_halving (
    const WeirShapes *shapes, uint32_t whole, uint32_t split, uint32_t turned, uint32_t halves)
{
  const WeirTensor *t = &shapes->values[whole];
  if (t->rank != 4 || t->dims[1] % 2)
    return false;
  int64_t n_pairs = t->dims[0] * (t->dims[1] / 2), n_pixels = t->dims[2] * t->dims[3];
  const int64_t split_dims[] = { n_pairs, 2, n_pixels }, turned_dims[] = { 2, n_pairs, n_pixels };
  const int64_t halves_dims[] = { 2, t->dims[0], t->dims[1] / 2, t->dims[2], t->dims[3] };
  return has_dims (&shapes->values[split], 3, split_dims) &&
         has_dims (&shapes->values[turned], 3, turned_dims) &&
         has_dims (&shapes->values[halves], 5, halves_dims);
}

static uint32_t add_int (WeirFuse *fuse, int64_t number)
{
  WeirTensor tensor = { .dtype = WEIR_DTYPE_I64, .rank = 1, .dims = { 1 } };
  tensor.buffer = weir_arena_memdup (fuse->graph->arena, &number, sizeof number);
  return weir_graph_add_constant (fuse->graph, "fused", &tensor);
}

bool weir_fuse_halves (WeirFuse *fuse, uint32_t id)
{
  WeirNode *gather = weir_graph_node (fuse->graph, id);
  const WeirNode *last = weir_fuse_producer (fuse, gather->src[0]);
  const WeirNode *turn = last ? weir_fuse_producer (fuse, last->src[0]) : NULL;
  const WeirNode *first = turn ? weir_fuse_producer (fuse, turn->src[0]) : NULL;
  int64_t half, n_indices;
  if (!first || gather->op != WEIR_OP_GATHER || last->op != WEIR_OP_RESHAPE ||
      turn->op != WEIR_OP_TRANSPOSE || first->op != WEIR_OP_RESHAPE ||
      weir_node_int (gather, "axis", 0) != 0)
    return false;
  const WeirTensor *index = weir_fuse_shape (fuse, gather->src[1]);
  const uint32_t chain[] = { first->src[0], first->dst[0], turn->dst[0], last->dst[0] };
  const WeirShapes *two = fuse->shapes_two;
  if (!index->buffer || index->rank != 0 || !weir_tensor_n_elements (index, &n_indices) ||
      !weir_known_int (index, 0, &half) || (half != 0 && half != 1) ||
      !is_halving (fuse->shapes, chain[0], chain[1], chain[2], chain[3]) ||
      (two && !is_halving (two, chain[0], chain[1], chain[2], chain[3])))
    return false;
  uint32_t *src = weir_arena_new_array (fuse->graph->arena, uint32_t, 5);
  src[0] = chain[0];
  src[1] = add_int (fuse, half);
  src[2] = add_int (fuse, INT32_MAX);
  src[3] = add_int (fuse, 1);
  src[4] = add_int (fuse, 2);
  *gather = (WeirNode){ .op = WEIR_OP_SLICE,
    .opset = 13,
    .name = gather->name,
    .n_src = 5,
    .n_dst = 1,
    .src = src,
    .dst = gather->dst };
  return true;
}
