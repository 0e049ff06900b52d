/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirMeta as JSON, schema "weir/1" (docs/weir-1.schema.json). */
#pragma once

#include "gst/meta.h"

G_BEGIN_DECLS

/* What a line says about its buffer beside the metadata. */
typedef struct WeirJsonFrame {
  const gchar *stream; /* used where there is no metadata */
  guint64 frame;       /* likewise */
  GstClockTime pts;    /* may be NONE */
  guint width, height; /* 0: unknown, left out */
} WeirJsonFrame;

/* Appends one JSON object on one line, without a line end. `meta` may be NULL: "skipped". Valid
 * JSON whatever the metadata holds: strings are escaped and made UTF-8, NaN and infinities become
 * null. */
void weir_json_append_frame (GString *json, const WeirMeta *meta, const WeirJsonFrame *frame);

G_END_DECLS
