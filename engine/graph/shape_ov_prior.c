/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PriorBox and PriorBoxClustered: the boxes around one cell are the same for every cell, so the
 * attributes become a list of them, in the order of the result. */
#include "engine/base/checked.h"
#include "engine/graph/openvino.h"

#include <math.h>
#include <string.h>

/* Around one cell; densities are a file's numbers, and boxes grow with their square. */
#define MAX_PRIORS 65536

typedef struct List {
  float values[WEIR_MAX_INTS];
  uint32_t n;
} List;

typedef struct PriorAttrs {
  const WeirShapeJob *job;
  List min_size, max_size, fixed_size, fixed_ratio, density;
  List ratios; /* 1, and those of aspect_ratio, flipped ones behind */
  bool scales_all, extremes_first;
} PriorAttrs;

static bool read_list (const WeirShapeJob *job, const char *name, List *list, GError **error)
{
  return weir_ov_floats (job, name, list->values, &list->n, error);
}

static bool is_near (float a, float b)
{
  return fabs ((double) a - (double) b) < 1e-6;
}

static bool read_ratios (const WeirShapeJob *job, List *ratios, GError **error)
{
  bool flips = weir_ov_bool (job->node, "flip", false);
  List given;
  if (!read_list (job, "aspect_ratio", &given, error))
    return false;
  if (given.n >= WEIR_MAX_INTS / 2)
    return weir_job_fail (
        "aspect_ratio has %u elements, expected less than %d", given.n, WEIR_MAX_INTS / 2);
  ratios->n = 1;
  ratios->values[0] = 1;
  for (uint32_t i = 0; i < given.n; i++) {
    bool is_known = false;
    for (uint32_t k = 0; k < ratios->n; k++)
      is_known = is_known || is_near (given.values[i], ratios->values[k]);
    if (is_known)
      continue;
    ratios->values[ratios->n++] = given.values[i];
    if (flips)
      ratios->values[ratios->n++] = 1 / given.values[i];
  }
  return true;
}

static bool read_attrs (PriorAttrs *attrs, GError **error)
{
  const WeirShapeJob *job = attrs->job;
  bool is_v8 = job->node->opset >= 8;
  attrs->scales_all = weir_ov_bool (job->node, "scale_all_sizes", true);
  attrs->extremes_first = !is_v8 || weir_ov_bool (job->node, "min_max_aspect_ratios_order", true);
  if (!read_list (job, "min_size", &attrs->min_size, error) ||
      !read_list (job, "max_size", &attrs->max_size, error) ||
      !read_list (job, "fixed_size", &attrs->fixed_size, error) ||
      !read_list (job, "fixed_ratio", &attrs->fixed_ratio, error) ||
      !read_list (job, "density", &attrs->density, error) ||
      !read_ratios (job, &attrs->ratios, error))
    return false;
  if (attrs->fixed_size.n && attrs->density.n != attrs->fixed_size.n)
    return weir_job_fail ("density has %u elements and fixed_size %u, expected as many",
        attrs->density.n, attrs->fixed_size.n);
  for (uint32_t i = 0; i < attrs->density.n; i++)
    if (!(attrs->density.values[i] >= 1 && attrs->density.values[i] <= 256))
      return weir_job_fail ("density %u is out of range", i);
  for (uint32_t i = 0; i < attrs->fixed_size.n; i++)
    if (!(fabsf (attrs->fixed_size.values[i]) <= 1e6f))
      return weir_job_fail ("fixed_size %u is out of range", i);
  return true;
}

static bool add (WeirPriorGrid *grid, WeirPrior prior)
{
  if (grid->priors->len < MAX_PRIORS)
    g_array_append_val (grid->priors, prior);
  return grid->priors->len < MAX_PRIORS;
}

