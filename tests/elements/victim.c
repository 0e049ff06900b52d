/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deeds are rows of a table. Each begins while frames flow and is done as GStreamer's documentation
 * tells applications to, or in the rudest way that it allows. */
#include "victim.h"

#include "gst/meta.h"
#include "tests/slowdown.h"
#include <gst/check/gstcheck.h>

/* Pictures the victim may give besides those of its camera. */
static const gchar *const other_caps[] = {
  "video/x-raw,format=GRAY8,width=320,height=180,framerate=60",
  "video/x-raw,format=NV12,width=321,height=200,framerate=50",
  "video/x-raw,format=RGB,width=400,height=240,framerate=30",
  "video/x-raw,format=I420,width=320,height=240,framerate=50",
};

static gint draw (Victim *self, gint end)
{
  return g_rand_int_range (self->rand, 0, end);
}

static void linger (Victim *self, gint max_ms)
{
  g_usleep ((gulong) draw (self, 1000 * max_ms));
}

static void note_frame (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer user)
{
  Victim *self = user;
  const WeirMeta *meta = weir_buffer_get_meta (buffer);
  const gint stall_ms = g_atomic_int_get (&self->stall_ms);
  if (stall_ms > 0) {
    g_atomic_int_set (&self->stall_ms, 0);
    g_usleep ((gulong) stall_ms * 1000);
  }
  g_mutex_lock (&self->lock);
  self->n_arrived++;
  self->n_inferred += meta && meta->status == WEIR_STATUS_INFERRED;
  g_cond_broadcast (&self->grown);
  g_mutex_unlock (&self->lock);
}

void victim_wait_flow (Victim *self)
{
  g_mutex_lock (&self->lock);
  const guint before = self->n_arrived;
  while (self->n_arrived == before)
    g_cond_wait (&self->grown, &self->lock);
  g_mutex_unlock (&self->lock);
}

static GstElement *find (Victim *self, const gchar *name)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (self->branch), name);
  ck_assert_msg (element != NULL, "no element %s", name);
  return element;
}

static void watch_sink (Victim *self, GstElement *bin)
{
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (bin), "sink");
  g_signal_connect (sink, "handoff", G_CALLBACK (note_frame), self);
}

void victim_open (Victim *self)
{
  self->branch = dynamic_branch_new (self->settings, 0, -1);
  watch_sink (self, self->branch);
  gst_bin_add (GST_BIN (self->pipeline), self->branch);
  ck_assert (gst_element_sync_state_with_parent (self->branch));
}

void victim_init (Victim *self, GstElement *pipeline, const DynamicSettings *settings,
    Watchdog *dog, guint32 seed)
{
  *self = (Victim){
    .pipeline = pipeline, .settings = settings, .dog = dog, .rand = g_rand_new_with_seed (seed)
  };
  g_mutex_init (&self->lock);
  g_cond_init (&self->grown);
  victim_open (self);
}

void victim_clear (Victim *self)
{
  g_rand_free (self->rand);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->grown);
}

/* Blocks --------------------------------------------------------------------------------------- */

static GstPadProbeReturn hold (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Block *self = user;
  g_mutex_lock (&self->lock);
  self->is_blocked = TRUE;
  g_cond_signal (&self->changed);
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_OK;
}

void block_close (Block *self, GstElement *element, const gchar *pad, GstPadProbeType type)
{
  *self = (Block){ .pad = gst_element_get_static_pad (element, pad) };
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->probe = gst_pad_add_probe (self->pad, type, hold, self, NULL);
  g_mutex_lock (&self->lock);
  while (!self->is_blocked)
    g_cond_wait (&self->changed, &self->lock);
  g_mutex_unlock (&self->lock);
}

void block_open (Block *self)
{
  gst_pad_remove_probe (self->pad, self->probe);
  gst_object_unref (self->pad);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
}

