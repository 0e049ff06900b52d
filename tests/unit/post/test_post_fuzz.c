/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random shapes, numbers, options and mappings through every decoder: whatever comes, results are
 * well formed. The seed is fixed; WEIR_FUZZ_SEED and WEIR_FUZZ_ROUNDS ask for more. */
#include "tests/run_suite.h"
#include "tests/unit/post/post_fixture.h"
#include <math.h>

#define N_ROUNDS 300

static uint32_t number_from (const char *variable, uint32_t fallback)
{
  const char *text = g_getenv (variable);
  return text ? (uint32_t) g_ascii_strtoull (text, NULL, 10) : fallback;
}

/* Shapes that fit `decoder` at w × h, C classes. */
static void add_outputs (Fixture *fixture, const char *decoder, uint32_t w, uint32_t h, uint32_t c)
{
  static const uint32_t strides_px[] = { 8, 16, 32, 64 }, n_per_cell[] = { 3, 2, 2, 3 };
  uint32_t n[4], n_cells = 0, n_priors = 0;
  for (uint32_t i = 0; i < 4; i++) {
    n[i] = ((w + strides_px[i] - 1) / strides_px[i]) * ((h + strides_px[i] - 1) / strides_px[i]);
    n_cells += i < 3 ? n[i] : 0;
    n_priors += n[i] * n_per_cell[i];
  }
  char dims[64];
#define ADD(...) \
  (g_snprintf (dims, sizeof dims, __VA_ARGS__), fixture_add_output (fixture, "o", dims))
  if (g_str_equal (decoder, "detection_output"))
    ADD ("1,1,%u,7", c);
  else if (g_str_equal (decoder, "boxes_labels")) {
    fixture_add_output (fixture, "boxes", (g_snprintf (dims, sizeof dims, "%u,5", c), dims));
    fixture_add_output (fixture, "labels", (g_snprintf (dims, sizeof dims, "%u", c), dims));
  } else if (g_str_equal (decoder, "boxes_labels_scores")) {
    fixture_add_output (fixture, "boxes", (g_snprintf (dims, sizeof dims, "1,%u,4", c), dims));
    fixture_add_output (fixture, "labels", (g_snprintf (dims, sizeof dims, "1,%u", c), dims));
    fixture_add_output (fixture, "scores", dims);
  } else if (g_str_equal (decoder, "yolo-v8"))
    ADD ("1,%u,%u", 4 + c, n_cells);
  else if (g_str_equal (decoder, "yolo-pose"))
    ADD ("1,%u,%u", 4 + c + 9, n_cells);
  else if (g_str_equal (decoder, "yolo-obb"))
    ADD ("1,%u,%u", 4 + c + 1, n_cells);
  else if (g_str_equal (decoder, "yolo-seg")) {
    ADD ("1,%u,%u", 4 + c + 5, n_cells);
    ADD ("1,5,%u,%u", h / 4, w / 4);
  } else if (g_str_equal (decoder, "yolox"))
    ADD ("1,%u,%u", n_cells, 5 + c);
  else if (g_str_equal (decoder, "fastestdet"))
    ADD ("1,%u,%u,%u", 5 + c, h / 16, w / 16);
  else if (g_str_equal (decoder, "classification"))
    ADD ("1,%u", 1 + c);
  else if (g_str_equal (decoder, "regression") || g_str_equal (decoder, "embedding"))
    ADD ("1,%u", c);
  else if (g_str_equal (decoder, "ctc"))
    ADD (c % 2 ? "1,%u,%u" : "%u,1,%u", w, 3 + c % 3);
  else if (g_str_equal (decoder, "keypoints") || g_str_equal (decoder, "segmentation"))
    ADD ("1,%u,%u,%u", c, h / 4, w / 4);
  else if (g_str_equal (decoder, "landmarks"))
    ADD ("1,%u,2", c);
  else if (g_str_has_prefix (decoder, "ultraface")) {
    ADD ("1,%u,2", n_priors);
    ADD ("1,%u,4", n_priors);
  } else if (g_str_equal (decoder, "nanodet")) {
    for (uint32_t i = 0; i < 6; i++)
      ADD ("1,%u,%u", n[i % 3], i < 3 ? c : 32);
  } else if (g_str_equal (decoder, "yunet")) {
    static const uint32_t columns[] = { 1, 1, 4, 10 };
    for (uint32_t i = 0; i < 12; i++)
      ADD ("1,%u,%u", n[i % 3], columns[i / 3]);
  } else {
    ADD ("1,%u,3,2", c);
  }
#undef ADD
}

