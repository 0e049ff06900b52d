/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs: a source and options, built for a device; kept by the device and on disk. */
#pragma once

#include "engine/ocl/ocl_cl.h"
#include "engine/ocl/ocl_device.h"
#include "kernels/ocl/ocl_sources.h"

G_BEGIN_DECLS

/* The source in kernels/ocl of that name, built with `options` ("-DWIDTH=4 -DWEIR_F16"; the common
 * ones are added). The device owns the program: valid as long as that is open. Built at most once a
 * process; a binary of an earlier process is taken from the device's cache folder. An error shows
 * the options and the compiler's log: DEVICE; NOT_FOUND: there is no such source. Thread-safety:
 * safe; takes milliseconds (kept) to seconds (built). */
cl_program weir_ocl_program_get (
    WeirOclDevice *device, const char *source, const char *options, GError **error);
/* The same of a source that need not be among those. */
cl_program weir_ocl_program_build (
    WeirOclDevice *device, const WeirOclSource *source, const char *options, GError **error);

G_END_DECLS
