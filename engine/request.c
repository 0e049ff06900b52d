/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirRequest: filling, reading and reuse. Its way through the queue is in sched/admission.c. */
#include "engine/request.h"

#include "engine/base/checked.h"
#include "engine/post/outputs.h"
#include "engine/sched/session_types.h"

#include <stdlib.h>
#include <string.h>

static void free_item (gpointer p)
{
  WeirItem *item = p;
  g_clear_error (&item->error);
  weir_arena_free (item->result.arena);
  g_free (item);
}

WeirRequest *weir_request_new (WeirStream *stream)
{
  WeirRequest *request = g_new0 (WeirRequest, 1);
  request->stream = stream;
  request->model = weir_model_ref (stream->session->model);
  const WeirModelFacts *facts = &request->model->facts;
  request->options = (WeirRequestOptions) WEIR_REQUEST_OPTIONS_DEFAULT;
  request->regions = g_array_new (FALSE, FALSE, sizeof (WeirRegion));
  request->queued_ns = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  request->items = g_ptr_array_new_with_free_func (free_item);
  request->inputs = g_new0 (WeirTensor, facts->n_inputs);
  request->outputs = g_new0 (WeirTensor, facts->n_outputs);
  request->output_bytes = g_new0 (size_t, facts->n_outputs);
  return request;
}

void weir_request_free (WeirRequest *request)
{
  if (!request)
    return;
  for (uint32_t k = 0; k < request->model->facts.n_outputs; k++)
    free (request->outputs[k].buffer);
  g_clear_error (&request->error);
  g_array_unref (request->regions);
  g_array_unref (request->queued_ns);
  g_ptr_array_unref (request->items);
  g_free (request->inputs);
  g_free (request->outputs);
  g_free (request->output_bytes);
  weir_model_unref (request->model);
  g_free (request);
}

static void clear_results (WeirRequest *request)
{
  for (guint i = 0; i < request->items->len; i++) {
    WeirItem *item = weir_request_item (request, i);
    WeirArena *arena = item->result.arena;
    g_clear_error (&item->error);
    weir_arena_reset (arena);
    item->result = (WeirResult){ .arena = arena };
  }
  g_clear_error (&request->error);
}

void weir_request_reset (WeirRequest *request)
{
  clear_results (request);
  memset (request->inputs, 0, request->model->facts.n_inputs * sizeof (WeirTensor));
  g_array_set_size (request->regions, 0);
  request->n_items = 0;
  request->has_frame = false;
}

void weir_request_set_options (WeirRequest *request, const WeirRequestOptions *options)
{
  request->options = *options;
}

static void ensure_items (WeirRequest *request, uint32_t n)
{
  while (request->items->len < n) {
    WeirItem *item = g_new0 (WeirItem, 1);
    item->result.arena = weir_arena_new ();
    g_ptr_array_add (request->items, item);
  }
  g_array_set_size (request->queued_ns, request->items->len);
  request->n_items = n;
}

void weir_request_set_frame (WeirRequest *request, const WeirFrame *frame)
{
  request->frame = *frame;
  request->has_frame = true;
}

uint32_t weir_request_add_region (WeirRequest *request, const WeirRegion *region)
{
  g_array_append_val (request->regions, *region);
  ensure_items (request, request->regions->len);
  return request->n_items - 1;
}

/* Graphs hold floating types as f32, whatever the file says. */
static bool dtype_is_taken (WeirDtype given, WeirDtype wanted)
{
  bool is_number = given == WEIR_DTYPE_F16 || given == WEIR_DTYPE_BF16 || given == WEIR_DTYPE_F64 ||
                   given == WEIR_DTYPE_U8;
  return given == wanted || (wanted == WEIR_DTYPE_F32 && is_number);
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
  const WeirTensor *wanted = &model->facts.inputs[k];
  bool ok = tensor->rank == wanted->rank && tensor->layout == WEIR_LAYOUT_PLAIN &&
            dtype_is_taken (tensor->dtype, wanted->dtype) && tensor->buffer;
  uint32_t axis = weir_model_input_axis (model, k);
  bool has_batch = model->graph->has_batch && tensor->rank > axis;
  for (uint32_t i = 0; ok && i < tensor->rank; i++)
    ok = tensor->dims[i] == wanted->dims[i] || (has_batch && i == axis);
  int64_t n = has_batch ? tensor->dims[axis] : 1;
  if (!ok || n < 1 || n > WEIR_MAX_BATCH || (request->n_items && request->n_items != n)) {
    g_autofree char *is = weir_tensor_describe (tensor), *must = weir_tensor_describe (wanted);
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
        "%s: input '%s' is %s, expected is %s with 1 to %u rows, as many in every input",
        model->path, model->facts.input_names[k], is, must, WEIR_MAX_BATCH);
    return false;
  }
  request->inputs[k] = *tensor;
  ensure_items (request, (uint32_t) n);
  return true;
}

void weir_request_keep_outputs (WeirRequest *request, bool keep)
{
  request->keeps_outputs = keep;
}

/* The outputs of all items, stacked in dim 0: a model without a batch has any number of rows there
 * for one item. */
static bool stack_shape (const WeirTensor *row, uint32_t n_items, WeirTensor *stacked)
{
  *stacked = *row;
  stacked->buffer = NULL;
  stacked->offset_bytes = 0;
  if (n_items > 1 && stacked->rank == 0) {
    stacked->rank = 1;
    stacked->dims[0] = 1;
  }
  return stacked->rank == 0 || weir_checked_mul_i64 (stacked->dims[0], n_items, &stacked->dims[0]);
}

