/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirOclCall: a kernel with its arguments, ready to be enqueued again and again. */
#pragma once

#include "engine/ocl/ocl_cl.h"
#include "engine/ocl/ocl_device.h"

G_BEGIN_DECLS

/* How many work items, and how they are grouped: global is a multiple of local. */
typedef struct WeirOclGrid {
  uint32_t n_dims; /* 1 to 3 */
  size_t global[3], local[3];
} WeirOclGrid;

/* The grid that covers n items in each dimension, with groups of `local`: the kernel ignores those
 * beyond. Unused dimensions are 0. */
WeirOclGrid weir_ocl_grid (
    size_t n0, size_t n1, size_t n2, size_t local0, size_t local1, size_t local2);
/* Rows of items, in groups of `group` or what the device allows: as long as a row needs and as many
 * rows as are left; at most max_groups in the second dimension, where the kernel goes on to rows
 * that are global_size (1) apart. */
WeirOclGrid weir_ocl_row_grid (const WeirOclDevice *device, size_t n_items, size_t n_rows,
    uint32_t group, uint32_t max_groups);

/* One argument of a kernel, or two. */
typedef struct WeirOclArgument {
  const void *address; /* on the device; the kernel takes `__global T *base, uint offset` for it */
  uint32_t element_bytes; /* of T */
  size_t n_bytes;         /* otherwise; of local memory where value is NULL */
  const void *value;
} WeirOclArgument;

/* An address on the device (its buffer, and the offset in elements), NULL where the kernel does not
 * use it; a value of any type (int, float, cl_uint4, a struct). */
#define WEIR_OCL_ADDRESS(address_, element_bytes_) \
  ((WeirOclArgument){ .address = (address_), .element_bytes = (element_bytes_) })
#define WEIR_OCL_VALUE(value_) ((WeirOclArgument){ .n_bytes = sizeof (value_), .value = &(value_) })

/* A kernel with its arguments: what a bound step is. Thread-safety: one thread at a time. */
typedef struct WeirOclCall {
  WeirOclDevice *device;
  const char *name; /* the kernel's; static */
  cl_kernel kernel;
  WeirOclGrid grid;
} WeirOclCall;

/* A kernel of its own of `program` (weir_ocl_program_get). Arguments are copied; addresses must
 * stay valid as long as it runs. Errors name the kernel: MEMORY, DEVICE (a group too large for it),
 * INTERNAL (an address of no device memory). */
WeirOclCall *weir_ocl_call_new_array (WeirOclDevice *device, cl_program program, const char *kernel,
    WeirOclGrid grid, const WeirOclArgument *arguments, uint32_t n_arguments, GError **error);
/* The same with the arguments as a list, in the kernel's order, behind `error`. */
#define weir_ocl_call_new(device, program, kernel, grid, error, ...)                          \
  weir_ocl_call_new_array (device, program, kernel, grid, (WeirOclArgument[]){ __VA_ARGS__ }, \
      sizeof ((WeirOclArgument[]){ __VA_ARGS__ }) / sizeof (WeirOclArgument), error)
/* Other ones for the runs that are enqueued from now on. */
bool weir_ocl_call_set_arguments (
    WeirOclCall *call, const WeirOclArgument *arguments, uint32_t n_arguments, GError **error);
void weir_ocl_call_free (WeirOclCall *call);
/* Adds the call to those that run in order; false where it is NULL. */
bool weir_ocl_calls_add (GPtrArray *calls, WeirOclCall *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirOclCall, weir_ocl_call_free)

G_END_DECLS
