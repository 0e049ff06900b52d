/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an element that holds frames adds to downstream's answer to an ALLOCATION query. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Adds GstVideoMeta and raises the minimum of every pool by `n_held` frames. TRUE where downstream
 * (`answered`: it gave an answer) does not know GstVideoMeta: its buffers must then leave in the
 * layout of their caps. */
gboolean weir_allocation_amend (GstQuery *query, gboolean answered, guint n_held);

G_END_DECLS
