/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CenterNet and CenterFace: objects are the peaks of heatmaps, their size and the rest of their
 * position stand in maps beside them. A peak is no less than its eight neighbours (Zhou et al.
 * 2019). */
#include "engine/post/boxes.h"
#include "engine/post/decoders.h"
#include "engine/post/grid.h"
#include "engine/post/outputs.h"

#define N_MAPS        4u
#define MAX_STRIDE_PX 32u

typedef struct Centernet {
  uint32_t heat, size, offset, points; /* which output; points: n_outputs without */
  uint32_t width, height, n_classes;
  double stride_px;
  bool is_raw; /* the sigmoid is still to be done */
} Centernet;

/* Channels of map k where it is as large as the first; 0 else. */
static int64_t count_channels (const WeirModelFacts *facts, uint32_t k)
{
  const WeirTensor *first = &facts->outputs[0], *map = &facts->outputs[k];
  bool is_map = weir_facts_is_float (facts, k) && map->rank == 4 && map->dims[0] == 1 &&
                map->dims[2] == first->dims[2] && map->dims[3] == first->dims[3];
  return is_map && map->dims[1] <= INT32_MAX ? map->dims[1] : 0;
}

static bool is_offset_name (const char *name)
{
  static const char *const words[] = { "reg", "off", NULL };
  for (uint32_t i = 0; words[i]; i++)
    if (strstr (name, words[i]))
      return true;
  return false;
}

/* The heatmaps: the map of neither 2 nor 10 channels; where all have 2 the first. */
static uint32_t find_heat (const WeirModelFacts *facts)
{
  for (uint32_t k = 0; k < facts->n_outputs; k++)
    if (count_channels (facts, k) != 2 && count_channels (facts, k) != 2 * WEIR_N_FACE_POINTS)
      return k;
  return 0;
}

/* Which map is which: sizes come before offsets unless their names say otherwise. */
static bool fit_maps (const WeirModelFacts *facts, bool has_points, Centernet *state)
{
  uint32_t n = facts->n_outputs, pairs[2] = { 0 }, n_pairs = 0;
  state->points = n;
  state->heat = find_heat (facts);
  for (uint32_t k = 0; k < n; k++) {
    int64_t n_channels = count_channels (facts, k);
    if (n_channels < 1)
      return false;
    if (k == state->heat)
      continue;
    if (n_channels == 2 && n_pairs < 2)
      pairs[n_pairs++] = k;
    else
      state->points = n_channels == 2 * WEIR_N_FACE_POINTS ? k : n;
  }
  if (n_pairs != 2 || (state->points < n) != has_points)
    return false;
  bool is_swapped = is_offset_name (facts->output_names[pairs[0]]) &&
                    !is_offset_name (facts->output_names[pairs[1]]);
  state->size = pairs[is_swapped ? 1 : 0];
  state->offset = pairs[is_swapped ? 0 : 1];
  return true;
}

static bool fit (const WeirModelFacts *facts, const char *decoder, bool has_points,
    uint32_t width_px, uint32_t height_px, Centernet *state, GError **error)
{
  const char *expected = has_points ? "4: maps of 1, 2, 2 and 10 channels"
                                    : "3: maps of as many channels as classes, 2 and 2";
  if (facts->n_outputs != (has_points ? N_MAPS : N_MAPS - 1))
    return weir_facts_refuse_count (facts, decoder, expected, error);
  const WeirTensor *map = &facts->outputs[0];
  uint32_t stride_px =
      map->rank == 4 ? weir_grid_stride (map->dims[3], map->dims[2], width_px, height_px) : 0;
  if (!stride_px || stride_px > MAX_STRIDE_PX || !fit_maps (facts, has_points, state))
    return weir_facts_refuse (facts, 0, decoder, error,
        "%s, of cells of one stride of an input of %u×%u", expected, width_px, height_px);
  state->width = (uint32_t) map->dims[3];
  state->height = (uint32_t) map->dims[2];
  state->stride_px = stride_px;
  state->n_classes = (uint32_t) facts->outputs[state->heat].dims[1];
  uint32_t traits = weir_facts_traits (facts, state->heat);
  state->is_raw = (traits & WEIR_OUTPUT_KNOWN) && !(traits & WEIR_OUTPUT_ANY_SIGMOID);
  return !has_points || state->n_classes == 1 ||
         weir_facts_refuse (facts, state->heat, decoder, error, "one heatmap");
}

