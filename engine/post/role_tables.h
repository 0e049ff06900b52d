/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirTables: outputs of as many rows, one of each role (scores, boxes, points), which only their
 * columns tell apart. */
#pragma once

#include "engine/post/decoder.h"

G_BEGIN_DECLS

#define WEIR_MAX_ROLES 4u

/* Thread-safety: a value. */
typedef struct WeirTables {
  uint32_t n_rows, n_roles;
  const uint32_t *n_columns; /* of each role; static */
  uint32_t outputs[WEIR_MAX_ROLES];
} WeirTables;

/* Sets outputs: [1,n_rows,columns] or [n_rows,columns], floating point. Roles of equal columns take
 * them in the order of the outputs. False and a SHAPE error that begins with `decoder` where there
 * are not exactly as many outputs of a shape as roles. */
bool weir_tables_find (WeirTables *tables, const WeirModelFacts *facts, const char *decoder,
    uint32_t width_px, uint32_t height_px, GError **error);
/* The values of every role of a job, n_rows × columns each. */
bool weir_tables_open (const WeirTables *tables, const WeirDecodeJob *job,
    const float *values[WEIR_MAX_ROLES], WeirArena *arena, GError **error);

G_END_DECLS
