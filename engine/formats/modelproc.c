/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Model-proc files of DL Streamer, schema 2.x: the version, the array of output_postproc, and the
 * way to input_preproc (modelproc_input.c). Members that decoders share are rows of a table; the
 * others are kept as text. */
#include "engine/formats/modelproc_private.h"

#include "engine/base/file.h"
#include "engine/error.h"

#include <math.h>
#include <string.h>

#define MAX_ENTRIES        256
#define MAX_TEXT_PRECISION 17

typedef struct Entry {
  const char *path;
  guint index;
  WeirProcOutput *output;
} Entry;

bool weir_modelproc_refuse (const char *path, const char *where, guint index, int code,
    GError **error, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, WEIR_ERROR, code, "%s: %s[%u]: %s", path, where, index, text);
  return false;
}

static bool refuse_member (
    const Entry *entry, const char *name, JsonNode *node, const char *expected, GError **error)
{
  g_autofree char *text = weir_json_text (node);
  g_autofree char *clipped = weir_clipped_text (text);
  return weir_modelproc_refuse (entry->path, "output_postproc", entry->index, WEIR_ERROR_FORMAT,
      error, "%s is '%s', %s", name, clipped, expected);
}

/* An array of strings and numbers, or one string; false where it is something else. */
static bool read_strings (JsonNode *node, char ***strings)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  guint n = array ? json_array_get_length (array) : 1;
  for (guint i = 0; i < n; i++) {
    JsonNode *element = array ? json_array_get_element (array, i) : node;
    if (!JSON_NODE_HOLDS_VALUE (element))
      return false;
    g_ptr_array_add (list, weir_json_text (element));
  }
  g_ptr_array_add (list, NULL);
  g_strfreev (*strings);
  *strings = (char **) g_ptr_array_free (g_steal_pointer (&list), FALSE);
  return true;
}

static bool read_layers (const Entry *entry, const char *name, JsonNode *node, GError **error)
{
  if (!read_strings (node, &entry->output->layer_names))
    return refuse_member (
        entry, name, node, "a name or an array of names of outputs is expected", error);
  if (!entry->output->layer_names[0])
    g_clear_pointer (&entry->output->layer_names, g_strfreev);
  return true;
}

/* A file beside the model-proc file, or as the path stands; else "a,b,c". */
static char **load_labels (const char *path, const char *text, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *beside = g_build_filename (folder, text, NULL);
  bool is_beside = !g_path_is_absolute (text) && g_file_test (beside, G_FILE_TEST_IS_REGULAR);
  return weir_labels_load (is_beside ? beside : text, error);
}

static bool read_labels (const Entry *entry, const char *name, JsonNode *node, GError **error)
{
  WeirProcOutput *output = entry->output;
  if (JSON_NODE_HOLDS_ARRAY (node)) {
    if (!read_strings (node, &output->labels))
      return refuse_member (entry, name, node, "an array of strings is expected", error);
  } else {
    g_autofree char *text = weir_json_text (node);
    GError *cause = NULL;
    g_strfreev (output->labels);
    output->labels = load_labels (entry->path, text, &cause);
    if (!output->labels) {
      g_autofree char *clipped = weir_clipped_text (cause->message);
      weir_modelproc_refuse (entry->path, "output_postproc", entry->index, cause->code, error,
          "%s: %s", name, clipped);
      g_error_free (cause);
      return false;
    }
  }
  output->n_labels = g_strv_length (output->labels);
  if (!output->n_labels)
    g_clear_pointer (&output->labels, g_strfreev);
  return true;
}

/* Schema 2.0 wrote converters after what they make of a tensor. */
static bool read_converter (const Entry *entry, const char *name, JsonNode *node, GError **error)
{
  static const char *const old_names[][2] = {
    { "tensor_to_label", "label" },
    { "tensor_to_text", "text" },
    { "tensor_to_bbox_ssd", "detection_output" },
    { "tensor_to_bbox_atss", "boxes_labels" },
    { "tensor_to_bbox_yolo_v2", "yolo_v2" },
    { "tensor_to_bbox_yolo_v3", "yolo_v3" },
  };
  g_autofree char *text = weir_json_text (node);
  const char *converter = text;
  for (size_t i = 0; i < G_N_ELEMENTS (old_names); i++)
    if (strcmp (text, old_names[i][0]) == 0)
      converter = old_names[i][1];
  g_free (entry->output->converter);
  entry->output->converter = *converter ? g_strdup (converter) : NULL;
  return true;
}

static void replace_text (char **field, JsonNode *node)
{
  g_autofree char *text = weir_json_text (node);
  g_free (*field);
  *field = *text ? g_steal_pointer (&text) : NULL;
}

static bool read_attribute (const Entry *entry, const char *name, JsonNode *node, GError **error)
{
  replace_text (&entry->output->attribute_name, node);
  return true;
}

static bool read_method (const Entry *entry, const char *name, JsonNode *node, GError **error)
{
  replace_text (&entry->output->method, node);
  return true;
}

static bool read_threshold (const Entry *entry, const char *name, JsonNode *node, GError **error)
{
  return weir_json_number (node, &entry->output->threshold) ||
         refuse_member (entry, name, node, "a number is expected", error);
}

