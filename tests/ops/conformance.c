/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs one node test; why a test may be refused. */
#include "tests/ops/conformance.h"

#include "engine/error.h"
#include "engine/formats/formats.h"
#include "engine/formats/onnx_private.h"

#include <string.h>

#define BF16_RTOL 0x1p-7 /* its last place: ONNX 1.12 cuts off, newer ones round */

/* --- what may be refused --- */

/* Names are glob patterns; a row that no model of any archive needs fails the test. */
static struct {
  const char *pattern, *reason;
  bool is_needed;
} reasons[] = {
  { "test_cast*FLOAT8*", "8-bit floats", false },
  { "test_*quantizelinear_e?m*", "8-bit floats", false },
  { "test_*FLOAT4E2M1*", "4-bit floats", false },
  { "test_*quantizelinear_float4e2m1", "4-bit floats", false },
  { "test_cast*INT4*", "integers of 2 and 4 bits", false },
  { "test_cast*INT2*", "integers of 2 and 4 bits", false },
  { "test_*quantizelinear_*int4", "integers of 2 and 4 bits", false },
  { "test_*quantizelinear_*int2", "integers of 2 and 4 bits", false },
  { "test_cast*STRING*", "strings", false },
  { "test_equal_string*", "strings", false },
  { "test_identity_sequence", "values that are no tensors", false },
  { "test_identity_opt", "values that are no tensors", false },
  { "test_training_dropout*", "Dropout that draws random numbers", false },
};

/* "operators A, B" from the loader's "…: A (1 node), B (2 nodes)". */
static char *name_operators (const char *list)
{
  g_autoptr (GRegex) counts = g_regex_new (" \\([0-9]+ nodes?\\)", 0, 0, NULL);
  g_autofree char *names = g_regex_replace_literal (counts, list, -1, 0, "", 0, NULL);
  return g_strdup_printf ("not in ops.def: %s", names);
}

char *conformance_reason (const char *name, const char *message)
{
  static const char unknown[] = "has operators that are not supported: ";
  const char *at = strstr (message, unknown);
  if (at)
    return name_operators (at + strlen (unknown));
  for (size_t i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (g_pattern_match_simple (reasons[i].pattern, name)) {
      reasons[i].is_needed = true;
      return g_strdup (reasons[i].reason);
    }
  return NULL;
}

const char *conformance_unused_reason (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (!reasons[i].is_needed)
      return reasons[i].pattern;
  return NULL;
}

/* --- finding tests --- */

static void free_case (gpointer data)
{
  ConformanceCase *test = data;
  g_free (test->folder);
  g_ptr_array_unref (test->operators);
  g_free (test);
}

static void add_operator (ConformanceCase *test, const Onnx__NodeProto *node)
{
  char *name = weir_onnx_is_domain (node->domain)
                   ? g_strdup (node->op_type)
                   : g_strconcat (node->domain, ":", node->op_type, NULL);
  if (g_ptr_array_find_with_equal_func (test->operators, name, g_str_equal, NULL))
    g_free (name);
  else
    g_ptr_array_add (test->operators, name);
}

static void read_operators (ConformanceCase *test)
{
  g_autofree char *file = g_build_filename (test->folder, "model.onnx", NULL);
  g_autofree char *bytes = NULL;
  gsize n_bytes;
  if (!g_file_get_contents (file, &bytes, &n_bytes, NULL))
    return;
  Onnx__ModelProto *model = onnx__model_proto__unpack (NULL, n_bytes, (const uint8_t *) bytes);
  for (size_t i = 0; model && i < model->n_opset_import; i++)
    if (weir_onnx_is_domain (model->opset_import[i]->domain))
      test->opset = model->opset_import[i]->version;
  for (size_t i = 0; model && model->graph && i < model->graph->n_node; i++)
    add_operator (test, model->graph->node[i]);
  onnx__model_proto__free_unpacked (model, NULL);
}

static gint compare_names (gconstpointer a, gconstpointer b)
{
  const ConformanceCase *const *x = a, *const *y = b;
  return strcmp ((*x)->folder, (*y)->folder);
}

GPtrArray *conformance_find (const char *archive_folder)
{
  static const char *const groups[] = { "node", "pytorch-converted", "pytorch-operator", "simple" };
  GPtrArray *tests = g_ptr_array_new_with_free_func (free_case);
  for (size_t i = 0; i < G_N_ELEMENTS (groups); i++) {
    g_autofree char *folder = g_build_filename (archive_folder, "data", groups[i], NULL);
    g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name (dir))) {
      ConformanceCase *test = g_new0 (ConformanceCase, 1);
      test->folder = g_build_filename (folder, name, NULL);
      test->name = strrchr (test->folder, G_DIR_SEPARATOR) + 1;
      test->operators = g_ptr_array_new_with_free_func (g_free);
      read_operators (test);
      g_ptr_array_add (tests, test);
    }
  }
  g_ptr_array_sort (tests, compare_names);
  return tests;
}

