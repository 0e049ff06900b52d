/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks all drivers for their devices and what these are.
 *
 * What a driver does not answer stays 0 or empty: queries of extensions and of later versions are
 * simply tried where the extension is named. */
#include "engine/ocl/ocl_error.h"
#include "engine/ocl/ocl_list.h"

#include <stdio.h>
#include <string.h>

#define MAX_DEVICES    64u
#define MAX_TEXT_BYTES 65536u

/* Numbers of extensions, from the registry of OpenCL: the headers may not have them. */
#define NV_CAPABILITY_MAJOR    0x4000
#define NV_CAPABILITY_MINOR    0x4001
#define NV_WARP_SIZE           0x4003
#define AMD_WAVEFRONT_WIDTH    0x4043
#define INTEL_SUBGROUP_SIZES   0x4108
#define POCL_SUBGROUP_MULTIPLE 0x1067 /* CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE of 3.0 */

typedef struct Ids {
  cl_platform_id platform;
  cl_device_id device;
} Ids;

static const char *trim (WeirArena *arena, char *text)
{
  return weir_arena_strdup (arena, g_strstrip (text));
}

static const char *device_text (WeirArena *arena, cl_device_id id, cl_device_info what)
{
  size_t n_bytes = 0;
  if (clGetDeviceInfo (id, what, 0, NULL, &n_bytes) != CL_SUCCESS || n_bytes > MAX_TEXT_BYTES)
    return "";
  g_autofree char *text = g_malloc0 (n_bytes + 1);
  return clGetDeviceInfo (id, what, n_bytes, text, NULL) == CL_SUCCESS ? trim (arena, text) : "";
}

static const char *platform_text (WeirArena *arena, cl_platform_id id, cl_platform_info what)
{
  size_t n_bytes = 0;
  if (clGetPlatformInfo (id, what, 0, NULL, &n_bytes) != CL_SUCCESS || n_bytes > MAX_TEXT_BYTES)
    return "";
  g_autofree char *text = g_malloc0 (n_bytes + 1);
  return clGetPlatformInfo (id, what, n_bytes, text, NULL) == CL_SUCCESS ? trim (arena, text) : "";
}

/* A number of 4 or 8 bytes; 0 where there is none. */
static uint64_t device_number (cl_device_id id, cl_device_info what)
{
  uint64_t value = 0;
  size_t n_bytes = 0;
  cl_uint narrow;
  if (clGetDeviceInfo (id, what, sizeof value, &value, &n_bytes) != CL_SUCCESS)
    return 0;
  memcpy (&narrow, &value, sizeof narrow);
  return n_bytes == sizeof narrow ? narrow : n_bytes == sizeof value ? value : 0;
}

static bool has_extension (const WeirOclFacts *facts, const char *name)
{
  g_autofree char *word = g_strdup_printf (" %s ", name);
  return strstr (facts->extensions, word) != NULL;
}

/* The largest that a kernel can have. */
static uint32_t intel_subgroup (cl_device_id id)
{
  size_t sizes[16] = { 0 }, largest = 0;
  if (clGetDeviceInfo (id, INTEL_SUBGROUP_SIZES, sizeof sizes, sizes, NULL) != CL_SUCCESS)
    return 0;
  for (uint32_t i = 0; i < G_N_ELEMENTS (sizes); i++)
    largest = MAX (largest, sizes[i]);
  return (uint32_t) largest;
}

static uint32_t find_subgroup (const WeirOclFacts *facts, cl_device_id id)
{
  if (has_extension (facts, "cl_nv_device_attribute_query"))
    return (uint32_t) device_number (id, NV_WARP_SIZE);
  if (has_extension (facts, "cl_amd_device_attribute_query"))
    return (uint32_t) device_number (id, AMD_WAVEFRONT_WIDTH);
  if (has_extension (facts, "cl_intel_required_subgroup_size"))
    return intel_subgroup (id);
  return (uint32_t) device_number (id, POCL_SUBGROUP_MULTIPLE);
}

/* dp4a came with NVIDIA's 6.1; its driver has it as inline assembly only. */
static bool find_int8_dot (const WeirOclFacts *facts)
{
  return facts->capability >= 61 || has_extension (facts, "cl_khr_integer_dot_product") ||
         has_extension (facts, "cl_arm_integer_dot_product_int8");
}

/* "OpenCL 1.2 …" or later. */
static bool is_recent (const char *version)
{
  int major = 0, minor = 0;
  return sscanf (version, "OpenCL %d.%d", &major, &minor) == 2 &&
         (major > 1 || (major == 1 && minor >= 2));
}