static bool match_form (const WeirModelFacts *facts, bool has_points, const char **why)
{
  uint32_t width_px, height_px;
  Centernet state;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
         fit (facts, "centernet", has_points, width_px, height_px, &state, NULL) &&
         (has_points || !facts->n_labels || facts->n_labels == state.n_classes) &&
         weir_facts_recognise (why, "%u heatmaps of stride %u%s, size and offset%s",
             state.n_classes, (uint32_t) state.stride_px,
             state.is_raw ? " before their sigmoid" : "", has_points ? ", five points" : "");
}

static bool match (const WeirModelFacts *facts, const char **why)
{
  return match_form (facts, false, why);
}

static bool match_faces (const WeirModelFacts *facts, const char **why)
{
  return match_form (facts, true, why);
}

static uint32_t n_classes (const WeirModelFacts *facts)
{
  uint32_t width_px, height_px;
  Centernet state;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
                 fit (facts, "centernet", false, width_px, height_px, &state, NULL)
             ? state.n_classes
             : 0;
}

static void *prepare (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Centernet *state = g_new0 (Centernet, 1);
  return fit (facts, "centernet", false, input->width_px, input->height_px, state, error)
             ? g_steal_pointer (&state)
             : NULL;
}

static void *prepare_faces (const WeirModelFacts *facts, const WeirInputSpec *input, GError **error)
{
  g_autofree Centernet *state = g_new0 (Centernet, 1);
  return fit (facts, "centerface", true, input->width_px, input->height_px, state, error)
             ? g_steal_pointer (&state)
             : NULL;
}

typedef struct Maps {
  const float *heat, *size, *offset, *points; /* channel after channel */
} Maps;

static bool open_maps (
    const WeirDecodeJob *job, bool has_points, Maps *maps, WeirArena *arena, GError **error)
{
  const Centernet *state = job->state;
  size_t n = (size_t) state->width * state->height;
  *maps = (Maps){ 0 };
  maps->heat = weir_job_f32 (job, state->heat, n * state->n_classes, arena, error);
  maps->size = maps->heat ? weir_job_f32 (job, state->size, n * 2, arena, error) : NULL;
  maps->offset = maps->size ? weir_job_f32 (job, state->offset, n * 2, arena, error) : NULL;
  if (!maps->offset || !has_points)
    return maps->offset != NULL;
  maps->points = weir_job_f32 (job, state->points, n * 2 * WEIR_N_FACE_POINTS, arena, error);
  return maps->points != NULL;
}

static bool is_peak (const Centernet *state, const float *map, uint32_t x, uint32_t y)
{
  float v = map[(size_t) y * state->width + x];
  for (uint32_t j = y ? y - 1 : 0; j <= y + 1 && j < state->height; j++)
    for (uint32_t i = x ? x - 1 : 0; i <= x + 1 && i < state->width; i++)
      if (map[(size_t) j * state->width + i] > v)
        return false;
  return true;
}

/* CenterNet: maps x, y in cells. */
static void add_object (const Centernet *state, const Maps *maps, uint32_t cell,
    const WeirCandidate *candidate, WeirBoxes *boxes)
{
  size_t n = (size_t) state->width * state->height;
  double x = cell % state->width + (double) maps->offset[cell];
  double y = cell / state->width + (double) maps->offset[n + cell];
  weir_boxes_add_centre (boxes, x * state->stride_px, y * state->stride_px,
      (double) maps->size[cell] * state->stride_px,
      (double) maps->size[n + cell] * state->stride_px, *candidate);
}

