/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A batch in: preprocessing or a tensor's row, written into row i. One item out: row i of the
 * outputs decoded, copied or both. */
#include "engine/post/outputs.h"
#include "engine/sched/convert_row.h"
#include "engine/sched/session_types.h"

#include <string.h>

static WeirTensor one_row (const WeirTensor *tensor, uint32_t n, uint32_t row)
{
  WeirTensor view = *tensor;
  size_t n_bytes = 0;
  weir_tensor_bytes (tensor, &n_bytes);
  view.dims[0] /= n; /* as many as one item has */
  view.offset_bytes += n_bytes / n * row;
  return view;
}

static void write_tensor_row (
    const WeirTensor *src, uint32_t n_items, uint32_t item, const WeirTensor *dst)
{
  WeirTensor from = one_row (src, n_items, item);
  size_t n_bytes = 0;
  if (from.dtype == dst->dtype && dst->layout == WEIR_LAYOUT_PLAIN) {
    weir_tensor_bytes (dst, &n_bytes);
    memcpy (weir_tensor_data (dst), weir_tensor_data (&from), n_bytes);
  } else {
    weir_convert_row (weir_tensor_data (&from), from.dtype, dst);
  }
}

/* [t, n]: the items are columns. */
static void write_column (
    const WeirTensor *src, uint32_t n_items, uint32_t item, const WeirTensor *dst, uint32_t row)
{
  size_t src_bytes = weir_dtype_bytes (src->dtype), dst_bytes = weir_dtype_bytes (dst->dtype);
  const char *from = (const char *) weir_tensor_data (src) + item * src_bytes;
  char *to = (char *) weir_tensor_data (dst) + row * dst_bytes;
  WeirTensor one = { .dtype = dst->dtype, .rank = 1, .dims = { 1 } };
  for (int64_t t = 0; t < dst->dims[0]; t++) {
    one.buffer = to + (size_t) (t * dst->dims[1]) * dst_bytes;
    const char *element = from + (size_t) t * n_items * src_bytes;
    if (src->dtype == dst->dtype)
      memcpy (one.buffer, element, dst_bytes);
    else
      weir_convert_row (element, src->dtype, &one);
  }
}

void weir_rows_write_tensor (const WeirModel *model, uint32_t k, const WeirTensor *src,
    uint32_t n_items, uint32_t item, const WeirTensor *dst, uint32_t row)
{
  uint32_t axis = weir_model_input_axis (model, k);
  if (axis == 1) {
    write_column (src, n_items, item, dst, row);
    return;
  }
  uint32_t n = dst->rank && model->graph->has_batch ? (uint32_t) dst->dims[0] : 1;
  WeirTensor to = one_row (dst, n, row);
  write_tensor_row (src, n_items, item, &to);
}

/* An [n, h, w, c] input, as the [n, c, h, w] in channels-last that preprocessing knows. */
static WeirTensor as_nchw (WeirTensor tensor)
{
  int64_t n_channels = tensor.dims[3];
  tensor.dims[3] = tensor.dims[2];
  tensor.dims[2] = tensor.dims[1];
  tensor.dims[1] = n_channels;
  tensor.layout = WEIR_LAYOUT_CHANNELS_LAST;
  return tensor;
}

/* What the request gives, or what fills the input. */
static bool write_input (const WeirModel *model, const WeirSlot *slot, const WeirRequest *request,
    uint32_t item, uint32_t row, uint32_t k, GError **error)
{
  const WeirTensor *dst = weir_slot_input (slot, k), *values = &model->fills[k].values;
  if (request->inputs[k].dtype != WEIR_DTYPE_NONE) {
    weir_rows_write_tensor (
        model, k, &request->inputs[k], weir_request_n_rows (request), item, dst, row);
  } else if (values->dtype != WEIR_DTYPE_NONE) {
    weir_rows_write_tensor (model, k, values, 1, 0, dst, row);
  } else {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: input '%s' is not given", model->path,
        model->facts.input_names[k]);
    return false;
  }
  return true;
}

WeirTensor weir_rows_picture (const WeirModel *model, const WeirTensor *input)
{
  return model->is_nhwc ? as_nchw (*input) : *input;
}

static void write_picture (WeirWorker *worker, const WeirSlot *slot, const WeirRequest *request,
    uint32_t item, uint32_t row)
{
  const WeirModel *model = worker->session->model;
  WeirTensor input = weir_rows_picture (model, weir_slot_input (slot, model->facts.picture));
  weir_pre_run (worker->pre, &request->frame, &g_array_index (request->regions, WeirRegion, item),
      &input, row);
}

