/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame becomes a line of words: times, a checksum of its bytes, and whatever its metadata says,
 * numbers with all their digits. Times count from the stream's first picture, since a live source
 * starts at the time it is. */
#include "dynamic_kit.h"

#include "element_kit.h"
#include "gst/meta.h"
#include "tests/slowdown.h"
#include <math.h>
#include <string.h>

#define CONTROL_RATE 100

const DynamicCamera dynamic_cameras[DYNAMIC_N_CAMERAS] = {
  { "pattern=ball", "I420", 320, 240, 60, FALSE },
  { "pattern=red", "NV12", 320, 180, 25, TRUE },
  { "pattern=smpte horizontal-speed=2", "I420", 352, 288, 15, FALSE },
  { "pattern=pinwheel horizontal-speed=3", "RGB", 321, 241, 12, TRUE },
  { "pattern=circular", "BGRx", 320, 240, 10, FALSE },
  { "pattern=gradient", "YUY2", 400, 224, 20, TRUE },
  { "pattern=ball motion=sweep", "GRAY8", 353, 199, 8, FALSE },
  { "pattern=blue", "UYVY", 480, 270, 5, FALSE },
};

void dynamic_arrivals_init (DynamicArrivals *arrivals)
{
  *arrivals = (DynamicArrivals){ .times_ns = g_array_new (FALSE, FALSE, sizeof (GstClockTime)),
    .frames = g_ptr_array_new_with_free_func (g_free),
    .loads = g_array_new (FALSE, FALSE, sizeof (ProcessLoad)) };
}

void dynamic_arrivals_clear (DynamicArrivals *arrivals)
{
  g_array_unref (arrivals->times_ns);
  g_ptr_array_unref (arrivals->frames);
  g_array_unref (arrivals->loads);
}

/* A frame as text ------------------------------------------------------------------------------ */

