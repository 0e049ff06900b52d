/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* IR models that show what enters their last operator. */
#pragma once

#include <glib.h>

/* Copies the .xml at `path` into `folder`, with a Result more for each input of its DetectionOutput
 * or CTCGreedyDecoder; the weights are linked. The new path, newly allocated; NULL where there is
 * no such layer. `n_inner` of its outputs are new, the last ones. */
char *golden_expose_inner (const char *path, const char *folder, guint n_inner);
