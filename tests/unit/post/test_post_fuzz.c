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

/* Outputs that fit a decoder: "name:dims;dims", a dim being numbers and letters (value_of) with
 * factors, added up: "3C+15". */
static const struct {
  const char *decoder, *outputs;
  bool is_aligned; /* the input's size is a multiple of 64 */
} shapes[] = {
  { "detection_output", "1,1,C,7", false },
  { "boxes_labels", "boxes:C,5;labels:C", false },
  { "boxes_labels_scores", "boxes:1,C,4;labels:1,C;scores:1,C", false },
  { "multiclass_nms", "C,6", false },
  { "ultraface", "1,R,2;1,R,4", false },
  { "ultraface-raw", "1,R,2;1,R,4", false },
  { "yunet", "1,p,1;1,q,1;1,r,1;1,p,1;1,q,1;1,r,1;1,p,4;1,q,4;1,r,4;1,p,10;1,q,10;1,r,10", false },
  { "yunet-2022", "1,R,14;1,R,2;R,1", true },
  { "retinaface", "1,2P,4;1,2P,2;1,2P,10", false },
  { "scrfd", "2p,1;2q,1;2r,1;2p,4;2q,4;2r,4;2p,10;2q,10;2r,10", false },
  { "blazeface", "1,896,16;1,896,1", true },
  { "centerface", "1,1,e,E;1,2,e,E;1,2,e,E;1,10,e,E", true },
  { "centernet", "1,C,e,E;1,2,e,E;1,2,e,E", true },
  { "nanodet", "1,p,C;1,q,C;1,r,C;1,p,32;1,q,32;1,r,32", false },
  { "picodet", "1,p,C;1,q,C;1,p,32;1,q,32", true },
  { "nanodet-plus", "1,Q,C+32", false },
  { "yolo-fastestv2", "1,g,G,C+15;1,h,H,C+15", true },
  { "yolo-v2", "1,5C+25,h,H", true },
  { "yolo-v2-scaled", "1,h,H,5C+25", true },
  { "yolo-v2-region", "1,5C+25,h,H", true },
  { "yolo-v3", "1,3C+15,h,H;1,3C+15,g,G;1,3C+15,f,F", true },
  { "yolo-v3-region", "1,3C+15,h,H;1,3C+15,g,G", true },
  { "yolo-v3-nms", "1,P,4;1,C,P;kept:C,3", false },
  { "yolo-v4", "1,h,H,3,C+5;1,g,G,3,C+5", true },
  { "yolo-v4-boxes", "1,3P,1,4;1,3P,C", false },
  { "yolo-v5", "1,3,f,F,C+5;1,3,g,G,C+5;1,3,h,H,C+5", true },
  { "yolo-v7", "C,7", false },
  { "yolo-v8", "1,C+4,P", false },
  { "yolo-pose", "1,C+13,P", false },
  { "yolo-obb", "1,C+5,P", false },
  { "yolo-seg", "1,C+9,P;1,5,e,E", false },
  { "yolo-v10", "1,C,6", false },
  { "ppyoloe", "1,P,4;1,C+4,P", false },
  { "damo-yolo", "1,P,C+4;1,P,4", false },
  { "yolo-nas", "1,P,4;1,P,C+4", false },
  { "rtdetr", "1,100,C+4;1,100,4", false },
  { "yolox", "1,P,C+5", false },
  { "fastestdet", "1,C+5,g,G", true },
  { "ctc", "W,1,4", false },
  { "keypoints", "1,C,e,E", false },
  { "segmentation", "1,C,e,E", false },
  { "landmarks", "1,C,2", false },
  { "embedding", "1,C", false },
  { "classification", "1,C+1", false },
  { "regression", "1,C", false },
  { "raw", "1,C,3,2", false },
};

/* Cells at a stride. */
static uint32_t n_cells (uint32_t w, uint32_t h, uint32_t stride_px)
{
  return ((w + stride_px - 1) / stride_px) * ((h + stride_px - 1) / stride_px);
}