static void add_number (GString *text, gdouble value)
{
  gchar digits[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append_c (text, ' ');
  g_string_append (text, g_ascii_dtostr (digits, sizeof digits, value));
}

static void add_word (GString *text, const gchar *word)
{
  g_string_append_printf (text, " %s", word ? word : "-");
}

static void add_tensor (GString *text, const WeirMetaTensor *tensor)
{
  add_word (text, tensor->name);
  add_word (text, tensor->model);
  add_number (text, tensor->age);
  for (guint i = 0; i < tensor->rank; i++)
    add_number (text, (gdouble) tensor->dims[i]);
  for (gsize i = 0; i < tensor->n_elements; i++)
    add_number (text, (gdouble) tensor->data[i]);
}

static void add_attribute (GString *text, const WeirMetaAttribute *attribute)
{
  add_word (text, attribute->name);
  add_word (text, attribute->model);
  add_number (text, attribute->age);
  for (guint i = 0; i < attribute->classes->len; i++) {
    const WeirMetaClass *class = &g_array_index (attribute->classes, WeirMetaClass, i);
    add_word (text, class->label);
    add_number (text, class->label_id);
    add_number (text, class->confidence);
  }
}

static void add_object (GString *text, const WeirMetaObject *object)
{
  const gdouble numbers[] = { object->region_id, object->parent_id, object->analytics_id,
    (gdouble) object->track_id, object->is_detection, object->x_min, object->y_min, object->x_max,
    object->y_max, object->confidence, object->label_id };
  add_word (text, "object");
  add_word (text, object->label);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    add_number (text, numbers[i]);
  for (guint i = 0; i < object->attributes->len; i++)
    add_attribute (text, &g_array_index (object->attributes, WeirMetaAttribute, i));
  for (guint i = 0; i < object->tensors->len; i++)
    add_tensor (text, &g_array_index (object->tensors, WeirMetaTensor, i));
}

static gboolean add_field (GQuark field, const GValue *value, gpointer user)
{
  GString *text = user;
  add_word (text, g_quark_to_string (field));
  if (G_VALUE_HOLDS_DOUBLE (value)) {
    add_number (text, g_value_get_double (value));
  } else {
    g_autofree gchar *word = g_strdup_value_contents (value);
    add_word (text, word);
  }
  return TRUE;
}

static void add_roi (GString *text, const GstVideoRegionOfInterestMeta *roi)
{
  g_string_append_printf (text, " roi %s %d %d %u %u %u %u", g_quark_to_string (roi->roi_type),
      roi->id, roi->parent_id, roi->x, roi->y, roi->w, roi->h);
  for (const GList *l = roi->params; l; l = l->next) {
    add_word (text, gst_structure_get_name (l->data));
    gst_structure_foreach (l->data, add_field, text);
  }
}

/* Metas of whatever kind: that they are there, and what the two that are ours to know say. */
static gboolean add_meta (GstBuffer *buffer, GstMeta **meta, gpointer user)
{
  GString *text = user;
  if (g_str_equal (g_type_name ((*meta)->info->api), "GstAnalyticsRelationMetaAPI"))
    return TRUE; /* pools keep one for the next buffer, so where it stands is chance */
  add_word (text, g_type_name ((*meta)->info->api));
  if ((*meta)->info->api == GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)
    add_roi (text, (const GstVideoRegionOfInterestMeta *) *meta);
  if ((*meta)->info != weir_meta_get_info ())
    return TRUE;
  const WeirMeta *own = (const WeirMeta *) *meta;
  g_string_append_printf (text, " %s %s %u %s %" G_GUINT64_FORMAT, weir_status_name (own->status),
      own->reason ? own->reason : "-", own->reused_age, own->stream, own->frame);
  for (guint i = 0; i < own->objects->len; i++)
    add_object (text, &g_array_index (own->objects, WeirMetaObject, i));
  return TRUE;
}

static guint row_bytes (const GstVideoFrame *frame, guint plane)
{
  guint bytes = 0;
  for (guint i = 0; i < GST_VIDEO_FRAME_N_COMPONENTS (frame); i++)
    if ((guint) GST_VIDEO_FRAME_COMP_PLANE (frame, i) == plane)
      bytes = MAX (bytes, (guint) GST_VIDEO_FRAME_COMP_WIDTH (frame, i) *
                              (guint) GST_VIDEO_FRAME_COMP_PSTRIDE (frame, i));
  return bytes;
}

static guint n_rows (const GstVideoFrame *frame, guint plane)
{
  guint rows = 0;
  for (guint i = 0; i < GST_VIDEO_FRAME_N_COMPONENTS (frame); i++)
    if ((guint) GST_VIDEO_FRAME_COMP_PLANE (frame, i) == plane)
      rows = (guint) GST_VIDEO_FRAME_COMP_HEIGHT (frame, i);
  return rows;
}

/* Of the pixels, not of what lies between rows. */
static void add_checksum (GString *text, GstPad *pad, GstBuffer *buffer)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  GChecksum *sum = g_checksum_new (G_CHECKSUM_MD5);
  ck_assert (caps && gst_video_info_from_caps (&info, caps));
  ck_assert (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (&frame); p++)
    for (guint y = 0; y < n_rows (&frame, p); y++)
      g_checksum_update (sum,
          (const guchar *) GST_VIDEO_FRAME_PLANE_DATA (&frame, p) +
              (gsize) y * (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (&frame, p),
          row_bytes (&frame, p));
  gst_video_frame_unmap (&frame);
  g_string_append (text, g_checksum_get_string (sum));
  g_checksum_free (sum);
}

static gchar *describe (GstPad *pad, GstBuffer *buffer, GstClockTime first_pts)
{
  GString *text = g_string_new (NULL);
  add_checksum (text, pad, buffer);
  g_string_append_printf (text, " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
      GST_BUFFER_PTS (buffer) - first_pts, GST_BUFFER_DURATION (buffer),
      GST_BUFFER_OFFSET (buffer));
  gst_buffer_foreach_meta (buffer, add_meta, text);
  return g_string_free (text, FALSE);
}

/* Branches ------------------------------------------------------------------------------------- */

GstElement *dynamic_branch_new (const DynamicSettings *settings, guint camera, gint n_buffers)
{
  const DynamicCamera *self = &dynamic_cameras[camera];
  const gboolean is_live = n_buffers < 0;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = g_strdup_printf (
      "videotestsrc name=source is-live=%d num-buffers=%d %s ! capsfilter name=caps "
      "caps-change-mode=delayed "
      "caps=\"video/x-raw,format=%s,width=%d,height=%d,framerate=%d/%u\" ! timeoverlay "
      "font-desc=\"DejaVu Sans Bold 36\" shaded-background=true xpad=12 ypad=12 halignment=left "
      "valignment=top time-mode=elapsed-running-time ! tee name=tee ! "
      "valve name=valve ! inferdetect name=find stream=camera%u model=%s/find-characters.onnx %s ! "
      "inferclassify name=read stream=camera%u model=%s/read-characters.onnx %s ! "
      "fakesink name=sink signal-handoffs=true async=%d sync=%d",
      is_live, n_buffers, self->source, self->format, self->width, self->height, self->rate,
      slowdown (), camera, settings->models, settings->inference, camera, settings->models,
      settings->inference, !is_live, is_live && self->sync);
  GstElement *branch = gst_parse_bin_from_description (text, FALSE, &error);
  ck_assert_msg (branch && !error, "%s", error ? error->message : text);
  return branch;
}

static void note_arrival (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer user)
{
  DynamicArrivals *self = user;
  g_autoptr (GstClock) clock = gst_element_get_clock (sink);
  const GstClockTime now_ns = clock ? gst_clock_get_time (clock) : 0;
  if (self->n_arrived == 0)
    self->first_pts = GST_BUFFER_PTS (buffer);
  g_array_append_val (self->times_ns, now_ns);
  g_ptr_array_add (self->frames, describe (pad, buffer, self->first_pts));
  g_atomic_int_inc (&self->n_arrived);
}

static void note_control (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer user)
{
  DynamicArrivals *self = user;
  g_autoptr (GstClock) clock = gst_element_get_clock (sink);
  const GstClockTime now_ns = clock ? gst_clock_get_time (clock) : 0;
  const ProcessLoad load = process_load ();
  g_array_append_val (self->times_ns, now_ns);
  g_array_append_val (self->loads, load);
  g_atomic_int_inc (&self->n_arrived);
}

static GstPadProbeReturn note_made (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  g_atomic_int_inc (&((DynamicArrivals *) user)->n_made);
  return GST_PAD_PROBE_OK;
}

void dynamic_branch_watch (GstElement *branch, DynamicArrivals *arrivals)
{
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (branch), "source");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (branch), "sink");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (source, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, note_made, arrivals, NULL);
  g_signal_connect (sink, "handoff", G_CALLBACK (note_arrival), arrivals);
}

