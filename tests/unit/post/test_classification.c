/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Classification and raw: softmax where it is missing, the best classes, labels, tensors. */
#include "tests/run_suite.h"
#include "tests/unit/post/post_fixture.h"
#include <math.h>

enum { UNKNOWN = 0, KNOWN = WEIR_OUTPUT_KNOWN };

static const struct {
  const char *what;
  uint32_t traits;
  float values[4];
  int32_t best;
  double confidence;
} rows[] = {
  { "logits", UNKNOWN, { 1, 3, 2, 0 }, 1, 0.643914 },
  { "logits that need care with exp", UNKNOWN, { 1000, 900, -1000, 0 }, 0, 1 },
  { "a distribution", UNKNOWN, { 0.1f, 0.2f, 0.6f, 0.1f }, 2, 0.6 },
  { "a distribution but for rounding", UNKNOWN, { 0.1f, 0.2f, 0.6005f, 0.1f }, 2, 0.6005 },
  { "in 0..1, but the sum is not 1", UNKNOWN, { 0.1f, 0.2f, 0.6f, 0.3f }, 2, 0.331382 },
  { "looks like one, but the graph has no softmax", KNOWN, { 0.1f, 0.2f, 0.6f, 0.1f }, 2,
      0.346815 },
  { "softmax in the graph: as it stands", KNOWN | WEIR_OUTPUT_SOFTMAX, { 0, 0.3f, 0.2f, 0.4f }, 3,
      0.4 },
  { "sigmoid in the graph: as it stands", KNOWN | WEIR_OUTPUT_SIGMOID, { 0.9f, 0.8f, 0, 0 }, 0,
      0.9 },
  { "an Exp in the graph: what the values say", KNOWN | WEIR_OUTPUT_EXP, { 0.25f, 0.5f, 0.25f, 0 },
      1, 0.5 },
  { "equal ones: the first", UNKNOWN, { 2, 5, 5, 5 }, 1, 0.327892 },
  { "NaN is no class", UNKNOWN, { NAN, 1, 1, 1 }, 1, 1.0 / 3 },
  { "infinity neither", UNKNOWN, { 1, INFINITY, -INFINITY, 2 }, 3, 0.731059 },
};

START_TEST (test_classification_best)
{
  g_autoptr (Fixture) fixture = fixture_new (28, 28);
  memcpy (fixture_add_output (fixture, "o", "1,4"), rows[_i].values, sizeof rows[_i].values);
  if (rows[_i].traits)
    fixture_set_traits (fixture, 0, rows[_i].traits);
  fixture->options.threshold = 0;
  ck_assert (fixture_decode (fixture, "classification", NULL));
  const WeirResult *result = &fixture->result;
  ck_assert_uint_eq (result->n_attributes, 1);
  ck_assert_uint_eq (result->n_tensors, 0);
  ck_assert_str_eq (result->attributes[0].name, "classification");
  ck_assert_uint_eq (result->attributes[0].n_classes, 1);
  const WeirClass *best = &result->attributes[0].classes[0];
  ck_assert_msg (best->label_id == rows[_i].best, "%s: class %d", rows[_i].what, best->label_id);
  ck_assert_double_eq_tol ((double) best->confidence, rows[_i].confidence, 1e-6);
}
END_TEST

START_TEST (test_classification_all_nan)
{
  g_autoptr (Fixture) fixture = fixture_new (28, 28);
  float *values = fixture_add_output (fixture, "o", "1,4");
  for (uint32_t i = 0; i < 4; i++)
    values[i] = NAN;
  fixture->options.threshold = 0;
  ck_assert (fixture_decode (fixture, "classification", NULL));
  ck_assert_uint_eq (fixture->result.n_attributes, 0);
}
END_TEST

START_TEST (test_classification_top_k)
{
  static const float values[] = { 0.1f, 0.3f, 0.05f, 0.3f, 0.25f };
  static const int32_t order[] = { 1, 3, 4, 0, 2 };
  g_autoptr (Fixture) fixture = fixture_new (28, 28);
  memcpy (fixture_add_output (fixture, "o", "1,5,1,1"), values, sizeof values);
  fixture_set_labels (fixture, "a,b,c,d,e", ",");
  fixture->options.threshold = 0;
  for (uint32_t k = 0; k <= 7; k++) {
    fixture->options.top_k = k;
    ck_assert (fixture_decode (fixture, "classification", NULL));
    const WeirAttribute *attribute = &fixture->result.attributes[0];
    ck_assert_uint_eq (attribute->n_classes, CLAMP (k, 1, 5));
    for (uint32_t i = 0; i < attribute->n_classes; i++) {
      ck_assert_int_eq (attribute->classes[i].label_id, order[i]);
      ck_assert_int_eq (attribute->classes[i].label[0], 'a' + order[i]);
      ck_assert_double_eq_tol (
          (double) attribute->classes[i].confidence, (double) values[order[i]], 1e-7);
    }
  }
}
END_TEST

