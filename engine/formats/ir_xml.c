/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The XML of an OpenVINO IR file as layers, ports, edges and metadata.
 *
 * GMarkup knows no entities but the five of XML itself and keeps its stack on the heap, so neither
 * entity bombs nor deep nesting harm. Which element may stand in which is one table; all others are
 * skipped with what is in them. */
#include "engine/formats/ir_private.h"

#include <string.h>

#define MAX_LAYERS         1000000u
#define MAX_PORTS          65535u /* of one layer, each way */
#define MAX_METADATA_DEPTH 16u
#define MAX_METADATA_KEY   256u
#define MAX_DIM_TEXT       40u
#define MIN_VERSION        10
#define MAX_VERSION        11

typedef enum Context {
  OUTSIDE,
  NET,
  LAYERS,
  LAYER,
  DATA,
  INPUT,
  OUTPUT,
  PORT,
  DIM,
  EDGES,
  EDGE,
  RT_INFO,
  META_DATA,
  ENTRY, /* anything in the last two */
} Context;

typedef struct Reader {
  const char *path;
  WeirIrDocument *document;
  GHashTable *metadata;
  GArray *stack;      /* Context, of the elements that are not skipped */
  uint32_t n_skipped; /* depth of the elements that are */
  bool has_root, is_input;
  GString *dim;     /* text of the <dim> at hand */
  GString *key;     /* "rt_info.a.b" */
  GArray *key_ends; /* guint, length of the key at each level */
} Reader;

static const struct {
  Context parent;
  const char *name;
  Context context;
} elements[] = {
  { OUTSIDE, "net", NET },
  { NET, "layers", LAYERS },
  { NET, "edges", EDGES },
  { NET, "rt_info", RT_INFO },
  { NET, "meta_data", META_DATA },
  { LAYERS, "layer", LAYER },
  { LAYER, "data", DATA },
  { LAYER, "input", INPUT },
  { LAYER, "output", OUTPUT },
  { INPUT, "port", PORT },
  { OUTPUT, "port", PORT },
  { PORT, "dim", DIM },
  { EDGES, "edge", EDGE },
};

static bool read_error (const Reader *reader, int code, GError **error, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

static bool read_error (const Reader *reader, int code, GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, WEIR_ERROR, code, "%s: %s", reader->path, text);
  return false;
}

static const char *find_attribute (const char **names, const char **values, const char *name)
{
  for (size_t i = 0; names[i]; i++)
    if (strcmp (names[i], name) == 0)
      return values[i];
  return NULL;
}

static const char *keep (const Reader *reader, const char *text)
{
  return text ? g_string_chunk_insert (reader->document->strings, text) : NULL;
}

static bool read_number (const Reader *reader, const char *element, const char **names,
    const char **values, const char *name, int64_t *number, GError **error)
{
  const char *text = find_attribute (names, values, name);
  gint64 value;
  if (!text || !g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &value, NULL))
    return read_error (reader, WEIR_ERROR_FORMAT, error,
        "attribute '%s' of a <%s> is '%s', expected a number", name, element, text ? text : "");
  *number = value;
  return true;
}

static bool start_net (Reader *reader, const char **names, const char **values, GError **error)
{
  int64_t version;
  if (!read_number (reader, "net", names, values, "version", &version, error))
    return false;
  if (version >= MIN_VERSION && version <= MAX_VERSION)
    return true;
  if (version > MAX_VERSION || version < 1)
    return read_error (reader, WEIR_ERROR_UNSUPPORTED, error,
        "is OpenVINO IR of version %" G_GINT64_FORMAT ", supported are %d and %d", version,
        MIN_VERSION, MAX_VERSION);
  return read_error (reader, WEIR_ERROR_UNSUPPORTED, error,
      "is OpenVINO IR of version %" G_GINT64_FORMAT
      ", supported are %d and %d: convert the original model again with 'ovc' (or 'mo') of a "
      "current OpenVINO",
      version, MIN_VERSION, MAX_VERSION);
}

