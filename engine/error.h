/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one error domain of the engine. Messages say where, what, and what was expected. */
#pragma once

#include "export.h"

#include <glib.h>

WEIR_BEGIN_PUBLIC

#define WEIR_ERROR (weir_error_quark ())

typedef enum WeirErrorCode {
  WEIR_ERROR_NOT_FOUND,   /* a file, a device or a name that does not exist */
  WEIR_ERROR_FORMAT,      /* bytes that are not what they should be */
  WEIR_ERROR_UNSUPPORTED, /* understood, but not something this build can do */
  WEIR_ERROR_SHAPE,       /* dimensions or element types that do not fit together */
  WEIR_ERROR_OPTION,      /* a property, key or argument with a value out of its range */
  WEIR_ERROR_DEVICE,      /* the device failed */
  WEIR_ERROR_MEMORY,      /* not enough memory, or a size over the limit */
  WEIR_ERROR_CANCELLED,   /* given up on request: flush, stop */
  WEIR_ERROR_INTERNAL,    /* our own bug */
} WeirErrorCode;

GQuark weir_error_quark (void);

WEIR_END_PUBLIC
