/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes of logic, bits, comparisons, selection, and of operators of any number of inputs. */
#include "engine/graph/geometry.h"

#include <string.h>

/* Says which input does not go with those before it. */
static bool src_error (const WeirShapeJob *job, uint32_t i, const char *expected, GError **error)
{
  g_autofree char *first = weir_tensor_describe (&job->src[0]);
  g_autofree char *other = weir_tensor_describe (&job->src[i]);
  if (i == 0)
    return weir_job_fail ("input is %s, expected %s", first, expected);
  return weir_job_fail ("inputs 0 and %u are %s and %s, expected %s", i, first, other, expected);
}

/* All inputs from `from` on broadcast together; dst[0] gets their shape and the type of the last.
 */
static bool broadcast_all (const WeirShapeJob *job, uint32_t from, GError **error)
{
  WeirTensor *dst = &job->dst[0];
  *dst = (WeirTensor){ .dtype = job->src[from].dtype };
  for (uint32_t i = 0; i < job->node->n_src; i++)
    if (i >= from && job->src[i].dtype != dst->dtype)
      return src_error (job, i, "one type", error);
    else if (!weir_shape_broadcast (dst, &job->src[i], dst))
      return src_error (job, i, "shapes that broadcast", error);
  return true;
}

static bool is_integer (WeirDtype dtype)
{
  return dtype != WEIR_DTYPE_BOOL && dtype != WEIR_DTYPE_NONE && !weir_dtype_is_floating (dtype);
}

bool weir_shape_logical (const WeirShapeJob *job, GError **error)
{
  if (job->src[0].dtype != WEIR_DTYPE_BOOL)
    return src_error (job, 0, "bool", error);
  return broadcast_all (job, 0, error);
}

bool weir_shape_bitwise (const WeirShapeJob *job, GError **error)
{
  const char *direction = weir_node_string (job->node, "direction", "");
  if (!is_integer (job->src[0].dtype))
    return src_error (job, 0, "an integer type", error);
  if (job->node->op == WEIR_OP_BIT_SHIFT && strcmp (direction, "LEFT") != 0 &&
      strcmp (direction, "RIGHT") != 0)
    return weir_job_fail ("direction '%s' is unknown, expected LEFT or RIGHT", direction);
  return broadcast_all (job, 0, error);
}

bool weir_shape_compare (const WeirShapeJob *job, GError **error)
{
  if (job->src[0].dtype == WEIR_DTYPE_BOOL && job->node->op != WEIR_OP_EQUAL)
    return src_error (job, 0, "a numeric type", error);
  if (!broadcast_all (job, 0, error))
    return false;
  job->dst[0].dtype = WEIR_DTYPE_BOOL;
  return true;
}

bool weir_shape_classify (const WeirShapeJob *job, GError **error)
{
  if (!weir_dtype_is_floating (job->src[0].dtype))
    return src_error (job, 0, "a floating type", error);
  weir_copy_shape (&job->dst[0], &job->src[0]);
  job->dst[0].dtype = WEIR_DTYPE_BOOL;
  return true;
}

bool weir_shape_where (const WeirShapeJob *job, GError **error)
{
  if (job->src[0].dtype != WEIR_DTYPE_BOOL)
    return src_error (job, 0, "a condition of bool", error);
  return broadcast_all (job, 1, error);
}

bool weir_shape_variadic (const WeirShapeJob *job, GError **error)
{
  for (uint32_t i = 0; i < job->node->n_src; i++)
    if (!weir_job_src (job, i))
      return weir_job_fail ("input %u is missing", i);
  if (job->src[0].dtype == WEIR_DTYPE_BOOL)
    return src_error (job, 0, "a numeric type", error);
  return broadcast_all (job, 0, error);
}
