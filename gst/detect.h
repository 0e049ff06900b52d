/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inferdetect: finds objects. */
#pragma once

#include "gst/filter.h"

G_BEGIN_DECLS

#define WEIR_TYPE_DETECT (weir_detect_get_type ())
G_DECLARE_FINAL_TYPE (InferDetect, weir_detect, WEIR, DETECT, WeirFilter)

G_END_DECLS
