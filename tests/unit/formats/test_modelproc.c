/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Model-proc files: what they say of outputs and of inputs, and what is refused in a sentence. */
#include "engine/error.h"
#include "engine/formats/modelproc_private.h"
#include "tests/run_suite.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define HEAD "{\"json_schema_version\": \"2.2.0\", "

static GHashTable *metadata;

static void make_metadata (void)
{
  metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

static void free_metadata (void)
{
  g_clear_pointer (&metadata, g_hash_table_unref);
}

static WeirProc *parse (const char *text, GError **error)
{
  return weir_modelproc_parse ("proc.json", text, strlen (text), metadata, error);
}

static WeirProc *parse_well (const char *text)
{
  g_autoptr (GError) error = NULL;
  WeirProc *proc = parse (text, &error);
  ck_assert_msg (proc != NULL, "%s", error ? error->message : "");
  return proc;
}

static void parse_metadata (const char *text)
{
  weir_proc_free (parse_well (text));
}

START_TEST (test_heads)
{
  g_autoptr (WeirProc) proc = parse_well (
      "{\"json_schema_version\": \"2.0.0\", \"input_preproc\": [], \"output_postproc\": ["
      " {\"layer_name\": \"age_conv3\", \"converter\": \"tensor_to_text\", \"attribute_name\": "
      "  \"age\", \"tensor_to_text_scale\": 100.0, \"tensor_to_text_precision\": 0},"
      " {\"layer_names\": [\"a\", \"b\"], \"converter\": \"label\", \"method\": \"max\","
      "  \"labels\": [\"Female\", \"M\\u00e4nnlich\", 3], \"threshold\": \"0.25\"},"
      " {\"converter\": \"yolo_v3\", \"anchors\": [10.0, 13, 1.08], \"classes\": 80,"
      "  \"do_cls_softmax\": true, \"masks\": [[6, 7], [0]], \"none\": null}]}");
  ck_assert_uint_eq (proc->n_outputs, 3);
  const WeirProcOutput *age = weir_proc_find (proc, "age_conv3"),
                       *gender = weir_proc_find (proc, "b"), *rest = weir_proc_find (proc, "c");
  ck_assert_str_eq (age->converter, "text");
  ck_assert_str_eq (age->attribute_name, "age");
  ck_assert_double_eq (age->text_scale, 100);
  ck_assert_int_eq (age->text_precision, 0);
  ck_assert (isnan (age->threshold) && !age->labels && !age->method);
  ck_assert_str_eq (gender->method, "max");
  ck_assert_uint_eq (gender->n_labels, 3);
  ck_assert_str_eq (gender->labels[1], "M\xC3\xA4nnlich");
  ck_assert_str_eq (gender->labels[2], "3");
  ck_assert_double_eq (gender->threshold, 0.25);
  ck_assert_int_eq (gender->text_precision, -1);
  ck_assert_ptr_null (rest->layer_names);
  ck_assert_str_eq (g_hash_table_lookup (rest->members, "anchors"), "10,13,1.08");
  ck_assert_str_eq (g_hash_table_lookup (rest->members, "classes"), "80");
  ck_assert_str_eq (g_hash_table_lookup (rest->members, "do_cls_softmax"), "true");
  ck_assert_str_eq (g_hash_table_lookup (rest->members, "masks"), "[[6,7],[0]]");
  ck_assert_str_eq (g_hash_table_lookup (rest->members, "none"), "");
  ck_assert_uint_eq (g_hash_table_size (metadata), 0);
}
END_TEST

#define INPUT(params) HEAD "\"input_preproc\": [{\"params\": {" params "}}]}"
#define IMAGENET                                                                     \
  "\"range\": [0.0, 1.0], \"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, " \
  "0.225]"

/* key=value pairs that the metadata must hold, all of them. */
static const struct {
  const char *text, *expected;
} inputs[] = {
  { HEAD "\"input_preproc\": [], \"output_postproc\": []}", "" },
  { HEAD "\"input_preproc\": null}", "" },
  { INPUT ("\"resize\": \"aspect-ratio\", \"color_space\": \"BGR\""),
      "weir.resize=letterbox-centre;weir.color-format=bgr" },
  { INPUT ("\"resize\": \"aspect-ratio-pad\", \"padding\": {\"fill_value\": [114, 114, 114]}"),
      "weir.resize=letterbox-top-left;weir.pad=114" },
  { INPUT ("\"resize\": \"no-aspect-ratio\", \"color_space\": \"GRAYSCALE\""),
      "weir.resize=stretch;weir.color-format=gray" },
  { INPUT ("\"crop\": \"central\", \"resize\": \"aspect-ratio\""), "weir.resize=crop" },
  { INPUT ("\"range\": [0.0, 1.0]"), "weir.mean=0;weir.scale=0.00392156862745098" },
  { INPUT ("\"range\": [-1, 1]"), "weir.mean=127.5;weir.scale=0.00784313725490196" },
  { INPUT ("\"mean\": 127.5, \"std\": [127.5]"), "weir.mean=127.5;weir.scale=0.00784313725490196" },
  { INPUT ("\"mean\": [1, 2, 3]"), "weir.mean=1,2,3;weir.scale=1,1,1" },
  { HEAD "\"input_preproc\": [{\"layer_name\": \"seq_ind\", \"format\": \"sequence_index\"},"
         "{\"layer_name\": \"data\", \"format\": \"image\"}]}",
      "weir.fill.seq_ind=ones;weir.picture=data" },
  { HEAD "\"input_preproc\": [{\"format\": \"image_info\", \"params\": {\"scale\": 2.5}}]}",
      "weir.fill.=image-info 2.5" },
};

START_TEST (test_inputs)
{
  parse_metadata (inputs[_i].text);
  g_auto (GStrv) pairs = g_strsplit (inputs[_i].expected, ";", -1);
  for (char **pair = pairs; *pair; pair++) {
    g_auto (GStrv) parts = g_strsplit (*pair, "=", 2);
    const char *value = g_hash_table_lookup (metadata, parts[0]);
    ck_assert_msg (value != NULL, "%s is not there", parts[0]);
    ck_assert_msg (strncmp (value, parts[1], MIN (strlen (parts[1]), 18)) == 0, "%s is %s, not %s",
        parts[0], value, parts[1]);
  }
  ck_assert_uint_eq (g_hash_table_size (metadata), g_strv_length (pairs));
}
END_TEST

/* (x / 255 - mean) / std, as the text says it. */
START_TEST (test_range_mean_and_std_are_one)
{
  static const double mean[] = { 0.485, 0.456, 0.406 }, std[] = { 0.229, 0.224, 0.225 };
  parse_metadata (INPUT (IMAGENET));
  g_auto (GStrv) means = g_strsplit (g_hash_table_lookup (metadata, "weir.mean"), ",", -1);
  g_auto (GStrv) scales = g_strsplit (g_hash_table_lookup (metadata, "weir.scale"), ",", -1);
  ck_assert_uint_eq (g_strv_length (means), 3);
  ck_assert_uint_eq (g_strv_length (scales), 3);
  for (int c = 0; c < 3; c++) {
    double ours = (200 - g_ascii_strtod (means[c], NULL)) * g_ascii_strtod (scales[c], NULL);
    ck_assert_double_eq_tol (ours, (200 / 255.0 - mean[c]) / std[c], 1e-12);
  }
}
END_TEST

START_TEST (test_file_word_goes_before)
{
  g_hash_table_insert (metadata, g_strdup ("weir.resize"), g_strdup ("crop"));
  parse_metadata (INPUT ("\"resize\": \"no\""));
  ck_assert_str_eq (g_hash_table_lookup (metadata, "weir.resize"), "stretch");
}
END_TEST

#define OUTPUT(members) HEAD "\"output_postproc\": [{" members "}]}"

static const struct {
  const char *text;
  int code;
  const char *says;
} refused[] = {
  { "", WEIR_ERROR_FORMAT, "empty" },
  { "[]", WEIR_ERROR_FORMAT, "a JSON object" },
  { "{}", WEIR_ERROR_FORMAT, "json_schema_version" },
  { "{\"json_schema_version\": \"1.0.0\"}", WEIR_ERROR_UNSUPPORTED, "'1.0.0', 2.0.0 to 2.2.0" },
  { "{\"json_schema_version\": {\"a\": 2}}", WEIR_ERROR_UNSUPPORTED, "{\"a\":2}" },
  { "{\"json_schema_version\": \"2.2.0\"", WEIR_ERROR_FORMAT, "left open" },
  { "{\"json_schema_version\": \"2.2.0}", WEIR_ERROR_FORMAT, "does not end" },
  { "{\"json_schema_version\": \"2.2.0\"}]", WEIR_ERROR_FORMAT, "closes more" },
  { "{/* \" */\"json_schema_version\": \"2.2.0\"}", WEIR_ERROR_FORMAT, "no JSON" },
  { HEAD "\"output_postproc\": {}}", WEIR_ERROR_FORMAT, "output_postproc is no array" },
  { HEAD "\"input_preproc\": 5}", WEIR_ERROR_FORMAT, "input_preproc is no array" },
  { HEAD "\"output_postproc\": [1]}", WEIR_ERROR_FORMAT, "output_postproc[0]: an object" },
  { HEAD "\"input_preproc\": [[]]}", WEIR_ERROR_FORMAT, "input_preproc[0]: an object" },
  { OUTPUT ("\"threshold\": \"high\""), WEIR_ERROR_FORMAT, "threshold is 'high'" },
  { OUTPUT ("\"threshold\": 1e999"), WEIR_ERROR_FORMAT, "threshold" },
  { OUTPUT ("\"text_precision\": 99"), WEIR_ERROR_FORMAT, "0 to 17" },
  { OUTPUT ("\"labels\": [{\"index\": 0}]"), WEIR_ERROR_FORMAT, "an array of strings" },
  { OUTPUT ("\"labels\": \"/no/such/file\""), WEIR_ERROR_NOT_FOUND, "/no/such/file" },
  { OUTPUT ("\"layer_names\": [null]"), WEIR_ERROR_FORMAT, "layer_names" },
  { INPUT ("\"color_space\": \"YUV\""), WEIR_ERROR_UNSUPPORTED, "YUV" },
  { INPUT ("\"color_space\": \"rgb\""), WEIR_ERROR_FORMAT, "RGB, BGR or GRAYSCALE" },
  { INPUT ("\"resize\": \"bigger\""), WEIR_ERROR_FORMAT, "aspect-ratio-pad" },
  { INPUT ("\"crop\": \"top_left\""), WEIR_ERROR_UNSUPPORTED, "corners" },
  { INPUT ("\"range\": [1, 1]"), WEIR_ERROR_FORMAT, "two different numbers" },
  { INPUT ("\"range\": [0]"), WEIR_ERROR_FORMAT, "two different numbers" },
  { INPUT ("\"std\": [1, 0, 1]"), WEIR_ERROR_FORMAT, "other than 0" },
  { INPUT ("\"mean\": [1, 2]"), WEIR_ERROR_FORMAT, "1 or 3 numbers" },
  { INPUT ("\"mean\": [1, 2, 3, 4]"), WEIR_ERROR_FORMAT, "1 or 3 numbers" },
  { INPUT ("\"padding\": {\"fill_value\": [1, 2, 3]}"), WEIR_ERROR_UNSUPPORTED, "all channels" },
  { INPUT ("\"padding\": 8"), WEIR_ERROR_FORMAT, "an object" },
  { HEAD "\"input_preproc\": [{\"params\": 1}]}", WEIR_ERROR_FORMAT, "params" },
  { HEAD "\"input_preproc\": [{\"format\": \"audio\"}]}", WEIR_ERROR_UNSUPPORTED, "'audio'" },
};

START_TEST (test_refused)
{
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (parse (refused[_i].text, &error));
  ck_assert_msg (g_error_matches (error, WEIR_ERROR, refused[_i].code), "%s", error->message);
  ck_assert_msg (strstr (error->message, refused[_i].says) != NULL, "%s", error->message);
  ck_assert_msg (g_str_has_prefix (error->message, "proc.json: "), "%s", error->message);
}
END_TEST

/* Nesting within strings is none; a million levels do not reach the recursive reader. */
START_TEST (test_hostile_nesting)
{
  enum { N = 1000000 };
  g_autofree char *deep = g_strnfill (N, '[');
  g_autofree char *object = g_strconcat (HEAD "\"x\": ", deep, NULL);
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (parse (object, &error));
  ck_assert_msg (strstr (error->message, "32 levels") != NULL, "%s", error->message);
  g_autofree char *many = g_strnfill (3 * N, ',');
  g_clear_error (&error);
  ck_assert_ptr_null (parse (many, &error));
  ck_assert_msg (strstr (error->message, "1000000 values") != NULL, "%s", error->message);
  g_autofree char *quoted = g_strconcat (HEAD "\"x\": \"\\\"", deep, "\"}", NULL);
  g_autoptr (WeirProc) proc = parse_well (quoted);
  ck_assert_uint_eq (proc->n_outputs, 0);
}
END_TEST

START_TEST (test_too_large)
{
  enum { N_BYTES = (10 << 20) + 1 };
  g_autofree char *text = g_strnfill (N_BYTES, ' ');
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (parse (text, &error));
  ck_assert_msg (strstr (error->message, "10 MB") != NULL, "%s", error->message);
}
END_TEST

START_TEST (test_label_file_beside)
{
  g_autofree char *folder = g_dir_make_tmp ("weir-XXXXXX", NULL);
  g_autofree char *labels = g_build_filename (folder, "colours.txt", NULL);
  g_autofree char *path = g_build_filename (folder, "proc.json", NULL);
  g_autoptr (GError) error = NULL;
  ck_assert (g_file_set_contents (labels, "red\ntraffic light\n", -1, NULL));
  ck_assert (g_file_set_contents (path,
      HEAD "\"output_postproc\": [{\"labels\": \"colours.txt\"}, {\"layer_name\": \"b\", "
           "\"labels_file\": \"colours.txt\"}]}",
      -1, NULL));
  g_autoptr (WeirProc) proc = weir_modelproc_load (path, metadata, &error);
  g_remove (path);
  g_remove (labels);
  g_rmdir (folder);
  ck_assert_msg (proc != NULL, "%s", error ? error->message : "");
  for (uint32_t i = 0; i < 2; i++) {
    ck_assert_uint_eq (proc->outputs[i].n_labels, 2);
    ck_assert_str_eq (proc->outputs[i].labels[1], "traffic light");
  }
  ck_assert_ptr_null (weir_modelproc_load (path, metadata, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("modelproc");
  TCase *tcase = tcase_create ("modelproc");
  tcase_add_checked_fixture (tcase, make_metadata, free_metadata);
  tcase_add_test (tcase, test_heads);
  tcase_add_loop_test (tcase, test_inputs, 0, (int) G_N_ELEMENTS (inputs));
  tcase_add_test (tcase, test_range_mean_and_std_are_one);
  tcase_add_test (tcase, test_file_word_goes_before);
  tcase_add_loop_test (tcase, test_refused, 0, (int) G_N_ELEMENTS (refused));
  tcase_add_test (tcase, test_hostile_nesting);
  tcase_add_test (tcase, test_too_large);
  tcase_add_test (tcase, test_label_file_beside);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
