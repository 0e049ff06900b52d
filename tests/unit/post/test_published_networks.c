/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which decoder published networks get that are no detectors, by their outputs as the files have
 * them: Open Model Zoo, torchvision, timm, TensorFlow, PaddlePaddle, MMPose, InsightFace. */
#include "tests/run_suite.h"
#include "tests/unit/post/post_fixture.h"

#define MAX_OUTPUTS 6

enum {
  KNOWN = WEIR_OUTPUT_KNOWN,
  SOFTMAX = KNOWN | WEIR_OUTPUT_SOFTMAX,
  LOG_SOFTMAX = KNOWN | WEIR_OUTPUT_LOG_SOFTMAX,
  SIGMOID = KNOWN | WEIR_OUTPUT_SIGMOID,
  INDEX = KNOWN | WEIR_OUTPUT_INDEX,
  CTC = KNOWN | WEIR_OUTPUT_CTC
};

typedef struct Output {
  const char *name, *dims;
  uint32_t traits;
} Output;

static const struct {
  const char *network;
  uint32_t width_px, height_px;
  Output outputs[MAX_OUTPUTS];
  const char *labels, *decoder;
  const char *why; /* stands in the reason */
} rows[] = {
  /* one output of classes */
  { "resnet-50-pytorch", 224, 224, { { "prob", "1,1000", KNOWN } }, NULL, "classification",
      "1000 classes without labels, softmax added" },
  { "resnet50-v1-7.onnx", 224, 224, { { "resnetv17_dense0_fwd", "1,1000", KNOWN } }, NULL,
      "classification", "1000 classes" },
  { "mobilenet-v2-1.4-224 (TensorFlow)", 224, 224,
      { { "MobilenetV2/Predictions/Reshape_1", "1,1001", SOFTMAX } }, NULL, "classification",
      "1001 classes without labels, probabilities" },
  { "mobilenet-v2 (Caffe)", 224, 224, { { "prob", "1,1000,1,1", SOFTMAX } }, NULL, "classification",
      "1000 classes" },
  { "efficientnet-b0", 224, 224, { { "efficientnet-b0/model/head/dense", "1,1000", SOFTMAX } },
      NULL, "classification", "1000 classes" },
  { "efficientnet-lite4-11.onnx", 224, 224, { { "Softmax:0", "1,1000", SOFTMAX } }, NULL,
      "classification", "1000 classes" },
  { "vit_base_patch16_224.in21k", 224, 224, { { "output", "1,21843", KNOWN } }, NULL,
      "classification", "21843 classes" },
  { "emotion-ferplus-8.onnx", 64, 64, { { "Plus692_Output_0", "1,8", KNOWN } }, NULL,
      "classification", "8 classes" },
  { "yolov8n-cls", 224, 224, { { "output0", "1,1000", SOFTMAX } }, NULL, "classification",
      "1000 classes" },
  { "anti-spoof-mn3", 128, 128, { { "output1", "1,2", SOFTMAX } }, NULL, "classification",
      "2 classes" },
  { "open-closed-eye-0001", 32, 32, { { "19", "1,2,1,1", SOFTMAX } }, NULL, "classification",
      "2 classes" },
  { "weld-porosity-detection-0001", 224, 224, { { "output", "1,3", KNOWN } }, NULL,
      "classification", "3 classes" },
  { "emotions-recognition-retail-0003", 64, 64, { { "prob_emotion", "1,5,1,1", SOFTMAX } }, NULL,
      "classification", "5 classes" },
  { "speech of log probabilities", 224, 224, { { "o", "1,35", LOG_SOFTMAX } }, NULL,
      "classification", "35 classes" },
  { "a multi-label net of 80 classes", 448, 448, { { "o", "1,80", SIGMOID } }, NULL,
      "classification", "80 classes without labels, probabilities" },
  { "cats and dogs by Keras", 160, 160, { { "dense", "1,1", SIGMOID } }, "cat,dog",
      "classification", "one class or the other of 'dense' (1)" },
  { "an ArgMax at the end", 224, 224, { { "class", "1", INDEX } }, NULL, "classification",
      "labels by number of 'class'" },
  /* attributes */
  { "age-gender-recognition-retail-0013", 62, 62,
      { { "age_conv3", "1,1,1,1", KNOWN }, { "prob", "1,2,1,1", SOFTMAX } }, NULL, "classification",
      "numbers of 'age_conv3' (1), classes of 'prob' (2)" },
  { "vehicle-attributes-recognition-barrier-0039", 72, 72,
      { { "color", "1,7,1,1", SOFTMAX }, { "type", "1,4,1,1", SOFTMAX } }, NULL, "classification",
      "classes of 'color' (7), classes of 'type' (4)" },
  { "person-attributes-recognition-crossroad-0230", 80, 160,
      { { "453", "1,8,1,1", SIGMOID }, { "456", "1,2,1,1", SIGMOID },
          { "459", "1,2,1,1", SIGMOID } },
      NULL, "classification", "classes of '453' (8), numbers of '456' (2), numbers of '459' (2)" },
  { "person-attributes-recognition-crossroad-0234", 80, 160, { { "attributes", "1,7", SIGMOID } },
      NULL, "classification", "7 classes" },
  { "MTCNN's second stage", 24, 24, { { "prob1", "1,2", SOFTMAX }, { "conv5-2", "1,4", KNOWN } },
      NULL, "classification", "classes of 'prob1' (2), numbers of 'conv5-2' (4)" },
  /* numbers */
  { "head-pose-estimation-adas-0001", 60, 60,
      { { "angle_p_fc", "1,1", KNOWN }, { "angle_r_fc", "1,1", KNOWN },
          { "angle_y_fc", "1,1", KNOWN } },
      NULL, "regression", "'angle_p_fc' (1), 'angle_r_fc' (1), 'angle_y_fc' (1)" },
  { "an age net", 224, 224, { { "age", "1,1", KNOWN } }, NULL, "regression", "'age' (1)" },
  { "a gaze net of one eye", 60, 60, { { "gaze_vector", "1,3", KNOWN } }, NULL, "regression",
      "'gaze_vector' (3)" },
  /* points */
  { "landmarks-regression-retail-0009", 48, 48, { { "95", "1,10,1,1", SIGMOID } }, NULL,
      "landmarks", "'95'" },
  { "facial-landmarks-35-adas-0002", 60, 60, { { "align_fc3", "1,70", KNOWN } }, NULL, "landmarks",
      "'align_fc3'" },
  { "PFLD of 98 points", 112, 112, { { "landms", "1,196", KNOWN } }, NULL, "landmarks", "196" },
  { "2d106det", 192, 192, { { "fc1", "1,212", KNOWN } }, NULL, "landmarks", "212" },
  { "points in rows", 256, 256, { { "coords", "1,68,2", KNOWN } }, NULL, "landmarks", "68" },
  { "ten digits are no points", 28, 28, { { "o", "1,10", KNOWN } }, NULL, "classification",
      "10 classes" },
  { "single-human-pose-estimation-0001", 288, 384, { { "heatmaps", "1,17,48,36", KNOWN } }, NULL,
      "keypoints", "heatmaps of 17 points" },
  { "HRNet-W32 on COCO", 192, 256, { { "output", "1,17,64,48", KNOWN } }, NULL, "keypoints",
      "17 points, 48×64 for an input of 192×256" },
  { "facial-landmarks-98-detection-0001", 64, 64, { { "3851", "1,98,16,16", KNOWN } }, NULL,
      "keypoints", "98 points" },
  { "RTMPose-m", 192, 256, { { "simcc_x", "1,17,384", KNOWN }, { "simcc_y", "1,17,512", KNOWN } },
      NULL, "keypoints", "bins of x and y of 17 points (SimCC)" },
  /* embeddings */
  { "person-reidentification-retail-0288", 128, 256, { { "reid_embedding", "1,256", KNOWN } }, NULL,
      "embedding", "256 numbers" },
  { "face-reidentification-retail-0095", 128, 128, { { "658", "1,256,1,1", KNOWN } }, NULL,
      "embedding", "256 numbers" },
  { "osnet_x1_0", 128, 256, { { "output", "1,512", KNOWN } }, NULL, "embedding", "512 numbers" },
  { "arcface", 112, 112, { { "683", "1,512", KNOWN } }, NULL, "embedding", "512 numbers" },
  { "facenet", 160, 160, { { "embeddings", "1,128", KNOWN } }, NULL, "embedding", "128 numbers" },
  { "features of ResNet-50", 224, 224, { { "o", "1,2048", KNOWN } }, NULL, "embedding", "2048" },
  { "the same number of classes with labels of it", 64, 64, { { "class_probs", "1,256", KNOWN } },
      NULL, "classification", "256 classes" },
  /* texts */
  { "license-plate-recognition-barrier-0001", 94, 24, { { "decode", "1,88,1,1", CTC } }, NULL,
      "ctc", "88 label numbers" },
  { "text-recognition-0012", 120, 32,
      { { "shadow/LSTMLayers/transpose_time_major", "30,1,37", KNOWN } }, NULL, "ctc",
      "30 steps of 37 classes, blank 36" },
  { "PP-OCRv4 recognition", 320, 48, { { "softmax_11.tmp_0", "1,40,6625", SOFTMAX } }, NULL, "ctc",
      "40 steps of 6625 classes, blank 0" },
  { "LPRNet", 94, 24, { { "o", "1,5,18", KNOWN } }, "a,b,c,d,-", "ctc", "18 steps of 5 classes" },
  { "a transformer's rows", 224, 224, { { "last_hidden_state", "1,197,768", KNOWN } }, NULL, "raw",
      "no family" },
  /* pictures of classes */
  { "deeplabv3 (torchvision)", 520, 520,
      { { "out", "1,21,520,520", KNOWN }, { "aux", "1,21,520,520", KNOWN } }, NULL, "segmentation",
      "scores of 21 classes for 520×520" },
  { "road-segmentation-adas-0001", 896, 512,
      { { "L0317_ReWeight_SoftMax", "1,4,512,896", SOFTMAX } }, NULL, "segmentation", "4 classes" },
  { "semantic-segmentation-adas-0001", 2048, 1024, { { "4656.1", "1,1,1024,2048", INDEX } }, NULL,
      "segmentation", "class numbers of 2048×1024" },
  { "deeplabv3 (TensorFlow)", 513, 513, { { "ArgMax/Squeeze", "1,513,513", INDEX } }, NULL,
      "segmentation", "class numbers of 513×513" },
  { "SegFormer on ADE20K", 512, 512, { { "logits", "1,150,128,128", KNOWN } }, NULL, "segmentation",
      "150 classes for 128×128" },
  { "U²-Net", 320, 320, { { "1959", "1,1,320,320", SIGMOID }, { "1960", "1,1,320,320", SIGMOID } },
      NULL, "segmentation", "a mask of 320×320" },
  { "midasnet: a depth", 384, 384, { { "inverse_depth", "1,384,384", KNOWN } }, NULL, "raw",
      "no family" },
  { "super-resolution", 224, 224, { { "output", "1,3,224,224", KNOWN } }, NULL, "raw",
      "no family" },
  { "features of a backbone", 224, 224, { { "o", "1,512,7,7", KNOWN } }, NULL, "raw", "no family" },
  { "human-pose-estimation-0001", 456, 256,
      { { "Mconv7_stage2_L1", "1,38,32,57", KNOWN }, { "Mconv7_stage2_L2", "1,19,32,57", KNOWN } },
      NULL, "raw", "no family" },
};

