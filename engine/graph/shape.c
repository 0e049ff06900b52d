/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shape inference: the walk over the graph, and the readers of attributes that its functions share.
 *
 * Every node is asked for the shapes of its results; a node whose inputs are all known is also
 * evaluated, so that targets of Reshape and the like are numbers when they are needed. */
#include "engine/graph/shape.h"

#include "engine/base/checked.h"
#include "engine/graph/cost.h"
#include "engine/graph/geometry.h"
#include "engine/graph/known.h"

/* Shape arithmetic is tiny; larger constants are fold.c's, once and not per batch size. */
#define MAX_KNOWN_ELEMENTS (1 << 19) /* a detector's 60 thousand priors */
/* Over all nodes, so that no file makes inference itself expensive. */
#define MAX_KNOWN_BYTES ((size_t) 64 << 20)
#define MAX_KNOWN_STEPS 0x1p30

static const WeirShapeFn shape_fns[WEIR_N_OPS] = {
#define WEIR_OP(id, name, min_src, max_src, min_dst, max_dst, kind, shape, ref) \
  [WEIR_OP_##id] = weir_shape_##shape,
#include "engine/graph/ops.def"
#undef WEIR_OP
};

typedef struct Walk {
  const WeirGraph *graph;
  WeirShapes *shapes;
  WeirEvaluateFn evaluate;
  GArray *src, *dst; /* WeirTensor, of the node at hand */
  bool *is_lasting;  /* by value id: its bytes outlive this walk, see known.h */
  size_t n_known_bytes;
  double n_known_steps;
} Walk;

static bool value_error (
    const WeirGraph *graph, const WeirValue *value, int code, GError **error, const char *text)
{
  g_autofree char *shape = weir_tensor_describe (&value->tensor);
  g_set_error (error, WEIR_ERROR, code, "%s: value '%s' (%s): %s", graph->source,
      value->name ? value->name : "", shape, text);
  return false;
}

static bool fits (const WeirTensor *tensor)
{
  size_t n_bytes;
  return tensor->rank <= WEIR_MAX_RANK && weir_tensor_bytes (tensor, &n_bytes) &&
         n_bytes <= WEIR_MAX_VALUE_BYTES;
}

static bool take_constants (Walk *walk, GError **error)
{
  for (uint32_t id = 0; id < walk->graph->values->len; id++) {
    const WeirValue *value = weir_graph_value (walk->graph, id);
    WeirTensor *tensor = &walk->shapes->values[id];
    if (!value->is_constant)
      continue;
    if (!fits (&value->tensor))
      return value_error (walk->graph, value, WEIR_ERROR_FORMAT, error, "not a valid shape");
    *tensor = value->tensor;
    walk->is_lasting[id] = tensor->buffer != NULL;
    if (!tensor->buffer) { /* known, though it has no bytes */
      int64_t n_elements;
      if (!weir_tensor_n_elements (tensor, &n_elements) || n_elements)
        return value_error (walk->graph, value, WEIR_ERROR_FORMAT, error, "has no data");
      tensor->buffer = weir_arena_alloc (walk->shapes->arena, 1);
      tensor->offset_bytes = 0;
    }
  }
  return true;
}

static bool take_inputs (Walk *walk, GError **error)
{
  for (uint32_t i = 0; i < walk->graph->inputs->len; i++) {
    uint32_t id = g_array_index (walk->graph->inputs, uint32_t, i);
    const WeirValue *value = weir_graph_value (walk->graph, id);
    WeirTensor *tensor = &walk->shapes->values[id];
    if (value->is_constant)
      continue;
    *tensor = value->tensor;
    tensor->buffer = NULL;
    tensor->layout = WEIR_LAYOUT_PLAIN;
    if (walk->graph->has_batch && tensor->rank <= value->batch_axis)
      return value_error (walk->graph, value, WEIR_ERROR_SHAPE, error,
          "an input with a batch needs a dimension for it");
    if (walk->graph->has_batch)
      tensor->dims[value->batch_axis] = walk->shapes->n;
    for (uint32_t k = 0; k < tensor->rank && k < WEIR_MAX_RANK; k++)
      if (tensor->dims[k] < 0)
        return value_error (walk->graph, value, WEIR_ERROR_SHAPE, error,
            "a dynamic dimension other than the batch must be pinned");
    if (!fits (tensor))
      return value_error (walk->graph, value, WEIR_ERROR_SHAPE, error, "not a valid shape");
  }
  return true;
}

static bool gather_src (
    Walk *walk, const WeirNode *node, bool *all_known, bool *any_dynamic, GError **error)
{
  static const WeirTensor absent;
  g_array_set_size (walk->src, 0);
  *all_known = true;
  *any_dynamic = false;
  for (uint32_t i = 0; i < node->n_src; i++) {
    uint32_t id = node->src[i];
    const WeirTensor *tensor = id == WEIR_NONE ? &absent : &walk->shapes->values[id];
    if (id != WEIR_NONE && tensor->dtype == WEIR_DTYPE_NONE)
      return weir_node_error (walk->graph, node, WEIR_ERROR_FORMAT, error,
          "input %u ('%s') is read before anything produces it", i,
          weir_graph_value (walk->graph, id)->name);
    g_array_append_val (walk->src, *tensor);
    *all_known = *all_known && (id == WEIR_NONE || tensor->buffer);
    *any_dynamic = *any_dynamic || (id != WEIR_NONE && walk->shapes->is_dynamic[id]);
  }
  return true;
}

static bool check_dst (const WeirShapeJob *job, GError **error)
{
  for (uint32_t i = 0; i < job->node->n_dst; i++) {
    if (job->node->dst[i] == WEIR_NONE || fits (&job->dst[i]))
      continue;
    g_autofree char *shape = weir_tensor_describe (&job->dst[i]);
    return weir_node_error (job->graph, job->node, WEIR_ERROR_SHAPE, error,
        "output %u would be %s: at most %u dimensions and 2^40 bytes can be", i, shape,
        WEIR_MAX_RANK);
  }
  return true;
}

bool weir_shape_node (const WeirShapeJob *job, GError **error)
{
  return shape_fns[job->node->op](job, error) && check_dst (job, error);
}

/* Whether all results together are small enough, and few enough steps, to be computed on the spot.
 */
static bool is_small (Walk *walk, const WeirNode *node)
{
  int64_t n_elements, sum = 0;
  double n_steps = weir_node_steps (node, (const WeirTensor *) (void *) walk->src->data,
      (const WeirTensor *) (void *) walk->dst->data);
  if (!(walk->n_known_steps + n_steps <= MAX_KNOWN_STEPS))
    return false;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE) {
      if (!weir_tensor_n_elements (&g_array_index (walk->dst, WeirTensor, i), &n_elements) ||
          n_elements > MAX_KNOWN_ELEMENTS - sum)
        return false;
      sum += n_elements;
    }
  return walk->n_known_bytes + (size_t) sum * 8 <= MAX_KNOWN_BYTES;
}

