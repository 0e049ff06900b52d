/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registers the error domain. */
#include "engine/error.h"

G_DEFINE_QUARK (weir - error - quark, weir_error)
