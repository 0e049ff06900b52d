/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which maps a model has, and with which anchors they are read. */
#include "engine/post/yolo_region.h"

#include "engine/post/grid.h"
#include "engine/post/outputs.h"
#include <math.h>

#define N_BEFORE_CLASSES 5u
#define MIN_STRIDE_PX    4u
#define MAX_STRIDE_PX    128u
#define FLAT_STRIDE_PX   32u

/* 0 where it is none that these networks have. */
static uint32_t find_stride (int64_t h, int64_t w, uint32_t width_px, uint32_t height_px)
{
  uint32_t stride_px = weir_grid_stride (w, h, width_px, height_px);
  return stride_px >= MIN_STRIDE_PX && stride_px <= MAX_STRIDE_PX ? stride_px : 0;
}

/* How the dims of a map are to be read: which dim is what; the anchors' is -1 where they lie in one
 * dim with the columns. */
typedef struct Layout {
  uint32_t rank;
  int anchor, column, y, x;
} Layout;

static bool fit_layout (const WeirTensor *output, const Layout *layout, uint32_t n_per_cell,
    uint32_t width_px, uint32_t height_px, WeirRegionLevel *level, uint32_t *n_columns)
{
  const int64_t *dims = output->dims;
  if (output->rank != layout->rank || dims[0] != 1)
    return false;
  int64_t columns = dims[layout->column];
  level->stride_px = find_stride (dims[layout->y], dims[layout->x], width_px, height_px);
  if (!level->stride_px || columns < 1 || columns > INT32_MAX)
    return false;
  if (layout->anchor >= 0 ? dims[layout->anchor] != n_per_cell : columns % n_per_cell != 0)
    return false;
  size_t steps[WEIR_MAX_RANK];
  steps[layout->rank - 1] = 1;
  for (uint32_t i = layout->rank - 1; i-- > 0;)
    steps[i] = steps[i + 1] * (size_t) dims[i + 1];
  *n_columns = (uint32_t) (layout->anchor >= 0 ? columns : columns / n_per_cell);
  level->width = (uint32_t) dims[layout->x];
  level->height = (uint32_t) dims[layout->y];
  level->x_step = steps[layout->x];
  level->y_step = steps[layout->y];
  level->column_step = steps[layout->column];
  level->anchor_step =
      layout->anchor >= 0 ? steps[layout->anchor] : level->column_step * *n_columns;
  return true;
}

/* [1, all of the map's numbers] */
static bool fit_flat (const WeirModelFacts *facts, uint32_t n_per_cell, uint32_t width_px,
    uint32_t height_px, WeirRegionLevel *level, uint32_t *n_columns)
{
  const WeirTensor *output = &facts->outputs[0];
  if (facts->n_outputs != 1 || output->rank != 2 ||
      !(weir_facts_traits (facts, 0) & WEIR_OUTPUT_REGION))
    return false;
  WeirTensor map = { .rank = 4,
    .dims = { 1, 0, height_px / FLAT_STRIDE_PX, width_px / FLAT_STRIDE_PX } };
  int64_t n_cells = map.dims[2] * map.dims[3];
  if (n_cells < 1 || output->dims[1] < 1 || output->dims[1] % n_cells)
    return false;
  map.dims[1] = output->dims[1] / n_cells;
  return fit_layout (
      &map, &(const Layout){ 4, -1, 1, 2, 3 }, n_per_cell, width_px, height_px, level, n_columns);
}

static bool fit_level (const WeirModelFacts *facts, uint32_t k, uint32_t n_per_cell,
    uint32_t width_px, uint32_t height_px, WeirRegionLevel *level, uint32_t *n_columns)
{
  static const Layout layouts[] = { { 4, -1, 1, 2, 3 }, { 4, -1, 3, 1, 2 }, { 5, 1, 4, 2, 3 },
    { 5, 3, 4, 1, 2 } };
  *level = (WeirRegionLevel){ .output = k };
  if (!weir_facts_is_float (facts, k))
    return false;
  for (uint32_t i = 0; i < G_N_ELEMENTS (layouts); i++)
    if (fit_layout (
            &facts->outputs[k], &layouts[i], n_per_cell, width_px, height_px, level, n_columns) &&
        *n_columns > N_BEFORE_CLASSES)
      return true;
  return fit_flat (facts, n_per_cell, width_px, height_px, level, n_columns) &&
         *n_columns > N_BEFORE_CLASSES;
}

