/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table by track id, whose entries also stand in a list, those seen last at its tail: what must
 * go is at the head. A frame that asked but never leaves (downstream said EOS, say) stores nothing;
 * the next frame of the track that recalls sees that and makes it due again. */
#include "gst/reclassify.h"

#include <string.h>

#define NEVER G_MAXUINT64

typedef struct Track {
  guint64 id;
  GList link;     /* in `order` */
  guint64 seen;   /* frame */
  guint64 asked;  /* frame of the last look; NEVER: none that counts */
  gchar *label;   /* then; NULL where it had none */
  guint64 stored; /* frame of the result; NEVER: none */
  gchar *stored_label;
  WeirMetaObject *result; /* its box, attributes and tensors count */
  gsize n_bytes;
} Track;

struct WeirReclassify {
  GMutex lock;
  GHashTable *tracks; /* Track by id */
  GQueue order;       /* Track */
  gsize n_bytes;
};

static void free_track (gpointer data)
{
  Track *track = data;
  g_free (track->label);
  g_free (track->stored_label);
  weir_meta_object_free (track->result);
  g_free (track);
}

WeirReclassify *weir_reclassify_new (void)
{
  WeirReclassify *known = g_new0 (WeirReclassify, 1);
  g_mutex_init (&known->lock);
  g_queue_init (&known->order);
  known->tracks = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, free_track);
  return known;
}

void weir_reclassify_free (WeirReclassify *known)
{
  g_hash_table_unref (known->tracks);
  g_mutex_clear (&known->lock);
  g_free (known);
}

static Track *find (WeirReclassify *known, guint64 track_id)
{
  const gint64 key = (gint64) track_id;
  return g_hash_table_lookup (known->tracks, &key);
}

static Track *find_or_add (WeirReclassify *known, guint64 track_id)
{
  Track *track = find (known, track_id);
  if (track)
    return track;
  track = g_new0 (Track, 1);
  track->id = track_id;
  track->asked = track->stored = NEVER;
  track->link.data = track;
  g_hash_table_insert (known->tracks, &track->id, track);
  g_queue_push_tail_link (&known->order, &track->link);
  return track;
}

/* The task sees frames that the streaming thread has seen before. */
static void see (WeirReclassify *known, Track *track, guint64 frame)
{
  if (frame <= track->seen)
    return;
  track->seen = frame;
  g_queue_unlink (&known->order, &track->link);
  g_queue_push_tail_link (&known->order, &track->link);
}

static void drop_excess (WeirReclassify *known, guint64 frame)
{
  for (;;) {
    const Track *oldest = g_queue_peek_head (&known->order);
    if (!oldest || (oldest->seen + WEIR_RECLASSIFY_KEEP >= frame &&
                       known->order.length <= WEIR_RECLASSIFY_MAX_TRACKS &&
                       known->n_bytes <= WEIR_RECLASSIFY_MAX_BYTES))
      return;
    known->n_bytes -= oldest->n_bytes;
    g_queue_unlink (&known->order, (GList *) &oldest->link);
    g_hash_table_remove (known->tracks, &oldest->id);
  }
}

static gboolean is_due (
    const Track *track, const WeirFrameId *frame, const gchar *label, guint interval)
{
  return track->asked == NEVER || track->asked < frame->first || track->asked == frame->number ||
         g_strcmp0 (track->label, label) != 0 ||
         (interval > 0 && frame->number - track->asked >= interval);
}

gboolean weir_reclassify_ask (WeirReclassify *known, const WeirFrameId *frame, guint64 track_id,
    const gchar *label, guint interval)
{
  g_mutex_lock (&known->lock);
  Track *track = find_or_add (known, track_id);
  const gboolean due = is_due (track, frame, label, interval);
  see (known, track, frame->number);
  if (due) {
    track->asked = frame->number;
    if (g_strcmp0 (track->label, label) != 0) {
      g_free (track->label);
      track->label = g_strdup (label);
    }
  }
  drop_excess (known, frame->number);
  g_mutex_unlock (&known->lock);
  return due;
}

void weir_reclassify_fail (WeirReclassify *known, const WeirFrameId *frame, guint64 track_id)
{
  g_mutex_lock (&known->lock);
  Track *track = find (known, track_id);
  if (track && track->asked == frame->number)
    track->asked = NEVER;
  g_mutex_unlock (&known->lock);
}

void weir_reclassify_fail_frame (WeirReclassify *known, const WeirFrameId *frame)
{
  g_mutex_lock (&known->lock);
  for (GList *l = known->order.tail; l; l = l->prev) {
    Track *track = l->data;
    if (track->asked == frame->number)
      track->asked = NEVER;
  }
  g_mutex_unlock (&known->lock);
}

