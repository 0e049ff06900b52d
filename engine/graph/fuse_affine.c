/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Batch norm and arithmetic with constants, into the weights and bias of the node before.
 *
 * All of them are y = scale·x + shift with one scale and shift per channel, and so is what they
 * follow: W·x + b becomes (scale·W)·x + (scale·b + shift). Computed in double, stored in f32. */
#include "engine/graph/fuse.h"

#include <math.h>
#include <string.h>

/* One scale and shift per channel of a node's result. */
typedef struct Affine {
  int64_t n;
  double *scale, *shift;
} Affine;

static void affine_init (Affine *affine, int64_t n)
{
  affine->n = n;
  affine->scale = g_new (double, (size_t) n);
  affine->shift = g_new (double, (size_t) n);
  for (int64_t i = 0; i < n; i++) {
    affine->scale[i] = 1.0;
    affine->shift[i] = 0.0;
  }
}

static void affine_clear (Affine *affine)
{
  g_free (affine->scale);
  g_free (affine->shift);
}

/* Where the weights of a node keep their channels: element i belongs to channel
 * (i / inner) % n, plus n for each group of ConvTranspose (element / outer). */
typedef struct Channels {
  int64_t n, inner;       /* channels in a run of weights, elements for each in turn */
  int64_t group_elements; /* ConvTranspose: elements of a group's weights; 0: one group */
  int64_t n_total;
} Channels;

/* Quantised nodes have scales for weights here: their codes stay as they are. */
static bool is_quantised (const WeirNode *node)
{
  return node->op == WEIR_OP_QUANTISED_CONV || node->op == WEIR_OP_QUANTISED_MAT_MUL;
}

static uint32_t weights_at (const WeirNode *node)
{
  return is_quantised (node) ? WEIR_QUANTISED_WEIGHTS + 1 : 1;
}

static uint32_t bias_at (const WeirNode *node)
{
  return is_quantised (node) ? WEIR_QUANTISED_BIAS : 2;
}

static bool is_matrix (const WeirNode *node)
{
  return node->op == WEIR_OP_GEMM || node->op == WEIR_OP_MAT_MUL ||
         node->op == WEIR_OP_QUANTISED_MAT_MUL;
}

static void find_scales (const WeirFuse *fuse, const WeirNode *node, Channels *channels)
{
  const WeirTensor *codes = weir_fuse_shape (fuse, node->src[WEIR_QUANTISED_WEIGHTS]);
  bool is_row = !is_matrix (node) || weir_node_int (node, "transB", 0);
  int64_t n = codes->dims[is_row ? 0 : 1];
  *channels = (Channels){ .n = n, .inner = 1, .n_total = n };
}

static bool find_channels (
    const WeirFuse *fuse, const WeirNode *node, const WeirTensor *weights, Channels *channels)
{
  if (is_quantised (node)) {
    find_scales (fuse, node, channels);
    return true;
  }
  int64_t n_elements, group = MAX (weir_node_int (node, "group", 1), 1);
  uint32_t axis = 0;
  if (!weir_tensor_n_elements (weights, &n_elements) || n_elements == 0 || weights->rank < 2)
    return false;
  if (node->op == WEIR_OP_CONV_TRANSPOSE)
    axis = 1;
  else if (node->op == WEIR_OP_MAT_MUL)
    axis = 1;
  else if (node->op == WEIR_OP_GEMM)
    axis = weir_node_int (node, "transB", 0) ? 0 : 1;
  if (weights->rank != 2 && (node->op == WEIR_OP_MAT_MUL || node->op == WEIR_OP_GEMM))
    return false;
  *channels = (Channels){ .n = weights->dims[axis], .inner = 1, .n_total = weights->dims[axis] };
  for (uint32_t i = axis + 1; i < weights->rank; i++)
    channels->inner *= weights->dims[i];
  if (node->op == WEIR_OP_CONV_TRANSPOSE) {
    channels->group_elements = n_elements / group;
    channels->n_total *= group;
  }
  return true;
}

static int64_t channel_of (const Channels *channels, int64_t i)
{
  int64_t group = channels->group_elements ? i / channels->group_elements : 0;
  return group * channels->n + i / channels->inner % channels->n;
}

