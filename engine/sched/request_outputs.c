/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a request's outputs go: memory of its own, or the caller's. */
#include "engine/base/checked.h"
#include "engine/post/outputs.h"
#include "engine/sched/session_types.h"

#include <stdlib.h>
#include <string.h>

static bool is_dynamic (const WeirRequest *request, uint32_t k)
{
  return weir_facts_traits (&request->model->facts, k) & WEIR_OUTPUT_DYNAMIC;
}

/* The outputs of all items, stacked in dim 0: a model without a batch has any number of rows there
 * for one item. */
static bool stack_shape (const WeirTensor *row, uint32_t n_rows, WeirTensor *stacked)
{
  *stacked = *row;
  stacked->buffer = NULL;
  stacked->offset_bytes = 0;
  if (n_rows > 1 && stacked->rank == 0) {
    stacked->rank = 1;
    stacked->dims[0] = 1;
  }
  return stacked->rank == 0 || weir_checked_mul_i64 (stacked->dims[0], n_rows, &stacked->dims[0]);
}

/* How many items' outputs such a tensor would hold. */
static uint32_t guess_rows (const WeirTensor *row, const WeirTensor *tensor)
{
  int64_t of_one = row->rank ? row->dims[0] : 1;
  if (tensor->rank == 0 || of_one < 1)
    return 1;
  return (uint32_t) CLAMP (tensor->dims[0] / of_one, 1, WEIR_MAX_BATCH);
}

static bool check_given (const WeirRequest *request, uint32_t k, const WeirTensor *given,
    uint32_t n_rows, GError **error)
{
  const WeirModelFacts *facts = &request->model->facts;
  bool is_plain = given->layout == WEIR_LAYOUT_PLAIN;
  WeirTensor wanted;
  if (stack_shape (&facts->outputs[k], n_rows, &wanted) && given->dtype == wanted.dtype &&
      is_plain && given->buffer && weir_tensor_same_shape (given, &wanted))
    return true;
  g_autofree char *is = weir_tensor_describe (given), *must = weir_tensor_describe (&wanted);
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
      "%s: the memory for output '%s' is %s%s%s, expected is %s for %u items", request->model->path,
      facts->output_names[k], is, is_plain ? "" : " channels-last",
      given->buffer ? "" : " without memory", must, n_rows);
  return false;
}

bool weir_request_set_output (
    WeirRequest *request, uint32_t k, const WeirTensor *tensor, GError **error)
{
  const WeirModel *model = request->model;
  if (k >= model->facts.n_outputs) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: memory for output %u, there are %u",
        model->path, k, model->facts.n_outputs);
    return false;
  }
  if (is_dynamic (request, k)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
        "%s: output '%s' has another size for every item, so no memory can be given for it: "
        "expected is weir_request_keep_outputs",
        model->path, model->facts.output_names[k]);
    return false;
  }
  /* without inputs yet, only submit knows how many items there are */
  uint32_t n_rows = weir_request_n_rows (request);
  if (!n_rows || request->regions->len)
    n_rows = guess_rows (&model->facts.outputs[k], tensor);
  if (!check_given (request, k, tensor, n_rows, error))
    return false;
  request->given[k] = *tensor;
  request->keeps_outputs = true;
  return true;
}

/* Memory of the request's own for output k of this shape; what is large enough is kept. Zeroed:
 * rows that are never written can be read. */
static bool reserve_output (WeirRequest *request, uint32_t k, WeirTensor shape)
{
  WeirRoom *room = &request->room[k];
  size_t n_bytes;
  if (!weir_tensor_bytes (&shape, &n_bytes))
    return false;
  n_bytes = MAX (n_bytes, 1);
  if (n_bytes > room->n_bytes) {
    free (room->data);
    room->data = calloc (n_bytes, 1);
    room->n_bytes = room->data ? n_bytes : 0;
  }
  shape.buffer = room->data;
  shape.offset_bytes = 0;
  request->outputs[k] = shape;
  return room->data != NULL;
}

static bool prepare_output (WeirRequest *request, uint32_t k, GError **error)
{
  const WeirModel *model = request->model;
  uint32_t n_rows = weir_request_n_rows (request);
  WeirTensor shape;
  if (is_dynamic (request, k))
    return true; /* weir_request_keep_dynamic */
  if (request->given[k].dtype != WEIR_DTYPE_NONE && n_rows) {
    request->outputs[k] = request->given[k];
    return check_given (request, k, &request->given[k], n_rows, error);
  }
  if (stack_shape (&model->facts.outputs[k], n_rows, &shape) && reserve_output (request, k, shape))
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: no memory for output '%s' of %u items",
      model->path, model->facts.output_names[k], n_rows);
  return false;
}

bool weir_request_prepare_outputs (WeirRequest *request, GError **error)
{
  for (uint32_t k = 0; k < request->model->facts.n_outputs; k++)
    if (!prepare_output (request, k, error))
      return false;
  return true;
}

bool weir_request_keep_dynamic (
    WeirRequest *request, uint32_t k, const WeirTensor *row, GError **error)
{
  const WeirModel *model = request->model;
  size_t n_bytes;
  if (request->n_items != 1) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
        "%s: output '%s' has another size for every item, so %u of them cannot be stacked: "
        "expected is one item a request",
        model->path, model->facts.output_names[k], request->n_items);
    return false;
  }
  if (!reserve_output (request, k, *row)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: no memory for output '%s'", model->path,
        model->facts.output_names[k]);
    return false;
  }
  if (weir_tensor_bytes (row, &n_bytes) && n_bytes)
    memcpy (request->outputs[k].buffer, weir_tensor_data (row), n_bytes);
  return true;
}
