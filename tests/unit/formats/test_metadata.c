/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What exporters write into their files, and the keys it becomes. */
#include "engine/formats/metadata_private.h"

#include "engine/formats/label_text.h"
#include "tests/run_suite.h"

#include <glib/gstdio.h>
#include <string.h>

/* Names with | between; NULL: no list of names. */
static const struct {
  const char *text, *joined;
} names[] = {
  { "{0: 'person', 1: 'traffic light'}", "person|traffic light" },
  { "{0: \"child's bike\", 1: 'it\\'s', 2: 'a\\\\b'}", "child's bike|it's|a\\b" },
  { "{2: 'c', 0: 'a'}", "a|1|c" },
  { "{'0': 'a', \"1\": \"b\"}", "a|b" },
  { "{\"person\": 0, \"dog\": 1}", "person|dog" },
  { "['a', 'b, c', \"d\"]", "a|b, c|d" },
  { "[\"\\u00e9\", 'x\\x41', 'two\\nlines']", "\xC3\xA9|xA|two lines" },
  { "('a', 'b',)", "a|b" },
  { "[a, b]", "a|b" },
  { " { 0 : a , 1:b } ", "a|b" },
  { "{}", NULL },
  { "person", NULL },
  { "", NULL },
  { "{0: 'person", NULL },
  { "{0: 'person'", NULL },
  { "{0 'person'}", NULL },
  { "{'a': 'b'}", NULL },
  { "{99999999: 'far'}", NULL },
  { "{65535: 'far'}", NULL },
  { "{-1: 'x'}", NULL },
  { "['a' 'b']", NULL },
  { "[\\", NULL },
  { "['\\", NULL },
  { "['\\u12", NULL },
};

START_TEST (test_names)
{
  g_autofree char *text = weir_names_parse (names[_i].text);
  if (text)
    g_strdelimit (text, "\n", '|');
  ck_assert_pstr_eq (text, names[_i].joined);
}
END_TEST

/* Pairs with ; between and lines with | in them: given, and those that must come out beside them.
 */
static const struct {
  const char *given, *expected;
} rows[] = {
  { "names={0: 'a', 1: 'b'};task=detect;stride=32;imgsz=[384, 640];batch=1",
      "weir.labels=a|b;weir.task=detect;weir.input-size=384x640" },
  { "imgsz=640;stride=[8, 16, 32];kpt_shape=[17, 3]",
      "weir.input-size=640x640;weir.strides=8,16,32;weir.keypoints=17,3" },
  { "task=Semantic-Segmentation", "weir.task=semantic" },
  { "task=speech", "" },
  { "imgsz=[0, 640];stride=x;kpt_shape=[17]", "" },
  { "imgsz=[1e300, 640]", "" },
  { "names=broken {", "" },
  { "names={0: 'a'};weir.labels=mine", "" },
  { "labels=cat,dog", "weir.labels=cat|dog" },
  { "classes=[\"cat\", \"dog\"]", "weir.labels=cat|dog" },
  { "class_names=cat|dog", "weir.labels=cat|dog" },
  { "character=a|b|#", "weir.labels=a|b|#" },
  { "Image.BitmapPixelFormat=Bgr8;Image.NominalPixelRange=Normalized_0_1",
      "weir.color-format=bgr;weir.mean=0;weir.scale=0.00392156862745098" },
  { "Image.BitmapPixelFormat=Gray8;Image.NominalPixelRange=NominalRange_0_255",
      "weir.color-format=gray;weir.mean=0;weir.scale=1" },
  { "model_info.model_type=Classification;model_info.labels=traffic_light person;"
    "model_info.multilabel=True;model_info.confidence_threshold=0.4;model_info.iou_threshold=0.6",
      "weir.task=classify;weir.labels=traffic light|person;weir.method=multi;weir.threshold=0.4;"
      "weir.iou-threshold=0.6" },
  { "model_info.model_type=YOLO;model_info.multilabel=False;model_info.confidence_threshold=7",
      "" },
  { "model_info.reverse_input_channels=YES;model_info.scale_values=255.0;"
    "model_info.resize_type=fit_to_window_letterbox;model_info.pad_value=114",
      "weir.color-format=rgb;weir.mean=0;weir.scale=0.00392156862745098;"
      "weir.resize=letterbox-centre;weir.pad=114" },
  { "model_info.reverse_input_channels=False;model_info.mean_values=123.675 116.28 103.53;"
    "model_info.scale_values=50 25 20;model_info.resize_type=fit_to_window",
      "weir.color-format=bgr;weir.mean=123.675,116.28,103.53;weir.scale=0.02,0.04,0.05;"
      "weir.resize=letterbox-top-left" },
  { "model_info mean_values=1;model_info resize_type=crop",
      "weir.mean=1;weir.scale=1;weir.resize=crop" },
  { "model_info.scale_values=0;model_info.resize_type=round", "" },
  { "model_info.scale_values=4;weir.mean=7", "" },
  { "rt_info.conversion_parameters.framework=onnx;rt_info.conversion_parameters.reverse_input_"
    "channels=True;"
    "rt_info.conversion_parameters.scale_values=image[255.0]",
      "weir.color-format=bgr;weir.mean=0;weir.scale=1" },
  { "meta_data.cli_parameters.data_type=FP16;meta_data.cli_parameters.reverse_input_channels=False;"
    "meta_data.cli_parameters.mean_values=();meta_data.cli_parameters.scale_values=()",
      "weir.color-format=bgr" },
  { "rt_info.conversion_parameters.framework=onnx;rt_info.conversion_parameters.is_python_object="
    "False",
      "" },
  { "meta_data.cli_parameters.scale_values=data[2];model_info.reverse_input_channels=True;"
    "model_info.scale_values=2",
      "weir.color-format=rgb;weir.mean=0;weir.scale=0.5" },
};