/* An idle pad calls at once, and lets what comes then pass unless it is blocked besides. */
static GstPadProbeType draw_block (Victim *self)
{
  return GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM | (draw (self, 2) ? 0 : GST_PAD_PROBE_TYPE_IDLE);
}

/* Only pictures: a source that waits with an event holds a lock that its change of state needs. */
#define BLOCK_PICTURES (GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER)

/* The whole branch ------------------------------------------------------------------------------
 */

void victim_remove_now (Victim *self)
{
  gst_element_set_locked_state (self->branch, TRUE);
  gst_element_set_state (self->branch, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (self->pipeline), self->branch);
  self->branch = NULL;
}

void victim_remove_drained (Victim *self)
{
  dynamic_branch_end (self->branch);
  victim_remove_now (self);
}

static void replace_now (Victim *self)
{
  victim_remove_now (self);
  victim_open (self);
}

static void replace_drained (Victim *self)
{
  victim_remove_drained (self);
  victim_open (self);
}

/* The new one comes before the old one goes. */
static void replace_overlapping (Victim *self)
{
  GstElement *old = self->branch;
  gst_object_set_name (GST_OBJECT (old), NULL);
  victim_open (self);
  gst_element_set_state (old, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (self->pipeline), old);
}

/* Elements are taken out of the pipeline while their source waits at its blocked pad. */
static void replace_blocked (Victim *self)
{
  Block block;
  g_autoptr (GstElement) source = find (self, "source");
  g_autoptr (GstElement) caps = find (self, "caps");
  block_close (&block, source, "src", BLOCK_PICTURES);
  gst_element_unlink (source, caps);
  victim_remove_now (self);
  block_open (&block);
  victim_open (self);
}

/* Its elements go one by one, from the sink upwards, while the source still pushes. */
static void replace_from_sink (Victim *self)
{
  static const gchar *const names[] = { "sink", "read", "find", "valve" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GstElement) element = find (self, names[i]);
    gst_element_set_locked_state (element, TRUE);
    gst_element_set_state (element, GST_STATE_NULL);
  }
  replace_now (self);
}

static void pause_branch (Victim *self)
{
  gst_element_set_state (self->branch, GST_STATE_PAUSED);
  linger (self, 5);
  ck_assert (gst_element_sync_state_with_parent (self->branch));
}

/* Links ---------------------------------------------------------------------------------------- */

static GstElement *peer_of (GstElement *element)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "src");
  g_autoptr (GstPad) peer = gst_pad_get_peer (pad);
  ck_assert (peer != NULL);
  return gst_pad_get_parent_element (peer);
}

static void drop (Victim *self, GstElement *element)
{
  gst_element_set_locked_state (element, TRUE);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (self->branch), element);
}

/* (transfer none) In the branch, in its state, not linked. */
static GstElement *put (Victim *self, GstElement *element)
{
  gst_bin_add (GST_BIN (self->branch), element);
  return element;
}

static GstElement *parse (const gchar *text)
{
  g_autoptr (GError) error = NULL;
  GstElement *element = gst_parse_bin_from_description (text, TRUE, &error);
  ck_assert_msg (element && !error, "%s", error ? error->message : text);
  return element;
}

static GstElement *new_sink (Victim *self)
{
  static const gchar *const texts[] = {
    "fakesink name=sink signal-handoffs=true async=false",
    "videoconvert ! video/x-raw,format=GRAY8 ! fakesink name=sink signal-handoffs=true async=false",
    "identity ! fakesink name=sink signal-handoffs=true async=false sync=true",
  };
  GstElement *sink = parse (texts[draw (self, G_N_ELEMENTS (texts))]);
  watch_sink (self, sink);
  return put (self, sink);
}

static void relink_sink (Victim *self)
{
  Block block;
  g_autoptr (GstElement) read = find (self, "read");
  g_autoptr (GstElement) old = peer_of (read);
  block_close (&block, read, "src", draw_block (self));
  gst_element_unlink (read, old);
  drop (self, old);
  GstElement *sink = new_sink (self);
  ck_assert (gst_element_sync_state_with_parent (sink));
  ck_assert (gst_element_link (read, sink));
  block_open (&block);
}

