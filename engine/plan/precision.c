/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of precisions, as users type and read them. */
#include "engine/plan/backend.h"

const char *weir_precision_name (WeirPrecision precision)
{
  static const char *const names[] = { "auto", "f32", "bf16", "f16", "int8" };
  return (unsigned) precision < G_N_ELEMENTS (names) ? names[precision] : "?";
}
