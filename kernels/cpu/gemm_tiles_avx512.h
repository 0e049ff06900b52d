/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tiles of matrix products for AVX-512: 28 rows and 1 vector, 14 and 2, or 9 and 3 leave room for
 * the vectors of b and one of a in 32 registers. */
#pragma once

#define TILES(T)                                                                                \
  T (1, 1)                                                                                      \
  T (2, 1)                                                                                      \
  T (3, 1)                                                                                      \
  T (4, 1)                                                                                      \
  T (5, 1)                                                                                      \
  T (6, 1)                                                                                      \
  T (7, 1)                                                                                      \
  T (8, 1)                                                                                      \
  T (9, 1) T (10, 1) T (11, 1) T (12, 1) T (13, 1) T (14, 1) T (15, 1) T (16, 1) T (17, 1)      \
      T (18, 1) T (19, 1) T (20, 1) T (21, 1) T (22, 1) T (23, 1) T (24, 1) T (25, 1) T (26, 1) \
          T (27, 1) T (28, 1) T (1, 2) T (2, 2) T (3, 2) T (4, 2) T (5, 2) T (6, 2) T (7, 2)    \
              T (8, 2) T (9, 2) T (10, 2) T (11, 2) T (12, 2) T (13, 2) T (14, 2) T (1, 3)      \
                  T (2, 3) T (3, 3) T (4, 3) T (5, 3) T (6, 3) T (7, 3) T (8, 3) T (9, 3)
#define MAX_ROWS \
  {              \
    28, 14, 9    \
  }
#define MAX_VECTORS 3