/* What inferdetect is linked to goes, with frames inside. */
static void relink_classify (Victim *self)
{
  Block block;
  g_autoptr (GstElement) detect = find (self, "find");
  g_autoptr (GstElement) old = find (self, "read");
  g_autoptr (GstElement) sink = peer_of (old);
  block_close (&block, detect, "src", draw_block (self));
  gst_element_unlink_many (detect, old, sink, NULL);
  drop (self, old);
  g_autofree gchar *model = g_strconcat (self->settings->models, "/read-characters.onnx", NULL);
  g_autofree gchar *text =
      g_strdup_printf ("inferclassify model=%s %s", model, self->settings->inference);
  g_autoptr (GError) error = NULL;
  GstElement *read = gst_parse_launch (text, &error);
  ck_assert (read && !error);
  gst_object_set_name (GST_OBJECT (read), "read");
  put (self, read);
  ck_assert (gst_element_link (read, sink));
  ck_assert (gst_element_sync_state_with_parent (read));
  ck_assert (gst_element_link (detect, read));
  block_open (&block);
}

static void set_other_caps (Victim *self, GstElement *caps)
{
  const gchar *drawn = other_caps[draw (self, G_N_ELEMENTS (other_caps))];
  g_autofree gchar *text = g_strdup_printf ("%s/%u", drawn, slowdown ());
  gst_util_set_object_arg (G_OBJECT (caps), "caps", text);
}

static void relink_source (Victim *self)
{
  Block block;
  g_autoptr (GstElement) old = find (self, "source");
  g_autoptr (GstElement) caps = find (self, "caps");
  block_close (&block, old, "src", BLOCK_PICTURES);
  gst_element_unlink (old, caps);
  drop (self, old);
  block_open (&block);
  set_other_caps (self, caps);
  GstElement *source = gst_element_factory_make ("videotestsrc", "source");
  g_object_set (source, "is-live", TRUE, NULL);
  put (self, source);
  ck_assert (gst_element_link (source, caps));
  ck_assert (gst_element_sync_state_with_parent (source));
}

/* inferdetect takes another place: in front of it there is one element more. */
static void relink_input (Victim *self)
{
  Block block;
  g_autoptr (GstElement) valve = find (self, "valve");
  g_autoptr (GstElement) detect = find (self, "find");
  g_autoptr (GstElement) next = peer_of (valve);
  block_close (&block, valve, "src", draw_block (self));
  gst_element_unlink (valve, next);
  if (next != detect) {
    gst_element_unlink (next, detect);
    drop (self, next);
    ck_assert (gst_element_link (valve, detect));
  } else {
    GstElement *between =
        put (self, parse ("videoconvert ! capsfilter caps=video/x-raw,format=BGR"));
    ck_assert (gst_element_link (between, detect));
    ck_assert (gst_element_sync_state_with_parent (between));
    ck_assert (gst_element_link (valve, between));
  }
  block_open (&block);
}

/* A second inference on the same frames, behind the tee. */
static GstElement *add_side (Victim *self, GstElement *tee)
{
  g_autofree gchar *text =
      g_strdup_printf ("inferdetect model=%s/find-characters.onnx %s ! fakesink async=false",
          self->settings->models, self->settings->inference);
  GstElement *side = parse (text);
  gst_object_set_name (GST_OBJECT (side), "side");
  put (self, side);
  ck_assert (gst_element_sync_state_with_parent (side));
  ck_assert (gst_element_link (tee, side));
  return side;
}

static void remove_side (Victim *self, GstElement *tee, GstElement *side)
{
  Block block;
  g_autoptr (GstPad) sink = gst_element_get_static_pad (side, "sink");
  g_autoptr (GstPad) pad = gst_pad_get_peer (sink);
  g_autofree gchar *name = gst_pad_get_name (pad);
  block_close (&block, tee, name, draw_block (self));
  gst_pad_unlink (pad, sink);
  block_open (&block);
  gst_element_release_request_pad (tee, pad);
  drop (self, side);
}

