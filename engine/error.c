/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The domain of the engine's errors. Threads may ask for it first at the same moment, so the number
 * is kept atomically. */
#include "engine/error.h"

GQuark weir_error_quark (void)
{
  static gint quark;
  gint known = g_atomic_int_get (&quark);
  if (!known) {
    known = (gint) g_quark_from_static_string ("weir-error-quark");
    g_atomic_int_set (&quark, known);
  }
  return (GQuark) known;
}
