/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One function per kind of step. */
#include "order_pilot.h"

#include "fake_engine.h"
#include "order_send.h"
#include <stdlib.h>
#include <string.h>

#define N_TAIL 16u /* lines shown of a run that hangs */

typedef void (*StepFn) (OrderPilot *p, OrderDice *dice);

gint order_n_steps;
static OrderPilot *current;

/* Steps: data ----------------------------------------------------------------------------------
 */

static void step_buffer (OrderPilot *p, OrderDice *dice)
{
  order_need_segment (p, dice);
  order_send_buffer (p, dice);
}

static void step_burst (OrderPilot *p, OrderDice *dice)
{
  order_need_segment (p, dice);
  for (guint n = 2 + order_draw (dice, 5); n > 0; n--)
    order_send_buffer (p, dice);
}

/* Not behind a gate, where it might not fit. */
static void step_list (OrderPilot *p, OrderDice *dice)
{
  GstBufferList *list = gst_buffer_list_new ();
  order_need_segment (p, dice);
  order_open_gate (p);
  for (guint n = 1 + order_draw (dice, 3); n > 0; n--)
    gst_buffer_list_add (
        list, order_rig_watch (p->rig, order_buffer_new (p->n_items++, p->caps, dice)));
  const GstFlowReturn flow = gst_pad_push_list (p->rig->up, list);
  order_rig_tell (p->rig, "  list: %s", gst_flow_get_name (flow));
}

/* `identity` says the same caps only once. */
static void step_caps (OrderPilot *p, OrderDice *dice)
{
  const guint other = (p->caps + 1 + order_draw (dice, order_n_caps () - 1)) % order_n_caps ();
  order_make_way (p);
  if (!p->has_stream)
    order_send_kind (p, "stream-start", dice);
  order_send_caps (
      p, p->has_caps && order_rig_is_plain (p->rig) && order_draw (dice, 4) == 0 ? p->caps : other);
}

static const gchar *step_name (const OrderPilot *p)
{
  return order_kind_name (p->step->kind);
}

static void step_stream_event (OrderPilot *p, OrderDice *dice)
{
  order_make_way (p);
  order_send_kind (p, step_name (p), dice);
}

static void step_event (OrderPilot *p, OrderDice *dice)
{
  order_need_caps (p, dice);
  order_send_kind (p, step_name (p), dice);
}

/* Flushes make it forgotten. `queue` keeps it over a flush where its task has given up before. */
static void step_group_done (OrderPilot *p, OrderDice *dice)
{
  if (p->refused == GST_FLOW_OK)
    step_event (p, dice);
}

static void step_timed_event (OrderPilot *p, OrderDice *dice)
{
  order_need_segment (p, dice);
  order_send_kind (p, step_name (p), dice);
}

/* Not serialized, or upstream: at any time. */
static void step_free_event (OrderPilot *p, OrderDice *dice)
{
  order_send_kind (p, step_name (p), dice);
}

/* Sticky, but not serialized: a sticky event that the element's task is just pushing would be sent
 * twice, since the list of sticky events has changed meanwhile; or the task takes this one along, so
 * that it crosses later. Of two elements the first pushes while the second is held. */
static void step_instant_rate (OrderPilot *p, OrderDice *dice)
{
  order_need_caps (p, dice);
  if (!p->is_held || p->is_sticky_since)
    order_settle (p);
  order_send_kind (p, step_name (p), dice);
}

/* What was kept goes on; not where an EOS was refused meanwhile, which some later item would send
 * again. */
static void step_reconfigure (OrderPilot *p, OrderDice *dice)
{
  if (p->is_eos && !p->took_eos)
    return;
  if (p->refused == GST_FLOW_NOT_LINKED)
    p->refused = GST_FLOW_OK;
  order_send_kind (p, step_name (p), dice);
}

/* An EOS that was refused is sent again with each query, but by `identity` only once. */
static void step_query (OrderPilot *p, OrderDice *dice)
{
  if (p->is_eos && !p->took_eos && !order_rig_is_plain (p->rig))
    return;
  GstQuery *query = order_query_new (step_name (p), p->n_items++, dice);
  if (GST_QUERY_IS_SERIALIZED (query)) {
    order_open_gate (p);
    if (p->is_eos)
      order_settle (p);
  }
  order_rig_query (p->rig, p->rig->up, query);
}

