/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inferpublish: what a consumer of its JSON relies on. */
#include "gst/meta.h"
#include "gst/publish.h"
#include "tests/elements/schema_check.h"
#include "tests/slowdown.h"

#include <float.h>
#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <json-glib/json-glib.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#define CAPS "video/x-raw,format=GRAY8,width=64,height=32,framerate=25/1"

static char *dir;

static char *path_of (const char *name)
{
  return g_build_filename (dir, name, NULL);
}

static void make_dir (void)
{
  dir = g_dir_make_tmp ("weir-publish-XXXXXX", NULL);
  ck_assert (dir != NULL);
}

static void remove_dir (void)
{
  GDir *entries = g_dir_open (dir, 0, NULL);
  const char *name;
  while ((name = g_dir_read_name (entries))) {
    g_autofree char *path = path_of (name);
    g_unlink (path);
  }
  g_dir_close (entries);
  g_rmdir (dir);
  g_clear_pointer (&dir, g_free);
}

static GstHarness *harness_new (const char *location, const char *properties)
{
  g_autofree char *launch =
      g_strdup_printf ("inferpublish name=cam0 location=%s %s", location, properties);
  GstHarness *h = gst_harness_new_parse (launch);
  gst_harness_set_src_caps_str (h, CAPS);
  return h;
}

static GstBuffer *buffer_new (GstClockTime pts)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 64 * 32, NULL);
  GST_BUFFER_PTS (buffer) = pts;
  return buffer;
}

static void push (GstHarness *h, GstBuffer *buffer)
{
  ck_assert_int_eq (gst_harness_push (h, buffer), GST_FLOW_OK);
}

static WeirMetaObject *add_face (WeirMeta *meta)
{
  WeirMetaObject *object = weir_meta_add_object (meta);
  object->region_id = 3;
  object->parent_id = 1;
  object->is_detection = TRUE;
  object->x_min = 0.26;
  object->y_min = 0.25;
  object->x_max = 0.51;
  object->y_max = 0.76;
  object->confidence = 0.9812345;
  object->label_id = 1;
  object->label = g_strdup ("face");
  return object;
}

/* The file's lines as parsed objects, each checked against the schema. */
static JsonArray *read_lines (const char *path)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  JsonArray *array = json_array_new ();
  ck_assert (g_file_get_contents (path, &text, NULL, NULL));
  ck_assert (!*text || g_str_has_suffix (text, "\n"));
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line && **line; line++) {
    g_autoptr (GError) error = NULL;
    JsonNode *node = json_from_string (*line, &error);
    ck_assert_msg (node != NULL, "%s: %s", error ? error->message : "", *line);
    schema_check (node);
    json_array_add_element (array, node);
  }
  return array;
}

static JsonObject *member (JsonObject *object, const char *name)
{
  ck_assert_msg (json_object_has_member (object, name), "no member %s", name);
  return json_object_get_object_member (object, name);
}