/* By insertion; false where two have the same stride. */
static bool sort_levels (WeirRegions *regions)
{
  for (uint32_t i = 1; i < regions->n_levels; i++)
    for (uint32_t j = i; j > 0 && regions->levels[j].stride_px <= regions->levels[j - 1].stride_px;
         j--) {
      if (regions->levels[j].stride_px == regions->levels[j - 1].stride_px)
        return false;
      WeirRegionLevel level = regions->levels[j];
      regions->levels[j] = regions->levels[j - 1];
      regions->levels[j - 1] = level;
    }
  return true;
}

bool weir_regions_fit (const WeirModelFacts *facts, uint32_t n_per_cell, uint32_t width_px,
    uint32_t height_px, WeirRegions *regions, const char *decoder, GError **error)
{
  uint32_t n_columns = 0;
  *regions = (WeirRegions){ .n_levels = facts->n_outputs, .n_per_cell = n_per_cell };
  if (facts->n_outputs < 1 || facts->n_outputs > WEIR_MAX_REGIONS)
    return weir_facts_refuse_count (facts, decoder, "one to four maps, one a stride", error);
  for (uint32_t k = 0; k < facts->n_outputs; k++) {
    if (!fit_level (facts, k, n_per_cell, width_px, height_px, &regions->levels[k], &n_columns))
      return weir_facts_refuse (facts, k, decoder, error,
          "f32[1,%u × (5 + classes),H,W] with the cells of one stride of an input of %u×%u",
          n_per_cell, width_px, height_px);
    if (k && n_columns - N_BEFORE_CLASSES != regions->n_classes)
      return weir_facts_refuse (
          facts, k, decoder, error, "%u classes as in the first output", regions->n_classes);
    regions->n_classes = n_columns - N_BEFORE_CLASSES;
  }
  return sort_levels (regions) ||
         weir_facts_refuse (facts, 0, decoder, error, "another stride in every output");
}

bool weir_regions_is_plausible (const WeirModelFacts *facts, const WeirRegions *regions)
{
  uint32_t n = regions->n_classes;
  if (facts->n_labels)
    return facts->n_labels == n;
  return n == 80 || n == 20 || n == 1 || facts->outputs[0].rank == 5 ||
         (regions->n_levels > 1 && regions->n_per_cell * (N_BEFORE_CLASSES + n) % 8 != 0);
}

uint32_t weir_regions_n_classes (const WeirModelFacts *facts, uint32_t n_per_cell)
{
  uint32_t width_px, height_px;
  WeirRegions regions;
  return weir_facts_input_size (facts, &width_px, &height_px) &&
                 weir_regions_fit (facts, n_per_cell, width_px, height_px, &regions, "yolo", NULL)
             ? regions.n_classes
             : 0;
}

/* "true" or "1"; `fallback` where nothing is said. */
static bool read_flag (const WeirModelFacts *facts, const char *name, bool fallback)
{
  const char *text = weir_facts_member (facts, 0, name);
  return text ? g_ascii_strcasecmp (text, "true") == 0 || g_str_equal (text, "1") : fallback;
}

/* Level i's group of masks: DL Streamer gives the coarsest first. */
static bool set_given_anchors (const WeirModelFacts *facts, const WeirRegionFamily *family,
    WeirRegions *regions, bool *is_given, GError **error)
{
  enum { MAX_NUMBERS = 2 * WEIR_MAX_REGIONS * WEIR_MAX_ANCHORS };
  double anchors[MAX_NUMBERS], masks[MAX_NUMBERS];
  uint32_t n, n_masks, n_pairs = regions->n_levels * regions->n_per_cell;
  if (!weir_facts_numbers (facts, 0, "anchors", MAX_NUMBERS, anchors, &n, error) ||
      !weir_facts_numbers (facts, 0, "masks", MAX_NUMBERS, masks, &n_masks, error))
    return false;
  *is_given = n > 0;
  if (!n)
    return true;
  if (n % 2 || (n_masks ? n_masks : n / 2) != n_pairs)
    goto refuse;
  for (uint32_t i = 0; i < n_pairs; i++) {
    uint32_t level = i / regions->n_per_cell, from_last = regions->n_levels - 1 - level;
    WeirRegionLevel *dst = &regions->levels[n_masks ? from_last : level];
    double pair = n_masks ? masks[i] : i;
    if (!(pair >= 0 && pair < n / 2.0))
      goto refuse;
    for (uint32_t side = 0; side < 2; side++)
      dst->anchors_px[i % regions->n_per_cell][side] =
          anchors[2 * (uint32_t) pair + side] * (family->has_cell_anchors ? dst->stride_px : 1);
  }
  return true;
refuse:
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "%s: %u numbers in anchors and %u in masks; expected pairs of anchors, and %u of them or "
      "numbers of them in masks: %u a cell of %u maps",
      family->name, n, n_masks, n_pairs, regions->n_per_cell, regions->n_levels);
  return false;
}