static bool start_layer (Reader *reader, const char **names, const char **values, GError **error)
{
  WeirIrDocument *document = reader->document;
  WeirIrLayer layer = {
    .name = keep (reader, find_attribute (names, values, "name")),
    .type = keep (reader, find_attribute (names, values, "type")),
    .version = keep (reader, find_attribute (names, values, "version")),
    .first_text = document->texts->len,
    .first_src = document->ports->len,
    .first_dst = document->ports->len,
  };
  guint64 opset = 0;
  if (document->layers->len == MAX_LAYERS)
    return read_error (reader, WEIR_ERROR_UNSUPPORTED, error,
        "has more than %u layers, which is the limit", MAX_LAYERS);
  if (!read_number (reader, "layer", names, values, "id", &layer.id, error))
    return false;
  if (!layer.type)
    return read_error (reader, WEIR_ERROR_FORMAT, error,
        "layer %" G_GINT64_FORMAT " has no attribute 'type'", layer.id);
  if (layer.version && g_str_has_prefix (layer.version, "opset"))
    g_ascii_string_to_unsigned (layer.version + 5, 10, 1, 1000, &opset, NULL);
  layer.opset = (uint32_t) opset;
  layer.version = layer.version ? layer.version : "no version";
  layer.name = layer.name ? layer.name : layer.type;
  g_array_append_val (document->layers, layer);
  return true;
}

static WeirIrLayer *last_layer (const Reader *reader)
{
  return weir_ir_layer (reader->document, reader->document->layers->len - 1);
}

static bool start_data (Reader *reader, const char **names, const char **values, GError **error)
{
  for (size_t i = 0; names[i]; i++) {
    WeirIrText text = { keep (reader, names[i]), keep (reader, values[i]) };
    g_array_append_val (reader->document->texts, text);
    last_layer (reader)->n_texts++;
  }
  return true;
}

/* All inputs come before all outputs: the ports of a layer lie together, in two runs. */
static bool start_ports (Reader *reader, bool is_input, GError **error)
{
  WeirIrLayer *layer = last_layer (reader);
  reader->is_input = is_input;
  if (layer->n_dst || (is_input && layer->n_src))
    return read_error (reader, WEIR_ERROR_FORMAT, error,
        "layer '%s' does not have one <input> and then one <output>", layer->name);
  layer->first_dst = reader->document->ports->len;
  return true;
}

static bool start_port (Reader *reader, const char **names, const char **values, GError **error)
{
  WeirIrLayer *layer = last_layer (reader);
  uint32_t *n = reader->is_input ? &layer->n_src : &layer->n_dst;
  WeirIrPort port = {
    .precision = keep (reader, find_attribute (names, values, "precision")),
    .names = keep (reader, find_attribute (names, values, "names")),
    .src_layer = WEIR_NONE,
    .src_port = WEIR_NONE,
    .value = WEIR_NONE,
  };
  if (!read_number (reader, "port", names, values, "id", &port.id, error))
    return false;
  if (++*n > MAX_PORTS)
    return read_error (reader, WEIR_ERROR_FORMAT, error,
        "layer '%s' has more than %u ports, which is the limit", layer->name, MAX_PORTS);
  g_array_append_val (reader->document->ports, port);
  return true;
}

static bool start_edge (Reader *reader, const char **names, const char **values, GError **error)
{
  WeirIrEdge edge;
  if (!read_number (reader, "edge", names, values, "from-layer", &edge.from_layer, error) ||
      !read_number (reader, "edge", names, values, "from-port", &edge.from_port, error) ||
      !read_number (reader, "edge", names, values, "to-layer", &edge.to_layer, error) ||
      !read_number (reader, "edge", names, values, "to-port", &edge.to_port, error))
    return false;
  g_array_append_val (reader->document->edges, edge);
  return true;
}

