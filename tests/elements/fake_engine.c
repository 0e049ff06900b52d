/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine's public functions that the elements use, over a list and a few threads. */
#include "fake_engine.h"

#include "engine/base/sync.h"
#include <string.h>

typedef enum State { IDLE, QUEUED, RUNNING, FINISHED } State;

struct WeirModel {
  gboolean is_classifier;
  gchar *label; /* of what it finds */
};

struct WeirSession {
  gint n_refs;
  WeirModel model;
  guint n_workers;
  gboolean stop;
  GList *queue; /* WeirRequest */
  pthread_t workers[8];
};

struct WeirStream {
  WeirSession *session;
  gboolean flushing, drained;
  guint n_in_flight;
  guint64 n_items, n_failed, n_skipped;
};

struct WeirRequest {
  WeirStream *stream;
  WeirFrame frame;
  bool attach_tensors;
  GArray *regions;
  WeirResult *results;
  WeirObject *objects;
  WeirClass *classes;
  WeirAttribute *attributes;
  WeirNamedTensor *tensors;
  float row[1];
  State state;
  GError *error;
  WeirDoneFn done;
  void *user;
};

static struct {
  WeirMutex lock;
  WeirCond changed;
  FakeEngine settings;
  guint n_sessions, n_streams, n_requests, n_opened, n_drains, n_items, n_in_flight, n_running;
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void changed (void)
{
  pthread_cond_broadcast (&fake.changed);
}

void fake_engine_reset (const FakeEngine *settings)
{
  static gboolean once;
  if (!once)
    weir_cond_init (&fake.changed);
  once = TRUE;
  weir_mutex_lock (&fake.lock);
  fake.settings = *settings;
  fake.n_opened = fake.n_drains = fake.n_items = 0;
  weir_mutex_unlock (&fake.lock);
}

/* The lock is held. */
static void wait_idle (void)
{
  while (fake.n_in_flight > 0)
    weir_cond_wait (&fake.changed, &fake.lock);
}

void fake_engine_wait_idle (void)
{
  weir_mutex_lock (&fake.lock);
  wait_idle ();
  weir_mutex_unlock (&fake.lock);
}

void fake_engine_hold (void)
{
  weir_mutex_lock (&fake.lock);
  wait_idle ();
  fake.settings.hold = TRUE;
  weir_mutex_unlock (&fake.lock);
}

void fake_engine_release (void)
{
  weir_mutex_lock (&fake.lock);
  fake.settings.hold = FALSE;
  changed ();
  weir_mutex_unlock (&fake.lock);
}

static void wait_for (const guint *counter, guint n)
{
  weir_mutex_lock (&fake.lock);
  while (*counter < n)
    weir_cond_wait (&fake.changed, &fake.lock);
  weir_mutex_unlock (&fake.lock);
}

void fake_engine_wait_in_flight (guint n)
{
  wait_for (&fake.n_in_flight, n);
}

void fake_engine_wait_running (guint n)
{
  wait_for (&fake.n_running, n);
}

#define COUNTER(name)               \
  guint fake_engine_##name (void)   \
  {                                 \
    weir_mutex_lock (&fake.lock);   \
    const guint n = fake.name;      \
    weir_mutex_unlock (&fake.lock); \
    return n;                       \
  }
COUNTER (n_sessions)
COUNTER (n_streams)
COUNTER (n_requests)
COUNTER (n_opened)
COUNTER (n_drains)
COUNTER (n_items)

/* Models ------------------------------------------------------------------------------------ */

const char *const *weir_decoder_names (void)
{
  static const char *const names[] = { "fake", NULL };
  return names;
}

const char *weir_model_decoder (const WeirModel *model, const char **why)
{
  *why = "a test double";
  return "fake";
}

bool weir_model_check_picture (const WeirModel *model, GError **error)
{
  return true;
}

bool weir_model_is_detector (const WeirModel *model)
{
  return !model->is_classifier;
}

const char *weir_model_name (const WeirModel *model)
{
  return "fake-net";
}

const char *const *weir_model_labels (const WeirModel *model, uint32_t *n_labels)
{
  static const char *const labels[] = { "thing", NULL };
  *n_labels = 1;
  return labels;
}

const char *weir_model_path (const WeirModel *model)
{
  return "fake-net.onnx";
}

/* Sessions ---------------------------------------------------------------------------------- */

static void infer (WeirRequest *request, guint index)
{
  const WeirRegion *region = &g_array_index (request->regions, WeirRegion, index);
  const WeirFrame *frame = &request->frame;
  const WeirModel *model = &request->stream->session->model;
  const gsize at = (gsize) region->y_px * (gsize) frame->stride_bytes[0] + region->x_px;
  const int32_t byte = frame->planes[0][at];
  const double w = frame->width_px, h = frame->height_px;
  WeirResult *result = &request->results[index];
  if (byte == 255) {
    *result = (WeirResult){ .status = WEIR_STATUS_FAILED, .reason = "too white" };
    request->stream->n_failed++;
    return;
  }
  request->objects[index] = (WeirObject){ .x_min = (region->x_px + region->width_px * 0.25) / w,
    .y_min = (region->y_px + region->height_px * 0.25) / h,
    .x_max = (region->x_px + region->width_px * 0.75) / w,
    .y_max = (region->y_px + region->height_px * 0.75) / h,
    .confidence = 0.75f,
    .label_id = byte,
    .label = model->label };
  request->classes[index] = (WeirClass){ .label = "dark", .label_id = byte, .confidence = 0.5f };
  request->attributes[index] =
      (WeirAttribute){ .name = "shade", .n_classes = 1, .classes = &request->classes[index] };
  request->row[0] = 0.25f;
  request->tensors[index] = (WeirNamedTensor){
    .name = "row", .rank = 1, .dims = { 1 }, .n_elements = 1, .data = request->row
  };
  *result = (WeirResult){ .status = WEIR_STATUS_INFERRED };
  if (model->is_classifier || request->attach_tensors) {
    result->n_tensors = 1;
    result->tensors = &request->tensors[index];
  }
  if (model->is_classifier) {
    result->n_attributes = 1;
    result->attributes = &request->attributes[index];
  } else {
    result->n_objects = 1;
    result->objects = &request->objects[index];
  }
}

static void infer_all (WeirRequest *request)
{
  const guint n = request->regions->len;
  request->results = g_renew (WeirResult, request->results, n);
  request->objects = g_renew (WeirObject, request->objects, n);
  request->classes = g_renew (WeirClass, request->classes, n);
  request->attributes = g_renew (WeirAttribute, request->attributes, n);
  request->tensors = g_renew (WeirNamedTensor, request->tensors, n);
  for (guint i = 0; i < n; i++)
    infer (request, i);
}

/* Calls done with no lock held; the lock is held before and after. */
static void finish (WeirRequest *request, State state)
{
  WeirStream *stream = request->stream;
  request->state = state;
  weir_mutex_unlock (&fake.lock);
  request->done (request, request->user);
  weir_mutex_lock (&fake.lock);
  fake.n_in_flight--;
  stream->n_in_flight--;
  changed ();
}

/* The lock is held but for the time that it takes. */
static void run (WeirSession *session, WeirRequest *request)
{
  const guint delay_us = fake.settings.delay_us;
  request->state = RUNNING;
  fake.n_running++;
  changed ();
  weir_mutex_unlock (&fake.lock);
  if (delay_us > 0)
    g_usleep ((gulong) g_random_int_range (0, (gint32) delay_us));
  weir_mutex_lock (&fake.lock);
  while (fake.settings.hold && !session->stop)
    weir_cond_wait (&fake.changed, &fake.lock);
  fake.n_running--;
  if (fake.settings.breaks)
    request->error = g_error_new_literal (WEIR_ERROR, WEIR_ERROR_DEVICE, "the device was lost");
  else
    infer_all (request);
  request->stream->n_items += request->regions->len;
  fake.n_items += request->regions->len;
  finish (request, FINISHED);
}

static void *work (void *data)
{
  WeirSession *session = data;
  weir_mutex_lock (&fake.lock);
  while (!session->stop) {
    if (!session->queue) {
      weir_cond_wait (&fake.changed, &fake.lock);
      continue;
    }
    WeirRequest *request = session->queue->data;
    session->queue = g_list_delete_link (session->queue, session->queue);
    run (session, request);
  }
  weir_mutex_unlock (&fake.lock);
  return NULL;
}

/* What the network is called says what it does. */
static void load_model (WeirModel *model, const gchar *name)
{
  model->is_classifier = fake.settings.is_classifier || g_str_has_prefix (name, "classify");
  model->label = g_str_has_prefix (name, "find-")
                     ? g_strndup (name + strlen ("find-"), strcspn (name + strlen ("find-"), "."))
                     : g_strdup ("thing");
}

/* Sharing is the real engine's business: here every open makes a session. */
WeirSession *weir_session_open (const WeirSessionOptions *options, GError **error)
{
  if (g_str_has_prefix (options->model, "missing")) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND, "%s: no such file", options->model);
    return NULL;
  }
  if (g_strcmp0 (options->device, "CPU") != 0) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
        "property 'device': '%s' is no device; expected CPU", options->device);
    return NULL;
  }
  WeirSession *session = g_new0 (WeirSession, 1);
  session->n_refs = 1;
  weir_mutex_lock (&fake.lock);
  load_model (&session->model, options->model);
  session->n_workers = fake.settings.n_workers ? fake.settings.n_workers : 3;
  fake.n_sessions++;
  fake.n_opened++;
  weir_mutex_unlock (&fake.lock);
  for (guint i = 0; i < session->n_workers; i++)
    pthread_create (&session->workers[i], NULL, work, session);
  return session;
}

