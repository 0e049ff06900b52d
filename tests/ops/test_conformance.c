/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ONNX's own node tests: every model whose operators we have, node by node on the reference
 * backend, against the outputs that ONNX publishes. What we do not do is listed here, by name and
 * reason. */
#include "tests/run_suite.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "engine/formats/formats.h"
#include "tests/ops/step.h"

#define RTOL      1e-3
#define ATOL      1e-5
#define BF16_RTOL 0x1p-7 /* its last place: ONNX 1.12 cuts off, newer ones round */

/* Names are glob patterns. A row that no model of any archive needs fails the test. */
static struct {
  const char *pattern, *reason;
  bool is_needed;
} skips[] = {
  { "test_cast*FLOAT8*", "8-bit floats", false },
  { "test_*quantizelinear_e?m*", "8-bit floats", false },
  { "test_*FLOAT4E2M1*", "4-bit floats", false },
  { "test_*quantizelinear_float4e2m1", "4-bit floats", false },
  { "test_cast*INT4*", "integers of 2 and 4 bits", false },
  { "test_cast*INT2*", "integers of 2 and 4 bits", false },
  { "test_*quantizelinear_*int4", "integers of 2 and 4 bits", false },
  { "test_*quantizelinear_*int2", "integers of 2 and 4 bits", false },
  { "test_cast*STRING*", "strings", false },
  { "test_identity_sequence", "values that are no tensors", false },
  { "test_identity_opt", "values that are no tensors", false },
  { "test_training_dropout*", "training mode", false },
  { "test_batchnorm_*_training_mode", "training mode", false },
  { "test_resize_tf_crop_and_resize*", "Resize with tf_crop_and_resize", false },
};

/* What the loader refuses, by its message. */
static const struct {
  const char *text, *reason;
} refusals[] = {
  { "has operators that are not supported", "operators that are not in ops.def" },
  { "uses operator set", "operator sets below 7" },
};

/* The first one runs every node; the others leave some to it. */
static const StepTarget targets[] = {
  { &weir_backend_ref, WEIR_PRECISION_F32, RTOL, ATOL },
  { &weir_backend_cpu, WEIR_PRECISION_F32, RTOL, ATOL },
};

typedef struct Counts {
  uint32_t n_passed, n_failed;
  GHashTable *skipped; /* reason to count */
} Counts;

static const char *find_skip (const char *name, const char *message)
{
  for (size_t i = 0; i < G_N_ELEMENTS (refusals); i++)
    if (strstr (message, refusals[i].text))
      return refusals[i].reason;
  for (size_t i = 0; i < G_N_ELEMENTS (skips); i++)
    if (g_pattern_match_simple (skips[i].pattern, name)) {
      skips[i].is_needed = true;
      return skips[i].reason;
    }
  return NULL;
}

static void count_skip (Counts *counts, const char *reason)
{
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (counts->skipped, reason));
  g_hash_table_insert (counts->skipped, (gpointer) reason, GUINT_TO_POINTER (n + 1));
}

static uint32_t find_value (const WeirGraph *graph, const GArray *ids, const char *name, guint k)
{
  for (guint i = 0; i < ids->len; i++) {
    uint32_t id = g_array_index (ids, uint32_t, i);
    if (name && g_strcmp0 (weir_graph_value (graph, id)->name, name) == 0)
      return id;
  }
  return k < ids->len ? g_array_index (ids, uint32_t, k) : WEIR_NONE;
}

/* ONNX 1.12's files hold bf16 as u16. */
static void fix_bf16 (WeirTensor *tensor, WeirDtype expected)
{
  if (tensor->dtype == WEIR_DTYPE_U16 && expected == WEIR_DTYPE_F32)
    tensor->dtype = WEIR_DTYPE_BF16;
}

