/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Version, and the tables of what this build has. */
#include "engine/weir.h"

#include "engine/graph/graph.h"
#include "engine/post/decoder.h"

const char *weir_version (void)
{
  return WEIR_VERSION;
}

const char *const *weir_decoder_names (void)
{
  static const char *names[64];
  static gsize once;
  if (g_once_init_enter (&once)) {
    for (guint i = 0; weir_decoders[i] && i + 1 < G_N_ELEMENTS (names); i++)
      names[i] = weir_decoders[i]->name;
    g_once_init_leave (&once, 1);
  }
  return names;
}

const char *weir_decoder_blurb (const char *name)
{
  const WeirDecoder *decoder = weir_decoder_find (name);
  return decoder ? decoder->blurb : NULL;
}

const char *const *weir_operator_names (void)
{
  static const char *names[WEIR_N_OPS + 1];
  static gsize once;
  if (g_once_init_enter (&once)) {
    guint n = 0;
    for (guint op = 0; op < WEIR_N_OPS; op++)
      if (!g_str_has_prefix (weir_op_info ((WeirOp) op)->name, "weir:"))
        names[n++] = weir_op_info ((WeirOp) op)->name;
    g_once_init_leave (&once, 1);
  }
  return names;
}