WeirSession *weir_session_ref (WeirSession *session)
{
  g_atomic_int_inc (&session->n_refs);
  return session;
}

void weir_session_unref (WeirSession *session)
{
  if (!g_atomic_int_dec_and_test (&session->n_refs))
    return;
  weir_mutex_lock (&fake.lock);
  session->stop = TRUE;
  changed ();
  weir_mutex_unlock (&fake.lock);
  for (guint i = 0; i < session->n_workers; i++)
    pthread_join (session->workers[i], NULL);
  weir_mutex_lock (&fake.lock);
  fake.n_sessions--;
  weir_mutex_unlock (&fake.lock);
  g_free (session->model.label);
  g_free (session);
}

WeirModel *weir_session_model (const WeirSession *session)
{
  return (WeirModel *) &session->model;
}

void weir_session_set_num_requests (WeirSession *session, uint32_t num_requests)
{
  weir_mutex_lock (&fake.lock);
  fake.settings.optimal = num_requests;
  weir_mutex_unlock (&fake.lock);
}

void weir_session_set_batch_timeout (WeirSession *session, int32_t batch_timeout_ms)
{
}

bool weir_session_set_config (WeirSession *session, const char *config, GError **error)
{
  return true;
}

char *weir_session_get_config (WeirSession *session, const char *key, GError **error)
{
  return g_strdup ("-1");
}

