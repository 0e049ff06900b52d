/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peaks of bf16 and int8 for AMX: 8,192 and 16,384 products an instruction.
 *
 * Six tiles of sums (a product takes 52 cycles, one starts every 16: Intel's optimisation manual,
 * 20.5), two of ones. Tiles are set up and released within a run, since threads start without. */
#include "kernels/cpu/tiles_amx.h"
#include "kernels/peak.h"

#include <string.h>

#define N_SUMS 6
#define ONES_A 6
#define ONES_B 7

static void set_up (const void *ones)
{
  TileConfig config = whole_tiles ();
  take_tiles (&config);
  put_in_memory (ones);
  _tile_zero (0);
  _tile_zero (1);
  _tile_zero (2);
  _tile_zero (3);
  _tile_zero (4);
  _tile_zero (5);
  _tile_loadd (ONES_A, ones, 64);
  _tile_loadd (ONES_B, ones, 64);
}

/* sums: N_SUMS · 16 rows of 64 bytes. */
static void finish (void *sums)
{
  char *to = sums;
  _tile_stored (0, to, 64);
  _tile_stored (1, to + 1024, 64);
  _tile_stored (2, to + 2048, 64);
  _tile_stored (3, to + 3072, 64);
  _tile_stored (4, to + 4096, 64);
  _tile_stored (5, to + 5120, 64);
  _tile_release ();
}

static double run_bf16 (uint32_t n_rounds)
{
  uint16_t ones[TILE_ROWS * 32];
  float sums[N_SUMS * TILE_ROWS * 16];
  double sum = 0;
  for (size_t i = 0; i < sizeof ones / sizeof *ones; i++)
    ones[i] = 0x3f80;
  set_up (ones);
  for (uint32_t round = 0; round < n_rounds; round++) {
    _tile_dpbf16ps (0, ONES_A, ONES_B);
    _tile_dpbf16ps (1, ONES_A, ONES_B);
    _tile_dpbf16ps (2, ONES_A, ONES_B);
    _tile_dpbf16ps (3, ONES_A, ONES_B);
    _tile_dpbf16ps (4, ONES_A, ONES_B);
    _tile_dpbf16ps (5, ONES_A, ONES_B);
  }
  finish (sums);
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
    sum += (double) sums[i];
  return sum;
}

static double run_int8 (uint32_t n_rounds)
{
  uint8_t ones[TILE_ROWS * 64];
  int32_t sums[N_SUMS * TILE_ROWS * 16];
  double sum = 0;
  memset (ones, 1, sizeof ones);
  set_up (ones);
  for (uint32_t round = 0; round < n_rounds; round++) {
    _tile_dpbusd (0, ONES_A, ONES_B);
    _tile_dpbusd (1, ONES_A, ONES_B);
    _tile_dpbusd (2, ONES_A, ONES_B);
    _tile_dpbusd (3, ONES_A, ONES_B);
    _tile_dpbusd (4, ONES_A, ONES_B);
    _tile_dpbusd (5, ONES_A, ONES_B);
  }
  finish (sums);
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
    sum += sums[i];
  return sum;
}

const WeirPeakLoop weir_peak_bf16_amx = { "amx_bf16", run_bf16 };
const WeirPeakLoop weir_peak_int8_amx = { "amx_int8", run_int8 };
