/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A value V(n) is *stacked* along an axis when it is the n = 1 values of the samples, one after the
 * other along that axis: its dim there is n * k where it is k at n = 1, all others are the same.
 * Inputs are stacked along axis 0 by definition, and the proof goes from node to node: with stacked
 * inputs, and others that are the same at every n, is the result stacked?
 *
 * Nearly all of it can be read off the shapes at n = 1, 2, 3: exactly one dim of the result must
 * grow, by the same k as in the inputs. Operators with any_axis treat elements or rows alike along
 * every axis that they do not change; those that can look along an axis and keep its dim have a
 * check of their own; all others (convolutions, pools) do so along axis 0 only. A view keeps the
 * order of elements, so it may change k, as long as what varies slower than the samples is the same
 * before and after. What mixes samples (a Reshape with a baked 1, a Concat along the axis) changes
 * other dims, k or that. */
#include "engine/graph/batch_proof.h"

#include "engine/base/checked.h"
#include "engine/graph/batch_checks.h"
#include "engine/graph/geometry.h"

#define N_RUNS 3

typedef enum Class {
  CLASS_ABSENT = 0,
  CLASS_FIXED,   /* the same at every n */
  CLASS_STACKED, /* rows of the samples */
  CLASS_VARYING, /* known, but depends on n in another way: shapes */
} Class;

typedef struct Proof {
  const WeirGraph *graph;
  WeirShapes *shapes[N_RUNS]; /* at n = 1, 2, 3 */
  uint8_t *classes;           /* Class, by value id */
} Proof;

static const WeirTensor *tensor_at (const Proof *proof, uint32_t run, uint32_t value)
{
  return &proof->shapes[run]->values[value];
}

static bool has_dims (const WeirTensor *tensor, const WeirTensor *a, uint32_t axis, int64_t n)
{
  if (tensor->rank != a->rank || tensor->dtype != a->dtype)
    return false;
  for (uint32_t i = 0; i < a->rank; i++) {
    int64_t expected;
    if (!weir_checked_mul_i64 (a->dims[i], i == axis ? n : 1, &expected) ||
        tensor->dims[i] != expected)
      return false;
  }
  return true;
}

/* `n` times the bytes of `a`, one after the other. */
static bool has_bytes (const WeirTensor *tensor, const WeirTensor *a, int64_t n)
{
  size_t n_bytes;
  if (!weir_tensor_bytes (a, &n_bytes))
    return false;
  for (int64_t i = 0; i < n; i++)
    if (memcmp ((char *) weir_tensor_data (tensor) + (size_t) i * n_bytes, weir_tensor_data (a),
            n_bytes) != 0)
      return false;
  return true;
}

/* The one axis that grows with n, WEIR_NONE where it is not one. */
static uint32_t find_axis (const Proof *proof, uint32_t value)
{
  const WeirTensor *a = tensor_at (proof, 0, value), *b = tensor_at (proof, 1, value);
  uint32_t axis = 0;
  while (axis < a->rank && b->rank == a->rank && a->dims[axis] == b->dims[axis])
    axis++;
  if (axis == a->rank)
    return WEIR_NONE;
  for (uint32_t run = 1; run < N_RUNS; run++)
    if (!has_dims (tensor_at (proof, run, value), a, axis, run + 1))
      return WEIR_NONE;
  return axis;
}

static bool is_known (const Proof *proof, uint32_t value)
{
  for (uint32_t run = 0; run < N_RUNS; run++)
    if (!tensor_at (proof, run, value)->buffer)
      return false;
  return true;
}

static Class classify_known (const Proof *proof, uint32_t value)
{
  const WeirTensor *a = tensor_at (proof, 0, value);
  bool is_fixed = true, is_repeated = find_axis (proof, value) == 0;
  for (uint32_t run = 1; run < N_RUNS; run++) {
    const WeirTensor *tensor = tensor_at (proof, run, value);
    is_fixed = is_fixed && has_dims (tensor, a, WEIR_NONE, 1) && has_bytes (tensor, a, 1);
    is_repeated = is_repeated && has_bytes (tensor, a, run + 1);
  }
  return is_fixed ? CLASS_FIXED : is_repeated ? CLASS_STACKED : CLASS_VARYING;
}

