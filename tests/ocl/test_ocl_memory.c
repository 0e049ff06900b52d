/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Codes, memory by address, queues in order. */
#include "engine/ocl/ocl_error.h"
#include "engine/ocl/ocl_private.h"
#include "engine/ocl/ocl_program.h"

#include "tests/ocl/ocl_kit.h"
#include "tests/run_suite.h"
#include <string.h>

static const struct {
  cl_int code;
  WeirOclFault fault;
  WeirErrorCode error;
  const char *name, *meaning;
} codes[] = {
  { CL_MEM_OBJECT_ALLOCATION_FAILURE, WEIR_OCL_FAULT_MEMORY, WEIR_ERROR_MEMORY,
      "CL_MEM_OBJECT_ALLOCATION_FAILURE (-4)", "out of memory" },
  { CL_OUT_OF_HOST_MEMORY, WEIR_OCL_FAULT_MEMORY, WEIR_ERROR_MEMORY, "CL_OUT_OF_HOST_MEMORY (-6)",
      "out of memory" },
  { CL_DEVICE_NOT_AVAILABLE, WEIR_OCL_FAULT_LOST, WEIR_ERROR_DEVICE, "CL_DEVICE_NOT_AVAILABLE (-2)",
      "the device is lost" },
  { CL_OUT_OF_RESOURCES, WEIR_OCL_FAULT_LOST, WEIR_ERROR_DEVICE, "CL_OUT_OF_RESOURCES (-5)",
      "the device is lost" },
  { CL_INVALID_ARG_SIZE, WEIR_OCL_FAULT_CALL, WEIR_ERROR_DEVICE, "CL_INVALID_ARG_SIZE (-51)", "" },
  { -1001, WEIR_OCL_FAULT_CALL, WEIR_ERROR_DEVICE, "CL_PLATFORM_NOT_FOUND_KHR (-1001)", "" },
  { -9999, WEIR_OCL_FAULT_LOST, WEIR_ERROR_DEVICE, "(-9999)", "the device is lost" },
  { -12345, WEIR_OCL_FAULT_CALL, WEIR_ERROR_DEVICE, "does not have (-12345)", "" },
};

START_TEST (test_ocl_codes)
{
  g_autoptr (GError) error = NULL;
  ck_assert (!weir_ocl_check (codes[_i].code, "GPU.7 (Card)", "clDoThis", &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, (gint) codes[_i].error));
  ck_assert_int_eq (weir_ocl_fault (codes[_i].code), codes[_i].fault);
  ck_assert (g_str_has_prefix (error->message, "GPU.7 (Card): clDoThis gives "));
  ck_assert_ptr_nonnull (strstr (error->message, codes[_i].name));
  ck_assert_ptr_nonnull (strstr (error->message, codes[_i].meaning));
  ck_assert (weir_ocl_check (CL_SUCCESS, "", "", NULL));
}
END_TEST

static WeirOclMemory *new_memory (size_t n_bytes, bool has_timings)
{
  GError *error = NULL;
  WeirOclMemory *memory = weir_ocl_memory_new (ocl_kit_device, n_bytes, true, has_timings, &error);
  ocl_must (memory, error);
  return memory;
}

static void check_found (const WeirOclMemory *memory, size_t offset, bool is_inside)
{
  size_t found_offset;
  const WeirOclMemory *found =
      weir_ocl_memory_find (ocl_kit_device, memory->base + offset, &found_offset);
  ck_assert_ptr_eq (found, is_inside ? memory : NULL);
  if (is_inside)
    ck_assert_uint_eq (found_offset, offset);
}

START_TEST (test_ocl_memory_addresses)
{
  static const size_t sizes[] = { 1, 4096, 4097, 12288, 100 };
  WeirOclMemory *memories[G_N_ELEMENTS (sizes)];
  size_t offset;
  int on_the_stack;
  for (uint32_t i = 0; i < G_N_ELEMENTS (sizes); i++) {
    memories[i] = new_memory (sizes[i], false);
    ck_assert_uint_eq ((uintptr_t) memories[i]->base % 4096, 0);
  }
  for (uint32_t i = 0; i < G_N_ELEMENTS (sizes); i++) {
    check_found (memories[i], 0, true);
    check_found (memories[i], sizes[i] - 1, true);
    check_found (memories[i], sizes[i], false); /* just behind it there is never another */
  }
  ck_assert_ptr_null (weir_ocl_memory_find (ocl_kit_device, NULL, &offset));
  ck_assert_ptr_null (weir_ocl_memory_find (ocl_kit_device, &on_the_stack, &offset));
  ck_assert_ptr_null (weir_ocl_memory_find (ocl_kit_device, (void *) UINTPTR_MAX, &offset));
  const WeirOclMemory gone = *memories[2];
  weir_ocl_memory_free (memories[2]);
  check_found (&gone, 0, false);
  for (uint32_t i = 0; i < G_N_ELEMENTS (sizes); i++)
    if (i != 2) {
      check_found (memories[i], sizes[i] - 1, true);
      weir_ocl_memory_free (memories[i]);
    }
}
END_TEST

