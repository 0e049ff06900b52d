/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs of a device by the digest of all they depend on: known, else from the cache folder, else
 * built. Two threads that want the same at once may both build it; the first one's stays. */
#include "engine/ocl/ocl_program.h"

#include "engine/ocl/ocl_error.h"
#include "engine/ocl/ocl_private.h"
#include "engine/ocl/ocl_program_cache.h"

#include <string.h>

#define COMMON_OPTIONS "-cl-mad-enable "
#define COMMON_STD     "-cl-std=CL1.2 " /* where the options say none */
#define MAX_LOG_BYTES  4096u

static const WeirOclSource *find_source (const char *name)
{
  for (const WeirOclSource *source = weir_ocl_sources; source->name; source++)
    if (strcmp (source->name, name) == 0)
      return source;
  return NULL;
}

/* Newly allocated. */
static char *read_log (const WeirOclDevice *device, cl_program program)
{
  size_t n_bytes = 0;
  if (clGetProgramBuildInfo (program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &n_bytes) !=
      CL_SUCCESS)
    return g_strdup ("(no log)");
  g_autofree char *log = g_malloc0 (n_bytes + 1);
  clGetProgramBuildInfo (program, device->id, CL_PROGRAM_BUILD_LOG, n_bytes, log, NULL);
  size_t n = strlen (log);
  char *text = g_utf8_make_valid (log, (gssize) MIN (n, MAX_LOG_BYTES));
  return g_strchomp (text);
}

/* From here on the program is this function's: returned, or released. */
static cl_program build (const WeirOclDevice *device, cl_program program, const char *name,
    const char *options, GError **error)
{
  cl_int code = clBuildProgram (program, 1, &device->id, options, NULL, NULL);
  if (code == CL_SUCCESS)
    return program;
  g_autofree char *log = read_log (device, program);
  g_autofree char *call =
      g_strdup_printf ("kernels %s.cl with '%s': clBuildProgram", name, options);
  g_autoptr (GError) cause = NULL;
  weir_ocl_check (code, device->label, call, &cause);
  g_set_error (error, WEIR_ERROR, cause->code, "%s\n%s", cause->message, log);
  clReleaseProgram (program);
  return NULL;
}

static cl_program build_source (
    const WeirOclDevice *device, const WeirOclSource *source, const char *options, GError **error)
{
  const char *text = source->text;
  cl_int code;
  cl_program program = clCreateProgramWithSource (device->context, 1, &text, NULL, &code);
  if (!weir_ocl_check (code, device->label, "clCreateProgramWithSource", error))
    return NULL;
  return build (device, program, source->name, options, error);
}

/* NULL where there is none that the driver takes. */
static cl_program read_kept (const WeirOclDevice *device, const char *key, const char *options)
{
  size_t n_bytes;
  cl_int code, status = CL_SUCCESS;
  g_autofree unsigned char *bytes =
      device->cache_folder ? weir_ocl_program_cache_read (device->cache_folder, key, &n_bytes)
                           : NULL;
  const unsigned char *binary = bytes;
  if (!bytes)
    return NULL;
  cl_program program = clCreateProgramWithBinary (
      device->context, 1, &device->id, &n_bytes, &binary, &status, &code);
  if (code == CL_SUCCESS && status == CL_SUCCESS)
    return build (device, program, "kept", options, NULL);
  if (code == CL_SUCCESS)
    clReleaseProgram (program);
  return NULL;
}

static void keep (const WeirOclDevice *device, const char *key, cl_program program)
{
  size_t n_bytes = 0;
  if (!device->cache_folder || clGetProgramInfo (program, CL_PROGRAM_BINARY_SIZES, sizeof n_bytes,
                                   &n_bytes, NULL) != CL_SUCCESS)
    return;
  g_autofree unsigned char *bytes = g_try_malloc0 (MAX (n_bytes, 1));
  if (bytes &&
      clGetProgramInfo (program, CL_PROGRAM_BINARIES, sizeof bytes, &bytes, NULL) == CL_SUCCESS)
    weir_ocl_program_cache_write (device->cache_folder, key, bytes, n_bytes);
}

static cl_program look_up (WeirOclDevice *device, const char *key)
{
  weir_mutex_lock (&device->lock);
  cl_program program = g_hash_table_lookup (device->programs, key);
  weir_mutex_unlock (&device->lock);
  return program;
}

/* The one that stays: another thread may have been first. */
static cl_program insert (WeirOclDevice *device, const char *key, cl_program program)
{
  weir_mutex_lock (&device->lock);
  cl_program first = g_hash_table_lookup (device->programs, key);
  if (first)
    clReleaseProgram (program);
  else
    g_hash_table_insert (device->programs, g_strdup (key), program);
  weir_mutex_unlock (&device->lock);
  return first ? first : program;
}

cl_program weir_ocl_program_build (
    WeirOclDevice *device, const WeirOclSource *source, const char *options, GError **error)
{
  const char *standard = strstr (options, "-cl-std=") ? "" : COMMON_STD;
  g_autofree char *all = g_strconcat (COMMON_OPTIONS, standard, options, NULL);
  g_autofree char *key = weir_ocl_program_cache_key (device->facts, source->digest, all);
  cl_program program = look_up (device, key);
  if (program)
    return program;
  program = read_kept (device, key, all);
  if (!program) {
    program = build_source (device, source, all, error);
    if (!program)
      return NULL;
    keep (device, key, program);
  }
  return insert (device, key, program);
}

cl_program weir_ocl_program_get (
    WeirOclDevice *device, const char *source, const char *options, GError **error)
{
  const WeirOclSource *found = find_source (source);
  if (found)
    return weir_ocl_program_build (device, found, options, error);
  g_set_error (
      error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND, "kernels/ocl has no source '%s.cl'", source);
  return NULL;
}