/* The node's bias: NULL where it has none. False where it cannot be changed. */
static bool find_bias (
    const WeirFuse *fuse, const WeirNode *node, int64_t n, const WeirTensor **bias)
{
  int64_t n_bias;
  *bias = NULL;
  if (node->op == WEIR_OP_GEMM && !(fabsf (weir_node_float (node, "beta", 1.0f) - 1.0f) <= 0.0f))
    return false;
  if (node->n_src <= bias_at (node) || node->src[bias_at (node)] == WEIR_NONE)
    return true;
  *bias = weir_fuse_constant (fuse, node->src[bias_at (node)]);
  return *bias && weir_tensor_n_elements (*bias, &n_bias) &&
         (n_bias == n || (n_bias == 1 && is_matrix (node))) &&
         ((*bias)->rank == 0 || (*bias)->dims[(*bias)->rank - 1] == n_bias);
}

static bool shifts (const Affine *affine)
{
  for (int64_t i = 0; i < affine->n; i++)
    if (fabs (affine->shift[i]) > 0.0)
      return true;
  return false;
}

/* MatMul has no bias: as a Gemm it has. Only for operands of rank 2. */
static bool make_room_for_bias (WeirFuse *fuse, WeirNode *node)
{
  if (node->op == WEIR_OP_MAT_MUL) {
    if (weir_fuse_shape (fuse, node->src[0])->rank != 2)
      return false;
    node->op = WEIR_OP_GEMM;
    node->n_attrs = 0;
  }
  if (node->n_src < 3) {
    uint32_t *src = weir_arena_new_array (fuse->graph->arena, uint32_t, 3);
    memcpy (src, node->src, node->n_src * sizeof *src);
    src[2] = WEIR_NONE;
    node->src = src;
    node->n_src = 3;
  }
  return true;
}

static bool set_bias (WeirFuse *fuse, WeirNode *node, const Affine *affine, const WeirTensor *bias)
{
  WeirTensor shape = { .rank = 1, .dims = { affine->n } };
  const float *old = bias ? weir_tensor_data (bias) : NULL;
  bool is_single = bias && (bias->rank == 0 || bias->dims[bias->rank - 1] == 1);
  float *data;
  uint32_t id = weir_fuse_add_constant (fuse, node->name, &shape, &data);
  if (id == WEIR_NONE)
    return false;
  for (int64_t i = 0; i < affine->n; i++) {
    double value = old ? (double) old[is_single ? 0 : i] : 0.0;
    data[i] = (float) (affine->scale[i] * value + affine->shift[i]);
  }
  node->src[bias_at (node)] = id;
  return true;
}

static bool set_weights (
    WeirFuse *fuse, WeirNode *node, const Affine *affine, const Channels *channels)
{
  WeirTensor weights = *weir_fuse_constant (fuse, node->src[weights_at (node)]);
  const float *old = weir_tensor_data (&weights);
  int64_t n;
  float *data;
  bool is_single = is_quantised (node) && weir_tensor_n_elements (&weights, &n) && n == 1;
  if (is_single) {
    weights.rank = 1;
    weights.dims[0] = channels->n;
  }
  uint32_t id = weir_fuse_add_constant (fuse, node->name, &weights, &data);
  if (id == WEIR_NONE || !weir_tensor_n_elements (&weights, &n))
    return false;
  for (int64_t i = 0; i < n; i++)
    data[i] = (float) ((double) old[is_single ? 0 : i] * affine->scale[channel_of (channels, i)]);
  node->src[weights_at (node)] = id;
  return true;
}

/* The node before `node` whose weights can take what `node` does to value `src`. */
static WeirNode *find_linear (
    const WeirFuse *fuse, uint32_t src, Channels *channels, const WeirTensor **bias)
{
  WeirNode *before = weir_fuse_producer (fuse, src);
  if (!before || before->n_post || !weir_fuse_is_private (fuse, src) ||
      (before->op != WEIR_OP_CONV && before->op != WEIR_OP_CONV_TRANSPOSE &&
          before->op != WEIR_OP_GEMM && before->op != WEIR_OP_MAT_MUL &&
          !weir_fuse_is_open (before)))
    return NULL;
  const WeirTensor *weights = weir_fuse_constant (fuse, before->src[weights_at (before)]);
  return weights && find_channels (fuse, before, weights, channels) &&
                 find_bias (fuse, before, channels->n_total, bias)
             ? before
             : NULL;
}

