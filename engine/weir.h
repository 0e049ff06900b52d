/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libweir: everything an application needs. See docs/architecture.md. */
#pragma once

#include "engine/error.h"
#include "engine/frame.h"
#include "engine/model.h"
#include "engine/request.h"
#include "engine/result.h"
#include "engine/session.h"
#include "engine/tensor.h"

G_BEGIN_DECLS

/* "0.1.0" */
const char *weir_version (void);
/* Devices that this build and machine have, as a JSON array. Newly allocated. */
char *weir_devices_to_json (void);

G_END_DECLS
