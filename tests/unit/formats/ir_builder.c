/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes IR as text. */
#include "tests/unit/formats/ir_builder.h"

#include "engine/base/half.h"

#include <string.h>

IrBuilder *ir_builder_new (void)
{
  IrBuilder *b = g_new0 (IrBuilder, 1);
  b->layers = g_string_new (NULL);
  b->edges = g_string_new (NULL);
  b->bin = g_byte_array_new ();
  b->ports = g_array_new (FALSE, FALSE, sizeof (guint));
  return b;
}

void ir_builder_free (IrBuilder *b)
{
  g_string_free (b->layers, TRUE);
  g_string_free (b->edges, TRUE);
  g_byte_array_unref (b->bin);
  g_array_unref (b->ports);
  g_free (b);
}

static const char *precision_of (const char *type)
{
  static const char *const names[][2] = { { "f32", "FP32" }, { "f16", "FP16" }, { "f64", "FP64" },
    { "i64", "I64" }, { "i32", "I32" }, { "u8", "U8" }, { "i8", "I8" }, { "boolean", "BOOL" } };
  for (size_t i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (names[i][0], type) == 0)
      return names[i][1];
  return "UNSPECIFIED";
}

static void add_port (IrBuilder *b, guint id, const char *type, const char *dims)
{
  g_auto (GStrv) parts = g_strsplit (dims, ",", -1);
  g_string_append_printf (b->layers, "<port id=\"%u\"", id);
  if (type)
    g_string_append_printf (b->layers, " precision=\"%s\"", precision_of (type));
  g_string_append (b->layers, ">");
  for (guint i = 0; parts[i] && *parts[i]; i++)
    g_string_append_printf (
        b->layers, "<dim>%s</dim>", strcmp (parts[i], "?") == 0 ? "-1" : parts[i]);
  g_string_append (b->layers, "</port>");
}

/* Opens the layer: <layer …><data …/>; its number. */
static guint begin (IrBuilder *b, const char *type, const char *name, const char *data)
{
  guint id = b->ports->len, none = 0;
  const char *dash = strchr (type, '-');
  g_array_append_val (b->ports, none);
  g_string_append_printf (b->layers,
      "<layer id=\"%u\" name=\"%s\" type=\"%.*s\" version=\"opset%s\">", id, name,
      dash ? (int) (dash - type) : (int) strlen (type), type, dash ? dash + 1 : "1");
  if (data && *data)
    g_string_append_printf (b->layers, "<data %s/>", data);
  return id;
}

static void add_outputs (IrBuilder *b, guint id, guint first, const char *outputs)
{
  g_auto (GStrv) words = g_strsplit (outputs, " ", -1);
  g_array_index (b->ports, guint, id) = first;
  g_string_append (b->layers, "<output>");
  for (guint i = 0; words[i]; i++) {
    g_auto (GStrv) pair = g_strsplit (words[i], ":", 2);
    add_port (b, first + i, pair[0], pair[1] ? pair[1] : "");
  }
  g_string_append (b->layers, "</output></layer>");
}

guint ir_builder_layer (IrBuilder *b, const char *type, const char *name, const char *data,
    const char *src, const char *outputs)
{
  guint id = begin (b, type, name, data), n = 0;
  g_auto (GStrv) words = g_strsplit (src, ",", -1);
  if (words[0])
    g_string_append (b->layers, "<input>");
  for (; words[n]; n++) {
    add_port (b, n, NULL, "");
    if (!*words[n])
      continue;
    char *dot;
    guint from = (guint) g_ascii_strtoull (words[n], &dot, 10);
    guint port = g_array_index (b->ports, guint, from) +
                 (*dot ? (guint) g_ascii_strtoull (dot + 1, NULL, 10) : 0);
    g_string_append_printf (b->edges,
        "<edge from-layer=\"%u\" from-port=\"%u\" to-layer=\"%u\" to-port=\"%u\"/>", from, port, id,
        n);
  }
  if (n)
    g_string_append (b->layers, "</input>");
  if (outputs)
    add_outputs (b, id, n, outputs);
  else
    g_string_append (b->layers, "</layer>");
  return id;
}

guint ir_builder_result (IrBuilder *b, const char *src)
{
  return ir_builder_layer (b, "Result", "result", NULL, src, NULL);
}

guint ir_builder_parameter (IrBuilder *b, const char *name, const char *type, const char *dims)
{
  g_autofree char *data = g_strdup_printf ("element_type=\"%s\" shape=\"%s\"", type, dims);
  g_autofree char *output = g_strdup_printf ("%s:%s", type, dims);
  return ir_builder_layer (b, "Parameter", name, data, "", output);
}

