/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir tune: has a device measure its kernels for a model, and tells what became faster. */
#include "engine/cli/cli.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_CHARS 78 /* of a terminal */

/* One line that is written over, or in a file a line each. */
static void show_progress (uint32_t done, uint32_t n, const char *shape, uint32_t batch, void *user)
{
  bool is_terminal = isatty (STDERR_FILENO);
  g_autofree char *text = g_strdup_printf ("%u of %u: batch %u, %s", done + 1, n, batch, shape);

  if (is_terminal)
    fprintf (stderr, "\r%-*.*s", LINE_CHARS, LINE_CHARS, text);
  else
    fprintf (stderr, "%s\n", text);
  fflush (stderr);
}

static void clear_progress (void)
{
  if (isatty (STDERR_FILENO))
    fprintf (stderr, "\r%*s\r", LINE_CHARS, "");
}

/* "1,8,32", whose largest is the session's batch-size. NULL on error; empty where it is not given.
 */
static GArray *parse_batches (const char *text, WeirSessionOptions *options, GError **error)
{
  g_autoptr (GArray) batches = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  g_autoptr (GArray) numbers =
      text ? cli_parse_numbers (text, "--batch-size", 1, 1024, error) : NULL;

  if (text && !numbers)
    return NULL;
  for (guint i = 0; numbers && i < numbers->len; i++) {
    double number = g_array_index (numbers, double, i);
    uint32_t batch = (uint32_t) number;
    if (number != batch) {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
          "--batch-size: %g is no whole number; expected is, say, 1,8,32", number);
      return NULL;
    }
    options->batch_size = MAX (options->batch_size, batch);
    g_array_append_val (batches, batch);
  }
  return g_steal_pointer (&batches);
}

static double gain_of (double before_ns, double after_ns)
{
  return after_ns > 0 ? before_ns / after_ns : 1;
}

static void print_row (const WeirTuneRow *row)
{
  g_autofree char *change = g_strcmp0 (row->before, row->after) == 0
                                ? g_strdup_printf ("%s stays", row->after)
                                : g_strdup_printf ("%s, was %s", row->after, row->before);

  if (row->after_ns > 0)
    printf ("%6u %6u %12.1f %12.1f %6.2f  %s\n%48s%s\n", row->batch, row->n_steps,
        row->before_ns / 1e3, row->after_ns / 1e3, gain_of (row->before_ns, row->after_ns),
        row->shape, "", change);
  else
    printf ("%6u %6u %12s %12s %6s  %s\n%48s%s, not measured\n", row->batch, row->n_steps, "-", "-",
        "-", row->shape, "", row->before);
}

static void print_table (const WeirTuning *tuning)
{
  printf ("%-14s %s, %s\n", "device", tuning->device, tuning->precision);
  if (tuning->n_rows == 0) {
    printf ("%-14s the model has no convolutions there\n", "nothing");
    return;
  }
  printf (
      "%6s %6s %12s %12s %6s  %s\n", "batch", "steps", "before us", "after us", "gain", "shape");
  for (uint32_t i = 0; i < tuning->n_rows; i++)
    print_row (&tuning->rows[i]);
  printf ("%-14s %.3f ms before, %.3f ms after (%.2f times as fast)\n", "all steps",
      tuning->before_ns / 1e6, tuning->after_ns / 1e6,
      gain_of (tuning->before_ns, tuning->after_ns));
  if (tuning->n_left)
    printf ("%-14s %u of %u: give more --seconds, or a smaller --batch-size\n", "not measured",
        tuning->n_left, tuning->n_rows);
  if (tuning->folder)
    printf ("%-14s in %s\n", "kept", tuning->folder);
  else
    printf ("%-14s there is no cache folder: the result is lost\n", "not kept");
}

static void print_json (const WeirTuning *tuning)
{
  g_autofree char *device = cli_json_string (tuning->device);
  g_autofree char *folder = tuning->folder ? cli_json_string (tuning->folder) : g_strdup ("null");

  printf ("{\"device\":%s,\"precision\":\"%s\",\"folder\":%s,\"before_us\":%.3f,\"after_us\":%.3f,"
          "\"n_left\":%u,\"rows\":[",
      device, tuning->precision, folder, tuning->before_ns / 1e3, tuning->after_ns / 1e3,
      tuning->n_left);
  for (uint32_t i = 0; i < tuning->n_rows; i++) {
    const WeirTuneRow *row = &tuning->rows[i];
    g_autofree char *shape = cli_json_string (row->shape), *before = cli_json_string (row->before),
                    *after = cli_json_string (row->after);
    printf ("%s{\"shape\":%s,\"batch\":%u,\"n_steps\":%u,\"before\":%s,\"after\":%s,"
            "\"before_us\":%.3f,\"after_us\":%.3f}",
        i ? "," : "", shape, row->batch, row->n_steps, before, after, row->before_ns / 1e3,
        row->after_ns / 1e3);
  }
  printf ("]}\n");
}

int cli_tune (const CliCommand *command, int argc, char **argv)
{
  gboolean as_json = FALSE;
  double seconds = 60;
  g_autofree char *sizes = NULL;
  const GOptionEntry entries[] = {
    { "batch-size", 0, 0, G_OPTION_ARG_STRING, &sizes,
        "Batches to tune for (default: 1 and the largest)", "N,..." },
    { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "Time to spend (default 60)", "S" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print a JSON object", NULL },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  int status = cli_parse (command, entries,
      CLI_OPTIONS_LABELS | CLI_OPTIONS_SESSION | CLI_OPTIONS_OWN_BATCHES, &argc, &argv, 1, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) batches = NULL;
  g_autoptr (WeirTuning) tuning = NULL;
  WeirSessionOptions session;

  if (status != CLI_OK)
    return status;
  if (!(seconds > 0 && seconds <= 86400))
    return cli_usage (command, "--seconds: %g is not in 0..86400", seconds);
  if (!cli_session_options (argv[1], &session, &error) ||
      !(batches = parse_batches (sizes, &session, &error)))
    return cli_fail (error);
  WeirTuneOptions options = { .batches = sizes ? (const uint32_t *) (void *) batches->data : NULL,
    .n_batches = batches->len,
    .seconds = seconds,
    .progress = show_progress };
  tuning = weir_session_tune (&session, &options, &error);
  clear_progress ();
  if (!tuning)
    return cli_fail (error);
  if (as_json)
    print_json (tuning);
  else
    print_table (tuning);
  return CLI_OK;
}
