/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small JSON files that keep S(n):
 *
 *   {"schema": "weir-service/1", "model": …, "shapes": …, "device": …, "precision": …,
 *    "library": …, "threads": 1, "service_ns": [[n, mean, runs], …], "sha256": …}
 *
 * The name is a hash of the key, which is also inside: whoever copies or renames a file gains
 * nothing. `sha256` covers key and times, so that what a disk or an editor has changed is noticed
 * where it still is JSON. */
#include "engine/sched/service_cache.h"

#include "engine/formats/json_text.h"
#include "engine/base/cache_file.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA "weir-service/1"
/* Of a cache file: WEIR_MAX_BATCH sizes take less. */
#define MAX_BYTES (128u << 10)
/* Of a model's file that is hashed at either end. */
#define HASHED_BYTES (1u << 20)

static bool hash_file (GChecksum *checksum, const char *path)
{
  size_t n_bytes;
  int fd = weir_cache_file_open (path, &n_bytes);
  if (fd < 0)
    return false;
  g_autofree char *bytes = g_malloc (HASHED_BYTES);
  g_autofree char *size = g_strdup_printf ("%zu bytes\n", n_bytes);
  g_checksum_update (checksum, (const guchar *) size, -1);
  size_t n_first = weir_cache_file_read (fd, bytes, HASHED_BYTES, 0);
  g_checksum_update (checksum, (const guchar *) bytes, (gssize) n_first);
  size_t last = MAX (n_first, n_bytes - MIN (n_bytes, HASHED_BYTES));
  size_t n_last = weir_cache_file_read (fd, bytes, HASHED_BYTES, last);
  g_checksum_update (checksum, (const guchar *) bytes, (gssize) n_last);
  close (fd);
  return true;
}

char *weir_service_cache_model (const char *path)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  if (!hash_file (checksum, path))
    return NULL;
  if (g_str_has_suffix (path, ".xml")) {
    g_autofree char *stem = g_strndup (path, strlen (path) - strlen (".xml"));
    g_autofree char *weights = g_strconcat (stem, ".bin", NULL);
    hash_file (checksum, weights);
  }
  return g_strdup (g_checksum_get_string (checksum));
}

char *weir_service_cache_folder (const char *asked)
{
  const char *folder = asked ? asked : g_getenv ("WEIR_CACHE_DIR");
  if (!folder)
    return g_build_filename (g_get_user_cache_dir (), "weir", NULL);
  return *folder ? g_strdup (folder) : NULL;
}

typedef struct KeyField {
  const char *name;
  size_t offset; /* of a text in WeirServiceKey */
} KeyField;

static const KeyField key_fields[] = {
  { "model", offsetof (WeirServiceKey, model) },
  { "shapes", offsetof (WeirServiceKey, shapes) },
  { "device", offsetof (WeirServiceKey, device) },
  { "precision", offsetof (WeirServiceKey, precision) },
  { "library", offsetof (WeirServiceKey, library) },
};

static const char *key_text (const WeirServiceKey *key, const KeyField *field)
{
  return *(const char *const *) ((const char *) key + field->offset);
}

static GString *describe_key (const WeirServiceKey *key)
{
  GString *text = g_string_new (SCHEMA "\n");
  for (uint32_t i = 0; i < G_N_ELEMENTS (key_fields); i++)
    g_string_append_printf (text, "%s\n", key_text (key, &key_fields[i]));
  g_string_append_printf (text, "%u\n", key->n_threads);
  return text;
}

static char *hash_text (GString *text)
{
  char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text->str, (gssize) text->len);
  g_string_free (text, TRUE);
  return hash;
}

/* As it is written: whole, and 1 at least. */
static gint64 mean_of (const WeirService *service, uint32_t n)
{
  return (gint64) MAX (service->mean_ns[n], 1);
}

/* What "sha256" must be. Newly allocated. */
static char *hash_content (const WeirServiceKey *key, const WeirService *service)
{
  GString *text = describe_key (key);
  for (uint32_t i = 0; i < service->n_sizes; i++) {
    uint32_t n = service->sizes[i];
    g_string_append_printf (
        text, "%u %" G_GINT64_FORMAT " %u\n", n, mean_of (service, n), service->n_runs[n]);
  }
  return hash_text (text);
}

static char *make_path (const char *folder, const WeirServiceKey *key)
{
  g_autofree char *hash = hash_text (describe_key (key));
  g_autofree char *name = g_strdup_printf ("service-%.32s.json", hash);
  return g_build_filename (folder, name, NULL);
}

/* NULL where the text is missing or no text. */
static const char *text_member (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  bool is_text =
      node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING;
  return is_text ? json_node_get_string (node) : NULL;
}

static bool is_integer (JsonNode *node, gint64 min, gint64 max)
{
  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64 &&
         json_node_get_int (node) >= min && json_node_get_int (node) <= max;
}

static bool is_of_key (JsonObject *object, const WeirServiceKey *key)
{
  bool is_same =
      g_strcmp0 (text_member (object, "schema"), SCHEMA) == 0 &&
      is_integer (json_object_get_member (object, "threads"), key->n_threads, key->n_threads);
  for (uint32_t i = 0; i < G_N_ELEMENTS (key_fields); i++)
    is_same &=
        g_strcmp0 (text_member (object, key_fields[i].name), key_text (key, &key_fields[i])) == 0;
  return is_same;
}

