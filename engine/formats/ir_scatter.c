/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layers of OpenVINO IR that place elements. */
#include "engine/formats/ir_private.h"

#include <math.h>
#include <string.h>

/* data[…, indices, …] = updates along the axis: ScatterND with the axis, and the dimensions of the
 * indices within the updates, brought to the front. */
bool weir_ir_convert_scatter_update (WeirIrJob *job)
{
  int64_t perm[WEIR_MAX_RANK], last = -1;
  uint32_t rank, n_indices, n_updates, axis, n = 0;
  if (!weir_ir_need (job, 4) || !weir_ir_rank (job, 0, &rank) ||
      !weir_ir_rank (job, 1, &n_indices) || !weir_ir_rank (job, 2, &n_updates) ||
      !weir_ir_axis (job, 3, 0, rank, &axis))
    return false;
  if (n_updates + 1 != rank + n_indices || n_indices == WEIR_MAX_RANK)
    return ir_malformed (
        job, "updates have %u dimensions, expected %u", n_updates, rank + n_indices - 1);
  uint32_t indices = weir_ir_unsqueeze (job, weir_ir_as_ints (job, job->src[1]), &last, 1);
  for (uint32_t i = 0; i < n_indices; i++)
    perm[n++] = axis + i;
  for (uint32_t i = 0; i < n_updates; i++)
    if (i < axis || i >= axis + n_indices)
      perm[n++] = i;
  uint32_t updates = weir_ir_transpose (job, job->src[2], perm, n_updates);
  weir_ir_move_axis (perm, rank, axis, 0);
  const uint32_t src[] = { weir_ir_transpose (job, job->src[0], perm, rank), indices, updates };
  uint32_t value = weir_ir_apply (job, WEIR_OP_SCATTER_ND, 13, src, 3, NULL, 0);
  weir_ir_move_axis (perm, rank, 0, axis);
  weir_ir_rename (job, 0, weir_ir_transpose (job, value, perm, rank));
  return true;
}

static bool read_reduction (WeirIrJob *job, const char **onnx_name)
{
  static const struct {
    const char *name, *onnx_name;
  } modes[] = {
    { "none", "none" },
    { "sum", "add" },
    { "prod", "mul" },
    { "min", "min" },
    { "max", "max" },
  };
  const char *mode = weir_ir_string (job, "reduction", "none");
  for (size_t i = 0; i < G_N_ELEMENTS (modes); i++)
    if (g_ascii_strcasecmp (mode, modes[i].name) == 0) {
      *onnx_name = modes[i].onnx_name;
      return true;
    }
  return ir_refuse (job, "reduction '%s' is not supported", mode);
}

static uint32_t scatter (
    WeirIrJob *job, uint32_t data, uint32_t updates, int64_t axis, const char *reduction)
{
  const uint32_t src[] = { data, weir_ir_as_ints (job, job->src[1]), updates };
  const WeirAttr attrs[] = { weir_ir_attr_int ("axis", axis),
    weir_ir_attr_text ("reduction", reduction) };
  return weir_ir_apply (job, WEIR_OP_SCATTER_ELEMENTS, 18, src, 3, attrs, 2);
}

/* A number in the shape of a value. */
static uint32_t fill_like (WeirIrJob *job, uint32_t value, WeirDtype dtype, double number)
{
  const uint32_t src[] = { weir_ir_add_scalar (job, dtype, number),
    weir_ir_unary (job, WEIR_OP_SHAPE, value) };
  return weir_ir_apply (job, WEIR_OP_EXPAND, 13, src, 2, NULL, 0);
}

/* What changes nothing: where data do not count, the elements that are written begin with it. */
static double neutral_of (const char *reduction, WeirDtype dtype)
{
  bool is_float = dtype == WEIR_DTYPE_F32;
  double limit = is_float ? INFINITY : exp2 (8.0 * (double) weir_dtype_bytes (dtype) - 2);
  return strcmp (reduction, "mul") == 0   ? 1
         : strcmp (reduction, "min") == 0 ? limit
         : strcmp (reduction, "max") == 0 ? -limit
                                          : 0;
}

/* The sum over the number of its terms, which is scattered in the same way. */
static uint32_t scatter_mean (
    WeirIrJob *job, uint32_t data, int64_t axis, WeirDtype dtype, bool uses_data)
{
  uint32_t sum = scatter (job, data, job->src[2], axis, "add");
  uint32_t ones = fill_like (job, job->src[1], dtype, 1);
  uint32_t counts = fill_like (job, job->src[0], dtype, 1);
  if (!uses_data)
    counts = scatter (job, counts, fill_like (job, job->src[1], dtype, 0), axis, "none");
  return weir_ir_binary (job, WEIR_OP_DIV, sum, scatter (job, counts, ones, axis, "add"));
}

bool weir_ir_convert_scatter_elements (WeirIrJob *job)
{
  uint32_t rank, axis;
  const char *reduction = "add";
  bool uses_data, is_mean = weir_ir_is (job, "reduction", "none", "mean");
  if (!weir_ir_need (job, 4) || !weir_ir_rank (job, 0, &rank) ||
      !weir_ir_axis (job, 3, 0, rank, &axis) || (!is_mean && !read_reduction (job, &reduction)) ||
      !weir_ir_bool (job, "use_init_val", true, &uses_data))
    return false;
  WeirDtype dtype = weir_ir_info (job, job->src[0]).dtype;
  if (dtype == WEIR_DTYPE_NONE || dtype == WEIR_DTYPE_BOOL)
    dtype = WEIR_DTYPE_F32;
  uint32_t data = job->src[0];
  if (!uses_data && strcmp (reduction, "none") != 0)
    data = scatter (job, data, fill_like (job, job->src[1], dtype, neutral_of (reduction, dtype)),
        axis, "none");
  weir_ir_rename (job, 0,
      is_mean ? scatter_mean (job, data, axis, dtype, uses_data)
              : scatter (job, data, job->src[2], axis, reduction));
  return true;
}

bool weir_ir_convert_scatter_nd (WeirIrJob *job)
{
  const char *reduction = "add";
  bool is_sub = weir_ir_is (job, "reduction", "none", "sub");
  if (!weir_ir_need (job, 3) || (!is_sub && !read_reduction (job, &reduction)))
    return false;
  uint32_t updates = is_sub ? weir_ir_unary (job, WEIR_OP_NEG, job->src[2]) : job->src[2];
  const uint32_t src[] = { job->src[0], weir_ir_as_ints (job, job->src[1]), updates };
  WeirAttr attr = weir_ir_attr_text ("reduction", reduction);
  return weir_ir_emit (job, WEIR_OP_SCATTER_ND, 18, src, 3, &attr, 1);
}
