/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walks from an output towards the inputs and stops at the first operator with weights: what lies
 * between is the network's own decoding. */
#include "engine/post/traits.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAX_JOINS 2u
/* Between the picture and its scaling. */
#define MAX_VIEWS   8u
#define MAX_NODES   4096u
#define MAX_REGIONS 4u

/* Convolutions and matrix products, quantised or not. */
static bool has_weights (WeirOp op)
{
  const char *name = weir_op_info (op)->name;
  return strstr (name, "Conv") || strstr (name, "MatMul") || strstr (name, "Gemm");
}

/* Operators that leave the values what they are, or take some of them, whatever the backend. */
static bool keeps_values (const WeirNode *node)
{
  static const char *const names[] = { "Cast", "Transpose", "QuantizeLinear", "DequantizeLinear",
    "openvino:FakeQuantize", "weir:RoundToCodes", "weir:RoundToLevels", "Slice", "Split", "Gather",
    "weir:Reorder", NULL };
  const WeirOpInfo *info = weir_op_info (node->op);
  return node->n_post == 0 && node->n_src &&
         (info->kind == WEIR_OP_KIND_VIEW || g_strv_contains (names, info->name));
}

static const WeirNode *producer (const WeirGraph *graph, uint32_t value)
{
  if (value >= graph->values->len)
    return NULL;
  uint32_t node = weir_graph_value (graph, value)->producer;
  return node < graph->nodes->len ? weir_graph_node (graph, node) : NULL;
}

/* Operators that say something by their name alone, whatever the format they come from. */
typedef struct Mark {
  const char *op;
  uint32_t traits;
  uint32_t result; /* which of its results */
} Mark;

static const Mark *find_mark (const Mark *marks, WeirOp op)
{
  const char *name = weir_op_info (op)->name, *prefix = strchr (name, ':');
  for (name = prefix ? prefix + 1 : name; marks->op; marks++)
    if (g_str_equal (marks->op, name))
      return marks;
  return NULL;
}

static uint32_t find_marks (const Mark *marks, WeirOp op)
{
  const Mark *mark = find_mark (marks, op);
  return mark ? mark->traits : 0;
}

/* What an operator makes of its input. */
static uint32_t made_traits (const WeirNode *node, uint32_t value)
{
  static const Mark marks[] = { { "Softmax", WEIR_OUTPUT_SOFTMAX, 0 },
    { "LogSoftmax", WEIR_OUTPUT_LOG_SOFTMAX, 0 }, { "Sigmoid", WEIR_OUTPUT_SIGMOID, 0 },
    { "HardSigmoid", WEIR_OUTPUT_SIGMOID, 0 }, { "ArgMax", WEIR_OUTPUT_INDEX, 0 },
    { "TopK", WEIR_OUTPUT_INDEX, 1 }, { "CTCGreedyDecoder", WEIR_OUTPUT_CTC, 0 },
    { "CTCGreedyDecoderSeqLen", WEIR_OUTPUT_CTC, 0 },
    { "DetectionOutput", WEIR_OUTPUT_DETECTION_OUTPUT, 0 }, { "RegionYolo", WEIR_OUTPUT_REGION, 0 },
    { NULL, 0, 0 } };
  uint32_t n = node->n_post;
  while (n && (node->post[n - 1].op == WEIR_OP_ROUND_TO_CODES ||
                  node->post[n - 1].op == WEIR_OP_ROUND_TO_LEVELS))
    n--;
  const Mark *mark = find_mark (marks, n ? node->post[n - 1].op : node->op);
  bool is_made = mark && mark->result < node->n_dst && node->dst[mark->result] == value;
  return is_made ? mark->traits : 0;
}

/* Traits by the operators that compute the values; what is joined has those that all parts have. No
 * network hides them behind more nodes than the budget. */
static uint32_t last_traits (
    const WeirGraph *graph, uint32_t value, uint32_t depth, uint32_t *budget)
{
  const WeirNode *node = producer (graph, value);
  for (; *budget && node && keeps_values (node); --*budget) {
    value = node->src[0];
    node = producer (graph, value);
  }
  if (!node || !*budget)
    return 0;
  if (node->op != WEIR_OP_CONCAT || node->n_post || !depth)
    return made_traits (node, value);
  uint32_t traits = node->n_src ? UINT32_MAX : 0;
  for (uint32_t i = 0; i < node->n_src && traits; i++) {
    *budget -= 1;
    traits &= *budget ? last_traits (graph, node->src[i], depth - 1, budget) : 0;
  }
  return traits;
}

static bool is_arithmetic (WeirOp op)
{
  return op == WEIR_OP_ADD || op == WEIR_OP_SUB || op == WEIR_OP_MUL || op == WEIR_OP_DIV;
}

