/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds ModelProto messages in an arena. */
#include "tests/unit/formats/onnx_builder.h"

#include <glib/gstdio.h>
#include <stdbool.h>
#include <string.h>

#define NEW(builder, type) new_message ((builder)->arena, &onnx__##type##__descriptor)

static void *new_message (WeirArena *arena, const ProtobufCMessageDescriptor *descriptor)
{
  void *message = weir_arena_alloc (arena, descriptor->sizeof_message);
  protobuf_c_message_init (descriptor, message);
  return message;
}

/* Appends to a repeated field: `list` is its pointer, `n` its count. */
static void append (OnnxBuilder *builder, void *list, size_t *n, const void *item)
{
  void **old, **grown = weir_arena_new_array (builder->arena, void *, *n + 1);
  memcpy (&old, list, sizeof old);
  if (*n)
    memcpy (grown, old, *n * sizeof *grown);
  grown[(*n)++] = (void *) item;
  memcpy (list, &grown, sizeof grown);
}

OnnxBuilder *onnx_builder_new (int64_t opset)
{
  WeirArena *arena = weir_arena_new ();
  OnnxBuilder *builder = weir_arena_new_array (arena, OnnxBuilder, 1);
  builder->arena = arena;
  builder->model = NEW (builder, model_proto);
  builder->graph = NEW (builder, graph_proto);
  builder->model->graph = builder->graph;
  builder->model->has_ir_version = true;
  builder->model->ir_version = 8;
  Onnx__OperatorSetIdProto *set = NEW (builder, operator_set_id_proto);
  set->has_version = true;
  set->version = opset;
  append (builder, &builder->model->opset_import, &builder->model->n_opset_import, set);
  return builder;
}

void onnx_builder_free (OnnxBuilder *builder)
{
  weir_arena_free (builder->arena);
}

static int64_t *parse_ints (OnnxBuilder *builder, const char *text, size_t *n)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);
  *n = g_strv_length (parts);
  int64_t *values = weir_arena_new_array (builder->arena, int64_t, *n);
  for (size_t i = 0; i < *n; i++)
    values[i] = g_ascii_strtoll (parts[i], NULL, 10);
  return values;
}

static Onnx__ValueInfoProto *make_info (
    OnnxBuilder *builder, const char *name, int32_t type, const char *dims)
{
  Onnx__ValueInfoProto *info = NEW (builder, value_info_proto);
  Onnx__TypeProto__Tensor *tensor = NEW (builder, type_proto__tensor);
  info->name = weir_arena_strdup (builder->arena, name);
  info->type = NEW (builder, type_proto);
  info->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  info->type->tensor_type = tensor;
  tensor->has_elem_type = true;
  tensor->elem_type = type;
  if (!dims)
    return info;
  tensor->shape = NEW (builder, tensor_shape_proto);
  g_auto (GStrv) parts = g_strsplit (dims, ",", -1);
  for (guint i = 0; parts[i]; i++) {
    Onnx__TensorShapeProto__Dimension *dim = NEW (builder, tensor_shape_proto__dimension);
    gint64 value;
    if (g_ascii_string_to_signed (parts[i], 10, G_MININT64, G_MAXINT64, &value, NULL)) {
      dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
      dim->dim_value = value;
    } else {
      dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
      dim->dim_param = weir_arena_strdup (builder->arena, parts[i]);
    }
    append (builder, &tensor->shape->dim, &tensor->shape->n_dim, dim);
  }
  return info;
}

void onnx_builder_input (OnnxBuilder *builder, const char *name, int32_t type, const char *dims)
{
  append (builder, &builder->graph->input, &builder->graph->n_input,
      make_info (builder, name, type, dims));
}

void onnx_builder_output (OnnxBuilder *builder, const char *name)
{
  append (builder, &builder->graph->output, &builder->graph->n_output,
      make_info (builder, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, NULL));
}

Onnx__TensorProto *onnx_builder_constant (OnnxBuilder *builder, const char *name, int32_t type,
    const char *dims, const void *raw, size_t n_bytes)
{
  Onnx__TensorProto *tensor = NEW (builder, tensor_proto);
  tensor->name = weir_arena_strdup (builder->arena, name);
  tensor->has_data_type = true;
  tensor->data_type = type;
  if (*dims)
    tensor->dims = parse_ints (builder, dims, &tensor->n_dims);
  if (raw) {
    tensor->has_raw_data = true;
    tensor->raw_data.len = n_bytes;
    tensor->raw_data.data = weir_arena_memdup (builder->arena, raw, n_bytes);
  }
  append (builder, &builder->graph->initializer, &builder->graph->n_initializer, tensor);
  return tensor;
}

void onnx_builder_ints (OnnxBuilder *builder, const char *name, const char *values)
{
  size_t n;
  const int64_t *ints = parse_ints (builder, values, &n);
  g_autofree char *dims = g_strdup_printf ("%" G_GSIZE_FORMAT, n);
  onnx_builder_constant (
      builder, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, dims, ints, n * sizeof *ints);
}

void onnx_builder_ramp (OnnxBuilder *builder, const char *name, const char *dims)
{
  size_t n_dims, n = 1;
  const int64_t *sizes = parse_ints (builder, dims, &n_dims);
  for (size_t i = 0; i < n_dims; i++)
    n *= (size_t) sizes[i];
  g_autofree float *values = g_new (float, n);
  for (size_t i = 0; i < n; i++)
    values[i] = (float) i;
  onnx_builder_constant (
      builder, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, dims, values, n * sizeof *values);
}