/* [n, mean, runs] */
static bool read_size (JsonNode *node, WeirService *service)
{
  static const gint64 max[] = { WEIR_MAX_BATCH, WEIR_SERVICE_MAX_NS, G_MAXUINT32 };
  gint64 values[G_N_ELEMENTS (max)];
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return false;
  JsonArray *array = json_node_get_array (node);
  if (json_array_get_length (array) != G_N_ELEMENTS (max))
    return false;
  for (guint i = 0; i < G_N_ELEMENTS (max); i++) {
    JsonNode *value = json_array_get_element (array, i);
    if (!is_integer (value, 1, max[i]))
      return false;
    values[i] = json_node_get_int (value);
  }
  if (service->n_runs[values[0]])
    return false;
  weir_service_set (service, (uint32_t) values[0], (double) values[1], (uint32_t) values[2]);
  return true;
}

/* NULL, or what is wrong. */
static const char *read_content (JsonNode *root, const WeirServiceKey *key, WeirService *service)
{
  if (!root || !JSON_NODE_HOLDS_OBJECT (root))
    return "is no JSON object";
  JsonObject *object = json_node_get_object (root);
  JsonNode *sizes = json_object_get_member (object, "service_ns");
  if (!is_of_key (object, key))
    return "is of another schema, model, device or version";
  if (!sizes || !JSON_NODE_HOLDS_ARRAY (sizes))
    return "has no list service_ns";
  JsonArray *array = json_node_get_array (sizes);
  for (guint i = 0; i < json_array_get_length (array); i++)
    if (!read_size (json_array_get_element (array, i), service))
      return "has times that cannot be: expected are [n, nanoseconds, runs]";
  g_autofree char *hash = hash_content (key, service);
  if (g_strcmp0 (text_member (object, "sha256"), hash) != 0)
    return "has been changed: its sha256 is another";
  return service->n_sizes ? NULL : "has no times";
}

/* The parser owns the nodes. */
static JsonParser *parse_file (int fd, size_t n_bytes, GError **error)
{
  if (n_bytes > MAX_BYTES) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT, "is larger than %u KB", MAX_BYTES >> 10);
    return NULL;
  }
  g_autofree char *bytes = g_malloc (MAX_BYTES);
  return weir_json_parse ("content", bytes, weir_cache_file_read (fd, bytes, n_bytes, 0), error);
}

bool weir_service_cache_read (const char *folder, const WeirServiceKey *key, WeirService *service)
{
  g_autofree char *path = make_path (folder, key);
  g_autofree WeirService *read = g_new0 (WeirService, 1);
  g_autoptr (GError) error = NULL;
  size_t n_bytes;
  int fd = weir_cache_file_open (path, &n_bytes);
  if (fd < 0) {
    if (errno != ENOENT && errno != ENOTDIR)
      g_warning ("%s: is ignored: cannot be read: %s", path, g_strerror (errno));
    return false;
  }
  g_autoptr (JsonParser) parser = parse_file (fd, n_bytes, &error);
  close (fd);
  const char *problem =
      parser ? read_content (json_parser_get_root (parser), key, read) : error->message;
  if (problem)
    g_warning ("%s: is ignored: %s", path, problem);
  else
    *service = *read;
  return !problem;
}

static void add_text (JsonBuilder *json, const char *name, const char *text)
{
  json_builder_set_member_name (json, name);
  json_builder_add_string_value (json, text);
}

static void add_sizes (JsonBuilder *json, const WeirService *service)
{
  json_builder_set_member_name (json, "service_ns");
  json_builder_begin_array (json);
  for (uint32_t i = 0; i < service->n_sizes; i++) {
    uint32_t n = service->sizes[i];
    json_builder_begin_array (json);
    json_builder_add_int_value (json, n);
    json_builder_add_int_value (json, mean_of (service, n));
    json_builder_add_int_value (json, service->n_runs[n]);
    json_builder_end_array (json);
  }
  json_builder_end_array (json);
}

/* Newly allocated. */
static char *make_content (const WeirServiceKey *key, const WeirService *service)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autofree char *hash = hash_content (key, service);
  json_builder_begin_object (json);
  add_text (json, "schema", SCHEMA);
  for (uint32_t i = 0; i < G_N_ELEMENTS (key_fields); i++)
    add_text (json, key_fields[i].name, key_text (key, &key_fields[i]));
  json_builder_set_member_name (json, "threads");
  json_builder_add_int_value (json, key->n_threads);
  add_sizes (json, service);
  add_text (json, "sha256", hash);
  json_builder_end_object (json);
  g_autoptr (JsonNode) root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}

void weir_service_cache_write (
    const char *folder, const WeirServiceKey *key, const WeirService *service)
{
  static gint has_warned;
  g_autofree char *path = make_path (folder, key);
  g_autofree char *content = make_content (key, service);
  g_autoptr (GError) error = NULL;
  if (service->n_sizes == 0)
    return;
  /* A folder that cannot be made is told by the file that cannot be written. */
  g_mkdir_with_parents (folder, 0700);
  if (!g_file_set_contents_full (path, content, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error) &&
      g_atomic_int_compare_and_exchange (&has_warned, 0, 1))
    g_warning ("measured times are not kept: %s", error->message);
}
