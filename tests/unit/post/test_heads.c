/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attributes networks: what a model-proc file, metadata, labels and the graph make of several
 * outputs. */
#include "tests/run_suite.h"
#include "tests/unit/post/post_fixture.h"
#include <math.h>

#define MAX_OUTPUTS 4
#define MAX_ANSWERS 4

enum {
  KNOWN = WEIR_OUTPUT_KNOWN,
  SOFTMAX = KNOWN | WEIR_OUTPUT_SOFTMAX,
  SIGMOID = KNOWN | WEIR_OUTPUT_SIGMOID
};

typedef struct Output {
  const char *name, *dims;
  uint32_t traits;
  float values[10];
} Output;

typedef struct Entry {
  const char *layer, *converter, *attribute, *method, *labels; /* labels with ',' between them */
  double threshold, text_scale;
  int32_t text_precision;
} Entry;

typedef struct Answer {
  const char *name, *label;
  int32_t label_id;
  double confidence; /* NAN: none */
} Answer;

#define NO_ENTRY .threshold = NAN, .text_scale = 1, .text_precision = -1

static const struct {
  const char *what;
  Output outputs[MAX_OUTPUTS];
  Entry entries[3];
  const char *labels;
  const char *metadata[2];
  const char *decoder;
  Answer answers[MAX_ANSWERS];
  const char *tensors; /* names with spaces between them */
} rows[] = {
  { "age and gender",
      { { "age_conv3", "1,1,1,1", KNOWN, { 0.26224f } },
          { "prob", "1,2,1,1", SOFTMAX, { 0.9858925f, 0.0141075f } } },
      { { "prob", "label", "gender", "max", "Female,Male", NO_ENTRY } }, NULL, { NULL },
      "classification", { { "gender", "Female", 0, 0.9858925 } }, "age_conv3" },
  { "age as text",
      { { "age_conv3", "1,1,1,1", KNOWN, { 0.26224f } },
          { "prob", "1,2,1,1", SOFTMAX, { 0.1f, 0.9f } } },
      { { "prob", "label", "gender", "max", "Female,Male", NO_ENTRY },
          { "age_conv3", "text", "age", NULL, NULL, NAN, 100, 0 } },
      NULL, { NULL }, "classification",
      { { "age", "26", WEIR_NO_CLASS, NAN }, { "gender", "Male", 1, 0.9 } }, "age_conv3" },
  { "numbers as text, two digits where none are given",
      { { "angles", "1,3", KNOWN, { 1.005f, -2, 3.14159f } } },
      { { NULL, "tensor_to_text", NULL, NULL, NULL, NO_ENTRY } }, NULL, { NULL }, "classification",
      { { "angles", "1.00, -2.00, 3.14", WEIR_NO_CLASS, NAN } }, "angles" },
  { "a number that is none has no text", { { "age", "1,1", KNOWN, { NAN } } },
      { { "age", "text", "age", NULL, NULL, NAN, 100, 0 } }, NULL, { NULL }, "classification",
      { { NULL } }, "age" },
  { "age and gender without a file",
      { { "age_conv3", "1,1,1,1", KNOWN, { 0.26224f } },
          { "prob", "1,2,1,1", SOFTMAX, { 0.75f, 0.25f } } },
      { { NULL } }, NULL, { NULL }, "classification", { { "classification", "0", 0, 0.75 } },
      "age_conv3" },
  { "its labels, and the attribute by the output's name",
      { { "age_conv3", "1,1,1,1", KNOWN, { 0.26224f } },
          { "prob", "1,2,1,1", SOFTMAX, { 0.75f, 0.25f } } },
      { { NULL } }, "f,m", { "weir.attribute.prob", "gender" }, "classification",
      { { "gender", "f", 0, 0.75 } }, "age_conv3" },
  { "two classes",
      { { "type", "1,4,1,1", SOFTMAX, { 0.1f, 0.6f, 0.2f, 0.1f } },
          { "color", "1,3,1,1", SOFTMAX, { 0.2f, 0.3f, 0.5f } } },
      { { "color", "label", "color", "max", "white,gray,red", NO_ENTRY },
          { "type", "label", NULL, "max", "car,van,truck,bus", NO_ENTRY } },
      NULL, { NULL }, "classification", { { "type", "van", 1, 0.6 }, { "color", "red", 2, 0.5 } },
      "" },
  { "two classes without a file",
      { { "type", "1,2,1,1", SOFTMAX, { 0.25f, 0.75f } },
          { "color", "1,3,1,1", SOFTMAX, { 0.2f, 0.3f, 0.5f } } },
      { { NULL } }, "white,gray,red", { "weir.attribute", "unused" }, "classification",
      { { "type", "1", 1, 0.75 }, { "color", "red", 2, 0.5 } }, "" },
  { "an answer for each label",
      { { "459", "1,2,1,1", SIGMOID, { 0.4f, 0.6f } },
          { "453", "1,3,1,1", SIGMOID, { 0.44890f, 0.5f, 0.99f } } },
      { { "453", "label", NULL, "multi", "is_male,has_bag,has_hat", 0.5, 1, -1 } }, NULL, { NULL },
      "classification",
      { { "is_male", "false", 0, 0.5511 }, { "has_bag", "true", 1, 0.5 },
          { "has_hat", "true", 1, 0.99 } },
      "459" },
  { "an answer for each label, another threshold",
      { { "453", "1,2,1,1", SIGMOID, { 0.7f, 0.9f } } },
      { { "453", "label", NULL, "multi", "a,b", 0.8, 1, -1 } }, NULL, { NULL }, "classification",
      { { "a", "false", 0, 0.3 }, { "b", "true", 1, 0.9 } }, "" },
  { "the same by metadata", { { "o", "1,2", KNOWN, { -1, 3 } } }, { { NULL } }, "a,b",
      { "weir.method", "multi" }, "classification",
      { { "a", "false", 0, 0.731059 }, { "b", "true", 1, 0.952574 } }, "" },
  { "with one name they are joined", { { "453", "1,3", SIGMOID, { 0.7f, 0.1f, 0.9f } } },
      { { NULL, "label", "person", "multi", "a,b,c", NO_ENTRY } }, NULL, { NULL }, "classification",
      { { "person", "a c", WEIR_NO_CLASS, 0.9 } }, "" },
  { "pairs of labels", { { "453", "1,4,1,1", SIGMOID, { 0.2f, 0.6f, 0.3f, 0 } } },
      { { "453", "label", "person", "compound", "M:,F:,has_bag,,has_hat,no_hat,x,y", NO_ENTRY } },
      NULL, { NULL }, "classification", { { "person", "F: has_bag no_hat", WEIR_NO_CLASS, 0.6 } },
      "" },
  { "softmax asked for", { { "o", "1,3", KNOWN, { 0.1f, 0.2f, 0.6f } } },
      { { NULL, "label", "action", "softmax", "a,b,c", NO_ENTRY } }, NULL, { NULL },
      "classification", { { "action", "c", 2, 0.439203 } }, "" },
  { "values as they stand", { { "o", "1,3", KNOWN, { 0.1f, 0.2f, 0.6f } } },
      { { NULL, "label", "action", "max", "a,b,c", NO_ENTRY } }, NULL, { NULL }, "classification",
      { { "action", "c", 2, 0.6 } }, "" },
  { "values that are no confidences", { { "o", "1,3", KNOWN, { 1, 3, 2 } } },
      { { NULL, "label", NULL, NULL, "a,b,c", NO_ENTRY } }, NULL, { NULL }, "classification",
      { { "classification", "b", 1, 0.665241 } }, "" },
  { "softmax, then those above the threshold", { { "o", "1,3", KNOWN, { 2, 2, -9 } } },
      { { NULL, "label", NULL, "softmax_multi", "a,b,c", 0.4, 1, -1 } }, NULL, { NULL },
      "classification", { { "classification", "a b", WEIR_NO_CLASS, 0.5 } }, "" },
  { "one or the other", { { "o", "1,1", SIGMOID, { 0.2f } } }, { { NULL } }, "cat,dog", { NULL },
      "classification", { { "classification", "cat", 0, 0.8 } }, "" },
  { "numbers of two heads", { { "yaw", "1,1", KNOWN, { 12 } }, { "pitch", "1,1", KNOWN, { -3 } } },
      { { NULL } }, NULL, { NULL }, "regression", { { NULL } }, "yaw pitch" },
  { "five points", { { "95", "1,10,1,1", SIGMOID, { 0.2f } } }, { { NULL } }, NULL, { NULL },
      "landmarks", { { NULL } }, "95" },
  { "a file that names only tensors", { { "prob", "1,2", SOFTMAX, { 0.2f, 0.8f } } },
      { { NULL, "raw_data_copy", NULL, NULL, NULL, NO_ENTRY } }, NULL, { NULL }, "raw",
      { { NULL } }, "prob" },
};

