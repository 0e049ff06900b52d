/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events in the order of their times: frames that come, batches that end, times to decide again. */
#include "tests/batching/virtual.h"

#include "tests/must.h"
#include <math.h>
#include <string.h>

#define MAX_DEPTH 64
#define NEVER     WEIR_NEVER_NS

typedef struct Camera Camera;

typedef struct Frame {
  WeirTicket ticket; /* first, so that a ticket is its frame */
  Camera *camera;
  uint64_t *queued_ns;
  uint64_t due_ns, serial;
  uint32_t next_item;
  bool is_used;
} Frame;

struct Camera {
  WeirLane lane;
  const VirtualStream *spec;
  VirtualStreamResult *result;
  Frame frames[MAX_DEPTH];
  uint32_t n_frames, depth;
  uint64_t next_ns, n_due;
  uint64_t next_serial; /* of the frame whose items are taken now */
};

typedef struct Device {
  WeirTaken batch[WEIR_MAX_BATCH];
  uint32_t n;
  uint64_t end_ns; /* NEVER: idle */
} Device;

typedef struct World {
  const VirtualCase *c;
  VirtualResult *result;
  WeirQueue queue;
  GRand *rand;
  Camera cameras[VIRTUAL_MAX_STREAMS];
  Device *devices;
  uint64_t now_ns, wake_ns;
  uint64_t idle_ns;  /* since when at least one worker is idle */
  uint64_t bound_ns; /* the largest since items wait */
  uint64_t from_ns, until_ns;
} World;

static uint64_t to_ns (double ms)
{
  return (uint64_t) llround (ms * VIRTUAL_MS);
}

static bool is_counted (const World *w)
{
  return w->now_ns >= w->from_ns && w->now_ns < w->until_ns;
}

static uint64_t service_ns (const World *w, uint32_t n)
{
  return to_ns (w->c->fixed_ms + w->c->per_item_ms * n);
}

static uint64_t camera_due (World *w, const Camera *camera, uint64_t k)
{
  double ms = camera->spec->phase_ms + (double) k * 1000 / camera->spec->fps;
  return to_ns (ms + g_rand_double (w->rand) * camera->spec->jitter_ms);
}

static Frame *free_frame (Camera *camera)
{
  for (uint32_t i = 0; i < camera->depth; i++)
    if (!camera->frames[i].is_used)
      return &camera->frames[i];
  return NULL;
}

static void schedule_next (World *w, Camera *camera)
{
  if (camera->spec->fps > 0)
    camera->next_ns = camera_due (w, camera, ++camera->n_due);
  else
    camera->next_ns = free_frame (camera) ? w->now_ns + to_ns (camera->spec->think_ms) : NEVER;
  if (camera->spec->end_ms > 0 && camera->next_ns >= to_ns (camera->spec->end_ms) &&
      camera->next_ns != NEVER)
    camera->next_ns = NEVER;
}

static void submit_frame (World *w, Camera *camera)
{
  Frame *frame = free_frame (camera);
  if (!frame) {
    camera->result->n_dropped += is_counted (w);
  } else {
    frame->is_used = true;
    frame->due_ns = w->now_ns;
    frame->serial = camera->result->n_submitted++;
    frame->next_item = 0;
    frame->ticket.lane = &camera->lane;
    frame->ticket.n_items = camera->spec->n_items;
    frame->ticket.queued_ns = frame->queued_ns;
    weir_queue_push (&w->queue, &frame->ticket, w->now_ns);
  }
  schedule_next (w, camera);
  if (camera->next_ns == NEVER && camera->spec->end_ms > 0)
    weir_queue_set_drained (&w->queue, &camera->lane, true, w->now_ns);
}

/* How long the item waited while somebody could have run it. */
static double added_ms (const World *w, const WeirTaken *taken)
{
  uint64_t queued_ns = taken->ticket->queued_ns[taken->item];
  uint64_t since_ns = MAX (queued_ns, w->idle_ns);
  return (double) (w->now_ns - since_ns) / VIRTUAL_MS;
}