static bool set_anchors (const WeirModelFacts *facts, const WeirRegionFamily *family,
    WeirRegions *regions, GError **error)
{
  bool is_given;
  if (!set_given_anchors (facts, family, regions, &is_given, error))
    return false;
  if (!is_given && regions->n_levels != family->n_levels) {
    g_autofree char *expected = g_strdup_printf (
        "%u, for which anchors are published, or anchors in a model-proc file", family->n_levels);
    return weir_facts_refuse_count (facts, family->name, expected, error);
  }
  for (uint32_t i = 0; i < regions->n_levels; i++) {
    WeirRegionLevel *level = &regions->levels[i];
    level->scale_xy = (double) family->scale_xy[MIN (i, family->n_levels - 1)];
    for (uint32_t k = 0; k < 2 * regions->n_per_cell && !is_given; k++)
      level->anchors_px[k / 2][k % 2] =
          (double) family->anchors[i][k] * (family->has_cell_anchors ? level->stride_px : 1);
  }
  return true;
}

/* What the network has done already: RegionYolo all of it, a last Sigmoid that; in the form
 * [1,H,W,A,5 + C] scores are finished and boxes are not. */
static void set_activations (
    const WeirModelFacts *facts, const WeirRegionFamily *family, WeirRegions *regions)
{
  uint32_t traits = weir_facts_traits (facts, 0);
  bool is_done = (traits & (WEIR_OUTPUT_REGION | WEIR_OUTPUT_SIGMOID)) != 0;
  bool has_scores = facts->outputs[0].rank == 5 &&
                    facts->outputs[0].dims[3] == regions->n_per_cell &&
                    (!(traits & WEIR_OUTPUT_KNOWN) || (traits & WEIR_OUTPUT_ANY_SIGMOID));
  regions->is_box_raw = read_flag (facts, "output_sigmoid_activation", !is_done);
  regions->is_score_raw = regions->is_box_raw && !has_scores;
  regions->has_softmax = read_flag (facts, "do_cls_softmax", family->has_softmax);
  regions->is_softmax_raw = regions->has_softmax && !(traits & WEIR_OUTPUT_REGION);
  regions->has_squares = family->has_squares;
}

static const WeirRegionFamily *choose_family (
    const WeirModelFacts *facts, const WeirRegionFamily *families, uint32_t n_families)
{
  for (uint32_t i = 0; i < n_families; i++)
    if (families[i].n_levels == facts->n_outputs)
      return &families[i];
  return &families[0];
}

WeirRegions *weir_regions_new (const WeirModelFacts *facts, const WeirRegionFamily *families,
    uint32_t n_families, const WeirInputSpec *input, GError **error)
{
  const WeirRegionFamily *family = choose_family (facts, families, n_families);
  g_autofree WeirRegions *regions = g_new0 (WeirRegions, 1);
  double number = NAN, n_per_cell = 0;
  uint32_t n;
  if (!weir_facts_numbers (facts, 0, "bbox_number_on_cell", 1, &n_per_cell, &n, error))
    return NULL;
  if (!(n_per_cell >= 1 && n_per_cell <= WEIR_MAX_ANCHORS))
    n_per_cell = family->n_per_cell;
  if (!weir_regions_fit (facts, (uint32_t) n_per_cell, input->width_px, input->height_px, regions,
          family->name, error) ||
      !set_anchors (facts, family, regions, error) ||
      !weir_facts_numbers (facts, 0, "iou_threshold", 1, &number, &n, error))
    return NULL;
  set_activations (facts, family, regions);
  regions->iou_threshold = n ? (float) number : NAN;
  return g_steal_pointer (&regions);
}