/* --- running one --- */

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

/* A test while it runs. */
typedef struct Run {
  const StepTarget *target;
  WeirDevice *device;
  const WeirGraph *graph;
  const WeirShapes *shapes;
  WeirTensor *values;
  ConformanceNodes *nodes;
  WeirArena *arena;
} Run;

static bool run_node (Run *run, const WeirNode *node, GError **error)
{
  static const StepTarget reference = { &weir_backend_ref, WEIR_PRECISION_F32, 0, 0 };
  WeirTensor *src = weir_arena_new_array (run->arena, WeirTensor, node->n_src + 1);
  WeirTensor *dst = weir_arena_new_array (run->arena, WeirTensor, node->n_dst + 1);
  bool *is_constant = weir_arena_new_array (run->arena, bool, node->n_src + 1);
  for (uint32_t i = 0; i < node->n_src; i++) {
    if (node->src[i] != WEIR_NONE)
      src[i] = run->values[node->src[i]];
    is_constant[i] = i > 0;
  }
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE)
      dst[i] = run->shapes->values[node->dst[i]];
  StepResult result = step_run (
      run->target, run->device, run->graph, node, src, is_constant, dst, run->arena, error);
  bool is_left = result == STEP_REFUSED;
  if (is_left)
    result =
        step_run (&reference, NULL, run->graph, node, src, is_constant, dst, run->arena, error);
  (is_left ? run->nodes->n_left : run->nodes->n_taken)[node->op]++;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE)
      run->values[node->dst[i]] = dst[i];
  return result == STEP_DONE;
}

static bool run_graph (Run *run, GError **error)
{
  WeirDeviceOptions options = { run->target->precision, 1 };
  const WeirBackend *backend = run->target->backend;
  run->device = backend->open (&options, error);
  bool is_done = run->device != NULL;
  if (is_done && backend->enter_thread)
    backend->enter_thread (run->device);
  for (uint32_t id = 0; is_done && id < run->graph->nodes->len; id++)
    is_done = run_node (run, weir_graph_node (run->graph, id), error);
  if (run->device)
    backend->close (run->device);
  return is_done;
}

/* The loader narrows f64 to f32: what only f64 can hold is infinite there. */
static bool narrow (WeirTensor *expected, WeirArena *arena, GError **error)
{
  WeirTensor wide = *expected;
  return wide.dtype != WEIR_DTYPE_F64 ||
         step_convert (&wide, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, expected, arena, error);
}

/* What is wrong, newly allocated; NULL where nothing is. */
static char *compare_outputs (const Run *run, const char *folder)
{
  g_autoptr (GError) error = NULL;
  for (guint k = 0;; k++) {
    g_autofree char *file = g_strdup_printf ("%s/test_data_set_0/output_%u.pb", folder, k);
    const char *name;
    WeirTensor expected;
    if (!g_file_test (file, G_FILE_TEST_EXISTS))
      return k ? NULL : g_strdup ("no output to compare with");
    if (!weir_onnx_load_tensor (file, run->arena, &name, &expected, &error) ||
        !narrow (&expected, run->arena, &error))
      return g_strdup (error->message);
    uint32_t id = find_value (run->graph, run->graph->outputs, name, k);
    if (id == WEIR_NONE)
      return g_strdup_printf ("output %u ('%s') is not in the graph", k, name);
    fix_bf16 (&expected, run->values[id].dtype);
    double rtol = expected.dtype == WEIR_DTYPE_BF16 ? BF16_RTOL : run->target->rtol;
    char *text = step_compare (&run->values[id], &expected, rtol, run->target->atol);
    if (text)
      return text;
  }
}

static char *run_model (
    const StepTarget *target, const char *folder, ConformanceNodes *nodes, GError **error)
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
  Run run = { target, NULL, graph, shapes, values, nodes, arena };
  return run_graph (&run, error) ? compare_outputs (&run, folder) : NULL;
}

Outcome conformance_run (
    const ConformanceCase *test, const StepTarget *target, ConformanceNodes *nodes, char **text)
{
  g_autoptr (GError) error = NULL;
  *text = run_model (target, test->folder, nodes, &error);
  if (!*text && !error)
    return OUTCOME_PASSED;
  if (*text)
    return OUTCOME_FAILED;
  char *reason = g_error_matches (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED)
                     ? conformance_reason (test->name, error->message)
                     : NULL;
  *text = reason ? reason : g_strdup (error->message);
  return reason ? OUTCOME_REFUSED : OUTCOME_FAILED;
}
