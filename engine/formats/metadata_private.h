/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of metadata*.c. */
#pragma once

#include "engine/formats/formats.h"

G_BEGIN_DECLS

/* Both are copied; nothing happens where the key is there, or the value is empty. */
void weir_metadata_add (GHashTable *metadata, const char *key, const char *value);

/* Adds the keys of a metadata.yaml: "names" as weir.labels, the others as they stand, block lists
 * as
 * "[a,b]". What is no such file is passed over. */
void weir_metadata_read_yaml (const char *text, size_t n_bytes, GHashTable *metadata);
/* The file beside an .xml, where there is one. */
void weir_metadata_load_yaml (const char *model_path, GHashTable *metadata);

G_END_DECLS
