/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An opened device from the inside, for the files of this folder. */
#pragma once

#include "engine/base/sync.h"
#include "engine/ocl/ocl_cl.h"
#include "engine/ocl/ocl_device.h"

G_BEGIN_DECLS

struct WeirOclDevice {
  uint32_t n_refs; /* under the registry's lock */
  WeirOclDevices *devices;
  const WeirOclFacts *facts; /* of one of them */
  char *label;
  char *cache_folder; /* NULL: programs are not kept */
  cl_device_id id;
  cl_context context;
  cl_command_queue queue; /* for what is waited for at once: filling, uploads; any thread's */
  gint is_lost;           /* atomic */
  gint n_doubts;          /* atomic; failures that may be the device's, since a result came back */
  WeirMutex lock;         /* of what follows */
  GHashTable *programs;   /* digest of source and options to cl_program */
  GPtrArray *memories;    /* WeirOclMemory, by address */
  struct WeirOclTuning *tuning;
  GArray *asked; /* of WeirOclAsked; NULL: nobody wants to know */
};

/* weir_ocl_check; remembers where the device is lost: at once where the code leaves no doubt, else
 * at the second such code with no result that came back in between. */
bool weir_ocl_device_check (WeirOclDevice *device, cl_int code, const char *call, GError **error);
/* A result came back that was asked for when there were so many doubts. */
void weir_ocl_device_is_well (WeirOclDevice *device, int n_doubts);

G_END_DECLS