static char **copy_list (const char *text)
{
  return text ? g_strsplit (text, ",", -1) : NULL;
}

static WeirProc *make_proc (const Entry *entries, uint32_t n_most)
{
  WeirProc *proc = g_new0 (WeirProc, 1);
  proc->outputs = g_new0 (WeirProcOutput, n_most);
  for (; proc->n_outputs < n_most && entries[proc->n_outputs].converter; proc->n_outputs++) {
    const Entry *entry = &entries[proc->n_outputs];
    WeirProcOutput *output = &proc->outputs[proc->n_outputs];
    *output = (WeirProcOutput){ .layer_names = copy_list (entry->layer),
      .converter = g_strdup (entry->converter),
      .attribute_name = g_strdup (entry->attribute),
      .method = g_strdup (entry->method),
      .labels = copy_list (entry->labels),
      .threshold = entry->threshold,
      .text_scale = entry->text_scale,
      .text_precision = entry->text_precision };
    output->n_labels = output->labels ? g_strv_length (output->labels) : 0;
  }
  return proc;
}

static void add_outputs (Fixture *fixture, const Output *outputs)
{
  for (uint32_t k = 0; k < MAX_OUTPUTS && outputs[k].name; k++) {
    float *values = fixture_add_output (fixture, outputs[k].name, outputs[k].dims);
    int64_t n;
    ck_assert (weir_tensor_n_elements (&fixture->outputs[k], &n) && n <= 10);
    memcpy (values, outputs[k].values, (size_t) n * sizeof *values);
    fixture_set_traits (fixture, k, outputs[k].traits);
  }
}