/* Input tensors become constants: many of them are axes and shapes. */
static bool take_inputs (WeirGraph *graph, const char *folder, WeirArena *arena, GError **error)
{
  for (guint k = 0;; k++) {
    g_autofree char *file = g_strdup_printf ("%s/test_data_set_0/input_%u.pb", folder, k);
    const char *name;
    WeirTensor tensor;
    if (!g_file_test (file, G_FILE_TEST_EXISTS))
      return true;
    if (!weir_onnx_load_tensor (file, arena, &name, &tensor, error))
      return false;
    uint32_t id = find_value (graph, graph->inputs, name, k);
    if (id == WEIR_NONE)
      continue;
    WeirValue *value = weir_graph_value (graph, id);
    WeirDtype declared = value->tensor.dtype;
    fix_bf16 (&tensor, declared);
    value->is_constant = true;
    if (!step_convert (&tensor, declared ? declared : tensor.dtype, WEIR_LAYOUT_PLAIN,
            &value->tensor, arena, error))
      return false;
  }
}

static bool run_node (const StepTarget *target, WeirDevice *device, const WeirGraph *graph,
    const WeirNode *node, const WeirShapes *shapes, WeirTensor *values, WeirArena *arena,
    GError **error)
{
  WeirTensor *src = weir_arena_new_array (arena, WeirTensor, node->n_src + 1);
  WeirTensor *dst = weir_arena_new_array (arena, WeirTensor, node->n_dst + 1);
  bool *is_constant = weir_arena_new_array (arena, bool, node->n_src + 1);
  for (uint32_t i = 0; i < node->n_src; i++) {
    if (node->src[i] != WEIR_NONE)
      src[i] = values[node->src[i]];
    is_constant[i] = i > 0;
  }
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE)
      dst[i] = shapes->values[node->dst[i]];
  StepResult result = step_run (target, device, graph, node, src, is_constant, dst, arena, error);
  if (result == STEP_REFUSED)
    result = step_run (&targets[0], NULL, graph, node, src, is_constant, dst, arena, error);
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE)
      values[node->dst[i]] = dst[i];
  return result == STEP_DONE;
}

static bool run_graph (const StepTarget *target, const WeirGraph *graph, const WeirShapes *shapes,
    WeirTensor *values, WeirArena *arena, GError **error)
{
  WeirDeviceOptions options = { target->precision, 1 };
  WeirDevice *device = target->backend->open (&options, error);
  bool is_done = device != NULL;
  if (device && target->backend->enter_thread)
    target->backend->enter_thread (device);
  for (uint32_t id = 0; is_done && id < graph->nodes->len; id++)
    is_done =
        run_node (target, device, graph, weir_graph_node (graph, id), shapes, values, arena, error);
  if (device)
    target->backend->close (device);
  return is_done;
}

/* What is wrong, newly allocated; NULL where nothing is. */
static char *compare_outputs (const StepTarget *target, const WeirGraph *graph,
    const WeirTensor *values, const char *folder, WeirArena *arena)
{
  g_autoptr (GError) error = NULL;
  for (guint k = 0;; k++) {
    g_autofree char *file = g_strdup_printf ("%s/test_data_set_0/output_%u.pb", folder, k);
    const char *name;
    WeirTensor expected;
    if (!g_file_test (file, G_FILE_TEST_EXISTS))
      return k ? NULL : g_strdup ("no output to compare with");
    if (!weir_onnx_load_tensor (file, arena, &name, &expected, &error))
      return g_strdup (error->message);
    uint32_t id = find_value (graph, graph->outputs, name, k);
    if (id == WEIR_NONE)
      return g_strdup_printf ("output %u ('%s') is not in the graph", k, name);
    fix_bf16 (&expected, values[id].dtype);
    double rtol = expected.dtype == WEIR_DTYPE_BF16 ? BF16_RTOL : target->rtol;
    char *text = step_compare (&values[id], &expected, rtol, target->atol);
    if (text)
      return text;
  }
}

static char *run_model (const StepTarget *target, const char *folder, GError **error)
{
  g_autoptr (WeirArena) arena = weir_arena_new ();
  g_autofree char *file = g_build_filename (folder, "model.onnx", NULL);
  g_autoptr (WeirGraph) graph = weir_onnx_load (file, NULL, error);
  if (!graph || !take_inputs (graph, folder, arena, error))
    return NULL;
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (graph, 1, weir_ref_evaluate, error);
  if (!shapes)
    return NULL;
  WeirTensor *values =
      weir_arena_memdup (arena, shapes->values, shapes->n_values * sizeof *shapes->values);
  if (!run_graph (target, graph, shapes, values, arena, error))
    return NULL;
  return compare_outputs (target, graph, values, folder, arena);
}