static float random_value (GRand *random, uint32_t rarely)
{
  static const float strange[] = { NAN, -NAN, INFINITY, -INFINITY, 3.4e38f, -3.4e38f, 1e-42f, 0, 1,
    710, 1e9f, -1e9f };
  if (g_rand_int_range (random, 0, (gint32) rarely) == 0)
    return strange[g_rand_int_range (random, 0, G_N_ELEMENTS (strange))];
  return (float) g_rand_double_range (random, -1, 2);
}

static void fill (Fixture *fixture, GRand *random)
{
  uint32_t rarely = (uint32_t) g_rand_int_range (random, 1, 200);
  for (uint32_t k = 0; k < fixture->facts.n_outputs; k++) {
    float *values = fixture->outputs[k].buffer;
    int64_t n;
    ck_assert (weir_tensor_n_elements (&fixture->outputs[k], &n));
    if (g_rand_int_range (random, 0, 10) == 0)
      for (int64_t i = 0; i < n; i++) {
        uint32_t bits = g_rand_int (random);
        memcpy (&values[i], &bits, sizeof bits);
      }
    else
      for (int64_t i = 0; i < n; i++)
        values[i] = random_value (random, rarely);
  }
}

static void set_options (Fixture *fixture, GRand *random)
{
  fixture->options.threshold = (float) g_rand_double_range (random, 0, 1);
  if (g_rand_boolean (random))
    fixture->options.threshold = 0;
  fixture->options.iou_threshold = (float) g_rand_double_range (random, 0, 1);
  fixture->options.max_detections = (uint32_t) g_rand_int_range (random, 0, 300);
  fixture->options.top_k = (uint32_t) g_rand_int_range (random, 0, 12);
  fixture->options.attach_tensors = g_rand_boolean (random);
  fixture_set_region (fixture, (uint32_t) g_rand_int_range (random, 1, 4000),
      (uint32_t) g_rand_int_range (random, 1, 4000),
      (WeirMapping){ .scale_x = g_rand_double_range (random, 0.01, 3),
          .scale_y = g_rand_double_range (random, 0.01, 3),
          .offset_x_px = g_rand_double_range (random, 0, 50),
          .offset_y_px = g_rand_double_range (random, 0, 50) });
}

static void check_result (const Fixture *fixture)
{
  const WeirResult *result = &fixture->result;
  const WeirDecodeOptions *options = &fixture->options;
  ck_assert_uint_le (result->n_objects, options->max_detections);
  for (uint32_t i = 0; i < result->n_objects; i++) {
    const WeirObject *object = &result->objects[i];
    ck_assert (object->x_min >= 0 && object->x_max > object->x_min && object->x_max <= 1);
    ck_assert (object->y_min >= 0 && object->y_max > object->y_min && object->y_max <= 1);
    ck_assert (object->confidence >= MIN (options->threshold, 1) && object->confidence <= 1);
    ck_assert (i == 0 || object->confidence <= object[-1].confidence);
    ck_assert (object->label && *object->label && object->label_id >= 0);
    for (uint32_t k = 0; k < object->n_tensors; k++) {
      const WeirNamedTensor *tensor = &object->tensors[k];
      ck_assert (tensor->n_elements > 0);
      ck_assert (tensor->is_values || tensor->dims[tensor->rank - 1] == 2);
      for (size_t e = 0; e < tensor->n_elements; e++)
        ck_assert (isfinite (tensor->data[e]));
    }
  }
  for (uint32_t i = 0; i < result->n_attributes; i++) {
    const WeirAttribute *attribute = &result->attributes[i];
    ck_assert (attribute->n_classes >= 1 && attribute->n_classes <= MAX (options->top_k, 1));
    for (uint32_t k = 0; k < attribute->n_classes; k++) {
      const WeirClass *class = &attribute->classes[k];
      bool is_text = class->label_id == WEIR_NO_CLASS && isnan (class->confidence);
      ck_assert (class->label && *class->label);
      ck_assert (is_text || (class->confidence >= 0 && class->confidence <= 1));
      ck_assert (k == 0 || class->confidence <= class[-1].confidence);
    }
  }
}

