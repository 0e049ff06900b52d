/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions on OpenCL whose calls fail as a lost or full device's do: AUTO goes on elsewhere, a
 * device that was named says so and is let go. */
#include "engine/base/cores.h"
#include "engine/ocl/ocl_cl.h"
#include "engine/sched/session_types.h"
#include "tests/batching/fading_backend.h"
#include "tests/batching/fault_kit.h"
#include "tests/ocl/ocl_kit.h"

#include <stdio.h>
#include <string.h>

#define SLOT_BYTES (2 * 64 * 64 * 4) /* of the kit's network: what goes up and what comes down */

typedef enum Call { CALL_RUN, CALL_READ, CALL_WAIT, N_CALLS } Call;

/* What acts. `at`: the at-th call of the kind from now on, and n - 1 more; 0: none. */
typedef struct Fault {
  Call call;
  gint at, n;
  cl_int code;
  size_t most_bytes; /* larger buffers are not to be had; 0: all are */
} Fault;

static Fault fault;
static gint n_calls[N_CALLS]; /* atomic */

static cl_int code_of (Call call)
{
  gint n = g_atomic_int_add (&n_calls[call], 1) + 1;
  bool fails = fault.at && call == fault.call && n >= fault.at && n < fault.at + fault.n;
  return fails ? fault.code : CL_SUCCESS;
}

static void set_fault (const Fault *wanted)
{
  fault = *wanted;
  for (int i = 0; i < N_CALLS; i++)
    g_atomic_int_set (&n_calls[i], 0);
}

cl_int __real_clEnqueueNDRangeKernel (cl_command_queue queue, cl_kernel kernel, cl_uint n_dims,
    const size_t *offset, const size_t *global, const size_t *local, cl_uint n_events,
    const cl_event *events, cl_event *event);
cl_int __wrap_clEnqueueNDRangeKernel (cl_command_queue queue, cl_kernel kernel, cl_uint n_dims,
    const size_t *offset, const size_t *global, const size_t *local, cl_uint n_events,
    const cl_event *events, cl_event *event);

cl_int __wrap_clEnqueueNDRangeKernel (cl_command_queue queue, cl_kernel kernel, cl_uint n_dims,
    const size_t *offset, const size_t *global, const size_t *local, cl_uint n_events,
    const cl_event *events, cl_event *event)
{
  cl_int code = code_of (CALL_RUN);
  return code ? code
              : __real_clEnqueueNDRangeKernel (
                    queue, kernel, n_dims, offset, global, local, n_events, events, event);
}

cl_int __real_clEnqueueReadBuffer (cl_command_queue queue, cl_mem buffer, cl_bool waits,
    size_t offset, size_t n_bytes, void *dst, cl_uint n_events, const cl_event *events,
    cl_event *event);
cl_int __wrap_clEnqueueReadBuffer (cl_command_queue queue, cl_mem buffer, cl_bool waits,
    size_t offset, size_t n_bytes, void *dst, cl_uint n_events, const cl_event *events,
    cl_event *event);

cl_int __wrap_clEnqueueReadBuffer (cl_command_queue queue, cl_mem buffer, cl_bool waits,
    size_t offset, size_t n_bytes, void *dst, cl_uint n_events, const cl_event *events,
    cl_event *event)
{
  cl_int code = code_of (CALL_READ);
  return code ? code
              : __real_clEnqueueReadBuffer (
                    queue, buffer, waits, offset, n_bytes, dst, n_events, events, event);
}

cl_int __real_clWaitForEvents (cl_uint n_events, const cl_event *events);
cl_int __wrap_clWaitForEvents (cl_uint n_events, const cl_event *events);

/* What it waits for does end: nothing is written into memory that is given back. */
cl_int __wrap_clWaitForEvents (cl_uint n_events, const cl_event *events)
{
  cl_int real = __real_clWaitForEvents (n_events, events), code = code_of (CALL_WAIT);
  return code ? code : real;
}

cl_mem __real_clCreateBuffer (
    cl_context context, cl_mem_flags flags, size_t n_bytes, void *host, cl_int *code);
cl_mem __wrap_clCreateBuffer (
    cl_context context, cl_mem_flags flags, size_t n_bytes, void *host, cl_int *code);

cl_mem __wrap_clCreateBuffer (
    cl_context context, cl_mem_flags flags, size_t n_bytes, void *host, cl_int *code)
{
  if (!fault.most_bytes || n_bytes <= fault.most_bytes)
    return __real_clCreateBuffer (context, flags, n_bytes, host, code);
  *code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
  return NULL;
}

static guint n_cores; /* that there seem to be; 0: as many as there are */

