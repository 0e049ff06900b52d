/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a fuzz target does where no fuzzing engine drives it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The target: bytes that may hold anything. 0. */
int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

/* Runs the target on every file of the folder argv[1], and on mutations of it with a fixed seed.
 * For main; 1 where there is no file. */
int fuzz_replay (int argc, char **argv);
