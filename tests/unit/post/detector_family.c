/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds for every detector: where its box lies, what it keeps, what it never keeps. */
#include "tests/unit/post/detector_family.h"

#include <math.h>

static const Family *families;
static int n_families;

void family_assert_box (
    const Fixture *fixture, double x_min, double y_min, double x_max, double y_max)
{
  ck_assert_uint_eq (fixture->result.n_objects, 1);
  const WeirObject *object = &fixture->result.objects[0];
  ck_assert_double_eq_tol (object->x_min, x_min, FAMILY_TOLERANCE);
  ck_assert_double_eq_tol (object->y_min, y_min, FAMILY_TOLERANCE);
  ck_assert_double_eq_tol (object->x_max, x_max, FAMILY_TOLERANCE);
  ck_assert_double_eq_tol (object->y_max, y_max, FAMILY_TOLERANCE);
}

START_TEST (test_detector_box)
{
  const Family *family = &families[_i];
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  family->fill (fixture);
  ck_assert (fixture_decode (fixture, family->decoder, NULL));
  family_assert_box (fixture, 24 / 64.0, 12 / 64.0, 56 / 64.0, 28 / 64.0);
  const WeirObject *object = &fixture->result.objects[0];
  ck_assert_double_eq_tol ((double) object->confidence, family->confidence, FAMILY_TOLERANCE);
  ck_assert_int_eq (object->label_id, family->label_id);
  ck_assert_str_eq (object->label, family->label);
  ck_assert_uint_eq (fixture->result.n_tensors, 0);
}
END_TEST

START_TEST (test_detector_labels)
{
  const Family *family = &families[_i];
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  family->fill (fixture);
  fixture_set_labels (fixture, "zero,one", ",");
  ck_assert (fixture_decode (fixture, family->decoder, NULL));
  ck_assert_str_eq (fixture->result.objects[0].label, family->label_id ? "one" : "zero");
  fixture->facts.n_labels = (uint32_t) family->label_id;
  ck_assert (fixture_decode (fixture, family->decoder, NULL));
  ck_assert_str_eq (fixture->result.objects[0].label, family->label_id ? "1" : "0");
}
END_TEST

START_TEST (test_detector_threshold)
{
  const Family *family = &families[_i];
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  family->fill (fixture);
  fixture->options.threshold = (float) family->confidence + 0.001f;
  fixture->options.attach_tensors = true;
  ck_assert (fixture_decode (fixture, family->decoder, NULL));
  ck_assert_uint_eq (fixture->result.n_objects, 0);
  ck_assert_uint_eq (fixture->result.n_tensors, fixture->facts.n_outputs);
  ck_assert_str_eq (fixture->result.tensors[0].name, fixture->names[0]);
  fixture->options.threshold = (float) family->confidence - 0.001f;
  ck_assert (fixture_decode (fixture, family->decoder, NULL));
  ck_assert_uint_eq (fixture->result.n_objects, 1);
}
END_TEST

/* The picture fills the left of the input, or its middle; boxes come back in 0..1 of the picture.
 */
START_TEST (test_detector_letterbox)
{
  const Family *family = &families[_i];
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  family->fill (fixture);
  fixture_set_region (fixture, 256, 128, (WeirMapping){ .scale_x = 0.25, .scale_y = 0.25 });
  ck_assert (fixture_decode (fixture, family->decoder, NULL));
  family_assert_box (fixture, 24 / 64.0, 12 / 32.0, 56 / 64.0, 28 / 32.0);
  fixture->mapping.offset_y_px = 16;
  ck_assert (fixture_decode (fixture, family->decoder, NULL));
  family_assert_box (fixture, 24 / 64.0, 0, 56 / 64.0, 12 / 32.0);
  fixture->mapping.offset_y_px = 30; /* nothing of the box lies in the picture */
  ck_assert (fixture_decode (fixture, family->decoder, NULL));
  ck_assert_uint_eq (fixture->result.n_objects, 0);
}
END_TEST

START_TEST (test_detector_bad_confidence)
{
  static const float values[] = { NAN, INFINITY, -INFINITY, -1, -NAN };
  const Family *family = &families[_i];
  for (uint32_t i = 0; i < G_N_ELEMENTS (values); i++) {
    g_autoptr (Fixture) fixture = fixture_new (64, 64);
    *family->fill (fixture) = values[i];
    fixture->options.threshold = 0.3f;
    ck_assert (fixture_decode (fixture, family->decoder, NULL));
    ck_assert_uint_eq (fixture->result.n_objects, 0);
  }
}
END_TEST

/* Whatever stands where the box is: finite, ordered corners inside 0..1 or nothing. */
START_TEST (test_detector_bad_boxes)
{
  static const float values[] = { NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e9f, 800, -800 };
  const Family *family = &families[_i % n_families];
  float value = values[_i / n_families];
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  float *confidence = family->fill (fixture);
  float good = *confidence;
  for (uint32_t k = 0; k < fixture->facts.n_outputs; k++) {
    WeirTensor *output = &fixture->outputs[k];
    int64_t n;
    ck_assert (weir_tensor_n_elements (output, &n));
    for (int64_t i = 0; i < n; i++) {
      float *element = (float *) output->buffer + i;
      float kept = *element;
      *element = value;
      *confidence = element == confidence ? value : good;
      ck_assert (fixture_decode (fixture, family->decoder, NULL));
      for (uint32_t j = 0; j < fixture->result.n_objects; j++) {
        const WeirObject *object = &fixture->result.objects[j];
        ck_assert (object->x_min >= 0 && object->x_max > object->x_min && object->x_max <= 1);
        ck_assert (object->y_min >= 0 && object->y_max > object->y_min && object->y_max <= 1);
        ck_assert (object->confidence >= fixture->options.threshold && object->confidence <= 1);
        ck_assert_ptr_nonnull (object->label);
      }
      *element = kept;
    }
  }
}
END_TEST

START_TEST (test_detector_other_sizes)
{
  const Family *family = &families[_i];
  g_autoptr (Fixture) fixture = fixture_new (64, 64);
  g_autoptr (GError) error = NULL;
  if (family->is_open)
    return;
  family->fill (fixture);
  const WeirDecoder *decoder = weir_decoder_find (family->decoder);
  void *state = decoder->prepare (&fixture->facts, &fixture->spec, NULL);
  ck_assert_ptr_nonnull (state);
  fixture->outputs[0].dims[1]--; /* not what was prepared for */
  WeirDecodeJob job = { .facts = &fixture->facts,
    .input = &fixture->spec,
    .mapping = &fixture->mapping,
    .region_width_px = 64,
    .region_height_px = 64,
    .outputs = fixture->outputs,
    .options = &fixture->options,
    .state = state };
  ck_assert (!decoder->decode (&job, &fixture->result, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
  decoder->release (state);
}
END_TEST

void family_add_tests (TCase *tcase, const Family *table, int n)
{
  families = table;
  n_families = n;
  tcase_add_loop_test (tcase, test_detector_box, 0, n);
  tcase_add_loop_test (tcase, test_detector_labels, 0, n);
  tcase_add_loop_test (tcase, test_detector_threshold, 0, n);
  tcase_add_loop_test (tcase, test_detector_letterbox, 0, n);
  tcase_add_loop_test (tcase, test_detector_bad_confidence, 0, n);
  tcase_add_loop_test (tcase, test_detector_bad_boxes, 0, 8 * n);
  tcase_add_loop_test (tcase, test_detector_other_sizes, 0, n);
}
