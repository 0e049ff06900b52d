/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pads whose functions log, and a gate. */
#include "order_rig.h"

#include <string.h>

#define PREFIX  "~~ "
#define EXACT   "== "
#define BARRIER "order-barrier"

gboolean order_rig_is_plain (const OrderRig *rig)
{
  return rig->role == ORDER_TESTED_PLAIN || rig->role == ORDER_QUEUE;
}

void order_rig_tell (OrderRig *rig, const gchar *format, ...)
{
  va_list args;
  va_start (args, format);
  g_ptr_array_add (rig->told, g_strdup_vprintf (format, args));
  va_end (args);
}

/* By whose thread it is; takes the line. What comes when downstream stops crosses nothing. */
static void log_line (OrderRig *rig, const gchar *where, gchar *line)
{
  if (g_thread_self () == rig->driver) {
    g_ptr_array_add (rig->told, g_strdup_printf ("  %s %s", where, line));
  } else {
    g_mutex_lock (&rig->lock);
    if (!rig->flushing)
      g_ptr_array_add (rig->crossed, g_strdup_printf ("%s %s", where, line));
    g_mutex_unlock (&rig->lock);
  }
  g_free (line);
}

void order_rig_mark (OrderRig *rig, const gchar *line, gboolean is_prefix)
{
  g_mutex_lock (&rig->lock);
  g_ptr_array_add (rig->crossed, g_strconcat (is_prefix ? PREFIX : EXACT, line, NULL));
  g_mutex_unlock (&rig->lock);
}

gboolean order_rig_is_mark (const gchar *line)
{
  return g_str_has_prefix (line, EXACT) || order_rig_is_prefix_mark (line);
}

gboolean order_rig_is_prefix_mark (const gchar *line)
{
  return g_str_has_prefix (line, PREFIX);
}

/* The gate ---------------------------------------------------------------------------------- */

/* FALSE: a flush came. What the driver itself sends never waits. */
static gboolean pass_gate (OrderRig *rig)
{
  if (g_thread_self () == rig->driver)
    return TRUE;
  g_mutex_lock (&rig->lock);
  rig->n_stuck++;
  g_cond_broadcast (&rig->changed);
  while (rig->closed && !rig->flushing)
    g_cond_wait (&rig->changed, &rig->lock);
  rig->n_stuck--;
  const gboolean passed = !rig->flushing;
  g_mutex_unlock (&rig->lock);
  return passed;
}

static void set_flushing (OrderRig *rig, gboolean flushing)
{
  g_mutex_lock (&rig->lock);
  rig->flushing = flushing;
  rig->next_flow = GST_FLOW_OK;
  if (flushing)
    rig->closed = FALSE;
  g_cond_broadcast (&rig->changed);
  g_mutex_unlock (&rig->lock);
}

void order_rig_close_gate (OrderRig *rig)
{
  g_mutex_lock (&rig->lock);
  rig->closed = TRUE;
  g_mutex_unlock (&rig->lock);
}

void order_rig_wait_stuck (OrderRig *rig)
{
  g_mutex_lock (&rig->lock);
  while (rig->n_stuck == 0)
    g_cond_wait (&rig->changed, &rig->lock);
  g_mutex_unlock (&rig->lock);
}

void order_rig_open_gate (OrderRig *rig, GstFlowReturn flow)
{
  g_mutex_lock (&rig->lock);
  rig->closed = FALSE;
  rig->next_flow = flow;
  g_cond_broadcast (&rig->changed);
  g_mutex_unlock (&rig->lock);
}

/* The pad downstream ------------------------------------------------------------------------ */

static GstFlowReturn down_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  OrderRig *rig = GST_PAD_ELEMENT_PRIVATE (pad);
  GstFlowReturn flow = GST_FLOW_FLUSHING;
  log_line (rig, "down", order_describe_buffer (buffer));
  if (pass_gate (rig)) {
    g_mutex_lock (&rig->lock);
    flow = rig->next_flow;
    rig->next_flow = GST_FLOW_OK;
    g_mutex_unlock (&rig->lock);
  }
  gst_buffer_unref (buffer);
  return flow;
}

