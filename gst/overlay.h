/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inferoverlay: draws what the metadata of a buffer says. */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define WEIR_TYPE_OVERLAY (weir_overlay_get_type ())
G_DECLARE_FINAL_TYPE (InferOverlay, weir_overlay, WEIR, OVERLAY, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (inferoverlay)

G_END_DECLS
