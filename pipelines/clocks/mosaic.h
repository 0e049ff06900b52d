/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One PNG picture of the last frames of all streams. */
#pragma once

#include <gst/gst.h>

/* Tiles of 480x270, three to a row. NULL samples leave their tile black. */
gboolean mosaic_write (
    const char *path, GstSample *const *samples, guint n_samples, GError **error);
