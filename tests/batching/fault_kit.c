/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network multiplies a 64 × 64 picture by 0..4095. The one frame of all requests has 64 squares
 * of one value each, so an item is a number and its answer the ramp times that. A slot for one is
 * 32 KiB: more than the engine's small allocations, which must not fail. */
#include "tests/batching/fault_kit.h"

#include "engine/sched/session_types.h"
#include "tests/run_suite.h"
#include "tests/unit/formats/onnx_builder.h"
#include <string.h>

#define SIDE      8
#define N_SQUARES 64
#define N_OUTPUT  4096

static char *folder, *path;
static guint8 picture[SIDE * SIDE * N_SQUARES];

static void write_network (void)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, "x", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, "n,1,64,64");
  onnx_builder_ramp (builder, "ramp", "1,1,64,64");
  onnx_builder_node (builder, "Mul", "x,ramp", "y", "");
  onnx_builder_output (builder, "y");
  folder = onnx_builder_folder ();
  path = onnx_builder_write (builder, folder, "ramp.onnx");
  for (int i = 0; i < SIDE * SIDE * N_SQUARES; i++)
    picture[i] = (guint8) (i / SIDE % N_SQUARES);
}

int fault_kit_run (Suite *suite)
{
  write_network ();
  g_setenv ("WEIR_CACHE_DIR", "", TRUE); /* nothing is known of the device from earlier runs */
  int status = run_suite (suite, CK_FORK_GETENV);
  onnx_builder_remove (folder);
  g_free (path);
  return status;
}

WeirSession *fault_kit_open (uint32_t batch_size, const WeirSessionOptions *options)
{
  WeirSessionOptions o = { .performance_hint = "latency" };
  g_autoptr (GError) error = NULL;
  static int n_opened;
  g_autofree char *instance = g_strdup_printf ("faulty %d", ++n_opened);
  if (options)
    o = *options;
  o.instance = instance;
  o.model = path;
  o.device = o.device ? o.device : "REF";
  o.precision = "f32";
  o.batch_size = batch_size;
  o.model_options.decoder = "raw";
  o.model_options.color_format = "gray";
  o.model_options.mean = "0";
  o.model_options.scale = "1";
  bool is_given = weir_session_auto_hook || g_str_has_prefix (o.device, "GPU");
  weir_session_backend_hook = is_given ? NULL : &faulty_backend;
  WeirSession *session = weir_session_open (&o, &error);
  ck_assert_msg (session != NULL, "%s", error ? error->message : "");
  return session;
}

static WeirFrame frame (void)
{
  return (WeirFrame){ .format = WEIR_PIXEL_GRAY8,
    .range = WEIR_RANGE_FULL,
    .width_px = SIDE * N_SQUARES,
    .height_px = SIDE,
    .planes = { picture },
    .stride_bytes = { SIDE * N_SQUARES } };
}

static void fill (FaultJob *job)
{
  WeirRequestOptions options = WEIR_REQUEST_OPTIONS_DEFAULT;
  WeirFrame whole = frame ();
  options.attach_tensors = true;
  weir_request_reset (job->request);
  weir_request_set_options (job->request, &options);
  weir_request_set_frame (job->request, &whole);
  for (uint32_t i = 0; i < job->n_items; i++)
    weir_request_add_region (job->request, &job->regions[i]);
}

void fault_job_init (FaultJob *job, WeirStream *stream, uint32_t first, uint32_t n_items)
{
  ck_assert_uint_le (n_items, FAULT_KIT_MAX_ITEMS);
  ck_assert_uint_le (first + n_items, N_SQUARES);
  *job = (FaultJob){ .request = weir_request_new (stream), .n_items = n_items, .error_code = -1 };
  for (uint32_t i = 0; i < n_items; i++) {
    job->values[i] = first + i;
    job->regions[i] = (WeirRegion){ job->values[i] * SIDE, 0, SIDE, SIDE };
  }
  fill (job);
}

void fault_job_set_region (FaultJob *job, uint32_t i, const WeirRegion *region)
{
  job->values[i] = 0;
  job->regions[i] = *region;
  fill (job);
}

void fault_job_done (WeirRequest *request, void *user)
{
  FaultJob *job = user;
  const GError *error = weir_request_error (request);
  job->error_code = error ? error->code : -1;
  job->end_ns = weir_now_ns ();
  job->place = job->counter ? g_atomic_int_add (job->counter, 1) : 0;
  g_atomic_int_inc (&job->n_done);
}

void fault_job_submit (FaultJob *job)
{
  g_autoptr (GError) error = NULL;
  g_atomic_int_set (&job->n_done, 0);
  bool ok = weir_request_submit (job->request, fault_job_done, job, &error);
  ck_assert_msg (ok, "%s", error ? error->message : "");
}

void fault_job_wait (FaultJob *job)
{
  for (int i = 0; i < 50000 && !g_atomic_int_get (&job->n_done); i++)
    g_usleep (200);
  ck_assert_int_eq (g_atomic_int_get (&job->n_done), 1);
}

void fault_job_run (FaultJob *job)
{
  fault_job_submit (job);
  fault_job_wait (job);
}

void fault_job_clear (FaultJob *job)
{
  g_clear_pointer (&job->request, weir_request_free);
}

bool fault_job_is_right (const FaultJob *job, uint32_t i)
{
  const WeirResult *result = weir_request_result (job->request, i);
  if (job->n_done != 1 || job->error_code != -1 || !job->values[i] ||
      result->status != WEIR_STATUS_INFERRED || result->n_tensors != 1 ||
      result->tensors[0].n_elements != N_OUTPUT)
    return false;
  for (uint32_t k = 0; k < N_OUTPUT; k++)
    if (result->tensors[0].data[k] != (float) (k * job->values[i]))
      return false;
  return true;
}

bool fault_job_is_all_right (const FaultJob *job)
{
  for (uint32_t i = 0; i < job->n_items; i++)
    if (!fault_job_is_right (job, i))
      return false;
  return true;
}

void fault_job_assert_failed (const FaultJob *job, uint32_t i, const char *text)
{
  const WeirResult *result = weir_request_result (job->request, i);
  ck_assert_int_eq (job->n_done, 1);
  ck_assert_int_eq (result->status, WEIR_STATUS_FAILED);
  ck_assert_msg (result->reason && strstr (result->reason, text), "'%s' is not in '%s'", text,
      result->reason ? result->reason : "");
}

void fault_gate_close (FaultGate *gate, WeirSession *session)
{
  const Faulty hang = { .n_stalls = 1 };
  gate->stream = weir_stream_new (session, "gate", 0);
  faulty_set (&hang);
  fault_job_init (&gate->job, gate->stream, 1, 1);
  fault_job_submit (&gate->job);
  weir_stream_drain (gate->stream);
  faulty_wait_stalled (1);
}

void fault_gate_open (FaultGate *gate, const Faulty *faults)
{
  faulty_set (faults);
  faulty_resume ();
  fault_job_wait (&gate->job);
  ck_assert (fault_job_is_all_right (&gate->job));
  fault_job_clear (&gate->job);
  weir_stream_free (gate->stream);
}

WeirStats *fault_kit_stats (WeirSession *session)
{
  WeirStats *stats = g_new0 (WeirStats, 1);
  weir_session_stats (session, stats);
  return stats;
}
