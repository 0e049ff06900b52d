/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DetectionOutput: boxes decoded from priors, suppressed per class, the best kept, image by image.
 *
 * What is not looked at is not computed: scores are compared with the threshold first, some classes
 * at a time since they lie side by side for every prior; of the rest only the best top_k are
 * sorted, and only their boxes are decoded, each once. A class stops at keep_top_k boxes, since
 * none behind them can be among the best keep_top_k of all classes. */
#include "engine/graph/openvino.h"
#include "engine/graph/score_order.h"
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

/* Classes whose scores are read together: those of a line of the cache. */
#define N_TOGETHER 16

typedef struct Box {
  float x0, y0, x1, y1;
} Box;

typedef struct Work {
  WeirDetectionOutput d;
  /* scratch */
  Box *boxes;          /* [n_location_classes, n_priors] */
  bool *is_decoded;    /* the same */
  WeirScored *scored;  /* [N_TOGETHER or n_classes, n_priors] candidates */
  WeirScored *kept;    /* grouped by class (Caffe) or in order of score (MXNet) */
  WeirScored *ranked;  /* copy of kept, to find the last that stays */
  int64_t *n_of_class; /* [n_classes] kept, then the row of the class's next */
  /* of the image at hand; arm_* NULL where there are 3 inputs */
  const float *location, *score, *prior, *variance, *arm_score, *arm_location;
  int64_t n_kept;
} Work;

static int64_t at_most (int64_t n, int64_t limit)
{
  return limit >= 0 ? MIN (n, limit) : n;
}

static int64_t max_kept (const WeirDetectionOutput *d)
{
  int64_t per_class = at_most (at_most (d->n_priors, d->top_k), d->keep_top_k);
  return d->decreases_label ? d->n_priors : per_class * d->n_classes;
}

static void *carve (char **at, int64_t n, size_t size)
{
  char *start = *at;
  *at += ((size_t) n * size + 63) & ~(size_t) 63;
  return start;
}

/* The end of the scratch memory that starts at `base`. */
static char *carve_all (Work *work, char *base)
{
  const WeirDetectionOutput *d = &work->d;
  int64_t n_boxes = d->n_location_classes * d->n_priors;
  work->boxes = carve (&base, n_boxes, sizeof (Box));
  work->is_decoded = carve (&base, n_boxes, sizeof (bool));
  work->scored = carve (&base, d->n_priors * MIN (d->n_classes, N_TOGETHER), sizeof (WeirScored));
  work->kept = carve (&base, max_kept (d), sizeof (WeirScored));
  work->ranked = carve (&base, max_kept (d), sizeof (WeirScored));
  work->n_of_class = carve (&base, d->n_classes, sizeof (int64_t));
  return base;
}

size_t weir_ref_ov_detection_output_scratch (const WeirShapeJob *job)
{
  Work work = { 0 };
  static char base[1];
  return weir_detection_output_resolve (job, &work.d, NULL)
             ? (size_t) (carve_all (&work, base) - base)
             : 0;
}

static void clip (Box *box)
{
  box->x0 = CLAMP (box->x0, 0, 1);
  box->y0 = CLAMP (box->y0, 0, 1);
  box->x1 = CLAMP (box->x1, 0, 1);
  box->y1 = CLAMP (box->y1, 0, 1);
}

static Box decode_box (
    const WeirDetectionOutput *d, Box prior, const float *variance, const float *l)
{
  static const float ones[4] = { 1, 1, 1, 1 };
  const float *v = variance ? variance : ones;
  if (!d->is_normalized)
    prior = (Box){ prior.x0 / d->input_width, prior.y0 / d->input_height, prior.x1 / d->input_width,
      prior.y1 / d->input_height };
  float width = prior.x1 - prior.x0, height = prior.y1 - prior.y0;
  float dx = v[0] * l[0], dy = v[1] * l[1], dw = v[2] * l[2], dh = v[3] * l[3];
  Box box = { prior.x0 + dx, prior.y0 + dy, prior.x1 + dw, prior.y1 + dh };
  if (d->code == WEIR_BOX_CODE_CENTER_SIZE) {
    float x = dx * width + (prior.x0 + prior.x1) / 2, y = dy * height + (prior.y0 + prior.y1) / 2;
    float w = expf (dw) * width, h = expf (dh) * height;
    box = (Box){ x - w / 2, y - h / 2, x + w / 2, y + h / 2 };
  } else if (d->code == WEIR_BOX_CODE_CORNER_SIZE) {
    box = (Box){ prior.x0 + dx * width, prior.y0 + dy * height, prior.x1 + dw * width,
      prior.y1 + dh * height };
  }
  if (d->clips_before)
    clip (&box);
  return box;
}

