/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tiles of AMX: eight of up to 16 rows of 64 bytes. */
#pragma once

#include <immintrin.h>
#include <stdint.h>

#define N_TILES   8
#define TILE_ROWS 16
#define ROW_BYTES 64

/* The operand of LDTILECFG (Intel's manual, volume 1, 18.2). */
typedef struct TileConfig {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t n_rows[16];
} TileConfig;

static inline TileConfig whole_tiles (void)
{
  TileConfig config = { .palette = 1 };
  for (int i = 0; i < N_TILES; i++) {
    config.row_bytes[i] = ROW_BYTES;
    config.n_rows[i] = TILE_ROWS;
  }
  return config;
}

/* Instructions of tiles do not tell the compiler what they read: what is written before this is in
 * memory from here on, and what is written behind it was not before. */
static inline void put_in_memory (const void *what)
{
  __asm__ volatile("" : : "r"(what) : "memory");
}

/* A thread starts without tiles, and gives them back with _tile_release (). */
static inline void take_tiles (const TileConfig *config)
{
  put_in_memory (config);
  _tile_loadconfig (config);
  put_in_memory (config);
}