uint32_t weir_session_optimal_requests (const WeirSession *session)
{
  weir_mutex_lock (&fake.lock);
  const uint32_t n = fake.settings.optimal ? fake.settings.optimal : 2;
  weir_mutex_unlock (&fake.lock);
  return n;
}

uint32_t weir_session_n_streams (const WeirSession *session)
{
  return fake_engine_n_streams ();
}

void weir_session_stats (WeirSession *session, WeirStats *stats)
{
  memset (stats, 0, sizeof *stats);
  strcpy (stats->device, "FAKE");
  strcpy (stats->precision, "f32");
  stats->batch_max = 4;
  stats->batch_max_reason = "device";
  stats->n_items = stats->n_batches = stats->batch_histogram[1] = fake_engine_n_items ();
}

/* Streams ----------------------------------------------------------------------------------- */

WeirStream *weir_stream_new (WeirSession *session, const char *name, uint32_t max_in_flight)
{
  WeirStream *stream = g_new0 (WeirStream, 1);
  stream->session = weir_session_ref (session);
  weir_mutex_lock (&fake.lock);
  fake.n_streams++;
  weir_mutex_unlock (&fake.lock);
  return stream;
}

static WeirRequest *take_queued (WeirStream *stream)
{
  for (GList *l = stream->session->queue; l; l = l->next) {
    WeirRequest *request = l->data;
    if (request->stream != stream)
      continue;
    stream->session->queue = g_list_delete_link (stream->session->queue, l);
    return request;
  }
  return NULL;
}

void weir_stream_flush (WeirStream *stream)
{
  WeirRequest *request;
  weir_mutex_lock (&fake.lock);
  stream->flushing = TRUE;
  changed ();
  while ((request = take_queued (stream))) {
    request->error = g_error_new_literal (WEIR_ERROR, WEIR_ERROR_CANCELLED, "flushed");
    finish (request, FINISHED);
  }
  weir_mutex_unlock (&fake.lock);
}

void weir_stream_resume (WeirStream *stream)
{
  weir_mutex_lock (&fake.lock);
  stream->flushing = FALSE;
  weir_mutex_unlock (&fake.lock);
}

void weir_stream_drain (WeirStream *stream)
{
  weir_mutex_lock (&fake.lock);
  stream->drained = TRUE;
  fake.n_drains++;
  weir_mutex_unlock (&fake.lock);
}

