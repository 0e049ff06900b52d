/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of families. All rows but that of CPUs are derived from what makers publish of their
 * devices; none has been measured. */
#include "engine/ocl/ocl_family.h"

#include <string.h>

const WeirOclTile weir_ocl_tiles[WEIR_OCL_N_TILES] = {
  { 128, 128, 8, 8, 8 },
  { 128, 64, 8, 8, 8 },
  { 64, 64, 8, 8, 8 },
  { 64, 64, 8, 8, 16 },
  { 128, 32, 8, 4, 16 },
  { 64, 32, 8, 4, 16 },
  { 64, 16, 8, 4, 16 },
  { 32, 32, 4, 4, 16 },
  { 64, 16, 4, 4, 16 },
};

/* Registers of a work item are what decides: 8x8 takes some 140, 8x4 some 120, 4x4 some 72.
 *
 * NVIDIA: 65536 a unit, 255 an item at most, so 8x8 has three groups; local memory gives a quarter
 * of the floats that are multiplied: 12 floats for 32 (8x4), 8 for 16 (4x4) fall short.
 * AMD: 256 an item with one wave a SIMD; local memory gives half of the floats, enough for 4x4.
 * Intel: 128 of 8 lanes a thread: 8x8 spills; 16 units share a group.
 * Mobile: 64 an item, local memory lies in the cache.
 * Other: what spills nowhere where there are 128.
 * CPU: tiles as measured with PoCL 3.1 on two cores with AVX-512. */
static const WeirOclFamily gpus[] = {
  { "NVIDIA", "nvidia", { 950, 1000, 950, 0, 750, 700, 0, 550, 500 }, 1, 1e6, 6.4 },
  { "AMD", "amd|advanced micro devices", { 900, 1000, 950, 0, 900, 850, 0, 750, 700 }, 1, 1.5e6,
      16 },
  { "Intel", "intel", { 300, 300, 300, 0, 950, 1000, 0, 800, 700 }, 16, 2.7e6, 15 },
  { "mobile", "arm|qualcomm|imagination|broadcom", { 150, 150, 150, 0, 500, 500, 0, 1000, 950 }, 1,
      2.7e6, 20 },
  { "other", "", { 650, 700, 700, 0, 1000, 950, 0, 800, 700 }, 1, 1e6, 10 },
};

static const WeirOclFamily cpu = { "CPU", "", { 0, 0, 0, 850, 0, 0, 850, 1000, 0 }, 1, 1e6, 2 };

static bool has_vendor (const WeirOclFamily *family, const char *vendor)
{
  g_auto (GStrv) parts = g_strsplit (family->vendors, "|", -1);
  g_autofree char *lower = g_ascii_strdown (vendor ? vendor : "", -1);
  bool has_any = !parts[0];
  for (char **part = parts; *part && !has_any; part++)
    has_any = strstr (lower, *part) != NULL;
  return has_any;
}

const WeirOclFamily *weir_ocl_family_of (const WeirOclFacts *facts)
{
  const WeirOclFamily *family = gpus;
  if (facts->kind == WEIR_OCL_CPU)
    return &cpu;
  while (!has_vendor (family, facts->vendor))
    family++;
  return family;
}

uint32_t weir_ocl_n_cores (const WeirOclFacts *facts, const WeirOclFamily *family)
{
  return MAX (facts->n_units / family->units_per_core, 1);
}
