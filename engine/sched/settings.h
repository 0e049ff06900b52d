/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Session options as users type them, checked and resolved. */
#pragma once

#include "engine/error.h"
#include "engine/ocl/ocl_device.h"
#include "engine/plan/backend.h"
#include "engine/session.h"

G_BEGIN_DECLS

#define WEIR_MAX_BATCH    1024
#define WEIR_MAX_REQUESTS 1024

/* "BATCH:CPU(8)", taken apart. */
typedef struct WeirDeviceName {
  char base[16];                        /* "CPU", "REF", "GPU", "AUTO", "SIM" */
  char match[WEIR_OCL_MATCH_BYTES];     /* GPU.pocl → "pocl", a part of the device's name; "" */
  uint32_t index;                       /* GPU.1, GPU.pocl.1 → 1 */
  double sim_fixed_ms, sim_per_item_ms; /* SIM(a,b): a batch of n takes a + b n */
  bool is_batch;                        /* BATCH: was given */
  uint32_t batch_size;                  /* (N); 0: not given */
} WeirDeviceName;

/* Strict, whole-string grammar: [BATCH:]NAME[(N)], NAME one of CPU REF AUTO SIM(a,b) and
 * GPU[.part][.index], (N) only behind BATCH:, N in 1..1024; a and b in 0..60000 ms; index in 0..63;
 * part: a letter, then 1 to 30 letters, digits, _ or -. OPTION errors name the string and what was
 * expected. */
bool weir_device_name_parse (const char *text, WeirDeviceName *name, GError **error);

typedef struct WeirSettings {
  WeirDeviceName device;
  WeirPrecision precision;
  WeirHint hint;
  uint32_t num_requests, batch_size;
  int32_t batch_timeout_ms;
  bool allow_auto_batching, deterministic;
  bool has_dynamic_batch; /* DYN_BATCH_ENABLED, true where it is not given */
  char *cache_dir;        /* CACHE_DIR; NULL: not given */
} WeirSettings;

/* `config` keys (OpenVINO's spelling) override the fields of the same meaning. OPTION errors name
 * key, value and the allowed range; settings need no weir_settings_clear then. */
bool weir_settings_resolve (
    const WeirSessionOptions *options, WeirSettings *settings, GError **error);
void weir_settings_clear (WeirSettings *settings);

G_END_DECLS