static bool apply (WeirFuse *fuse, WeirNode *before, WeirNode *node, const Affine *affine,
    const Channels *channels, const WeirTensor *bias)
{
  bool needs_bias = bias || shifts (affine), scales = false;
  const WeirTensor old_bias = bias ? *bias : (WeirTensor){ 0 };
  for (int64_t i = 0; i < affine->n; i++)
    scales |= fabs (affine->scale[i] - 1.0) > 0.0;
  if ((needs_bias && !make_room_for_bias (fuse, before)) ||
      (scales && !set_weights (fuse, before, affine, channels)) ||
      (needs_bias && !set_bias (fuse, before, affine, bias ? &old_bias : NULL)))
    return false;
  weir_fuse_absorb (fuse, before, node);
  return true;
}

static bool fill_batch_norm (const WeirFuse *fuse, const WeirNode *node, Affine *affine)
{
  double epsilon = (double) weir_node_float (node, "epsilon", 1e-5f);
  const float *data[5];
  for (uint32_t i = 1; i < 5; i++) {
    const WeirTensor *tensor = weir_fuse_constant (fuse, node->src[i]);
    int64_t n;
    if (!tensor || !weir_tensor_n_elements (tensor, &n) || n != affine->n)
      return false;
    data[i] = weir_tensor_data (tensor);
  }
  for (int64_t i = 0; i < affine->n; i++) {
    affine->scale[i] = (double) data[1][i] / sqrt ((double) data[4][i] + epsilon);
    affine->shift[i] = (double) data[2][i] - (double) data[3][i] * affine->scale[i];
  }
  return true;
}

bool weir_fuse_batch_norm (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  Channels channels;
  const WeirTensor *bias;
  if (node->op != WEIR_OP_BATCH_NORMALIZATION || node->n_src < 5 ||
      weir_node_int (node, "training_mode", 0))
    return false;
  for (uint32_t i = 1; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE)
      return false;
  WeirNode *before = find_linear (fuse, node->src[0], &channels, &bias);
  if (!before || (is_matrix (before) && weir_fuse_shape (fuse, node->src[0])->rank != 2))
    return false;
  Affine affine;
  affine_init (&affine, channels.n_total);
  bool done =
      fill_batch_norm (fuse, node, &affine) && apply (fuse, before, node, &affine, &channels, bias);
  affine_clear (&affine);
  return done;
}

/* One number per channel of a result of shape `dst`, or one for all: element of channel c, NULL
 * where the constant is neither. */
static const float *per_channel (
    const WeirTensor *constant, const WeirTensor *dst, uint32_t axis, int64_t n, int64_t *step)
{
  int64_t n_elements;
  if (!weir_tensor_n_elements (constant, &n_elements) || constant->rank > dst->rank)
    return NULL;
  *step = n_elements != 1;
  if (n_elements == 1)
    return weir_tensor_data (constant);
  uint32_t missing = dst->rank - constant->rank;
  if (n_elements != n || axis < missing || constant->dims[axis - missing] != n)
    return NULL;
  return weir_tensor_data (constant);
}

/* scale and shift of `x op constant` (constant_index 1) or `constant op x` (0). */
static bool fill_operand (
    WeirOp op, uint32_t constant_index, const float *data, int64_t step, Affine *affine)
{
  for (int64_t i = 0; i < affine->n; i++) {
    double value = (double) data[i * step];
    switch (op) {
    case WEIR_OP_ADD:
      affine->shift[i] = value;
      break;
    case WEIR_OP_SUB:
      affine->scale[i] = constant_index ? 1.0 : -1.0;
      affine->shift[i] = constant_index ? -value : value;
      break;
    case WEIR_OP_MUL:
      affine->scale[i] = value;
      break;
    case WEIR_OP_DIV:
      affine->scale[i] = 1.0 / value;
      if (!constant_index || !isfinite (affine->scale[i]))
        return false;
      break;
    default:
      return false;
    }
  }
  return true;
}

/* --- chains of arithmetic with constants behind what cannot take them --- */

/* `node` is y = scale · x + shift by channels of axis 1 of operand *i. False else; *is_single: by
 * one number for all. */
