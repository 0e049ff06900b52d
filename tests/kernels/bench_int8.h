/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `test_depthwise_int8 --bench` and its kin run. */
#pragma once

/* Time the 8-bit convolutions of real networks, our kernels and oneDNN's in turn. Return the exit
 * status. */
int bench_int8_depthwise (void);
int bench_int8_pointwise (void);
int bench_int8_convolution (void);