/* The source gives up when nobody is left who takes its frames. */
static void remove_any_side (Victim *self)
{
  g_autoptr (GstElement) tee = find (self, "tee");
  g_autoptr (GstElement) side = gst_bin_get_by_name (GST_BIN (self->branch), "side");
  if (side)
    remove_side (self, tee, side);
}

static void wait_for_error (Victim *self)
{
  while (!dynamic_look_at_bus (self->pipeline, self->branch, 5 * GST_MSECOND))
    ;
}

static void unlink_output (Victim *self)
{
  remove_any_side (self);
  g_autoptr (GstElement) element = find (self, draw (self, 2) ? "find" : "read");
  g_autoptr (GstElement) next = peer_of (element);
  gst_element_unlink (element, next);
  wait_for_error (self);
  replace_now (self);
}

static GstPadProbeReturn refuse (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  gst_buffer_unref (GST_PAD_PROBE_INFO_BUFFER (info));
  info->data = NULL;
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = GPOINTER_TO_INT (user);
  return GST_PAD_PROBE_HANDLED;
}

static void fail_downstream (Victim *self)
{
  static const GstFlowReturn flows[] = { GST_FLOW_ERROR, GST_FLOW_NOT_LINKED,
    GST_FLOW_NOT_NEGOTIATED };
  remove_any_side (self);
  g_autoptr (GstElement) sink = find (self, "sink");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, refuse,
      GINT_TO_POINTER (flows[draw (self, G_N_ELEMENTS (flows))]), NULL);
  wait_for_error (self);
  replace_now (self);
}

/* Pads ----------------------------------------------------------------------------------------- */

static void block (Victim *self)
{
  Block block;
  g_autoptr (GstElement) element = find (self, draw (self, 2) ? "find" : "read");
  block_close (&block, element, "src", draw_block (self));
  linger (self, 20);
  block_open (&block);
}

static void stall (Victim *self)
{
  g_atomic_int_set (&self->stall_ms, 40);
}

static void close_valve (Victim *self)
{
  g_autoptr (GstElement) valve = find (self, "valve");
  g_object_set (valve, "drop", TRUE, NULL);
  linger (self, 10);
  g_object_set (valve, "drop", FALSE, NULL);
}

typedef struct Flush {
  GMutex lock;
  GCond changed;
  gboolean is_over;
} Flush;

/* In the streaming thread, which would see it as the end if another flushed under its feet. */
static GstPadProbeReturn flush_here (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Flush *self = user;
  GstEvent *segment = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  gst_pad_push_event (pad, gst_event_new_flush_start ());
  gst_pad_push_event (pad, gst_event_new_flush_stop (FALSE));
  gst_pad_push_event (pad, segment);
  g_mutex_lock (&self->lock);
  self->is_over = TRUE;
  g_cond_signal (&self->changed);
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_REMOVE;
}

static void flush (Victim *self)
{
  Flush flush = { .is_over = FALSE };
  g_autoptr (GstElement) valve = find (self, "valve");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (valve, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, flush_here, &flush, NULL);
  g_mutex_lock (&flush.lock);
  while (!flush.is_over)
    g_cond_wait (&flush.changed, &flush.lock);
  g_mutex_unlock (&flush.lock);
}

/* A seek starts running time anew, and the pipeline would make that the time of all its streams. */
static GstPadProbeReturn keep_time (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  if (GST_EVENT_TYPE (event) != GST_EVENT_FLUSH_STOP)
    return GST_PAD_PROBE_OK;
  GstEvent *other = gst_event_new_flush_stop (FALSE);
  gst_event_set_seqnum (other, gst_event_get_seqnum (event));
  gst_event_unref (event);
  info->data = other;
  return GST_PAD_PROBE_REMOVE;
}

