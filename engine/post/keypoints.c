/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keypoints of one person or thing a region. Heatmaps, a plane a point: the place of the greatest
 * value, moved by a quarter of a pixel towards its greater neighbour in each direction (Newell et
 * al., "Stacked Hourglass Networks"; Xiao et al., "Simple Baselines for Human Pose Estimation"),
 * over the size of the map. Or SimCC (Li et al., 2022), a row of bins for x and one for y of each
 * point: the greatest bins, the lesser of the two values as confidence. */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/outputs.h"
#include "engine/post/planes.h"
#include <math.h>

typedef struct Keypoints {
  bool is_simcc;
  uint32_t n_points;
  WeirPlanes planes;
  uint32_t n_bins[2];       /* of x, of y */
  double bins_per_pixel[2]; /* of the network's input */
} Keypoints;

/* Points of MPII, COCO, COCO's hand and face sets and of facial landmark networks. 21 (hands) are
 * the classes of PASCAL VOC as well: these networks must say it by a name. */
static const uint32_t usual_numbers[] = { 16, 17, 68, 98, 106, 133, 136 };
static const char *const words[] = { "heatmap", "keypoint", "pose", "landmark", NULL };

static bool fit_heatmaps (const WeirModelFacts *facts, Keypoints *state, GError **error)
{
  if (!weir_facts_is_float (facts, 0) || facts->outputs[0].rank != 4 ||
      !weir_facts_is_planes (facts, 0, &state->planes))
    return weir_facts_refuse (facts, 0, "keypoints", error, "heatmaps, f32[1,points,h,w]");
  state->n_points = state->planes.n;
  return true;
}

static bool fit_bins (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    Keypoints *state, GError **error)
{
  const uint32_t size_px[] = { width_px, height_px };
  int64_t n_points = facts->outputs[0].rank == 3 ? facts->outputs[0].dims[1] : 0;
  for (uint32_t k = 0; k < 2; k++) {
    if (!weir_facts_is_table (facts, k, n_points, &state->n_bins[k]) ||
        state->n_bins[k] < size_px[k] || state->n_bins[k] % size_px[k] != 0)
      return weir_facts_refuse (
          facts, k, "keypoints", error, "SimCC bins, f32[1,points,%u·k]", size_px[k]);
    state->bins_per_pixel[k] = (double) state->n_bins[k] / size_px[k];
  }
  state->is_simcc = true;
  state->n_points = (uint32_t) n_points;
  return true;
}

static bool fit (const WeirModelFacts *facts, uint32_t width_px, uint32_t height_px,
    Keypoints *state, GError **error)
{
  *state = (Keypoints){ 0 };
  if (facts->n_outputs == 2)
    return fit_bins (facts, width_px, height_px, state, error);
  if (facts->n_outputs != 1)
    return weir_facts_refuse_count (facts, "keypoints", "one of heatmaps or two of SimCC", error);
  return fit_heatmaps (facts, state, error);
}

/* Maps of the size of the input, with a softmax or with as many labels are of classes. */
static bool is_of_points (const WeirModelFacts *facts, const Keypoints *state)
{
  const char *task = weir_facts_metadata (facts, "weir.task");
  if (task)
    return g_str_equal (task, "pose") || g_str_equal (task, "keypoints");
  if ((weir_facts_traits (facts, 0) & WEIR_OUTPUT_SOFTMAX) ||
      (facts->labels && facts->n_labels == state->n_points) ||
      weir_planes_are_full (facts, &state->planes))
    return false;
  if (weir_facts_is_named (facts, 0, words))
    return true;
  for (uint32_t i = 0; i < G_N_ELEMENTS (usual_numbers); i++)
    if (usual_numbers[i] == state->n_points)
      return true;
  return false;
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  uint32_t width_px, height_px;
  Keypoints state;
  if (!weir_facts_input_size (facts, &width_px, &height_px) ||
      !fit (facts, width_px, height_px, &state, NULL))
    return false;
  if (state.is_simcc)
    return weir_facts_recognise (why, "bins of x and y of %u points (SimCC)", state.n_points);
  return is_of_points (facts, &state) &&
         weir_facts_recognise (why, "heatmaps of %u points, %u×%u for an input of %u×%u",
             state.n_points, state.planes.width, state.planes.height, width_px, height_px);
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Keypoints *state = g_new0 (Keypoints, 1);
  return fit (facts, input->width_px, input->height_px, state, error) ? g_steal_pointer (&state)
                                                                      : NULL;
}

