/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each thread in turn prints its own stack from a signal handler. */
#include "tests/backtraces.h"

#include <dirent.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_FRAMES 40
#define PAUSE_US   20000

static void print_own (int number)
{
  void *frames[MAX_FRAMES];
  backtrace_symbols_fd (frames, backtrace (frames, MAX_FRAMES), STDERR_FILENO);
}

void print_backtraces (void)
{
  const struct sigaction action = { .sa_handler = print_own };
  struct dirent *entry;
  DIR *threads = opendir ("/proc/self/task");
  sigaction (SIGUSR2, &action, NULL);
  while (threads && (entry = readdir (threads))) {
    const pid_t thread = (pid_t) atoi (entry->d_name);
    if (thread <= 0)
      continue;
    fprintf (stderr, "thread %d:\n", (int) thread);
    syscall (SYS_tgkill, getpid (), thread, SIGUSR2);
    usleep (PAUSE_US);
  }
  if (threads)
    closedir (threads);
}
