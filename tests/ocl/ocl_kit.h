/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tests on an OpenCL device share. */
#pragma once

#include "engine/ocl/ocl_device.h"
#include "engine/ocl/ocl_memory.h"
#include "engine/tensor.h"

#include <check.h>

/* Ends the test with the error's message where `condition` does not hold. */
#define ocl_must(condition, error)                                                             \
  do {                                                                                         \
    if (!(condition))                                                                          \
      ck_abort_msg ("%s:%d: %s", __FILE__, __LINE__, (error) ? (error)->message : #condition); \
  } while (0)

/* The first GPU, else the first device of another kind. NULL, having said so: there is none, and
 * the test is skipped (exit status 77). */
WeirOclDevice *ocl_kit_open (const char *cache_folder);
/* A whole test program's device: opened at its start, or the program ends as skipped. */
extern WeirOclDevice *ocl_kit_device;
void ocl_kit_start (void);
/* Closes it, at the end: the program's exit status, a failure where objects of OpenCL are left (the
 * driver allocates these, so that LeakSanitizer cannot tell ours from its own). */
int ocl_kit_end (int status);

/* Under which part of its name that device is opened: NULL for the first GPU. */
const char *ocl_kit_match (void);

/* n floats from -4 to 4, with 0 and, where n is larger than 8, edges such as -0 and 1e-3 among
 * them. */
void ocl_kit_fill (float *values, uint32_t n, uint32_t seed);
/* Writes n floats as f32 or f16; reads them back. Failures end the test. */
void ocl_kit_upload (
    WeirOclMemory *memory, size_t offset_bytes, const float *values, uint32_t n, WeirDtype dtype);
void ocl_kit_download (
    WeirOclMemory *memory, size_t offset_bytes, float *values, uint32_t n, WeirDtype dtype);
/* As a value of that type. */
float ocl_kit_round (float value, WeirDtype dtype);
