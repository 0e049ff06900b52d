/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interpolate of OpenVINO IR as Resize of ONNX, where that means the same: every mode but those
 * that filter when they shrink. */
#include "engine/formats/ir_private.h"

#include <math.h>
#include <string.h>

/* What the versions of the layer say in different places. */
typedef struct Form {
  const char *mode, *coordinates, *nearest;
  uint32_t sizes, scales; /* value ids; one is WEIR_NONE */
  int64_t axes[WEIR_MAX_RANK];
  uint32_t n_axes, rank;
  float cube;
} Form;

static const char *find (const char *const *names, uint32_t n, const char *name)
{
  for (uint32_t i = 0; i < n; i++)
    if (g_ascii_strcasecmp (names[i], name) == 0)
      return names[i];
  return NULL;
}

static bool has_pads (WeirIrJob *job, bool *has)
{
  static const char *const names[] = { "pads_begin", "pads_end" };
  int64_t pads[WEIR_MAX_RANK];
  uint32_t n;
  *has = false;
  for (size_t k = 0; k < G_N_ELEMENTS (names); k++) {
    if (!weir_ir_ints (job, names[k], pads, &n))
      return false;
    for (uint32_t i = 0; i < n; i++)
      *has = *has || pads[i] != 0;
  }
  return true;
}

/* Opset 1: one attribute for all axes; modes map as the specification of opset 4 tells. */
static bool read_first_version (WeirIrJob *job, Form *form)
{
  bool aligns;
  uint32_t n;
  if (!weir_ir_ints (job, "axes", form->axes, &n) ||
      !weir_ir_bool (job, "align_corners", true, &aligns))
    return false;
  form->n_axes = n;
  form->sizes = job->src[1];
  form->nearest = "simple";
  form->coordinates = aligns ? "align_corners" : "asymmetric";
  bool is_plane = form->rank == 4 && n == 2 && form->axes[0] == 2 && form->axes[1] == 3;
  if (!aligns && strcmp (form->mode, "linear") == 0 && !is_plane)
    form->coordinates = "half_pixel";
  return true;
}

/* Opset 4: data, sizes, scales, axes. Opset 11: data, either of them, axes. */
static bool read_later_version (WeirIrJob *job, Form *form)
{
  static const char *const coordinates[] = { "half_pixel", "pytorch_half_pixel", "asymmetric",
    "tf_half_pixel_for_nn", "align_corners" };
  bool is_v4 = job->layer->opset < 11;
  bool by_sizes = weir_ir_is (job, "shape_calculation_mode", "sizes", "sizes");
  const char *name = weir_ir_string (job, "coordinate_transformation_mode", "half_pixel");
  form->coordinates = find (coordinates, G_N_ELEMENTS (coordinates), name);
  if (!form->coordinates)
    return ir_refuse (job, "coordinate_transformation_mode '%s' is unknown", name);
  form->nearest = weir_ir_string (job, "nearest_mode", "round_prefer_floor");
  form->sizes = by_sizes ? weir_ir_src (job, 1) : WEIR_NONE;
  form->scales = by_sizes ? WEIR_NONE : weir_ir_src (job, is_v4 ? 2 : 1);
  if ((by_sizes ? form->sizes : form->scales) == WEIR_NONE)
    return ir_malformed (job, "sizes or scales are not connected");
  return weir_ir_need_ints (job, is_v4 ? 3 : 2, form->axes, &form->n_axes) &&
         weir_ir_float (job, "cube_coeff", -0.75f, &form->cube);
}

/* "simple" rounds up where it shrinks and down where it enlarges; which of the two must be the same
 * for all axes. */