guint ir_builder_constant (IrBuilder *b, const char *name, const char *type, const char *dims,
    const void *bytes, size_t n_bytes, guint alignment)
{
  while (b->bin->len % alignment)
    g_byte_array_append (b->bin, (const guint8 *) "", 1);
  g_autofree char *data =
      g_strdup_printf ("element_type=\"%s\" shape=\"%s\" offset=\"%u\" size=\"%zu\"", type, dims,
          b->bin->len, n_bytes);
  g_autofree char *output = g_strdup_printf ("%s:%s", type, dims);
  g_byte_array_append (b->bin, bytes, (guint) n_bytes);
  return ir_builder_layer (b, "Const", name, data, "", output);
}

guint ir_builder_ints (IrBuilder *b, const char *values)
{
  g_auto (GStrv) parts = g_strsplit (values, ",", -1);
  guint n = *values ? g_strv_length (parts) : 0;
  g_autofree gint64 *numbers = g_new0 (gint64, n + 1);
  g_autofree char *dims = g_strdup_printf ("%u", n);
  for (guint i = 0; i < n; i++)
    numbers[i] = g_ascii_strtoll (parts[i], NULL, 10);
  return ir_builder_constant (b, "ints", "i64", dims, numbers, n * sizeof *numbers, 8);
}

guint ir_builder_floats (IrBuilder *b, const char *dims, const char *values)
{
  g_auto (GStrv) parts = g_strsplit (values, ",", -1);
  g_auto (GStrv) sizes = g_strsplit (dims, ",", -1);
  guint n = 1, n_given = g_strv_length (parts);
  for (guint i = 0; *dims && sizes[i]; i++)
    n *= (guint) g_ascii_strtoull (sizes[i], NULL, 10);
  g_autofree float *numbers = g_new0 (float, n + 1);
  for (guint i = 0; i < n; i++)
    numbers[i] = (float) g_ascii_strtod (parts[MIN (i, n_given - 1)], NULL);
  return ir_builder_constant (b, "floats", "f32", dims, numbers, n * sizeof *numbers, 4);
}

char *ir_builder_xml (const IrBuilder *b)
{
  return g_strdup_printf ("<?xml version=\"1.0\"?>\n<net name=\"net\" "
                          "%s><layers>%s</layers><edges>%s</edges>%s</net>\n",
      b->root ? b->root : "version=\"11\"", b->layers->str, b->edges->str, b->tail ? b->tail : "");
}

char *ir_builder_write (const IrBuilder *b, const char *folder)
{
  char *path = g_build_filename (folder, "net.xml", NULL);
  g_autofree char *bin = g_build_filename (folder, "net.bin", NULL);
  g_autofree char *xml = ir_builder_xml (b);
  g_assert (g_file_set_contents (path, xml, -1, NULL));
  g_assert (g_file_set_contents (bin, (const char *) b->bin->data, (gssize) b->bin->len, NULL));
  return path;
}

IrBuilder *ir_builder_small_net (void)
{
  IrBuilder *b = ir_builder_new ();
  uint16_t halves[54];
  for (int i = 0; i < 54; i++)
    halves[i] = weir_f32_to_f16 ((float) i);
  guint x = ir_builder_parameter (b, "image", "f32", "1,2,4,4");                  /* 0 */
  ir_builder_constant (b, "weights", "f16", "3,2,3,3", halves, sizeof halves, 2); /* 1 */
  ir_builder_layer (b, "Convert", "widened", "destination_type=\"f32\"", "1", "f32:3,2,3,3");
  ir_builder_layer (b, "Convolution", "conv",
      "strides=\"2,2\" pads_begin=\"1,1\" pads_end=\"1,1\" dilations=\"1,1\"", "0,2",
      "f32:1,3,2,2");
  ir_builder_floats (b, "3", "0.25,0.5,0.75"); /* 4 */
  ir_builder_layer (b, "PReLU", "prelu", NULL, "3,4", "f32:1,3,2,2");
  ir_builder_ints (b, "1,12"); /* 6 */
  ir_builder_layer (b, "Reshape", "flat", "special_zero=\"true\"", "5,6", "f32:1,12");
  ir_builder_floats (b, "5,12", "0.5"); /* 8 */
  ir_builder_layer (
      b, "MatMul", "scores", "transpose_a=\"false\" transpose_b=\"true\"", "7,8", "f32:1,5");
  ir_builder_result (b, "9");
  (void) x;
  return b;
}