/* Barriers are not logged: they belong to the rig. */
static gboolean note_barrier (OrderRig *rig, GstEvent *event)
{
  const GstStructure *structure = gst_event_get_structure (event);
  if (!structure || !gst_structure_has_name (structure, BARRIER))
    return FALSE;
  g_mutex_lock (&rig->lock);
  gst_structure_get_int (structure, "n", &rig->last_barrier);
  g_cond_broadcast (&rig->changed);
  g_mutex_unlock (&rig->lock);
  return TRUE;
}

/* The core sends a sticky event that is not serialized twice over each link: how often it comes
 * out depends on the number of elements. */
static gboolean is_repeated (OrderRig *rig, GstEvent *event)
{
  if (GST_EVENT_IS_SERIALIZED (event) || !GST_EVENT_IS_STICKY (event))
    return FALSE;
  g_mutex_lock (&rig->lock);
  const guint32 seqnum = gst_event_get_seqnum (event);
  const gboolean repeated = rig->last_unserialized == seqnum;
  rig->last_unserialized = seqnum;
  g_mutex_unlock (&rig->lock);
  return repeated;
}

static gboolean down_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  OrderRig *rig = GST_PAD_ELEMENT_PRIVATE (pad);
  const GstEventType type = GST_EVENT_TYPE (event);
  gboolean passed = TRUE;
  if (type == GST_EVENT_FLUSH_START || type == GST_EVENT_FLUSH_STOP)
    set_flushing (rig, type == GST_EVENT_FLUSH_START);
  if (!note_barrier (rig, event) && !is_repeated (rig, event)) {
    const gboolean own_caps = type == GST_EVENT_CAPS && !order_rig_is_plain (rig);
    log_line (rig, "down", order_describe_event (event, !own_caps));
    passed = !GST_EVENT_IS_SERIALIZED (event) || pass_gate (rig);
  }
  if (type == GST_EVENT_EOS && passed) {
    g_mutex_lock (&rig->lock);
    rig->n_eos++;
    g_cond_broadcast (&rig->changed);
    g_mutex_unlock (&rig->lock);
  }
  gst_event_unref (event);
  return passed;
}

static gboolean is_about_caps (GstQuery *query)
{
  return GST_QUERY_TYPE (query) == GST_QUERY_CAPS ||
         GST_QUERY_TYPE (query) == GST_QUERY_ACCEPT_CAPS;
}

/* `identity` asks about caps when it negotiates, whoever has not asked it. */
static gboolean down_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  OrderRig *rig = GST_PAD_ELEMENT_PRIVATE (pad);
  if (is_about_caps (query))
    return order_answer (query);
  log_line (rig, "down", g_strdup_printf ("query %s", GST_QUERY_TYPE_NAME (query)));
  if (GST_QUERY_IS_SERIALIZED (query) && !pass_gate (rig))
    return FALSE;
  return order_answer (query);
}

/* The pad upstream -------------------------------------------------------------------------- */

static gboolean up_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  OrderRig *rig = GST_PAD_ELEMENT_PRIVATE (pad);
  log_line (rig, "up", order_describe_event (event, TRUE));
  gst_event_unref (event);
  return TRUE;
}

static gboolean up_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  return order_answer (query);
}

/* Messages ---------------------------------------------------------------------------------- */

static GstBusSyncReply on_message (GstBus *bus, GstMessage *message, gpointer user)
{
  OrderRig *rig = user;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_autoptr (GError) error = NULL;
    gst_message_parse_error (message, &error, NULL);
    log_line (rig, "bus",
        g_strdup_printf ("error %s %d", g_quark_to_string (error->domain), error->code));
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
    g_autoptr (GError) error = NULL;
    gst_message_parse_warning (message, &error, NULL);
    log_line (rig, "bus", g_strdup_printf ("warning %s", error->message));
  }
  gst_message_unref (message);
  return GST_BUS_DROP;
}

/* Life -------------------------------------------------------------------------------------- */

static GstElement *make_element (const gchar *factory, const gchar *properties)
{
  GstElement *element = gst_element_factory_make (factory, NULL);
  g_auto (GStrv) words = g_strsplit (properties, " ", -1);
  g_assert (element);
  for (gchar **word = words; *word && **word; word++) {
    g_auto (GStrv) pair = g_strsplit (*word, "=", 2);
    gst_util_set_object_arg (G_OBJECT (element), pair[0], pair[1]);
  }
  return gst_object_ref_sink (element);
}

