/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files "program-…". */
#include "engine/ocl/ocl_program_cache.h"

#include "engine/ocl/ocl_kept.h"

static const WeirOclKept kind = { "program-", "weir-program/1", (size_t) 64 << 20,
  WEIR_OCL_PROGRAM_CACHE_MAX, WEIR_OCL_PROGRAM_CACHE_BYTES };

char *weir_ocl_program_cache_key (
    const WeirOclFacts *facts, const char *source_digest, const char *options)
{
  return weir_ocl_kept_key (&kind, facts, source_digest, options);
}

void *weir_ocl_program_cache_read (const char *folder, const char *key, size_t *n_bytes)
{
  return weir_ocl_kept_read (&kind, folder, key, n_bytes);
}

void weir_ocl_program_cache_write (
    const char *folder, const char *key, const void *bytes, size_t n_bytes)
{
  g_autoptr (GError) error = NULL;
  if (!weir_ocl_kept_write (&kind, folder, key, bytes, n_bytes, &error))
    g_debug ("a program is not kept: %s", error->message);
}
