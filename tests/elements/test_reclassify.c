/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of what is known of tracks: when they are due, what is recalled, and that it stays
 * small. */
#include "element_kit.h"

#include "gst/reclassify.h"

static WeirMetaObject *new_object (guint64 track_id, const gchar *label)
{
  WeirMetaObject *object = weir_meta_object_new ();
  object->track_id = track_id;
  object->label = g_strdup (label);
  return object;
}

static void store (WeirReclassify *known, const WeirFrameId *frame, guint64 track_id,
    const gchar *label, gint value, gsize n_elements)
{
  g_autofree gfloat *data = g_new0 (gfloat, n_elements);
  const WeirNamedTensor tensor = {
    .name = "row", .rank = 1, .dims = { 1 }, .n_elements = n_elements, .data = data
  };
  WeirMetaObject *object = new_object (track_id, label);
  /* What another element gave before is not this table's. */
  weir_meta_attribute_add_class (
      weir_meta_object_add_attribute (object, "other", "net"), "x", -7, 1);
  weir_meta_object_add_tensor (object, &tensor, "other");
  weir_meta_attribute_add_class (
      weir_meta_object_add_attribute (object, "shade", "net"), "dark", value, 0.5);
  weir_meta_object_add_tensor (object, &tensor, "net");
  weir_reclassify_store (known, frame, object, 1, 1);
  weir_meta_object_free (object);
}

/* -1: nothing is known; else the value, and its age. */
static gint recall (WeirReclassify *known, const WeirFrameId *frame, guint64 track_id,
    const gchar *label, guint *age)
{
  WeirMetaObject *object = new_object (track_id, label);
  gint value = -1;
  if (weir_reclassify_recall (known, frame, object, age)) {
    ck_assert_uint_eq (object->attributes->len, 1);
    ck_assert_uint_eq (object->tensors->len, 1);
    const WeirMetaAttribute *attribute = &g_array_index (object->attributes, WeirMetaAttribute, 0);
    ck_assert_str_eq (attribute->name, "shade");
    ck_assert_uint_eq (attribute->age, *age);
    ck_assert_uint_eq (g_array_index (object->tensors, WeirMetaTensor, 0).age, *age);
    value = g_array_index (attribute->classes, WeirMetaClass, 0).label_id;
  } else {
    ck_assert_uint_eq (object->attributes->len + object->tensors->len, 0);
  }
  weir_meta_object_free (object);
  return value;
}

/* One step of a story about track 7. */
typedef struct Step {
  enum { END, ASK, STORE, RECALL, FAIL, FAIL_FRAME, CLEAR } what;
  guint64 frame, first;
  const gchar *label;
  gint n;        /* ASK: the interval; STORE, RECALL: the value */
  gint expected; /* ASK: whether it is due; RECALL: the age */
} Step;

#define MAX_STEPS 12