/* Room for output k of this shape; keeps memory that is large enough. */
static bool reserve_output (WeirRequest *request, uint32_t k, WeirTensor shape)
{
  WeirTensor *output = &request->outputs[k];
  size_t n_bytes;
  if (!weir_tensor_bytes (&shape, &n_bytes))
    return false;
  n_bytes = MAX (n_bytes, 1);
  if (n_bytes > request->output_bytes[k]) {
    free (output->buffer);
    output->buffer = malloc (n_bytes);
    request->output_bytes[k] = output->buffer ? n_bytes : 0;
  }
  shape.buffer = output->buffer;
  shape.offset_bytes = 0;
  *output = shape;
  return output->buffer != NULL;
}

static bool prepare_output (WeirRequest *request, uint32_t k)
{
  WeirTensor shape;
  if (weir_facts_traits (&request->model->facts, k) & WEIR_OUTPUT_DYNAMIC)
    return true; /* weir_request_keep_dynamic */
  return stack_shape (&request->model->facts.outputs[k], request->n_items, &shape) &&
         reserve_output (request, k, shape);
}

bool weir_request_keep_dynamic (
    WeirRequest *request, uint32_t k, const WeirTensor *row, GError **error)
{
  const WeirModel *model = request->model;
  size_t n_bytes;
  if (request->n_items != 1) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
        "%s: output '%s' has another size for every item, so %u of them cannot be stacked: "
        "expected "
        "is one item a request",
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

static bool refuse_content (const WeirRequest *request, uint32_t n_given, GError **error)
{
  const WeirModel *model = request->model;
  if (request->has_frame && model->picture_problem)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: takes no frames: %s", model->path,
        model->picture_problem);
  else
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "%s: %u of %u inputs, %u regions and %s frame are given, expected are all inputs that "
        "nothing fills, or a frame with regions",
        model->path, n_given, model->facts.n_inputs, request->regions->len,
        request->has_frame ? "a" : "no");
  return false;
}

/* A frame with regions, or tensors for all inputs that nothing else fills: not half of either, not
 * both. */
static bool check_content (const WeirRequest *request, GError **error)
{
  const WeirModel *model = request->model;
  uint32_t n_given = 0, n_known = 0;
  for (uint32_t k = 0; k < model->facts.n_inputs; k++) {
    bool is_given = request->inputs[k].dtype != WEIR_DTYPE_NONE;
    n_given += is_given;
    n_known += is_given || model->fills[k].values.dtype != WEIR_DTYPE_NONE;
  }
  bool ok = request->has_frame
                ? !model->picture_problem && n_given == 0
                : request->regions->len == 0 && n_given && n_known == model->facts.n_inputs;
  return ok || refuse_content (request, n_given, error);
}

bool weir_request_prepare (WeirRequest *request, GError **error)
{
  clear_results (request);
  if (request->n_items && !check_content (request, error))
    return false;
  for (uint32_t k = 0; request->keeps_outputs && k < request->model->facts.n_outputs; k++) {
    if (prepare_output (request, k))
      continue;
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no memory for the outputs of %u items",
        request->n_items);
    return false;
  }
  return true;
}

typedef struct Wait {
  WeirMutex lock;
  WeirCond cond;
  bool is_done;
} Wait;

static void wake (WeirRequest *request, void *user)
{
  Wait *wait = user;
  weir_mutex_lock (&wait->lock);
  wait->is_done = true;
  weir_cond_signal (&wait->cond);
  weir_mutex_unlock (&wait->lock);
}

bool weir_request_run (WeirRequest *request, GError **error)
{
  Wait wait = { .is_done = false };
  weir_mutex_init (&wait.lock);
  weir_cond_init (&wait.cond);
  bool ok = weir_request_submit (request, wake, &wait, error);
  if (ok) {
    weir_mutex_lock (&wait.lock);
    while (!wait.is_done)
      weir_cond_wait (&wait.cond, &wait.lock);
    weir_mutex_unlock (&wait.lock);
  }
  weir_cond_clear (&wait.cond);
  weir_mutex_clear (&wait.lock);
  if (ok && request->error) {
    g_propagate_error (error, g_error_copy (request->error));
    return false;
  }
  for (uint32_t i = 0; ok && i < request->n_items; i++) {
    const GError *item_error = weir_request_item (request, i)->error;
    if (item_error) {
      g_propagate_error (error, g_error_copy (item_error));
      return false;
    }
  }
  return ok;
}

uint32_t weir_request_n_items (const WeirRequest *request)
{
  return request->n_items;
}

const WeirResult *weir_request_result (const WeirRequest *request, uint32_t i)
{
  return i < request->n_items ? &weir_request_item (request, i)->result : NULL;
}

const WeirTensor *weir_request_output (const WeirRequest *request, uint32_t k)
{
  bool is_kept = request->keeps_outputs && k < request->model->facts.n_outputs;
  return is_kept ? &request->outputs[k] : NULL;
}

const GError *weir_request_error (const WeirRequest *request)
{
  return request->error;
}

uint64_t weir_request_latency_ns (const WeirRequest *request)
{
  return request->done_ns - request->submit_ns;
}