static bool read_scale (const Entry *entry, const char *name, JsonNode *node, GError **error)
{
  return weir_json_number (node, &entry->output->text_scale) ||
         refuse_member (entry, name, node, "a number is expected", error);
}

static bool read_precision (const Entry *entry, const char *name, JsonNode *node, GError **error)
{
  double value;
  if (!weir_json_number (node, &value) || value < 0 || value > MAX_TEXT_PRECISION)
    return refuse_member (entry, name, node, "a number from 0 to 17 is expected", error);
  entry->output->text_precision = (int32_t) value;
  return true;
}

static const struct {
  const char *name;
  bool (*read) (const Entry *entry, const char *name, JsonNode *node, GError **error);
} members[] = {
  { "layer_name", read_layers },
  { "layer_names", read_layers },
  { "converter", read_converter },
  { "attribute_name", read_attribute },
  { "method", read_method },
  { "labels", read_labels },
  { "labels_file", read_labels },
  { "threshold", read_threshold },
  { "tensor_to_text_scale", read_scale },
  { "text_scale", read_scale },
  { "tensor_to_text_precision", read_precision },
  { "text_precision", read_precision },
};

static bool read_member (const Entry *entry, const char *name, JsonNode *node, GError **error)
{
  for (size_t i = 0; i < G_N_ELEMENTS (members); i++)
    if (strcmp (name, members[i].name) == 0)
      return JSON_NODE_HOLDS_NULL (node) || members[i].read (entry, name, node, error);
  g_hash_table_replace (entry->output->members, g_strdup (name), weir_json_text (node));
  return true;
}

static bool read_entry (const Entry *entry, JsonNode *node, GError **error)
{
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return weir_modelproc_refuse (entry->path, "output_postproc", entry->index, WEIR_ERROR_FORMAT,
        error, "an object is expected");
  WeirProcOutput *output = entry->output;
  output->threshold = NAN;
  output->text_scale = 1;
  output->text_precision = -1;
  output->members = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  JsonObject *object = json_node_get_object (node);
  g_autoptr (GList) names = json_object_get_members (object);
  for (GList *l = names; l; l = l->next)
    if (!read_member (entry, l->data, json_object_get_member (object, l->data), error))
      return false;
  return true;
}

static WeirProc *read_outputs (const char *path, JsonArray *entries, GError **error)
{
  g_autoptr (WeirProc) proc = g_new0 (WeirProc, 1);
  guint n = entries ? json_array_get_length (entries) : 0;
  if (n > MAX_ENTRIES) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT,
        "%s: output_postproc has %u entries, at most %d are expected", path, n, MAX_ENTRIES);
    return NULL;
  }
  proc->outputs = g_new0 (WeirProcOutput, n + 1);
  for (; proc->n_outputs < n;) {
    Entry entry = { path, proc->n_outputs, &proc->outputs[proc->n_outputs] };
    proc->n_outputs++;
    if (!read_entry (&entry, json_array_get_element (entries, entry.index), error))
      return NULL;
  }
  return g_steal_pointer (&proc);
}

static bool check_version (const char *path, JsonObject *root, GError **error)
{
  g_autofree char *text = weir_json_text (json_object_get_member (root, "json_schema_version"));
  g_autofree char *clipped = weir_clipped_text (text);
  if (g_str_has_prefix (text, "2.") || strcmp (text, "2") == 0)
    return true;
  if (!*text)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT,
        "%s: has no json_schema_version, a model-proc file of schema 2.x is expected", path);
  else
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED,
        "%s: json_schema_version is '%s', 2.0.0 to 2.2.0 can be read: write the file anew with "
        "input_preproc and output_postproc of schema 2.2.0",
        path, clipped);
  return false;
}

/* *array NULL where there is no such member. */
static bool find_array (
    const char *path, JsonObject *root, const char *name, JsonArray **array, GError **error)
{
  JsonNode *node = json_object_get_member (root, name);
  *array = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  if (!node || *array || JSON_NODE_HOLDS_NULL (node))
    return true;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT, "%s: %s is no array of objects", path, name);
  return false;
}

WeirProc *weir_modelproc_parse (
    const char *path, const void *bytes, size_t n_bytes, GHashTable *metadata, GError **error)
{
  g_autoptr (JsonParser) parser = weir_json_parse (path, bytes, n_bytes, error);
  JsonNode *root = parser ? json_parser_get_root (parser) : NULL;
  JsonArray *inputs = NULL, *outputs = NULL;
  if (!parser)
    return NULL;
  if (!root || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT,
        "%s: a JSON object with json_schema_version is expected", path);
    return NULL;
  }
  JsonObject *object = json_node_get_object (root);
  if (!check_version (path, object, error) ||
      !find_array (path, object, "input_preproc", &inputs, error) ||
      !find_array (path, object, "output_postproc", &outputs, error))
    return NULL;
  g_autoptr (WeirProc) proc = read_outputs (path, outputs, error);
  if (!proc || (inputs && !weir_modelproc_read_inputs (path, inputs, metadata, error)))
    return NULL;
  return g_steal_pointer (&proc);
}

WeirProc *weir_modelproc_load (const char *path, GHashTable *metadata, GError **error)
{
  g_autoptr (WeirFile) file = weir_file_map (path, error);
  return file ? weir_modelproc_parse (path, file->bytes, file->n_bytes, metadata, error) : NULL;
}
