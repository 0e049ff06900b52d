/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The `weir` command: what its subcommands share. One thread, unless a function says otherwise. */
#pragma once

#include "engine/weir.h"

G_BEGIN_DECLS

enum {
  CLI_OK = 0,
  CLI_FAILED = 1, /* it was tried and did not work */
  CLI_USAGE = 2,  /* the command line makes no sense */
};

/* One subcommand. */
typedef struct CliCommand {
  const char *name;
  const char *arguments;   /* "MODEL": what --help shows behind the options */
  const char *blurb;       /* one line for the list */
  const char *description; /* below the options in --help; NULL */
  int (*run) (const struct CliCommand *command, int argc, char **argv);
} CliCommand;

int cli_inspect (const CliCommand *command, int argc, char **argv);
int cli_run (const CliCommand *command, int argc, char **argv);
int cli_bench (const CliCommand *command, int argc, char **argv);
int cli_tune (const CliCommand *command, int argc, char **argv);
int cli_devices (const CliCommand *command, int argc, char **argv);
int cli_decoders (const CliCommand *command, int argc, char **argv);
int cli_operators (const CliCommand *command, int argc, char **argv);

/* One sentence on stderr; each returns the exit status that belongs to it. */
int cli_usage (const CliCommand *command, const char *format, ...) G_GNUC_PRINTF (2, 3);
int cli_fail (const GError *error);

/* Options of the model and of the session, named as the elements' properties. They are parsed into
 * one place, as one process runs one subcommand. */
typedef enum CliOptionSet {
  CLI_OPTIONS_LABELS = 1 << 0,  /* labels, decoder, color-format, resize, input-shape, model-proc,
                                 * constant-inputs */
  CLI_OPTIONS_NORMAL = 1 << 1,  /* mean, scale of the model's own preprocessing */
  CLI_OPTIONS_SESSION = 1 << 2, /* device, precision, batching */
  CLI_OPTIONS_OWN_BATCHES = 1 << 3, /* … but batch-size, which is the command's own */
} CliOptionSet;

/* Parses argv: `entries` (may be NULL) and the sets. What is left are at least min and at most max
 * arguments, argv[1] on. CLI_OK, or the exit status after an error was printed. */
int cli_parse (const CliCommand *command, const GOptionEntry *entries, CliOptionSet sets, int *argc,
    char ***argv, int min_arguments, int max_arguments);
/* What cli_parse found, for weir_session_open and weir_model_load; strings stay valid. */
bool cli_session_options (const char *model, WeirSessionOptions *options, GError **error);

/* "30,30,5": numbers in min..max, at least one. `what` names it in the error. NULL on error. */
GArray *cli_parse_numbers (
    const char *text, const char *what, double min, double max, GError **error);
/* Whether the device runs nothing: SIM(a,b). */
bool cli_is_simulated (const WeirStats *stats);
/* "a quoted JSON string", newly allocated. */
char *cli_json_string (const char *text);

G_END_DECLS
