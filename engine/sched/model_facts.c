/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be said of a model: names and shapes at n = 1, arithmetic, and all of it as JSON. */
#include "engine/graph/cost.h"
#include "engine/graph/shape.h"
#include "engine/plan/backend.h"
#include "engine/post/traits.h"
#include "engine/sched/model_types.h"

#include <json-glib/json-glib.h>

void weir_model_count (WeirModel *model, const WeirTensor *shapes)
{
  double macs = 0;
  for (uint32_t i = 0; i < model->graph->nodes->len; i++) {
    const WeirNode *node = weir_graph_node (model->graph, i);
    if (node->n_src && node->src[0] != WEIR_NONE && node->n_dst && node->dst[0] != WEIR_NONE)
      macs += weir_node_macs (node,
          (const WeirTensor[]){ shapes[node->src[0]], node->n_src > 1 && node->src[1] != WEIR_NONE
                                                          ? shapes[node->src[1]]
                                                          : (WeirTensor){ 0 } },
          &shapes[node->dst[0]]);
  }
  model->gflop = macs * 2e-9;
}

static void describe (WeirModel *model, const GArray *ids, const WeirShapes *shapes,
    const char *const **names_out, const WeirTensor **tensors_out)
{
  const char **names = weir_arena_new_array (model->arena, const char *, ids->len + 1);
  WeirTensor *tensors = weir_arena_new_array (model->arena, WeirTensor, ids->len + 1);
  for (uint32_t k = 0; k < ids->len; k++) {
    uint32_t id = g_array_index (ids, uint32_t, k);
    names[k] = weir_graph_value (model->graph, id)->name;
    tensors[k] = shapes->values[id];
    tensors[k].buffer = NULL;
  }
  *names_out = names;
  *tensors_out = tensors;
}

bool weir_model_describe_io (WeirModel *model, GError **error)
{
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (model->graph, 1, weir_ref_evaluate, error);
  if (!shapes)
    return false;
  if (model->graph->outputs->len > WEIR_MAX_OUTPUTS ||
      model->graph->inputs->len > WEIR_MAX_OUTPUTS) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
        "%s: has %u inputs and %u outputs, at most %d of each are supported", model->path,
        model->graph->inputs->len, model->graph->outputs->len, WEIR_MAX_OUTPUTS);
    return false;
  }
  describe (model, model->graph->inputs, shapes, &model->facts.input_names, &model->facts.inputs);
  describe (
      model, model->graph->outputs, shapes, &model->facts.output_names, &model->facts.outputs);
  uint32_t *traits = weir_arena_new_array (model->arena, uint32_t, model->graph->outputs->len);
  for (uint32_t k = 0; k < model->graph->outputs->len; k++)
    traits[k] = weir_output_traits (model->graph, k) |
                (shapes->is_dynamic[g_array_index (model->graph->outputs, uint32_t, k)]
                        ? WEIR_OUTPUT_DYNAMIC
                        : 0u);
  weir_output_anchors (model->graph, model->metadata);
  model->facts.output_traits = traits;
  model->facts.n_inputs = model->graph->inputs->len;
  model->facts.n_outputs = model->graph->outputs->len;
  model->facts.metadata = model->metadata;
  model->facts.labels = (const char *const *) model->labels;
  model->facts.n_labels = model->n_labels;
  model->facts.proc = model->proc;
  weir_model_count (model, shapes->values);
  return true;
}

/* `batch_axis` -1: the tensor has no batch. */
static void write_tensor (
    JsonBuilder *json, const char *name, const WeirTensor *tensor, int64_t batch_axis)
{
  json_builder_set_member_name (json, "name");
  json_builder_add_string_value (json, name);
  json_builder_set_member_name (json, "dtype");
  json_builder_add_string_value (json, weir_dtype_name (tensor->dtype));
  json_builder_set_member_name (json, "shape");
  json_builder_begin_array (json);
  for (uint32_t i = 0; i < tensor->rank; i++) {
    if (i == batch_axis)
      json_builder_add_string_value (json, "n");
    else
      json_builder_add_int_value (json, tensor->dims[i]);
  }
  json_builder_end_array (json);
}

static void write_inputs (JsonBuilder *json, const WeirModel *model)
{
  json_builder_set_member_name (json, "inputs");
  json_builder_begin_array (json);
  for (uint32_t k = 0; k < model->facts.n_inputs; k++) {
    int64_t axis = model->batch_limit_reason ? -1 : (int64_t) weir_model_input_axis (model, k);
    json_builder_begin_object (json);
    write_tensor (json, model->facts.input_names[k], &model->facts.inputs[k], axis);
    json_builder_set_member_name (json, "fill");
    json_builder_add_string_value (json, model->fills[k].text);
    json_builder_end_object (json);
  }
  json_builder_end_array (json);
}

