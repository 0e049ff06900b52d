/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One loop for all forms of finished rows. */
#include "engine/post/row_form.h"

#include "engine/post/boxes.h"
#include "engine/post/outputs.h"

static void add_row (const WeirRowForm *form, const WeirDecodeJob *job, const float *row,
    uint32_t index, WeirBoxes *boxes)
{
  double width = form->is_unit ? job->input->width_px : 1;
  double height = form->is_unit ? job->input->height_px : 1;
  if ((form->has_picture && row[0] != 0) || !weir_is_label (row[form->label]))
    return;
  const float *corners = row + form->corners;
  WeirCandidate candidate = { .x0 = corners[0] * width,
    .y0 = corners[1] * height,
    .x1 = corners[2] * width,
    .y1 = corners[3] * height,
    .confidence = row[form->score],
    .label_id = (int32_t) row[form->label],
    .index = index };
  weir_boxes_add (boxes, &candidate);
}

bool weir_row_form_decode (const WeirRowForm *form, const WeirDecodeJob *job, uint32_t k,
    WeirResult *result, GError **error)
{
  uint32_t n_rows;
  const float *rows = weir_job_rows (job, k, form->n_columns, &n_rows, result->arena, error);
  if (!rows)
    return false;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  boxes.iou_threshold = WEIR_NO_NMS;
  for (uint32_t i = 0; i < n_rows; i++) {
    const float *row = rows + (size_t) i * form->n_columns;
    if (form->has_picture && !weir_is_label (row[0]))
      break;
    add_row (form, job, row, i, &boxes);
  }
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}