static void step_query_up (OrderPilot *p, OrderDice *dice)
{
  GstQuery *query = order_query_new (step_name (p), p->n_items++, dice);
  if (GST_QUERY_TYPE (query) == GST_QUERY_POSITION) {
    order_settle (p); /* `queue` takes off the time that it holds */
    if (p->refused != GST_FLOW_OK) {
      gst_query_unref (query);
      return;
    }
  }
  order_rig_query (p->rig, p->rig->down, query);
}

/* Steps: the gate -----------------------------------------------------------------------------
 */

static gboolean can_flow (const OrderPilot *p)
{
  return p->refused == GST_FLOW_OK && !p->is_eos;
}

static void step_hold (OrderPilot *p, OrderDice *dice)
{
  static const gchar *const kinds[] = { "tag", "custom", "gap", "custom-sticky" };
  order_settle (p);
  if (!can_flow (p))
    return;
  order_need_segment (p, dice);
  order_settle (p);
  order_rig_close_gate (p->rig);
  if (p->is_unexpected || order_draw (dice, 2))
    order_send_kind (p, kinds[order_draw (dice, G_N_ELEMENTS (kinds))], dice);
  else
    order_send_buffer (p, dice);
  order_rig_wait_stuck (p->rig);
  p->room = p->rig->subject->capacity;
  if (order_draw (dice, 3) == 0) { /* nothing goes on from the first element to the second */
    fake_engine_hold ();
    p->room = p->rig->subject->capacity_one;
  }
  p->is_held = TRUE;
  p->n_held = 0;
}

static void step_release (OrderPilot *p, OrderDice *dice)
{
  order_open_gate (p);
}

static void step_fill (OrderPilot *p, OrderDice *dice)
{
  if (!p->is_held || p->helper || p->is_eos || p->is_unexpected ||
      p->room < p->rig->subject->capacity)
    return;
  order_need_segment (p, dice);
  while (p->n_held < p->room)
    order_send_buffer (p, dice);
  p->burden = order_rig_watch (p->rig, order_buffer_new (p->n_items++, p->caps, dice));
  p->helper = g_thread_new ("helper", order_help, p);
}

static void step_held_query (OrderPilot *p, OrderDice *dice)
{
  static const gchar *const kinds[] = { "drain", "allocation", "custom-query" };
  if (!p->is_held || p->helper || p->is_eos)
    return;
  p->question =
      order_query_new (kinds[order_draw (dice, G_N_ELEMENTS (kinds))], p->n_items++, dice);
  p->helper = g_thread_new ("helper", order_help, p);
}

/* Steps: interruptions ------------------------------------------------------------------------
 */

/* TRUE: nobody waits for what is under way. Of two sticky events that a flush cuts off the later
 * replaces the earlier, where they stand in the same element of two. */
static gboolean leave_running (OrderPilot *p, OrderDice *dice, gboolean sticky_too)
{
  const gboolean is_chain = p->rig->subject->elements[1].factory != NULL;
  if (p->is_held && !(is_chain && p->is_sticky_since && !sticky_too)) {
    order_rig_mark (p->rig, "held", FALSE);
    return FALSE;
  }
  if (p->refused == GST_FLOW_OK && (sticky_too || !p->is_sticky_since) && order_draw (dice, 3))
    return TRUE;
  order_settle (p);
  return FALSE;
}

/* Sticky events that a flush cuts off come after it, with the next sticky one for certain: before
 * that FLUSH_STOP may have made `queue`'s src pad forget them. */
static void step_flush (OrderPilot *p, OrderDice *dice)
{
  const gboolean is_free = leave_running (p, dice, FALSE);
  const gboolean keeps = p->is_sticky_since || p->refused != GST_FLOW_OK;
  order_send_event (p, gst_event_new_flush_start ());
  order_join_helper (p, FALSE);
  order_rig_mark (p->rig, "flushed", is_free);
  if (p->has_segment && order_draw (dice, 3) == 0)
    order_rig_push (p->rig, order_buffer_new (p->n_items++, p->caps, dice));
  if (order_draw (dice, 3) == 0)
    order_send_kind (p, order_draw (dice, 2) ? "custom" : "oob", dice);
  if (order_draw (dice, 5) == 0)
    order_send_event (p, gst_event_new_flush_start ());
  order_send_event (p, gst_event_new_flush_stop (order_draw (dice, 2)));
  order_note_flush (p);
  fake_engine_release ();
  if (keeps && p->has_stream)
    order_need_segment (p, dice);
  p->is_sticky_since |= keeps;
}

