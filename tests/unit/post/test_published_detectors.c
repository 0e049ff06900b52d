/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which decoder published detectors get, by their outputs as the files have them, and which
 * networks that look alike get none of these. */
#include "tests/run_suite.h"
#include "tests/unit/post/post_fixture.h"

#define MAX_OUTPUTS 9

enum {
  NOTHING = 0, /* the graph was not looked at */
  KNOWN = WEIR_OUTPUT_KNOWN,
  CHOSEN = KNOWN | WEIR_OUTPUT_SELECTED,
  SSD = KNOWN | WEIR_OUTPUT_DETECTION_OUTPUT,
  REGION = KNOWN | WEIR_OUTPUT_REGION,
  GRID = KNOWN | WEIR_OUTPUT_GRID | WEIR_OUTPUT_ANY_SIGMOID,
  ONES = GRID | WEIR_OUTPUT_CONSTANT_PART,
  MISH = KNOWN | WEIR_OUTPUT_NET_MISH,
  SILU = KNOWN | WEIR_OUTPUT_NET_SILU,
  SPLIT = KNOWN | WEIR_OUTPUT_NET_SPLIT,
  POOL = KNOWN | WEIR_OUTPUT_NET_POOL,
  SCALED = KNOWN | WEIR_OUTPUT_NET_SCALES | WEIR_OUTPUT_NET_POOL,
};

