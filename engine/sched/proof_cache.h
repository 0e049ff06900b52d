/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which rewritten batches have been proved, kept on disk: a proof takes as long as all the rest of
 * loading. */
#pragma once

#include "engine/base/digest.h"

#include <stdbool.h>

/* Proofs that are kept; beyond that the oldest go. */
#define WEIR_PROOF_CACHE_MAX 256u

/* `key` is the text of a digest (weir_digest_text) of all that a proof depends on; `folder` that of
 * weir_service_cache_folder. A file that cannot be read, or is none of this kind, has no proofs. */
bool weir_proof_cache_has (const char *folder, const char *key);
/* Writes atomically, making the folder. Where that fails, so be it: one debug line. Of two
 * processes that add at once one may win: the other's proof is made again some day. */
void weir_proof_cache_add (const char *folder, const char *key);
/* Adds the running library and what it found the CPU to be able to. */
void weir_proof_cache_add_build (WeirDigest *digest);