static void make_elements (OrderRig *rig)
{
  const OrderSubject *subject = rig->subject;
  g_autofree gchar *queue = g_strdup_printf (
      "max-size-buffers=%u max-size-bytes=0 max-size-time=0 silent=true", subject->capacity);
  const OrderElement reference[] = { { "identity", "" }, { "queue", queue } };
  const OrderElement *elements = rig->role == ORDER_IDENTITY_QUEUE ? reference
                                 : rig->role == ORDER_QUEUE        ? &reference[1]
                                                                   : subject->elements;
  const guint n = rig->role == ORDER_QUEUE ? 1 : 2;
  while (rig->n_elements < n && elements[rig->n_elements].factory) {
    const OrderElement *row = &elements[rig->n_elements];
    rig->elements[rig->n_elements++] = make_element (row->factory, row->properties);
  }
  for (guint i = 0; i < rig->n_elements; i++)
    gst_element_set_bus (rig->elements[i], rig->bus);
  if (rig->n_elements == 2)
    gst_element_link (rig->elements[0], rig->elements[1]);
}

GstPad *order_rig_sink (OrderRig *rig)
{
  return gst_element_get_static_pad (rig->elements[0], "sink");
}

GstPad *order_rig_src (OrderRig *rig)
{
  return gst_element_get_static_pad (rig->elements[rig->n_elements - 1], "src");
}

static GstPad *make_pad (OrderRig *rig, const gchar *name, GstPadDirection direction)
{
  GstPad *pad = gst_object_ref_sink (gst_pad_new (name, direction));
  gst_pad_set_element_private (pad, rig);
  gst_pad_set_event_function (pad, direction == GST_PAD_SINK ? down_event : up_event);
  gst_pad_set_query_function (pad, direction == GST_PAD_SINK ? down_query : up_query);
  if (direction == GST_PAD_SINK)
    gst_pad_set_chain_function (pad, down_chain);
  return pad;
}

void order_rig_init (OrderRig *rig, const OrderSubject *subject, OrderRole role)
{
  memset (rig, 0, sizeof *rig);
  rig->subject = subject;
  rig->role = role;
  rig->driver = g_thread_self ();
  rig->told = g_ptr_array_new_with_free_func (g_free);
  rig->crossed = g_ptr_array_new_with_free_func (g_free);
  g_mutex_init (&rig->lock);
  g_cond_init (&rig->changed);
  rig->bus = gst_bus_new ();
  gst_bus_set_sync_handler (rig->bus, on_message, rig, NULL);
  rig->up = make_pad (rig, "up", GST_PAD_SRC);
  rig->down = make_pad (rig, "down", GST_PAD_SINK);
  make_elements (rig);
  g_autoptr (GstPad) sink = order_rig_sink (rig);
  g_autoptr (GstPad) src = order_rig_src (rig);
  gst_pad_link (rig->up, sink);
  gst_pad_link (src, rig->down);
  order_rig_start (rig);
}

void order_rig_stop (OrderRig *rig, GstState state)
{
  set_flushing (rig, TRUE);
  gst_pad_set_active (rig->down, FALSE);
  for (guint i = rig->n_elements; i-- > 0;)
    if (gst_element_set_state (rig->elements[i], state) != GST_STATE_CHANGE_SUCCESS)
      order_rig_tell (rig, "state change failed");
}

void order_rig_start (OrderRig *rig)
{
  gst_pad_set_active (rig->up, FALSE); /* forgets its sticky events */
  gst_pad_set_active (rig->down, TRUE);
  set_flushing (rig, FALSE);
  for (guint i = rig->n_elements; i-- > 0;)
    if (gst_element_set_state (rig->elements[i], GST_STATE_PLAYING) != GST_STATE_CHANGE_SUCCESS)
      order_rig_tell (rig, "state change failed");
  gst_pad_set_active (rig->up, TRUE);
}

gboolean order_rig_close (OrderRig *rig)
{
  gboolean clean = TRUE;
  order_rig_stop (rig, GST_STATE_NULL);
  gst_pad_set_active (rig->up, FALSE);
  g_clear_pointer (&rig->up, gst_object_unref);
  g_clear_pointer (&rig->down, gst_object_unref);
  for (guint i = 0; i < rig->n_elements; i++) {
    gst_element_set_bus (rig->elements[i], NULL);
    if (rig->n_elements == 2 && i == 0)
      gst_element_unlink (rig->elements[0], rig->elements[1]);
    if (GST_OBJECT_REFCOUNT_VALUE (rig->elements[i]) != 1) {
      order_rig_tell (rig, "%s has %d references left", GST_OBJECT_NAME (rig->elements[i]),
          GST_OBJECT_REFCOUNT_VALUE (rig->elements[i]));
      clean = FALSE;
    }
    g_clear_pointer (&rig->elements[i], gst_object_unref);
  }
  g_clear_pointer (&rig->bus, gst_object_unref);
  if (g_atomic_int_get (&rig->n_alive) != 0) {
    order_rig_tell (rig, "%d buffers and events are left", g_atomic_int_get (&rig->n_alive));
    clean = FALSE;
  }
  return clean;
}

