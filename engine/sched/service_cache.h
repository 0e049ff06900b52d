/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* S(n) on disk, so that the next start knows it: one small JSON file per model, device, precision,
 * shape of inputs, number of threads and version of the libraries. */
#pragma once

#include "engine/sched/service.h"

/* Everything that S(n) depends on. */
typedef struct WeirServiceKey {
  const char *model;     /* weir_service_cache_model */
  const char *shapes;    /* of the inputs, which options can set: "1x3x384x672" */
  const char *device;    /* "CPU", "SIM(4,1)" */
  const char *precision; /* "f32" */
  const char *library;   /* version of what computes: "weir 0.1.0, oneDNN 2.6.3, Intel … CPU" */
  uint32_t n_threads;    /* of each run */
} WeirServiceKey;

/* What stands for the model in a key: SHA-256 over size, first and last MiB of the file, of an IR
 * over those of both its files. S(n) depends on the network's shape, not on single weights, so the
 * middle of the weights need not be read. Newly allocated; NULL where the file cannot be read. */
char *weir_service_cache_model (const char *path);
/* Where files go: `asked` (CACHE_DIR of `config`), else $WEIR_CACHE_DIR, else weir/ in the user's
 * cache folder. NULL where the choice is an empty string: nothing is kept. Newly allocated. */
char *weir_service_cache_folder (const char *asked);
/* Reads what an earlier run learned into `service` (which is empty). False where there is none. A
 * file that is broken, from another key or with absurd times is ignored with a warning that names
 * it; the next write replaces it. */
bool weir_service_cache_read (const char *folder, const WeirServiceKey *key, WeirService *service);
/* Writes atomically, making the folder. A full disk or a folder that cannot be written to is one
 * warning a process, no error. */
void weir_service_cache_write (
    const char *folder, const WeirServiceKey *key, const WeirService *service);