static void step_seek (OrderPilot *p, OrderDice *dice)
{
  order_send_from (p, p->rig->down,
      gst_event_new_seek (1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
          p->n_items * GST_MSECOND, GST_SEEK_TYPE_NONE, -1));
  step_flush (p, dice);
  if (p->has_stream)
    order_need_segment (p, dice);
}

/* What stands behind a buffer that is about to be refused; TRUE: something that lets buffers flow
 * again. After downstream's EOS `queue` loses sticky events that stand in it, and stops for ever at
 * a segment; whether sticky events leave before the EOS that follows an error depends on its
 * version: none of these is sent then. */
static gboolean fill_behind (OrderPilot *p, OrderDice *dice, GstFlowReturn flow)
{
  static const gchar *const kinds[] = { "custom", "gap", "both", "tag", "custom-sticky", "toc" };
  const gchar *last = order_draw (dice, 3) ? NULL : "eos";
  if (last && flow != GST_FLOW_EOS && order_draw (dice, 2))
    last = "segment";
  const guint n_kinds =
      flow == GST_FLOW_EOS || g_strcmp0 (last, "eos") == 0 ? 3 : G_N_ELEMENTS (kinds);
  for (guint n = order_draw (dice, 4); n > 0; n--)
    if (order_draw (dice, 2))
      order_send_buffer (p, dice);
    else
      order_send_kind (p, kinds[order_draw (dice, n_kinds)], dice);
  if (last)
    order_send_kind (p, last, dice);
  return last != NULL;
}

/* Until chain says so. Buffers that come before that are dropped. */
static void await_unexpected (OrderPilot *p, OrderDice *dice)
{
  GstFlowReturn flow = GST_FLOW_OK;
  while (flow == GST_FLOW_OK) {
    flow = gst_pad_push (p->rig->up, order_rig_watch (p->rig, order_buffer_new (0, p->caps, dice)));
    order_rig_wait_empty (p->rig);
  }
  order_rig_tell (p->rig, "  downstream's refusal: %s", gst_flow_get_name (flow));
  p->is_unexpected = TRUE;
}

static void step_refuse (OrderPilot *p, OrderDice *dice)
{
  static const GstFlowReturn flows[] = { GST_FLOW_EOS, GST_FLOW_EOS, GST_FLOW_NOT_LINKED,
    GST_FLOW_NOT_LINKED, GST_FLOW_ERROR, GST_FLOW_NOT_NEGOTIATED, GST_FLOW_FLUSHING,
    GST_FLOW_CUSTOM_ERROR, GST_FLOW_CUSTOM_ERROR_1 };
  const GstFlowReturn flow = flows[order_draw (dice, G_N_ELEMENTS (flows))];
  order_settle (p);
  if (!can_flow (p) || p->is_unexpected || p->rig->subject->elements[1].factory)
    return;
  order_need_segment (p, dice);
  order_settle (p);
  order_rig_close_gate (p->rig);
  order_send_buffer (p, dice);
  order_rig_wait_stuck (p->rig);
  p->n_held = 0;
  p->room = p->rig->subject->capacity;
  const gboolean goes_on = fill_behind (p, dice, flow);
  order_rig_open_gate (p->rig, flow);
  if (flow != GST_FLOW_EOS) {
    order_rig_wait_paused (p->rig);
    if (p->took_eos && (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS))
      order_rig_wait_eos (p->rig, p->n_eos); /* sent by the element, after its error message */
    p->refused = flow;
    order_rig_mark (p->rig, "refused", FALSE);
    order_send_buffer (p, dice);
    if (p->took_eos) /* that it may keep: it would stop again at that EOS in the next stream */
      step_flush (p, dice);
  } else if (!goes_on) {
    await_unexpected (p, dice);
  }
}

/* Unlinked, something goes nowhere; linked again, what was kept goes on. */
static void step_unlink (OrderPilot *p, OrderDice *dice)
{
  static const gchar *const kinds[] = { "custom", "tag", "gap", "custom-sticky", "segment", "oob" };
  order_settle (p);
  if (!can_flow (p) || p->is_unexpected || p->rig->subject->elements[1].factory)
    return;
  order_need_segment (p, dice);
  order_settle (p);
  g_autoptr (GstPad) src = order_rig_src (p->rig);
  gst_pad_unlink (src, p->rig->down);
  if (order_draw (dice, 2))
    order_send_kind (p, kinds[order_draw (dice, G_N_ELEMENTS (kinds))], dice);
  order_send_buffer (p, dice);
  order_rig_wait_paused (p->rig);
  p->refused = GST_FLOW_NOT_LINKED;
  if (order_draw (dice, 2))
    order_send_buffer (p, dice);
  if (order_draw (dice, 2))
    order_send_kind (p, kinds[order_draw (dice, G_N_ELEMENTS (kinds))], dice);
  gst_pad_link (src, p->rig->down);
  p->refused = GST_FLOW_OK;
}