static WeirShapeJob job_at (const Proof *proof, const WeirNode *node, uint32_t run, GArray *src)
{
  static const WeirTensor absent;
  g_array_set_size (src, 0);
  for (uint32_t i = 0; i < node->n_src; i++)
    g_array_append_vals (
        src, node->src[i] == WEIR_NONE ? &absent : tensor_at (proof, run, node->src[i]), 1);
  return (WeirShapeJob){ proof->graph, node, (const WeirTensor *) (void *) src->data, NULL, NULL };
}

/* Checks of operators that can look along the axis of the batch and keep the shape. NULL or what is
 * wrong. */
typedef const char *(*CheckFn) (const WeirShapeJob *job, uint32_t batch_axis);

static const char *check_softmax (const WeirShapeJob *job, uint32_t batch_axis)
{
  uint32_t axis;
  bool is_flat = job->node->opset < 13; /* over this axis and all that follow */
  int64_t given = weir_node_int (job->node, "axis", is_flat ? 1 : -1);
  if (!weir_axis_resolve (job->graph, job->node, given, job->src[0].rank, &axis, NULL))
    return "its axis cannot be told";
  bool has_batch = is_flat ? batch_axis >= axis : batch_axis == axis;
  return has_batch ? "it normalises over the batch" : NULL;
}

/* The meaning of its axis is an attribute of its own. */
static const char *check_quantised_softmax (const WeirShapeJob *job, uint32_t batch_axis)
{
  WeirNode node = *job->node;
  WeirShapeJob plain = *job;
  bool has_axis = weir_node_attr (&node, "axis") != NULL;
  node.opset = has_axis ? (uint32_t) CLAMP (weir_node_int (&node, "opset", node.opset), 1, 99) : 13;
  plain.node = &node;
  return check_softmax (&plain, batch_axis);
}

static const char *check_mean_variance (const WeirShapeJob *job, uint32_t batch_axis)
{
  uint32_t axes[WEIR_MAX_RANK], n;
  if (!weir_shape_axes (job, "axes", WEIR_NONE, job->src[0].rank, axes, &n, NULL))
    return "its axes cannot be told";
  bool has_batch = n == 0; /* ONNX's default is 0, 2, 3 */
  for (uint32_t i = 0; i < n; i++)
    has_batch |= axes[i] == batch_axis;
  return has_batch ? "it normalises over the batch" : NULL;
}

static const char *check_batch_normalization (const WeirShapeJob *job, uint32_t batch_axis)
{
  return weir_node_int (job->node, "training_mode", 0) ? "it takes statistics of the batch" : NULL;
}

/* Indices count from the first element of the first sample. */
static const char *check_max_pool (const WeirShapeJob *job, uint32_t batch_axis)
{
  return weir_job_wants (job, 1) ? "its indices count over the batch" : NULL;
}

static const char *check_axis (
    const WeirShapeJob *job, int64_t given, uint32_t batch_axis, const char *text)
{
  uint32_t axis;
  if (!weir_axis_resolve (job->graph, job->node, given, job->src[0].rank, &axis, NULL))
    return "its axis cannot be told";
  return axis == batch_axis ? text : NULL;
}

static const char *check_lp_normalization (const WeirShapeJob *job, uint32_t batch_axis)
{
  return check_axis (
      job, weir_node_int (job->node, "axis", -1), batch_axis, "it normalises over the batch");
}

static const char *check_layer_norm (const WeirShapeJob *job, uint32_t batch_axis)
{
  WeirLayerNorm norm;
  if (!weir_layer_norm_resolve (job, &norm, NULL))
    return "its axis cannot be told";
  return batch_axis >= norm.axis ? "it normalises over the batch" : NULL;
}

static const char *check_cumulate (const WeirShapeJob *job, uint32_t batch_axis)
{
  int64_t given;
  if (!job->src[1].buffer || !weir_known_int (&job->src[1], 0, &given))
    return "its axis cannot be told";
  return check_axis (job, given, batch_axis, "it sums over the batch");
}

static const char *check_trilu (const WeirShapeJob *job, uint32_t batch_axis)
{
  return batch_axis + 2 < job->src[0].rank ? NULL : "its matrices lie along the batch";
}

static const char *check_slice (const WeirShapeJob *job, uint32_t batch_axis)
{
  WeirSlice slice;
  if (!weir_slice_resolve (job, &slice, NULL))
    return "its range cannot be told";
  bool is_whole = slice.start[batch_axis] == 0 && slice.step[batch_axis] == 1;
  return is_whole ? NULL : "it reorders the batch";
}