START_TEST (test_publish_fields)
{
  g_autofree char *path = path_of ("fields.jsonl");
  GstHarness *h = harness_new (path, "");
  GstBuffer *buffer = buffer_new (400000000);
  WeirMeta *meta = weir_buffer_ensure_meta (buffer);
  meta->status = WEIR_STATUS_INFERRED;
  meta->stream = g_strdup ("north gate");
  meta->frame = 12;
  WeirMetaObject *face = add_face (meta);
  WeirMetaAttribute *emotion = weir_meta_object_add_attribute (face, "emotion", "emotions-0003");
  weir_meta_attribute_add_class (emotion, "happy", 1, 0.9);
  weir_meta_attribute_add_class (emotion, "sad", 2, 0.0625);
  float age[2] = { 0.31f, -1.5e-7f };
  WeirNamedTensor tensor = {
    .name = "age_conv3", .rank = 2, .dims = { 1, 2 }, .n_elements = 2, .data = age
  };
  weir_meta_object_add_tensor (face, &tensor, "age-0013");
  push (h, buffer);
  gst_harness_teardown (h);

  g_autoptr (JsonArray) lines = read_lines (path);
  ck_assert_uint_eq (json_array_get_length (lines), 1);
  JsonObject *frame = json_array_get_object_element (lines, 0);
  ck_assert_str_eq (json_object_get_string_member (frame, "schema"), "weir/1");
  ck_assert_str_eq (json_object_get_string_member (frame, "stream"), "north gate");
  ck_assert_int_eq (json_object_get_int_member (frame, "frame"), 12);
  ck_assert_int_eq (json_object_get_int_member (frame, "timestamp"), 400000000);
  ck_assert_int_eq (json_object_get_int_member (member (frame, "resolution"), "width"), 64);
  ck_assert_int_eq (json_object_get_int_member (member (frame, "resolution"), "height"), 32);
  ck_assert_str_eq (json_object_get_string_member (frame, "status"), "inferred");
  ck_assert (!json_object_has_member (frame, "reason"));
  JsonObject *o =
      json_array_get_object_element (json_object_get_array_member (frame, "objects"), 0);
  /* 0.26 * 64 = 16.64 -> 16; 0.51 * 64 = 32.64 -> 33; 0.25 * 32 = 8; 0.76 * 32 = 24.3 -> 25 */
  ck_assert_int_eq (json_object_get_int_member (o, "x"), 16);
  ck_assert_int_eq (json_object_get_int_member (o, "y"), 8);
  ck_assert_int_eq (json_object_get_int_member (o, "w"), 17);
  ck_assert_int_eq (json_object_get_int_member (o, "h"), 17);
  ck_assert_int_eq (json_object_get_int_member (o, "region_id"), 3);
  ck_assert_int_eq (json_object_get_int_member (o, "parent_id"), 1);
  ck_assert_str_eq (json_object_get_string_member (o, "roi_type"), "face");
  JsonObject *detection = member (o, "detection");
  ck_assert (fabs (json_object_get_double_member (detection, "confidence") - 0.9812345) <= 1e-8);
  ck_assert_str_eq (json_object_get_string_member (detection, "label"), "face");
  ck_assert_int_eq (json_object_get_int_member (detection, "label_id"), 1);
  JsonObject *box = member (detection, "bounding_box");
  ck_assert (fabs (json_object_get_double_member (box, "x_min") - 0.26) <= 1e-9);
  ck_assert (fabs (json_object_get_double_member (box, "y_max") - 0.76) <= 1e-9);
  JsonObject *attribute = member (o, "emotion");
  ck_assert_str_eq (json_object_get_string_member (attribute, "label"), "happy");
  ck_assert_str_eq (
      json_object_get_string_member (member (attribute, "model"), "name"), "emotions-0003");
  JsonArray *others = json_object_get_array_member (attribute, "others");
  ck_assert_uint_eq (json_array_get_length (others), 1);
  ck_assert_str_eq (
      json_object_get_string_member (json_array_get_object_element (others, 0), "label"), "sad");
  JsonObject *t = json_array_get_object_element (json_object_get_array_member (o, "tensors"), 0);
  ck_assert_str_eq (json_object_get_string_member (t, "name"), "age_conv3");
  ck_assert_uint_eq (json_array_get_length (json_object_get_array_member (t, "dims")), 2);
  JsonArray *data = json_object_get_array_member (t, "data");
  ck_assert ((float) json_array_get_double_element (data, 0) == age[0]);
  ck_assert ((float) json_array_get_double_element (data, 1) == age[1]);
}
END_TEST

static JsonObject *first_object (JsonArray *lines, guint line)
{
  JsonObject *frame = json_array_get_object_element (lines, line);
  return json_array_get_object_element (json_object_get_array_member (frame, "objects"), 0);
}

/* What a network reads (a text, an age) is no class, and may come without a confidence. */
START_TEST (test_publish_texts)
{
  g_autofree char *path = path_of ("texts.jsonl");
  GstHarness *h = harness_new (path, "");
  GstBuffer *buffer = buffer_new (0);
  WeirMetaObject *face = add_face (weir_buffer_ensure_meta (buffer));
  weir_meta_attribute_add_class (
      weir_meta_object_add_attribute (face, "plate", "lpr"), "AB 12", WEIR_NO_CLASS, NAN);
  weir_meta_attribute_add_class (
      weir_meta_object_add_attribute (face, "word", "ocr"), "exit", WEIR_NO_CLASS, 0.5);
  push (h, buffer);
  gst_harness_teardown (h);

  g_autoptr (JsonArray) lines = read_lines (path);
  JsonObject *o = first_object (lines, 0);
  JsonObject *plate = member (o, "plate"), *word = member (o, "word");
  ck_assert_str_eq (json_object_get_string_member (plate, "label"), "AB 12");
  ck_assert_str_eq (json_object_get_string_member (member (plate, "model"), "name"), "lpr");
  ck_assert (!json_object_has_member (plate, "label_id"));
  ck_assert (!json_object_has_member (plate, "confidence"));
  ck_assert (!json_object_has_member (word, "label_id"));
  ck_assert (json_object_get_double_member (word, "confidence") == 0.5);
}
END_TEST

