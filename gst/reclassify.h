/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirReclassify: what one classifier has said about tracked objects, and when each is due again.
 */
#pragma once

#include "gst/filter.h"

G_BEGIN_DECLS

/* Thread-safety: safe. The streaming thread asks, frame after frame; the src pad's task stores and
 * recalls in the same order, later. So when a frame recalls, the results of all frames before it
 * have been stored, and what is recalled depends on the frames alone, not on timing.
 *
 * Memory is bounded. A track that was not seen for WEIR_RECLASSIFY_KEEP frames is forgotten; beyond
 * WEIR_RECLASSIFY_MAX_TRACKS tracks or WEIR_RECLASSIFY_MAX_BYTES of results, those that were not
 * seen for longest. A forgotten track is looked at again when it comes back. */
typedef struct WeirReclassify WeirReclassify;

#define WEIR_RECLASSIFY_KEEP       300u
#define WEIR_RECLASSIFY_MAX_TRACKS 4096u
#define WEIR_RECLASSIFY_MAX_BYTES  (64u << 20)

WeirReclassify *weir_reclassify_new (void);
void weir_reclassify_free (WeirReclassify *known);

/* Is the object due in this frame? Then it counts as looked at. Due are: a track that is new, or
 * new since `frame->first`; one whose label has changed; one that was last looked at `interval`
 * frames ago (0: never again); one whose last look failed. A track that stands twice in a frame is
 * due twice. */
gboolean weir_reclassify_ask (WeirReclassify *known, const WeirFrameId *frame, guint64 track_id,
    const gchar *label, guint interval);
/* The look of this frame failed: the track is due again, what was known before it still is. */
void weir_reclassify_fail (WeirReclassify *known, const WeirFrameId *frame, guint64 track_id);
/* The same for all tracks that were looked at in this frame. */
void weir_reclassify_fail_frame (WeirReclassify *known, const WeirFrameId *frame);

/* Keeps a copy of the attributes and tensors from these indices on; not of more than
 * WEIR_RECLASSIFY_MAX_BYTES. */
void weir_reclassify_store (WeirReclassify *known, const WeirFrameId *frame,
    const WeirMetaObject *object, guint first_attribute, guint first_tensor);
/* Appends to the object what is known of its track under its label, and tells how many frames ago
 * that was inferred. Points go where the object is now. FALSE: nothing is known. */
gboolean weir_reclassify_recall (
    WeirReclassify *known, const WeirFrameId *frame, WeirMetaObject *object, guint *age);

/* Forgets everything: frames are counted from 0 again. */
void weir_reclassify_clear (WeirReclassify *known);

guint weir_reclassify_n_tracks (WeirReclassify *known);
gsize weir_reclassify_n_bytes (WeirReclassify *known);

G_END_DECLS
