/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirModel: load, run the graph passes, choose labels, decoder and preprocessing. */
#include "engine/model.h"

#include "engine/formats/formats.h"
#include "engine/graph/known.h"
#include "engine/graph/passes.h"
#include "engine/plan/backend.h"
#include "engine/sched/model_types.h"

#include <string.h>

/* A folder stands for the one model file in it. */
static char *find_model_file (const char *path, GError **error)
{
  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    return g_strdup (path);
  g_autoptr (GDir) dir = g_dir_open (path, 0, error);
  g_autofree char *found = NULL;
  const char *name;
  uint32_t n = 0;
  while (dir && (name = g_dir_read_name (dir))) {
    if (!g_str_has_suffix (name, ".onnx") && !g_str_has_suffix (name, ".xml"))
      continue;
    g_free (found);
    found = g_build_filename (path, name, NULL);
    n++;
  }
  if (n == 1)
    return g_steal_pointer (&found);
  if (dir)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND,
        "%s: holds %u model files, exactly one .onnx or .xml is expected", path, n);
  return NULL;
}

static void count_operators (WeirModel *model)
{
  for (uint32_t i = 0; i < model->graph->nodes->len; i++) {
    const char *name = weir_op_info (weir_graph_node (model->graph, i)->op)->name;
    guint n = GPOINTER_TO_UINT (g_hash_table_lookup (model->operators, name));
    g_hash_table_insert (model->operators, (gpointer) name, GUINT_TO_POINTER (n + 1));
  }
  for (uint32_t i = 0; i < model->graph->values->len; i++) {
    const WeirValue *value = weir_graph_value (model->graph, i);
    int64_t n;
    if (value->is_constant && value->tensor.dtype != WEIR_DTYPE_I64 &&
        weir_tensor_n_elements (&value->tensor, &n))
      model->n_parameters += (uint64_t) n;
  }
}

/* The passes that look at weights before they are folded. */
static bool batch_and_quantise (WeirModel *model, GError **error)
{
  g_autoptr (WeirKnown) known = weir_known_new ();
  model->graph->known = known;
  bool ok = weir_batch_rewrite (model->graph, weir_ref_evaluate, &model->batch_limit_reason,
                &model->needs_proof, error) &&
            weir_model_quantise (model, error);
  model->graph->known = NULL;
  if (model->quantised)
    model->quantised->known = NULL;
  return ok;
}

/* The graph passes, in the order of passes.h. */
static bool prepare_graph (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  WeirGraph *graph = model->graph;
  if (!weir_graph_sort (graph, error))
    return false;
  weir_graph_prune (graph);
  count_operators (model);
  if (graph->inputs->len == 0 || graph->outputs->len == 0) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT,
        "%s: has %u inputs and %u outputs, at least one of each is expected", model->path,
        graph->inputs->len, graph->outputs->len);
    return false;
  }
  if (!weir_model_pin (model, options, error))
    return false;
  if (!weir_fold_but_quantisers (graph, weir_ref_evaluate, error) ||
      !batch_and_quantise (model, error) || !weir_fold (graph, weir_ref_evaluate, error) ||
      !weir_quantise_floats (graph, weir_ref_evaluate, error) ||
      !weir_fuse (graph, weir_ref_evaluate, error))
    return false;
  weir_graph_prune (graph);
  weir_graph_forget_constants (graph, model->quantised);
  if (model->quantised)
    weir_graph_forget_constants (model->quantised, NULL);
  return weir_graph_sort (graph, error);
}

/* What is said of the model beside its graph. */
static bool read_descriptions (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  if (options->model_proc && *options->model_proc) {
    model->proc = weir_modelproc_load (options->model_proc, model->metadata, error);
    if (!model->proc)
      return false;
  }
  weir_metadata_translate (model->path, model->metadata);
  return true;
}

/* Of `model->graph`, as its file has it. */
static bool understand (WeirModel *model, const WeirModelOptions *options, GError **error)
{
  return read_descriptions (model, options, error) && prepare_graph (model, options, error) &&
         weir_model_choose_labels (model, options, error) &&
         weir_model_describe_io (model, error) && weir_model_set_input (model, options, error) &&
         weir_model_choose_decoder (model, options, error);
}

/* Takes the path. */
static WeirModel *model_new (char *path)
{
  WeirModel *model = g_new0 (WeirModel, 1);
  model->ref_count = 1;
  model->path = path;
  model->name = g_path_get_basename (model->path);
  char *dot = strrchr (model->name, '.');
  if (dot && dot != model->name)
    *dot = '\0';
  model->arena = weir_arena_new ();
  model->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  model->operators = g_hash_table_new (g_str_hash, g_str_equal);
  return model;
}

