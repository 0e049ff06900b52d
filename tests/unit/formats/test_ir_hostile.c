/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loader of OpenVINO IR on text that is none, that is hostile, cut or changed at random. */
#include "tests/run_suite.h"
#include <string.h>

#include "engine/error.h"
#include "engine/formats/ir_private.h"
#include "tests/unit/formats/ir_builder.h"

static WeirGraph *load_xml (const char *xml, GHashTable *metadata, GError **error)
{
  const WeirIrBin bin = { .path = "net.bin" };
  return weir_ir_parse ("net.xml", xml, strlen (xml), &bin, metadata, error);
}

/* Text that is no model at all. */
static const struct {
  const char *xml, *says;
} bad_files[] = {
  { "", "is empty, expected OpenVINO IR" },
  { "\x08\x08", "is not XML, or truncated" },
  { "<html><body/></html>", "its root is <html>, expected <net>" },
  { "<net version=\"11\"><layers>", "is not XML, or truncated" },
  { "<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;\">]><net "
    "version=\"11\">&c;</net>",
      "is not XML, or truncated" },
  { "<net version=\"11\"><layers/><edges/></net>", "has no outputs" },
  { "<net version=\"11\"><layers><layer id=\"a\" type=\"Result\"/></layers></net>",
      "attribute 'id' of a <layer> is 'a', expected a number" },
  { "<net version=\"11\"><layers><layer id=\"1\"/></layers></net>", "no attribute 'type'" },
  { "<net version=\"11\"><layers><layer id=\"1\" type=\"A\"><output><port "
    "id=\"0\"><dim>x</dim></port>"
    "</output></layer></layers></net>",
      "a <dim> is 'x', expected a number" },
  { "<net version=\"11\"><layers><layer id=\"1\" "
    "type=\"A\"><output><port id=\"0\"/></output><input/></layer></layers></net>",
      "does not have one <input> and then one <output>" },
};

START_TEST (test_bad_file)
{
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (load_xml (bad_files[_i].xml, NULL, &error));
  ck_assert_int_eq (error->code, WEIR_ERROR_FORMAT);
  ck_assert_msg (strstr (error->message, bad_files[_i].says) != NULL, "%s", error->message);
}
END_TEST

/* 300,000 elements in one another, skipped or as metadata; a million layers and one more. */
START_TEST (test_bombs)
{
  static const struct {
    const char *before, *piece, *after, *says;
    int n;
  } rows[] = {
    { "<net version=\"11\">", "<a>", "", "is not XML, or truncated", 300000 },
    { "<net version=\"11\"><rt_info>", "<abcdefghij value=\"1\">", "", "is not XML", 300000 },
    { "<net version=\"11\"><layers>", "<layer id=\"1\" type=\"A\"/>", "</layers></net>",
        "more than 1000000 layers", 1000001 },
    { "<net version=\"11\"><layers><layer id=\"1\" type=\"A\"><input>", "<port id=\"1\"/>",
        "</input></layer></layers></net>", "more than 65535 ports", 70000 },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GString) text = g_string_new (rows[i].before);
    g_autoptr (GError) error = NULL;
    g_autoptr (GHashTable) metadata =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    for (int k = 0; k < rows[i].n; k++)
      g_string_append (text, rows[i].piece);
    g_string_append (text, rows[i].after);
    ck_assert_ptr_null (load_xml (text->str, metadata, &error));
    ck_assert_msg (strstr (error->message, rows[i].says) != NULL, "%s", error->message);
    ck_assert_uint_lt (g_hash_table_size (metadata), 20);
  }
}
END_TEST

/* A chain of 200,000 layers, the last one first: no recursion, no quadratic time. */
START_TEST (test_long_chain)
{
  enum { N = 200000 };
  g_autoptr (GString) text = g_string_new ("<net version=\"11\"><layers>");
  g_autoptr (GError) error = NULL;
  g_string_append_printf (text,
      "<layer id=\"%d\" name=\"r\" type=\"Result\"><input><port id=\"0\"/></input></layer>", N);
  for (int i = N - 1; i > 0; i--)
    g_string_append_printf (text,
        "<layer id=\"%d\" name=\"n\" type=\"ReLU\" version=\"opset1\"><input><port "
        "id=\"0\"/></input>"
        "<output><port id=\"1\"/></output></layer>",
        i);
  g_string_append (text,
      "<layer id=\"0\" name=\"x\" type=\"Parameter\" version=\"opset1\"><data "
      "element_type=\"f32\" shape=\"1,4\"/><output><port id=\"1\"/></output></layer>"
      "</layers><edges>");
  for (int i = 0; i < N; i++)
    g_string_append_printf (
        text, "<edge from-layer=\"%d\" from-port=\"1\" to-layer=\"%d\" to-port=\"0\"/>", i, i + 1);
  g_string_append (text, "</edges></net>");
  g_autoptr (WeirGraph) graph = load_xml (text->str, NULL, &error);
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  ck_assert_uint_eq (graph->nodes->len, N - 1);
}
END_TEST

