/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Classes are looked at for a block of rows at a time: where rows vary fastest in memory, that
 * reads it in order. */
#include "engine/post/yolo_head.h"

#include "engine/post/outputs.h"
#include <math.h>

#define N_BOX     4u
#define MAX_BLOCK 256u

/* Which dim holds the rows; the other is the columns. */
static bool fit_dims (const WeirModelFacts *facts, uint32_t k, uint32_t width_px,
    uint32_t height_px, WeirYoloHead *head)
{
  uint32_t dims[2];
  if (!weir_facts_is_matrix (facts, k, &dims[0], &dims[1]))
    return false;
  for (uint32_t i = 2; i-- > 0;) {
    if (!weir_grid_find (&head->grid, facts, 1, dims[i], width_px, height_px))
      continue;
    head->n_rows = dims[i];
    head->n_columns = dims[1 - i];
    head->row_step = i ? 1 : head->n_columns;
    head->column_step = i ? head->n_rows : 1;
    return true;
  }
  return false;
}

bool weir_yolo_head_fit (const WeirModelFacts *facts, uint32_t k, uint32_t first_class,
    uint32_t n_extra, uint32_t width_px, uint32_t height_px, WeirYoloHead *head,
    const char *decoder, GError **error)
{
  if (!fit_dims (facts, k, width_px, height_px, head))
    return weir_facts_refuse (facts, k, decoder, error,
        "f32[1,%u + classes,P] with P the cells of strides 8, 16, 32 of an input of %u×%u",
        first_class + n_extra, width_px, height_px);
  if (head->n_columns <= first_class + n_extra)
    return weir_facts_refuse (facts, k, decoder, error, "more than %u numbers of each of %u cells",
        first_class + n_extra, head->n_rows);
  head->first_class = first_class;
  head->n_classes = head->n_columns - first_class - n_extra;
  head->first_extra = first_class + head->n_classes;
  return true;
}

bool weir_yolo_task_allows (const WeirModelFacts *facts, const char *task, bool *is_named)
{
  const char *named = weir_facts_metadata (facts, "weir.task");
  *is_named = named && g_str_equal (named, task);
  return !named || *is_named;
}

/* The best class of n rows from `first` on; -INFINITY where a row has none. */
static void find_best (const WeirYoloHead *head, const float *values, uint32_t first, uint32_t n,
    float *best, int32_t *labels)
{
  for (uint32_t i = 0; i < n; i++) {
    best[i] = -INFINITY;
    labels[i] = 0;
  }
  for (uint32_t c = 0; c < head->n_classes; c++) {
    const float *scores =
        values + first * head->row_step + (head->first_class + c) * head->column_step;
    for (uint32_t i = 0; i < n; i++) {
      float score = scores[i * head->row_step];
      labels[i] = score > best[i] ? (int32_t) c : labels[i];
      best[i] = score > best[i] ? score : best[i];
    }
  }
}

void weir_yolo_head_each (
    const WeirYoloHead *head, const float *values, float threshold, WeirYoloRowFunc add, void *user)
{
  /* rows that lie whole in memory are read one by one */
  uint32_t block = head->column_step == 1 ? 1 : MAX_BLOCK;
  float best[MAX_BLOCK];
  int32_t labels[MAX_BLOCK];
  for (uint32_t first = 0; first < head->n_rows; first += block) {
    uint32_t n = MIN (block, head->n_rows - first);
    find_best (head, values, first, n, best, labels);
    for (uint32_t i = 0; i < n; i++) {
      if (!(best[i] >= threshold))
        continue;
      WeirCandidate candidate = {
        .confidence = best[i], .label_id = labels[i], .index = first + i
      };
      add (head, values, &candidate, user);
    }
  }
}

static void add_box (
    const WeirYoloHead *head, const float *values, const WeirCandidate *best, void *user)
{
  double box[N_BOX];
  for (uint32_t k = 0; k < N_BOX; k++)
    box[k] = (double) weir_yolo_head_value (head, values, best->index, k);
  weir_boxes_add_centre (user, box[0], box[1], box[2], box[3], *best);
}

void weir_yolo_head_add (const WeirYoloHead *head, const float *values, WeirBoxes *boxes)
{
  weir_yolo_head_each (head, values, boxes->threshold, add_box, boxes);
}
