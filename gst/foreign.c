/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything that stands for an object is gathered into one list: regions of interest, then
 * analytics objects, ours and foreign ones. Tables instead of searches: a frame may have hundreds
 * of each. */
#include "gst/foreign.h"

#include "gst/analytics.h"
#include "gst/attach.h"
#include "gst/roi.h"
#include <math.h>

typedef struct Seen {
  WeirForeign object;
  gint own; /* index of the object of WeirMeta that it stands for; -1: foreign */
} Seen;

typedef struct Gathering {
  GstBuffer *buffer;
  const WeirMeta *meta;
  const WeirFrame *frame;
  GArray *seen;             /* Seen; has its final size reserved, so that pointers into it hold */
  GHashTable *by_region;    /* region id → index of the object + 1 */
  GHashTable *by_analytics; /* analytics id → index of the object + 1 */
  GHashTable *places;       /* Seen without analytics object, by box and label */
} Gathering;

static guint hash_place (gconstpointer key)
{
  const WeirForeign *object = key;
  const guint64 odd = G_GUINT64_CONSTANT (0x9e3779b97f4a7c15); /* a grid of boxes is spread well */
  guint64 hash = GPOINTER_TO_SIZE (object->label);
  hash = (hash ^ ((guint64) object->box.x_px << 32 | object->box.y_px)) * odd;
  hash = (hash ^ hash >> 32 ^ ((guint64) object->box.width_px << 32 | object->box.height_px)) * odd;
  return (guint) (hash >> 32);
}

static gboolean is_same_place (gconstpointer key_a, gconstpointer key_b)
{
  const WeirForeign *a = key_a, *b = key_b;
  return a->label == b->label && a->box.x_px == b->box.x_px && a->box.y_px == b->box.y_px &&
         a->box.width_px == b->box.width_px && a->box.height_px == b->box.height_px;
}

static gdouble sane_confidence (gdouble confidence)
{
  return isnan (confidence) ? 0 : CLAMP (confidence, 0, 1);
}

/* The object of WeirMeta that has this id and this box; -1: none. */
static gint find_own (const Gathering *self, GHashTable *table, gint id, const WeirBox *box)
{
  const gint index = GPOINTER_TO_INT (g_hash_table_lookup (table, GINT_TO_POINTER (id))) - 1;
  if (index < 0)
    return -1;
  const WeirBox own = weir_meta_object_box (
      &g_array_index (self->meta->objects, WeirMetaObject, index), self->frame);
  return weir_box_is_near (box, &own, self->frame) ? index : -1;
}

static void see_roi (Gathering *self, GstVideoRegionOfInterestMeta *roi)
{
  Seen seen = { .object = { .stated = weir_roi_box (roi),
                    .label = g_quark_to_string (roi->roi_type),
                    .roi = roi,
                    .analytics_id = -1,
                    .parent_analytics_id = -1 } };
  const gboolean is_inside = weir_box_clip (&seen.object.stated, self->frame, &seen.object.box);
  seen.own = find_own (self, self->by_region, roi->id, &seen.object.stated);
  if (seen.own < 0 && !is_inside)
    return;
  const GstStructure *detection = gst_video_region_of_interest_meta_get_param (roi, "detection");
  if (detection) {
    gst_structure_get_double (detection, "confidence", &seen.object.confidence);
    gst_structure_get_int (detection, "label_id", &seen.object.label_id);
  }
  seen.object.confidence = sane_confidence (seen.object.confidence);
  seen.object.track_id = weir_roi_track_id (roi);
  g_array_append_val (self->seen, seen);
  g_hash_table_add (self->places, &g_array_index (self->seen, Seen, self->seen->len - 1));
}

/* The region of interest that stands for the same object as this analytics object; NULL: none. */
static Seen *take_twin (Gathering *self, const WeirForeign *object)
{
  Seen *twin = g_hash_table_lookup (self->places, object);
  if (!twin)
    return NULL;
  if (twin->own >= 0 &&
      weir_analytics_has (self->buffer,
          &g_array_index (self->meta->objects, WeirMetaObject, twin->own), self->frame))
    return NULL;
  g_hash_table_remove (self->places, twin);
  return twin;
}

static void see_analytics (Gathering *self, const WeirAnalyticsObject *found)
{
  Seen seen = { .object = { .stated = found->box,
                    .label = found->label,
                    .confidence = sane_confidence ((gdouble) found->confidence),
                    .track_id = found->track_id,
                    .analytics_id = found->id,
                    .parent_analytics_id = found->parent_id } };
  const gboolean is_inside = weir_box_clip (&found->box, self->frame, &seen.object.box);
  seen.own = find_own (self, self->by_analytics, found->id, &found->box);
  if (seen.own < 0) {
    if (!is_inside)
      return;
    Seen *twin = take_twin (self, &seen.object);
    if (twin) {
      twin->object.analytics_id = found->id;
      twin->object.parent_analytics_id = seen.object.parent_analytics_id;
      if (twin->object.track_id == 0)
        twin->object.track_id = seen.object.track_id;
      return;
    }
  }
  g_array_append_val (self->seen, seen);
}

