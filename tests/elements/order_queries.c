/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of queries: each row says how to make one; and their answers. */
#include "order_items.h"

#include <gst/video/video.h>
#include <string.h>

/* A serialized query that GStreamer does not know. */
#define QUERY_CUSTOM_SERIALIZED \
  GST_QUERY_MAKE_TYPE (1700, (guint) GST_QUERY_TYPE_DOWNSTREAM | (guint) GST_QUERY_TYPE_SERIALIZED)

static GstQuery *new_drain (guint n, OrderDice *dice)
{
  return gst_query_new_drain ();
}

static GstQuery *new_allocation (guint n, OrderDice *dice)
{
  g_autoptr (GstCaps) caps = order_caps_new (order_draw (dice, order_n_caps ()));
  return gst_query_new_allocation (caps, order_draw (dice, 2));
}

static GstQuery *new_custom_serialized (guint n, OrderDice *dice)
{
  return gst_query_new_custom ((GstQueryType) QUERY_CUSTOM_SERIALIZED, order_mark (n));
}

static GstQuery *new_query_caps (guint n, OrderDice *dice)
{
  g_autoptr (GstCaps) filter = order_caps_new (order_draw (dice, order_n_caps ()));
  return gst_query_new_caps (order_draw (dice, 2) ? filter : NULL);
}

static GstQuery *new_query_accept (guint n, OrderDice *dice)
{
  g_autoptr (GstCaps) caps = order_draw (dice, 4)
                                 ? order_caps_new (order_draw (dice, order_n_caps ()))
                                 : gst_caps_new_empty_simple ("audio/x-raw");
  return gst_query_new_accept_caps (caps);
}

static GstQuery *new_query_custom (guint n, OrderDice *dice)
{
  return gst_query_new_custom (GST_QUERY_CUSTOM, order_mark (n));
}

static GstQuery *new_query_context (guint n, OrderDice *dice)
{
  return gst_query_new_context ("order.context");
}

static GstQuery *new_query_duration (guint n, OrderDice *dice)
{
  return gst_query_new_duration (order_draw (dice, 2) ? GST_FORMAT_TIME : GST_FORMAT_BYTES);
}

static GstQuery *new_query_position (guint n, OrderDice *dice)
{
  return gst_query_new_position (GST_FORMAT_TIME);
}

static GstQuery *new_query_latency (guint n, OrderDice *dice)
{
  return gst_query_new_latency ();
}

static GstQuery *new_query_seeking (guint n, OrderDice *dice)
{
  return gst_query_new_seeking (GST_FORMAT_TIME);
}

static GstQuery *new_query_scheduling (guint n, OrderDice *dice)
{
  return gst_query_new_scheduling ();
}

static GstQuery *new_query_segment (guint n, OrderDice *dice)
{
  return gst_query_new_segment (GST_FORMAT_TIME);
}

static GstQuery *new_query_uri (guint n, OrderDice *dice)
{
  return gst_query_new_uri ();
}

static const struct {
  const gchar *kind;
  GstQuery *(*make) (guint n, OrderDice *dice);
} queries[] = {
  { "drain", new_drain },
  { "allocation", new_allocation },
  { "custom-query", new_custom_serialized },
  { "query-caps", new_query_caps },
  { "query-accept", new_query_accept },
  { "query-custom", new_query_custom },
  { "query-context", new_query_context },
  { "up-query-duration", new_query_duration },
  { "up-query-position", new_query_position },
  { "up-query-latency", new_query_latency },
  { "up-query-seeking", new_query_seeking },
  { "up-query-scheduling", new_query_scheduling },
  { "up-query-segment", new_query_segment },
  { "up-query-uri", new_query_uri },
  { "up-query-custom", new_query_custom },
  { "up-query-caps", new_query_caps },
};

GstQuery *order_query_new (const gchar *kind, guint n, OrderDice *dice)
{
  for (guint i = 0; i < G_N_ELEMENTS (queries); i++)
    if (g_str_equal (queries[i].kind, kind))
      return queries[i].make (n, dice);
  return NULL;
}

/* Which of our pictures are in it. */
static guint caps_bits (GstCaps *caps)
{
  guint bits = 0;
  for (guint i = 0; i < order_n_caps (); i++) {
    g_autoptr (GstCaps) own = order_caps_new (i);
    bits |= (guint) gst_caps_can_intersect (caps, own) << i;
  }
  return bits;
}