static void insert_pairs (GHashTable *table, const char *text)
{
  g_auto (GStrv) pairs = g_strsplit (text, ";", -1);
  for (char **pair = pairs; *pair; pair++) {
    g_auto (GStrv) parts = g_strsplit (*pair, "=", 2);
    g_hash_table_insert (table, g_strdup (parts[0]), g_strdelimit (g_strdup (parts[1]), "|", '\n'));
  }
}

/* Every pair is there, and nothing else that begins with "weir.". */
static void check_pairs (GHashTable *metadata, const char *given, const char *expected)
{
  g_autoptr (GHashTable) wanted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  insert_pairs (wanted, given);
  insert_pairs (wanted, expected);
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init (&iter, wanted);
  while (g_hash_table_iter_next (&iter, &key, &value))
    ck_assert_pstr_eq (g_hash_table_lookup (metadata, key), value);
  g_hash_table_iter_init (&iter, metadata);
  while (g_hash_table_iter_next (&iter, &key, &value))
    ck_assert_msg (g_hash_table_contains (wanted, key), "%s=%s", (char *) key, (char *) value);
}

START_TEST (test_rows)
{
  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  insert_pairs (metadata, rows[_i].given);
  weir_metadata_translate ("none/net.onnx", metadata);
  check_pairs (metadata, rows[_i].given, rows[_i].expected);
}
END_TEST

static const struct {
  const char *text, *expected;
} files[] = {
  { "description: Ultralytics YOLO11n model\ndate: '2025-01-02T03:04:05'\nstride: 32\ntask: "
    "detect\n"
    "batch: 1\nimgsz:\n- 480\n- 640\nnames:\n  0: person\n  1: 'it''s'\n  3: traffic light # no\n"
    "args:\n  half: false\n",
      "weir.labels=person|it's|2|traffic light;task=detect;imgsz=[480,640];stride=32;batch=1;"
      "description=Ultralytics YOLO11n model;date=2025-01-02T03:04:05" },
  { "names: {0: cat, 1: 'dog'}\nimgsz: [320, 320]\r\n",
      "names={0: cat, 1: 'dog'};imgsz=[320, 320]" },
  { "---\n# a comment\nnames:\n- cat\n- dog\n", "weir.labels=cat|dog" },
  { "  stray: 1\n- item\nno colon\n", "" },
  { "names:\n  4000000000: far\n", "" },
  { "", "" },
};

START_TEST (test_yaml)
{
  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  weir_metadata_read_yaml (files[_i].text, strlen (files[_i].text), metadata);
  check_pairs (metadata, files[_i].expected, "");
}
END_TEST

/* Beside an .xml it is read, and goes before the labels of model_info; beside an .onnx it is not.
 */
START_TEST (test_yaml_beside)
{
  g_autofree char *folder = g_dir_make_tmp ("weir-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "metadata.yaml", NULL);
  ck_assert (g_file_set_contents (path, "names:\n  0: a_b\ntask: pose\n", -1, NULL));
  for (int i = 0; i < 2; i++) {
    g_autofree char *model = g_build_filename (folder, i ? "net.onnx" : "net.xml", NULL);
    g_autoptr (GHashTable) metadata =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    insert_pairs (metadata, "model_info.labels=x_y");
    weir_metadata_translate (model, metadata);
    ck_assert_pstr_eq (g_hash_table_lookup (metadata, "weir.labels"), i ? "x y" : "a_b");
    ck_assert_pstr_eq (g_hash_table_lookup (metadata, "weir.task"), i ? NULL : "pose");
  }
  g_remove (path);
  g_rmdir (folder);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("metadata");
  TCase *tcase = tcase_create ("metadata");
  tcase_add_loop_test (tcase, test_names, 0, (int) G_N_ELEMENTS (names));
  tcase_add_loop_test (tcase, test_rows, 0, (int) G_N_ELEMENTS (rows));
  tcase_add_loop_test (tcase, test_yaml, 0, (int) G_N_ELEMENTS (files));
  tcase_add_test (tcase, test_yaml_beside);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
