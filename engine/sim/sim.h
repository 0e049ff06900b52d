/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device SIM(a,b): a batch of n takes a + b n and gives zeros. For trying the queue, and for
 * planning without hardware. */
#pragma once

#include "engine/plan/backend.h"

G_BEGIN_DECLS

/* What runs instead of `model`: one Simulate node that reads all of its inputs and gives all of its
 * outputs, in the model's shapes; those whose size only the data know have no rows. The backend
 * `weir_backend_sim` runs nothing else. `model` must outlive it. Errors: those of inferring the
 * model's shapes. */
WeirGraph *weir_sim_graph_new (const WeirGraph *model, GError **error);

G_END_DECLS
