/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts of node tests by operator, as text for people and as a page of the documentation. */
#pragma once

#include "tests/ops/conformance.h"

#define N_ARCHIVES 2
#define N_TARGETS  2 /* the reference first */

/* What became of the tests that have an operator in their graph. */
typedef struct OperatorCounts {
  const char *name;
  uint32_t n[N_ARCHIVES][N_TARGETS][N_OUTCOMES];
  uint64_t opsets; /* of the tests that pass: bit k is operator set k */
} OperatorCounts;

typedef struct Table {
  const char *archives[N_ARCHIVES]; /* their versions: "1.12" */
  GHashTable *operators;            /* name to OperatorCounts */
  GHashTable *reasons[N_ARCHIVES];  /* why tests were refused, to GPtrArray of their names */
  uint32_t n[N_ARCHIVES][N_TARGETS][N_OUTCOMES];
  ConformanceNodes nodes[N_TARGETS]; /* of both archives */
} Table;

void table_init (Table *table);
void table_clear (Table *table);
void table_count (Table *table, uint32_t archive, uint32_t target, const ConformanceCase *test,
    Outcome outcome, const char *reason);
/* One line per operator, and the sums. */
void table_print (const Table *table, const StepTarget targets[N_TARGETS]);
/* docs/operators.md. Newly allocated. */
char *table_to_markdown (const Table *table);