START_TEST (test_ocl_memory_is_zeroed)
{
  enum { N_BYTES = 100003 };
  static uint8_t bytes[N_BYTES];
  g_autoptr (WeirOclMemory) memory = new_memory (N_BYTES, false);
  GError *error = NULL;
  memset (bytes, 1, sizeof bytes);
  ocl_must (weir_ocl_queue_download (memory->queue, bytes, memory->base, N_BYTES, &error), error);
  for (uint32_t i = 0; i < N_BYTES; i++)
    if (bytes[i])
      ck_abort_msg ("byte %u is %u", i, bytes[i]);
}
END_TEST

START_TEST (test_ocl_memory_exhausted)
{
  const size_t sizes[] = { SIZE_MAX, (size_t) 1 << 50,
    (size_t) weir_ocl_device_facts (ocl_kit_device)->memory_bytes + 1 };
  for (uint32_t i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (GError) error = NULL;
    ck_assert_ptr_null (weir_ocl_memory_new (ocl_kit_device, sizes[i], true, false, &error));
    ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_MEMORY));
    ck_assert_ptr_nonnull (strstr (error->message, weir_ocl_device_label (ocl_kit_device)));
    ck_assert_ptr_nonnull (strstr (error->message, "out of memory"));
  }
  weir_ocl_memory_free (new_memory (4096, false)); /* and what fits still does */
}
END_TEST

static uint8_t host_bytes[8192];

static const struct {
  size_t at, n_bytes;
} bad_ranges[] = { { 0, 4097 }, { 4096, 0 }, { 4095, 2 }, { 1, SIZE_MAX }, { 5000, 1 } };

START_TEST (test_ocl_ranges_refused)
{
  g_autoptr (WeirOclMemory) memory = new_memory (4096, false);
  uint8_t *device = memory->base + bad_ranges[_i].at;
  size_t n = bad_ranges[_i].n_bytes;
  GError *errors[4] = { NULL };
  ck_assert (!weir_ocl_queue_write (memory->queue, device, host_bytes, n, NULL, &errors[0]));
  ck_assert (!weir_ocl_queue_read (memory->queue, host_bytes, device, n, NULL, &errors[1]));
  ck_assert (!weir_ocl_queue_copy (memory->queue, device, memory->base, n, NULL, &errors[2]));
  if (n)
    ck_assert (!weir_ocl_memory_upload (memory, bad_ranges[_i].at, host_bytes, n, &errors[3]));
  for (uint32_t i = 0; i < 4; i++) {
    ck_assert (!errors[i] || g_error_matches (errors[i], WEIR_ERROR, WEIR_ERROR_INTERNAL));
    g_clear_error (&errors[i]);
  }
}
END_TEST

/* y = 3 y + i for i of 1 … n: any other order gives another number. */
static const WeirOclSource steps = { "steps",
  "__kernel void advance (__global uint *y, uint at, uint i)\n"
  "{ y[at + get_global_id (0)] = 3 * y[at + get_global_id (0)] + i; }\n",
  "steps" };

static WeirOclCall *new_step (WeirOclMemory *memory, uint32_t n, uint32_t i)
{
  GError *error = NULL;
  cl_program program = weir_ocl_program_build (ocl_kit_device, &steps, "", &error);
  ocl_must (program, error);
  WeirOclCall *call =
      weir_ocl_call_new (ocl_kit_device, program, "advance", weir_ocl_grid (n, 0, 0, n, 0, 0),
          &error, WEIR_OCL_ADDRESS (memory->base + 64, 4), WEIR_OCL_VALUE (i));
  ocl_must (call, error);
  return call;
}

