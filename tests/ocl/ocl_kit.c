/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device for tests, and tensors to and from it. */
#include "tests/ocl/ocl_kit.h"

#include "engine/base/half.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

WeirOclDevice *ocl_kit_device;

WeirOclDevice *ocl_kit_open (const char *cache_folder)
{
  g_autoptr (WeirOclDevices) devices = weir_ocl_devices_new ();
  if (devices->n == 0) {
    printf ("skipped: %s\n", devices->problem);
    return NULL;
  }
  g_autofree char *name = weir_ocl_devices_name (devices, 0);
  const char *match = strchr (name, '.');
  g_autoptr (GError) error = NULL;
  WeirOclDevice *device = weir_ocl_device_open (match ? match + 1 : NULL, 0, cache_folder, &error);
  if (!device)
    printf ("skipped: %s\n", error->message);
  return device;
}

int ocl_kit_end (int status)
{
  weir_ocl_device_close (ocl_kit_device);
  if (weir_ocl_n_left ())
    printf ("%u objects of OpenCL are left\n", weir_ocl_n_left ());
  return weir_ocl_n_left () ? EXIT_FAILURE : status;
}

void ocl_kit_start (void)
{
  ocl_kit_device = ocl_kit_open (NULL);
  if (!ocl_kit_device)
    exit (77);
  printf ("on %s\n", weir_ocl_device_label (ocl_kit_device));
}

const char *ocl_kit_match (void)
{
  g_autoptr (WeirOclDevices) devices = weir_ocl_devices_new ();
  g_autofree char *name = weir_ocl_devices_name (devices, 0);
  const char *match = strchr (name, '.');
  return match ? g_intern_string (match + 1) : NULL;
}

void ocl_kit_fill (float *values, uint32_t n, uint32_t seed)
{
  static const float edges[] = { 0, -0.0f, 1, -1, 3, -3, 1e-3f, -4 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  for (uint32_t i = 0; i < n; i++)
    values[i] = (float) g_rand_double_range (rand, -4, 4);
  for (uint32_t i = 0; i < G_N_ELEMENTS (edges) && n > G_N_ELEMENTS (edges); i++)
    values[i] = edges[i];
}

float ocl_kit_round (float value, WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_F16 ? weir_f16_to_f32 (weir_f32_to_f16 (value)) : value;
}

void ocl_kit_upload (
    WeirOclMemory *memory, size_t offset_bytes, const float *values, uint32_t n, WeirDtype dtype)
{
  g_autofree uint16_t *halves = g_new (uint16_t, n);
  GError *error = NULL;
  for (uint32_t i = 0; i < n; i++)
    halves[i] = weir_f32_to_f16 (values[i]);
  bool is_half = dtype == WEIR_DTYPE_F16;
  ocl_must (weir_ocl_memory_upload (memory, offset_bytes, is_half ? (const void *) halves : values,
                n * weir_dtype_bytes (dtype), &error),
      error);
}

void ocl_kit_download (
    WeirOclMemory *memory, size_t offset_bytes, float *values, uint32_t n, WeirDtype dtype)
{
  g_autofree uint16_t *halves = g_new (uint16_t, n);
  GError *error = NULL;
  bool is_half = dtype == WEIR_DTYPE_F16;
  ocl_must (weir_ocl_queue_download (memory->queue, is_half ? (void *) halves : values,
                memory->base + offset_bytes, n * weir_dtype_bytes (dtype), &error),
      error);
  for (uint32_t i = 0; i < n && is_half; i++)
    values[i] = weir_f16_to_f32 (halves[i]);
}
