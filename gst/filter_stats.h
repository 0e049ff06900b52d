/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The `stats` property: WeirStats as a GstStructure. */
#pragma once

#include "engine/session.h"
#include <gst/gst.h>

G_BEGIN_DECLS

/* "weir-stats" with every field of the session (`stats` NULL: none) and of the element itself. */
GstStructure *weir_stats_to_structure (
    const WeirStats *stats, guint64 n_frames, const WeirStreamStats *stream);

G_END_DECLS