static Box load_prior (const Work *work, int64_t i)
{
  const WeirDetectionOutput *d = &work->d;
  const float *p = work->prior + i * d->prior_size + (d->prior_size - 4);
  return (Box){ p[0], p[1], p[2], p[3] };
}

static const Box *find_box (const Work *work, int64_t label, int64_t i)
{
  const WeirDetectionOutput *d = &work->d;
  int64_t class = d->n_location_classes == 1 ? 0 : label;
  int64_t at = class * d->n_priors + i;
  if (!work->is_decoded[at]) {
    int64_t source = (i * d->n_location_classes + class) * 4;
    const float *variance = work->variance ? work->variance + i * 4 : NULL;
    Box prior = load_prior (work, i);
    if (work->arm_location)
      prior = decode_box (d, prior, variance, work->arm_location + source);
    work->boxes[at] = decode_box (d, prior, variance, work->location + source);
    work->is_decoded[at] = true;
  }
  return &work->boxes[at];
}

static float area (const Box *box)
{
  return box->x1 < box->x0 || box->y1 < box->y0 ? 0 : (box->x1 - box->x0) * (box->y1 - box->y0);
}

static float overlap (const Box *a, const Box *b)
{
  float width = MIN (a->x1, b->x1) - MAX (a->x0, b->x0);
  float height = MIN (a->y1, b->y1) - MAX (a->y0, b->y0);
  if (!(width > 0 && height > 0))
    return 0;
  return width * height / (area (a) + area (b) - width * height);
}

/* A prior that the first stage calls background scores 1 there and 0 elsewhere. */
static float find_score (const Work *work, int64_t label, int64_t i)
{
  const WeirDetectionOutput *d = &work->d;
  if (work->arm_score && work->arm_score[i * 2 + 1] < d->objectness_score)
    return label == d->background_label_id;
  return work->score[i * d->n_classes + label];
}

/* Keeps a candidate unless it overlaps one kept before; `first`: of those that can be of its class.
 */
static void suppress (Work *work, const WeirScored *candidate, int64_t first)
{
  const Box *box = find_box (work, candidate->label, candidate->index);
  for (int64_t i = first; i < work->n_kept; i++) {
    const WeirScored *other = &work->kept[i];
    if (other->label == candidate->label &&
        overlap (box, find_box (work, other->label, other->index)) > work->d.nms_threshold)
      return;
  }
  work->kept[work->n_kept++] = *candidate;
}

/* Candidates of classes [first, first + n), each in its row of `scored`. */
static void gather (Work *work, int64_t first, int64_t n, int64_t n_scored[N_TOGETHER])
{
  const WeirDetectionOutput *d = &work->d;
  memset (n_scored, 0, N_TOGETHER * sizeof *n_scored);
  for (int64_t i = 0; i < d->n_priors; i++)
    for (int64_t k = 0; k < n; k++) {
      float score = find_score (work, first + k, i);
      if (score > d->confidence_threshold && first + k != d->background_label_id)
        work->scored[k * d->n_priors + n_scored[k]++] =
            (WeirScored){ score, (int32_t) (first + k), (int32_t) i };
    }
}

static void keep_of_class (Work *work, WeirScored *scored, int64_t n)
{
  const WeirDetectionOutput *d = &work->d;
  int64_t first = work->n_kept, n_best = at_most (n, d->top_k);
  weir_scored_sort (scored, n, n_best);
  for (int64_t i = 0; i < n_best; i++)
    if (d->keep_top_k < 0 || work->n_kept - first < d->keep_top_k)
      suppress (work, &scored[i], first);
}

static void keep_of_classes (Work *work)
{
  const WeirDetectionOutput *d = &work->d;
  int64_t n_scored[N_TOGETHER];
  for (int64_t first = 0; first < d->n_classes; first += N_TOGETHER) {
    int64_t n = MIN (d->n_classes - first, N_TOGETHER);
    gather (work, first, n, n_scored);
    for (int64_t k = 0; k < n; k++)
      keep_of_class (work, work->scored + k * d->n_priors, n_scored[k]);
  }
}