static void index_objects (Gathering *self)
{
  for (guint i = 0; self->meta && i < self->meta->objects->len; i++) {
    const WeirMetaObject *object = &g_array_index (self->meta->objects, WeirMetaObject, i);
    if (!object->is_detection)
      continue;
    g_hash_table_insert (
        self->by_region, GUINT_TO_POINTER (object->region_id), GUINT_TO_POINTER (i + 1));
    if (object->analytics_id >= 0)
      g_hash_table_insert (
          self->by_analytics, GINT_TO_POINTER (object->analytics_id), GUINT_TO_POINTER (i + 1));
  }
}

/* The array of Seen; NULL where the buffer has no public meta. */
static GArray *gather (GstBuffer *buffer, const WeirMeta *meta, const WeirFrame *frame)
{
  g_autoptr (GArray) found = weir_analytics_list (buffer);
  const guint n_found = found ? found->len : 0;
  const guint n =
      gst_buffer_get_n_meta (buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE) + n_found;
  if (n == 0)
    return NULL;
  g_autoptr (GHashTable) by_region = g_hash_table_new (NULL, NULL);
  g_autoptr (GHashTable) by_analytics = g_hash_table_new (NULL, NULL);
  g_autoptr (GHashTable) places = g_hash_table_new (hash_place, is_same_place);
  Gathering self = { .buffer = buffer,
    .meta = meta,
    .frame = frame,
    .seen = g_array_sized_new (FALSE, FALSE, sizeof (Seen), n),
    .by_region = by_region,
    .by_analytics = by_analytics,
    .places = places };
  gpointer state = NULL;
  index_objects (&self);
  for (GstVideoRegionOfInterestMeta *roi; (roi = weir_roi_next (buffer, &state));)
    see_roi (&self, roi);
  for (guint i = 0; i < n_found; i++)
    see_analytics (&self, &g_array_index (found, WeirAnalyticsObject, i));
  return self.seen;
}

/* What a tracker said last of our objects. */
static void read_tracks (const WeirMeta *meta, const GArray *seen, guint64 *track_ids)
{
  for (guint i = 0; meta && i < meta->objects->len; i++)
    track_ids[i] = g_array_index (meta->objects, WeirMetaObject, i).track_id;
  for (guint i = 0; seen && i < seen->len; i++) {
    const Seen *s = &g_array_index (seen, Seen, i);
    if (s->own >= 0 && s->object.track_id != 0)
      track_ids[s->own] = s->object.track_id;
  }
}

GArray *weir_foreign_list (
    GstBuffer *buffer, const WeirMeta *meta, const WeirFrame *frame, guint64 *own_track_ids)
{
  g_autoptr (GArray) seen = gather (buffer, meta, frame);
  GArray *list = g_array_new (FALSE, FALSE, sizeof (WeirForeign));
  for (guint i = 0; seen && i < seen->len; i++)
    if (g_array_index (seen, Seen, i).own < 0)
      g_array_append_val (list, g_array_index (seen, Seen, i).object);
  if (own_track_ids)
    read_tracks (meta, seen, own_track_ids);
  return list;
}

/* Import -------------------------------------------------------------------------------------- */

typedef struct Import {
  WeirMeta *meta;
  guint n_own; /* objects before the import */
  guint next_id;
  GArray *seen;             /* Seen */
  GHashTable *by_own;       /* region id of an object before the import → its index + 1 */
  GHashTable *by_roi;       /* id that a foreign region of interest came with → likewise */
  GHashTable *by_analytics; /* analytics id → likewise */
} Import;

static guint lookup (GHashTable *table, gint id)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (table, GINT_TO_POINTER (id)));
}

static void note (GHashTable *table, gint id, guint index)
{
  g_hash_table_insert (table, GINT_TO_POINTER (id), GUINT_TO_POINTER (index + 1));
}

/* What others have attached to an object of ours since. */
static void update_own (WeirMetaObject *object, const WeirForeign *seen)
{
  if (seen->track_id != 0)
    object->track_id = seen->track_id;
  if (seen->analytics_id >= 0)
    object->analytics_id = seen->analytics_id;
}

/* The object's region id: that of its region of interest where it is a free one. */
static guint choose_region_id (Import *self, const WeirForeign *foreign)
{
  GstVideoRegionOfInterestMeta *roi = foreign->roi;
  if (!roi)
    return self->next_id++;
  const gint id = roi->id;
  const gboolean is_first = lookup (self->by_roi, id) == 0;
  if (is_first)
    note (self->by_roi, id, self->meta->objects->len);
  if (id <= 0 || id > WEIR_MAX_REGION_ID || !is_first || lookup (self->by_own, id) > 0)
    roi->id = (gint) self->next_id++;
  return (guint) roi->id;
}

