/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Marks what libweir exports: everything else is hidden. */
#pragma once

#include <glib.h>

#define WEIR_BEGIN_PUBLIC G_BEGIN_DECLS _Pragma ("GCC visibility push(default)")
#define WEIR_END_PUBLIC   _Pragma ("GCC visibility pop") G_END_DECLS
