/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators of OpenVINO IR ("openvino:…" in ops.def): readers of their attributes, and those
 * resolved into numbers as in geometry.h.
 *
 * Attributes keep the IR's names. A boolean or whole number is INT, a number FLOAT or INT, a list
 * INTS, FLOATS or, where it has one element, INT or FLOAT; an empty list may be missing, or an
 * empty STRING. Choices are compared without regard to case. node->opset is the layer's version.
 * Defaults are the specification's.
 *
 *   AdaptiveAvgPool         none
 *   AdaptiveMaxPool         index_element_type
 *   Bucketize               output_type, with_right_bound
 *   CTCGreedyDecoder        ctc_merge_repeated
 *   CTCGreedyDecoderSeqLen  merge_repeated, classes_index_type, sequence_length_type
 *   DeformablePSROIPooling  as PSROIPooling, and trans_std, part_size
 *   DetectionOutput         num_classes, background_label_id, top_k, keep_top_k[], code_type,
 *                           variance_encoded_in_target, share_location, nms_threshold,
 *                           confidence_threshold, clip_after_nms, clip_before_nms,
 *                           decrease_label_id, normalized, input_height, input_width,
 *                           objectness_score
 *   ExtractImagePatches     sizes[], strides[], rates[], auto_pad
 *   FakeQuantize            levels, auto_broadcast
 *   GRN                     bias
 *   Interpolate             mode, and in opset 1: axes[], align_corners, antialias, pads_begin[],
 *                           pads_end[]; later: shape_calculation_mode,
 *                           coordinate_transformation_mode, nearest_mode, antialias, pads_begin[],
 *                           pads_end[], cube_coeff
 *   MVN                     eps, normalize_variance; opset 1: across_channels; later: eps_mode
 *   NonMaxSuppression       box_encoding, sort_result_descending, output_type
 *   NormalizeL2             eps, eps_mode
 *   PriorBox                min_size[], max_size[], aspect_ratio[], density[], fixed_ratio[],
 *                           fixed_size[], flip, clip, step, offset, variance[], scale_all_sizes,
 *                           min_max_aspect_ratios_order
 *   PriorBoxClustered       width[], height[], clip, step, step_w, step_h, offset, variance[]
 *   Proposal                base_size, pre_nms_topn, post_nms_topn, nms_thresh, feat_stride,
 *                           min_size, ratio[], scale[], clip_before_nms, clip_after_nms, normalize,
 *                           box_size_scale, box_coordinate_scale, framework
 *   PSROIPooling            output_dim, group_size, spatial_scale, spatial_bins_x, spatial_bins_y,
 *                           mode
 *   RegionYolo              axis, end_axis, coords, classes, num, do_softmax, mask[],
 *                           anchors[] (for the decoder)
 *   ReorgYolo               stride[]
 *   ROIAlign                pooled_h, pooled_w, sampling_ratio, spatial_scale, mode, aligned_mode
 *   ROIPooling              pooled_h and pooled_w, or output_roi[] or output_size[]; spatial_scale,
 *                           method
 *   ShuffleChannels         axis, group
 *   StridedSlice            begin_mask[], end_mask[], new_axis_mask[], shrink_axis_mask[],
 *                           ellipsis_mask[]
 *   TopK                    axis, mode, sort, index_element_type */
#pragma once

#include "engine/graph/geometry.h"

G_BEGIN_DECLS

float weir_ov_float (const WeirNode *node, const char *name, float fallback);
bool weir_ov_bool (const WeirNode *node, const char *name, bool fallback);
/* *n = 0 where it is missing. At most WEIR_MAX_INTS. */
bool weir_ov_floats (const WeirShapeJob *job, const char *name, float result[WEIR_MAX_INTS],
    uint32_t *n, GError **error);
bool weir_ov_ints (const WeirShapeJob *job, const char *name, int64_t result[WEIR_MAX_INTS],
    uint32_t *n, GError **error);
/* The index of the attribute's value in the NULL-terminated `names`, names[fallback] where it is
 * missing. An UNSUPPORTED error for another value. */
bool weir_ov_choice (const WeirShapeJob *job, const char *name, const char *const *names,
    uint32_t fallback, uint32_t *result, GError **error);
/* "i32", "f16", … of the IR; WEIR_DTYPE_NONE for those that we have not. */
WeirDtype weir_ov_dtype (const char *name);

typedef enum WeirBoxCode {
  WEIR_BOX_CODE_CORNER,
  WEIR_BOX_CODE_CENTER_SIZE,
  WEIR_BOX_CODE_CORNER_SIZE,
} WeirBoxCode;

/* DetectionOutput: locations [n_images, n_priors, n_location_classes, 4], scores [n_images,
 * n_priors, n_classes], priors [n_prior_images, 1 or 2, n_priors, prior_size]. */
typedef struct WeirDetectionOutput {
  int64_t n_images, n_priors, n_classes, n_location_classes, n_prior_images, prior_size;
  int64_t n_rows; /* of the result, for each image */
  int64_t background_label_id, top_k, keep_top_k;
  WeirBoxCode code;
  bool has_variances, clips_after, clips_before, decreases_label, is_normalized;
  float nms_threshold, confidence_threshold, objectness_score, input_width, input_height;
} WeirDetectionOutput;
bool weir_detection_output_resolve (
    const WeirShapeJob *job, WeirDetectionOutput *detection, GError **error);