static void load_bytes (const char *xml, size_t n_bytes, const IrBuilder *b)
{
  g_autoptr (GError) error = NULL;
  const WeirIrBin bin = { "bytes.bin", NULL, b->bin->data, b->bin->len };
  g_autoptr (WeirGraph) graph = weir_ir_parse ("bytes.xml", xml, n_bytes, &bin, NULL, &error);
  ck_assert ((graph != NULL) == (error == NULL));
  if (error) {
    ck_assert (error->domain == WEIR_ERROR && error->code != WEIR_ERROR_INTERNAL);
    ck_assert_msg (g_utf8_validate (error->message, -1, NULL), "%s", error->message);
  }
}

/* Numbers that no layer has: each is refused, or makes a graph; nothing overflows. */
static const struct {
  const char *type, *data, *dims, *lists, *outputs; /* lists: of i64, the inputs behind the first */
} odd_layers[] = {
  { "ConvolutionBackpropData-1", "", "1,1,1,1,1,1,1,1", "1 1,1,1,1,1,1", "f32:1" },
  { "ConvolutionBackpropData-1", "pads_begin='-9223372036854775808' pads_end='1'", "1,1,4",
      "1,1,1 -9223372036854775808", "f32:1" },
  { "MaxPool-1",
      "kernel='2' strides='1' pads_begin='9223372036854775807' pads_end='1' rounding_type='ceil'",
      "1,1,4", "", "f32:1" },
  { "VariadicSplit-1", "", "4,4",
      "0 -1,9223372036854775807,9223372036854775807,9223372036854775807",
      "f32:1 f32:1 f32:1 f32:1" },
  { "StridedSlice-1", "begin_mask='0' end_mask='0' shrink_axis_mask='1'", "4",
      "9223372036854775807 1", "f32:1" },
  { "LRN-1", "size='-9223372036854775808'", "1,2,4,4", "2", "f32:1" },
  { "Range-4", "output_type='i64'", "1", "1,2 1", "i64:1" },
};

START_TEST (test_odd_layer)
{
  g_autoptr (IrBuilder) b = ir_builder_new ();
  g_auto (GStrv) lists = g_strsplit (odd_layers[_i].lists, " ", -1);
  g_autoptr (GString) src = g_string_new (NULL);
  guint x = ir_builder_parameter (b, "x", "f32", odd_layers[_i].dims);
  g_string_append_printf (src, "%u", x);
  for (char **list = lists; *list; list++)
    g_string_append_printf (src, ",%u", ir_builder_ints (b, *list));
  guint layer = ir_builder_layer (
      b, odd_layers[_i].type, "odd", odd_layers[_i].data, src->str, odd_layers[_i].outputs);
  g_autofree char *name = g_strdup_printf ("%u", layer);
  ir_builder_result (b, name);
  g_autofree char *xml = ir_builder_xml (b);
  load_bytes (xml, strlen (xml), b);
}
END_TEST

START_TEST (test_truncated)
{
  g_autoptr (IrBuilder) b = ir_builder_small_net ();
  g_autofree char *xml = ir_builder_xml (b);
  for (size_t n = 0; n < strlen (xml); n++)
    load_bytes (xml, n, b);
}
END_TEST

START_TEST (test_flipped)
{
  g_autoptr (IrBuilder) b = ir_builder_small_net ();
  g_autofree char *xml = ir_builder_xml (b);
  size_t n_bytes = strlen (xml);
  g_autofree char *copy = g_malloc (n_bytes);
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  for (int i = 0; i < 3000; i++) {
    memcpy (copy, xml, n_bytes);
    for (int k = g_rand_int_range (random, 1, 4); k > 0; k--)
      copy[g_rand_int_range (random, 0, (gint32) n_bytes)] =
          "0123456789-\"<>,?a"[g_rand_int_range (random, 0, 17)];
    load_bytes (copy, n_bytes, b);
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ir_hostile");
  TCase *tcase = tcase_create ("ir_hostile");
  tcase_set_timeout (tcase, 60);
  tcase_add_loop_test (tcase, test_bad_file, 0, (int) G_N_ELEMENTS (bad_files));
  tcase_add_test (tcase, test_bombs);
  tcase_add_test (tcase, test_long_chain);
  tcase_add_loop_test (tcase, test_odd_layer, 0, G_N_ELEMENTS (odd_layers));
  tcase_add_test (tcase, test_truncated);
  tcase_add_test (tcase, test_flipped);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
