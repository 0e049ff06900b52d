/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* IR from a line of text: the form of ir_layers.txt. */
#include "tests/unit/formats/ir_builder.h"

#include <string.h>

#define MAX_ELEMENTS 65536

static bool count (const char *dims, size_t *n)
{
  g_auto (GStrv) parts = g_strsplit (dims, ",", -1);
  *n = 1;
  for (guint i = 0; parts[i]; i++) {
    guint64 dim = g_ascii_strtoull (parts[i], NULL, 10);
    if (dim > MAX_ELEMENTS || *n * dim > MAX_ELEMENTS)
      return false;
    *n *= (size_t) dim;
  }
  return true;
}

bool ir_builder_parse (const char *word, IrTensor *tensor)
{
  const char *bracket = strchr (word, '['), *end = strchr (word, ']');
  *tensor = (IrTensor){ .values = NULL };
  if (!bracket || !end || end < bracket || (size_t) (bracket - word) >= sizeof tensor->type ||
      (size_t) (end - bracket) > sizeof tensor->dims)
    return false;
  memcpy (tensor->type, word, (size_t) (bracket - word));
  memcpy (tensor->dims, bracket + 1, (size_t) (end - bracket - 1));
  if (!count (tensor->dims, &tensor->n))
    return false;
  g_auto (GStrv) values = g_strsplit (end[1] == '=' ? end + 2 : "", ",", -1);
  guint n_values = g_strv_length (values);
  tensor->values = g_new (double, tensor->n + 1);
  for (size_t i = 0; i < tensor->n; i++)
    tensor->values[i] = n_values ? g_ascii_strtod (values[MIN (i, n_values - 1)], NULL)
                                 : ((double) ((7 * i + 3) % 11) - 5) / 4;
  return true;
}

static void append_value (GByteArray *bytes, const char *type, double value)
{
  float real = (float) value;
  gint64 whole = value > -9e18 && value < 9e18 ? (gint64) value : 0;
  if (strcmp (type, "f32") == 0)
    g_byte_array_append (bytes, (const guint8 *) &real, sizeof real);
  else
    g_byte_array_append (bytes, (const guint8 *) &whole,
        strcmp (type, "i64") == 0   ? 8
        : strcmp (type, "i32") == 0 ? 4
                                    : 1);
}

static guint add_open (IrBuilder *b, const char *word, const char *dims)
{
  g_autoptr (GString) open = g_string_new ("?");
  for (const char *at = dims; *at; at++)
    if (*at == ',')
      g_string_append (open, ",?");
  return ir_builder_parameter (b, word, "f32", open->str);
}

/* The layer's number is appended to `src`. */
static bool add_input (IrBuilder *b, const char *word, bool opens, GString *src)
{
  IrTensor tensor;
  if (strcmp (word, "-") == 0)
    return true;
  if (!ir_builder_parse (word, &tensor))
    return false;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  for (size_t i = 0; i < tensor.n; i++)
    append_value (bytes, tensor.type, tensor.values[i]);
  g_free (tensor.values);
  bool is_open = opens && strcmp (tensor.type, "f32") == 0 && *tensor.dims;
  guint id = is_open ? add_open (b, word, tensor.dims)
                     : ir_builder_constant (
                           b, "input", tensor.type, tensor.dims, bytes->data, bytes->len, 8);
  g_string_append_printf (src, "%u", id);
  return true;
}

static bool add_output (const char *word, GString *outputs)
{
  IrTensor tensor;
  if (!ir_builder_parse (word, &tensor))
    return false;
  g_free (tensor.values);
  g_string_append_printf (outputs, "%s%s:%s", outputs->len ? " " : "", tensor.type, tensor.dims);
  return true;
}

bool ir_builder_add_line (IrBuilder *b, const char *line, bool opens)
{
  g_auto (GStrv) fields = g_strsplit (line, "; ", 4);
  if (g_strv_length (fields) != 4)
    return false;
  g_auto (GStrv) inputs = g_strsplit (fields[2], " ", -1);
  g_auto (GStrv) results = g_strsplit (fields[3], " ", -1);
  g_autoptr (GString) src = g_string_new (NULL), outputs = g_string_new (NULL);
  for (guint i = 0; inputs[i]; i++) {
    g_string_append (src, i ? "," : "");
    if (!add_input (b, inputs[i], opens, src))
      return false;
  }
  for (guint i = 0; results[i]; i++)
    if (!add_output (results[i], outputs))
      return false;
  guint layer = ir_builder_layer (b, fields[0], "y", fields[1], src->str, outputs->str);
  for (guint i = 0; results[i]; i++) {
    g_autofree char *port = g_strdup_printf ("%u.%u", layer, i);
    ir_builder_result (b, port);
  }
  return true;
}

IrBuilder *ir_builder_line (const char *line, bool opens)
{
  g_autoptr (IrBuilder) b = ir_builder_new ();
  return ir_builder_add_line (b, line, opens) ? g_steal_pointer (&b) : NULL;
}
