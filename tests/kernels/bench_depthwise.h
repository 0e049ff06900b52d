/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `test_depthwise --bench` runs. */
#pragma once

/* Times the depthwise convolutions of real networks, our kernels and oneDNN's in turn. Returns the
 * exit status. */
int bench_depthwise (void);
