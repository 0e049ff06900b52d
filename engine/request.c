/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirRequest: making, filling with frames, reading and reuse. Its tensors are in
 * sched/request_inputs.c and request_outputs.c, its way through the queue in sched/admission.c. */
#include "engine/request.h"

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
  request->given = g_new0 (WeirTensor, facts->n_outputs);
  request->room = g_new0 (WeirRoom, facts->n_outputs);
  request->has_dynamic_batch = stream->session->settings.has_dynamic_batch;
  weir_mutex_init (&request->wait_lock);
  weir_cond_init (&request->waited);
  return request;
}

void weir_request_free (WeirRequest *request)
{
  if (!request)
    return;
  for (uint32_t k = 0; k < request->model->facts.n_outputs; k++)
    free (request->room[k].data);
  g_clear_error (&request->error);
  g_array_unref (request->regions);
  g_array_unref (request->queued_ns);
  g_ptr_array_unref (request->items);
  g_free (request->inputs);
  g_free (request->outputs);
  g_free (request->given);
  g_free (request->room);
  weir_cond_clear (&request->waited);
  weir_mutex_clear (&request->wait_lock);
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
  memset (request->given, 0, request->model->facts.n_outputs * sizeof (WeirTensor));
  g_array_set_size (request->regions, 0);
  request->n_items = request->n_batch;
  request->has_frame = false;
}

void weir_request_set_options (WeirRequest *request, const WeirRequestOptions *options)
{
  request->options = *options;
}

void weir_request_reserve_items (WeirRequest *request, uint32_t n)
{
  while (request->items->len < n) {
    WeirItem *item = g_new0 (WeirItem, 1);
    item->result.arena = weir_arena_new ();
    g_ptr_array_add (request->items, item);
  }
  g_array_set_size (request->queued_ns, request->items->len);
}

void weir_request_set_frame (WeirRequest *request, const WeirFrame *frame)
{
  request->frame = *frame;
  request->has_frame = true;
}

uint32_t weir_request_add_region (WeirRequest *request, const WeirRegion *region)
{
  g_array_append_val (request->regions, *region);
  request->n_items = request->regions->len;
  weir_request_reserve_items (request, request->n_items);
  return request->n_items - 1;
}

void weir_request_keep_outputs (WeirRequest *request, bool keep)
{
  request->keeps_outputs = keep;
}

static bool refuse_content (const WeirRequest *request, uint32_t n_given, GError **error)
{
  const WeirModel *model = request->model;
  if (request->has_frame && model->picture_problem)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: takes no frames: %s", model->path,
        model->picture_problem);
  else if (request->n_max && (request->has_frame || request->regions->len))
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "%s: a frame or regions are given, expected are tensors: regions are counted by themselves "
        "and need no weir_request_set_batch_max",
        model->path);
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
                ? !model->picture_problem && n_given == 0 && !request->n_max
                : request->regions->len == 0 && n_given && n_known == model->facts.n_inputs;
  return ok || refuse_content (request, n_given, error);
}

bool weir_request_prepare (WeirRequest *request, GError **error)
{
  clear_results (request);
  request->n_frame = 0;
  weir_request_begin_wait (request);
  if (request->n_max)
    request->n_items = request->n_batch;
  if (request->n_items && !check_content (request, error))
    return false;
  return !request->keeps_outputs || weir_request_prepare_outputs (request, error);
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