/* MXNet's way: every prior counts for its best class only. */
static void keep_best_classes (Work *work)
{
  const WeirDetectionOutput *d = &work->d;
  int64_t n = 0;
  for (int64_t i = 0; i < d->n_priors; i++) {
    WeirScored best = { -1, 0, (int32_t) i };
    for (int64_t label = 1; label < d->n_classes; label++) {
      float score = find_score (work, label, i);
      if (label != d->background_label_id && score > best.score)
        best = (WeirScored){ score, (int32_t) label, (int32_t) i };
    }
    if (best.label > 0 && best.score >= d->confidence_threshold)
      work->scored[n++] = best;
  }
  int64_t n_best = at_most (n, d->top_k);
  weir_scored_sort (work->scored, n, n_best);
  for (int64_t i = 0; i < n_best; i++)
    suppress (work, &work->scored[i], 0);
}

/* Over all classes at most keep_top_k stay. */
static void keep_best (Work *work)
{
  int64_t n_keep = work->d.keep_top_k, n = 0;
  if (n_keep < 0 || work->n_kept <= n_keep)
    return;
  if (n_keep > 0) {
    memcpy (work->ranked, work->kept, (size_t) work->n_kept * sizeof *work->kept);
    weir_scored_sort (work->ranked, work->n_kept, n_keep);
    for (int64_t i = 0; i < work->n_kept; i++)
      if (!weir_scored_before (&work->ranked[n_keep - 1], &work->kept[i]))
        work->kept[n++] = work->kept[i];
  }
  work->n_kept = n;
}

/* By class, and within one by score; the first unused row says -1. */
static void put_rows (Work *work, float *dst)
{
  const WeirDetectionOutput *d = &work->d;
  int64_t row = 0;
  memset (dst, 0, (size_t) d->n_rows * 7 * sizeof *dst);
  memset (work->n_of_class, 0, (size_t) d->n_classes * sizeof *work->n_of_class);
  for (int64_t i = 0; i < work->n_kept; i++)
    work->n_of_class[work->kept[i].label]++;
  for (int64_t c = 0; c < d->n_classes; c++) {
    int64_t n = work->n_of_class[c];
    work->n_of_class[c] = row;
    row += n;
  }
  for (int64_t i = 0; i < work->n_kept; i++) {
    const WeirScored *kept = &work->kept[i];
    Box box = *find_box (work, kept->label, kept->index);
    float *to = dst + work->n_of_class[kept->label]++ * 7;
    if (d->clips_after)
      clip (&box);
    to[1] = (float) (kept->label - d->decreases_label);
    to[2] = kept->score;
    memcpy (to + 3, &box, sizeof box);
  }
  if (work->n_kept < d->n_rows)
    dst[work->n_kept * 7] = -1;
}

static const float *image_row (const WeirShapeJob *job, uint32_t src, int64_t image)
{
  const WeirTensor *tensor = weir_job_src (job, src);
  return tensor ? weir_ref_f32 (tensor) + image * tensor->dims[1] : NULL;
}

static void take_image (Work *work, const WeirShapeJob *job, int64_t image)
{
  const WeirDetectionOutput *d = &work->d;
  const WeirTensor *priors = &job->src[2];
  work->n_kept = 0;
  work->location = image_row (job, 0, image);
  work->score = image_row (job, 1, image);
  work->arm_score = image_row (job, 3, image);
  work->arm_location = image_row (job, 4, image);
  work->prior = weir_ref_f32 (priors);
  if (d->n_prior_images > 1)
    work->prior += image * priors->dims[1] * priors->dims[2];
  work->variance = d->has_variances ? work->prior + priors->dims[2] : NULL;
  memset (work->is_decoded, 0, (size_t) (d->n_location_classes * d->n_priors));
}

bool weir_ref_ov_detection_output (const WeirShapeJob *job, void *scratch, GError **error)
{
  Work work = { 0 };
  const WeirDetectionOutput *d = &work.d;
  if (!weir_detection_output_resolve (job, &work.d, error))
    return false;
  carve_all (&work, scratch);
  for (int64_t image = 0; image < d->n_images; image++) {
    take_image (&work, job, image);
    if (d->decreases_label)
      keep_best_classes (&work);
    else
      keep_of_classes (&work);
    keep_best (&work);
    put_rows (&work, weir_ref_dst_f32 (&job->dst[0]) + image * d->n_rows * 7);
  }
  return true;
}
