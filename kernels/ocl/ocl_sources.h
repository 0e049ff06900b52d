/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The OpenCL sources of this folder, embedded in the library. */
#pragma once

/* One file that has kernels, with all that it includes. */
typedef struct WeirOclSource {
  const char *name;   /* of the file, without .cl */
  const char *text;   /* ends with 0 */
  const char *digest; /* SHA-256 of the text */
} WeirOclSource;

extern const WeirOclSource weir_ocl_sources[]; /* ends with a row without a name */
