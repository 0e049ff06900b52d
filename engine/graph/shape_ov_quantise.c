/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FakeQuantize: data and the four ends of two ranges, broadcast to one shape. */
#include "engine/graph/openvino.h"

static bool fit_error (const WeirShapeJob *job, uint32_t i, GError **error)
{
  g_autofree char *a = weir_tensor_describe (&job->src[0]);
  g_autofree char *b = weir_tensor_describe (&job->src[i]);
  return weir_job_fail ("range %s does not fit input %s", b, a);
}

/* auto_broadcast "pdpd" has no axis here: it aligns the last dimensions, as NumPy does. */
bool weir_shape_ov_fake_quantize (const WeirShapeJob *job, GError **error)
{
  static const char *const modes[] = { "numpy", "pdpd", "none", "explicit", NULL };
  WeirTensor *dst = &job->dst[0];
  int64_t levels = weir_node_int (job->node, "levels", 256);
  uint32_t mode;
  if (levels < 2)
    return weir_job_fail ("levels are %" G_GINT64_FORMAT ", expected at least 2", levels);
  if (!weir_ov_choice (job, "auto_broadcast", modes, 0, &mode, error))
    return false;
  *dst = job->src[0];
  dst->buffer = NULL;
  dst->offset_bytes = 0;
  for (uint32_t i = 0; i < job->node->n_src; i++) {
    const WeirTensor *src = &job->src[i];
    if (!weir_dtype_is_floating (src->dtype))
      return weir_job_fail (
          "input %u is %s, expected a floating type", i, weir_dtype_name (src->dtype));
    if (mode >= 2 ? !weir_tensor_same_shape (src, &job->src[0])
                  : !weir_shape_broadcast (dst, src, dst))
      return fit_error (job, i, error);
  }
  return true;
}
