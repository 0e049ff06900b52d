/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The `weir` command: a table of subcommands. */
#include "engine/cli/cli.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const CliCommand commands[] = {
  { "inspect", "MODEL", "what a model is made of and how it would run", NULL, cli_inspect },
  { "run", "MODEL", "runs a model on ONNX test data and compares with what is expected",
      "A data folder holds input_0.pb, input_1.pb, ... and, to be compared with, output_0.pb, "
      "....\n"
      "Data of type uint8 becomes (value - mean) * scale. Several folders form one batch. An "
      "element\n"
      "passes when |got - expected| <= atol + rtol * |expected|.\n"
      "Exit status: 0 all pass or nothing to compare, 1 a difference or a failure, 2 a wrong "
      "option.",
      cli_run },
  { "bench", "[MODEL]", "measures throughput and latency, closed loop or with live streams",
      "Without --rate each stream keeps as many frames in flight as the device wants. With --rate\n"
      "frames come at their time, whatever the device does: latency counts from there, and a "
      "frame\n"
      "that finds no room for a frame's time is dropped and counted. Each stream may have four "
      "frames\n"
      "in flight, or more where fewer could not fill two batches.\n"
      "MODEL may be left out with --device 'SIM(A,B)', where a batch of n takes A + B n ms.\n"
      "Frames that end during the warm-up are not counted; percentiles inside \"stats\" include "
      "them.",
      cli_bench },
  { "tune", "MODEL", "measures which kernels of a GPU are fastest for a model, and keeps that",
      "Every way that the device has to compute the model's convolutions is measured; what is "
      "found\n"
      "is kept in the cache folder and used by all later sessions on that device and driver. It "
      "takes\n"
      "an idle device. Results stay the same within rounding.",
      cli_tune },
  { "devices", NULL, "the devices that this build and machine have", NULL, cli_devices },
  { "decoders", NULL, "how outputs of networks can be read", NULL, cli_decoders },
  { "operators", NULL, "the operators that models may use", NULL, cli_operators },
};

static void print_help (void)
{
  printf ("Usage: weir COMMAND [OPTION...] [ARGUMENT...]\n\n"
          "Runs neural networks in batches; every command explains itself with --help.\n\n"
          "Commands:\n");
  for (size_t i = 0; i < G_N_ELEMENTS (commands); i++)
    printf ("  %-10s %s\n", commands[i].name, commands[i].blurb);
  printf ("\nOptions:\n"
          "  --help     shows this\n"
          "  --version  shows the version\n");
}

static const CliCommand *find_command (const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (commands[i].name, name) == 0)
      return &commands[i];
  return NULL;
}

int cli_usage (const CliCommand *command, const char *format, ...)
{
  va_list args;

  fprintf (stderr, "weir%s%s: ", command ? " " : "", command ? command->name : "");
  va_start (args, format);
  vfprintf (stderr, format, args);
  va_end (args);
  fprintf (stderr, "; see weir%s%s --help\n", command ? " " : "", command ? command->name : "");
  return CLI_USAGE;
}

int cli_fail (const GError *error)
{
  fprintf (stderr, "weir: %s\n", error ? error->message : "failed without a reason");
  return g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION) ? CLI_USAGE : CLI_FAILED;
}

/* What could not be written is a failure, too. */
static int finish_output (int status)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return status;
  perror ("weir: standard output");
  return status == CLI_OK ? CLI_FAILED : status;
}

int main (int argc, char **argv)
{
  const CliCommand *command;

  /* Names and paths as the user's terminal has them; numbers keep their decimal point. */
  setlocale (LC_CTYPE, "");
  if (argc < 2)
    return cli_usage (NULL, "a command is missing");
  if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0) {
    print_help ();
    return finish_output (CLI_OK);
  }
  if (strcmp (argv[1], "--version") == 0) {
    printf ("weir %s\n", weir_version ());
    return finish_output (CLI_OK);
  }
  command = find_command (argv[1]);
  if (!command)
    return cli_usage (NULL, "there is no command or option '%s'", argv[1]);
  return finish_output (command->run (command, argc - 1, argv + 1));
}