/* Whether the results are those of constants alone: the same in every inference. */
static bool is_kept (const Walk *walk, const WeirNode *node)
{
  bool is_kept = walk->graph->known && node->n_src && !node->n_post;
  for (uint32_t i = 0; is_kept && i < node->n_src; i++)
    is_kept = node->src[i] == WEIR_NONE || walk->is_lasting[node->src[i]];
  return is_kept;
}

static bool allocate (Walk *walk, const WeirNode *node, WeirTensor *dst, GError **error)
{
  for (uint32_t i = 0; i < node->n_dst; i++) {
    size_t n_bytes;
    if (node->dst[i] == WEIR_NONE || !weir_tensor_bytes (&dst[i], &n_bytes))
      continue;
    dst[i].buffer = weir_arena_try_alloc (walk->shapes->arena, MAX (n_bytes, 1));
    if (!dst[i].buffer)
      return weir_node_error (
          walk->graph, node, WEIR_ERROR_MEMORY, error, "no memory for %zu bytes", n_bytes);
  }
  return true;
}

static void count_known (Walk *walk, const WeirNode *node, const WeirTensor *src, WeirTensor *dst)
{
  size_t n_bytes;
  walk->n_known_steps += weir_node_steps (node, src, dst);
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE && weir_tensor_bytes (&dst[i], &n_bytes))
      walk->n_known_bytes += n_bytes;
}

static void mark_lasting (Walk *walk, const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE)
      walk->is_lasting[node->dst[i]] = true;
}

static bool compute (Walk *walk, const WeirNode *node, GError **error)
{
  WeirKnown *known = is_kept (walk, node) ? walk->graph->known : NULL;
  const WeirTensor *src = (const WeirTensor *) (void *) walk->src->data;
  WeirTensor *dst = (WeirTensor *) (void *) walk->dst->data;
  const WeirTensor *found = known ? weir_known_find (known, node, src) : NULL;
  count_known (walk, node, src, dst);
  if (found) {
    memcpy (dst, found, node->n_dst * sizeof *dst);
    mark_lasting (walk, node);
    return true;
  }
  if (known && !weir_known_allocate (known, node, dst))
    known = NULL;
  if ((!known && !allocate (walk, node, dst, error)) ||
      !walk->evaluate (walk->graph, node, src, dst, error))
    return false;
  if (known) {
    weir_known_add (known, node, src, dst);
    mark_lasting (walk, node);
  }
  return true;
}