/* A number where the object is tracked, an age where something is not of this frame; and neither
 * anywhere else. An attribute may be called "id". */
START_TEST (test_publish_tracks)
{
  static const guint64 track_ids[] = { 0, 7, G_MAXINT64 };
  static const guint ages[] = { 0, 3, G_MAXUINT };
  g_autofree char *path = path_of ("tracks.jsonl");
  float values[] = { 0.5f };
  WeirNamedTensor tensor = {
    .name = "row", .rank = 1, .dims = { 1 }, .n_elements = 1, .data = values
  };
  GstHarness *h = harness_new (path, "");
  for (guint i = 0; i < G_N_ELEMENTS (ages); i++) {
    GstBuffer *buffer = buffer_new (i);
    WeirMetaObject *face = add_face (weir_buffer_ensure_meta (buffer));
    WeirMetaAttribute *name = weir_meta_object_add_attribute (face, "id", "names");
    weir_meta_attribute_add_class (name, "Ada", 1, 0.5);
    face->track_id = track_ids[i];
    name->age = ages[i];
    weir_meta_object_add_tensor (face, &tensor, NULL)->age = ages[i];
    push (h, buffer);
  }
  gst_harness_teardown (h);

  g_autoptr (JsonArray) lines = read_lines (path);
  for (guint i = 0; i < G_N_ELEMENTS (ages); i++) {
    JsonObject *o = first_object (lines, i), *name = member (o, "id_2");
    JsonObject *t = json_array_get_object_element (json_object_get_array_member (o, "tensors"), 0);
    ck_assert_int_eq (json_object_has_member (o, "id"), track_ids[i] != 0);
    ck_assert_int_eq (json_object_get_int_member_with_default (o, "id", 0), (gint64) track_ids[i]);
    ck_assert_int_eq (json_object_has_member (name, "age"), ages[i] != 0);
    ck_assert_int_eq (json_object_get_int_member_with_default (name, "age", 0), ages[i]);
    ck_assert_int_eq (json_object_has_member (t, "age"), ages[i] != 0);
    ck_assert_int_eq (json_object_get_int_member_with_default (t, "age", 0), ages[i]);
  }
}
END_TEST

START_TEST (test_publish_whole_picture)
{
  g_autofree char *path = path_of ("whole.jsonl");
  GstHarness *h = harness_new (path, "");
  GstBuffer *buffer = buffer_new (GST_CLOCK_TIME_NONE);
  WeirMetaObject *object = weir_meta_add_object (weir_buffer_ensure_meta (buffer));
  weir_meta_attribute_add_class (
      weir_meta_object_add_attribute (object, "classification", NULL), "cat", 5, 0.75);
  push (h, buffer);
  gst_harness_teardown (h);

  g_autoptr (JsonArray) lines = read_lines (path);
  JsonObject *frame = json_array_get_object_element (lines, 0);
  ck_assert (!json_object_has_member (frame, "timestamp"));
  JsonObject *o =
      json_array_get_object_element (json_object_get_array_member (frame, "objects"), 0);
  ck_assert (!json_object_has_member (o, "detection"));
  ck_assert_int_eq (json_object_get_int_member (o, "x"), 0);
  ck_assert_int_eq (json_object_get_int_member (o, "y"), 0);
  ck_assert_int_eq (json_object_get_int_member (o, "w"), 64);
  ck_assert_int_eq (json_object_get_int_member (o, "h"), 32);
  ck_assert_str_eq (json_object_get_string_member (member (o, "classification"), "label"), "cat");
}
END_TEST