static const char *check_pad (const WeirShapeJob *job, uint32_t batch_axis)
{
  WeirPads pads;
  if (!weir_pads_resolve (job, &pads, NULL))
    return "its pads cannot be told";
  return pads.begin[batch_axis] || pads.end[batch_axis] ? "it pads the batch" : NULL;
}

static const char *check_quantised (const WeirShapeJob *job, uint32_t batch_axis)
{
  uint32_t axis;
  int64_t n_scales;
  if (weir_tensor_n_elements (&job->src[1], &n_scales) && n_scales == 1)
    return NULL;
  int64_t given = weir_node_int (job->node, "axis", 1);
  if (!weir_axis_resolve (job->graph, job->node, given, job->src[0].rank, &axis, NULL))
    return "its axis cannot be told";
  return axis == batch_axis ? "it has one scale per sample" : NULL;
}

typedef struct Rule {
  CheckFn check;
  bool any_axis;         /* the batch need not be axis 0 */
  bool takes_many;       /* several inputs may be stacked */
  uint8_t shape_sources; /* bit i: input i says a shape, which may vary with n */
  /* A check that looks at two batch sizes; NULL: none. */
  const char *(*compare) (const WeirShapeJob *one, const WeirShapeJob *two);
} Rule;

/* Unary, binary and view operators need no row: see rule_of. */
static const Rule rules[WEIR_N_OPS] = {
  [WEIR_OP_CAST] = { NULL, true, false, 0 },
  [WEIR_OP_CAST_LIKE] = { NULL, true, true, 1 << 1 },
  [WEIR_OP_NOT] = { NULL, true, false, 0 },
  [WEIR_OP_BITWISE_NOT] = { NULL, true, false, 0 },
  [WEIR_OP_IS_INF] = { NULL, true, false, 0 },
  [WEIR_OP_IS_NAN] = { NULL, true, false, 0 },
  [WEIR_OP_SOFTMAX] = { check_softmax, true, false, 0 },
  [WEIR_OP_LOG_SOFTMAX] = { check_softmax, true, false, 0 },
  [WEIR_OP_MAX_POOL] = { check_max_pool, false, false, 0 },
  [WEIR_OP_HARDMAX] = { check_softmax, true, false, 0 },
  [WEIR_OP_BATCH_NORMALIZATION] = { check_batch_normalization, false, false, 0 },
  [WEIR_OP_LAYER_NORMALIZATION] = { check_layer_norm, true, false, 0 },
  [WEIR_OP_RMS_NORMALIZATION] = { check_layer_norm, true, false, 0 },
  [WEIR_OP_LP_NORMALIZATION] = { check_lp_normalization, true, false, 0 },
  [WEIR_OP_MEAN_VARIANCE_NORMALIZATION] = { check_mean_variance, true, false, 0 },
  [WEIR_OP_QUANTIZE_LINEAR] = { check_quantised, true, false, 0 },
  [WEIR_OP_DEQUANTIZE_LINEAR] = { check_quantised, true, false, 0 },
  [WEIR_OP_MAT_MUL_INTEGER] = { NULL, true, true, 0 },
  [WEIR_OP_Q_LINEAR_MAT_MUL] = { NULL, true, true, 0 },
  [WEIR_OP_Q_LINEAR_ADD] = { NULL, true, true, 0 },
  [WEIR_OP_Q_LINEAR_MUL] = { NULL, true, true, 0 },
  [WEIR_OP_Q_LINEAR_CONCAT] = { NULL, true, true, 0 },
  [WEIR_OP_Q_LINEAR_SIGMOID] = { NULL, true, false, 0 },
  [WEIR_OP_Q_LINEAR_LEAKY_RELU] = { NULL, true, false, 0 },
  [WEIR_OP_Q_LINEAR_SOFTMAX] = { check_quantised_softmax, true, false, 0 },
  [WEIR_OP_MAT_MUL] = { NULL, true, true, 0 },
  [WEIR_OP_REDUCE_L1] = { NULL, true, false, 0 },
  [WEIR_OP_REDUCE_L2] = { NULL, true, false, 0 },
  [WEIR_OP_REDUCE_LOG_SUM] = { NULL, true, false, 0 },
  [WEIR_OP_REDUCE_LOG_SUM_EXP] = { NULL, true, false, 0 },
  [WEIR_OP_REDUCE_MAX] = { NULL, true, false, 0 },
  [WEIR_OP_REDUCE_MEAN] = { NULL, true, false, 0 },
  [WEIR_OP_REDUCE_MIN] = { NULL, true, false, 0 },
  [WEIR_OP_REDUCE_PROD] = { NULL, true, false, 0 },
  [WEIR_OP_REDUCE_SUM] = { NULL, true, false, 0 },
  [WEIR_OP_REDUCE_SUM_SQUARE] = { NULL, true, false, 0 },
  [WEIR_OP_ARG_MAX] = { NULL, true, false, 0 },
  [WEIR_OP_ARG_MIN] = { NULL, true, false, 0 },
  [WEIR_OP_CUM_SUM] = { check_cumulate, true, false, 0 },
  [WEIR_OP_CUM_PROD] = { check_cumulate, true, false, 0 },
  [WEIR_OP_DET] = { NULL, true, false, 0 },
  [WEIR_OP_CONCAT] = { NULL, true, true, 0 },
  [WEIR_OP_GATHER] = { NULL, true, false, 0 },
  [WEIR_OP_SPLIT] = { NULL, true, false, 0 },
  [WEIR_OP_TILE] = { NULL, true, false, 0 },
  [WEIR_OP_TRILU] = { check_trilu, true, false, 0 },
  [WEIR_OP_TRANSPOSE] = { NULL, true, false, 0 },
  [WEIR_OP_SLICE] = { check_slice, true, false, 1 << 2 },
  [WEIR_OP_PAD] = { check_pad, true, false, 0 },
  [WEIR_OP_EXPAND] = { NULL, true, false, 1 << 1 },
  [WEIR_OP_RESHAPE] = { NULL, true, false, 1 << 1 },
  [WEIR_OP_RESIZE] = { NULL, false, false, 1 << 2 | 1 << 3 },
  [WEIR_OP_UPSAMPLE] = { NULL, false, false, 1 << 1 },
  [WEIR_OP_OV_BUCKETIZE] = { NULL, true, false, 0 },
  [WEIR_OP_OV_TOP_K] = { weir_batch_check_ov, true, false, 0 },
  [WEIR_OP_OV_CTC_GREEDY_DECODER] = { weir_batch_check_ov, true, true, 0 },
  [WEIR_OP_OV_CTC_GREEDY_DECODER_SEQ_LEN] = { NULL, false, true, 0 },
  [WEIR_OP_OV_DETECTION_OUTPUT] = { NULL, false, true, 0 },
  [WEIR_OP_OV_FAKE_QUANTIZE] = { NULL, true, true, 0 },
  [WEIR_OP_OV_INTERPOLATE] = { weir_batch_check_ov, false, false, 1 << 1 | 1 << 2 },
  [WEIR_OP_OV_GRN] = { weir_batch_check_ov, true, false, 0 },
  [WEIR_OP_OV_MVN] = { weir_batch_check_ov, true, false, 0 },
  [WEIR_OP_OV_NORMALIZE_L2] = { weir_batch_check_ov, true, false, 0 },
  [WEIR_OP_OV_SHUFFLE_CHANNELS] = { weir_batch_check_ov, true, false, 0 },
  [WEIR_OP_OV_STRIDED_SLICE] = { weir_batch_check_ov, true, false, 1 << 1 | 1 << 2 },
  [WEIR_OP_GATHER_ELEMENTS] = { weir_batch_check_elements, false, true, 0 },
  [WEIR_OP_GATHER_ND] = { weir_batch_check_gather_nd, false, true, 0 },
  [WEIR_OP_SCATTER] = { weir_batch_check_elements, false, true, 0 },
  [WEIR_OP_SCATTER_ELEMENTS] = { weir_batch_check_elements, false, true, 0 },
  [WEIR_OP_SCATTER_ND] = { weir_batch_check_scatter_nd, false, false, 0 },
  [WEIR_OP_ONE_HOT] = { NULL, true, false, 0 },
  [WEIR_OP_REVERSE_SEQUENCE] = { weir_batch_check_reverse_sequence, true, true, 0 },
  [WEIR_OP_CENTER_CROP_PAD] = { NULL, false, false, 1 << 1 },
  [WEIR_OP_TOP_K] = { weir_batch_check_top_k, true, false, 0 },
  [WEIR_OP_EINSUM] = { NULL, true, true, 0, weir_batch_compare_einsum },
  [WEIR_OP_GRID_SAMPLE] = { NULL, false, true, 0 },
  [WEIR_OP_AFFINE_GRID] = { NULL, false, false, 1 << 1 },
  [WEIR_OP_ROI_ALIGN] = { weir_batch_check_regions, false, false, 0 },
  [WEIR_OP_MAX_ROI_POOL] = { weir_batch_check_regions, false, false, 0 },
  [WEIR_OP_DEFORM_CONV] = { NULL, false, true, 0 },
};