/* density² boxes, spread over a square of the fixed size. */
static void add_dense (const PriorAttrs *attrs, uint32_t i, float ratio, WeirPriorGrid *grid)
{
  float size = attrs->fixed_size.values[i], root = sqrtf (ratio);
  int64_t density = (int64_t) attrs->density.values[i];
  int64_t shift = (int64_t) (size / (float) density), half = (int64_t) size / 2;
  float first = (float) shift / 2 - (float) half;
  for (int64_t r = 0; r < density; r++)
    for (int64_t c = 0; c < density; c++)
      if (!add (grid, (WeirPrior){ first + (float) (c * shift), first + (float) (r * shift),
                          size * 0.5f * root, size * 0.5f / root, true }))
        return;
}

static void add_fixed (const PriorAttrs *attrs, WeirPriorGrid *grid)
{
  const List *ratios = attrs->fixed_ratio.n ? &attrs->fixed_ratio : &attrs->ratios;
  for (uint32_t i = 0; i < attrs->fixed_size.n; i++)
    for (uint32_t k = 0; k < ratios->n; k++)
      add_dense (attrs, i, ratios->values[k], grid);
}

static void add_ratios (const PriorAttrs *attrs, float size, WeirPriorGrid *grid)
{
  for (uint32_t k = 1; k < attrs->ratios.n; k++) {
    float root = sqrtf (attrs->ratios.values[k]);
    add (grid, (WeirPrior){ 0, 0, size * 0.5f * root, size * 0.5f / root, false });
  }
}

static void add_largest (const PriorAttrs *attrs, uint32_t i, float size, WeirPriorGrid *grid)
{
  if (i >= attrs->max_size.n)
    return;
  float half = sqrtf (size * attrs->max_size.values[i]) * 0.5f;
  add (grid, (WeirPrior){ 0, 0, half, half, false });
}

/* `unit`: of min_size, in pixels. */
static void add_sized (const PriorAttrs *attrs, float unit, WeirPriorGrid *grid)
{
  for (uint32_t i = 0; i < attrs->min_size.n; i++) {
    float size = attrs->min_size.values[i] * unit, half = size * 0.5f;
    bool has_ratios = attrs->scales_all || i == attrs->min_size.n - 1;
    add (grid, (WeirPrior){ 0, 0, half, half, false });
    if (attrs->extremes_first)
      add_largest (attrs, i, size, grid);
    if (has_ratios)
      add_ratios (attrs, attrs->scales_all ? size : attrs->min_size.values[0] * unit, grid);
    if (!attrs->extremes_first)
      add_largest (attrs, i, size, grid);
  }
}

/* As the specification counts them, which is what the rest of a network relies on. */
static int64_t count_priors (const PriorAttrs *attrs)
{
  int64_t n_ratios = attrs->ratios.n, n = n_ratios + attrs->min_size.n - 1;
  if (attrs->scales_all)
    n = n_ratios * attrs->min_size.n + attrs->max_size.n;
  if (attrs->fixed_size.n)
    n = n_ratios * attrs->fixed_size.n;
  for (uint32_t i = 0; i < attrs->density.n; i++) {
    int64_t density = (int64_t) attrs->density.values[i];
    n += (attrs->fixed_ratio.n ? attrs->fixed_ratio.n : n_ratios) * (density * density - 1);
  }
  return n;
}

static bool resolve_box (const WeirShapeJob *job, WeirPriorGrid *grid, GError **error)
{
  PriorAttrs attrs = { .job = job };
  float image = (float) grid->image_height;
  float step = weir_ov_float (job->node, "step", 0);
  if (!read_attrs (&attrs, error))
    return false;
  if (!attrs.scales_all) /* sizes and step are fractions of the image */
    step = step == -1 ? image / (float) grid->height : step * image;
  grid->step_x = step == 0 ? (float) grid->image_width / (float) grid->width : step;
  grid->step_y = step == 0 ? image / (float) grid->height : step;
  if (step == 0)
    grid->offset = 0.5f;
  add_fixed (&attrs, grid);
  add_sized (&attrs, attrs.scales_all ? 1 : image, grid);
  int64_t n_expected = count_priors (&attrs);
  if (grid->priors->len != n_expected || n_expected < 1)
    return weir_job_fail ("sizes, ratios and densities give %u boxes, expected %" G_GINT64_FORMAT,
        grid->priors->len, n_expected);
  return true;
}