static bool read_affine (
    const WeirFuse *fuse, const WeirNode *node, uint32_t *i, bool *is_single, Affine *affine)
{
  const WeirTensor *dst = weir_fuse_shape (fuse, node->dst[0]);
  int64_t step;
  *is_single = false;
  *i = 0;
  if (node->op == WEIR_OP_BATCH_NORMALIZATION)
    return !node->n_post && node->n_src >= 5 && !weir_node_int (node, "training_mode", 0) &&
           node->n_dst == 1 && fill_batch_norm (fuse, node, affine);
  if (weir_op_info (node->op)->kind != WEIR_OP_KIND_BINARY || node->n_src != 2 || node->n_post)
    return false;
  uint32_t k = weir_fuse_constant (fuse, node->src[1]) ? 1 : 0;
  const WeirTensor *constant = weir_fuse_constant (fuse, node->src[k]);
  const float *data = constant ? per_channel (constant, dst, 1, affine->n, &step) : NULL;
  *i = 1 - k;
  *is_single = data && step == 0;
  return data && weir_fuse_same_shape (fuse, node->src[*i], node->dst[0]) &&
         fill_operand (node->op, k, data, step, affine);
}

/* first, then second. */
static void join (const Affine *first, Affine *second)
{
  for (int64_t i = 0; i < first->n; i++) {
    second->shift[i] += second->scale[i] * first->shift[i];
    second->scale[i] *= first->scale[i];
  }
}

/* y = scale · (x - 0) / sqrt (1 + 0) + shift. */
static bool become_batch_norm (WeirFuse *fuse, WeirNode *node, uint32_t x, const Affine *affine)
{
  WeirTensor shape = { .rank = 1, .dims = { affine->n } };
  uint32_t *src = weir_arena_new_array (fuse->graph->arena, uint32_t, 5);
  float *data[4];
  src[0] = x;
  for (uint32_t k = 0; k < G_N_ELEMENTS (data); k++)
    if ((src[1 + k] = weir_fuse_add_constant (fuse, node->name, &shape, &data[k])) == WEIR_NONE)
      return false;
  for (int64_t i = 0; i < affine->n; i++) {
    data[0][i] = (float) affine->scale[i];
    data[1][i] = (float) affine->shift[i];
    data[2][i] = 0.0f;
    data[3][i] = 1.0f;
  }
  WeirAttr *epsilon = weir_arena_new_array (fuse->graph->arena, WeirAttr, 1);
  *epsilon = (WeirAttr){ .name = "epsilon", .kind = WEIR_ATTR_FLOAT, .n = 1, .f = 0.0f };
  *node = (WeirNode){ .op = WEIR_OP_BATCH_NORMALIZATION,
    .opset = 15,
    .name = node->name,
    .n_src = 5,
    .n_dst = 1,
    .src = src,
    .dst = node->dst,
    .n_attrs = 1,
    .attrs = epsilon };
  return true;
}

static bool join_nodes (WeirFuse *fuse, WeirNode *node, WeirNode *before, int64_t n_channels)
{
  Affine first, second;
  uint32_t x, own;
  bool first_is_single, second_is_single;
  affine_init (&first, n_channels);
  affine_init (&second, n_channels);
  bool done = read_affine (fuse, before, &x, &first_is_single, &first) &&
              read_affine (fuse, node, &own, &second_is_single, &second) &&
              node->src[own] == before->dst[0] && !(first_is_single && second_is_single);
  if (done) {
    uint32_t value = before->src[x];
    join (&first, &second);
    done = become_batch_norm (fuse, before, value, &second);
    if (done)
      weir_fuse_absorb (fuse, before, node);
  }
  affine_clear (&first);
  affine_clear (&second);
  return done;
}

bool weir_fuse_scales (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  const WeirTensor *dst = weir_fuse_shape (fuse, node->dst[0]);
  if (dst->rank < 3 || dst->dims[1] < 1 ||
      (weir_op_info (node->op)->kind != WEIR_OP_KIND_BINARY &&
          node->op != WEIR_OP_BATCH_NORMALIZATION))
    return false;
  for (uint32_t i = 0; i < MIN (node->n_src, 2); i++) {
    WeirNode *before = weir_fuse_producer (fuse, node->src[i]);
    if (before && before->n_src && weir_fuse_is_private (fuse, node->src[i]) &&
        join_nodes (fuse, node, before, dst->dims[1]))
      return true;
  }
  return false;
}