static Rule rule_of (WeirOp op)
{
  Rule rule = rules[op];
  WeirOpKind kind = weir_op_info (op)->kind;
  rule.any_axis |=
      kind == WEIR_OP_KIND_UNARY || kind == WEIR_OP_KIND_BINARY || kind == WEIR_OP_KIND_VIEW;
  rule.takes_many |= kind == WEIR_OP_KIND_BINARY;
  return rule;
}

/* The stacked inputs of a node: their number, the last one's id, axis and rows per sample (k). */
typedef struct Stack {
  uint32_t n, value, axis;
  int64_t k;
} Stack;

static const char *check_src (
    const Proof *proof, const WeirNode *node, const Rule *rule, Stack *stack)
{
  for (uint32_t i = 0; i < node->n_src; i++) {
    uint32_t id = node->src[i];
    Class class = id == WEIR_NONE ? CLASS_ABSENT : (Class) proof->classes[id];
    if (class == CLASS_VARYING && !(i < 8 && (rule->shape_sources >> i & 1)))
      return "it computes with a number that depends on the batch size";
    if (class != CLASS_STACKED)
      continue;
    uint32_t axis = find_axis (proof, id);
    if (axis == WEIR_NONE || (axis && !rule->any_axis))
      return "the batch is not the first dim of its input";
    int64_t k = tensor_at (proof, 0, id)->dims[axis];
    if (stack->n && k != stack->k)
      return "its inputs have different numbers of rows per sample";
    *stack = (Stack){ stack->n + 1, id, axis, k };
  }
  if (stack->n > 1 && !rule->takes_many)
    return "more than one of its inputs carries the batch";
  return stack->n ? NULL : "it does not carry the batch, and its result is not known";
}