static void check_answers (const WeirResult *result, const Answer *answers, const char *what)
{
  uint32_t n = 0;
  for (; n < MAX_ANSWERS && answers[n].name; n++) {
    ck_assert_msg (n < result->n_attributes, "%s: no %s", what, answers[n].name);
    const WeirAttribute *attribute = &result->attributes[n];
    const WeirClass *class = &attribute->classes[0];
    ck_assert_str_eq (attribute->name, answers[n].name);
    ck_assert_msg (g_str_equal (class->label, answers[n].label), "%s: '%s'", what, class->label);
    ck_assert_int_eq (class->label_id, answers[n].label_id);
    ck_assert_msg (isnan (answers[n].confidence)
                       ? isnan (class->confidence)
                       : fabs ((double) class->confidence - answers[n].confidence) < 1e-5,
        "%s: confidence %g", what, (double) class->confidence);
  }
  ck_assert_msg (result->n_attributes == n, "%s: %u answers", what, result->n_attributes);
}

START_TEST (test_heads_answers)
{
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  g_autoptr (WeirProc) proc = make_proc (rows[_i].entries, G_N_ELEMENTS (rows[_i].entries));
  g_autoptr (GString) tensors = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  add_outputs (fixture, rows[_i].outputs);
  fixture->facts.proc = proc->n_outputs ? proc : NULL;
  if (rows[_i].labels)
    fixture_set_labels (fixture, rows[_i].labels, ",");
  if (rows[_i].metadata[0])
    fixture_set_metadata (fixture, rows[_i].metadata[0], rows[_i].metadata[1]);
  const char *why = NULL;
  const WeirDecoder *decoder = weir_decoder_choose (&fixture->facts, &why);
  ck_assert_msg (g_str_equal (decoder->name, rows[_i].decoder), "%s: %s (%s)", rows[_i].what,
      decoder->name, why);
  ck_assert (why && *why);
  fixture->options.threshold = 0;
  ck_assert_msg (fixture_decode (fixture, decoder->name, &error), "%s: %s", rows[_i].what,
      error ? error->message : "");
  check_answers (&fixture->result, rows[_i].answers, rows[_i].what);
  for (uint32_t i = 0; i < fixture->result.n_tensors; i++)
    g_string_append_printf (tensors, "%s%s", i ? " " : "", fixture->result.tensors[i].name);
  ck_assert_msg (
      g_str_equal (tensors->str, rows[_i].tensors), "%s: %s", rows[_i].what, tensors->str);
}
END_TEST