/* Everything sticky is said again. */
static void step_relink (OrderPilot *p, OrderDice *dice)
{
  order_settle (p);
  if (!order_rig_is_plain (p->rig) || !can_flow (p))
    return;
  g_autoptr (GstPad) sink = order_rig_sink (p->rig);
  gst_pad_unlink (p->rig->up, sink);
  gst_pad_link (p->rig->up, sink);
  p->is_sticky_since = TRUE;
}

static void step_pause (OrderPilot *p, OrderDice *dice)
{
  for (guint i = p->rig->n_elements; i-- > 0;)
    gst_element_set_state (p->rig->elements[i], GST_STATE_PAUSED);
  for (guint i = p->rig->n_elements; i-- > 0;)
    gst_element_set_state (p->rig->elements[i], GST_STATE_PLAYING);
}

/* Nothing gets through an element at rest. */
static void visit_at_rest (OrderPilot *p, OrderDice *dice)
{
  if (p->has_segment && order_draw (dice, 2))
    order_rig_push (p->rig, order_buffer_new (p->n_items++, p->caps, dice));
  if (order_draw (dice, 2))
    order_send_kind (p, order_draw (dice, 2) ? "custom" : "oob", dice);
  if (order_draw (dice, 2))
    order_rig_query (p->rig, p->rig->up, order_query_new ("drain", 0, dice));
  if (order_draw (dice, 3) == 0) {
    order_send_event (p, gst_event_new_flush_start ());
    order_send_event (p, gst_event_new_flush_stop (TRUE));
  }
}

static void step_restart (OrderPilot *p, OrderDice *dice)
{
  const gboolean is_free = leave_running (p, dice, TRUE);
  fake_engine_release ();
  order_rig_stop (p->rig, order_draw (dice, 2) ? GST_STATE_NULL : GST_STATE_READY);
  order_join_helper (p, TRUE);
  order_rig_mark (p->rig, "stopped", is_free);
  visit_at_rest (p, dice);
  order_rig_start (p->rig);
  order_note_flush (p);
  p->has_stream = p->has_caps = FALSE;
}

/* Schedules ----------------------------------------------------------------------------------- */

static const struct {
  const gchar *name;
  guint weight;
  StepFn run;
} kinds[] = {
  { "buffer", 30, step_buffer },
  { "burst", 10, step_burst },
  { "list", 2, step_list },
  { "caps", 4, step_caps },
  { "stream-start", 3, step_stream_event },
  { "segment", 5, step_event },
  { "tag", 5, step_event },
  { "gap", 4, step_timed_event },
  { "toc", 2, step_event },
  { "protection", 2, step_event },
  { "custom", 5, step_event },
  { "custom-sticky", 4, step_event },
  { "both", 2, step_event },
  { "oob", 4, step_free_event },
  { "segment-done", 2, step_timed_event },
  { "group-done", 2, step_group_done },
  { "instant-rate", 2, step_instant_rate },
  { "sink-message", 2, step_event },
  { "collection", 2, step_event },
  { "buffer-size", 2, step_event },
  { "eos", 4, step_stream_event },
  { "drain", 3, step_query },
  { "allocation", 3, step_query },
  { "custom-query", 3, step_query },
  { "query-caps", 1, step_query },
  { "query-accept", 1, step_query },
  { "query-custom", 1, step_query },
  { "query-context", 1, step_query },
  { "up-query-duration", 1, step_query_up },
  { "up-query-position", 1, step_query_up },
  { "up-query-latency", 1, step_query_up },
  { "up-query-seeking", 1, step_query_up },
  { "up-query-scheduling", 1, step_query_up },
  { "up-query-segment", 1, step_query_up },
  { "up-query-uri", 1, step_query_up },
  { "up-query-custom", 1, step_query_up },
  { "up-query-caps", 1, step_query_up },
  { "up-qos", 2, step_free_event },
  { "up-seek", 1, step_free_event },
  { "up-navigation", 1, step_free_event },
  { "up-latency", 1, step_free_event },
  { "up-reconfigure", 3, step_reconfigure },
  { "up-custom", 2, step_free_event },
  { "up-step", 1, step_free_event },
  { "up-toc-select", 1, step_free_event },
  { "hold", 12, step_hold },
  { "release", 3, step_release },
  { "fill", 4, step_fill },
  { "held-query", 4, step_held_query },
  { "flush", 10, step_flush },
  { "seek", 3, step_seek },
  { "refuse", 5, step_refuse },
  { "unlink", 3, step_unlink },
  { "relink", 2, step_relink },
  { "pause", 2, step_pause },
  { "restart", 4, step_restart },
};

