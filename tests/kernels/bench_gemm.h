/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The benchmark beside the tests of matrix products. */
#pragma once

/* Gives the exit status. */
int bench_gemm (void);