START_TEST (test_ocl_queue_in_order)
{
  enum { N = 61, N_STEPS = 40 };
  g_autoptr (WeirOclMemory) memory = new_memory (64 + N * 4, _i);
  g_autoptr (GArray) timings = g_array_new (FALSE, FALSE, sizeof (WeirOclTiming));
  WeirOclCall *calls[N_STEPS];
  uint32_t values[N], want = 5;
  GError *error = NULL;
  for (uint32_t i = 0; i < N; i++)
    values[i] = 5;
  ocl_must (
      weir_ocl_queue_write (memory->queue, memory->base + 64, values, sizeof values, NULL, &error),
      error);
  for (uint32_t i = 0; i < N_STEPS; i++) {
    weir_ocl_queue_enter_step (memory->queue, i);
    calls[i] = new_step (memory, N, i + 1);
    ocl_must (weir_ocl_queue_run (memory->queue, calls[i], NULL, &error), error);
    want = 3 * want + i + 1;
  }
  ocl_must (
      weir_ocl_queue_download (memory->queue, values, memory->base + 64, sizeof values, &error),
      error);
  for (uint32_t i = 0; i < N; i++)
    ck_assert_uint_eq (values[i], want);
  ocl_must (weir_ocl_queue_take_timings (memory->queue, timings, &error), error);
  ck_assert_uint_eq (timings->len, _i ? N_STEPS + 2 : 0);
  for (uint32_t i = 0; i < timings->len; i++) {
    const WeirOclTiming *timing = &g_array_index (timings, WeirOclTiming, i);
    const char *what = i == 0 ? "write" : i == N_STEPS + 1 ? "read" : "advance";
    ck_assert_str_eq (timing->what, what);
    ck_assert_uint_le (timing->start_ns, timing->end_ns);
    ck_assert_uint_eq (timing->step, i == 0 ? 0 : MIN (i - 1, N_STEPS - 1));
  }
  for (uint32_t i = 0; i < N_STEPS; i++)
    weir_ocl_call_free (calls[i]);
}
END_TEST

/* What this process takes is no longer left. */
START_TEST (test_ocl_memory_left)
{
  const uint64_t all = weir_ocl_device_facts (ocl_kit_device)->memory_bytes;
  uint64_t before = weir_ocl_memory_left (ocl_kit_device);
  g_autoptr (WeirOclMemory) memory = new_memory (1 << 20, false);
  ck_assert_uint_ge (memory->n_bytes, 1 << 20);
  ck_assert_uint_le (before, all);
  ck_assert_uint_le (weir_ocl_memory_left (ocl_kit_device), all - (1 << 20));
}
END_TEST

