/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of text: label numbers, scores in all their layouts, blanks, confidences. */
#include "tests/run_suite.h"
#include "tests/unit/post/post_fixture.h"
#include <math.h>

#define MAX_STEPS 8

enum {
  KNOWN = WEIR_OUTPUT_KNOWN,
  SOFTMAX = KNOWN | WEIR_OUTPUT_SOFTMAX,
  CTC = KNOWN | WEIR_OUTPUT_CTC
};

static const struct {
  const char *what;
  const char *dims; /* of scores */
  uint32_t n_classes;
  bool is_turned; /* classes lie before steps */
  const char *labels, *blank;
  int32_t steps[MAX_STEPS]; /* best classes; -1 ends them */
  const char *text;
} rows[] = {
  { "blank first", "1,6,5", 5, false, "a,b,c,d", NULL, { 1, 1, 0, 1, 4, 0 }, "aad" },
  { "blank last in time-major sequences", "6,1,5", 5, false, "a,b,c,d", NULL, { 0, 0, 4, 0, 3, 4 },
      "aad" },
  { "a space behind the labels", "1,6,6", 6, false, "a,b,c,d", NULL, { 1, 5, 2, 2, 0, 2 }, "a bb" },
  { "the same in a time-major sequence", "6,1,6", 6, false, "a,b,c,d", NULL, { 1, 5, 2, 2, 0, 2 },
      "a bb" },
  { "a label that says blank, last", "1,6,5", 5, false, "a,b,c,d,#", NULL, { 0, 0, 4, 0, 3, 4 },
      "aad" },
  { "a label that says blank, first", "6,1,5", 5, false, "<blank>,a,b,c,d", NULL,
      { 1, 1, 0, 1, 4, 0 }, "aad" },
  { "blank by metadata", "1,6,5", 5, false, "a,b,c,d", "last", { 0, 0, 4, 0, 3, 4 }, "aad" },
  { "blank by number", "1,6,5", 5, false, "a,b,c,d", "2", { 0, 0, 2, 0, 4, 2 }, "aad" },
  { "classes before steps", "1,4,6", 4, true, "a,b,c", NULL, { 1, 1, 0, 1, 3, 0 }, "aac" },
  { "four dims", "1,4,1,6", 4, true, "a,b,c", NULL, { 1, 1, 0, 1, 3, 0 }, "aac" },
  { "nothing", "1,6,5", 5, false, "a,b,c,d", NULL, { 0, 0, 0, 0, 0, 0 }, NULL },
  { "letters of several bytes", "1,6,3", 3, false, "\xc3\xa4,\xe5\xad\x97", NULL,
      { 2, 0, 1, 1, 1, 1 }, "\xe5\xad\x97\xc3\xa4" },
};

/* 0.6 for the best class, the rest shared. */
static void fill_scores (float *values, int i, double best)
{
  uint32_t n = rows[i].n_classes, n_steps = 6;
  for (uint32_t t = 0; t < n_steps; t++)
    for (uint32_t c = 0; c < n; c++) {
      bool is_best = rows[i].steps[t] == (int32_t) c;
      size_t at = rows[i].is_turned ? c * n_steps + t : t * n + c;
      values[at] = (float) (is_best ? best : (1 - best) / (n - 1));
    }
}

static void check_text (const Fixture *fixture, int i, double confidence)
{
  const WeirResult *result = &fixture->result;
  ck_assert_msg (result->n_attributes == (rows[i].text ? 1u : 0u), "%s", rows[i].what);
  if (!rows[i].text)
    return;
  const WeirClass *class = &result->attributes[0].classes[0];
  ck_assert_str_eq (result->attributes[0].name, "text");
  ck_assert_msg (g_str_equal (class->label, rows[i].text), "%s: %s", rows[i].what, class->label);
  ck_assert_int_eq (class->label_id, WEIR_NO_CLASS);
  ck_assert_double_eq_tol ((double) class->confidence, confidence, 1e-6);
}

START_TEST (test_ctc_scores)
{
  g_autoptr (Fixture) fixture = fixture_new (96, 32);
  g_autoptr (GError) error = NULL;
  float *values = fixture_add_output (fixture, "scores", rows[_i].dims);
  fill_scores (values, _i, 0.6);
  fixture_set_labels (fixture, rows[_i].labels, ",");
  if (rows[_i].blank)
    fixture_set_metadata (fixture, "weir.blank", rows[_i].blank);
  fixture->options.threshold = 0;
  ck_assert_msg (fixture_decode (fixture, "ctc", &error), "%s", error ? error->message : "");
  check_text (fixture, _i, 0.6);
  /* the logarithms are logits of the same */
  int64_t n;
  ck_assert (weir_tensor_n_elements (&fixture->outputs[0], &n));
  for (int64_t k = 0; k < n; k++)
    values[k] = logf (values[k]);
  ck_assert (fixture_decode (fixture, "ctc", NULL));
  check_text (fixture, _i, 0.6);
  fixture_set_traits (fixture, 0, SOFTMAX);
  fill_scores (values, _i, 0.7);
  ck_assert (fixture_decode (fixture, "ctc", NULL));
  check_text (fixture, _i, (double) 0.7f);
  ck_assert_uint_eq (fixture->result.n_tensors, 0);
}
END_TEST