WeirModel *weir_model_load (const char *path, const WeirModelOptions *options, GError **error)
{
  static const WeirModelOptions no_options = { 0 };
  char *file = find_model_file (path, error);
  if (!file)
    return NULL;
  g_autoptr (WeirModel) model = model_new (file);
  bool is_ir = g_str_has_suffix (model->path, ".xml");
  model->graph = is_ir ? weir_ir_load (model->path, model->metadata, error)
                       : weir_onnx_load (model->path, model->metadata, error);
  return model->graph && understand (model, options ? options : &no_options, error)
             ? g_steal_pointer (&model)
             : NULL;
}

/* y = max (x, 0): the least that batches. */
static WeirGraph *make_stub_graph (void)
{
  WeirGraph *graph = weir_graph_new ("stub");
  uint32_t x = weir_graph_add_value (graph, "x"), y = weir_graph_add_value (graph, "y");
  weir_graph_value (graph, x)->tensor =
      (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { -1, 1 } };
  WeirNode node = {
    .op = WEIR_OP_RELU, .opset = 14, .name = "stub", .n_src = 1, .n_dst = 1, .src = &x, .dst = &y
  };
  weir_graph_add_node (graph, &node);
  g_array_append_val (graph->inputs, x);
  g_array_append_val (graph->outputs, y);
  return graph;
}

WeirModel *weir_model_new_stub (const WeirModelOptions *options, GError **error)
{
  g_autoptr (WeirModel) model = model_new (g_strdup ("stub"));
  model->graph = make_stub_graph ();
  return understand (model, options, error) ? g_steal_pointer (&model) : NULL;
}

WeirModel *weir_model_ref (WeirModel *model)
{
  g_atomic_int_inc (&model->ref_count);
  return model;
}

void weir_model_unref (WeirModel *model)
{
  if (!model || !g_atomic_int_dec_and_test (&model->ref_count))
    return;
  if (model->decoder && model->decoder->release && model->decoder_state)
    model->decoder->release (model->decoder_state);
  weir_graph_free (model->quantised);
  weir_graph_free (model->graph);
  weir_proc_free (model->proc);
  g_hash_table_unref (model->metadata);
  g_hash_table_unref (model->operators);
  g_strfreev (model->labels);
  weir_arena_free (model->arena);
  g_free (model->path);
  g_free (model->name);
  g_free (model);
}

const char *weir_model_path (const WeirModel *model)
{
  return model->path;
}

const char *weir_model_name (const WeirModel *model)
{
  return model->name;
}

uint32_t weir_model_n_inputs (const WeirModel *model)
{
  return model->facts.n_inputs;
}

uint32_t weir_model_n_outputs (const WeirModel *model)
{
  return model->facts.n_outputs;
}

const char *weir_model_input (const WeirModel *model, uint32_t k, WeirTensor *shape)
{
  if (k >= model->facts.n_inputs)
    return NULL;
  *shape = model->facts.inputs[k];
  return model->facts.input_names[k];
}

const char *weir_model_input_fill (const WeirModel *model, uint32_t k)
{
  return k < model->facts.n_inputs ? model->fills[k].text : NULL;
}

uint32_t weir_model_input_axis (const WeirModel *model, uint32_t k)
{
  if (k >= model->facts.n_inputs || !model->graph->has_batch)
    return 0;
  return weir_graph_value (model->graph, g_array_index (model->graph->inputs, uint32_t, k))
      ->batch_axis;
}

const char *weir_model_output (const WeirModel *model, uint32_t k, WeirTensor *shape)
{
  if (k >= model->facts.n_outputs)
    return NULL;
  *shape = model->facts.outputs[k];
  return model->facts.output_names[k];
}

const char *const *weir_model_labels (const WeirModel *model, uint32_t *n_labels)
{
  *n_labels = model->n_labels;
  return (const char *const *) model->labels;
}

const char *weir_model_batch_limit_reason (const WeirModel *model)
{
  return model->batch_limit_reason;
}

const char *weir_model_decoder (const WeirModel *model, const char **why)
{
  if (why)
    *why = model->decoder_why;
  return model->decoder->name;
}

bool weir_model_check_picture (const WeirModel *model, GError **error)
{
  if (model->picture_problem)
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_SHAPE, "%s: %s", model->path, model->picture_problem);
  return !model->picture_problem;
}

bool weir_model_is_detector (const WeirModel *model)
{
  return model->decoder->is_detector;
}
