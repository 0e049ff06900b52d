/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Engine errors as messages on the bus: one table from WeirErrorCode to GStreamer's domains. */
#pragma once

#include "engine/error.h"
#include <gst/gst.h>

G_BEGIN_DECLS

/* Posts an ERROR whose text is the engine's sentence, prefixed by the element's type ("inferdetect:
 * …"). */
void weir_bus_error (GstElement *element, const GError *error);
/* The same as a WARNING of the STREAM domain. */
void weir_bus_warning (GstElement *element, const gchar *format, ...) G_GNUC_PRINTF (2, 3);
/* TRUE at 1, 10, 100, 1000 …: the first failure is told at once, and a broken stream is no flood.
 */
gboolean weir_bus_is_told (guint64 n_failures);

G_END_DECLS