START_TEST (test_ctc_numbers)
{
  static const float values[] = { 2, 0, 0, 1, -1, 1, 1, 1 };
  static const int32_t integers[] = { 2, 0, 0, 1, -1, 1, 1, 1 };
  const WeirTensor tensor = {
    .dtype = WEIR_DTYPE_I32, .rank = 2, .dims = { 1, 8 }, .buffer = (void *) integers
  };
  for (uint32_t round = 0; round < 2; round++) {
    g_autoptr (Fixture) fixture = fixture_new (94, 24);
    if (round)
      fixture_add_tensor (fixture, "decode", &tensor);
    else
      memcpy (fixture_add_output (fixture, "decode", "1,8,1,1"), values, sizeof values);
    fixture_set_traits (fixture, 0, CTC);
    fixture_set_metadata (fixture, "weir.attribute", "license_plate");
    ck_assert_str_eq (fixture_choose (fixture), "ctc");
    /* without labels the numbers are the answer */
    ck_assert (fixture_decode (fixture, "ctc", NULL));
    ck_assert_uint_eq (fixture->result.n_attributes, 0);
    ck_assert_uint_eq (fixture->result.n_tensors, 1);
    fixture_set_labels (fixture, "A,B,<Hebei>", ",");
    fixture->options.threshold = 1;
    ck_assert (fixture_decode (fixture, "ctc", NULL));
    ck_assert_uint_eq (fixture->result.n_tensors, 0);
    ck_assert_uint_eq (fixture->result.n_attributes, 1);
    const WeirAttribute *attribute = &fixture->result.attributes[0];
    ck_assert_str_eq (attribute->name, "license_plate");
    ck_assert_str_eq (attribute->classes[0].label, "<Hebei>AAB");
    ck_assert (isnan (attribute->classes[0].confidence));
  }
}
END_TEST

/* A file's label may be long, and it may stand in the text as often as there are steps. */
START_TEST (test_ctc_long_labels)
{
  g_autofree char *label = g_strnfill (100000, 'a');
  g_autoptr (Fixture) fixture = fixture_new (96, 32);
  fixture_add_output (fixture, "decode", "1,20");
  fixture_set_labels (fixture, label, ",");
  ck_assert (fixture_decode (fixture, "ctc", NULL));
  ck_assert_uint_eq (fixture->result.n_attributes, 0);
}
END_TEST

START_TEST (test_ctc_hostile)
{
  static const float numbers[] = { NAN, 1, 0, 0 }, wild[] = { 1, INFINITY, 0, 3e9f };
  g_autoptr (Fixture) fixture = fixture_new (96, 32);
  float *values = fixture_add_output (fixture, "decode", "1,4");
  fixture_set_labels (fixture, "a,b,c", ",");
  memcpy (values, numbers, sizeof numbers);
  ck_assert (fixture_decode (fixture, "ctc", NULL));
  ck_assert_uint_eq (fixture->result.n_attributes, 0);
  memcpy (values, wild, sizeof wild);
  ck_assert (fixture_decode (fixture, "ctc", NULL));
  ck_assert_str_eq (fixture->result.attributes[0].classes[0].label, "b");

  g_autoptr (Fixture) scores = fixture_new (96, 32);
  g_autoptr (GError) error = NULL;
  values = fixture_add_output (scores, "scores", "1,7,4");
  for (uint32_t i = 0; i < 28; i++)
    values[i] = i < 4 ? NAN : i < 8 ? INFINITY : 0;
  fixture_set_labels (scores, "a,b,c", ",");
  ck_assert (fixture_decode (scores, "ctc", NULL));
  ck_assert_uint_eq (scores->result.n_attributes, 0);
  fixture_set_labels (scores, "a", ",");
  ck_assert (!fixture_decode (scores, "ctc", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "1, 2 or 3 classes"));
  g_clear_error (&error);
  fixture_set_labels (scores, "a,b,c", ",");
  fixture_set_metadata (scores, "weir.blank", "4");
  ck_assert (!fixture_decode (scores, "ctc", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "weir.blank '4': first, last or a number"));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ctc");
  TCase *tcase = tcase_create ("ctc");
  tcase_add_loop_test (tcase, test_ctc_scores, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_ctc_numbers);
  tcase_add_test (tcase, test_ctc_long_labels);
  tcase_add_test (tcase, test_ctc_hostile);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