/* The largest sizes lead to the next ones or nowhere: a Reshape to a number that only the data know
 * has none. */
static void guess_dst (const WeirShapeJob *job)
{
  g_autoptr (GError) error = NULL;
  if (weir_shape_node (job, &error))
    return;
  for (uint32_t i = 0; i < job->node->n_dst; i++)
    job->dst[i] = (WeirTensor){
      .dtype = job->node->n_src ? job->src[0].dtype : WEIR_DTYPE_F32, .rank = 1, .dims = { 0 }
    };
}

/* Whether the contents follow from what is known, though not all inputs are: some only matter by
 * their shape or type. */
static bool is_decided (const WeirNode *node, const WeirTensor *src)
{
  switch (node->op) {
  case WEIR_OP_SHAPE:
  case WEIR_OP_SIZE:
    return true;
  case WEIR_OP_ALIGN:
  case WEIR_OP_CAST_LIKE:
    return src[0].buffer != NULL;
  default:
    return false;
  }
}

static bool infer_node (Walk *walk, const WeirNode *node, GError **error)
{
  bool all_known, is_dynamic;
  if (!gather_src (walk, node, &all_known, &is_dynamic, error))
    return false;
  g_array_set_size (walk->dst, 0);
  g_array_set_size (walk->dst, node->n_dst); /* cleared: the array was made so */
  WeirShapeJob job = { walk->graph, node, (const WeirTensor *) (void *) walk->src->data,
    (WeirTensor *) (void *) walk->dst->data, NULL };
  if (is_dynamic) {
    guess_dst (&job);
  } else {
    job.is_bound = &is_dynamic;
    if (!weir_shape_node (&job, error))
      return false;
  }
  if (walk->evaluate && !is_dynamic && (all_known || is_decided (node, job.src)) &&
      is_small (walk, node) && !compute (walk, node, error))
    return false;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE) {
      walk->shapes->values[node->dst[i]] = job.dst[i];
      walk->shapes->is_dynamic[node->dst[i]] = is_dynamic;
    }
  return true;
}

WeirShapes *weir_shapes_infer (
    const WeirGraph *graph, uint32_t n, WeirEvaluateFn evaluate, GError **error)
{
  g_autoptr (WeirArena) arena = weir_arena_new ();
  WeirShapes *shapes = weir_arena_new_array (arena, WeirShapes, 1);
  shapes->n = n;
  shapes->n_values = graph->values->len;
  shapes->values = weir_arena_new_array (arena, WeirTensor, graph->values->len);
  shapes->is_dynamic = weir_arena_new_array (arena, bool, graph->values->len);
  shapes->arena = arena;
  g_autoptr (GArray) src = g_array_new (FALSE, TRUE, sizeof (WeirTensor));
  g_autoptr (GArray) dst = g_array_new (FALSE, TRUE, sizeof (WeirTensor));
  g_autofree bool *is_lasting = g_new0 (bool, (size_t) graph->values->len + 1);
  Walk walk = { graph, shapes, evaluate, src, dst, is_lasting, 0, 0 };
  if (!take_constants (&walk, error) || !take_inputs (&walk, error))
    return NULL;
  for (uint32_t id = 0; id < graph->nodes->len; id++)
    if (!infer_node (&walk, weir_graph_node (graph, id), error))
      return NULL;
  (void) g_steal_pointer (&arena);
  return shapes;
}

void weir_shapes_free (WeirShapes *shapes)
{
  if (shapes)
    weir_arena_free (shapes->arena);
}

bool weir_axis_resolve (const WeirGraph *graph, const WeirNode *node, int64_t axis, uint32_t rank,
    uint32_t *result, GError **error)
{
  int64_t resolved = axis < 0 ? axis + (int64_t) rank : axis;
  if (resolved < 0 || resolved >= (int64_t) rank)
    return weir_node_error (graph, node, WEIR_ERROR_SHAPE, error,
        "axis %" G_GINT64_FORMAT " is out of range for %u dimensions", axis, rank);
  *result = (uint32_t) resolved;
  return true;
}

bool weir_shape_broadcast (const WeirTensor *a, const WeirTensor *b, WeirTensor *result)
{
  int64_t dims[WEIR_MAX_RANK];
  uint32_t rank = MAX (a->rank, b->rank);
  for (uint32_t i = 0; i < rank; i++) { /* i counts from the last dimension */
    int64_t da = i < a->rank ? a->dims[a->rank - 1 - i] : 1;
    int64_t db = i < b->rank ? b->dims[b->rank - 1 - i] : 1;
    if (da != db && da != 1 && db != 1)
      return false;
    dims[rank - 1 - i] = da == 1 ? db : da;
  }
  result->rank = rank;
  memcpy (result->dims, dims, rank * sizeof *dims);
  return true;
}
