/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An assertion for inner loops: check's own report each success to the runner through a file. */
#pragma once

#include <check.h>

#define must(condition)                                                         \
  do {                                                                          \
    if (!(condition))                                                           \
      ck_abort_msg ("%s:%d: %s does not hold", __FILE__, __LINE__, #condition); \
  } while (0)
