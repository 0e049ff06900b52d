/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What WeirStats consists of, for whoever shows it: the engine's JSON and the elements' structure
 * are both made of this table, so that they cannot disagree. Not installed. */
#pragma once

#include "export.h"

#include "session.h"
#include <stddef.h>

WEIR_BEGIN_PUBLIC

typedef enum WeirStatsType {
  WEIR_STATS_U32,
  WEIR_STATS_U64,
  WEIR_STATS_REAL,  /* double */
  WEIR_STATS_NAME,  /* char[] */
  WEIR_STATS_TEXT,  /* const char *, may be NULL */
  WEIR_STATS_COUNTS /* uint64_t[], of which weir_stats_n_counts are to be shown */
} WeirStatsType;

typedef struct WeirStatsField {
  const char *name; /* with `_` */
  const char *unit; /* "us", "bytes", "items", …; "" for texts */
  WeirStatsType type;
  size_t offset; /* in WeirStats */
} WeirStatsField;

/* In the order in which they are shown; static. */
const WeirStatsField *weir_stats_fields (uint32_t *n_fields);
/* Entries of the batch histogram to show: up to the largest batch that is allowed or that ran. */
uint32_t weir_stats_n_counts (const WeirStats *stats);

WEIR_END_PUBLIC
