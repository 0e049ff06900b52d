/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AMX tile instructions on a CPU without them, for tests of the kernels that use them. */
#pragma once

#include <stdbool.h>

/* From now on the process carries out AMX tile instructions that this CPU has not, by a SIGILL
 * handler. Tiles are per thread, as on a CPU. What is no such instruction ends the process as it
 * would have. False, and nothing happens, where the CPU has tiles of its own, which Linux may keep
 * from us: some of the instructions would be carried out there. One that breaks a rule of Intel's
 * manual aborts, with the rule on stderr.
 *
 * Thread-safety: Safe. */
bool weir_emulate_tiles (void);

/* Whether a variant for `isa` of kernels.h may run: by the CPU, or as tiles that are emulated from
 * now on. */
bool weir_may_test (unsigned isa);