static uint32_t value_of (char letter, uint32_t w, uint32_t h, uint32_t c)
{
  const uint32_t p = n_cells (w, h, 8), q = n_cells (w, h, 16), r = n_cells (w, h, 32);
  const uint32_t s = n_cells (w, h, 64);
  const struct {
    char letter;
    uint32_t value;
  } values[] = { { 'C', c }, { 'W', w }, { 'p', p }, { 'q', q }, { 'r', r }, { 'P', p + q + r },
    { 'Q', p + q + r + s }, { 'R', 3 * p + 2 * q + 2 * r + 3 * s }, { 'e', h / 4 }, { 'E', w / 4 },
    { 'f', h / 8 }, { 'F', w / 8 }, { 'g', h / 16 }, { 'G', w / 16 }, { 'h', h / 32 },
    { 'H', w / 32 } };
  for (uint32_t i = 0; i < G_N_ELEMENTS (values); i++)
    if (values[i].letter == letter)
      return values[i].value;
  ck_abort_msg ("'%c' is no letter of a dim", letter);
}

static uint32_t dim_of (const char *text, uint32_t w, uint32_t h, uint32_t c)
{
  uint32_t sum = 0;
  while (*text) {
    char *end;
    uint32_t factor = (uint32_t) g_ascii_strtoull (text, &end, 10);
    factor = end == text ? 1 : factor;
    sum += g_ascii_isalpha (*end) ? factor * value_of (*end, w, h, c) : factor;
    text = end + (g_ascii_isalpha (*end) ? 1 : 0);
    text += *text == '+';
  }
  return sum;
}

static void add_output (Fixture *fixture, const char *text, uint32_t w, uint32_t h, uint32_t c)
{
  const char *colon = strchr (text, ':');
  g_autofree char *name = colon ? g_strndup (text, (gsize) (colon - text)) : g_strdup ("o");
  g_auto (GStrv) words = g_strsplit (colon ? colon + 1 : text, ",", -1);
  g_autoptr (GString) dims = g_string_new (NULL);
  for (uint32_t i = 0; words[i]; i++)
    g_string_append_printf (dims, "%s%u", i ? "," : "", dim_of (words[i], w, h, c));
  fixture_add_output (fixture, name, dims->str);
  if (g_str_equal (name, "kept")) /* the only output that must be of integers */
    fixture->outputs[fixture->facts.n_outputs - 1].dtype = WEIR_DTYPE_I32;
}

static void add_outputs (Fixture *fixture, const char *outputs, uint32_t w, uint32_t h, uint32_t c)
{
  g_auto (GStrv) words = g_strsplit (outputs, ";", -1);
  for (uint32_t i = 0; words[i]; i++)
    add_output (fixture, words[i], w, h, c);
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
  bool is_square = g_str_equal (decoder->name, "blazeface");
  uint32_t shape = 0;
  while (shape < G_N_ELEMENTS (shapes) && !g_str_equal (shapes[shape].decoder, decoder->name))
    shape++;
  ck_assert_msg (shape < G_N_ELEMENTS (shapes), "%s: no outputs to try it on", decoder->name);
  uint32_t n_rounds = number_from ("WEIR_FUZZ_ROUNDS", N_ROUNDS), n_results = 0;
  for (uint32_t round = 0; round < n_rounds; round++) {
    uint32_t w = 16 * (uint32_t) g_rand_int_range (random, 2, 9) - 3;
    uint32_t h = 16 * (uint32_t) g_rand_int_range (random, 3, 9) - 5;
    if (shapes[shape].is_aligned) {
      w = 64 * (uint32_t) g_rand_int_range (random, 1, 3);
      h = is_square ? w : 64 * (uint32_t) g_rand_int_range (random, 1, 3);
    }
    g_autoptr (Fixture) fixture = fixture_new (w, h);
    g_autoptr (GError) error = NULL;
    add_outputs (fixture, shapes[shape].outputs, w, h, (uint32_t) g_rand_int_range (random, 1, 30));
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
