/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON of unknown origin: read within bounds, and turned into text and numbers. */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stddef.h>

G_BEGIN_DECLS

/* Bytes that may hold anything. At most 10 MB, 32 levels and 1,000,000 values are read, strict JSON
 * alone (json-glib's own reader recurses without a bound and takes comments). FORMAT errors begin
 * with `where`. The parser owns the nodes. */
JsonParser *weir_json_parse (const char *where, const void *bytes, size_t n_bytes, GError **error);

/* Strings as they stand, numbers as short as they can be read back, "true", "false"; arrays of such
 * joined by commas; everything else as JSON. NULL and null: "". Newly allocated. */
char *weir_json_text (JsonNode *node);
/* A number, or a string that holds nothing but one; false where it is neither, or not finite. */
bool weir_json_number (JsonNode *node, double *value);
/* As short as it can be read back: "0.1". Newly allocated. */
char *weir_number_text (double value);
/* Text of a file in a message: valid UTF-8, at most 60 characters. Newly allocated. */
char *weir_clipped_text (const char *text);

G_END_DECLS