static void write_outputs (JsonBuilder *json, const WeirModel *model)
{
  json_builder_set_member_name (json, "outputs");
  json_builder_begin_array (json);
  for (uint32_t k = 0; k < model->facts.n_outputs; k++) {
    json_builder_begin_object (json);
    write_tensor (json, model->facts.output_names[k], &model->facts.outputs[k],
        model->batch_limit_reason ? -1 : 0);
    if (model->facts.output_traits[k] & WEIR_OUTPUT_DYNAMIC) {
      json_builder_set_member_name (json, "dynamic");
      json_builder_add_boolean_value (json, TRUE);
    }
    json_builder_end_object (json);
  }
  json_builder_end_array (json);
}

static void write_operators (JsonBuilder *json, const WeirModel *model)
{
  g_autoptr (GList) names =
      g_list_sort (g_hash_table_get_keys (model->operators), (GCompareFunc) g_strcmp0);
  json_builder_set_member_name (json, "operators");
  json_builder_begin_object (json);
  for (GList *l = names; l; l = l->next) {
    json_builder_set_member_name (json, l->data);
    json_builder_add_int_value (
        json, GPOINTER_TO_UINT (g_hash_table_lookup (model->operators, l->data)));
  }
  json_builder_end_object (json);
}

static void write_numbers (JsonBuilder *json, const char *member, const float *values, uint32_t n)
{
  json_builder_set_member_name (json, member);
  json_builder_begin_array (json);
  for (uint32_t i = 0; i < n; i++)
    json_builder_add_double_value (json, (double) values[i]);
  json_builder_end_array (json);
}

static void write_preprocessing (JsonBuilder *json, const WeirInputSpec *input)
{
  static const char *const colors[] = { "rgb", "bgr", "gray" };
  static const char *const resizes[] = { "stretch", "letterbox-top-left", "letterbox-centre",
    "crop" };
  json_builder_set_member_name (json, "preprocessing");
  json_builder_begin_object (json);
  json_builder_set_member_name (json, "width");
  json_builder_add_int_value (json, input->width_px);
  json_builder_set_member_name (json, "height");
  json_builder_add_int_value (json, input->height_px);
  json_builder_set_member_name (json, "color");
  json_builder_add_string_value (json, colors[input->color]);
  json_builder_set_member_name (json, "resize");
  json_builder_add_string_value (json, resizes[input->resize]);
  write_numbers (json, "mean", input->mean, input->n_channels);
  write_numbers (json, "scale", input->scale, input->n_channels);
  json_builder_set_member_name (json, "pad");
  json_builder_add_int_value (json, input->pad);
  json_builder_end_object (json);
}

static void write_members (JsonBuilder *json, const WeirModel *model)
{
  bool batches = !model->batch_limit_reason;
  json_builder_set_member_name (json, "file");
  json_builder_add_string_value (json, model->path);
  json_builder_set_member_name (json, "name");
  json_builder_add_string_value (json, model->name);
  write_inputs (json, model);
  write_outputs (json, model);
  write_operators (json, model);
  json_builder_set_member_name (json, "gflop");
  json_builder_add_double_value (json, model->gflop);
  json_builder_set_member_name (json, "parameters");
  json_builder_add_int_value (json, (gint64) model->n_parameters);
  json_builder_set_member_name (json, "labels");
  json_builder_begin_object (json);
  json_builder_set_member_name (json, "count");
  json_builder_add_int_value (json, model->n_labels);
  json_builder_set_member_name (json, "first");
  json_builder_add_string_value (json, model->n_labels ? model->labels[0] : NULL);
  json_builder_end_object (json);
  json_builder_set_member_name (json, "decoder");
  json_builder_begin_object (json);
  json_builder_set_member_name (json, "name");
  json_builder_add_string_value (json, model->decoder->name);
  json_builder_set_member_name (json, "why");
  json_builder_add_string_value (json, model->decoder_why);
  json_builder_end_object (json);
  json_builder_set_member_name (json, "batchable");
  json_builder_add_boolean_value (json, batches);
  json_builder_set_member_name (json, "batch_limit_reason");
  json_builder_add_string_value (json, model->batch_limit_reason);
  if (model->has_picture)
    write_preprocessing (json, &model->input);
}

char *weir_model_inspect (const WeirModel *model)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  json_builder_begin_object (json);
  write_members (json, model);
  json_builder_end_object (json);
  g_autoptr (JsonNode) root = json_builder_get_root (json);
  return json_to_string (root, TRUE);
}
