/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Families of devices: what is expected of tiles and memory where nobody has measured. Data only;
 * docs/opencl.md has the reasons. */
#pragma once

#include "engine/ocl/ocl_device.h"

G_BEGIN_DECLS

/* Of a product of matrices: a work group's m rows by n columns of the result, a work item's item_m
 * by item_n of these, and how many elements of the sum it takes at once: all multiples of 4. */
typedef struct WeirOclTile {
  uint32_t m, n, item_m, item_n, step;
} WeirOclTile;

#define WEIR_OCL_N_TILES 9

extern const WeirOclTile weir_ocl_tiles[WEIR_OCL_N_TILES];

/* A core is what runs a work group. Costs count in multiplications that a core does meanwhile. */
typedef struct WeirOclFamily {
  const char *name;
  const char *vendors; /* parts of their names with '|' between; "": any */
  /* In thousandths of the best, where groups fill the device; 0: only where tuning finds it best.
   */
  uint32_t speeds[WEIR_OCL_N_TILES];
  uint32_t units_per_core; /* of WeirOclFacts.n_units */
  double launch_cost;      /* of a kernel */
  double byte_cost;        /* of a byte to or from memory, while all cores do the same */
} WeirOclFamily;

/* Never NULL. */
const WeirOclFamily *weir_ocl_family_of (const WeirOclFacts *facts);
uint32_t weir_ocl_n_cores (const WeirOclFacts *facts, const WeirOclFamily *family);

G_END_DECLS
