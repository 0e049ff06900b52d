/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inferpublish: writes the metadata of every buffer that passes as JSON. */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define WEIR_TYPE_PUBLISH (weir_publish_get_type ())
G_DECLARE_FINAL_TYPE (InferPublish, weir_publish, WEIR, PUBLISH, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (inferpublish)

G_END_DECLS