static const struct {
  const char *network;
  uint32_t width_px, height_px, traits;
  const char *outputs; /* "name f32 dims; …" */
  const char *task, *labels, *decoder;
  uint32_t n_classes;
} rows[] = {
  /* finished boxes */
  { "face-detection-retail-0004", 300, 300, SSD, "detection_out f 1,1,200,7", NULL, NULL,
      "detection_output", 0 },
  { "person-detection-retail-0013", 544, 320, SSD, "detection_out f 1,1,200,7", NULL, NULL,
      "detection_output", 0 },
  { "vehicle-license-plate-detection-barrier-0106", 300, 300, SSD, "DetectionOutput_ f 1,1,200,7",
      NULL, NULL, "detection_output", 0 },
  { "an SSD, graph unknown", 300, 300, NOTHING, "o f 1,1,100,7", NULL, NULL, "detection_output",
      0 },
  { "rows of DetectionOutput in two dims", 300, 300, SSD, "o f 200,7", NULL, NULL,
      "detection_output", 0 },
  { "an SSD with features beside", 300, 300, SSD,
      "detection_out f 1,1,200,7;features f 1,256,10,10", NULL, NULL, "detection_output", 0 },
  { "person-detection-0301", 1344, 800, CHOSEN, "boxes f 100,5;labels i 100", NULL, NULL,
      "boxes_labels", 0 },
  { "Geti's ATSS", 992, 736, CHOSEN,
      "boxes f 1,100,5;labels i 1,100;feature_vector f 1,1280,1,1;saliency_map f 1,2,23,31", NULL,
      NULL, "boxes_labels", 0 },
  { "MMDeploy", 800, 1344, CHOSEN, "dets f 1,100,5;labels i 1,100", NULL, NULL, "boxes_labels", 0 },
  { "FasterRCNN-10.onnx", 800, 800, CHOSEN, "6379 f 79,4;6381 i 79;6383 f 79", NULL, NULL,
      "boxes_labels_scores", 0 },
  { "ssd-10.onnx", 1200, 1200, CHOSEN, "bboxes f 1,200,4;labels i 1,200;scores f 1,200", NULL, NULL,
      "boxes_labels_scores", 0 },
  { "ssd_mobilenet_v1_10.onnx", 300, 300, CHOSEN,
      "num_detections:0 f 1;detection_boxes:0 f 1,100,4;detection_scores:0 f 1,100;"
      "detection_classes:0 f 1,100",
      NULL, NULL, "boxes_labels_scores", 0 },
  { "MaskRCNN-10.onnx", 800, 800, CHOSEN, "6568 f 79,4;6570 i 79;6572 f 79;6887 f 79,1,28,28", NULL,
      NULL, "boxes_labels_scores", 0 },
  { "RT-DETR of its authors", 640, 640, CHOSEN, "labels i 1,300;boxes f 1,300,4;scores f 1,300",
      NULL, NULL, "boxes_labels_scores", 0 },
  { "PP-YOLOE+ with its suppression", 640, 640, CHOSEN,
      "multiclass_nms3_0.tmp_0 f 300,6;"
      "multiclass_nms3_0.tmp_2 i 1",
      NULL, NULL, "multiclass_nms", 0 },
  /* YOLO v2 */
  { "tinyyolov2-8.onnx", 416, 416, SCALED, "grid f 1,125,13,13", NULL, NULL, "yolo-v2-scaled", 20 },
  { "yolov2-coco-9.onnx", 416, 416, KNOWN, "218 f 1,425,13,13", NULL, NULL, "yolo-v2", 80 },
  { "yolo-v2-tf, channels last", 608, 608, KNOWN, "o f 1,19,19,425", NULL, NULL, "yolo-v2", 80 },
  { "yolo-v2-ava-0001", 416, 416, REGION, "o f 1,21125", NULL, NULL, "yolo-v2-region", 20 },
  { "yolo-v2-tiny-vehicle-detection-0001", 416, 416, REGION, "o f 1,8450", NULL, NULL,
      "yolo-v2-region", 5 },
  { "a v2 of two classes", 416, 416, KNOWN, "o f 1,35,13,13", NULL, "a,b", "yolo-v2", 2 },
  { "features of a MobileNet", 416, 416, KNOWN, "o f 1,1280,13,13", NULL, NULL, "raw", 0 },
  /* YOLO v3, v4 */
  { "yolo-v3-tf", 416, 416, KNOWN, "a f 1,255,13,13;b f 1,255,26,26;c f 1,255,52,52", NULL, NULL,
      "yolo-v3", 80 },
  { "yolo-v3-tf, graph unknown", 416, 416, NOTHING,
      "a f 1,255,13,13;b f 1,255,26,26;c f 1,255,52,52", NULL, NULL, "yolo-v3", 80 },
  { "yolo-v3 of OpenVINO, with RegionYolo", 416, 416, REGION,
      "a f 1,255,13,13;b f 1,255,26,26;c f 1,255,52,52", NULL, NULL, "yolo-v3-region", 80 },
  { "yolo-v3-tiny-tf", 416, 416, POOL, "a f 1,255,13,13;b f 1,255,26,26", NULL, NULL, "yolo-v3",
      80 },
  { "v3 of one class, channels last", 320, 320, KNOWN,
      "a f 1,10,10,18;b f 1,20,20,18;c f 1,40,40,18", NULL, NULL, "yolo-v3", 1 },
  { "yolov3-10.onnx", 416, 416, CHOSEN,
      "yolonms_layer_1/ExpandDims_1:0 f 1,10647,4;yolonms_layer_1/ExpandDims_3:0 f 1,80,10647;"
      "yolonms_layer_1/concat_2:0 i 20,3",
      NULL, NULL, "yolo-v3-nms", 80 },
  { "tiny-yolov3-11.onnx", 416, 416, CHOSEN,
      "yolonms_layer_1 f 1,2535,4;yolonms_layer_1:1 f 1,80,2535;yolonms_layer_1:2 i 1,1600,3", NULL,
      NULL, "yolo-v3-nms", 80 },
  { "yolo-v4-tf", 608, 608, MISH, "a f 1,255,76,76;b f 1,255,38,38;c f 1,255,19,19", NULL, NULL,
      "yolo-v4", 80 },
  { "yolo-v4-tiny-tf", 416, 416, SPLIT | POOL, "a f 1,255,13,13;b f 1,255,26,26", NULL, NULL,
      "yolo-v4", 80 },
  { "yolov4.onnx", 416, 416, MISH | WEIR_OUTPUT_ANY_SIGMOID,
      "Identity:0 f 1,52,52,3,85;Identity_1:0 f 1,26,26,3,85;Identity_2:0 f 1,13,13,3,85", NULL,
      NULL, "yolo-v4", 80 },
  { "pytorch-YOLOv4", 416, 416, GRID, "boxes f 1,10647,1,4;confs f 1,10647,80", NULL, NULL,
      "yolo-v4-boxes", 80 },
  { "three maps of features", 416, 416, KNOWN, "a f 1,96,13,13;b f 1,96,26,26;c f 1,96,52,52", NULL,
      NULL, "raw", 0 },
  { "maps of other numbers of classes", 416, 416, KNOWN, "a f 1,255,13,13;b f 1,18,26,26", NULL,
      NULL, "raw", 0 },
  /* YOLO v5, v7 */
  { "yolov5s", 640, 640, GRID, "output0 f 1,25200,85", NULL, NULL, "yolo-v5", 80 },
  { "yolov5s 416, graph unknown", 416, 416, NOTHING, "o f 1,10647,85", NULL, NULL, "yolo-v5", 80 },
  { "yolov5n of one class", 320, 320, GRID, "o f 1,6300,6", NULL, NULL, "yolo-v5", 1 },
  { "yolov5s6", 1280, 1280, GRID, "o f 1,102000,85", NULL, NULL, "yolo-v5", 80 },
  { "yolov5s wide", 640, 384, GRID, "o f 1,15120,85", NULL, NULL, "yolo-v5", 80 },
  { "yolov5s of version 5.0", 640, 640, GRID,
      "output f 1,25200,85;a f 1,3,80,80,85;b f 1,3,40,40,85;c f 1,3,20,20,85", NULL, NULL,
      "yolo-v5", 80 },
  { "yolov3u-tiny by PyTorch", 416, 416, GRID, "o f 1,2535,85", NULL, NULL, "yolo-v5", 80 },
  { "yolov5s, its three heads", 640, 640, SILU,
      "a f 1,3,80,80,85;b f 1,3,40,40,85;c f 1,3,20,20,85", NULL, NULL, "yolo-v5", 80 },
  { "yolov5m, cut for OpenVINO", 640, 640, SILU, "a f 1,255,80,80;b f 1,255,40,40;c f 1,255,20,20",
      NULL, NULL, "yolo-v5", 80 },
  { "yolov7, cut", 640, 640, SILU | POOL, "a f 1,255,80,80;b f 1,255,40,40;c f 1,255,20,20", NULL,
      NULL, "yolo-v7", 80 },
  { "yolov7-tiny, cut", 640, 640, POOL, "a f 1,255,80,80;b f 1,255,40,40;c f 1,255,20,20", NULL,
      NULL, "yolo-v5", 80 },
  { "yolov7-tiny", 640, 640, GRID, "output f 1,25200,85", NULL, NULL, "yolo-v5", 80 },
  { "yolov7-tiny with its suppression", 640, 640, CHOSEN, "output f 100,7", NULL, NULL, "yolo-v7",
      0 },
  { "a classifier of seven classes", 224, 224, KNOWN, "prob f 1,7", NULL, "a,b,c,d,e,f,g",
      "classification", 7 },
  /* YOLO v6 to v26 */
  { "yolov6n", 640, 640, ONES, "outputs f 1,8400,85", NULL, NULL, "yolo-v8", 80 },
  { "yolov8n", 640, 640, GRID, "output0 f 1,84,8400", "detect", NULL, "yolo-v8", 80 },
  { "yolov8n, graph unknown", 320, 320, NOTHING, "o f 1,84,2100", NULL, NULL, "yolo-v8", 80 },
  { "yolov8n-face of one class", 640, 640, GRID, "o f 1,5,8400", NULL, NULL, "yolo-v8", 1 },
  { "yolo11n 416", 416, 416, GRID, "o f 1,84,3549", NULL, NULL, "yolo-v8", 80 },
  { "yolo12s wide", 640, 384, GRID, "o f 1,84,5040", NULL, NULL, "yolo-v8", 80 },
  { "yolov8x-p6", 1280, 1280, GRID, "o f 1,84,34000", NULL, NULL, "yolo-v8", 80 },
  { "yolov8n-p2", 640, 640, GRID, "o f 1,84,34000", NULL, NULL, "yolo-v8", 80 },
  { "yolov8n turned", 640, 640, GRID, "o f 1,8400,84", "detect", NULL, "yolo-v8", 80 },
  { "yolov8n turned, by its labels", 64, 64, NOTHING, "o f 1,84,7", NULL, "a,b,c", "yolo-v8", 3 },
  { "a classifier's rows with the task of another", 640, 640, GRID, "o f 1,84,8400", "classify",
      NULL, "raw", 0 },
  { "yolov10n", 640, 640, CHOSEN, "output0 f 1,300,6", "detect", NULL, "yolo-v10", 0 },
  { "yolov8n with its suppression", 640, 640, CHOSEN, "output0 f 1,300,6", NULL, NULL, "yolo-v10",
      0 },
  { "yolo26n, graph unknown", 640, 640, NOTHING, "output0 f 1,300,6", NULL, NULL, "yolo-v10", 0 },
  { "yolox_s", 640, 640, KNOWN | WEIR_OUTPUT_ANY_SIGMOID, "output f 1,8400,85", NULL, NULL, "yolox",
      80 },
  { "yolox_s, decoded", 640, 640, GRID | WEIR_OUTPUT_EXP, "output f 1,8400,85", NULL, NULL, "yolox",
      80 },
  { "Yolo-FastestV2", 352, 352, KNOWN, "770 f 1,22,22,95;783 f 1,11,11,95", NULL, NULL,
      "yolo-fastestv2", 80 },
  { "Yolo-FastestV2, its six outputs", 352, 352, KNOWN,
      "a f 1,12,22,22;b f 1,3,22,22;c f 1,80,22,22;d f 1,12,11,11;e f 1,3,11,11;f f 1,80,11,11",
      NULL, NULL, "yolo-fastestv2", 80 },
  /* transformers */
  { "rtdetr-l", 640, 640, KNOWN, "output0 f 1,300,84", NULL, NULL, "rtdetr", 80 },
  { "RT-DETR of two classes", 640, 640, KNOWN, "output0 f 1,300,6", NULL, "a,b", "rtdetr", 2 },
  { "RT-DETR R50 (transformers)", 640, 640, KNOWN, "logits f 1,300,80;pred_boxes f 1,300,4", NULL,
      NULL, "rtdetr", 80 },
  { "DETR-ResNet-50", 800, 800, KNOWN, "pred_logits f 1,100,92;pred_boxes f 1,100,4", NULL, NULL,
      "rtdetr", 91 },
  { "RF-DETR", 560, 560, KNOWN, "dets f 1,300,4;labels f 1,300,91", NULL, NULL, "rtdetr", 91 },
  { "FaceBoxes: priors, no queries", 1024, 1024, KNOWN, "boxes f 1,21824,4;scores f 1,21824,2",
      NULL, NULL, "raw", 0 },
  /* other cells */
  { "nanodet-plus-m_320", 320, 320, KNOWN, "output f 1,2125,112", NULL, NULL, "nanodet-plus", 80 },
  { "nanodet-plus-m_416", 416, 416, NOTHING, "output f 1,3598,112", NULL, NULL, "nanodet-plus",
      80 },
  { "nanodet-plus of three classes", 416, 416, KNOWN, "o f 1,3598,35", NULL, "a,b,c",
      "nanodet-plus", 3 },
  { "PicoDet without its suppression", 320, 320, KNOWN,
      "a f 1,1600,80;b f 1,400,80;c f 1,100,80;d f 1,25,80;"
      "e f 1,1600,32;f f 1,400,32;g f 1,100,32;h f 1,25,32",
      NULL, NULL, "picodet", 80 },
  { "PP-YOLOE without its suppression", 640, 640, GRID, "tmp_16 f 1,8400,4;concat_14 f 1,80,8400",
      NULL, NULL, "ppyoloe", 80 },
  { "DAMO-YOLO-T", 640, 640, GRID, "output f 1,8400,80;956 f 1,8400,4", NULL, NULL, "damo-yolo",
      80 },
  { "yolo_nas_s", 640, 640, GRID, "913 f 1,8400,4;904 f 1,8400,80", NULL, NULL, "yolo-nas", 80 },
  { "ctdet_coco_dlav0_512", 512, 512, KNOWN,
      "center_heatmap f 1,80,128,128;width_height f 1,2,128,128;regression f 1,2,128,128", NULL,
      NULL, "centernet", 80 },
  /* faces */
  { "face_detection_yunet_2022mar", 320, 320, KNOWN, "loc f 5875,14;conf f 5875,2;iou f 5875,1",
      NULL, NULL, "yunet-2022", 1 },
  { "face_detection_yunet_2021dec", 160, 120, KNOWN,
      "loc f 1,1076,14;conf f 1,1076,2;iou f 1,1076,1", NULL, NULL, "yunet-2022", 1 },
  { "det_10g (SCRFD)", 640, 640, KNOWN,
      "448 f 12800,1;471 f 3200,1;494 f 800,1;451 f 12800,4;474 f 3200,4;497 f 800,4;"
      "454 f 12800,10;477 f 3200,10;500 f 800,10",
      NULL, NULL, "scrfd", 1 },
  { "scrfd_500m without points", 320, 320, KNOWN,
      "score_8 f 1,3200,1;score_16 f 1,800,1;score_32 f 1,200,1;bbox_8 f 1,3200,4;"
      "bbox_16 f 1,800,4;bbox_32 f 1,200,4",
      NULL, NULL, "scrfd", 1 },
  { "retinaface-resnet50-pytorch", 640, 640, KNOWN,
      "face_rpn_bbox_pred f 1,16800,4;face_rpn_cls_prob f 1,16800,2;"
      "face_rpn_landmark_pred f 1,16800,10",
      NULL, NULL, "retinaface", 2 },
  { "RetinaFace mobilenet0.25", 320, 240, NOTHING,
      "bbox f 1,3160,4;confidence f 1,3160,2;landmark f 1,3160,10", NULL, NULL, "retinaface", 2 },
  { "centerface", 640, 480, KNOWN,
      "537 f 1,1,120,160;538 f 1,2,120,160;539 f 1,2,120,160;540 f 1,10,120,160", NULL, NULL,
      "centerface", 1 },
  { "face_detection_front", 128, 128, KNOWN, "regressors f 1,896,16;classificators f 1,896,1", NULL,
      NULL, "blazeface", 1 },
};

