/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirCaptions: short texts on a coloured ground, rendered once by pango and kept as long as they
 * are used, as the same labels come back frame after frame. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Thread-safety: one thread at a time. */
typedef struct WeirCaptions WeirCaptions;

/* One rendered text: how much of each pixel the letters cover, 0..255, over the ground's whole
 * area. */
typedef struct WeirCaption {
  guint8 *coverage;
  gint stride_bytes;
  guint width_px, height_px;
} WeirCaption;

WeirCaptions *weir_captions_new (void);
void weir_captions_free (WeirCaptions *captions);
/* Another height empties the store. */
void weir_captions_set_font_height (WeirCaptions *captions, guint font_height_px);
/* NULL where `text` cannot be rendered. Owned by the store, valid until weir_captions_expire. Texts
 * wider than max_width_px end in an ellipsis. */
const WeirCaption *weir_captions_get (
    WeirCaptions *captions, const gchar *text, guint max_width_px);
/* Once a frame: forgets what was not used in the last frames when the store has grown large. */
void weir_captions_expire (WeirCaptions *captions);

G_END_DECLS