START_TEST (test_fuzz_decoder)
{
  const WeirDecoder *decoder = weir_decoders[_i];
  g_autoptr (GRand) random =
      g_rand_new_with_seed (number_from ("WEIR_FUZZ_SEED", 1) + (uint32_t) _i);
  uint32_t n_rounds = number_from ("WEIR_FUZZ_ROUNDS", N_ROUNDS), n_results = 0;
  for (uint32_t round = 0; round < n_rounds; round++) {
    bool is_map = g_str_equal (decoder->name, "fastestdet");
    uint32_t w = 16 * (uint32_t) g_rand_int_range (random, 2, 9) - (is_map ? 0 : 3);
    uint32_t h = 16 * (uint32_t) g_rand_int_range (random, 3, 9) - (is_map ? 0 : 5);
    g_autoptr (Fixture) fixture = fixture_new (w, h);
    g_autoptr (GError) error = NULL;
    add_outputs (fixture, decoder->name, w, h, (uint32_t) g_rand_int_range (random, 1, 30));
    if (g_str_equal (decoder->name, "yolo-pose"))
      fixture_set_metadata (fixture, "weir.keypoints", "3,3");
    fill (fixture, random);
    set_options (fixture, random);
    if (g_rand_boolean (random))
      fixture_set_labels (fixture, "a,b,c", ",");
    if (g_rand_boolean (random))
      fixture_set_traits (fixture, 0, (uint32_t) g_rand_int_range (random, 0, 16));
    ck_assert_msg (fixture_decode (fixture, decoder->name, &error), "%s: %s", decoder->name,
        error ? error->message : "");
    check_result (fixture);
    n_results +=
        fixture->result.n_objects + fixture->result.n_attributes + fixture->result.n_tensors;
  }
  ck_assert_uint_gt (n_results, 0);
}
END_TEST

/* Shapes at random: choosing and preparing never fails badly, and what is prepared decodes. */
START_TEST (test_fuzz_shapes)
{
  static const int64_t dims[] = { -1, 0, 1, 1, 1, 1, 2, 3, 4, 5, 6, 8, 10, 16, 21, 64, 84, 85,
    INT64_MAX };
  g_autoptr (GRand) random = g_rand_new_with_seed (number_from ("WEIR_FUZZ_SEED", 1));
  uint32_t n_rounds = 10 * number_from ("WEIR_FUZZ_ROUNDS", N_ROUNDS);
  for (uint32_t round = 0; round < n_rounds; round++) {
    g_autoptr (Fixture) fixture = fixture_new (64, 64);
    uint32_t n = (uint32_t) g_rand_int_range (random, 0, 5);
    for (uint32_t k = 0; k < n; k++) {
      WeirTensor tensor = { .dtype = (WeirDtype) g_rand_int_range (random, 0, WEIR_N_DTYPES),
        .rank = (uint32_t) g_rand_int_range (random, 0, 6) };
      for (uint32_t i = 0; i < tensor.rank; i++)
        tensor.dims[i] = dims[g_rand_int_range (random, 0, G_N_ELEMENTS (dims))];
      fixture_add_tensor (fixture, "o", &tensor);
    }
    for (uint32_t i = 0; i < fixture->input.rank; i++)
      if (g_rand_int_range (random, 0, 20) == 0)
        fixture->input.dims[i] = dims[g_rand_int_range (random, 0, G_N_ELEMENTS (dims))];
    ck_assert_ptr_nonnull (fixture_choose (fixture));
    for (uint32_t i = 0; weir_decoders[i]; i++) {
      g_autoptr (GError) error = NULL;
      weir_decoders[i]->n_classes (&fixture->facts);
      /* the outputs have no memory: a decode that comes so far refuses them */
      if (n)
        ck_assert (!fixture_decode (fixture, weir_decoders[i]->name, &error) && error);
    }
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("post-fuzz");
  TCase *tcase = tcase_create ("fuzz");
  int n = 0;
  while (weir_decoders[n])
    n++;
  tcase_add_loop_test (tcase, test_fuzz_decoder, 0, n);
  tcase_add_test (tcase, test_fuzz_shapes);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