uint32_t __real_weir_n_cores (void);
uint32_t __wrap_weir_n_cores (void);

uint32_t __wrap_weir_n_cores (void)
{
  return n_cores ? n_cores : __real_weir_n_cores ();
}

static GString *warned;
static guint warned_handler;

static void note_warning (
    const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
  g_string_append_printf (warned, "%s\n", message);
}

static WeirDeviceCandidate gpu_then_host[3], fading_then_gpu[3];

static void set_up (void)
{
  static char gpu[] = "gpu", host[] = "host", near[] = "near";
  warned = g_string_new (NULL);
  warned_handler = g_log_set_handler ("weir", G_LOG_LEVEL_WARNING, note_warning, NULL);
  const WeirDeviceCandidate ocl = { &weir_backend_ocl, gpu, ocl_kit_match (), 0 };
  gpu_then_host[0] = fading_then_gpu[1] = ocl;
  gpu_then_host[1] = (WeirDeviceCandidate){ &weir_backend_ref, host, NULL, 0 };
  fading_then_gpu[0] = (WeirDeviceCandidate){ &fading_backend, near, NULL, 0 };
  set_fault (&(Fault){ .at = 0 });
}

static void tear_down (void)
{
  g_log_remove_handler ("weir", warned_handler);
  g_string_free (warned, TRUE);
  weir_session_auto_hook = NULL;
}

static uint32_t count_warnings (const char *text)
{
  uint32_t n = 0;
  for (const char *at = warned->str; (at = strstr (at, text)); at++)
    n++;
  return n;
}

/* Requests of eight items, four at once; how many items were right. */
static uint32_t run_rounds (WeirSession *session, uint32_t n_rounds)
{
  WeirStream *stream = weir_stream_new (session, "s", 0);
  uint32_t n_right = 0;
  for (uint32_t round = 0; round < n_rounds; round++) {
    FaultJob jobs[4];
    for (uint32_t i = 0; i < 4; i++) {
      fault_job_init (&jobs[i], stream, 1 + 8 * i + round, 8);
      fault_job_submit (&jobs[i]);
    }
    for (uint32_t i = 0; i < 4; i++) {
      fault_job_wait (&jobs[i]);
      for (uint32_t k = 0; k < 8; k++)
        n_right += fault_job_is_right (&jobs[i], k);
      fault_job_clear (&jobs[i]);
    }
  }
  weir_stream_free (stream);
  return n_right;
}

static const struct {
  const char *hint;
  Fault fault;
  const char *device, *warning;
} losses[] = {
  { "latency", { CALL_RUN, 3, 1000, CL_DEVICE_NOT_AVAILABLE }, "host", "CL_DEVICE_NOT_AVAILABLE" },
  { "throughput", { CALL_RUN, 1, 1000, CL_INVALID_CONTEXT }, "host", "CL_INVALID_CONTEXT" },
  { "latency", { CALL_RUN, 4, 1, CL_INVALID_COMMAND_QUEUE }, "host", "CL_INVALID_COMMAND_QUEUE" },
  { "throughput", { CALL_READ, 5, 1000, CL_OUT_OF_RESOURCES }, "host", "CL_OUT_OF_RESOURCES" },
  { "latency", { CALL_READ, 3, 2, CL_OUT_OF_RESOURCES }, "host", "CL_OUT_OF_RESOURCES" },
  { "throughput", { CALL_READ, 3, 1, CL_OUT_OF_RESOURCES }, "gpu", NULL },
  { "throughput", { CALL_WAIT, 3, 1000, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST }, "host",
      "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST" },
  { "latency", { CALL_WAIT, 3, 1, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST }, "gpu", NULL },
  { "latency", { CALL_WAIT, 2, 1000, -9999 }, "host", "-9999" },
  { "throughput", { .most_bytes = SLOT_BYTES / 2 + 64 }, "host", "out of memory" },
};

START_TEST (test_ocl_loss_moves)
{
  weir_session_auto_hook = gpu_then_host;
  WeirSessionOptions o = { .device = "AUTO", .performance_hint = losses[_i].hint };
  WeirSession *session = fault_kit_open (4, &o);
  set_fault (&losses[_i].fault);
  ck_assert_uint_eq (run_rounds (session, 4), 4 * 32);
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_str_eq (stats->device, losses[_i].device);
  ck_assert_uint_eq (stats->n_failed, 0);
  ck_assert_uint_eq (count_warnings ("cannot be used"), losses[_i].warning != NULL);
  if (losses[_i].warning)
    ck_assert_msg (strstr (warned->str, losses[_i].warning) != NULL, "%s", warned->str);
  weir_session_unref (session);
}
END_TEST