static void push_key (Reader *reader, const char *name)
{
  guint length = (guint) reader->key->len;
  g_array_append_val (reader->key_ends, length);
  g_string_append_printf (reader->key, "%s%s", length ? "." : "", name);
}

static void pop_key (Reader *reader)
{
  guint length = g_array_index (reader->key_ends, guint, reader->key_ends->len - 1);
  g_string_truncate (reader->key, length);
  g_array_set_size (reader->key_ends, reader->key_ends->len - 1);
}

/* <rt_info><model_info><labels value="a b"/>: model_info.labels; else the whole path. */
static bool start_entry (
    Reader *reader, const char *element, const char **names, const char **values, GError **error)
{
  const char *value = find_attribute (names, values, "value");
  push_key (reader, element);
  const char *key = reader->key->str;
  if (g_str_has_prefix (key, "rt_info.model_info."))
    key += strlen ("rt_info.");
  if (reader->metadata && value)
    g_hash_table_replace (reader->metadata, g_strdup (key), g_strdup (value));
  return true;
}

static Context top (const Reader *reader)
{
  return reader->stack->len ? g_array_index (reader->stack, Context, reader->stack->len - 1)
                            : OUTSIDE;
}

/* OUTSIDE: the element is skipped. */
static Context find_context (const Reader *reader, const char *name)
{
  Context parent = top (reader);
  if (parent == RT_INFO || parent == META_DATA || parent == ENTRY)
    return reader->stack->len < MAX_METADATA_DEPTH &&
                   reader->key->len + strlen (name) < MAX_METADATA_KEY
               ? ENTRY
               : OUTSIDE;
  for (size_t i = 0; i < G_N_ELEMENTS (elements); i++)
    if (elements[i].parent == parent && strcmp (elements[i].name, name) == 0)
      return elements[i].context;
  return OUTSIDE;
}

static bool enter (Reader *reader, Context context, const char *element, const char **names,
    const char **values, GError **error)
{
  switch (context) {
  case NET:
    return start_net (reader, names, values, error);
  case LAYER:
    return start_layer (reader, names, values, error);
  case DATA:
    return start_data (reader, names, values, error);
  case INPUT:
  case OUTPUT:
    return start_ports (reader, context == INPUT, error);
  case PORT:
    return start_port (reader, names, values, error);
  case EDGE:
    return start_edge (reader, names, values, error);
  case ENTRY:
    return start_entry (reader, element, names, values, error);
  case RT_INFO:
  case META_DATA:
    push_key (reader, element);
    return true;
  case DIM:
    g_string_truncate (reader->dim, 0);
    return true;
  default:
    return true;
  }
}

static void start_element (GMarkupParseContext *markup, const char *element, const char **names,
    const char **values, gpointer user, GError **error)
{
  Reader *reader = user;
  Context context = reader->n_skipped ? OUTSIDE : find_context (reader, element);
  if (!reader->has_root && context != NET) {
    read_error (reader, WEIR_ERROR_FORMAT, error,
        "is not OpenVINO IR: its root is <%s>, expected <net>", element);
    return;
  }
  reader->has_root = true;
  if (context == OUTSIDE) {
    reader->n_skipped++;
    return;
  }
  if (enter (reader, context, element, names, values, error))
    g_array_append_val (reader->stack, context);
}

static bool end_dim (Reader *reader, GError **error)
{
  WeirIrPort *port = weir_ir_port (reader->document, reader->document->ports->len - 1);
  int64_t dim;
  if (!weir_ir_parse_dim (reader->dim->str, &dim))
    return read_error (reader, WEIR_ERROR_FORMAT, error,
        "layer '%s': a <dim> is '%s', expected a number", last_layer (reader)->name,
        reader->dim->str);
  if (port->rank < WEIR_MAX_RANK)
    port->dims[port->rank] = dim;
  port->rank++;
  return true;
}