GstElement *dynamic_control_new (DynamicArrivals *arrivals)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = g_strdup_printf (
      "videotestsrc is-live=true ! video/x-raw,format=GRAY8,width=64,height=64,framerate=%d/%u ! "
      "identity ! fakesink name=sink signal-handoffs=true async=false sync=false",
      CONTROL_RATE, slowdown ());
  GstElement *branch = gst_parse_bin_from_description (text, FALSE, &error);
  ck_assert_msg (branch != NULL, "%s", error ? error->message : "");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (branch), "sink");
  g_signal_connect (sink, "handoff", G_CALLBACK (note_control), arrivals);
  return branch;
}

/* The end of a stream ---------------------------------------------------------------------------
 */

typedef struct End {
  GMutex lock;
  GCond came;
  gboolean is_there;
} End;

/* The pipeline has more to do than this branch: its sink need not tell of the end. */
static GstPadProbeReturn catch_eos (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  End *self = user;
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_EOS)
    return GST_PAD_PROBE_OK;
  g_mutex_lock (&self->lock);
  self->is_there = TRUE;
  g_cond_signal (&self->came);
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_DROP;
}

void dynamic_branch_end (GstElement *branch)
{
  End end = { .is_there = FALSE };
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (branch), "source");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (branch), "sink");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  const gulong probe =
      gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, catch_eos, &end, NULL);
  gst_element_send_event (source, gst_event_new_eos ());
  g_mutex_lock (&end.lock);
  while (!end.is_there)
    g_cond_wait (&end.came, &end.lock);
  g_mutex_unlock (&end.lock);
  gst_pad_remove_probe (pad, probe);
}

/* Pauses --------------------------------------------------------------------------------------- */

static GstClockTime time_at (const DynamicArrivals *self, guint i)
{
  return g_array_index (self->times_ns, GstClockTime, i);
}

/* The control's arrivals around [from, to]; *first: where to begin to look, moves on with the time.
 */
static void find_around (const DynamicArrivals *control, GstClockTime from_ns, GstClockTime to_ns,
    guint *first, guint *last)
{
  const guint n = control->times_ns->len;
  while (*first + 1 < n && time_at (control, *first + 1) <= from_ns)
    (*first)++;
  *last = *first;
  while (*last + 1 < n && time_at (control, *last) < to_ns)
    (*last)++;
}

/* How much longer than its interval the control was away within [from, to]. */
static GstClockTime control_lost_ns (const DynamicArrivals *control, GstClockTime from_ns,
    GstClockTime to_ns, guint first, guint last)
{
  const GstClockTime interval_ns = GST_SECOND / CONTROL_RATE;
  GstClockTime sum_ns = 0;
  for (guint i = first; i < last; i++) {
    const GstClockTime begin_ns = MAX (time_at (control, i) + interval_ns, from_ns);
    const GstClockTime end_ns = MIN (time_at (control, i + 1), to_ns);
    sum_ns += end_ns > begin_ns ? end_ns - begin_ns : 0;
  }
  return sum_ns;
}

/* What the machine did not give: a light thread came late, or others had the cores. */
static GstClockTime lost_ns (
    const DynamicArrivals *control, GstClockTime from_ns, GstClockTime to_ns, guint *first)
{
  guint last;
  find_around (control, from_ns, to_ns, first, &last);
  const GstClockTime late_ns = control_lost_ns (control, from_ns, to_ns, *first, last);
  const GstClockTime others_ns =
      control->loads->len > last
          ? (GstClockTime) process_others_ns (&g_array_index (control->loads, ProcessLoad, *first),
                &g_array_index (control->loads, ProcessLoad, last))
          : 0;
  return MIN (MAX (late_ns, others_ns), to_ns - from_ns);
}