/* Elements that vary slower than the samples. */
static int64_t n_outer (const WeirTensor *tensor, uint32_t axis)
{
  int64_t n = 1;
  for (uint32_t i = 0; i < axis; i++)
    n *= tensor->dims[i];
  return n;
}

static const char *check_dst (const Proof *proof, const WeirNode *node, const Stack *stack)
{
  bool is_view = weir_op_info (node->op)->kind == WEIR_OP_KIND_VIEW;
  const WeirTensor *src = tensor_at (proof, 0, stack->value);
  for (uint32_t i = 0; i < node->n_dst; i++) {
    uint32_t id = node->dst[i];
    if (id == WEIR_NONE)
      continue;
    uint32_t axis = find_axis (proof, id);
    const WeirTensor *dst = tensor_at (proof, 0, id);
    if (axis == WEIR_NONE)
      return "its result does not have rows for each sample";
    if (is_view && n_outer (dst, axis) != n_outer (src, stack->axis))
      return "it mixes the batch with another dim";
    if (!is_view && dst->dims[axis] != stack->k)
      return "it changes the number of rows per sample";
  }
  return NULL;
}

static const char *compare_runs (const Proof *proof, const WeirNode *node, const Rule *rule)
{
  g_autoptr (GArray) first = g_array_new (FALSE, FALSE, sizeof (WeirTensor));
  g_autoptr (GArray) second = g_array_new (FALSE, FALSE, sizeof (WeirTensor));
  WeirShapeJob one = job_at (proof, node, 0, first), two = job_at (proof, node, 1, second);
  return rule->compare (&one, &two);
}

