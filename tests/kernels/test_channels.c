/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Picked channels: every variant against where the channels come from. Buffers have exactly the
 * size that is allowed, for the sanitizers. */
#include "kernels/channels.h"
#include "kernels/kernels.h"

#include "tests/run_suite.h"
#include <stdlib.h>
#include <string.h>

#define MAX_SRC 4

/* Channel i of the result is channel begin + i · step of the sources side by side, or a random one
 * where step is 0. */
static const struct {
  size_t n_channels, n_pixels, n_src, src[MAX_SRC];
  int begin, step;
} rows[] = {
  { 1, 1, 1, { 1 }, 0, 1 },
  { 16, 3, 1, { 16 }, 0, 1 },
  { 33, 5, 2, { 16, 17 }, 0, 1 },
  { 29, 70, 2, { 29, 29 }, 1, 2 },
  { 24, 40, 2, { 24, 24 }, 0, 2 },
  { 7, 33, 1, { 7 }, 6, -1 },
  { 58, 35, 2, { 58, 58 }, 0, 0 },
  { 19, 33, 4, { 3, 40, 1, 17 }, 0, 0 },
  { 200, 9, 3, { 64, 5, 300 }, 0, 0 },
};

static uint32_t next (uint32_t *seed)
{
  return (*seed = *seed * 1664525u + 1013904223u) >> 8;
}

static WeirChannelPick pick_of (size_t row, size_t channel)
{
  WeirChannelPick pick = { 0, (uint32_t) channel };
  while (pick.channel >= rows[row].src[pick.src])
    pick.channel -= (uint32_t) rows[row].src[pick.src++];
  return pick;
}

static void fill_picks (size_t row, WeirChannelPick *picks)
{
  size_t n_all = 0;
  uint32_t seed = 7;
  for (size_t k = 0; k < rows[row].n_src; k++)
    n_all += rows[row].src[k];
  for (size_t i = 0; i < rows[row].n_channels; i++)
    picks[i] = pick_of (row, rows[row].step ? (size_t) (rows[row].begin + (int) i * rows[row].step)
                                            : next (&seed) % n_all);
}

static void check (size_t row, unsigned isa, size_t size)
{
  size_t n = rows[row].n_channels, n_pixels = rows[row].n_pixels;
  WeirChannelsFn fn = weir_channels_variant (isa, size);
  uint8_t *src[MAX_SRC] = { NULL };
  uint32_t seed = 3;
  if (!fn)
    return;
  WeirChannelPick *picks = malloc (n * sizeof *picks);
  WeirChannelLoad *loads = malloc (n * sizeof *loads);
  uint8_t *dst = malloc (n * n_pixels * size);
  fill_picks (row, picks);
  for (size_t k = 0; k < rows[row].n_src; k++) {
    src[k] = malloc (rows[row].src[k] * n_pixels * size);
    for (size_t i = 0; i < rows[row].src[k] * n_pixels * size; i++)
      src[k][i] = (uint8_t) next (&seed);
  }
  WeirChannels channels = { n, rows[row].src, picks, loads,
    weir_channels_find_loads (picks, n, rows[row].src, loads) };
  size_t half = n_pixels / 2;
  fn (&channels, dst, (const void *const *) src, half, n_pixels - half);
  if (half)
    fn (&channels, dst, (const void *const *) src, 0, half);
  for (size_t i = 0; i < n * n_pixels; i++) {
    const WeirChannelPick *pick = &picks[i % n];
    size_t at = i / n * rows[row].src[pick->src] + pick->channel;
    ck_assert_msg (memcmp (dst + i * size, src[pick->src] + at * size, size) == 0,
        "row %zu, variant %u, %zu bytes: channel %zu of pixel %zu", row, isa, size, i % n, i / n);
  }
  for (size_t k = 0; k < rows[row].n_src; k++)
    free (src[k]);
  free (dst);
  free (loads);
  free (picks);
}

START_TEST (test_channels)
{
  static const unsigned variants[] = { WEIR_ISA_C, WEIR_ISA_AVX2, WEIR_ISA_AVX512 };
  for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
    for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
      for (size_t size = 1; size <= 8; size *= 2)
        check (row, variants[v], size);
  ck_assert (!weir_channels_variant (WEIR_ISA_C, 3));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("channels");
  TCase *tcase = tcase_create ("channels");
  tcase_add_test (tcase, test_channels);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