typedef struct Point {
  double x_px, y_px; /* of the network's input */
  float confidence;
} Point;

/* -0.25, 0 or 0.25; nothing at the borders, or where a neighbour is no number. */
static double quarter (const float *at, uint32_t i, uint32_t n, size_t step)
{
  if (i < 1 || i + 1 >= n)
    return 0;
  double slope = (double) at[step] - (double) *(at - step);
  return slope > 0 ? 0.25 : slope < 0 ? -0.25 : 0;
}

static Point find_peak (const Keypoints *state, const WeirInputSpec *input, const float *map)
{
  const WeirPlanes *planes = &state->planes;
  float best;
  uint32_t index = weir_argmax (map, planes->width * planes->height, planes->pixel_step, &best);
  uint32_t x = index % planes->width, y = index / planes->width;
  const float *at = map + index * planes->pixel_step;
  double dx = quarter (at, x, planes->width, planes->pixel_step);
  double dy = quarter (at, y, planes->height, planes->row_step);
  return (Point){ .x_px = (x + dx) * input->width_px / planes->width,
    .y_px = (y + dy) * input->height_px / planes->height,
    .confidence = best };
}

static Point find_bins (const Keypoints *state, const float *x_bins, const float *y_bins)
{
  float best_x, best_y;
  uint32_t x = weir_argmax (x_bins, state->n_bins[0], 1, &best_x);
  uint32_t y = weir_argmax (y_bins, state->n_bins[1], 1, &best_y);
  return (Point){ .x_px = x / state->bins_per_pixel[0],
    .y_px = y / state->bins_per_pixel[1],
    .confidence = MIN (best_x, best_y) };
}

static Point find_point (
    const Keypoints *state, const WeirDecodeJob *job, const float *const *values, uint32_t i)
{
  if (state->is_simcc)
    return find_bins (state, values[0] + (size_t) i * state->n_bins[0],
        values[1] + (size_t) i * state->n_bins[1]);
  return find_peak (state, job->input, values[0] + i * state->planes.plane_step);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Keypoints *state = job->state;
  const int64_t point_dims[] = { state->n_points, 2 };
  const float *values[2] = { NULL, NULL };
  for (uint32_t k = 0; k < (state->is_simcc ? 2u : 1u); k++) {
    size_t n = state->is_simcc ? (size_t) state->n_points * state->n_bins[k]
                               : weir_planes_n_values (&state->planes);
    values[k] = weir_job_f32 (job, k, n, result->arena, error);
    if (!values[k])
      return false;
  }
  if (!weir_job_attach (job, false, result, error))
    return false;
  float *points = weir_result_add_tensor (result, "keypoints", 2, point_dims);
  float *confidences = weir_result_add_tensor (result, "keypoints_confidence", 1, point_dims);
  for (uint32_t i = 0; i < state->n_points; i++) {
    Point point = find_point (state, job, values, i);
    points[2 * i] = (float) weir_job_region_x (job, point.x_px);
    points[2 * i + 1] = (float) weir_job_region_y (job, point.y_px);
    confidences[i] = isfinite (point.confidence) ? point.confidence : 0;
  }
  return true;
}

const WeirDecoder weir_decoder_keypoints = {
  .name = "keypoints",
  .blurb = "points of one person a region: heatmaps [1,points,h,w], or SimCC's two outputs",
  WEIR_TRAINED_ON_BYTES,
  .match = match,
  .n_classes = weir_nothing_n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};