static void add_object (Import *self, const WeirForeign *foreign, const WeirFrame *frame)
{
  const guint region_id = choose_region_id (self, foreign);
  WeirMetaObject *object = weir_meta_add_object (self->meta);
  object->region_id = region_id;
  object->analytics_id = foreign->analytics_id;
  object->box = foreign->stated;
  object->track_id = foreign->track_id;
  object->is_detection = TRUE;
  object->x_min = (gdouble) foreign->box.x_px / frame->width_px;
  object->y_min = (gdouble) foreign->box.y_px / frame->height_px;
  object->x_max = ((gdouble) foreign->box.x_px + foreign->box.width_px) / frame->width_px;
  object->y_max = ((gdouble) foreign->box.y_px + foreign->box.height_px) / frame->height_px;
  object->confidence = foreign->confidence;
  object->label_id = foreign->label_id;
  object->label = g_strdup (foreign->label);
}

static void take_in (Import *self, Seen *seen, const WeirFrame *frame)
{
  const guint index = seen->own < 0 ? self->meta->objects->len : (guint) seen->own;
  if (seen->object.analytics_id >= 0)
    note (self->by_analytics, seen->object.analytics_id, index);
  if (seen->own < 0)
    add_object (self, &seen->object, frame);
  else
    update_own (&g_array_index (self->meta->objects, WeirMetaObject, index), &seen->object);
}

/* Index + 1 of the object that a foreign one names as its parent; 0: none that is known. An id that
 * several have means the foreign one: whoever wrote it knew of no other. */
static guint find_parent (const Import *self, const WeirForeign *foreign)
{
  const gint id = foreign->roi ? foreign->roi->parent_id : 0;
  guint parent = id > 0 ? lookup (self->by_roi, id) : 0;
  if (parent == 0 && id > 0)
    parent = lookup (self->by_own, id);
  if (parent == 0 && foreign->parent_analytics_id >= 0)
    parent = lookup (self->by_analytics, foreign->parent_analytics_id);
  return parent;
}

static void set_parent (Import *self, const WeirForeign *foreign, guint index, guint parent)
{
  WeirMetaObject *objects = (WeirMetaObject *) self->meta->objects->data;
  objects[index].parent_id = parent > 0 ? objects[parent - 1].region_id : 0;
  if (foreign->roi)
    foreign->roi->parent_id = (gint) objects[index].parent_id;
}

/* Where the chain of parents from `start` comes back to itself, the last object of the circle loses
 * its parent. `walks` says by which start an object was seen first: one start sees each once. */
static void break_circle (guint *parents, guint *walks, guint start)
{
  guint at = start;
  while (at > 0 && walks[at - 1] == 0) {
    walks[at - 1] = start;
    at = parents[at - 1];
  }
  if (at == 0 || walks[at - 1] != start)
    return;
  guint last = at;
  for (guint i = parents[at - 1]; i != at; i = parents[i - 1])
    last = MAX (last, i);
  parents[last - 1] = 0;
}

/* Parents of the new objects. One that would close a circle is none. */
static void set_parents (Import *self)
{
  const guint n = self->meta->objects->len;
  g_autofree guint *parents = g_new0 (guint, n), *walks = g_new0 (guint, n); /* index + 1 */
  guint index = self->n_own;
  for (guint i = 0; i < self->seen->len; i++) {
    const Seen *seen = &g_array_index (self->seen, Seen, i);
    if (seen->own < 0)
      parents[index++] = find_parent (self, &seen->object);
  }
  for (guint i = self->n_own; i < n; i++)
    break_circle (parents, walks, i + 1);
  index = self->n_own;
  for (guint i = 0; i < self->seen->len; i++) {
    const Seen *seen = &g_array_index (self->seen, Seen, i);
    if (seen->own < 0) {
      set_parent (self, &seen->object, index, parents[index]);
      index++;
    }
  }
}

void weir_foreign_import (GstBuffer *buffer, WeirMeta *meta, const WeirFrame *frame)
{
  g_autoptr (GArray) seen = gather (buffer, meta, frame);
  if (!seen)
    return;
  g_autoptr (GHashTable) by_own = g_hash_table_new (NULL, NULL);
  g_autoptr (GHashTable) by_roi = g_hash_table_new (NULL, NULL);
  g_autoptr (GHashTable) by_analytics = g_hash_table_new (NULL, NULL);
  Import self = { .meta = meta,
    .n_own = meta->objects->len,
    .next_id = weir_attach_next_id (buffer, meta),
    .seen = seen,
    .by_own = by_own,
    .by_roi = by_roi,
    .by_analytics = by_analytics };
  for (guint i = 0; i < self.n_own; i++)
    note (by_own, (gint) g_array_index (meta->objects, WeirMetaObject, i).region_id, i);
  for (guint i = 0; i < seen->len; i++)
    take_in (&self, &g_array_index (seen, Seen, i), frame);
  set_parents (&self);
}