void order_rig_clear (OrderRig *rig)
{
  g_ptr_array_unref (rig->told);
  g_ptr_array_unref (rig->crossed);
  g_mutex_clear (&rig->lock);
  g_cond_clear (&rig->changed);
}

/* Sending ----------------------------------------------------------------------------------- */

static void on_freed (gpointer n_alive, GstMiniObject *object)
{
  g_atomic_int_add ((gint *) n_alive, -1);
}

gpointer order_rig_watch (OrderRig *rig, gpointer mini_object)
{
  g_atomic_int_inc (&rig->n_alive);
  gst_mini_object_weak_ref (mini_object, on_freed, &rig->n_alive);
  return mini_object;
}

GstFlowReturn order_rig_push (OrderRig *rig, GstBuffer *buffer)
{
  const GstFlowReturn flow = gst_pad_push (rig->up, order_rig_watch (rig, buffer));
  order_rig_tell (rig, "  buffer: %s", gst_flow_get_name (flow));
  return flow;
}

gboolean order_rig_push_event (OrderRig *rig, GstPad *from, GstEvent *event)
{
  const gchar *name = GST_EVENT_TYPE_NAME (event);
  const gboolean accepted = gst_pad_push_event (from, order_rig_watch (rig, event));
  order_rig_tell (rig, "  event %s: %d", name, accepted);
  return accepted;
}

/* `identity` answers POSITION itself, from the last buffer that it saw. */
void order_rig_query (OrderRig *rig, GstPad *from, GstQuery *query)
{
  const gboolean answered = gst_pad_peer_query (from, query);
  gchar *text = GST_QUERY_TYPE (query) == GST_QUERY_POSITION && !order_rig_is_plain (rig)
                    ? g_strdup ("query position")
                    : order_describe_query (query, answered);
  order_rig_tell (rig, "  %s", text);
  g_free (text);
  gst_query_unref (query);
}

/* Waiting ----------------------------------------------------------------------------------- */

gboolean order_rig_barrier (OrderRig *rig)
{
  const gint n = rig->last_barrier + 1;
  GstEvent *event = gst_event_new_custom (
      GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new (BARRIER, "n", G_TYPE_INT, n, NULL));
  if (!gst_pad_push_event (rig->up, event))
    return FALSE;
  g_mutex_lock (&rig->lock);
  while (rig->last_barrier < n)
    g_cond_wait (&rig->changed, &rig->lock);
  g_mutex_unlock (&rig->lock);
  return TRUE;
}

void order_rig_wait_eos (OrderRig *rig, guint n)
{
  g_mutex_lock (&rig->lock);
  while (rig->n_eos < n)
    g_cond_wait (&rig->changed, &rig->lock);
  g_mutex_unlock (&rig->lock);
  /* Until its task has given up, `queue` takes a new stream for the end of the old one. */
  if (rig->role >= ORDER_IDENTITY_QUEUE)
    order_rig_wait_paused (rig);
}

void order_rig_wait_paused (OrderRig *rig)
{
  g_autoptr (GstPad) src = order_rig_src (rig);
  for (gboolean is_running = TRUE; is_running;) {
    GST_OBJECT_LOCK (src);
    is_running = GST_PAD_TASK (src) && GST_TASK_STATE (GST_PAD_TASK (src)) == GST_TASK_STARTED;
    GST_OBJECT_UNLOCK (src);
    if (is_running)
      g_usleep (20);
  }
}

void order_rig_wait_empty (OrderRig *rig)
{
  guint n_buffers = rig->role >= ORDER_IDENTITY_QUEUE;
  while (n_buffers > 0) {
    g_usleep (20);
    g_object_get (rig->elements[rig->n_elements - 1], "current-level-buffers", &n_buffers, NULL);
  }
}
