/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Characters whose middles lie within half a character's height form a line; lines are read from
 * left to right and told apart by their shape. */
#include "pipelines/clocks/reading.h"

#include <gst/video/video.h>
#include <string.h>

typedef struct Character {
  double middle_x, middle_y, height;
  char letter;
} Character;

static GArray *collect (GstBuffer *buffer)
{
  GArray *characters = g_array_new (FALSE, FALSE, sizeof (Character));
  GstVideoRegionOfInterestMeta *roi;
  gpointer state = NULL;
  while ((roi = (GstVideoRegionOfInterestMeta *) gst_buffer_iterate_meta_filtered (
              buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    const GstStructure *answer = gst_video_region_of_interest_meta_get_param (roi, "character");
    const char *label = answer ? gst_structure_get_string (answer, "label") : NULL;
    if (!label || strlen (label) != 1)
      continue;
    Character character = { roi->x + roi->w / 2.0, roi->y + roi->h / 2.0, roi->h, label[0] };
    g_array_append_val (characters, character);
  }
  return characters;
}

static gint by_y (gconstpointer a, gconstpointer b)
{
  double d = ((const Character *) a)->middle_y - ((const Character *) b)->middle_y;
  return (d > 0) - (d < 0);
}

static gint by_x (gconstpointer a, gconstpointer b)
{
  double d = ((const Character *) a)->middle_x - ((const Character *) b)->middle_x;
  return (d > 0) - (d < 0);
}

static void keep_line (const GArray *line, Reading *reading)
{
  g_autofree char *text = g_malloc0 (line->len + 1);
  for (guint i = 0; i < line->len; i++)
    text[i] = g_array_index (line, Character, i).letter;
  if (g_regex_match_simple ("^\\d+:\\d\\d:\\d\\d\\.\\d\\d\\d$", text, 0, 0))
    g_strlcpy (reading->clock, text, sizeof reading->clock);
  else if (g_regex_match_simple ("^#\\d+$", text, 0, 0))
    g_strlcpy (reading->camera, text, sizeof reading->camera);
}

void reading_of_buffer (GstBuffer *buffer, Reading *reading)
{
  g_autoptr (GArray) characters = collect (buffer);
  g_autoptr (GArray) line = g_array_new (FALSE, FALSE, sizeof (Character));
  *reading = (Reading){ .n_characters = characters->len };
  g_array_sort (characters, by_y);
  for (guint i = 0; i < characters->len; i++) {
    const Character *next = &g_array_index (characters, Character, i);
    const Character *last = line->len ? &g_array_index (line, Character, line->len - 1) : next;
    if (next->middle_y - last->middle_y >= 0.5 * next->height) {
      g_array_sort (line, by_x);
      keep_line (line, reading);
      g_array_set_size (line, 0);
    }
    g_array_append_val (line, *next);
  }
  g_array_sort (line, by_x);
  keep_line (line, reading);
}

void reading_write_clock (GstClockTime time_ns, char text[32])
{
  guint64 ms = time_ns / GST_MSECOND;
  g_snprintf (text, 32, "%u:%02u:%02u.%03u", (guint) (ms / 3600000), (guint) (ms / 60000 % 60),
      (guint) (ms / 1000 % 60), (guint) (ms % 1000));
}