/* Biases and scales of channels have one dim that is not 1. */
static bool is_grid (const WeirTensor *constant)
{
  uint32_t n_long = 0;
  for (uint32_t i = 0; i < constant->rank; i++)
    n_long += constant->dims[i] > 1;
  return n_long >= 2;
}

static uint32_t constant_traits (const WeirGraph *graph, const WeirNode *node)
{
  uint32_t traits = 0;
  for (uint32_t i = 0; i < node->n_src; i++) {
    if (node->src[i] >= graph->values->len)
      continue;
    const WeirValue *value = weir_graph_value (graph, node->src[i]);
    if (!value->is_constant)
      continue;
    if (node->op == WEIR_OP_CONCAT)
      traits |= WEIR_OUTPUT_CONSTANT_PART;
    else if (is_arithmetic (node->op) && is_grid (&value->tensor))
      traits |= WEIR_OUTPUT_GRID;
  }
  return traits;
}

static uint32_t node_traits (const WeirGraph *graph, const WeirNode *node)
{
  static const Mark marks[] = { { "Exp", WEIR_OUTPUT_EXP, 0 },
    { "Sigmoid", WEIR_OUTPUT_ANY_SIGMOID, 0 }, { "TopK", WEIR_OUTPUT_SELECTED, 0 },
    { "NonMaxSuppression", WEIR_OUTPUT_SELECTED, 0 }, { "MulticlassNms", WEIR_OUTPUT_SELECTED, 0 },
    { "MatrixNms", WEIR_OUTPUT_SELECTED, 0 }, { "Sin", WEIR_OUTPUT_ANGLE, 0 },
    { "Cos", WEIR_OUTPUT_ANGLE, 0 }, { NULL, 0, 0 } };
  uint32_t traits = find_marks (marks, node->op) | constant_traits (graph, node);
  for (uint32_t i = 0; i < node->n_post; i++)
    traits |= find_marks (marks, node->post[i].op);
  return traits;
}

/* Depth-first over values, no further than operators with weights; every value once. */
static uint32_t decoding_traits (const WeirGraph *graph, uint32_t output)
{
  g_autofree bool *seen = g_new0 (bool, graph->values->len);
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  uint32_t traits = 0;
  g_array_append_val (stack, output);
  while (stack->len) {
    uint32_t value = g_array_index (stack, uint32_t, stack->len - 1);
    g_array_set_size (stack, stack->len - 1);
    const WeirNode *node = producer (graph, value);
    if (!node || seen[value])
      continue;
    seen[value] = true;
    traits |= node_traits (graph, node);
    if (!has_weights (node->op))
      g_array_append_vals (stack, node->src, node->n_src);
  }
  return traits;
}

/* x · Sigmoid (x), and x · Tanh (Softplus (x)). */
static uint32_t product_traits (const WeirGraph *graph, const WeirNode *node)
{
  for (uint32_t i = 0; node->op == WEIR_OP_MUL && i < node->n_src; i++) {
    const WeirNode *gate = producer (graph, node->src[i]);
    uint32_t other = node->src[1 - MIN (i, 1)];
    if (gate && gate->op == WEIR_OP_SIGMOID && gate->src[0] == other)
      return WEIR_OUTPUT_NET_SILU;
    const WeirNode *inner =
        gate && gate->op == WEIR_OP_TANH ? producer (graph, gate->src[0]) : NULL;
    if (inner && inner->op == WEIR_OP_SOFTPLUS && inner->src[0] == other)
      return WEIR_OUTPUT_NET_MISH;
  }
  return 0;
}

static bool is_pool_by_two (const WeirNode *node)
{
  uint32_t n_kernel, n_strides;
  const int64_t *kernel = weir_node_ints (node, "kernel_shape", &n_kernel);
  const int64_t *strides = weir_node_ints (node, "strides", &n_strides);
  return node->op == WEIR_OP_MAX_POOL && n_kernel == 2 && n_strides == 2 && kernel[0] == 2 &&
         kernel[1] == 2 && strides[0] == 2 && strides[1] == 2;
}

/* The graph's input, through views, meets a constant. */
static bool scales_picture (const WeirGraph *graph, const WeirNode *node)
{
  static const Mark marks[] = { { "ImageScaler", 1, 0 }, { "Add", 1, 0 }, { "Sub", 1, 0 },
    { "Mul", 1, 0 }, { "Div", 1, 0 }, { "BatchNormalization", 1, 0 }, { "Affine", 1, 0 },
    { NULL, 0, 0 } };
  if (!node->n_src || !find_marks (marks, node->op))
    return false;
  uint32_t value = node->src[0];
  const WeirNode *before = producer (graph, value);
  for (uint32_t steps = MAX_VIEWS; steps && before && keeps_values (before); steps--) {
    value = before->src[0];
    before = producer (graph, value);
  }
  return !before && value < graph->values->len && !weir_graph_value (graph, value)->is_constant;
}

