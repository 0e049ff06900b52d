/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DetectionOutput and the CTC decoders: the ends of OpenVINO's detectors and text readers.
 *
 * Results keep the batch in dim 0. DetectionOutput's specification lists the rows of all images one
 * after the other in [1, 1, n K, 7]; here it is [n, 1, K, 7], K rows for each image, which is the
 * same at n = 1. */
#include "engine/base/checked.h"
#include "engine/graph/openvino.h"

#include <string.h>

/* src[i] is floating, of this rank. */
static bool check_src (const WeirShapeJob *job, uint32_t i, uint32_t rank, GError **error)
{
  if (weir_dtype_is_floating (job->src[i].dtype) && job->src[i].rank == rank)
    return true;
  g_autofree char *shape = weir_tensor_describe (&job->src[i]);
  return weir_job_fail (
      "input %u is %s, expected a floating type with %u dimensions", i, shape, rank);
}

static bool read_code (const WeirShapeJob *job, WeirBoxCode *code, GError **error)
{
  static const char *const names[] = { "CORNER", "CENTER_SIZE", "CORNER_SIZE" };
  const char *value = weir_node_string (job->node, "code_type", names[0]);
  const char *dot = strrchr (value, '.'); /* "caffe.PriorBoxParameter.CORNER" */
  for (uint32_t i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_ascii_strcasecmp (dot ? dot + 1 : value, names[i]) == 0) {
      *code = (WeirBoxCode) i;
      return true;
    }
  return weir_job_refuse ("code_type '%s' is unknown", value);
}

static bool read_attrs (const WeirShapeJob *job, WeirDetectionOutput *d, GError **error)
{
  const WeirNode *node = job->node;
  int64_t keep[WEIR_MAX_INTS];
  uint32_t n_keep;
  d->background_label_id = weir_node_int (node, "background_label_id", 0);
  d->top_k = weir_node_int (node, "top_k", -1);
  d->has_variances = !weir_ov_bool (node, "variance_encoded_in_target", false);
  d->nms_threshold = weir_ov_float (node, "nms_threshold", 0);
  d->confidence_threshold = weir_ov_float (node, "confidence_threshold", 0);
  d->clips_after = weir_ov_bool (node, "clip_after_nms", false);
  d->clips_before = weir_ov_bool (node, "clip_before_nms", false);
  d->decreases_label = weir_ov_bool (node, "decrease_label_id", false);
  d->is_normalized = weir_ov_bool (node, "normalized", false);
  d->input_height = weir_ov_float (node, "input_height", 1);
  d->input_width = weir_ov_float (node, "input_width", 1);
  d->objectness_score = weir_ov_float (node, "objectness_score", 0);
  if (!weir_ov_ints (job, "keep_top_k", keep, &n_keep, error))
    return false;
  d->keep_top_k = n_keep ? keep[0] : -1;
  return read_code (job, &d->code, error);
}

/* Numbers of priors and classes, from the shapes; opset 1 gives the classes as an attribute. */
static bool count_boxes (const WeirShapeJob *job, WeirDetectionOutput *d, GError **error)
{
  const WeirTensor *location = &job->src[0], *score = &job->src[1], *prior = &job->src[2];
  bool is_shared = weir_ov_bool (job->node, "share_location", true);
  d->n_images = location->dims[0];
  d->n_prior_images = prior->dims[0];
  d->prior_size = d->is_normalized ? 4 : 5;
  d->n_priors = prior->dims[2] / d->prior_size;
  if (d->n_priors <= 0 || prior->dims[2] % d->prior_size)
    return weir_job_fail ("priors have %" G_GINT64_FORMAT
                          " numbers, expected a multiple of %" G_GINT64_FORMAT,
        prior->dims[2], d->prior_size);
  d->n_classes = job->node->opset < 8 ? weir_node_int (job->node, "num_classes", 0) : 0;
  if (d->n_classes == 0)
    d->n_classes = score->dims[1] / d->n_priors;
  d->n_location_classes = is_shared ? 1 : d->n_classes;
  int64_t n_scores, n_locations;
  if (d->n_classes < 1 || d->n_classes > INT32_MAX || d->n_priors > INT32_MAX ||
      !weir_checked_mul_i64 (d->n_priors, d->n_classes, &n_scores) ||
      !weir_checked_mul_i64 (d->n_priors * 4, d->n_location_classes, &n_locations) ||
      score->dims[1] != n_scores || location->dims[1] != n_locations) {
    g_autofree char *a = weir_tensor_describe (location);
    g_autofree char *b = weir_tensor_describe (score);
    return weir_job_fail ("locations %s and scores %s do not fit %" G_GINT64_FORMAT
                          " priors of %" G_GINT64_FORMAT " classes",
        a, b, d->n_priors, d->n_classes);
  }
  return true;
}