static const struct {
  const gchar *name;
  Step steps[MAX_STEPS];
} stories[] = {
  { "every frame",
      { { ASK, 0, 0, "a", 1, TRUE }, { ASK, 1, 0, "a", 1, TRUE }, { ASK, 2, 0, "a", 1, TRUE } } },
  { "every third frame",
      { { ASK, 0, 0, "a", 3, TRUE }, { ASK, 1, 0, "a", 3, FALSE }, { ASK, 2, 0, "a", 3, FALSE },
          { ASK, 3, 0, "a", 3, TRUE }, { ASK, 4, 0, "a", 3, FALSE }, { ASK, 9, 0, "a", 3, TRUE },
          { ASK, 11, 0, "a", 3, FALSE } } },
  { "once", { { ASK, 5, 0, "a", 0, TRUE }, { ASK, 6, 0, "a", 0, FALSE },
                { ASK, 300, 0, "a", 0, FALSE }, { ASK, 599, 0, "a", 0, FALSE } } },
  { "the interval changes",
      { { ASK, 0, 0, "a", 0, TRUE }, { ASK, 4, 0, "a", 5, FALSE }, { ASK, 4, 0, "a", 4, TRUE },
          { ASK, 5, 0, "a", 1, TRUE }, { ASK, 6, 0, "a", 0, FALSE } } },
  { "twice in a frame", { { ASK, 3, 0, "a", 0, TRUE }, { ASK, 3, 0, "a", 0, TRUE } } },
  { "another label, and back",
      { { ASK, 0, 0, "a", 0, TRUE }, { STORE, 0, 0, "a", 10, 0 }, { ASK, 1, 0, "b", 0, TRUE },
          { RECALL, 1, 0, "b", -1, 0 }, { STORE, 1, 0, "b", 11, 0 }, { RECALL, 2, 0, "b", 11, 1 },
          { RECALL, 2, 0, "a", -1, 0 }, { ASK, 2, 0, "a", 0, TRUE }, { ASK, 3, 0, NULL, 0, TRUE },
          { ASK, 4, 0, NULL, 0, FALSE } } },
  { "what was stored last is recalled with its age",
      { { ASK, 0, 0, "a", 1, TRUE }, { RECALL, 0, 0, "a", -1, 0 }, { STORE, 0, 0, "a", 10, 0 },
          { RECALL, 0, 0, "a", 10, 0 }, { RECALL, 2, 0, "a", 10, 2 }, { ASK, 3, 0, "a", 1, TRUE },
          { STORE, 3, 0, "a", 11, 0 }, { RECALL, 4, 0, "a", 11, 1 } } },
  { "a look that failed is due again, and what was known stays",
      { { ASK, 0, 0, "a", 0, TRUE }, { STORE, 0, 0, "a", 10, 0 }, { ASK, 1, 0, "b", 0, TRUE },
          { FAIL, 1, 0, "b", 0, 0 }, { ASK, 2, 0, "b", 0, TRUE }, { ASK, 3, 0, "b", 0, FALSE },
          { FAIL_FRAME, 2, 0, NULL, 0, 0 }, { ASK, 4, 0, "b", 0, TRUE },
          { RECALL, 4, 0, "a", 10, 4 } } },
  { "a failure of an earlier look than the last does not count",
      { { ASK, 0, 0, "a", 1, TRUE }, { ASK, 1, 0, "a", 1, TRUE }, { FAIL, 0, 0, "a", 0, 0 },
          { FAIL_FRAME, 0, 0, NULL, 0, 0 }, { ASK, 2, 0, "a", 0, FALSE } } },
  { "a frame that never left is looked at again",
      { { ASK, 0, 0, "a", 0, TRUE }, { ASK, 1, 0, "a", 0, FALSE }, { RECALL, 1, 0, "a", -1, 0 },
          { ASK, 2, 0, "a", 0, TRUE }, { RECALL, 2, 0, "a", -1, 0 }, { STORE, 2, 0, "a", 12, 0 },
          { RECALL, 3, 0, "a", 12, 1 }, { ASK, 4, 0, "a", 0, FALSE } } },
  { "frames in flight that have asked are waited for",
      { { ASK, 0, 0, "a", 2, TRUE }, { ASK, 2, 0, "a", 2, TRUE }, { STORE, 0, 0, "a", 10, 0 },
          { RECALL, 1, 0, "a", 10, 1 }, { ASK, 3, 0, "a", 2, FALSE }, { STORE, 2, 0, "a", 12, 0 },
          { RECALL, 3, 0, "a", 12, 1 } } },
  { "another stream: what is old serves old frames alone",
      { { ASK, 0, 0, "a", 0, TRUE }, { ASK, 2, 2, "a", 0, TRUE }, { STORE, 0, 0, "a", 10, 0 },
          { RECALL, 1, 0, "a", 10, 1 }, { RECALL, 2, 2, "a", -1, 0 }, { ASK, 3, 2, "a", 0, FALSE },
          { STORE, 2, 2, "a", 12, 0 }, { RECALL, 3, 2, "a", 12, 1 } } },
  { "cleared",
      { { ASK, 5, 0, "a", 0, TRUE }, { STORE, 5, 0, "a", 10, 0 }, { CLEAR, 0, 0, NULL, 0, 0 },
          { RECALL, 6, 0, "a", -1, 0 }, { ASK, 0, 0, "a", 0, TRUE } } },
};