static char **split_names (OnnxBuilder *builder, const char *text, size_t *n)
{
  char **names = NULL;
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);
  for (guint i = 0; *text && parts[i]; i++)
    append (builder, &names, n, weir_arena_strdup (builder->arena, parts[i]));
  return names;
}

Onnx__AttributeProto *onnx_builder_attr (
    OnnxBuilder *builder, Onnx__NodeProto *node, const char *name, int type)
{
  Onnx__AttributeProto *attr = NEW (builder, attribute_proto);
  attr->name = weir_arena_strdup (builder->arena, name);
  attr->has_type = true;
  attr->type = (Onnx__AttributeProto__AttributeType) type;
  append (builder, &node->attribute, &node->n_attribute, attr);
  return attr;
}

static void add_attr (
    OnnxBuilder *builder, Onnx__NodeProto *node, const char *name, const char *value)
{
  if (*value != '\'' && strchr (value, ',')) {
    Onnx__AttributeProto *ints =
        onnx_builder_attr (builder, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    ints->ints = parse_ints (builder, value, &ints->n_ints);
  } else if (*value == '\'') {
    Onnx__AttributeProto *text =
        onnx_builder_attr (builder, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    text->has_s = true;
    text->s.len = strlen (value) - 2;
    text->s.data = weir_arena_memdup (builder->arena, value + 1, text->s.len);
  } else if (strchr (value, '.')) {
    Onnx__AttributeProto *real =
        onnx_builder_attr (builder, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    real->has_f = true;
    real->f = (float) g_ascii_strtod (value, NULL);
  } else {
    Onnx__AttributeProto *number =
        onnx_builder_attr (builder, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    number->has_i = true;
    number->i = g_ascii_strtoll (value, NULL, 10);
  }
}

Onnx__NodeProto *onnx_builder_node (
    OnnxBuilder *builder, const char *op, const char *src, const char *dst, const char *attrs)
{
  Onnx__NodeProto *node = NEW (builder, node_proto);
  node->op_type = weir_arena_strdup (builder->arena, op);
  g_autofree char *name = g_strconcat ("make_", dst, NULL);
  node->name = weir_arena_strdup (builder->arena, name);
  node->input = split_names (builder, src, &node->n_input);
  node->output = split_names (builder, dst, &node->n_output);
  g_auto (GStrv) parts = g_strsplit (attrs ? attrs : "", " ", -1);
  for (guint i = 0; parts[i]; i++) {
    char *value = strchr (parts[i], '=');
    if (!value)
      continue;
    *value++ = '\0';
    add_attr (builder, node, parts[i], value);
  }
  append (builder, &builder->graph->node, &builder->graph->n_node, node);
  return node;
}

void onnx_builder_metadata (OnnxBuilder *builder, const char *key, const char *value)
{
  Onnx__StringStringEntryProto *entry = NEW (builder, string_string_entry_proto);
  entry->key = weir_arena_strdup (builder->arena, key);
  entry->value = weir_arena_strdup (builder->arena, value);
  append (builder, &builder->model->metadata_props, &builder->model->n_metadata_props, entry);
}

GBytes *onnx_builder_pack (const OnnxBuilder *builder)
{
  size_t n_bytes = onnx__model_proto__get_packed_size (builder->model);
  uint8_t *bytes = g_malloc (n_bytes);
  onnx__model_proto__pack (builder->model, bytes);
  return g_bytes_new_take (bytes, n_bytes);
}

char *onnx_builder_folder (void)
{
  char *folder = g_dir_make_tmp ("weir-XXXXXX", NULL);
  g_assert_nonnull (folder);
  return folder;
}

void onnx_builder_remove (char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_remove (path);
  }
  g_rmdir (folder);
  g_free (folder);
}

char *onnx_builder_write (const OnnxBuilder *builder, const char *folder, const char *name)
{
  g_autoptr (GBytes) bytes = onnx_builder_pack (builder);
  char *path = g_build_filename (folder, name, NULL);
  gsize n_bytes;
  const void *data = g_bytes_get_data (bytes, &n_bytes);
  g_assert_true (g_file_set_contents (path, data, (gssize) n_bytes, NULL));
  return path;
}

OnnxBuilder *onnx_builder_small_net (void)
{
  OnnxBuilder *builder = onnx_builder_new (13);
  onnx_builder_input (builder, "image", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, "1,2,4,4");
  onnx_builder_ramp (builder, "weights", "3,2,3,3");
  onnx_builder_ramp (builder, "bias", "3");
  onnx_builder_ints (builder, "flat", "1,48");
  onnx_builder_ramp (builder, "matrix", "48,5");
  onnx_builder_node (
      builder, "Conv", "image,weights,bias", "conv", "kernel_shape=3,3 pads=1,1,1,1 group=1");
  onnx_builder_node (builder, "LeakyRelu", "conv", "relu", "alpha=0.25");
  onnx_builder_node (builder, "Reshape", "relu,flat", "row", NULL);
  onnx_builder_node (builder, "MatMul", "row,matrix", "scores", NULL);
  onnx_builder_output (builder, "scores");
  return builder;
}