static gchar *describe_latency (GstQuery *query)
{
  gboolean live;
  GstClockTime min, max;
  gst_query_parse_latency (query, &live, &min, &max);
  return g_strdup_printf ("live %d, not less than upstream's %d", live,
      min >= 5 * GST_MSECOND && max >= 20 * GST_MSECOND);
}

static gchar *describe_answer (GstQuery *query)
{
  GstCaps *caps = NULL;
  gboolean accepted;
  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_ALLOCATION:
    return g_strdup (
        gst_query_find_allocation_meta (query, GST_REFERENCE_TIMESTAMP_META_API_TYPE, NULL)
            ? "has downstream's meta"
            : "");
  case GST_QUERY_LATENCY:
    return describe_latency (query);
  case GST_QUERY_CAPS:
    gst_query_parse_caps_result (query, &caps);
    return g_strdup_printf ("pictures %x", caps ? caps_bits (caps) : 0);
  case GST_QUERY_ACCEPT_CAPS:
    gst_query_parse_accept_caps_result (query, &accepted);
    return g_strdup (accepted ? "accepted" : "not accepted");
  default: {
    const GstStructure *structure = gst_query_get_structure (query);
    return structure ? gst_structure_to_string (structure) : g_strdup ("");
  }
  }
}

gchar *order_describe_query (GstQuery *query, gboolean answered)
{
  g_autofree gchar *answer = answered ? describe_answer (query) : g_strdup ("no");
  return g_strdup_printf ("query %s: %s", GST_QUERY_TYPE_NAME (query), answer);
}

static gboolean answer_custom (GstQuery *query)
{
  GstStructure *structure = gst_query_writable_structure (query);
  gint n = 0;
  gst_structure_get_int (structure, "n", &n);
  gst_structure_set (structure, "answer", G_TYPE_INT, 3 * n, NULL);
  return n % 3 != 0;
}

static gboolean answer_caps (GstQuery *query)
{
  GstCaps *filter;
  g_autoptr (GstCaps) all = gst_caps_new_empty ();
  for (guint i = 0; i < order_n_caps (); i++)
    gst_caps_append (all, order_caps_new (i));
  if (GST_QUERY_TYPE (query) == GST_QUERY_ACCEPT_CAPS) {
    GstCaps *caps;
    gst_query_parse_accept_caps (query, &caps);
    gst_query_set_accept_caps_result (query, gst_caps_is_subset (caps, all));
    return TRUE;
  }
  gst_query_parse_caps (query, &filter);
  g_autoptr (GstCaps) result = filter ? gst_caps_intersect (all, filter) : gst_caps_ref (all);
  gst_query_set_caps_result (query, result);
  return TRUE;
}

gboolean order_answer (GstQuery *query)
{
  GstFormat format;
  switch ((gint) GST_QUERY_TYPE (query)) {
  case GST_QUERY_DRAIN:
    return TRUE;
  case GST_QUERY_ALLOCATION:
    gst_query_add_allocation_meta (query, GST_REFERENCE_TIMESTAMP_META_API_TYPE, NULL);
    return TRUE;
  case GST_QUERY_CAPS:
  case GST_QUERY_ACCEPT_CAPS:
    return answer_caps (query);
  case GST_QUERY_LATENCY:
    gst_query_set_latency (query, TRUE, 5 * GST_MSECOND, 20 * GST_MSECOND);
    return TRUE;
  case GST_QUERY_POSITION:
    gst_query_set_position (query, GST_FORMAT_TIME, 77 * GST_SECOND);
    return TRUE;
  case GST_QUERY_DURATION:
    gst_query_parse_duration (query, &format, NULL);
    gst_query_set_duration (query, format, 99 * GST_SECOND);
    return format == GST_FORMAT_TIME;
  case GST_QUERY_SEEKING:
    gst_query_set_seeking (query, GST_FORMAT_TIME, TRUE, 0, 99 * GST_SECOND);
    return TRUE;
  case GST_QUERY_SEGMENT:
    gst_query_set_segment (query, 1, GST_FORMAT_TIME, 0, 99 * GST_SECOND);
    return TRUE;
  case GST_QUERY_URI:
    gst_query_set_uri (query, "order:uri");
    return TRUE;
  case GST_QUERY_CUSTOM:
  case QUERY_CUSTOM_SERIALIZED:
    return answer_custom (query);
  default:
    return FALSE;
  }
}