static void take_step (WeirReclassify *known, const Step *step, const gchar *story, guint index)
{
  const WeirFrameId frame = { step->frame, step->first };
  guint age = 0;
  gint got;
  switch (step->what) {
  case ASK:
    got = weir_reclassify_ask (known, &frame, 7, step->label, (guint) step->n);
    ck_assert_msg (got == step->expected, "%s, step %u: due is %d", story, index, got);
    break;
  case STORE:
    store (known, &frame, 7, step->label, step->n, 1);
    break;
  case RECALL:
    got = recall (known, &frame, 7, step->label, &age);
    ck_assert_msg (got == step->n && (gint) age == step->expected,
        "%s, step %u: %d of %u frames ago", story, index, got, age);
    break;
  case FAIL:
    weir_reclassify_fail (known, &frame, 7);
    break;
  case FAIL_FRAME:
    weir_reclassify_fail_frame (known, &frame);
    break;
  case CLEAR:
    weir_reclassify_clear (known);
    break;
  case END:
    break;
  }
}

START_TEST (test_reclassify_story)
{
  WeirReclassify *known = weir_reclassify_new ();
  for (guint i = 0; i < MAX_STEPS; i++)
    take_step (known, &stories[_i].steps[i], stories[_i].name, i);
  weir_reclassify_free (known);
}
END_TEST

/* Two tracks whose numbers share their low 32 bits are two. */
START_TEST (test_reclassify_wide_ids)
{
  static const guint64 ids[] = { 1, 1 + (G_GUINT64_CONSTANT (1) << 32), G_MAXUINT64 };
  const WeirFrameId frame = { 0, 0 }, next = { 1, 0 };
  WeirReclassify *known = weir_reclassify_new ();
  guint age;
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++) {
    ck_assert (weir_reclassify_ask (known, &frame, ids[i], "a", 0));
    store (known, &frame, ids[i], "a", (gint) i, 1);
  }
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    ck_assert_int_eq (recall (known, &next, ids[i], "a", &age), (gint) i);
  weir_reclassify_free (known);
}
END_TEST

/* 100,000 tracks that come and go: those of the last frames are known, no more. */
START_TEST (test_reclassify_many_tracks)
{
  const guint n_frames = 10000, per_frame = 10;
  WeirReclassify *known = weir_reclassify_new ();
  guint most = 0, age;
  for (guint f = 0; f < n_frames; f++) {
    const WeirFrameId frame = { f, 0 };
    for (guint i = 0; i < per_frame; i++) {
      const guint64 id = 1 + f * per_frame + i;
      weir_reclassify_ask (known, &frame, id, "a", 0);
      if (i == 0) /* of the others the result never comes */
        store (known, &frame, id, "a", (gint) id, 1);
    }
    most = MAX (most, weir_reclassify_n_tracks (known));
  }
  const WeirFrameId last = { n_frames - 1, 0 };
  const guint64 oldest_kept = 1 + (n_frames - 1 - WEIR_RECLASSIFY_KEEP) * per_frame;
  ck_assert_uint_eq (most, (WEIR_RECLASSIFY_KEEP + 1) * per_frame);
  ck_assert_int_eq (recall (known, &last, oldest_kept, "a", &age), (gint) oldest_kept);
  ck_assert_uint_eq (age, WEIR_RECLASSIFY_KEEP);
  ck_assert_int_eq (recall (known, &last, oldest_kept - per_frame, "a", &age), -1);
  weir_reclassify_clear (known);
  ck_assert_uint_eq (weir_reclassify_n_tracks (known), 0);
  ck_assert_uint_eq (weir_reclassify_n_bytes (known), 0);
  weir_reclassify_free (known);
}
END_TEST

