/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenCL 1.2, whatever the headers know: what is newer is asked for at run time. */
#pragma once

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
