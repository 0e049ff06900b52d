/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libweir: everything an application needs. See docs/architecture.md. */
#pragma once

#include "export.h"

#include "error.h"
#include "frame.h"
#include "model.h"
#include "profile.h"
#include "request.h"
#include "result.h"
#include "session.h"
#include "tensor.h"
#include "tensor_file.h"
#include "tune.h"

WEIR_BEGIN_PUBLIC

/* "0.1.0" */
const char *weir_version (void);
/* Devices that this build and machine have, as a JSON array. Newly allocated. */
char *weir_devices_to_json (void);

WEIR_END_PUBLIC