/* Buffers of batches are not to be had: smaller ones are made, on the same device. */
START_TEST (test_ocl_memory_lowers_batch)
{
  static const Fault small = { .most_bytes = 2 * SLOT_BYTES + 64 };
  weir_session_auto_hook = gpu_then_host;
  WeirSessionOptions o = { .device = "AUTO", .performance_hint = "latency" };
  WeirSession *session = fault_kit_open (8, &o);
  set_fault (&small);
  ck_assert_uint_eq (run_rounds (session, 2), 2 * 32);
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_str_eq (stats->device, "gpu");
  ck_assert_uint_eq (stats->batch_max, 2);
  ck_assert_str_eq (stats->batch_max_reason, "memory");
  ck_assert_uint_eq (stats->n_failed, 0);
  ck_assert_ptr_nonnull (strstr (warned->str, "batches of 8 fail, at most 4 from now on"));
  weir_session_unref (session);
}
END_TEST

/* How many buffers there are on the device that the name means, as whoever opens it next sees. */
static bool is_open_anywhere (void)
{
  g_autoptr (WeirOclDevice) device = weir_ocl_device_open (ocl_kit_match (), 0, NULL, NULL);
  g_autoptr (WeirOclDevice) other = weir_ocl_device_open (ocl_kit_match (), 0, NULL, NULL);
  return device != other;
}

/* By name: what was asked fails, with the reason, is told once, and nothing is kept. */
START_TEST (test_ocl_loss_named)
{
  static const Fault lost = { CALL_RUN, 3, 100000, CL_DEVICE_NOT_AVAILABLE };
  const char *match = ocl_kit_match ();
  g_autofree char *name = match ? g_strdup_printf ("GPU.%s", match) : g_strdup ("GPU");
  WeirSessionOptions o = { .device = name, .performance_hint = "throughput" };
  WeirSession *session = fault_kit_open (4, &o);
  set_fault (&lost);
  ck_assert_uint_lt (run_rounds (session, 4), 4 * 32);
  WeirStream *stream = weir_stream_new (session, "s", 0);
  FaultJob job;
  gint n_before = g_atomic_int_get (&n_calls[CALL_RUN]);
  fault_job_init (&job, stream, 1, 8);
  fault_job_run (&job);
  for (uint32_t i = 0; i < 8; i++)
    fault_job_assert_failed (&job, i, "CL_DEVICE_NOT_AVAILABLE");
  ck_assert_int_eq (g_atomic_int_get (&n_calls[CALL_RUN]), n_before); /* it is left alone */
  ck_assert_uint_eq (count_warnings ("\n"), 1);
  ck_assert_ptr_nonnull (strstr (warned->str, "no other is left"));
  ck_assert (!is_open_anywhere ());
  fault_job_clear (&job);
  weir_stream_free (stream);
  weir_session_unref (session);
}
END_TEST

/* From a device with one worker, as on one core, to one with two. */
START_TEST (test_ocl_loss_more_workers)
{
  static const Fading fading[FADING_N_DEVICES] = { { FADING_RUN, .at = 30 } };
  weir_session_auto_hook = fading_then_gpu;
  fading_set (fading);
  WeirSessionOptions o = { .device = "AUTO", .performance_hint = "throughput" };
  n_cores = 1;
  WeirSession *session = fault_kit_open (4, &o);
  weir_mutex_lock (&session->lock);
  ck_assert_uint_eq (session->n_workers, 1);
  weir_mutex_unlock (&session->lock);
  ck_assert_uint_eq (run_rounds (session, 8), 8 * 32);
  g_autofree WeirStats *stats = fault_kit_stats (session);
  ck_assert_str_eq (stats->device, "gpu");
  ck_assert_uint_eq (stats->n_workers, 2);
  n_cores = 0;
  weir_session_unref (session);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ocl loss");
  TCase *tcase = tcase_create ("ocl loss");
  ocl_kit_start ();
  tcase_add_checked_fixture (tcase, set_up, tear_down);
  tcase_add_loop_test (tcase, test_ocl_loss_moves, 0, G_N_ELEMENTS (losses));
  tcase_add_test (tcase, test_ocl_memory_lowers_batch);
  tcase_add_test (tcase, test_ocl_loss_named);
  tcase_add_test (tcase, test_ocl_loss_more_workers);
  suite_add_tcase (suite, tcase);
  g_setenv ("CK_FORK", "no", TRUE); /* drivers do not like to be forked */
  weir_ocl_device_close (ocl_kit_device);
  return fault_kit_run (suite);
}
