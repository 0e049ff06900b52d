/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirDigest: a fast hash of many megabytes, to tell whether they are what they were. */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

G_BEGIN_DECLS

#define WEIR_DIGEST_LANES 4

/* Thread-safety: one thread at a time. Begin with WEIR_DIGEST_INIT. Tells accidents apart (256
 * bits), not what somebody made to collide. Of this machine's byte order: not for other machines.
 */
typedef struct WeirDigest {
  uint64_t lanes[WEIR_DIGEST_LANES];
} WeirDigest;

#define WEIR_DIGEST_INIT \
  {                      \
    {                    \
      1, 2, 3, 4         \
    }                    \
  }

/* Adds n_bytes, and that they are so many: ("ab", "c") is not ("a", "bc"). */
void weir_digest_add (WeirDigest *digest, const void *bytes, size_t n_bytes);
void weir_digest_add_number (WeirDigest *digest, uint64_t number);
/* NULL is not "". */
void weir_digest_add_text (WeirDigest *digest, const char *text);
/* SHA-256 of what was added, as text. Newly allocated. */
char *weir_digest_text (const WeirDigest *digest);

G_END_DECLS
