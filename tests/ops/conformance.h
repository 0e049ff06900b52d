/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ONNX's node tests: one folder each, with a model, its inputs and its outputs. */
#pragma once

#include "tests/ops/step.h"

typedef enum Outcome { OUTCOME_PASSED = 0, OUTCOME_FAILED, OUTCOME_REFUSED, N_OUTCOMES } Outcome;

/* A test of an archive. */
typedef struct ConformanceCase {
  char *folder;
  const char *name; /* its last part */
  GPtrArray
      *operators; /* char *, each once: of all nodes, "domain:Name" outside ONNX's own domain */
  int64_t opset;
} ConformanceCase;

/* Nodes of each operator by who ran them. */
typedef struct ConformanceNodes {
  uint32_t n_taken[WEIR_N_OPS], n_left[WEIR_N_OPS]; /* by the target, by the reference instead */
} ConformanceNodes;

/* All tests of an unpacked archive, by name; free with g_ptr_array_unref. */
GPtrArray *conformance_find (const char *archive_folder);
/* Runs it node by node on the target, and on the reference what that leaves. *text is what is wrong
 * or why it was refused, newly allocated; NULL where it passed. */
Outcome conformance_run (
    const ConformanceCase *test, const StepTarget *target, ConformanceNodes *nodes, char **text);
/* Why tests are refused, for people: NULL where this refusal is not one that is allowed. The
 * reason is newly allocated. */
char *conformance_reason (const char *name, const char *message);
/* Rows of the table of reasons that no test needed so far; NULL where there is none. */
const char *conformance_unused_reason (void);