/* A live source counts from its own start, and catches up with the clock. */
static void seek (Victim *self)
{
  g_autoptr (GstElement) source = find (self, "source");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (source, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_FLUSH, keep_time, NULL, NULL);
  ck_assert (gst_element_seek_simple (source, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
}

/* States and properties ------------------------------------------------------------------------ */

/* One element alone. What it was told is told again by links made anew. */
static void restart (Victim *self)
{
  Block block;
  const gboolean is_detect = draw (self, 2);
  g_autoptr (GstElement) before = find (self, is_detect ? "valve" : "find");
  g_autoptr (GstElement) element = peer_of (before);
  g_autoptr (GstElement) after = peer_of (element);
  block_close (&block, before, "src", GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM);
  gst_element_unlink_many (before, element, after, NULL);
  gst_element_set_state (element, draw (self, 2) ? GST_STATE_READY : GST_STATE_NULL);
  ck_assert (gst_element_link (element, after));
  ck_assert (gst_element_sync_state_with_parent (element));
  ck_assert (gst_element_link (before, element));
  block_open (&block);
}

static void set_property (Victim *self)
{
  static const struct {
    const gchar *element, *property, *values[3];
  } rows[] = {
    { "find", "threshold", { "0.1", "0.5", "0.9" } },
    { "find", "iou-threshold", { "0.1", "0.45", "0.9" } },
    { "find", "max-detections", { "1", "200", "30" } },
    { "find", "interval", { "1", "2", "3" } },
    { "find", "qos", { "false", "true", "false" } },
    { "find", "leaky", { "no", "downstream", "no" } },
    { "find", "batch-timeout", { "-1", "0", "5" } },
    { "find", "num-requests", { "0", "16", "64" } },
    { "read", "leaky", { "no", "downstream", "no" } },
    { "read", "top-k", { "1", "3", "2" } },
    { "read", "batch-timeout", { "-1", "0", "5" } },
    { "read", "num-requests", { "0", "64", "200" } },
  };
  const guint row = (guint) draw (self, G_N_ELEMENTS (rows));
  g_autoptr (GstElement) element = find (self, rows[row].element);
  gst_util_set_object_arg (
      G_OBJECT (element), rows[row].property, rows[row].values[draw (self, 3)]);
}

static void change_caps (Victim *self)
{
  g_autoptr (GstElement) caps = find (self, "caps");
  set_other_caps (self, caps);
}

static void branch_off (Victim *self)
{
  g_autoptr (GstElement) tee = find (self, "tee");
  g_autoptr (GstElement) side = gst_bin_get_by_name (GST_BIN (self->branch), "side");
  if (side)
    remove_side (self, tee, side);
  else
    add_side (self, tee);
}

/* The table ------------------------------------------------------------------------------------ */

static const struct {
  const gchar *name;
  void (*act) (Victim *self);
} deeds[] = {
  { "remove and add", replace_now },
  { "drain, remove and add", replace_drained },
  { "add, then remove the old one", replace_overlapping },
  { "block, unlink, remove and add", replace_blocked },
  { "stop from the sink upwards, remove and add", replace_from_sink },
  { "pause", pause_branch },
  { "relink the sink", relink_sink },
  { "relink the classifier", relink_classify },
  { "relink the source", relink_source },
  { "relink the input", relink_input },
  { "unlink the output", unlink_output },
  { "refuse downstream", fail_downstream },
  { "block", block },
  { "stall the sink", stall },
  { "close the valve", close_valve },
  { "flush", flush },
  { "seek", seek },
  { "restart an element", restart },
  { "set a property", set_property },
  { "change caps", change_caps },
  { "branch off", branch_off },
};

guint victim_n_deeds (void)
{
  return G_N_ELEMENTS (deeds);
}

const gchar *victim_deed_name (guint deed)
{
  return deeds[deed].name;
}

void victim_do (Victim *self, guint deed)
{
  watchdog_say (self->dog, deeds[deed].name);
  deeds[deed].act (self);
  dynamic_look_at_bus (self->pipeline, self->branch, 0);
}