/* Items of a stream come in order, each once. */
static void check_taken (World *w, const WeirTaken *taken)
{
  Frame *frame = (Frame *) taken->ticket;
  Camera *camera = frame->camera;
  double added = added_ms (w, taken), bound = (double) w->bound_ns / VIRTUAL_MS;
  must (frame->serial == camera->next_serial);
  must (frame->next_item == taken->item);
  if (++frame->next_item == frame->ticket.n_items)
    camera->next_serial++;
  w->result->most_late_ms = MAX (w->result->most_late_ms, added - bound);
  if (!is_counted (w))
    return;
  g_array_append_val (camera->result->added_ms, added);
  g_array_append_val (w->result->added_ms, added);
}

static void count_batch (World *w, uint32_t n, uint64_t ns)
{
  VirtualResult *result = w->result;
  const char *reason;
  must (n <= weir_queue_batch_max (&w->queue, NULL, &reason));
  if (!is_counted (w))
    return;
  result->n_batches++;
  result->n_items += n;
  result->histogram[n]++;
  result->busy += (double) ns / (w->c->seconds * 1000 * VIRTUAL_MS * w->c->n_workers);
}

/* Idle workers take what they are given; true: some took a batch. */
static bool dispatch (World *w)
{
  bool any = false;
  w->wake_ns = NEVER;
  for (uint32_t i = 0; i < w->c->n_workers; i++) {
    Device *device = &w->devices[i];
    if (device->end_ns != NEVER)
      continue;
    device->n = weir_queue_take (&w->queue, device->batch, w->now_ns, &w->wake_ns);
    w->bound_ns = MAX (w->bound_ns, w->queue.bound_ns);
    if (!device->n)
      continue;
    any = true;
    uint64_t ns = service_ns (w, device->n);
    for (uint32_t k = 0; k < device->n; k++)
      check_taken (w, &device->batch[k]);
    count_batch (w, device->n, ns);
    device->end_ns = w->now_ns + ns;
    w->queue.n_idle--;
  }
  if (w->queue.n_queued == 0)
    w->bound_ns = 0;
  must (w->wake_ns > w->now_ns);
  return any;
}

static void finish_frame (World *w, Frame *frame)
{
  Camera *camera = frame->camera;
  double latency = (double) (w->now_ns - frame->due_ns) / VIRTUAL_MS;
  frame->is_used = false;
  camera->result->n_done++;
  if (is_counted (w)) {
    camera->result->fps += 1 / w->c->seconds;
    g_array_append_val (camera->result->latency_ms, latency);
    g_array_append_val (w->result->latency_ms, latency);
  }
  if (camera->spec->fps == 0 && camera->next_ns == NEVER)
    schedule_next (w, camera);
}

static void finish_batch (World *w, Device *device)
{
  if (w->queue.n_idle++ == 0)
    w->idle_ns = w->now_ns;
  weir_service_add (&w->queue.service, device->n, service_ns (w, device->n));
  for (uint32_t k = 0; k < device->n; k++)
    if (weir_queue_finish (&w->queue, device->batch[k].ticket, w->now_ns))
      finish_frame (w, (Frame *) device->batch[k].ticket);
  device->end_ns = NEVER;
  weir_queue_admit (&w->queue, w->now_ns);
}

/* The next event; false: there is none, or the time is over. */
static bool step (World *w)
{
  Camera *camera = NULL;
  Device *device = NULL;
  uint64_t at_ns = w->wake_ns;
  for (uint32_t i = 0; i < w->c->n_streams; i++)
    if (w->cameras[i].next_ns < at_ns) {
      camera = &w->cameras[i];
      at_ns = camera->next_ns;
    }
  for (uint32_t i = 0; i < w->c->n_workers; i++)
    if (w->devices[i].end_ns <= at_ns && w->devices[i].end_ns != NEVER) {
      device = &w->devices[i];
      at_ns = device->end_ns;
    }
  if (at_ns >= w->until_ns)
    return false;
  w->now_ns = at_ns;
  if (device)
    finish_batch (w, device);
  else if (camera)
    submit_frame (w, camera);
  w->result->most_in_flight = MAX (w->result->most_in_flight, w->queue.n_in_flight);
  must (w->queue.n_in_flight <= weir_queue_limit (&w->queue));
  dispatch (w);
  return true;
}