static const char *check_node (const Proof *proof, const WeirNode *node, GArray *src)
{
  Rule rule = rule_of (node->op);
  Stack stack = { 0 };
  const char *why = check_src (proof, node, &rule, &stack);
  if (!why)
    why = check_dst (proof, node, &stack);
  for (uint32_t run = 0; !why && rule.check && run < N_RUNS; run++) {
    WeirShapeJob job = job_at (proof, node, run, src);
    why = rule.check (&job, stack.axis);
  }
  if (!why && rule.compare)
    why = compare_runs (proof, node, &rule);
  return why;
}

static char *node_reason (const WeirNode *node, const char *why)
{
  return g_strdup_printf ("node '%s' (%s): %s", node->name, weir_op_info (node->op)->name, why);
}

/* What is computed from constants alone, however large: weights that are dequantised. */
static bool has_fixed_sources (const Proof *proof, const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_src; i++)
    if (node->src[i] != WEIR_NONE && proof->classes[node->src[i]] != CLASS_FIXED)
      return false;
  return node->n_src > 0;
}

/* Classes of all values, or why there is none for one of them. */
static char *classify (const Proof *proof)
{
  g_autoptr (GArray) src = g_array_new (FALSE, FALSE, sizeof (WeirTensor));
  for (uint32_t id = 0; id < proof->graph->values->len; id++)
    if (weir_graph_value (proof->graph, id)->is_constant)
      proof->classes[id] = CLASS_FIXED;
  for (uint32_t i = 0; i < proof->graph->inputs->len; i++)
    proof->classes[g_array_index (proof->graph->inputs, uint32_t, i)] = CLASS_STACKED;
  for (uint32_t n = 0; n < proof->graph->nodes->len; n++) {
    const WeirNode *node = weir_graph_node (proof->graph, n);
    bool all_known = true;
    for (uint32_t i = 0; i < node->n_dst; i++)
      all_known = all_known && (node->dst[i] == WEIR_NONE || is_known (proof, node->dst[i]));
    Class class = has_fixed_sources (proof, node) ? CLASS_FIXED : CLASS_STACKED;
    const char *why = all_known || class == CLASS_FIXED ? NULL : check_node (proof, node, src);
    if (why)
      return node_reason (node, why);
    for (uint32_t i = 0; i < node->n_dst; i++)
      if (node->dst[i] != WEIR_NONE)
        proof->classes[node->dst[i]] =
            (uint8_t) (all_known ? classify_known (proof, node->dst[i]) : class);
  }
  return NULL;
}

static char *check_outputs (const Proof *proof)
{
  for (uint32_t i = 0; i < proof->graph->outputs->len; i++) {
    uint32_t id = g_array_index (proof->graph->outputs, uint32_t, i);
    if (proof->classes[id] != CLASS_STACKED || find_axis (proof, id) != 0 ||
        tensor_at (proof, 0, id)->dims[0] != 1)
      return g_strdup_printf ("output '%s' does not have one row for each sample",
          weir_graph_value (proof->graph, id)->name);
  }
  return NULL;
}

/* Why not, where the size of a result depends on more than n. */
static char *check_static (const Proof *proof)
{
  for (uint32_t n = 0; n < proof->graph->nodes->len; n++) {
    const WeirNode *node = weir_graph_node (proof->graph, n);
    for (uint32_t i = 0; i < node->n_dst; i++)
      if (node->dst[i] != WEIR_NONE && proof->shapes[0]->is_dynamic[node->dst[i]])
        return node_reason (node, "it gives as many results as its data say");
  }
  return NULL;
}

char *weir_batch_prove (const WeirGraph *graph, WeirEvaluateFn evaluate)
{
  Proof proof = { .graph = graph };
  char *reason = NULL;
  for (uint32_t run = 0; !reason && run < N_RUNS; run++) {
    g_autoptr (GError) error = NULL;
    proof.shapes[run] = weir_shapes_infer (graph, run + 1, evaluate, &error);
    if (!proof.shapes[run])
      reason = g_strdup_printf ("at a batch of %u: %s", run + 1, error->message);
  }
  proof.classes = g_malloc0 ((size_t) graph->values->len + 1);
  if (!reason)
    reason = check_static (&proof);
  if (!reason)
    reason = classify (&proof);
  if (!reason)
    reason = check_outputs (&proof);
  g_free (proof.classes);
  for (uint32_t run = 0; run < N_RUNS; run++)
    weir_shapes_free (proof.shapes[run]);
  return reason;
}
