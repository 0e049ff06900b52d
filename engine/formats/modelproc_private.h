/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of the reader of model-proc files: modelproc*.c and the fuzz target. */
#pragma once

#include "engine/formats/formats.h"
#include "engine/formats/json_text.h"

G_BEGIN_DECLS

/* As weir_modelproc_load, from memory; `path` is for messages and tells where label files lie. */
WeirProc *weir_modelproc_parse (
    const char *path, const void *bytes, size_t n_bytes, GHashTable *metadata, GError **error);

/* input_preproc, an array of any nodes, as keys of `metadata`. */
bool weir_modelproc_read_inputs (
    const char *path, JsonArray *entries, GHashTable *metadata, GError **error);

/* "PATH: WHERE[INDEX]: message"; always false. */
bool weir_modelproc_refuse (const char *path, const char *where, guint index, int code,
    GError **error, const char *format, ...) G_GNUC_PRINTF (6, 7);

G_END_DECLS