START_TEST (test_classification_threshold_and_name)
{
  static const float values[] = { 0.25f, 0.75f };
  g_autoptr (Fixture) fixture = fixture_new (28, 28);
  memcpy (fixture_add_output (fixture, "o", "1,2"), values, sizeof values);
  fixture_set_metadata (fixture, "weir.attribute", "mood");
  fixture->options.threshold = 0.75f;
  ck_assert (fixture_decode (fixture, "classification", NULL));
  ck_assert_uint_eq (fixture->result.n_attributes, 1);
  ck_assert_str_eq (fixture->result.attributes[0].name, "mood");
  ck_assert_str_eq (fixture->result.attributes[0].classes[0].label, "1");
  fixture->options.threshold = 0.76f;
  fixture->options.attach_tensors = true;
  ck_assert (fixture_decode (fixture, "classification", NULL));
  ck_assert_uint_eq (fixture->result.n_attributes, 0);
  ck_assert_uint_eq (fixture->result.n_tensors, 1);
}
END_TEST

START_TEST (test_raw_tensors)
{
  static const uint8_t bytes[] = { 0, 1, 255 };
  static const int64_t wide[] = { -5, 1LL << 40 };
  static const uint16_t halves[] = { 0x3c00, 0xc000 };
  const WeirTensor u8 = {
    .dtype = WEIR_DTYPE_U8, .rank = 2, .dims = { 1, 3 }, .buffer = (void *) bytes
  };
  const WeirTensor i64 = {
    .dtype = WEIR_DTYPE_I64, .rank = 1, .dims = { 2 }, .buffer = (void *) wide
  };
  const WeirTensor f16 = {
    .dtype = WEIR_DTYPE_F16, .rank = 1, .dims = { 1 }, .buffer = (void *) halves, .offset_bytes = 2
  };
  g_autoptr (Fixture) fixture = fixture_new (28, 28);
  float *values = fixture_add_output (fixture, "embedding", "1,512");
  values[511] = 2.5f;
  fixture_add_tensor (fixture, "bytes", &u8);
  fixture_add_tensor (fixture, "wide", &i64);
  fixture_add_tensor (fixture, "half", &f16);
  ck_assert (fixture_decode (fixture, "raw", NULL));
  const WeirNamedTensor *tensors = fixture->result.tensors;
  ck_assert_uint_eq (fixture->result.n_tensors, 4);
  ck_assert_uint_eq (fixture->result.n_attributes, 0);
  ck_assert_str_eq (tensors[0].name, "embedding");
  ck_assert_uint_eq (tensors[0].rank, 2);
  ck_assert_int_eq (tensors[0].dims[1], 512);
  ck_assert_uint_eq (tensors[0].n_elements, 512);
  ck_assert (tensors[0].data != values && tensors[0].data[511] == 2.5f);
  ck_assert (tensors[1].data[0] == 0 && tensors[1].data[1] == 1 && tensors[1].data[2] == 255);
  ck_assert (tensors[2].data[0] == -5 && tensors[2].data[1] == 0x1p40f);
  ck_assert (tensors[3].data[0] == -2);
}
END_TEST

START_TEST (test_raw_without_memory)
{
  const WeirTensor none = { .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { 2 } };
  g_autoptr (Fixture) fixture = fixture_new (28, 28);
  g_autoptr (GError) error = NULL;
  fixture_add_tensor (fixture, "nothing", &none);
  ck_assert (!fixture_decode (fixture, "raw", &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
  ck_assert_ptr_nonnull (strstr (error->message, "'nothing'"));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("classification");
  TCase *tcase = tcase_create ("classification");
  tcase_add_loop_test (tcase, test_classification_best, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_classification_all_nan);
  tcase_add_test (tcase, test_classification_top_k);
  tcase_add_test (tcase, test_classification_threshold_and_name);
  tcase_add_test (tcase, test_raw_tensors);
  tcase_add_test (tcase, test_raw_without_memory);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
