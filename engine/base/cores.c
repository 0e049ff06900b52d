/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Affinity by sched_getaffinity, limits of time by the files of control groups (Linux'
 * Documentation/admin-guide/cgroup-v2.rst). */
#include "engine/base/cores.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#define OWN_GROUP "0::" /* before its name, in /proc/self/cgroup */

/* Of the first thread, not of this one, which may have been put on a core of its own. */
static uint32_t count_affinity (void)
{
  cpu_set_t sets[8]; /* 8192 */
  memset (sets, 0, sizeof sets);
  if (sched_getaffinity (getpid (), sizeof sets, sets) != 0)
    return g_get_num_processors ();
  return (uint32_t) CPU_COUNT_S (sizeof sets, sets);
}

uint32_t weir_cores_of_cpu_max (const char *text)
{
  char *end;
  guint64 quota_us = g_ascii_strtoull (text, &end, 10);
  guint64 period_us = end == text ? 0 : g_ascii_strtoull (end, NULL, 10);
  if (period_us == 0) /* "max", or nothing that is known */
    return 0;
  guint64 n = quota_us / period_us + (quota_us % period_us > 0);
  return (uint32_t) CLAMP (n, 1, G_MAXINT32);
}

static uint32_t read_limit (const char *folder, const char *group)
{
  g_autofree char *path = g_build_filename (folder, group, "cpu.max", NULL);
  g_autofree char *text = NULL;
  return g_file_get_contents (path, &text, NULL, NULL) ? weir_cores_of_cpu_max (text) : 0;
}

uint32_t weir_cores_in_groups (const char *folder, const char *groups, uint32_t n)
{
  g_auto (GStrv) lines = g_strsplit (groups, "\n", -1);
  for (char **line = lines; *line; line++) {
    if (!g_str_has_prefix (*line, OWN_GROUP "/") || g_str_has_prefix (*line, OWN_GROUP "/.."))
      continue;
    char *group = *line + strlen (OWN_GROUP);
    for (char *end = group + strlen (group); end; end = strrchr (group, '/')) {
      *end = '\0';
      uint32_t limit = read_limit (folder, group);
      n = limit ? MIN (n, limit) : n;
    }
  }
  return n;
}

uint32_t weir_n_cores (void)
{
  g_autofree char *groups = NULL;
  uint32_t n = count_affinity ();
  if (g_file_get_contents ("/proc/self/cgroup", &groups, NULL, NULL))
    n = weir_cores_in_groups ("/sys/fs/cgroup", groups, n);
  return MAX (n, 1);
}
