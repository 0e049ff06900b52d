/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessing on the session's device, where it has kernels for that: each frame of a batch goes
 * up once, as much of it as its request's regions see, and every row is made from that. */
#include "engine/pre/pictures.h"
#include "engine/sched/session_types.h"

static const WeirPictures *functions (const WeirWorker *worker, WeirDevice **device)
{
  return weir_target_pictures (worker->site->target, device);
}

/* Not silently: it is slower, though the same. */
static void give_up (WeirWorker *worker, const GError *error)
{
  weir_worker_close_pictures (worker);
  if (g_atomic_int_compare_and_exchange (&worker->site->has_no_pictures, 0, 1))
    g_warning (
        "%s: frames are preprocessed by the CPU: %s", worker->session->model->path, error->message);
}

void weir_worker_open_pictures (WeirWorker *worker)
{
  const WeirModel *model = worker->session->model;
  g_autoptr (GError) error = NULL;
  WeirDevice *device;
  const WeirPictures *pictures = functions (worker, &device);
  if (!pictures || worker->pictures || !model->has_picture ||
      g_atomic_int_get (&worker->site->has_no_pictures))
    return;
  worker->pictures = pictures->new (device, &model->input, &error);
  if (!worker->pictures)
    give_up (worker, error);
}

void weir_worker_close_pictures (WeirWorker *worker)
{
  WeirDevice *device;
  if (worker->pictures)
    functions (worker, &device)->free (g_steal_pointer (&worker->pictures));
}

static bool has_frames (const WeirTaken *batch, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    if (!weir_taken_request (&batch[i])->has_frame)
      return false;
  return true;
}

static WeirRegion unite (const WeirRegion *a, const WeirRegion *b)
{
  uint32_t x_px = MIN (a->x_px, b->x_px), y_px = MIN (a->y_px, b->y_px);
  uint32_t right_px = MAX (a->x_px + a->width_px, b->x_px + b->width_px);
  uint32_t bottom_px = MAX (a->y_px + a->height_px, b->y_px + b->height_px);
  return (WeirRegion){ x_px, y_px, right_px - x_px, bottom_px - y_px };
}

/* By all good regions of the request, of which `item` is one: its other items may be in another
 * batch. */
static WeirSeen seen_of (const WeirRequest *request, uint32_t item)
{
  const WeirRegion *regions = (const WeirRegion *) request->regions->data;
  WeirSeen seen = { .frame = &request->frame,
    .number = request->n_frame,
    .part = regions[item],
    .is_single = request->regions->len == 1 };
  for (uint32_t i = 0; i < request->regions->len; i++)
    if (weir_pre_check (&request->frame, &regions[i], NULL))
      seen.part = unite (&seen.part, &regions[i]);
  return seen;
}

/* Rows of the items of one frame, the first of which is batch[first]. */
static bool write_frame (WeirWorker *worker, const WeirTensor *input, const WeirTaken *batch,
    uint32_t first, uint32_t n, GError **error)
{
  const WeirRequest *request = weir_taken_request (&batch[first]);
  WeirSeen seen = seen_of (request, batch[first].item);
  WeirDevice *device;
  const WeirPictures *pictures = functions (worker, &device);
  if (!pictures->hold (worker->pictures, &seen, input, error))
    return false;
  for (uint32_t i = first; i < n; i++) {
    const WeirRegion *region = &g_array_index (request->regions, WeirRegion, batch[i].item);
    if (batch[i].ticket == batch[first].ticket &&
        !pictures->write (worker->pictures, region, input, i, error))
      return false;
  }
  return true;
}

static bool is_first_of_frame (const WeirTaken *batch, uint32_t i)
{
  for (uint32_t k = 0; k < i; k++)
    if (batch[k].ticket == batch[i].ticket)
      return false;
  return true;
}

static bool write_frames (
    WeirWorker *worker, const WeirTensor *input, const WeirTaken *batch, uint32_t n, GError **error)
{
  for (uint32_t i = 0; i < n; i++)
    if (is_first_of_frame (batch, i) && !write_frame (worker, input, batch, i, n, error))
      return false;
  return true;
}

bool weir_worker_write_pictures (WeirWorker *worker, WeirSlot *slot, const WeirTaken *batch,
    uint32_t n, bool *on_device, GError **error)
{
  GError *failure = NULL;
  const WeirTensor *picture = weir_slot_picture (slot);
  *on_device = false;
  if (!picture || !has_frames (batch, n))
    return true;
  weir_worker_open_pictures (worker);
  if (!worker->pictures)
    return true;
  WeirTensor input = weir_rows_picture (worker->session->model, picture);
  *on_device = write_frames (worker, &input, batch, n, &failure);
  if (*on_device)
    return true;
  if (failure->code == WEIR_ERROR_MEMORY || failure->code == WEIR_ERROR_UNSUPPORTED) {
    give_up (worker, failure);
    g_error_free (failure);
    return true;
  }
  g_propagate_error (error, failure);
  return false;
}