static void set_up_stream (World *w, uint32_t i)
{
  Camera *camera = &w->cameras[i];
  camera->spec = &w->c->streams[i];
  camera->result = &w->result->streams[i];
  camera->depth = camera->spec->depth ? camera->spec->depth : camera->spec->fps > 0 ? 4 : 1;
  camera->next_ns = to_ns (camera->spec->phase_ms);
  camera->result->latency_ms = g_array_new (FALSE, FALSE, sizeof (double));
  camera->result->added_ms = g_array_new (FALSE, FALSE, sizeof (double));
  for (uint32_t k = 0; k < camera->depth; k++) {
    camera->frames[k].camera = camera;
    camera->frames[k].queued_ns = g_new0 (uint64_t, camera->spec->n_items);
  }
  weir_queue_add_lane (&w->queue, &camera->lane);
}

static void set_up (World *w)
{
  const VirtualCase *c = w->c;
  w->rand = g_rand_new_with_seed (c->seed);
  w->devices = g_new0 (Device, c->n_workers);
  w->from_ns = to_ns (c->warmup_s * 1000);
  w->until_ns = w->from_ns + to_ns (c->seconds * 1000);
  w->wake_ns = NEVER;
  weir_queue_init (&w->queue);
  w->queue.batch_max = c->batch_max;
  w->queue.num_requests = c->num_requests;
  w->queue.batch_timeout_ms = c->batch_timeout_ms;
  w->queue.n_workers = w->queue.n_idle = c->n_workers;
  w->result->latency_ms = g_array_new (FALSE, FALSE, sizeof (double));
  w->result->added_ms = g_array_new (FALSE, FALSE, sizeof (double));
  for (uint32_t n = 1; !c->learns && n <= 2; n++)
    for (uint32_t k = 0; k < 3; k++)
      weir_service_add (&w->queue.service, n, service_ns (w, n));
  for (uint32_t i = 0; i < c->n_workers; i++)
    w->devices[i].end_ns = NEVER;
  for (uint32_t i = 0; i < c->n_streams; i++)
    set_up_stream (w, i);
}

/* Everything that came has ended, or is still there. */
static void check_books (const World *w)
{
  uint64_t n_lost = 0, n_there = 0;
  for (uint32_t i = 0; i < w->c->n_streams; i++) {
    const Camera *camera = &w->cameras[i];
    n_lost += camera->result->n_submitted - camera->result->n_done;
    for (uint32_t k = 0; k < camera->depth; k++)
      n_there += camera->frames[k].is_used;
  }
  must (n_lost == n_there);
}

VirtualResult *virtual_run (const VirtualCase *c)
{
  g_autofree World *w = g_new0 (World, 1);
  w->c = c;
  w->result = g_new0 (VirtualResult, 1);
  set_up (w);
  while (step (w))
    continue;
  check_books (w);
  w->result->mean_batch = (double) w->result->n_items / (double) MAX (w->result->n_batches, 1);
  memcpy (w->result->n_cuts, w->queue.n_cuts, sizeof w->queue.n_cuts);
  for (uint32_t i = 0; i < c->n_streams; i++)
    for (uint32_t k = 0; k < w->cameras[i].depth; k++)
      g_free (w->cameras[i].frames[k].queued_ns);
  weir_queue_clear (&w->queue);
  g_rand_free (w->rand);
  g_free (w->devices);
  return w->result;
}

void virtual_result_free (VirtualResult *result)
{
  for (uint32_t i = 0; i < VIRTUAL_MAX_STREAMS; i++) {
    g_clear_pointer (&result->streams[i].latency_ms, g_array_unref);
    g_clear_pointer (&result->streams[i].added_ms, g_array_unref);
  }
  g_array_unref (result->latency_ms);
  g_array_unref (result->added_ms);
  g_free (result);
}

static gint by_value (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

double virtual_percentile (GArray *values, double percent)
{
  if (values->len == 0)
    return 0;
  g_array_sort (values, by_value);
  guint rank = (guint) fmax (ceil (percent / 100 * values->len), 1);
  return g_array_index (values, double, MIN (rank, values->len) - 1);
}