static void end_element (
    GMarkupParseContext *markup, const char *element, gpointer user, GError **error)
{
  Reader *reader = user;
  if (reader->n_skipped) {
    reader->n_skipped--;
    return;
  }
  Context context = top (reader);
  g_array_set_size (reader->stack, reader->stack->len - 1);
  if (context == DIM)
    end_dim (reader, error);
  else if (context == ENTRY || context == RT_INFO || context == META_DATA)
    pop_key (reader);
}

static void add_text (
    GMarkupParseContext *markup, const char *text, gsize length, gpointer user, GError **error)
{
  Reader *reader = user;
  if (!reader->n_skipped && top (reader) == DIM && reader->dim->len < MAX_DIM_TEXT)
    g_string_append_len (reader->dim, text, (gssize) MIN (length, MAX_DIM_TEXT));
}

static const GMarkupParser parser = {
  .start_element = start_element,
  .end_element = end_element,
  .text = add_text,
};

/* GMarkup's own errors become ours; they quote the file, so they are cut. */
static bool parse (Reader *reader, const char *xml, size_t n_bytes, GError **error)
{
  g_autoptr (GMarkupParseContext) markup =
      g_markup_parse_context_new (&parser, (GMarkupParseFlags) 0, reader, NULL);
  g_autoptr (GError) cause = NULL;
  if (n_bytes >= 3 && memcmp (xml, "\xef\xbb\xbf", 3) == 0) {
    xml += 3;
    n_bytes -= 3;
  }
  if (!n_bytes || n_bytes > G_MAXSSIZE)
    return read_error (
        reader, WEIR_ERROR_FORMAT, error, "is empty, expected OpenVINO IR (an .xml file)");
  if (g_markup_parse_context_parse (markup, xml, (gssize) n_bytes, &cause) &&
      g_markup_parse_context_end_parse (markup, &cause))
    return true;
  if (cause->domain == WEIR_ERROR) {
    g_propagate_error (error, g_steal_pointer (&cause));
    return false;
  }
  g_autofree char *valid = g_utf8_make_valid (cause->message, -1);
  g_autofree char *text = g_utf8_substring (valid, 0, MIN (g_utf8_strlen (valid, -1), 200));
  return read_error (reader, WEIR_ERROR_FORMAT, error, "is not XML, or truncated: %s", text);
}

static WeirIrDocument *document_new (void)
{
  WeirIrDocument *document = g_new0 (WeirIrDocument, 1);
  document->strings = g_string_chunk_new (4096);
  document->layers = g_array_new (FALSE, FALSE, sizeof (WeirIrLayer));
  document->ports = g_array_new (FALSE, FALSE, sizeof (WeirIrPort));
  document->texts = g_array_new (FALSE, FALSE, sizeof (WeirIrText));
  document->edges = g_array_new (FALSE, FALSE, sizeof (WeirIrEdge));
  return document;
}

void weir_ir_document_free (WeirIrDocument *document)
{
  g_string_chunk_free (document->strings);
  g_array_unref (document->layers);
  g_array_unref (document->ports);
  g_array_unref (document->texts);
  g_array_unref (document->edges);
  g_free (document);
}

WeirIrDocument *weir_ir_read (
    const char *path, const char *xml, size_t n_bytes, GHashTable *metadata, GError **error)
{
  g_autoptr (WeirIrDocument) document = document_new ();
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (Context));
  g_autoptr (GArray) key_ends = g_array_new (FALSE, FALSE, sizeof (guint));
  Reader reader = {
    .path = path,
    .document = document,
    .metadata = metadata,
    .stack = stack,
    .dim = g_string_new (NULL),
    .key = g_string_new (NULL),
    .key_ends = key_ends,
  };
  bool ok = parse (&reader, xml, n_bytes, error) && weir_ir_connect (path, document, error);
  g_string_free (reader.dim, TRUE);
  g_string_free (reader.key, TRUE);
  return ok ? g_steal_pointer (&document) : NULL;
}