guint order_n_kinds (void)
{
  return G_N_ELEMENTS (kinds);
}

const gchar *order_kind_name (guint kind)
{
  return kinds[kind].name;
}

static guint draw_kind (OrderDice *dice)
{
  guint sum = 0, i = 0;
  for (guint k = 0; k < G_N_ELEMENTS (kinds); k++)
    sum += kinds[k].weight;
  for (guint left = order_draw (dice, sum); left >= kinds[i].weight; i++)
    left -= kinds[i].weight;
  return i;
}

GArray *order_schedule_random (guint32 seed)
{
  GArray *schedule = g_array_new (FALSE, FALSE, sizeof (OrderStep));
  OrderDice dice = seed * 2654435761u + 12345;
  for (guint n = 4 + order_draw (&dice, 22); n > 0; n--) {
    const guint kind = draw_kind (&dice);
    const OrderStep step = { .kind = kind, .dice = order_draw (&dice, 100000) };
    g_array_append_val (schedule, step);
  }
  return schedule;
}

GArray *order_schedule_parse (const gchar *text)
{
  g_autoptr (GArray) schedule = g_array_new (FALSE, FALSE, sizeof (OrderStep));
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  for (gchar **word = words; *word; word++) {
    g_auto (GStrv) pair = g_strsplit (*word, ":", 2);
    OrderStep step = { .dice = pair[1] ? (OrderDice) strtoul (pair[1], NULL, 10) : 0 };
    while (step.kind < G_N_ELEMENTS (kinds) && !g_str_equal (kinds[step.kind].name, pair[0]))
      step.kind++;
    if (step.kind == G_N_ELEMENTS (kinds)) {
      g_printerr ("there is no step '%s'\n", pair[0]);
      return NULL;
    }
    g_array_append_val (schedule, step);
  }
  return g_steal_pointer (&schedule);
}

gchar *order_schedule_text (const GArray *schedule)
{
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < schedule->len; i++) {
    const OrderStep *step = &g_array_index (schedule, OrderStep, i);
    g_string_append_printf (text, "%s%s:%u", i ? " " : "", kinds[step->kind].name, step->dice);
  }
  return g_string_free (text, FALSE);
}

gboolean order_run (
    OrderRig *rig, const OrderSubject *subject, OrderRole role, const GArray *schedule)
{
  OrderPilot p = { .rig = rig };
  order_rig_init (rig, subject, role);
  current = &p;
  for (p.index = 0; p.index < schedule->len; p.index++) {
    p.step = &g_array_index (schedule, OrderStep, p.index);
    OrderDice dice = p.step->dice;
    order_rig_tell (rig, "%u %s", p.index, step_name (&p));
    kinds[p.step->kind].run (&p, &dice);
    g_atomic_int_inc (&order_n_steps);
  }
  order_settle (&p);
  const gboolean clean = order_rig_close (rig);
  current = NULL;
  return clean;
}

static void print_tail (const gchar *log, const GPtrArray *lines)
{
  for (guint i = lines->len > N_TAIL ? lines->len - N_TAIL : 0; i < lines->len; i++)
    g_printerr ("  %s: %s\n", log, (const gchar *) g_ptr_array_index (lines, i));
}

void order_print_state (void)
{
  const OrderPilot *p = current;
  if (!p)
    return;
  g_printerr ("step %u (%s:%u) of %s\n", p->index, p->step ? step_name (p) : "-",
      p->step ? p->step->dice : 0,
      p->rig->role >= ORDER_IDENTITY_QUEUE ? "the reference" : p->rig->subject->name);
  g_printerr (
      "held %d, %u buffers behind; helper %d; EOS %d (%u); refused %d; stuck %u; barrier %d\n",
      p->is_held, p->n_held, p->helper != NULL, p->is_eos, p->n_eos, p->refused, p->rig->n_stuck,
      p->rig->last_barrier);
  print_tail ("crossed", p->rig->crossed);
  print_tail ("told", p->rig->told);
}