void weir_stream_free (WeirStream *stream)
{
  weir_stream_flush (stream);
  weir_mutex_lock (&fake.lock);
  while (stream->n_in_flight > 0)
    weir_cond_wait (&fake.changed, &fake.lock);
  fake.n_streams--;
  weir_mutex_unlock (&fake.lock);
  weir_session_unref (stream->session);
  g_free (stream);
}

void weir_stream_stats (const WeirStream *stream, WeirStreamStats *stats)
{
  weir_mutex_lock (&fake.lock);
  *stats = (WeirStreamStats){ .n_items = stream->n_items,
    .n_failed = stream->n_failed,
    .n_skipped = stream->n_skipped,
    .in_flight = stream->n_in_flight };
  weir_mutex_unlock (&fake.lock);
}

/* Requests ---------------------------------------------------------------------------------- */

WeirRequest *weir_request_new (WeirStream *stream)
{
  WeirRequest *request = g_new0 (WeirRequest, 1);
  request->stream = stream;
  request->regions = g_array_new (FALSE, FALSE, sizeof (WeirRegion));
  weir_mutex_lock (&fake.lock);
  fake.n_requests++;
  weir_mutex_unlock (&fake.lock);
  return request;
}

void weir_request_free (WeirRequest *request)
{
  g_assert (request->state == IDLE);
  weir_mutex_lock (&fake.lock);
  fake.n_requests--;
  weir_mutex_unlock (&fake.lock);
  g_array_unref (request->regions);
  g_free (request->results);
  g_free (request->objects);
  g_free (request->classes);
  g_free (request->attributes);
  g_free (request->tensors);
  g_free (request);
}

void weir_request_reset (WeirRequest *request)
{
  g_assert (request->state == IDLE || request->state == FINISHED);
  request->state = IDLE;
  g_array_set_size (request->regions, 0);
  g_clear_error (&request->error);
}

void weir_request_set_options (WeirRequest *request, const WeirRequestOptions *options)
{
  g_assert (options->top_k >= 1 && options->max_detections >= 1);
  request->attach_tensors = options->attach_tensors;
}

void weir_request_set_frame (WeirRequest *request, const WeirFrame *frame)
{
  request->frame = *frame;
}

uint32_t weir_request_add_region (WeirRequest *request, const WeirRegion *region)
{
  g_assert (region->x_px + region->width_px <= request->frame.width_px);
  g_assert (region->y_px + region->height_px <= request->frame.height_px);
  g_array_append_vals (request->regions, region, 1);
  return request->regions->len - 1;
}

static bool submit (
    WeirRequest *request, WeirDoneFn done, void *user, bool wait, bool *full, GError **error)
{
  WeirStream *stream = request->stream;
  g_assert (request->state == IDLE);
  request->done = done;
  request->user = user;
  if (request->regions->len == 0) {
    request->state = FINISHED;
    done (request, user);
    return true;
  }
  weir_mutex_lock (&fake.lock);
  *full = fake.settings.limit > 0 && stream->n_in_flight >= fake.settings.limit;
  while (wait && !stream->flushing && fake.settings.limit > 0 &&
         stream->n_in_flight >= fake.settings.limit)
    weir_cond_wait (&fake.changed, &fake.lock);
  const bool accepted = !stream->flushing && (wait || !*full);
  stream->n_skipped += !wait && *full ? request->regions->len : 0;
  if (accepted) {
    request->state = QUEUED;
    stream->n_in_flight++;
    fake.n_in_flight++;
    stream->session->queue = g_list_append (stream->session->queue, request);
    changed ();
  } else if (!*full || wait) {
    g_set_error_literal (error, WEIR_ERROR, WEIR_ERROR_CANCELLED, "flushed");
  }
  weir_mutex_unlock (&fake.lock);
  return accepted;
}

bool weir_request_submit (WeirRequest *request, WeirDoneFn done, void *user, GError **error)
{
  bool full;
  return submit (request, done, user, true, &full, error);
}

bool weir_request_try_submit (
    WeirRequest *request, WeirDoneFn done, void *user, bool *full, GError **error)
{
  return submit (request, done, user, false, full, error);
}

uint32_t weir_request_n_items (const WeirRequest *request)
{
  return request->regions->len;
}

const WeirResult *weir_request_result (const WeirRequest *request, uint32_t i)
{
  g_assert (request->state == FINISHED);
  return &request->results[i];
}

const GError *weir_request_error (const WeirRequest *request)
{
  return request->error;
}

uint64_t weir_request_latency_ns (const WeirRequest *request)
{
  return 7 * 1000 * 1000;
}
