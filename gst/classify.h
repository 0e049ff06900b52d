/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inferclassify: says more about objects, or about the whole picture. */
#pragma once

#include "gst/filter.h"

G_BEGIN_DECLS

#define WEIR_TYPE_CLASSIFY (weir_classify_get_type ())
G_DECLARE_FINAL_TYPE (InferClassify, weir_classify, WEIR, CLASSIFY, WeirFilter)

G_END_DECLS