static bool check_dims (const WeirShapeJob *job, const WeirDetectionOutput *d, GError **error)
{
  const WeirTensor *prior = &job->src[2], *arm = weir_job_src (job, 3),
                   *arm_location = weir_job_src (job, 4);
  int64_t n_kinds = d->has_variances ? 2 : 1;
  if (job->src[1].dims[0] != d->n_images)
    return weir_job_fail ("locations and scores are of different numbers of images");
  if ((prior->dims[0] != 1 && prior->dims[0] != d->n_images) || prior->dims[1] < n_kinds) {
    g_autofree char *shape = weir_tensor_describe (prior);
    return weir_job_fail ("priors are %s, expected [1 or %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                          ", …]",
        shape, d->n_images, n_kinds);
  }
  if (!arm != !arm_location)
    return weir_job_fail ("it has 4 inputs, expected 3 or 5");
  if (!arm)
    return true;
  if (!check_src (job, 3, 2, error) || !check_src (job, 4, 2, error))
    return false;
  if (arm->dims[0] != d->n_images || arm->dims[1] != 2 * d->n_priors ||
      !weir_tensor_same_shape (arm_location, &job->src[0])) {
    g_autofree char *a = weir_tensor_describe (arm);
    g_autofree char *b = weir_tensor_describe (arm_location);
    return weir_job_fail ("additional scores %s and locations %s do not fit %" G_GINT64_FORMAT
                          " priors",
        a, b, d->n_priors);
  }
  return true;
}

bool weir_detection_output_resolve (
    const WeirShapeJob *job, WeirDetectionOutput *detection, GError **error)
{
  WeirDetectionOutput *d = detection;
  memset (d, 0, sizeof *d);
  if (!check_src (job, 0, 2, error) || !check_src (job, 1, 2, error) ||
      !check_src (job, 2, 3, error) || !read_attrs (job, d, error) ||
      !count_boxes (job, d, error) || !check_dims (job, d, error))
    return false;
  d->n_rows = d->keep_top_k;
  int64_t per_class = d->keep_top_k == -1 && d->top_k > 0 ? d->top_k : d->n_priors;
  if (d->keep_top_k <= 0 && !weir_checked_mul_i64 (per_class, d->n_classes, &d->n_rows))
    return weir_job_fail ("top_k %" G_GINT64_FORMAT " is too large", d->top_k);
  return true;
}

bool weir_shape_ov_detection_output (const WeirShapeJob *job, GError **error)
{
  WeirDetectionOutput detection;
  if (!weir_detection_output_resolve (job, &detection, error))
    return false;
  job->dst[0] = (WeirTensor){
    .dtype = job->src[0].dtype, .rank = 4, .dims = { detection.n_images, 1, detection.n_rows, 7 }
  };
  return true;
}

/* data [steps, n, classes], mask [steps, n or 1] -> [n, steps, 1, 1] */
bool weir_shape_ov_ctc_greedy_decoder (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *data = &job->src[0], *mask = &job->src[1];
  if (!check_src (job, 0, 3, error) || !check_src (job, 1, 2, error))
    return false;
  if (mask->dims[0] != data->dims[0] || (mask->dims[1] != data->dims[1] && mask->dims[1] != 1) ||
      data->dims[2] < 1) {
    g_autofree char *a = weir_tensor_describe (data);
    g_autofree char *b = weir_tensor_describe (mask);
    return weir_job_fail ("the mask %s does not fit the sequences %s", b, a);
  }
  job->dst[0] = (WeirTensor){
    .dtype = data->dtype, .rank = 4, .dims = { data->dims[1], data->dims[0], 1, 1 }
  };
  return true;
}

static bool read_index_type (
    const WeirShapeJob *job, const char *name, WeirDtype *dtype, GError **error)
{
  static const char *const names[] = { "i32", "i64", NULL };
  uint32_t choice;
  if (!weir_ov_choice (job, name, names, 0, &choice, error))
    return false;
  *dtype = weir_ov_dtype (names[choice]);
  return true;
}

static bool is_index (const WeirTensor *tensor)
{
  return tensor->dtype == WEIR_DTYPE_I32 || tensor->dtype == WEIR_DTYPE_I64;
}

/* data [n, steps, classes], lengths [n], blank [] or [1] -> [n, steps], [n] */
bool weir_shape_ov_ctc_greedy_decoder_seq_len (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *data = &job->src[0], *length = &job->src[1], *blank = weir_job_src (job, 2);
  WeirDtype dtypes[2];
  int64_t n_blanks = 1;
  if (!check_src (job, 0, 3, error) ||
      !read_index_type (job, "classes_index_type", &dtypes[0], error) ||
      !read_index_type (job, "sequence_length_type", &dtypes[1], error))
    return false;
  if (length->rank != 1 || !is_index (length) || length->dims[0] != data->dims[0]) {
    g_autofree char *a = weir_tensor_describe (data);
    g_autofree char *b = weir_tensor_describe (length);
    return weir_job_fail ("the lengths %s do not fit the sequences %s", b, a);
  }
  if (data->dims[2] < 1 ||
      (blank && (!is_index (blank) || !weir_tensor_n_elements (blank, &n_blanks) || n_blanks != 1)))
    return weir_job_fail ("it has no classes, or its blank is not one i32 or i64");
  job->dst[0] =
      (WeirTensor){ .dtype = dtypes[0], .rank = 2, .dims = { data->dims[0], data->dims[1] } };
  if (weir_job_wants (job, 1))
    job->dst[1] = (WeirTensor){ .dtype = dtypes[1], .rank = 1, .dims = { data->dims[0] } };
  return true;
}