START_TEST (test_publish_without_meta)
{
  g_autofree char *path = path_of ("none.jsonl");
  GstHarness *h = harness_new (path, "");
  for (guint i = 0; i < 3; i++) {
    GstBuffer *buffer = buffer_new (i * GST_SECOND), *passed;
    gst_buffer_ref (buffer); /* shared: it must pass without a copy all the same */
    push (h, buffer);
    passed = gst_harness_pull (h);
    ck_assert_ptr_eq (passed, buffer);
    gst_buffer_unref (passed);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);

  g_autoptr (JsonArray) lines = read_lines (path);
  ck_assert_uint_eq (json_array_get_length (lines), 3);
  JsonObject *frame = json_array_get_object_element (lines, 2);
  ck_assert_str_eq (json_object_get_string_member (frame, "stream"), "cam0");
  ck_assert_int_eq (json_object_get_int_member (frame, "frame"), 2);
  ck_assert_str_eq (json_object_get_string_member (frame, "status"), "skipped");
  ck_assert_str_eq (json_object_get_string_member (frame, "reason"), "no inference upstream");
  ck_assert_uint_eq (json_array_get_length (json_object_get_array_member (frame, "objects")), 0);
}
END_TEST

static const struct {
  WeirStatus status;
  const char *reason, *expected, *expected_reason;
} statuses[] = {
  { WEIR_STATUS_SKIPPED, "queue is full", "skipped", "queue is full" },
  { WEIR_STATUS_FAILED, NULL, "failed", "not given" },
  { WEIR_STATUS_REUSED, "interval", "reused", "interval" },
};

START_TEST (test_publish_status)
{
  g_autofree char *path = path_of ("status.jsonl");
  GstHarness *h = harness_new (path, "");
  GstBuffer *buffer = buffer_new (0);
  WeirMeta *meta = weir_buffer_ensure_meta (buffer);
  meta->status = statuses[_i].status;
  meta->reason = g_strdup (statuses[_i].reason);
  meta->reused_age = 2;
  push (h, buffer);
  gst_harness_teardown (h);

  g_autoptr (JsonArray) lines = read_lines (path);
  JsonObject *frame = json_array_get_object_element (lines, 0);
  ck_assert_str_eq (json_object_get_string_member (frame, "status"), statuses[_i].expected);
  ck_assert_str_eq (json_object_get_string_member (frame, "reason"), statuses[_i].expected_reason);
  ck_assert_int_eq (
      json_object_has_member (frame, "age"), statuses[_i].status == WEIR_STATUS_REUSED);
}
END_TEST

/* Strings and numbers that a careless writer gets wrong, in a locale with a decimal comma if there
 * is one. */
