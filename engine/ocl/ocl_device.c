/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opened devices: one context for each device of a process, however many sessions use it.
 *
 * Lock order: the registry's, then a device's own; neither is held while a driver builds a program.
 */
#include "engine/ocl/ocl_error.h"
#include "engine/ocl/ocl_private.h"
#include "engine/ocl/ocl_variant.h"

#define MOST_LINGER_MS 500u /* of a driver's threads, after the last work */

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static GSList *registry; /* WeirOclDevice, opened */

static void release_program (gpointer program)
{
  clReleaseProgram (program);
}

static gint n_left; /* atomic */

static cl_uint count_references (const WeirOclDevice *device)
{
  cl_uint n_refs = 1;
  clGetContextInfo (device->context, CL_CONTEXT_REFERENCE_COUNT, sizeof n_refs, &n_refs, NULL);
  return n_refs;
}

/* Every object of a context holds a reference to it. Threads of a driver let go of the last events
 * a moment after these have told that they are done. */
static void count_left (const WeirOclDevice *device)
{
  cl_uint n_refs = count_references (device);
  for (uint32_t ms = 0; n_refs > 1 && ms < MOST_LINGER_MS; ms++) {
    g_usleep (1000);
    n_refs = count_references (device);
  }
  g_atomic_int_add (&n_left, (gint) n_refs - 1);
}

uint32_t weir_ocl_n_left (void)
{
  return (uint32_t) g_atomic_int_get (&n_left);
}

static void free_device (WeirOclDevice *device)
{
  if (device->programs)
    g_hash_table_unref (device->programs);
  if (device->queue)
    clReleaseCommandQueue (device->queue);
  if (device->context) {
    count_left (device);
    clReleaseContext (device->context);
  }
  g_ptr_array_unref (device->memories);
  weir_ocl_tuning_free (device->tuning);
  g_clear_pointer (&device->asked, g_array_unref);
  weir_mutex_clear (&device->lock);
  weir_ocl_devices_free (device->devices);
  g_free (device->cache_folder);
  g_free (device->label);
  g_free (device);
}

static WeirOclDevice *new_device (
    WeirOclDevices *devices, uint32_t chosen, const char *cache_folder, GError **error)
{
  WeirOclDevice *device = g_new0 (WeirOclDevice, 1);
  const WeirOclFacts *facts = &devices->facts[chosen];
  g_autofree char *name = weir_ocl_devices_name (devices, chosen);
  cl_context_properties properties[] = { CL_CONTEXT_PLATFORM,
    (cl_context_properties) facts->platform_id, 0 };
  cl_int code;
  weir_mutex_init (&device->lock);
  device->n_refs = 1;
  device->devices = devices;
  device->facts = facts;
  device->id = facts->device_id;
  device->label = g_strdup_printf ("%s (%s)", name, facts->name);
  device->cache_folder = g_strdup (cache_folder);
  device->memories = g_ptr_array_new ();
  device->tuning = weir_ocl_device_read_tuning (device);
  device->programs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, release_program);
  device->context = clCreateContext (properties, 1, &device->id, NULL, NULL, &code);
  bool has_context = weir_ocl_check (code, device->label, "clCreateContext", error);
  if (has_context)
    device->queue = clCreateCommandQueue (device->context, device->id, 0, &code);
  if (has_context && weir_ocl_check (code, device->label, "clCreateCommandQueue", error))
    return device;
  free_device (device);
  return NULL;
}

static WeirOclDevice *find_opened (const WeirOclFacts *facts)
{
  for (GSList *link = registry; link; link = link->next) {
    WeirOclDevice *device = link->data;
    if (device->id == facts->device_id && !weir_ocl_device_is_lost (device)) {
      device->n_refs++;
      return device;
    }
  }
  return NULL;
}

WeirOclDevice *weir_ocl_device_open (
    const char *match, uint32_t index, const char *cache_folder, GError **error)
{
  g_autoptr (WeirOclDevices) devices = weir_ocl_devices_new ();
  uint32_t chosen;
  if (!weir_ocl_devices_choose (devices, match, index, &chosen, error))
    return NULL;
  weir_mutex_lock (&registry_lock);
  WeirOclDevice *device = find_opened (&devices->facts[chosen]);
  if (!device) {
    device = new_device (g_steal_pointer (&devices), chosen, cache_folder, error);
    if (device)
      registry = g_slist_prepend (registry, device);
  }
  weir_mutex_unlock (&registry_lock);
  return device;
}

void weir_ocl_device_close (WeirOclDevice *device)
{
  if (!device)
    return;
  weir_mutex_lock (&registry_lock);
  bool is_last = --device->n_refs == 0;
  if (is_last)
    registry = g_slist_remove (registry, device);
  weir_mutex_unlock (&registry_lock);
  if (is_last)
    free_device (device);
}

bool weir_ocl_device_check (WeirOclDevice *device, cl_int code, const char *call, GError **error)
{
  bool is_lost = weir_ocl_fault (code) == WEIR_OCL_FAULT_LOST;
  if (is_lost && (g_atomic_int_add (&device->n_doubts, 1) > 0 || !weir_ocl_is_doubtful (code)))
    g_atomic_int_set (&device->is_lost, 1);
  return weir_ocl_check (code, device->label, call, error);
}

void weir_ocl_device_is_well (WeirOclDevice *device, int n_doubts)
{
  if (n_doubts) /* where there are more by now they stay */
    g_atomic_int_compare_and_exchange (&device->n_doubts, n_doubts, 0);
}

int weir_ocl_device_doubts (WeirOclDevice *device)
{
  return g_atomic_int_get (&device->n_doubts);
}

bool weir_ocl_device_is_lost (WeirOclDevice *device)
{
  return g_atomic_int_get (&device->is_lost);
}

const WeirOclFacts *weir_ocl_device_facts (const WeirOclDevice *device)
{
  return device->facts;
}

const char *weir_ocl_device_label (const WeirOclDevice *device)
{
  return device->label;
}