static void add_outputs (Fixture *fixture, const Output *outputs)
{
  for (uint32_t k = 0; k < MAX_OUTPUTS && outputs[k].name; k++) {
    g_auto (GStrv) words = g_strsplit (outputs[k].dims, ",", -1);
    WeirTensor tensor = { .dtype = WEIR_DTYPE_F32, .rank = g_strv_length (words) };
    for (uint32_t i = 0; i < tensor.rank; i++)
      tensor.dims[i] = g_ascii_strtoll (words[i], NULL, 10);
    fixture_add_tensor (fixture, outputs[k].name, &tensor);
    fixture_set_traits (fixture, k, outputs[k].traits);
  }
}

START_TEST (test_published_networks)
{
  g_autoptr (Fixture) fixture = fixture_new (rows[_i].width_px, rows[_i].height_px);
  const char *why = NULL;
  add_outputs (fixture, rows[_i].outputs);
  if (rows[_i].labels)
    fixture_set_labels (fixture, rows[_i].labels, ",");
  const WeirDecoder *decoder = weir_decoder_choose (&fixture->facts, &why);
  ck_assert_msg (decoder && g_str_equal (decoder->name, rows[_i].decoder), "%s: %s (%s)",
      rows[_i].network, decoder ? decoder->name : "none", why);
  ck_assert_msg (strstr (why, rows[_i].why) != NULL, "%s: %s", rows[_i].network, why);
}
END_TEST

/* Networks that look at several pictures (gaze-estimation-adas-0002: both eyes and the head's
 * angles) are not given one. */
START_TEST (test_published_several_pictures)
{
  static const char *const names[] = { "left_eye_image", "right_eye_image", "head_pose_angles" };
  const WeirTensor inputs[] = {
    { .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 1, 3, 60, 60 } },
    { .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 1, 3, 60, 60 } },
    { .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 1, 3 } },
  };
  g_autoptr (Fixture) fixture = fixture_new (60, 60);
  fixture->facts.input_names = names;
  fixture->facts.inputs = inputs;
  fixture->facts.n_inputs = 3;
  fixture_add_output (fixture, "o", "1,30");
  fixture_set_traits (fixture, 0, KNOWN);
  ck_assert_str_eq (fixture_choose (fixture), "regression");
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("published-networks");
  TCase *tcase = tcase_create ("networks");
  tcase_add_loop_test (tcase, test_published_networks, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_published_several_pictures);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
