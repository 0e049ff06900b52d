/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shape inference for one batch size n: the type and dims of every value, and the contents of those
 * that depend on shapes alone.
 *
 * The batch is symbolic in the graph and a number here: weir_shapes_infer walks the graph with a
 * given n. A node whose inputs are all known (constants, or computed from Shape) is evaluated on
 * the spot by the injected evaluator, so subgraphs like Shape-Gather-Concat-Reshape need no code of
 * their own. */
#pragma once

#include "engine/graph/graph.h"

G_BEGIN_DECLS

/* What a shape function sees and fills. src[i].dtype is NONE for absent inputs; src[i].buffer is
 * set where the contents are known. It sets dst[i].{dtype,rank,dims}.
 *
 * The shape function of an operator whose results have as many elements as its data say (NonZero,
 * NonMaxSuppression …) gives the true dims where it knows the contents; else the largest that they
 * can be, and calls weir_job_set_bound. */
typedef struct WeirShapeJob {
  const WeirGraph *graph;
  const WeirNode *node;
  const WeirTensor *src;
  WeirTensor *dst;
  bool *is_bound; /* NULL: the caller does not ask */
} WeirShapeJob;

static inline void weir_job_set_bound (const WeirShapeJob *job)
{
  if (job->is_bound)
    *job->is_bound = true;
}

typedef bool (*WeirShapeFn) (const WeirShapeJob *job, GError **error);

/* Calls the shape function of job->node and checks that what it gives can be. */
bool weir_shape_node (const WeirShapeJob *job, GError **error);

/* weir_shape_conv, weir_shape_pool, … one per name in ops.def. */
#define WEIR_OP(id, name, min_src, max_src, min_dst, max_dst, kind, shape, ref) \
  bool weir_shape_##shape (const WeirShapeJob *job, GError **error);
#include "engine/graph/ops.def"
#undef WEIR_OP

/* Computes dst (buffers allocated, shapes set) from src, all plain. The reference backend is one.
 */
typedef bool (*WeirEvaluateFn) (const WeirGraph *graph, const WeirNode *node, const WeirTensor *src,
    WeirTensor *dst, GError **error);

/* Thread-safety: immutable. */
typedef struct WeirShapes {
  WeirArena *arena;
  uint32_t n; /* batch */
  uint32_t n_values;
  WeirTensor *values; /* by value id; buffer set where the contents are known, plain layout */
  bool *is_dynamic;   /* by value id: the data decide the size; `values` has the largest it can be,
                         or, where that cannot be told, no more than the type */
} WeirShapes;

/* Infers every value at batch n. Inputs' dynamic dims other than the batch must have been pinned.
 * Errors name the node, the shapes seen and what was expected. */
WeirShapes *weir_shapes_infer (
    const WeirGraph *graph, uint32_t n, WeirEvaluateFn evaluate, GError **error);
void weir_shapes_free (WeirShapes *shapes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirShapes, weir_shapes_free)

/* Helpers for shape functions and backends. Axis: negative counts from the end; false + error when
 * out of range. */
bool weir_axis_resolve (const WeirGraph *graph, const WeirNode *node, int64_t axis, uint32_t rank,
    uint32_t *result, GError **error);
/* NumPy broadcasting of two shapes. */
bool weir_shape_broadcast (const WeirTensor *a, const WeirTensor *b, WeirTensor *result);
/* Integer list from attribute `name` (older opsets) or from known input `src_index`; *n = 0 and
 * true where absent. At most WEIR_MAX_INTS, else false and an error. */
#define WEIR_MAX_INTS 64
bool weir_shape_ints (const WeirShapeJob *job, const char *name, uint32_t src_index,
    int64_t result[WEIR_MAX_INTS], uint32_t *n, GError **error);

/* Geometry of convolutions and pools, attributes resolved (auto_pad, ceil_mode, dilations). */
#define WEIR_MAX_SPATIAL 3
typedef struct WeirWindow {
  uint32_t n_spatial; /* 1..3 */
  int64_t kernel[WEIR_MAX_SPATIAL], stride[WEIR_MAX_SPATIAL], dilation[WEIR_MAX_SPATIAL];
  int64_t pad_begin[WEIR_MAX_SPATIAL], pad_end[WEIR_MAX_SPATIAL], dst[WEIR_MAX_SPATIAL];
} WeirWindow;

/* kernel from the weights' dims (convolutions) or kernel_shape. src: [N, C, spatial…]. */
bool weir_window_resolve (const WeirGraph *graph, const WeirNode *node, const WeirTensor *src,
    const WeirTensor *weights_or_null, WeirWindow *window, GError **error);
/* The same for ConvTranspose (output_padding, output_shape). */
bool weir_window_resolve_transposed (const WeirGraph *graph, const WeirNode *node,
    const WeirTensor *src, const WeirTensor *weights, WeirWindow *window, GError **error);

G_END_DECLS