static const struct {
  Output outputs[2];
  Entry entry;
  const char *message;
} refusals[] = {
  { { { "prob", "1,2", SOFTMAX } }, { "prob", "label", NULL, "max", "a,b,c", NO_ENTRY },
      "output 'prob' has 2 values and 3 labels; method max takes one label a value" },
  { { { "prob", "1,2", SOFTMAX } }, { "prob", "label", NULL, "compound", "a,b", NO_ENTRY },
      "two labels a value" },
  { { { "prob", "1,2", SOFTMAX } }, { "prob", "label", NULL, "multi", NULL, NO_ENTRY },
      "2 values and 0 labels" },
  { { { "prob", "1,2", SOFTMAX } }, { "prob", "label", NULL, "best", "a,b", NO_ENTRY },
      "method 'best' of output 'prob'; expected max, softmax" },
  { { { "prob", "1,2", SOFTMAX } }, { "gender", "label", NULL, "max", "a,b", NO_ENTRY },
      "names output 'gender'; the model has prob" },
  { { { "map", "1,2,7,7", KNOWN } }, { "map", "label", NULL, "max", "a,b", NO_ENTRY },
      "output 'map' is f32[1,2,7,7]; expected one vector" },
  { { { "map", "1,999", KNOWN } }, { "map", "text", NULL, NULL, NULL, NO_ENTRY },
      "output 'map' has 999 values; converter text" },
};

START_TEST (test_heads_refusal)
{
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  g_autoptr (WeirProc) proc = make_proc (&refusals[_i].entry, 1);
  g_autoptr (GError) error = NULL;
  for (uint32_t k = 0; k < 2 && refusals[_i].outputs[k].name; k++)
    fixture_add_output (fixture, refusals[_i].outputs[k].name, refusals[_i].outputs[k].dims);
  fixture->facts.proc = proc;
  ck_assert_str_eq (fixture_choose (fixture), "classification");
  ck_assert (!fixture_decode (fixture, "classification", &error));
  ck_assert_msg (strstr (error->message, refusals[_i].message) != NULL, "%s", error->message);
}
END_TEST

/* Answers under the threshold are left out, texts are not; tensors come where they are asked for.
 */
