/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of inference statuses, as users read them. */
#include "engine/result.h"

const char *weir_status_name (WeirStatus status)
{
  static const char *const names[] = { "inferred", "skipped", "failed", "reused" };
  return (unsigned) status < G_N_ELEMENTS (names) ? names[status] : "?";
}
