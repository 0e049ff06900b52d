/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rows of weir_decoders[]. */
#pragma once

#include "engine/post/decoder.h"

G_BEGIN_DECLS

/* Preprocessing that many families were trained with: RGB 0..255, or 0..1, stretched to the input;
 * or 0..1 in the middle of a grey letterbox. */
#define WEIR_TRAINED_ON_BYTES \
  .color = WEIR_COLOR_RGB, .resize = WEIR_RESIZE_STRETCH, .mean = { 0, 0, 0 }, .scale = { 1, 1, 1 }
#define WEIR_TRAINED_ON_UNIT                                                   \
  .color = WEIR_COLOR_RGB, .resize = WEIR_RESIZE_STRETCH, .mean = { 0, 0, 0 }, \
  .scale = { 1 / 255.0f, 1 / 255.0f, 1 / 255.0f }
#define WEIR_TRAINED_ON_LETTERBOXES                                                     \
  .color = WEIR_COLOR_RGB, .resize = WEIR_RESIZE_LETTERBOX_CENTRE, .mean = { 0, 0, 0 }, \
  .scale = { 1 / 255.0f, 1 / 255.0f, 1 / 255.0f }, .pad = 114

extern const WeirDecoder weir_decoder_blazeface;
extern const WeirDecoder weir_decoder_boxes_labels;
extern const WeirDecoder weir_decoder_boxes_labels_scores;
extern const WeirDecoder weir_decoder_centerface;
extern const WeirDecoder weir_decoder_centernet;
extern const WeirDecoder weir_decoder_classification;
extern const WeirDecoder weir_decoder_ctc;
extern const WeirDecoder weir_decoder_damo_yolo;
extern const WeirDecoder weir_decoder_detection_output;
extern const WeirDecoder weir_decoder_embedding;
extern const WeirDecoder weir_decoder_fastestdet;
extern const WeirDecoder weir_decoder_keypoints;
extern const WeirDecoder weir_decoder_landmarks;
extern const WeirDecoder weir_decoder_multiclass_nms;
extern const WeirDecoder weir_decoder_nanodet;
extern const WeirDecoder weir_decoder_nanodet_plus;
extern const WeirDecoder weir_decoder_picodet;
extern const WeirDecoder weir_decoder_ppyoloe;
extern const WeirDecoder weir_decoder_raw;
extern const WeirDecoder weir_decoder_regression;
extern const WeirDecoder weir_decoder_retinaface;
extern const WeirDecoder weir_decoder_rtdetr;
extern const WeirDecoder weir_decoder_scrfd;
extern const WeirDecoder weir_decoder_segmentation;
extern const WeirDecoder weir_decoder_ultraface;
extern const WeirDecoder weir_decoder_ultraface_raw;
extern const WeirDecoder weir_decoder_yolo_fastestv2;
extern const WeirDecoder weir_decoder_yolo_nas;
extern const WeirDecoder weir_decoder_yolo_obb;
extern const WeirDecoder weir_decoder_yolo_pose;
extern const WeirDecoder weir_decoder_yolo_seg;
extern const WeirDecoder weir_decoder_yolo_v10;
extern const WeirDecoder weir_decoder_yolo_v2;
extern const WeirDecoder weir_decoder_yolo_v2_region;
extern const WeirDecoder weir_decoder_yolo_v2_scaled;
extern const WeirDecoder weir_decoder_yolo_v3;
extern const WeirDecoder weir_decoder_yolo_v3_nms;
extern const WeirDecoder weir_decoder_yolo_v3_region;
extern const WeirDecoder weir_decoder_yolo_v4;
extern const WeirDecoder weir_decoder_yolo_v4_boxes;
extern const WeirDecoder weir_decoder_yolo_v5;
extern const WeirDecoder weir_decoder_yolo_v7;
extern const WeirDecoder weir_decoder_yolo_v8;
extern const WeirDecoder weir_decoder_yolox;
extern const WeirDecoder weir_decoder_yunet;
extern const WeirDecoder weir_decoder_yunet_2022;

G_END_DECLS