static gsize length_of (const gchar *text)
{
  return text ? strlen (text) + 1 : 0;
}

/* What a result takes, but for the allocator's own. */
static gsize count_bytes (const WeirMetaObject *result)
{
  gsize n_bytes = sizeof *result;
  for (guint i = 0; i < result->attributes->len; i++) {
    const WeirMetaAttribute *attribute = &g_array_index (result->attributes, WeirMetaAttribute, i);
    n_bytes += sizeof *attribute + length_of (attribute->name) + length_of (attribute->model);
    for (guint k = 0; k < attribute->classes->len; k++)
      n_bytes += sizeof (WeirMetaClass) +
                 length_of (g_array_index (attribute->classes, WeirMetaClass, k).label);
  }
  for (guint i = 0; i < result->tensors->len; i++) {
    const WeirMetaTensor *tensor = &g_array_index (result->tensors, WeirMetaTensor, i);
    n_bytes += sizeof *tensor + length_of (tensor->name) + length_of (tensor->model) +
               tensor->n_elements * sizeof *tensor->data;
  }
  return n_bytes;
}

void weir_reclassify_store (WeirReclassify *known, const WeirFrameId *frame,
    const WeirMetaObject *object, guint first_attribute, guint first_tensor)
{
  WeirMetaObject *result = weir_meta_object_new ();
  weir_meta_object_append_results (result, object, first_attribute, first_tensor);
  result->x_min = object->x_min;
  result->y_min = object->y_min;
  result->x_max = object->x_max;
  result->y_max = object->y_max;
  const gsize n_bytes = count_bytes (result);
  g_mutex_lock (&known->lock);
  Track *track = find (known, object->track_id);
  if (track && n_bytes <= WEIR_RECLASSIFY_MAX_BYTES) {
    WeirMetaObject *old = track->result;
    track->result = g_steal_pointer (&result);
    result = old;
    known->n_bytes += n_bytes - track->n_bytes;
    track->n_bytes = n_bytes;
    track->stored = frame->number;
    g_free (track->stored_label);
    track->stored_label = g_strdup (object->label);
    drop_excess (known, frame->number);
  }
  g_mutex_unlock (&known->lock);
  weir_meta_object_free (result);
}

static void append_known (WeirMetaObject *object, const Track *track, guint age)
{
  const guint first_attribute = object->attributes->len, first_tensor = object->tensors->len;
  weir_meta_object_append_results (object, track->result, 0, 0);
  for (guint i = first_attribute; i < object->attributes->len; i++)
    g_array_index (object->attributes, WeirMetaAttribute, i).age = age;
  const WeirMetaObject *then = track->result;
  const gdouble src[4] = { then->x_min, then->y_min, then->x_max, then->y_max };
  const gdouble dst[4] = { object->x_min, object->y_min, object->x_max, object->y_max };
  for (guint i = first_tensor; i < object->tensors->len; i++) {
    WeirMetaTensor *tensor = &g_array_index (object->tensors, WeirMetaTensor, i);
    tensor->age = age;
    weir_meta_tensor_move (tensor, src, dst);
  }
}

gboolean weir_reclassify_recall (
    WeirReclassify *known, const WeirFrameId *frame, WeirMetaObject *object, guint *age)
{
  g_mutex_lock (&known->lock);
  Track *track = find (known, object->track_id);
  if (track) {
    see (known, track, frame->number);
    if (track->asked != NEVER && track->asked < frame->number && track->asked != track->stored)
      track->asked = NEVER;
  }
  const gboolean found = track && track->stored != NEVER && track->stored >= frame->first &&
                         g_strcmp0 (track->stored_label, object->label) == 0;
  if (found) {
    *age = (guint) MIN (frame->number - track->stored, G_MAXUINT);
    append_known (object, track, *age);
  }
  g_mutex_unlock (&known->lock);
  return found;
}

void weir_reclassify_clear (WeirReclassify *known)
{
  g_mutex_lock (&known->lock);
  g_hash_table_remove_all (known->tracks);
  g_queue_init (&known->order);
  known->n_bytes = 0;
  g_mutex_unlock (&known->lock);
}

guint weir_reclassify_n_tracks (WeirReclassify *known)
{
  g_mutex_lock (&known->lock);
  const guint n = known->order.length;
  g_mutex_unlock (&known->lock);
  return n;
}

gsize weir_reclassify_n_bytes (WeirReclassify *known)
{
  g_mutex_lock (&known->lock);
  const gsize n = known->n_bytes;
  g_mutex_unlock (&known->lock);
  return n;
}
