/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a request of tensors is given: inputs and, with a dynamic batch, how many of their rows
 * count. */
#include "engine/sched/session_types.h"

/* Graphs hold floating types as f32, whatever the file says. */
static bool dtype_is_taken (WeirDtype given, WeirDtype wanted)
{
  bool is_number = given == WEIR_DTYPE_F16 || given == WEIR_DTYPE_BF16 || given == WEIR_DTYPE_F64 ||
                   given == WEIR_DTYPE_U8;
  return given == wanted || (wanted == WEIR_DTYPE_F32 && is_number);
}

/* The number of items in it; 0 where it is no tensor for input k. */
static int64_t count_items (const WeirModel *model, uint32_t k, const WeirTensor *tensor)
{
  const WeirTensor *wanted = &model->facts.inputs[k];
  uint32_t axis = weir_model_input_axis (model, k);
  bool has_batch = model->graph->has_batch && wanted->rank > axis;
  if (tensor->rank != wanted->rank || tensor->layout != WEIR_LAYOUT_PLAIN || !tensor->buffer ||
      !dtype_is_taken (tensor->dtype, wanted->dtype))
    return 0;
  for (uint32_t i = 0; i < tensor->rank; i++)
    if (tensor->dims[i] != wanted->dims[i] && !(has_batch && i == axis))
      return 0;
  return has_batch ? tensor->dims[axis] : 1;
}

/* "8 rows in dim 0" */
static char *describe_rows (const WeirRequest *request, uint32_t k)
{
  uint32_t n = weir_request_n_rows (request), axis = weir_model_input_axis (request->model, k);
  if (!request->model->graph->has_batch)
    return g_strdup ("as many rows as that, for it does not batch");
  if (request->n_max)
    return g_strdup_printf ("%u rows in dim %u (weir_request_set_batch_max)", n, axis);
  if (n)
    return g_strdup_printf ("%u rows in dim %u, as the other inputs have", n, axis);
  return g_strdup_printf ("1 to %u rows in dim %u", WEIR_MAX_BATCH, axis);
}

static bool refuse_input (
    const WeirRequest *request, uint32_t k, const WeirTensor *tensor, GError **error)
{
  const WeirModel *model = request->model;
  g_autofree char *is = weir_tensor_describe (tensor);
  g_autofree char *must = weir_tensor_describe (&model->facts.inputs[k]);
  g_autofree char *rows = describe_rows (request, k);
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
      "%s: input '%s' is %s%s%s, expected is %s with %s", model->path, model->facts.input_names[k],
      is, tensor->layout == WEIR_LAYOUT_PLAIN ? "" : " channels-last",
      tensor->buffer ? "" : " without memory", must, rows);
  return false;
}

bool weir_request_set_input (
    WeirRequest *request, uint32_t k, const WeirTensor *tensor, GError **error)
{
  const WeirModel *model = request->model;
  if (k >= model->facts.n_inputs) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: input %u is given, there are %u",
        model->path, k, model->facts.n_inputs);
    return false;
  }
  int64_t n = count_items (model, k, tensor), n_rows = weir_request_n_rows (request);
  if (n < 1 || n > WEIR_MAX_BATCH || (n_rows && n != n_rows))
    return refuse_input (request, k, tensor, error);
  request->inputs[k] = *tensor;
  if (!request->n_max)
    request->n_items = (uint32_t) n;
  weir_request_reserve_items (request, (uint32_t) n);
  return true;
}

static bool has_content (const WeirRequest *request)
{
  bool is_given = request->has_frame || request->regions->len > 0;
  for (uint32_t k = 0; k < request->model->facts.n_inputs; k++)
    is_given |= request->inputs[k].dtype != WEIR_DTYPE_NONE;
  return is_given;
}

/* "1 to 8 are expected" */
static char *expect_range (uint32_t min, uint32_t max)
{
  return min == max ? g_strdup_printf ("%u is expected", max)
                    : g_strdup_printf ("%u to %u are expected", min, max);
}

bool weir_request_set_batch_max (WeirRequest *request, uint32_t n_max, GError **error)
{
  const WeirModel *model = request->model;
  bool has_batch = model->graph->has_batch;
  uint32_t limit = has_batch ? WEIR_MAX_BATCH : 1;
  if (n_max > limit) {
    g_autofree char *range = expect_range (1, limit);
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: batch maximum %u: %s%s%s", model->path,
        n_max, range, has_batch ? ", or 0 for none" : ", for it does not batch: ",
        has_batch ? "" : model->batch_limit_reason);
    return false;
  }
  if (has_content (request)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "%s: batch maximum %u: an empty request is expected (weir_request_reset)", model->path,
        n_max);
    return false;
  }
  request->n_items = request->n_max = request->n_batch = n_max;
  weir_request_reserve_items (request, n_max);
  return true;
}

bool weir_request_set_batch (WeirRequest *request, uint32_t n, GError **error)
{
  const char *path = request->model->path;
  uint32_t n_max = request->n_max, n_min = request->has_dynamic_batch ? 1 : n_max;
  if (!n_max) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "%s: batch %u: a maximum is expected first (weir_request_set_batch_max)", path, n);
    return false;
  }
  if (n < n_min || n > n_max) {
    g_autofree char *range = expect_range (n_min, n_max);
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: batch %u: %s (%s)", path, n, range,
        request->has_dynamic_batch ? "weir_request_set_batch_max" : "DYN_BATCH_ENABLED=NO");
    return false;
  }
  request->n_batch = n;
  return true;
}