static const char *simple_rounding (const WeirIrJob *job, const Form *form)
{
  WeirIrInfo src = weir_ir_info (job, job->src[0]), dst = weir_ir_dst_info (job, 0);
  bool shrinks = false, enlarges = false;
  for (uint32_t i = 0; i < form->n_axes; i++) {
    int64_t axis = form->axes[i];
    if (axis >= src.rank || axis >= dst.rank || src.dims[axis] < 0 || dst.dims[axis] < 0)
      return NULL;
    shrinks = shrinks || dst.dims[axis] < src.dims[axis];
    enlarges = enlarges || dst.dims[axis] > src.dims[axis];
  }
  return shrinks && enlarges ? NULL : shrinks ? "ceil" : "floor";
}

static bool read_form (WeirIrJob *job, Form *form)
{
  static const char *const modes[] = { "nearest", "linear", "linear_onnx", "cubic" };
  const char *name = weir_ir_string (job, "mode", "nearest");
  *form = (Form){ .sizes = WEIR_NONE, .scales = WEIR_NONE, .cube = -0.75f };
  form->mode = find (modes, G_N_ELEMENTS (modes), name);
  if (!form->mode)
    return ir_refuse (job, "mode '%s' is not supported", name);
  if (strcmp (form->mode, "linear_onnx") == 0)
    form->mode = "linear";
  if (!weir_ir_rank (job, 0, &form->rank) ||
      !(job->layer->opset < 4 ? read_first_version (job, form) : read_later_version (job, form)))
    return false;
  for (uint32_t i = 0; i < form->n_axes; i++) {
    uint32_t axis;
    if (!weir_ir_check_axis (job, form->axes[i], form->rank, &axis))
      return false;
    form->axes[i] = axis;
  }
  for (; !form->n_axes && form->n_axes < form->rank;)
    for (; form->n_axes < form->rank; form->n_axes++)
      form->axes[form->n_axes] = form->n_axes;
  return true;
}

/* Axes in their order, all of them: none need be named. */
static bool is_everything (const Form *form)
{
  for (uint32_t i = 0; i < form->n_axes; i++)
    if (form->axes[i] != i)
      return false;
  return form->n_axes == form->rank;
}

static bool read_nearest (WeirIrJob *job, Form *form)
{
  static const char *const modes[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil",
    "simple" };
  const char *name = form->nearest;
  form->nearest = find (modes, G_N_ELEMENTS (modes), name);
  if (!form->nearest)
    return ir_refuse (job, "nearest_mode '%s' is unknown", name);
  if (strcmp (form->nearest, "simple") != 0)
    return true;
  form->nearest = strcmp (form->mode, "nearest") == 0 ? simple_rounding (job, form) : "floor";
  return form->nearest || ir_refuse (job, "nearest_mode 'simple' is not supported where one axis "
                                          "grows and another shrinks, or sizes are not known");
}

bool weir_ir_convert_interpolate (WeirIrJob *job)
{
  Form form;
  bool pads, antialias;
  if (!weir_ir_need (job, 2) || !read_form (job, &form) || !read_nearest (job, &form) ||
      !has_pads (job, &pads) || !weir_ir_bool (job, "antialias", false, &antialias))
    return false;
  if (pads || (antialias && strcmp (form.mode, "nearest") != 0))
    return ir_refuse (job, "pads and antialias are not supported");
  uint32_t sizes = form.sizes == WEIR_NONE ? WEIR_NONE : weir_ir_as_ints (job, form.sizes);
  const uint32_t src[] = { job->src[0], WEIR_NONE, form.scales, sizes };
  WeirAttr attrs[5] = { weir_ir_attr_text ("mode", form.mode),
    weir_ir_attr_text ("coordinate_transformation_mode", form.coordinates),
    weir_ir_attr_text ("nearest_mode", form.nearest),
    weir_ir_attr_float ("cubic_coeff_a", form.cube) };
  uint32_t n = 4;
  if (!is_everything (&form))
    attrs[n++] = weir_ir_attr_ints (job, "axes", form.axes, form.n_axes);
  return weir_ir_emit (job, WEIR_OP_RESIZE, 18, src, 4, attrs, n);
}