/* One of the boxes around every cell, in pixels of the image: its centre relative to the cell's,
 * and half its size. is_clipped: to the image, on the outer side of each edge. */
typedef struct WeirPrior {
  float dx, dy, half_width, half_height;
  bool is_clipped;
} WeirPrior;

/* PriorBox and PriorBoxClustered: the centre of cell (r, c) is ((c + offset) step_x,
 * (r + offset) step_y). */
typedef struct WeirPriorGrid {
  int64_t height, width, image_height, image_width;
  float step_x, step_y, offset, variance[4];
  bool clips;
  GArray *priors; /* WeirPrior; the caller's */
} WeirPriorGrid;
/* The inputs must be known, else UNSUPPORTED. On success *grid is to be cleared. */
bool weir_prior_grid_resolve (const WeirShapeJob *job, WeirPriorGrid *grid, GError **error);
void weir_prior_grid_clear (WeirPriorGrid *grid);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (WeirPriorGrid, weir_prior_grid_clear)

typedef enum WeirEpsMode {
  WEIR_EPS_INSIDE,  /* added to what the root is taken of */
  WEIR_EPS_OUTSIDE, /* added to the root */
  WEIR_EPS_LEAST,   /* the least that the root is taken of */
} WeirEpsMode;

/* What MVN, NormalizeL2 and GRN do over the axes that is_reduced says: subtract the mean, then
 * divide by the root of the variance (mean of squares) or of the sum of squares. */
typedef struct WeirNormalise {
  bool is_reduced[WEIR_MAX_RANK];
  bool subtracts_mean, divides, takes_sum;
  WeirEpsMode eps_mode;
  float eps;
} WeirNormalise;
bool weir_normalise_resolve (const WeirShapeJob *job, WeirNormalise *normalise, GError **error);

/* RegionYolo: src[0] as [n_images, n_regions, n_coords + 1 + n_classes, n_cells]. */
typedef struct WeirRegionYolo {
  int64_t n_images, n_regions, n_coords, n_classes, n_cells;
  bool has_softmax;
} WeirRegionYolo;
bool weir_region_yolo_resolve (const WeirShapeJob *job, WeirRegionYolo *region, GError **error);

/* StridedSlice: element j along axis i of src[0] is start[i] + j * step[i], n[i] of them; dst has
 * the same elements in the same order. */
typedef struct WeirStridedSlice {
  int64_t start[WEIR_MAX_RANK], step[WEIR_MAX_RANK], n[WEIR_MAX_RANK];
  uint32_t dst_axis[WEIR_MAX_RANK]; /* of an axis of src[0]; WEIR_NONE where it is dropped */
  uint32_t dst_rank;
  int64_t dst_dims[WEIR_MAX_RANK];
} WeirStridedSlice;
bool weir_strided_slice_resolve (const WeirShapeJob *job, WeirStridedSlice *slice, GError **error);

/* Interpolate as a Resize, of which src and dst are src[0]'s dims: what attributes say, and all of
 * it where the inputs are known. */
bool weir_interpolate_attrs (const WeirShapeJob *job, WeirResize *resize, GError **error);
bool weir_interpolate_resolve (const WeirShapeJob *job, WeirResize *resize, GError **error);

/* ExtractImagePatches: element (r, c) of a patch at row y of dst is src row y stride + r rate -
 * pad. */
typedef struct WeirPatches {
  int64_t size[2], stride[2], rate[2], pad[2], dst[2]; /* height, width */
} WeirPatches;
bool weir_patches_resolve (const WeirShapeJob *job, WeirPatches *patches, GError **error);

/* PSROIPooling and DeformablePSROIPooling: group × group cells of n_channels. */
typedef struct WeirPsRoi {
  int64_t n_channels, group, n_bins_x, n_bins_y, part_size;
  float scale, trans_std;
  bool is_bilinear;
} WeirPsRoi;
bool weir_ps_roi_resolve (const WeirShapeJob *job, WeirPsRoi *ps_roi, GError **error);

/* Proposal: of n_boxes of an image the best n_before are suppressed, n_after of them stay. */
typedef struct WeirProposal {
  float ratio[WEIR_MAX_INTS], scale[WEIR_MAX_INTS];
  uint32_t n_ratios, n_scales;
  int64_t n_boxes, n_before, n_after;
  float base_size, stride, min_size, nms_threshold, size_scale, coordinate_scale;
  bool clips_before, clips_after, normalizes, is_tensorflow;
} WeirProposal;
bool weir_proposal_resolve (const WeirShapeJob *job, WeirProposal *proposal, GError **error);

typedef struct WeirOvNmsRow {
  int64_t image, label, box;
  float score;
} WeirOvNmsRow;
/* NonMaxSuppression: what it selects, in the order of the result. The contents of all inputs must
 * be known. A new array of WeirOvNmsRow; NULL and an error where memory is out. */
GArray *weir_ov_nms_select (const WeirShapeJob *job, GError **error);

G_END_DECLS