/* --- arithmetic with constants before a convolution --- */

static bool is_padded (const WeirNode *node)
{
  uint32_t n;
  const int64_t *pads = weir_node_ints (node, "pads", &n);
  const char *automatic = weir_node_string (node, "auto_pad", "NOTSET");
  for (uint32_t i = 0; i < n; i++)
    if (pads[i])
      return true;
  return strcmp (automatic, "NOTSET") != 0 && strcmp (automatic, "VALID") != 0;
}

/* The channel of the input that element i of a convolution's weights multiplies. */
static int64_t input_of (const WeirTensor *weights, int64_t group, int64_t i)
{
  int64_t inner = 1, inputs = weights->dims[1];
  for (uint32_t k = 2; k < weights->rank; k++)
    inner *= weights->dims[k];
  int64_t output = i / inner / inputs;
  return output / (weights->dims[0] / group) * inputs + i / inner % inputs;
}

/* W·(scale·x + shift) + b as W'·x + b'. */
static bool take_input (WeirFuse *fuse, WeirNode *node, const Affine *input, const WeirTensor *bias)
{
  const WeirTensor *weights = weir_fuse_constant (fuse, node->src[1]);
  const float *old = weir_tensor_data (weights);
  int64_t n, group = MAX (weir_node_int (node, "group", 1), 1);
  Affine output;
  float *data;
  uint32_t id = weir_fuse_add_constant (fuse, node->name, weights, &data);
  if (id == WEIR_NONE || !weir_tensor_n_elements (weights, &n))
    return false;
  affine_init (&output, weights->dims[0]);
  for (int64_t i = 0; i < n; i++) {
    int64_t c = input_of (weights, group, i);
    output.shift[i / (n / output.n)] += (double) old[i] * input->shift[c];
    data[i] = (float) ((double) old[i] * input->scale[c]);
  }
  bool done = !shifts (&output) ||
              (make_room_for_bias (fuse, node) && set_bias (fuse, node, &output, bias));
  if (done)
    node->src[1] = id;
  affine_clear (&output);
  return done;
}

bool weir_fuse_scaled_input (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  if (node->op != WEIR_OP_CONV)
    return false;
  WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  const WeirTensor *bias, *weights = weir_fuse_constant (fuse, node->src[1]);
  Channels channels;
  if (!before || !before->n_src || !weights || !weir_fuse_is_private (fuse, node->src[0]) ||
      !find_channels (fuse, node, weights, &channels) ||
      !find_bias (fuse, node, channels.n_total, &bias))
    return false;
  Affine affine;
  uint32_t x;
  bool is_single;
  affine_init (&affine, weir_fuse_shape (fuse, node->src[0])->dims[1]);
  bool done = read_affine (fuse, before, &x, &is_single, &affine) &&
              (!shifts (&affine) || !is_padded (node)) && take_input (fuse, node, &affine, bias) &&
              weir_fuse_bypass (fuse, before, before->src[x]);
  affine_clear (&affine);
  return done;
}

bool weir_fuse_constant_operand (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  if (weir_op_info (node->op)->kind != WEIR_OP_KIND_BINARY || node->n_src != 2)
    return false;
  uint32_t k = weir_fuse_constant (fuse, node->src[1]) ? 1 : 0;
  const WeirTensor *constant = weir_fuse_constant (fuse, node->src[k]);
  const WeirTensor *bias, *dst = weir_fuse_shape (fuse, node->dst[0]);
  Channels channels;
  WeirNode *before = constant ? find_linear (fuse, node->src[1 - k], &channels, &bias) : NULL;
  if (!before || !weir_fuse_same_shape (fuse, node->src[1 - k], node->dst[0]))
    return false;
  int64_t step;
  const float *data =
      per_channel (constant, dst, is_matrix (before) ? dst->rank - 1 : 1, channels.n_total, &step);
  if (!data)
    return false;
  Affine affine;
  affine_init (&affine, channels.n_total);
  bool done = fill_operand (node->op, k, data, step, &affine) &&
              apply (fuse, before, node, &affine, &channels, bias);
  affine_clear (&affine);
  return done;
}