static const char *find_problem (const WeirOclFacts *facts, cl_device_id id)
{
  return !device_number (id, CL_DEVICE_AVAILABLE)            ? "it is not available"
         : !device_number (id, CL_DEVICE_COMPILER_AVAILABLE) ? "its driver has no compiler"
         : !device_number (id, CL_DEVICE_ENDIAN_LITTLE)      ? "it is big-endian"
         : !is_recent (facts->version)                       ? "it is older than OpenCL 1.2"
                                                             : NULL;
}

static WeirOclKind find_kind (cl_device_id id)
{
  uint64_t type = device_number (id, CL_DEVICE_TYPE);
  return type & CL_DEVICE_TYPE_GPU   ? WEIR_OCL_GPU
         : type & CL_DEVICE_TYPE_CPU ? WEIR_OCL_CPU
                                     : WEIR_OCL_ACCELERATOR;
}

static void read_texts (WeirArena *arena, Ids ids, WeirOclFacts *facts)
{
  facts->name = device_text (arena, ids.device, CL_DEVICE_NAME);
  facts->vendor = device_text (arena, ids.device, CL_DEVICE_VENDOR);
  facts->version = device_text (arena, ids.device, CL_DEVICE_VERSION);
  facts->driver_version = device_text (arena, ids.device, CL_DRIVER_VERSION);
  facts->platform = platform_text (arena, ids.platform, CL_PLATFORM_NAME);
  facts->platform_version = platform_text (arena, ids.platform, CL_PLATFORM_VERSION);
  facts->suffix = platform_text (arena, ids.platform, 0x0920); /* of cl_khr_icd */
  const char *extensions = device_text (arena, ids.device, CL_DEVICE_EXTENSIONS);
  g_autofree char *spaced = g_strdup_printf (" %s ", extensions);
  facts->extensions = weir_arena_strdup (arena, spaced);
}

static WeirOclFacts read_facts (WeirArena *arena, Ids ids)
{
  cl_device_id id = ids.device;
  WeirOclFacts facts = { .platform_id = ids.platform, .device_id = id };
  read_texts (arena, ids, &facts);
  facts.kind = find_kind (id);
  facts.has_own_memory = !device_number (id, CL_DEVICE_HOST_UNIFIED_MEMORY);
  facts.memory_bytes = device_number (id, CL_DEVICE_GLOBAL_MEM_SIZE);
  facts.max_alloc_bytes = device_number (id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
  facts.local_bytes = device_number (id, CL_DEVICE_LOCAL_MEM_SIZE);
  facts.n_units = (uint32_t) device_number (id, CL_DEVICE_MAX_COMPUTE_UNITS);
  facts.max_group = (uint32_t) device_number (id, CL_DEVICE_MAX_WORK_GROUP_SIZE);
  facts.clock_mhz = (uint32_t) device_number (id, CL_DEVICE_MAX_CLOCK_FREQUENCY);
  facts.subgroup = find_subgroup (&facts, id);
  if (has_extension (&facts, "cl_nv_device_attribute_query"))
    facts.capability = (uint32_t) (device_number (id, NV_CAPABILITY_MAJOR) * 10 +
                                   device_number (id, NV_CAPABILITY_MINOR));
  facts.has_fp16 = has_extension (&facts, "cl_khr_fp16");
  facts.has_int8_dot = find_int8_dot (&facts);
  facts.problem = find_problem (&facts, id);
  return facts;
}

static uint32_t find_ids (Ids *ids)
{
  cl_platform_id platforms[MAX_DEVICES];
  cl_device_id found[MAX_DEVICES];
  cl_uint n_platforms = 0, n_found = 0;
  uint32_t n = 0;
  if (clGetPlatformIDs (MAX_DEVICES, platforms, &n_platforms) != CL_SUCCESS)
    return 0;
  for (cl_uint p = 0; p < MIN (n_platforms, MAX_DEVICES); p++) {
    if (clGetDeviceIDs (platforms[p], CL_DEVICE_TYPE_ALL, MAX_DEVICES, found, &n_found) !=
        CL_SUCCESS)
      continue;
    for (cl_uint i = 0; i < MIN (n_found, MAX_DEVICES) && n < MAX_DEVICES; i++)
      ids[n++] = (Ids){ platforms[p], found[i] };
  }
  return n;
}

WeirOclDevices *weir_ocl_devices_new (void)
{
  Ids ids[MAX_DEVICES];
  WeirOclDevices *devices = weir_ocl_devices_new_empty (MAX_DEVICES);
  devices->n = find_ids (ids);
  for (uint32_t i = 0; i < devices->n; i++)
    devices->facts[i] = read_facts (devices->arena, ids[i]);
  weir_ocl_devices_sort (devices);
  if (devices->n == 0)
    devices->problem = "no OpenCL driver is installed, or none finds a device";
  return devices;
}