/* All inputs of one item; not the picture where it is `on_device`. */
static bool write_row (WeirWorker *worker, const WeirSlot *slot, const WeirTaken *taken,
    uint32_t row, bool on_device, GError **error)
{
  const WeirModel *model = worker->session->model;
  const WeirRequest *request = weir_taken_request (taken);
  for (uint32_t k = 0; k < model->facts.n_inputs; k++) {
    bool is_picture = request->has_frame && k == model->facts.picture;
    if (is_picture && !on_device)
      write_picture (worker, slot, request, taken->item, row);
    else if (!is_picture && !write_input (model, slot, request, taken->item, row, k, error))
      return false;
  }
  return true;
}

bool weir_rows_write (
    WeirWorker *worker, WeirSlot *slot, const WeirTaken *batch, uint32_t n, GError **error)
{
  bool on_device;
  if (!weir_worker_write_pictures (worker, slot, batch, n, &on_device, error))
    return false;
  weir_slot_use_picture (slot, on_device);
  for (uint32_t i = 0; i < n; i++)
    if (!write_row (worker, slot, &batch[i], i, on_device, error))
      return false;
  return true;
}

/* From fractions of the region to fractions of the frame. */
static void place_in_frame (const WeirFrame *frame, const WeirRegion *region, WeirResult *result)
{
  double sx = (double) region->width_px / frame->width_px,
         x = (double) region->x_px / frame->width_px;
  double sy = (double) region->height_px / frame->height_px,
         y = (double) region->y_px / frame->height_px;
  for (uint32_t i = 0; i < result->n_objects; i++) {
    WeirObject *object = &result->objects[i];
    object->x_min = x + sx * object->x_min;
    object->x_max = x + sx * object->x_max;
    object->y_min = y + sy * object->y_min;
    object->y_max = y + sy * object->y_max;
    for (uint32_t k = 0; k < object->n_tensors; k++) {
      const WeirNamedTensor *points = &object->tensors[k];
      if (points->is_values || points->rank == 0 || points->dims[points->rank - 1] != 2)
        continue;
      for (size_t p = 0; p + 1 < points->n_elements; p += 2) {
        points->data[p] = (float) (x + sx * (double) points->data[p]);
        points->data[p + 1] = (float) (y + sy * (double) points->data[p + 1]);
      }
    }
  }
}

static bool decode (const WeirModel *model, const WeirTensor *outputs, WeirRequest *request,
    uint32_t item, GError **error)
{
  const WeirRegion *region = &g_array_index (request->regions, WeirRegion, item);
  WeirResult *result = &weir_request_item (request, item)->result;
  WeirDecodeOptions options = {
    .threshold = request->options.threshold,
    .iou_threshold = request->options.iou_threshold,
    .max_detections = request->options.max_detections,
    .top_k = request->options.top_k,
    .attach_tensors = request->options.attach_tensors,
  };
  WeirMapping mapping;
  weir_pre_mapping (&model->input, region, &mapping);
  WeirDecodeJob job = {
    .facts = &model->facts,
    .input = &model->input,
    .mapping = &mapping,
    .region_width_px = region->width_px,
    .region_height_px = region->height_px,
    .outputs = outputs,
    .options = &options,
    .state = model->decoder_state,
  };
  if (!model->decoder->decode (&job, result, error))
    return false;
  place_in_frame (&request->frame, region, result);
  return true;
}

static void keep_row (const WeirTensor *row, WeirTensor *stacked, uint32_t n_items, uint32_t item)
{
  WeirTensor to = one_row (stacked, n_items, item);
  size_t n_bytes = 0;
  weir_tensor_bytes (row, &n_bytes);
  if (n_bytes)
    memcpy (weir_tensor_data (&to), weir_tensor_data (row), n_bytes);
}

bool weir_rows_read (WeirWorker *worker, const WeirSlot *slot, uint32_t n, WeirRequest *request,
    uint32_t item, uint32_t row, GError **error)
{
  const WeirModel *model = worker->session->model;
  WeirTensor outputs[WEIR_MAX_OUTPUTS];
  uint32_t n_outputs = model->facts.n_outputs;
  for (uint32_t k = 0; k < n_outputs; k++) {
    bool is_dynamic = weir_facts_traits (&model->facts, k) & WEIR_OUTPUT_DYNAMIC;
    outputs[k] = one_row (weir_slot_output (slot, k), n, row);
    if (request->keeps_outputs && !is_dynamic)
      keep_row (&outputs[k], &request->outputs[k], weir_request_n_rows (request), item);
    if (request->keeps_outputs && is_dynamic &&
        !weir_request_keep_dynamic (request, k, &outputs[k], error))
      return false;
  }
  weir_request_item (request, item)->result.status = WEIR_STATUS_INFERRED;
  return !request->has_frame || decode (model, outputs, request, item, error);
}
