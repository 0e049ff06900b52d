/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys of `config`: one table that parses, prints, and knows what may change while running. */
#pragma once

#include "engine/sched/settings.h"

G_BEGIN_DECLS

typedef struct WeirConfigKey {
  const char *name;    /* OpenVINO's spelling */
  const char *allowed; /* its values, for people */
  /* False where the whole of `value` is not one of them. NULL: read only. */
  bool (*set) (WeirSettings *settings, const char *value);
  /* Newly allocated. NULL: no setting, the session reckons it. */
  char *(*get) (const WeirSettings *settings);
  /* Takes effect at once. NULL: only loading can obey it. */
  void (*apply) (WeirSession *session, const WeirSettings *settings);
} WeirConfigKey;

#define WEIR_N_CONFIG_KEYS 8
extern const WeirConfigKey weir_config_keys[WEIR_N_CONFIG_KEYS];

/* NULL + OPTION error that lists the keys there are. */
const WeirConfigKey *weir_config_key_find (const char *name, GError **error);
/* Parses one value; `what` names it in the OPTION error ("precision", "config:
 * AUTO_BATCH_TIMEOUT"). */
bool weir_config_key_set (const WeirConfigKey *key, const char *what, WeirSettings *settings,
    const char *value, GError **error);
/* "KEY=VALUE,KEY=VALUE" into settings; blanks are allowed behind a comma. Each key once. Bit i of
 * *given: row i of the table was there. live_only: keys without `apply` are refused. On an error,
 * settings may have changed. */
bool weir_config_parse (
    const char *config, bool live_only, WeirSettings *settings, uint32_t *given, GError **error);

G_END_DECLS