/* All in one frame: the last ones stay, and whoever was dropped is looked at again. */
START_TEST (test_reclassify_crowd)
{
  const guint n_tracks = 100000, max = WEIR_RECLASSIFY_MAX_TRACKS;
  const WeirFrameId frame = { 3, 0 }, next = { 4, 0 };
  WeirReclassify *known = weir_reclassify_new ();
  guint age;
  for (guint i = 0; i < n_tracks; i++)
    weir_reclassify_ask (known, &frame, 1 + i, "a", 0);
  ck_assert_uint_eq (weir_reclassify_n_tracks (known), max);
  for (guint i = n_tracks - max - 100; i < n_tracks; i++)
    store (known, &frame, 1 + i, "a", (gint) i, 1);
  ck_assert_uint_eq (weir_reclassify_n_tracks (known), max);
  ck_assert_int_eq (recall (known, &next, n_tracks - max, "a", &age), -1);
  ck_assert_int_eq (recall (known, &next, n_tracks - max + 1, "a", &age), (gint) (n_tracks - max));
  ck_assert (!weir_reclassify_ask (known, &next, n_tracks, "a", 0));
  ck_assert (weir_reclassify_ask (known, &next, 1, "a", 0));
  weir_reclassify_free (known);
}
END_TEST

/* Large results: a megabyte each. */
START_TEST (test_reclassify_large_results)
{
  const guint n_tracks = 200;
  const gsize n_elements = 1u << 18;
  WeirReclassify *known = weir_reclassify_new ();
  guint age;
  for (guint i = 0; i < n_tracks; i++) {
    const WeirFrameId frame = { i, 0 };
    weir_reclassify_ask (known, &frame, 1 + i, "a", 0);
    store (known, &frame, 1 + i, "a", (gint) i, n_elements);
    ck_assert_uint_le (weir_reclassify_n_bytes (known), WEIR_RECLASSIFY_MAX_BYTES);
    ck_assert_uint_ge (
        weir_reclassify_n_bytes (known), MIN (i + 1, 60) * n_elements * sizeof (gfloat));
  }
  const WeirFrameId last = { n_tracks, 0 };
  ck_assert_int_eq (recall (known, &last, n_tracks, "a", &age), (gint) n_tracks - 1);
  ck_assert_int_eq (recall (known, &last, 1, "a", &age), -1);
  /* One that alone is too large is not kept, drops no others, and is looked at again. */
  const WeirFrameId after = { n_tracks + 1, 0 };
  const gsize n_bytes = weir_reclassify_n_bytes (known);
  weir_reclassify_ask (known, &last, 999, "a", 0);
  store (known, &last, 999, "a", 1, WEIR_RECLASSIFY_MAX_BYTES / sizeof (gfloat));
  ck_assert_uint_eq (weir_reclassify_n_bytes (known), n_bytes);
  ck_assert_int_eq (recall (known, &after, 999, "a", &age), -1);
  ck_assert (weir_reclassify_ask (known, &after, 999, "a", 0));
  weir_reclassify_free (known);
}
END_TEST

int main (int argc, char **argv)
{
  TCase *tcase = tcase_create ("reclassify");
  gst_init (&argc, &argv);
  tcase_add_loop_test (tcase, test_reclassify_story, 0, G_N_ELEMENTS (stories));
  tcase_add_test (tcase, test_reclassify_wide_ids);
  tcase_add_test (tcase, test_reclassify_many_tracks);
  tcase_add_test (tcase, test_reclassify_crowd);
  tcase_add_test (tcase, test_reclassify_large_results);
  return kit_run (tcase);
}
