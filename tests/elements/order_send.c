/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes in, with what has to be there first, and waiting until it has left. */
#include "order_send.h"

#include "fake_engine.h"

/* Waiting and making way ---------------------------------------------------------------------- */

gpointer order_help (gpointer data)
{
  OrderPilot *p = data;
  if (p->question)
    return GINT_TO_POINTER (gst_pad_peer_query (p->rig->up, p->question));
  return GINT_TO_POINTER (gst_pad_push (p->rig->up, g_steal_pointer (&p->burden)));
}

/* Where downstream stops alone, ALLOCATION is answered all the same: with what the element needs. A
 * buffer that waits for room when the end comes may still get in, only to be dropped. */
void order_join_helper (OrderPilot *p, gboolean is_stop)
{
  if (!p->helper)
    return;
  const gint result = GPOINTER_TO_INT (g_thread_join (g_steal_pointer (&p->helper)));
  if (!p->question)
    order_rig_tell (p->rig, "  helper: %s",
        result == GST_FLOW_OK || result == GST_FLOW_FLUSHING || is_stop ? "back" : "refused");
  else if (!is_stop || GST_QUERY_TYPE (p->question) != GST_QUERY_ALLOCATION)
    order_rig_tell (p->rig, "  helper: %d", result);
  g_clear_pointer (&p->question, gst_query_unref);
}

void order_open_gate (OrderPilot *p)
{
  if (!p->is_held)
    return;
  fake_engine_release ();
  order_rig_open_gate (p->rig, GST_FLOW_OK);
  p->is_held = FALSE;
  order_join_helper (p, FALSE);
}

/* Another serialized item would wait for the helper. */
void order_make_way (OrderPilot *p)
{
  if (p->helper)
    order_open_gate (p);
}

void order_settle (OrderPilot *p)
{
  order_open_gate (p);
  if (p->refused != GST_FLOW_OK)
    order_rig_wait_paused (p->rig);
  else if (p->is_eos)
    order_rig_wait_eos (p->rig, p->n_eos);
  else if (!order_rig_barrier (p->rig))
    order_rig_tell (p->rig, "  not settled");
  order_rig_mark (p->rig, "settled", FALSE);
  p->is_sticky_since = FALSE;
}

/* Sending ------------------------------------------------------------------------------------- */

/* What has started over after a flush. */
void order_note_flush (OrderPilot *p)
{
  p->has_segment = p->is_eos = p->took_eos = p->is_unexpected = p->is_held = FALSE;
  p->refused = GST_FLOW_OK;
  p->n_eos = p->rig->n_eos;
}

static void note_event (OrderPilot *p, const GstEvent *event, gboolean accepted)
{
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_STREAM_START:
    p->has_stream = TRUE;
    if (p->took_eos) { /* the end of the old stream is forgotten, whatever it was */
      p->refused = GST_FLOW_OK;
      p->is_unexpected = FALSE;
    }
    p->is_eos = p->took_eos = FALSE;
    break;
  case GST_EVENT_SEGMENT:
    p->has_segment |= accepted;
    p->is_unexpected = FALSE;
    break;
  case GST_EVENT_EOS:
    p->n_eos += accepted && !p->is_eos;
    p->took_eos |= accepted;
    p->is_eos = TRUE;
    break;
  default:
    break;
  }
  p->is_sticky_since |= GST_EVENT_IS_STICKY (event) && GST_EVENT_TYPE (event) != GST_EVENT_EOS &&
                        GST_EVENT_TYPE (event) != GST_EVENT_SEGMENT;
}

gboolean order_send_from (OrderPilot *p, GstPad *from, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START && p->is_eos)
    order_settle (p);
  gst_event_set_seqnum (event, ORDER_SEQNUM_BASE + p->n_items++);
  gst_event_ref (event);
  const gboolean accepted = order_rig_push_event (p->rig, from, event);
  note_event (p, event, accepted);
  gst_event_unref (event);
  return accepted;
}

gboolean order_send_event (OrderPilot *p, GstEvent *event)
{
  return order_send_from (p, p->rig->up, event);
}

/* Upstream where its name says so. */
void order_send_kind (OrderPilot *p, const gchar *kind, OrderDice *dice)
{
  GstPad *from = g_str_has_prefix (kind, "up-") ? p->rig->down : p->rig->up;
  order_send_from (p, from, order_event_new (kind, p->n_items, dice));
}

void order_send_caps (OrderPilot *p, guint caps)
{
  GstCaps *own = order_caps_new (caps);
  if (order_send_event (p, gst_event_new_caps (own))) {
    p->caps = caps;
    p->has_caps = TRUE;
  }
  gst_caps_unref (own);
}

/* A stream with caps; a third of the time also after EOS. */
void order_need_caps (OrderPilot *p, OrderDice *dice)
{
  order_make_way (p);
  if (!p->has_stream || (p->is_eos && p->refused == GST_FLOW_OK && order_draw (dice, 3) == 0))
    order_send_kind (p, "stream-start", dice);
  if (!p->has_caps && !p->is_eos)
    order_send_caps (p, order_draw (dice, order_n_caps ()));
}

void order_need_segment (OrderPilot *p, OrderDice *dice)
{
  order_need_caps (p, dice);
  if (!p->has_segment && !p->is_eos)
    order_send_kind (p, "segment", dice);
}

GstFlowReturn order_send_buffer (OrderPilot *p, OrderDice *dice)
{
  if (p->is_held && p->n_held == p->room)
    order_open_gate (p);
  p->n_held++;
  return order_rig_push (p->rig, order_buffer_new (p->n_items++, p->caps, dice));
}
