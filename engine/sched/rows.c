/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One item in: preprocessing or a tensor's row, written into row i of the batch. One item out: row
 * i of the outputs decoded, copied or both. */
#include "engine/base/half.h"
#include "engine/post/outputs.h"
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

static float load_element (const void *data, WeirDtype dtype, size_t i)
{
  switch (dtype) {
  case WEIR_DTYPE_F32:
    return ((const float *) data)[i];
  case WEIR_DTYPE_F16:
    return weir_f16_to_f32 (((const uint16_t *) data)[i]);
  case WEIR_DTYPE_BF16:
    return weir_bf16_to_f32 (((const uint16_t *) data)[i]);
  case WEIR_DTYPE_F64:
    return (float) ((const double *) data)[i];
  default:
    return ((const uint8_t *) data)[i];
  }
}

/* src: one plain row; dst: one row of [k, c, spatial] in f32 or bf16, perhaps channels-last. k is 1
 * but in models without a batch. */
static void convert_row (const void *src, WeirDtype src_dtype, const WeirTensor *dst)
{
  size_t n_outer = dst->rank ? (size_t) dst->dims[0] : 1;
  size_t n_channels = dst->rank > 1 ? (size_t) dst->dims[1] : 1, n_spatial = 1;
  bool is_last = dst->layout == WEIR_LAYOUT_CHANNELS_LAST;
  void *data = weir_tensor_data (dst);
  for (uint32_t i = 2; i < dst->rank; i++)
    n_spatial *= (size_t) dst->dims[i];
  for (size_t c = 0, i = 0; c < n_outer * n_channels; c++) {
    size_t first = c / n_channels * n_channels * n_spatial;
    for (size_t s = 0; s < n_spatial; s++, i++) {
      size_t k = is_last ? first + s * n_channels + c % n_channels : i;
      float value = load_element (src, src_dtype, i);
      if (dst->dtype == WEIR_DTYPE_BF16)
        ((uint16_t *) data)[k] = weir_f32_to_bf16 (value);
      else
        ((float *) data)[k] = value;
    }
  }
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
    convert_row (weir_tensor_data (&from), from.dtype, dst);
  }
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

bool weir_rows_write (WeirWorker *worker, const WeirSlot *slot, WeirRequest *request, uint32_t item,
    uint32_t row, GError **error)
{
  const WeirModel *model = worker->session->model;
  if (request->has_frame) {
    WeirTensor input = *weir_slot_input (slot, 0);
    if (model->is_nhwc)
      input = as_nchw (input);
    weir_pre_run (worker->pre, &request->frame, &g_array_index (request->regions, WeirRegion, item),
        &input, row);
    return true;
  }
  for (uint32_t k = 0; k < model->facts.n_inputs; k++) {
    const WeirTensor *dst = weir_slot_input (slot, k);
    if (request->inputs[k].dtype == WEIR_DTYPE_NONE) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION, "%s: input '%s' is not given", model->path,
          model->facts.input_names[k]);
      return false;
    }
    uint32_t n = dst->rank ? (uint32_t) dst->dims[0] : 1;
    WeirTensor to = one_row (dst, model->graph->has_batch ? n : 1, row);
    write_tensor_row (&request->inputs[k], request->n_items, item, &to);
  }
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
      if (points->rank == 0 || points->dims[points->rank - 1] != 2)
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
      keep_row (&outputs[k], &request->outputs[k], request->n_items, item);
    if (request->keeps_outputs && is_dynamic &&
        !weir_request_keep_dynamic (request, k, &outputs[k], error))
      return false;
  }
  weir_request_item (request, item)->result.status = WEIR_STATUS_INFERRED;
  return !request->has_frame || decode (model, outputs, request, item, error);
}