static bool resolve_clustered (const WeirShapeJob *job, WeirPriorGrid *grid, GError **error)
{
  float step = weir_ov_float (job->node, "step", 0);
  float step_w = weir_ov_float (job->node, "step_w", 0);
  float step_h = weir_ov_float (job->node, "step_h", 0);
  List width, height;
  if (!read_list (job, "width", &width, error) || !read_list (job, "height", &height, error))
    return false;
  if (width.n == 0 || width.n != height.n)
    return weir_job_fail ("it has %u widths and %u heights, expected as many", width.n, height.n);
  grid->step_x = step_w == 0 ? step : step_w;
  grid->step_y = step_h == 0 ? step : step_h;
  if (grid->step_x == 0 && grid->step_y == 0) {
    grid->step_x = (float) grid->image_width / (float) grid->width;
    grid->step_y = (float) grid->image_height / (float) grid->height;
  }
  for (uint32_t i = 0; i < width.n; i++)
    add (grid, (WeirPrior){ 0, 0, width.values[i] / 2, height.values[i] / 2, false });
  return true;
}

/* Height and width from input i. */
static bool read_size (
    const WeirShapeJob *job, uint32_t i, int64_t *height, int64_t *width, GError **error)
{
  int64_t size[WEIR_MAX_INTS];
  uint32_t n;
  if (!weir_shape_ints (job, NULL, i, size, &n, error))
    return false;
  if (n != 2 || size[0] < 1 || size[1] < 1 || size[0] > INT32_MAX || size[1] > INT32_MAX)
    return weir_job_fail ("input %u is no height and width", i);
  *height = size[0];
  *width = size[1];
  return true;
}

static bool read_variance (const WeirShapeJob *job, float variance[4], GError **error)
{
  List list;
  if (!read_list (job, "variance", &list, error))
    return false;
  if (list.n > 1 && list.n != 4)
    return weir_job_fail ("variance has %u elements, expected 0, 1 or 4", list.n);
  for (uint32_t i = 0; i < 4; i++)
    variance[i] = list.n ? list.values[list.n == 4 ? i : 0] : 0.1f;
  return true;
}

bool weir_prior_grid_resolve (const WeirShapeJob *job, WeirPriorGrid *grid, GError **error)
{
  g_auto (WeirPriorGrid) resolved = { .priors = g_array_new (FALSE, FALSE, sizeof (WeirPrior)) };
  resolved.offset = weir_ov_float (job->node, "offset", 0);
  resolved.clips = weir_ov_bool (job->node, "clip", false);
  if (!read_size (job, 0, &resolved.height, &resolved.width, error) ||
      !read_size (job, 1, &resolved.image_height, &resolved.image_width, error) ||
      !read_variance (job, resolved.variance, error))
    return false;
  if (job->node->op == WEIR_OP_OV_PRIOR_BOX ? !resolve_box (job, &resolved, error)
                                            : !resolve_clustered (job, &resolved, error))
    return false;
  *grid = resolved;
  resolved.priors = NULL;
  return true;
}

void weir_prior_grid_clear (WeirPriorGrid *grid)
{
  g_clear_pointer (&grid->priors, g_array_unref);
}

/* [2, 4 n]: corners of all boxes, then their variances */
bool weir_shape_ov_prior_box (const WeirShapeJob *job, GError **error)
{
  g_auto (WeirPriorGrid) grid = { 0 };
  int64_t n;
  if (!weir_prior_grid_resolve (job, &grid, error))
    return false;
  if (!weir_checked_mul_i64 (grid.height * grid.width, 4 * (int64_t) grid.priors->len, &n))
    return weir_job_fail ("too many boxes");
  job->dst[0] = (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 2, n } };
  return true;
}