START_TEST (test_heads_options)
{
  static const Entry entries[] = { { "prob", "label", "gender", "max", "f,m", NO_ENTRY },
    { "age", "text", "age", NULL, NULL, NAN, 100, 0 } };
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  g_autoptr (WeirProc) proc = make_proc (entries, 2);
  fixture_add_output (fixture, "age", "1,1")[0] = 0.5f;
  float *values = fixture_add_output (fixture, "prob", "1,2");
  values[0] = 0.375f;
  values[1] = 0.625f;
  fixture->facts.proc = proc;
  fixture->options = (WeirDecodeOptions){ .threshold = 0.625f, .top_k = 5, .attach_tensors = true };
  ck_assert (fixture_decode (fixture, "classification", NULL));
  ck_assert_uint_eq (fixture->result.n_tensors, 2);
  ck_assert_uint_eq (fixture->result.n_attributes, 2);
  ck_assert_uint_eq (fixture->result.attributes[0].n_classes, 1);
  ck_assert_uint_eq (fixture->result.attributes[1].n_classes, 2);
  ck_assert_str_eq (fixture->result.attributes[1].classes[1].label, "f");
  fixture->options = (WeirDecodeOptions){ .threshold = 0.7f, .top_k = 1 };
  ck_assert (fixture_decode (fixture, "classification", NULL));
  ck_assert_uint_eq (fixture->result.n_attributes, 1);
  ck_assert_str_eq (fixture->result.attributes[0].name, "age");
  ck_assert_uint_eq (fixture->result.n_tensors, 1);
}
END_TEST

START_TEST (test_heads_unknown_converter)
{
  static const Entry entry = { NULL, "mask_of_zorro", NULL, NULL, NULL, NO_ENTRY };
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  g_autoptr (WeirProc) proc = make_proc (&entry, 1);
  fixture_add_output (fixture, "prob", "1,2");
  fixture->facts.proc = proc;
  const char *why = NULL;
  ck_assert_ptr_null (weir_decoder_choose (&fixture->facts, &why));
  ck_assert_ptr_nonnull (strstr (why, "converter mask_of_zorro, which does not exist"));
}
END_TEST

static const struct {
  const char *converter, *method, *labels;
} hostile[] = {
  { "label", "max", "a,b,c,d" },
  { "label", "softmax", "a,b,c,d" },
  { "label", "index", "a,b" },
  { "label", "compound", "a,,b,,c,,d," },
  { "label", "multi", "a,b,c,d" },
  { "label", "softmax_multi", "a,b,c,d" },
  { "text", NULL, NULL },
};

/* Whatever stands in an output, answers have labels, and confidences in 0..1 or none. */
START_TEST (test_heads_hostile)
{
  static const float strange[] = { NAN, INFINITY, -INFINITY, 3.4e38f, -3.4e38f, 1e15f, -1, 0, 0.5f,
    1, 2 };
  const Entry entry = { NULL, hostile[_i].converter, NULL, hostile[_i].method, hostile[_i].labels,
    0.5, 1e300, 15 };
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  g_autoptr (WeirProc) proc = make_proc (&entry, 1);
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  float *values = fixture_add_output (fixture, "o", "1,4");
  fixture->facts.proc = proc;
  fixture->options.threshold = 0;
  for (uint32_t round = 0; round < 2000; round++) {
    for (uint32_t i = 0; i < 4; i++)
      values[i] = strange[g_rand_int_range (random, 0, G_N_ELEMENTS (strange))];
    fixture->options.top_k = round % 6;
    ck_assert (fixture_decode (fixture, "classification", NULL));
    for (uint32_t k = 0; k < fixture->result.n_attributes; k++) {
      const WeirAttribute *attribute = &fixture->result.attributes[k];
      ck_assert (attribute->name && *attribute->name && attribute->n_classes >= 1);
      for (uint32_t i = 0; i < attribute->n_classes; i++) {
        const WeirClass *class = &attribute->classes[i];
        ck_assert (class->label && *class->label);
        ck_assert (isnan (class->confidence) || (class->confidence >= 0 && class->confidence <= 1));
      }
    }
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("heads");
  TCase *tcase = tcase_create ("heads");
  tcase_add_loop_test (tcase, test_heads_answers, 0, G_N_ELEMENTS (rows));
  tcase_add_loop_test (tcase, test_heads_refusal, 0, G_N_ELEMENTS (refusals));
  tcase_add_test (tcase, test_heads_options);
  tcase_add_loop_test (tcase, test_heads_hostile, 0, G_N_ELEMENTS (hostile));
  tcase_add_test (tcase, test_heads_unknown_converter);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