static uint32_t network_traits (const WeirGraph *graph)
{
  static const Mark marks[] = { { "Mish", WEIR_OUTPUT_NET_MISH, 0 },
    { "Swish", WEIR_OUTPUT_NET_SILU, 0 }, { "Split", WEIR_OUTPUT_NET_SPLIT, 0 },
    { "Slice", WEIR_OUTPUT_NET_SPLIT, 0 }, { "VariadicSplit", WEIR_OUTPUT_NET_SPLIT, 0 },
    { "HardSwish", WEIR_OUTPUT_NET_SILU, 0 }, { "Concat", WEIR_OUTPUT_NET_CONCAT, 0 },
    { "StridedSlice", WEIR_OUTPUT_NET_SPLIT, 0 }, { NULL, 0, 0 } };
  uint32_t traits = 0;
  for (uint32_t id = 0; id < graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (graph, id);
    traits |= find_marks (marks, node->op) | product_traits (graph, node);
    traits |= is_pool_by_two (node) ? WEIR_OUTPUT_NET_POOL : 0u;
    traits |= scales_picture (graph, node) ? WEIR_OUTPUT_NET_SCALES : 0u;
    for (uint32_t i = 0; i < node->n_post; i++)
      traits |= find_marks (marks, node->post[i].op);
  }
  return traits;
}

uint32_t weir_output_traits (const WeirGraph *graph, uint32_t k)
{
  if (k >= graph->outputs->len)
    return 0;
  uint32_t value = g_array_index (graph->outputs, uint32_t, k);
  uint32_t budget = MAX_NODES;
  return WEIR_OUTPUT_KNOWN | last_traits (graph, value, MAX_JOINS, &budget) |
         decoding_traits (graph, value) | network_traits (graph);
}

/* Of the maps' masks, the coarsest map's first: it has the largest anchors, which come last. */
static int compare_masks (const void *a, const void *b)
{
  uint32_t n_a, n_b;
  const int64_t *mask_a = weir_node_ints (*(const WeirNode *const *) a, "mask", &n_a);
  const int64_t *mask_b = weir_node_ints (*(const WeirNode *const *) b, "mask", &n_b);
  int64_t first_a = n_a ? mask_a[0] : 0, first_b = n_b ? mask_b[0] : 0;
  return (first_a < first_b) - (first_a > first_b);
}

static char *join_masks (const WeirNode **nodes, uint32_t n)
{
  g_autoptr (GString) text = g_string_new (NULL);
  qsort (nodes, n, sizeof *nodes, compare_masks);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t n_mask;
    const int64_t *mask = weir_node_ints (nodes[i], "mask", &n_mask);
    for (uint32_t k = 0; k < n_mask; k++)
      g_string_append_printf (text, "%s%" PRId64, text->len ? "," : "", mask[k]);
  }
  return text->len ? g_strdup (text->str) : NULL;
}

static char *join_anchors (const WeirAttr *anchors)
{
  GString *text = g_string_new (NULL);
  for (uint32_t i = 0; i < anchors->n; i++) {
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    g_string_append_printf (text, "%s%s", i ? "," : "",
        g_ascii_dtostr (number, sizeof number, (double) anchors->floats[i]));
  }
  return g_string_free (text, FALSE);
}

void weir_output_anchors (const WeirGraph *graph, GHashTable *metadata)
{
  const WeirNode *nodes[MAX_REGIONS];
  uint32_t n = 0;
  for (uint32_t id = 0; id < graph->nodes->len && n < MAX_REGIONS; id++)
    if (find_marks ((const Mark[]){ { "RegionYolo", 1, 0 }, { NULL, 0, 0 } },
            weir_graph_node (graph, id)->op))
      nodes[n++] = weir_graph_node (graph, id);
  const WeirAttr *anchors = n ? weir_node_attr (nodes[0], "anchors") : NULL;
  if (!anchors || anchors->kind != WEIR_ATTR_FLOATS || !anchors->n ||
      g_hash_table_contains (metadata, "weir.anchors"))
    return;
  g_hash_table_insert (metadata, g_strdup ("weir.anchors"), join_anchors (anchors));
  /* with softmax it is one map of all anchors, and the mask says nothing */
  char *masks = weir_node_int (nodes[0], "do_softmax", 1) ? NULL : join_masks (nodes, n);
  if (masks)
    g_hash_table_insert (metadata, g_strdup ("weir.masks"), masks);
}
