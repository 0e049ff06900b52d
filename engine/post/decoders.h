/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rows of weir_decoders[], one file each. */
#pragma once

#include "engine/post/decoder.h"

G_BEGIN_DECLS

/* detectors: finished boxes; YOLO; other networks of cells and queries */
extern const WeirDecoder weir_decoder_boxes_labels, weir_decoder_boxes_labels_scores,
    weir_decoder_detection_output, weir_decoder_multiclass_nms;
extern const WeirDecoder weir_decoder_yolo_fastestv2, weir_decoder_yolo_v10, weir_decoder_yolo_v2,
    weir_decoder_yolo_v2_region, weir_decoder_yolo_v2_scaled, weir_decoder_yolo_v3,
    weir_decoder_yolo_v3_nms, weir_decoder_yolo_v4, weir_decoder_yolo_v4_boxes,
    weir_decoder_yolo_v5, weir_decoder_yolo_v7, weir_decoder_yolo_v8;
extern const WeirDecoder weir_decoder_damo_yolo, weir_decoder_nanodet_plus, weir_decoder_ppyoloe,
    weir_decoder_rtdetr, weir_decoder_yolo_nas;
extern const WeirDecoder weir_decoder_blazeface, weir_decoder_centerface, weir_decoder_centernet,
    weir_decoder_retinaface, weir_decoder_scrfd, weir_decoder_yunet_2022;
    weir_decoder_detection_output, weir_decoder_yolo_obb, weir_decoder_yolo_pose,
    weir_decoder_yolo_seg, weir_decoder_yolo_v2, weir_decoder_yolo_v2_scaled, weir_decoder_yolo_v3,
    weir_decoder_yolo_v5, weir_decoder_yolo_v7, weir_decoder_yolo_v8, weir_decoder_yolo_v10;

extern const WeirDecoder weir_decoder_ultraface, weir_decoder_ultraface_raw, weir_decoder_yunet,
    weir_decoder_yolox, weir_decoder_nanodet, weir_decoder_fastestdet, weir_decoder_classification,
    weir_decoder_ctc, weir_decoder_embedding, weir_decoder_keypoints, weir_decoder_landmarks,
    weir_decoder_segmentation, weir_decoder_regression, weir_decoder_raw;

G_END_DECLS