START_TEST (test_publish_hostile_values)
{
  static const char label[] = "a\"b\\c\n\t\x01 \xc3\xa9 \xff";
  static const char *const comma_locales[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR" };
  float data[] = { NAN, INFINITY, -INFINITY, 0.5f, FLT_MAX };
  WeirNamedTensor tensor = { .name = "t", .rank = 1, .dims = { 5 }, .n_elements = 5, .data = data };
  g_autofree char *path = path_of ("hostile.jsonl");
  for (guint i = 0; i < G_N_ELEMENTS (comma_locales); i++)
    if (setlocale (LC_NUMERIC, comma_locales[i]))
      break;
  GstHarness *h = harness_new (path, "");
  GstBuffer *buffer = buffer_new (0);
  WeirMetaObject *face = add_face (weir_buffer_ensure_meta (buffer));
  g_free (face->label);
  face->label = g_strdup (label);
  face->confidence = NAN;
  static const char *const names[] = { "x", "age", "age", "detection", "tensors" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    weir_meta_attribute_add_class (
        weir_meta_object_add_attribute (face, names[i], NULL), NULL, (gint) i, 0.5);
  weir_meta_object_add_tensor (face, &tensor, NULL);
  push (h, buffer);
  gst_harness_teardown (h);
  setlocale (LC_NUMERIC, "C");

  g_autoptr (JsonArray) lines = read_lines (path);
  JsonObject *o = json_array_get_object_element (
      json_object_get_array_member (json_array_get_object_element (lines, 0), "objects"), 0);
  ck_assert_str_eq (
      json_object_get_string_member (o, "roi_type"), "a\"b\\c\n\t\x01 \xc3\xa9 \xef\xbf\xbd");
  ck_assert (json_object_get_null_member (member (o, "detection"), "confidence"));
  ck_assert_int_eq (json_object_get_int_member (o, "x"), 16);
  static const char *const keys[] = { "x_2", "age", "age_2", "detection_2", "tensors_2" };
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    ck_assert_int_eq (json_object_get_int_member (member (o, keys[i]), "label_id"), (gint) i);
  JsonArray *values = json_object_get_array_member (
      json_array_get_object_element (json_object_get_array_member (o, "tensors"), 0), "data");
  for (guint i = 0; i < 3; i++)
    ck_assert (json_array_get_null_element (values, i));
  ck_assert ((float) json_array_get_double_element (values, 4) == FLT_MAX);
}
END_TEST

static JsonArray *read_array (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  ck_assert_msg (
      json_parser_load_from_file (parser, path, &error), "%s", error ? error->message : "");
  return json_array_ref (json_node_get_array (json_parser_get_root (parser)));
}

START_TEST (test_publish_array)
{
  g_autofree char *path = path_of ("array.json");
  GstHarness *h = harness_new (path, "format=json");
  for (guint i = 0; i < (guint) _i; i++)
    push (h, buffer_new (i));
  ck_assert (gst_harness_push_event (h, gst_event_new_eos ()));
  g_autoptr (JsonArray) at_eos = read_array (path);
  ck_assert_uint_eq (json_array_get_length (at_eos), (guint) _i);
  /* A seek: more frames after the end. */
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  push (h, buffer_new (9));
  gst_harness_teardown (h);
  g_autoptr (JsonArray) at_stop = read_array (path);
  ck_assert_uint_eq (json_array_get_length (at_stop), (guint) _i + 1);
}
END_TEST

START_TEST (test_publish_append)
{
  g_autofree char *path = path_of ("append.jsonl");
  static const struct {
    const char *properties;
    guint lines;
  } runs[] = { { "", 1 }, { "append=true", 2 }, { "append=true", 3 }, { "", 1 } };
  for (guint i = 0; i < G_N_ELEMENTS (runs); i++) {
    GstHarness *h = harness_new (path, runs[i].properties);
    push (h, buffer_new (0));
    gst_harness_teardown (h);
    g_autoptr (JsonArray) lines = read_lines (path);
    ck_assert_uint_eq (json_array_get_length (lines), runs[i].lines);
  }
}
END_TEST

#define N_WRITERS 4
#define N_LINES   repeat (400, 40)

static gpointer write_lines (gpointer h)
{
  for (guint i = 0; i < N_LINES; i++) {
    GstBuffer *buffer = buffer_new (i);
    WeirMeta *meta = weir_buffer_ensure_meta (buffer);
    meta->stream = g_strdup (GST_OBJECT_NAME (((GstHarness *) h)->element));
    meta->frame = i;
    for (guint k = 0; k < 8; k++)
      add_face (meta);
    push (h, buffer);
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  return NULL;
}

/* One file, several elements, spelt in two ways: every line whole, none lost, each stream in order.
 */
START_TEST (test_publish_shared)
{
  g_autofree char *path = path_of ("shared.jsonl");
  g_autofree char *other = g_strdup_printf ("%s/./shared.jsonl", dir);
  GstHarness *h[N_WRITERS];
  GThread *threads[N_WRITERS];
  gint64 next[N_WRITERS] = { 0 };
  for (guint i = 0; i < N_WRITERS; i++) {
    g_autofree char *name = g_strdup_printf ("%u", i);
    h[i] = harness_new (i % 2 ? other : path, "");
    gst_element_set_state (h[i]->element, GST_STATE_NULL);
    gst_object_set_name (GST_OBJECT (h[i]->element), name);
    gst_element_set_state (h[i]->element, GST_STATE_PLAYING);
  }
  for (guint i = 0; i < N_WRITERS; i++) {
    gst_harness_set_src_caps_str (h[i], CAPS);
    gst_harness_set_drop_buffers (h[i], TRUE);
    threads[i] = g_thread_new (NULL, write_lines, h[i]);
  }
  for (guint i = 0; i < N_WRITERS; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < N_WRITERS; i++)
    gst_harness_teardown (h[i]);

  g_autoptr (JsonArray) lines = read_lines (path);
  ck_assert_uint_eq (json_array_get_length (lines), N_WRITERS * N_LINES);
  for (guint i = 0; i < N_WRITERS * N_LINES; i++) {
    JsonObject *frame = json_array_get_object_element (lines, i);
    guint stream = (guint) (json_object_get_string_member (frame, "stream")[0] - '0');
    ck_assert_uint_lt (stream, N_WRITERS);
    ck_assert_int_eq (json_object_get_int_member (frame, "frame"), next[stream]++);
  }
}
END_TEST

/* The first error that the element posts when it starts and is given one buffer. */
static GError *error_of (
    const char *location, const char *properties, gboolean *ready, GstFlowReturn *flow)
{
  GstElement *element = gst_element_factory_make ("inferpublish", NULL);
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL;
  GError *error = NULL;
  g_object_set (element, "location", location, NULL);
  if (*properties) {
    gst_util_set_object_arg (G_OBJECT (element), "format", "json");
    g_object_set (element, "append", TRUE, NULL);
  }
  gst_element_set_bus (element, bus);
  *flow = GST_FLOW_ERROR;
  *ready = gst_element_set_state (element, GST_STATE_READY) != GST_STATE_CHANGE_FAILURE;
  if (*ready) {
    GstHarness *h = gst_harness_new_with_element (element, "sink", "src");
    gst_harness_set_src_caps_str (h, CAPS);
    *flow = gst_harness_push (h, buffer_new (0));
    gst_harness_teardown (h);
  }
  while ((message = gst_bus_pop (bus)) && GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR)
    gst_clear_message (&message);
  ck_assert (message != NULL);
  gst_message_parse_error (message, &error, NULL);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
  return error;
}

static const struct {
  const char *location, *properties;
  gboolean is_ready; /* only writing tells */
  GstResourceError code;
  const char *words[2];
} failures[] = {
  { "/no/such/folder/out.jsonl", "", FALSE, GST_RESOURCE_ERROR_WRITE,
      { "/no/such/folder/out.jsonl", "No such file" } },
  { "/dev/full", "", TRUE, GST_RESOURCE_ERROR_NO_SPACE_LEFT, { "/dev/full", "No space left" } },
  { "/dev/null", "format=json append=true", FALSE, GST_RESOURCE_ERROR_SETTINGS,
      { "append", "json-lines" } },
  { "/", "", FALSE, GST_RESOURCE_ERROR_WRITE, { "/: cannot be opened", "directory" } },
};

START_TEST (test_publish_errors)
{
  GstFlowReturn flow;
  gboolean ready;
  g_autoptr (GError) error =
      error_of (failures[_i].location, failures[_i].properties, &ready, &flow);
  ck_assert_int_ne (flow, GST_FLOW_OK);
  ck_assert_int_eq (ready, failures[_i].is_ready);
  ck_assert_msg (
      g_error_matches (error, GST_RESOURCE_ERROR, (gint) failures[_i].code), "%s", error->message);
  ck_assert_msg (g_str_has_prefix (error->message, "inferpublish: "), "%s", error->message);
  for (guint i = 0; i < 2; i++)
    ck_assert_msg (strstr (error->message, failures[_i].words[i]) != NULL, "'%s' is not in '%s'",
        failures[_i].words[i], error->message);
}
END_TEST

int main (int argc, char **argv)
{
  Suite *suite = suite_create ("publish");
  TCase *tcase = tcase_create ("inferpublish");
  SRunner *runner;
  int n_failed;

  gst_init (&argc, &argv);
  GST_ELEMENT_REGISTER (inferpublish, NULL);
  tcase_add_checked_fixture (tcase, make_dir, remove_dir);
  tcase_add_test (tcase, test_publish_fields);
  tcase_add_test (tcase, test_publish_texts);
  tcase_add_test (tcase, test_publish_tracks);
  tcase_add_test (tcase, test_publish_whole_picture);
  tcase_add_test (tcase, test_publish_without_meta);
  tcase_add_loop_test (tcase, test_publish_status, 0, G_N_ELEMENTS (statuses));
  tcase_add_test (tcase, test_publish_hostile_values);
  tcase_add_loop_test (tcase, test_publish_array, 0, 3);
  tcase_add_test (tcase, test_publish_append);
  tcase_add_test (tcase, test_publish_shared);
  tcase_add_loop_test (tcase, test_publish_errors, 0, G_N_ELEMENTS (failures));
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  n_failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  gst_deinit (); /* lets the leaks tracer report */
  return n_failed != 0;
}
