/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The anchor-free head of YOLO v6, v8, v9, v11 and v12, which detection shares with poses, masks
 * and turned boxes: P candidates, each cx, cy, w, h in input pixels, class scores with their
 * sigmoid done, then what the task adds. [1,4 + C + extra,P], or turned round [1,P,4 + C + extra].
 */
#pragma once

#include "engine/post/boxes.h"
#include "engine/post/grid.h"

G_BEGIN_DECLS

/* Thread-safety: a value. */
typedef struct WeirYoloHead {
  uint32_t n_rows;    /* P: the cells of the grid */
  uint32_t n_columns; /* numbers of a candidate */
  uint32_t n_classes;
  uint32_t first_class;         /* column: 4; 5 in v6, which has a column of ones before them */
  uint32_t first_extra;         /* column: first_class + n_classes */
  size_t row_step, column_step; /* in values */
  WeirGrid grid;
} WeirYoloHead;

/* Output k as such a head with n_extra columns behind the classes. False and a SHAPE error that
 * begins with `decoder` where neither dim is the number of cells of an input of that size (strides:
 * weir_grid_find), or no class is left. `first_class` 4 or 5. */
bool weir_yolo_head_fit (const WeirModelFacts *facts, uint32_t k, uint32_t first_class,
    uint32_t n_extra, uint32_t width_px, uint32_t height_px, WeirYoloHead *head,
    const char *decoder, GError **error);
/* False where metadata "weir.task" name another task than `task` ("detect", "segment", "pose",
 * "obb", "classify"); *is_named: they name this one. */
bool weir_yolo_task_allows (const WeirModelFacts *facts, const char *task, bool *is_named);

static inline size_t weir_yolo_head_n_values (const WeirYoloHead *head)
{
  return (size_t) head->n_rows * head->n_columns;
}

static inline float weir_yolo_head_value (
    const WeirYoloHead *head, const float *values, uint32_t row, uint32_t column)
{
  return values[row * head->row_step + column * head->column_step];
}

/* Calls `add` for every row whose best class reaches the threshold, in order. */
typedef void (*WeirYoloRowFunc) (
    const WeirYoloHead *head, const float *values, const WeirCandidate *best, void *user);
void weir_yolo_head_each (const WeirYoloHead *head, const float *values, float threshold,
    WeirYoloRowFunc add, void *user);
/* The upright boxes of all such rows; a candidate's index is its row. */
void weir_yolo_head_add (const WeirYoloHead *head, const float *values, WeirBoxes *boxes);

G_END_DECLS