static bool decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Centernet *state = job->state;
  uint32_t n = state->width * state->height;
  Maps maps;
  WeirBoxes boxes;
  if (!open_maps (job, false, &maps, result->arena, error))
    return false;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t class = 0; class < state->n_classes; class ++) {
    const float *map = maps.heat + (size_t) class * n;
    for (uint32_t cell = 0; cell < n; cell++) {
      WeirCandidate candidate = { .confidence = weir_score (map[cell], state->is_raw),
        .label_id = (int32_t) class,
        .index = class * n + cell };
      if (candidate.confidence >= boxes.threshold &&
          is_peak (state, map, cell % state->width, cell / state->width))
        add_object (state, &maps, cell, &candidate, &boxes);
    }
  }
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}

/* CenterFace: maps y, x; sizes are logarithms of strides. */
static void place_face (const Centernet *state, const Maps *maps, uint32_t cell, double *x,
    double *y, double *width, double *height)
{
  size_t n = (size_t) state->width * state->height;
  *height = exp ((double) maps->size[cell]) * state->stride_px;
  *width = exp ((double) maps->size[n + cell]) * state->stride_px;
  *y = (cell / state->width + (double) maps->offset[cell] + 0.5) * state->stride_px;
  *x = (cell % state->width + (double) maps->offset[n + cell] + 0.5) * state->stride_px;
}

/* Points y, x in sizes of the box, from its upper left corner. */
static void add_points (
    const WeirDecodeJob *job, const Maps *maps, uint32_t cell, WeirArena *arena, WeirObject *object)
{
  const Centernet *state = job->state;
  size_t n = (size_t) state->width * state->height;
  double x, y, width, height, points_px[2 * WEIR_N_FACE_POINTS];
  place_face (state, maps, cell, &x, &y, &width, &height);
  for (uint32_t k = 0; k < 2 * WEIR_N_FACE_POINTS; k += 2) {
    points_px[k] = x - width / 2 + (double) maps->points[(k + 1) * n + cell] * width;
    points_px[k + 1] = y - height / 2 + (double) maps->points[k * n + cell] * height;
  }
  weir_object_add_points (object, job, "landmarks", points_px, WEIR_N_FACE_POINTS, arena);
}

static bool decode_faces (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const Centernet *state = job->state;
  uint32_t n = state->width * state->height;
  Maps maps;
  WeirBoxes boxes;
  if (!open_maps (job, true, &maps, result->arena, error))
    return false;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t cell = 0; cell < n; cell++) {
    double x, y, width, height;
    WeirCandidate candidate = { .confidence = weir_score (maps.heat[cell], state->is_raw),
      .index = cell };
    if (!(candidate.confidence >= boxes.threshold))
      continue;
    place_face (state, &maps, cell, &x, &y, &width, &height);
    weir_boxes_add_centre (&boxes, x, y, width, height, candidate);
  }
  weir_boxes_finish (&boxes, job, "face", result);
  for (uint32_t i = 0; i < result->n_objects; i++)
    add_points (job, &maps, boxes.items[i].index, result->arena, &result->objects[i]);
  return weir_job_attach (job, false, result, error);
}

const WeirDecoder weir_decoder_centernet = {
  .name = "centernet",
  .blurb = "CenterNet objects: heatmaps [1,classes,H / 4,W / 4], sizes and offsets",
  .is_detector = true,
  .color = WEIR_COLOR_BGR,
  .resize = WEIR_RESIZE_STRETCH,
  .mean = { 104.04f, 113.985f, 119.85f },
  .scale = { 1 / 73.695f, 1 / 69.87f, 1 / 70.89f },
  .match = match,
  .n_classes = n_classes,
  .prepare = prepare,
  .release = g_free,
  .decode = decode,
};

const WeirDecoder weir_decoder_centerface = {
  .name = "centerface",
  .blurb = "CenterFace faces with landmarks: heatmap, sizes, offsets and points of stride 4",
  .is_detector = true,
  WEIR_TRAINED_ON_BYTES,
  .match = match_faces,
  .n_classes = weir_one_n_classes,
  .prepare = prepare_faces,
  .release = g_free,
  .decode = decode_faces,
};
