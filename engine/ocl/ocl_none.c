/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for OpenCL where a build is without it: there is no device, and that is why. */
#include "engine/ocl/ocl_list.h"
#include "engine/ocl/ocl_tune.h"
#include "engine/plan/backend.h"

WeirOclDevices *weir_ocl_devices_new (void)
{
  WeirOclDevices *devices = weir_ocl_devices_new_empty (1);
  devices->problem = "this build of Weir is without OpenCL";
  return devices;
}

WeirOclDevice *weir_ocl_device_open (
    const char *match, uint32_t index, const char *cache_folder, GError **error)
{
  g_autoptr (WeirOclDevices) devices = weir_ocl_devices_new ();
  uint32_t chosen;
  weir_ocl_devices_choose (devices, match, index, &chosen, error);
  return NULL;
}

void weir_ocl_device_close (WeirOclDevice *device)
{
}

const WeirOclFacts *weir_ocl_device_facts (const WeirOclDevice *device)
{
  return NULL;
}

bool weir_ocl_device_is_lost (WeirOclDevice *device)
{
  return true;
}

int weir_ocl_device_doubts (WeirOclDevice *device)
{
  return 0;
}

const char *weir_ocl_device_label (const WeirOclDevice *device)
{
  return NULL;
}

void weir_ocl_tune_begin (WeirOclDevice *device)
{
}

void weir_ocl_tune_end (WeirOclDevice *device)
{
}

GArray *weir_ocl_tune_run (WeirOclDevice *device, const WeirOclTuneOptions *options, GError **error)
{
  return NULL;
}

static WeirDevice *open_device (const WeirDeviceOptions *options, GError **error)
{
  weir_ocl_device_open (options->match, options->index, options->cache_folder, error);
  return NULL;
}

const WeirBackend weir_backend_ocl = { .name = "ocl", .open = open_device };