START_TEST (test_ocl_queue_copies)
{
  uint8_t bytes[300], back[300];
  g_autoptr (WeirOclMemory) a = new_memory (4096, true), b = new_memory (4096, false);
  GError *error = NULL;
  cl_event done;
  for (uint32_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (uint8_t) (i * 7 + 1);
  ocl_must (weir_ocl_memory_upload (a, 3, bytes, sizeof bytes, &error), error);
  ocl_must (weir_ocl_queue_copy (a->queue, b->base + 11, a->base + 3, sizeof bytes, &done, &error),
      error);
  ocl_must (weir_ocl_queue_wait (a->queue, done, &error), error);
  ocl_must (weir_ocl_queue_download (b->queue, back, b->base + 11, sizeof back, &error), error);
  ck_assert_mem_eq (bytes, back, sizeof back);
}
END_TEST

START_TEST (test_ocl_calls_refused)
{
  g_autoptr (WeirOclMemory) memory = new_memory (4096, false);
  GError *errors[4] = { NULL };
  uint32_t one = 1, host = 0;
  uint64_t wide = 1;
  cl_program program = weir_ocl_program_build (ocl_kit_device, &steps, "", &errors[0]);
  ocl_must (program, errors[0]);
  WeirOclGrid grid = weir_ocl_grid (8, 0, 0, 8, 0, 0);
  ck_assert_ptr_null (weir_ocl_call_new (ocl_kit_device, program, "leap", grid, &errors[0],
      WEIR_OCL_ADDRESS (memory->base, 4), WEIR_OCL_VALUE (one)));
  ck_assert_ptr_nonnull (strstr (errors[0]->message, "leap"));
  ck_assert_ptr_null (weir_ocl_call_new (ocl_kit_device, program, "advance", grid, &errors[1],
      WEIR_OCL_ADDRESS (&host, 4), WEIR_OCL_VALUE (one)));
  ck_assert (g_error_matches (errors[1], WEIR_ERROR, WEIR_ERROR_INTERNAL));
  ck_assert_ptr_null (weir_ocl_call_new (ocl_kit_device, program, "advance", grid, &errors[2],
      WEIR_OCL_ADDRESS (memory->base + 2, 4), WEIR_OCL_VALUE (one)));
  ck_assert (g_error_matches (errors[2], WEIR_ERROR, WEIR_ERROR_INTERNAL));
  ck_assert_ptr_null (weir_ocl_call_new (ocl_kit_device, program, "advance", grid, &errors[3],
      WEIR_OCL_ADDRESS (memory->base, 4), WEIR_OCL_VALUE (wide)));
  ck_assert_ptr_nonnull (strstr (errors[3]->message, "kernel advance: argument 2"));
  for (uint32_t i = 0; i < 4; i++)
    g_clear_error (&errors[i]);
}
END_TEST

START_TEST (test_ocl_grid)
{
  WeirOclGrid one = weir_ocl_grid (1009, 0, 0, 64, 0, 0);
  WeirOclGrid three = weir_ocl_grid (1, 16, 17, 8, 4, 2);
  ck_assert_uint_eq (one.n_dims, 1);
  ck_assert_uint_eq (one.global[0], 1024);
  ck_assert_uint_eq (three.n_dims, 3);
  ck_assert_uint_eq (three.global[0], 8);
  ck_assert_uint_eq (three.global[1], 16);
  ck_assert_uint_eq (three.global[2], 18);
}
END_TEST

/* The same device is one context, until all have closed it. */
START_TEST (test_ocl_device_is_shared)
{
  WeirOclDevice *again = ocl_kit_open ("/nowhere");
  ck_assert_ptr_eq (again, ocl_kit_device);
  weir_ocl_device_close (again);
  weir_ocl_memory_free (new_memory (64, false));
}
END_TEST

/* Who opens a device that is lost gets a new context; the old one stays with those who have it. */
START_TEST (test_ocl_device_lost)
{
  WeirOclDevice *lost = ocl_kit_device;
  g_autoptr (GError) error = NULL;
  ck_assert (!weir_ocl_device_is_lost (lost));
  ck_assert (!weir_ocl_device_check (lost, CL_INVALID_ARG_SIZE, "clThis", NULL));
  ck_assert (!weir_ocl_device_is_lost (lost));
  ck_assert (!weir_ocl_device_check (lost, CL_DEVICE_NOT_AVAILABLE, "clThat", &error));
  ck_assert (weir_ocl_device_is_lost (lost));
  ck_assert_ptr_nonnull (strstr (error->message, "lost"));
  WeirOclDevice *again = ocl_kit_open (NULL);
  ck_assert_ptr_ne (again, lost);
  ck_assert (!weir_ocl_device_is_lost (again));
  weir_ocl_device_close (lost);
  ocl_kit_device = again;
  weir_ocl_memory_free (new_memory (64, false));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ocl memory");
  TCase *tcase = tcase_create ("ocl memory");
  ocl_kit_start ();
  tcase_add_loop_test (tcase, test_ocl_codes, 0, G_N_ELEMENTS (codes));
  tcase_add_test (tcase, test_ocl_memory_addresses);
  tcase_add_test (tcase, test_ocl_memory_is_zeroed);
  tcase_add_test (tcase, test_ocl_memory_exhausted);
  tcase_add_loop_test (tcase, test_ocl_ranges_refused, 0, G_N_ELEMENTS (bad_ranges));
  tcase_add_loop_test (tcase, test_ocl_queue_in_order, 0, 2);
  tcase_add_test (tcase, test_ocl_memory_left);
  tcase_add_test (tcase, test_ocl_queue_copies);
  tcase_add_test (tcase, test_ocl_calls_refused);
  tcase_add_test (tcase, test_ocl_grid);
  tcase_add_test (tcase, test_ocl_device_is_shared);
  tcase_add_test (tcase, test_ocl_device_lost);
  suite_add_tcase (suite, tcase);
  return ocl_kit_end (run_suite (suite, CK_NOFORK));
}
