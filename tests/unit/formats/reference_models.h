/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What loaders are asked of the reference models under $WEIR_SHARED. */
#pragma once

#include <check.h>
#include <string.h>

#include "engine/error.h"
#include "engine/graph/graph.h"

/* A test case for $WEIR_SHARED/models/FORMAT; NULL, said aloud, where that is not there. */
static inline TCase *reference_case (const char *format)
{
  const char *shared = g_getenv ("WEIR_SHARED");
  g_autofree char *path = g_build_filename (shared ? shared : "", "models", format, NULL);
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return tcase_create ("reference");
  g_print ("skipped: reference models (%s is not there)\n", path);
  return NULL;
}

/* `refused`: words of the error, which names the model; NULL: it loads, with no floats but f32. */
static inline void check_reference_model (const WeirGraph *graph, const GError *error,
    const char *name, const char *refused, guint n_inputs, guint n_outputs)
{
  if (refused) {
    ck_assert_ptr_null (graph);
    ck_assert_int_eq (error->code, WEIR_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull (strstr (error->message, name));
    ck_assert_msg (strstr (error->message, refused) != NULL, "%s", error->message);
    return;
  }
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  ck_assert_uint_eq (graph->inputs->len, n_inputs);
  ck_assert_uint_eq (graph->outputs->len, n_outputs);
  for (uint32_t i = 0; i < graph->values->len; i++) {
    WeirDtype dtype = weir_graph_value (graph, i)->tensor.dtype;
    ck_assert (dtype != WEIR_DTYPE_F16 && dtype != WEIR_DTYPE_F64 && dtype != WEIR_DTYPE_BF16);
  }
}