/* "name f dims" */
static void add_output (Fixture *fixture, const char *text, uint32_t traits)
{
  g_auto (GStrv) words = g_strsplit (g_strstrip ((char *) text), " ", -1);
  g_auto (GStrv) dims = g_strsplit (words[2], ",", -1);
  WeirTensor tensor = { .dtype = *words[1] == 'i' ? WEIR_DTYPE_I64 : WEIR_DTYPE_F32,
    .rank = g_strv_length (dims) };
  for (uint32_t i = 0; i < tensor.rank; i++)
    tensor.dims[i] = g_ascii_strtoll (dims[i], NULL, 10);
  fixture_add_tensor (fixture, words[0], &tensor);
  if (traits)
    fixture_set_traits (fixture, fixture->facts.n_outputs - 1, traits);
}

START_TEST (test_published_detectors)
{
  g_autoptr (Fixture) fixture = fixture_new (rows[_i].width_px, rows[_i].height_px);
  g_auto (GStrv) outputs = g_strsplit (rows[_i].outputs, ";", -1);
  const char *why = NULL;
  for (uint32_t k = 0; outputs[k]; k++)
    add_output (fixture, outputs[k], rows[_i].traits);
  if (rows[_i].labels)
    fixture_set_labels (fixture, rows[_i].labels, ",");
  if (rows[_i].task)
    fixture_set_metadata (fixture, "weir.task", rows[_i].task);
  const WeirDecoder *decoder = weir_decoder_choose (&fixture->facts, &why);
  ck_assert_msg (decoder && g_str_equal (decoder->name, rows[_i].decoder), "%s: %s (%s)",
      rows[_i].network, decoder ? decoder->name : "none", why);
  ck_assert_msg (decoder->n_classes (&fixture->facts) == rows[_i].n_classes, "%s: %u classes",
      rows[_i].network, decoder->n_classes (&fixture->facts));
  if (g_str_equal (decoder->name, "raw"))
    return;
  g_autoptr (GError) error = NULL;
  void *state = decoder->prepare (&fixture->facts, &fixture->spec, &error);
  ck_assert_msg (state != NULL, "%s: %s", rows[_i].network, error ? error->message : "");
  decoder->release (state);
}
END_TEST

START_TEST (test_decoder_aliases)
{
  static const char *const aliases[][2] = { { "yolo_v5", "yolo-v5" }, { "yolo-v11", "yolo-v8" },
    { "YOLOv8", "yolo-v8" }, { "tensor_to_bbox_ssd", "detection_output" },
    { "detection_output", "detection_output" }, { "tensor_to_bbox_yolo_v3", "yolo-v3" },
    { "yolo_x", "yolox" }, { "boxes_labels", "boxes_labels" }, { "yolo_v26", "yolo-v10" } };
  for (uint32_t i = 0; i < G_N_ELEMENTS (aliases); i++) {
    const WeirDecoder *decoder = weir_decoder_find (aliases[i][0]);
    ck_assert_msg (decoder && g_str_equal (decoder->name, aliases[i][1]), "%s", aliases[i][0]);
  }
  g_autofree char *long_name = g_strnfill (1000, 'x');
  ck_assert_ptr_null (weir_decoder_find (long_name));
  ck_assert_ptr_null (weir_decoder_find (""));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("published-detectors");
  TCase *tcase = tcase_create ("detectors");
  tcase_add_loop_test (tcase, test_published_detectors, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_decoder_aliases);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