static void try_model (
    const StepTarget *target, const char *folder, const char *name, Counts *counts)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = run_model (target, folder, &error);
  const char *reason = NULL;
  if (!text && !error) {
    counts->n_passed++;
    return;
  }
  if (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED))
    reason = find_skip (name, error->message);
  if (reason) {
    count_skip (counts, reason);
  } else {
    counts->n_failed++;
    printf ("FAILED %s: %s\n", name, text ? text : error->message);
  }
}

static char *find_archive (const char *archive)
{
  const char *shared = g_getenv ("WEIR_SHARED");
  return g_build_filename (shared ? shared : "../shared", "conformance", archive, NULL);
}

/* Newly allocated name of a new folder with the archive's files. */
static char *unpack (const char *archive)
{
  g_autofree char *file = find_archive (archive);
  char *folder = g_dir_make_tmp ("weir-conformance-XXXXXX", NULL);
  const char *command[] = { "tar", "-xzf", file, "-C", folder, NULL };
  gint status;
  ck_assert (g_spawn_sync (NULL, (char **) (uintptr_t) command, NULL, G_SPAWN_SEARCH_PATH, NULL,
      NULL, NULL, NULL, &status, NULL));
  ck_assert_int_eq (status, 0);
  return folder;
}

static void remove_folder (const char *folder)
{
  const char *command[] = { "rm", "-rf", folder, NULL };
  g_spawn_sync (NULL, (char **) (uintptr_t) command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
      NULL, NULL, NULL);
}

static void report (const char *archive, const char *backend, Counts *counts)
{
  GHashTableIter iter;
  gpointer reason, n;
  printf ("%s on %s: %u passed, %u failed\n", archive, backend, counts->n_passed, counts->n_failed);
  g_hash_table_iter_init (&iter, counts->skipped);
  while (g_hash_table_iter_next (&iter, &reason, &n))
    printf ("  skipped %4u: %s\n", GPOINTER_TO_UINT (n), (const char *) reason);
}

static const struct {
  const char *archive;
  uint32_t n_least; /* models that pass: a loader that refuses all of them must not go unseen */
} archives[] = {
  { "onnx-v1.12.0-vision-node-tests.tar.gz", 370 },
  { "onnx-v1.22.0-vision-node-tests.tar.gz", 530 },
};

/* All models of an unpacked archive on one backend. */
static Counts run_archive (const StepTarget *target, const char *folder)
{
  g_autofree char *nodes = g_build_filename (folder, "data", "node", NULL);
  g_autoptr (GDir) dir = g_dir_open (nodes, 0, NULL);
  Counts counts = { .skipped = g_hash_table_new (g_str_hash, g_str_equal) };
  const char *name;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *model = g_build_filename (nodes, name, NULL);
    try_model (target, model, name, &counts);
  }
  return counts;
}

START_TEST (test_archives)
{
  for (size_t i = 0; i < G_N_ELEMENTS (archives); i++) {
    g_autofree char *folder = unpack (archives[i].archive);
    for (size_t t = 0; t < G_N_ELEMENTS (targets); t++) {
      Counts counts = run_archive (&targets[t], folder);
      report (archives[i].archive, targets[t].backend->name, &counts);
      g_hash_table_unref (counts.skipped);
      ck_assert_uint_eq (counts.n_failed, 0);
      ck_assert_uint_ge (counts.n_passed, archives[i].n_least);
    }
    remove_folder (folder);
  }
  for (size_t i = 0; i < G_N_ELEMENTS (skips); i++)
    ck_assert_msg (skips[i].is_needed, "no model is skipped by %s", skips[i].pattern);
}
END_TEST

static void ignore (const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
}

int main (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (archives); i++) {
    g_autofree char *file = find_archive (archives[i].archive);
    if (!g_file_test (file, G_FILE_TEST_EXISTS)) {
      printf ("skipped: %s is not there\n", file);
      return 77;
    }
  }
  g_log_set_handler ("weir", G_LOG_LEVEL_MESSAGE, ignore, NULL); /* remarks of the loader */
  Suite *suite = suite_create ("conformance");
  TCase *tcase = tcase_create ("node");
  tcase_add_test (tcase, test_archives);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