GstClockTime dynamic_longest_pause (
    const DynamicArrivals *arrivals, const DynamicArrivals *control, GstClockTime *with_machine)
{
  GstClockTime longest_ns = 0;
  guint first = 0;
  *with_machine = 0;
  for (guint i = (guint) MAX (arrivals->n_before, 1); i < arrivals->times_ns->len; i++) {
    const GstClockTime from_ns = time_at (arrivals, i - 1), to_ns = time_at (arrivals, i);
    const GstClockTime pause_ns = to_ns - from_ns;
    *with_machine = MAX (*with_machine, pause_ns);
    longest_ns = MAX (longest_ns, pause_ns - lost_ns (control, from_ns, to_ns, &first));
  }
  return longest_ns;
}

/* Comparison ----------------------------------------------------------------------------------- */

static gboolean words_agree (const gchar *a, const gchar *b, gdouble tolerance)
{
  gchar *end_a, *end_b;
  if (g_str_equal (a, b) || tolerance == 0)
    return g_str_equal (a, b);
  const gdouble x = g_ascii_strtod (a, &end_a), y = g_ascii_strtod (b, &end_b);
  return *a && *b && *end_a == 0 && *end_b == 0 && fabs (x - y) <= tolerance;
}

/* The first word in which they differ; NULL: none. */
static gchar *find_difference (const gchar *a, const gchar *b, gdouble tolerance)
{
  if (g_str_equal (a, b))
    return NULL;
  g_auto (GStrv) words_a = g_strsplit (a, " ", -1);
  g_auto (GStrv) words_b = g_strsplit (b, " ", -1);
  guint i = 0;
  while (words_a[i] && words_b[i] && words_agree (words_a[i], words_b[i], tolerance))
    i++;
  if (!words_a[i] && !words_b[i])
    return NULL;
  return g_strdup_printf ("word %u: %s alone, %s together, behind %s", i,
      words_a[i] ? words_a[i] : "none", words_b[i] ? words_b[i] : "none",
      i > 0 ? words_a[i - 1] : "nothing");
}

void dynamic_check_solo (const DynamicSettings *settings, guint camera,
    const DynamicArrivals *arrivals, gdouble tolerance)
{
  DynamicArrivals solo;
  GstElement *pipeline = gst_pipeline_new ("solo");
  GstElement *branch = dynamic_branch_new (settings, camera, arrivals->n_arrived);
  dynamic_arrivals_init (&solo);
  dynamic_branch_watch (branch, &solo);
  gst_bin_add (GST_BIN (pipeline), branch);
  kit_play (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  ck_assert_uint_eq (solo.frames->len, arrivals->frames->len);
  for (guint i = 0; i < solo.frames->len; i++) {
    g_autofree gchar *difference = find_difference (
        g_ptr_array_index (solo.frames, i), g_ptr_array_index (arrivals->frames, i), tolerance);
    ck_assert_msg (!difference, "camera %u, frame %u, %s", camera, i, difference);
  }
  dynamic_arrivals_clear (&solo);
}

/* The bus -------------------------------------------------------------------------------------- */

static guint handle_message (GstElement *pipeline, GstElement *visitor, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;
  const GstMessageType type = GST_MESSAGE_TYPE (message);
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, &debug);
  else if (type == GST_MESSAGE_WARNING)
    gst_message_parse_warning (message, &error, &debug);
  if (!error)
    return 0;
  const gboolean is_visitor =
      visitor && gst_object_has_as_ancestor (GST_MESSAGE_SRC (message), GST_OBJECT (visitor));
  /* what was removed has no pipeline */
  const gboolean is_gone =
      !gst_object_has_as_ancestor (GST_MESSAGE_SRC (message), GST_OBJECT (pipeline));
  ck_assert_msg (is_visitor || is_gone, "%s: %s (%s)", GST_MESSAGE_SRC_NAME (message),
      error->message, debug ? debug : "");
  return is_visitor && type == GST_MESSAGE_ERROR;
}

guint dynamic_look_at_bus (GstElement *pipeline, GstElement *visitor, GstClockTime wait_ns)
{
  guint n_errors = 0;
  gboolean is_other_latency = FALSE;
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  while ((message = gst_bus_timed_pop (bus, wait_ns))) {
    is_other_latency |= GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY;
    n_errors += handle_message (pipeline, visitor, message);
    gst_message_unref (message);
    wait_ns = 0;
  }
  if (is_other_latency) /* once for all: it asks every element */
    gst_bin_recalculate_latency (GST_BIN (pipeline));
  return n_errors;
}
