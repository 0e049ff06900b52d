/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that is left, from the kernel's text files, and the batch that fits in.
 *
 * Files: proc(5) for meminfo and status, "Control Group v2" and "Memory Resource Controller" of the
 * kernel's documentation for the groups. Where a container hides the groups above it, the path of
 * /proc/self/cgroup does not exist and only the mounted root is looked at. */
#include "engine/sched/memory_plan.h"

#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Of a file that is read: /proc/meminfo and memory.stat have a few thousand. */
#define MAX_TEXT 65536
/* Version 1 writes 2^63, rounded down to pages, where there is no limit. */
#define NO_LIMIT (UINT64_C (1) << 60)

/* How one version of control groups tells its limits. */
typedef struct Version {
  const char *controller; /* in /proc/self/cgroup */
  const char *mount;
  const char *limits[2]; /* NULL: one less */
  const char *usage;
  const char *reclaimable; /* key in memory.stat */
} Version;

static const Version versions[] = {
  { "", "/sys/fs/cgroup", { "memory.max", "memory.high" }, "memory.current", "inactive_file" },
  { "memory", "/sys/fs/cgroup/memory", { "memory.limit_in_bytes", NULL }, "memory.usage_in_bytes",
      "total_inactive_file" },
};

/* The beginning of a file as text; NULL where it cannot be read. Newly allocated. */
static char *read_text (const char *path)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  size_t n_bytes = 0;
  ssize_t n_read = 1;
  if (fd < 0)
    return NULL;
  char *text = g_malloc (MAX_TEXT + 1);
  while (n_bytes < MAX_TEXT && (n_read = read (fd, text + n_bytes, MAX_TEXT - n_bytes)) > 0)
    n_bytes += (size_t) n_read;
  close (fd);
  text[n_bytes] = '\0';
  if (n_read < 0)
    g_clear_pointer (&text, g_free);
  return text;
}

/* Digits at the beginning of text, "kB" behind them obeyed. False where there are none. */
static bool parse_bytes (const char *text, uint64_t *n_bytes)
{
  char *end;
  text += strspn (text, " \t");
  if (!g_ascii_isdigit (*text))
    return false;
  *n_bytes = g_ascii_strtoull (text, &end, 10);
  if (g_str_has_prefix (end, " kB"))
    *n_bytes = *n_bytes > UINT64_MAX / 1024 ? UINT64_MAX : *n_bytes * 1024;
  return true;
}

/* The value behind `key`, which begins a line and ends in a colon or a space. */
static bool read_value (const char *path, const char *key, uint64_t *n_bytes)
{
  g_autofree char *text = read_text (path);
  const size_t n = strlen (key);
  for (const char *line = text; line; line = strchr (line, '\n')) {
    line += *line == '\n';
    if (strncmp (line, key, n) == 0 && (line[n] == ':' || line[n] == ' '))
      return parse_bytes (line + n + 1, n_bytes);
  }
  return false;
}

static bool read_number (const char *folder, const char *file, uint64_t *n_bytes)
{
  g_autofree char *path = g_strconcat (folder, "/", file, NULL);
  g_autofree char *text = read_text (path);
  return text && parse_bytes (text, n_bytes);
}

/* What the limits of one group leave; UINT64_MAX where there are none. */
static uint64_t left_in_group (const Version *version, const char *folder)
{
  uint64_t limit = UINT64_MAX, used = 0, reclaimable = 0, value;
  for (uint32_t i = 0; i < G_N_ELEMENTS (version->limits) && version->limits[i]; i++)
    if (read_number (folder, version->limits[i], &value))
      limit = MIN (limit, value);
  if (limit >= NO_LIMIT)
    return UINT64_MAX;
  g_autofree char *stat = g_strconcat (folder, "/memory.stat", NULL);
  read_number (folder, version->usage, &used);
  read_value (stat, version->reclaimable, &reclaimable);
  used -= MIN (used, reclaimable);
  return limit - MIN (limit, used);
}

/* One that can be below a mount: not that of a group outside the container's. */
static bool is_path (const char *text)
{
  return text[0] == '/' && !strstr (text, "..") && strlen (text) < PATH_MAX;
}

/* The path of the process's group, "/a/b": "/" where it cannot be told. Newly allocated. */
static char *group_path (const char *root, const char *controller)
{
  g_autofree char *file = g_strconcat (root, "/proc/self/cgroup", NULL);
  g_autofree char *text = read_text (file);
  g_auto (GStrv) lines = g_strsplit (text ? text : "", "\n", -1);
  for (uint32_t i = 0; lines[i]; i++) {
    g_auto (GStrv) parts = g_strsplit (lines[i], ":", 3); /* "4:cpu,memory:/a/b" */
    if (g_strv_length (parts) != 3 || !is_path (parts[2]))
      continue;
    g_auto (GStrv) controllers = g_strsplit (parts[1], ",", -1);
    if (strcmp (parts[1], controller) == 0 ||
        g_strv_contains ((const char *const *) controllers, controller))
      return g_steal_pointer (&parts[2]);
  }
  return g_strdup ("/");
}

/* The group itself and all above it. */
static uint64_t left_in_groups (const char *root, const Version *version)
{
  g_autofree char *path = group_path (root, version->controller);
  uint64_t left = UINT64_MAX;
  char *end = path + strlen (path);
  while (end) {
    *end = '\0';
    g_autofree char *folder = g_strconcat (root, version->mount, path, NULL);
    left = MIN (left, left_in_group (version, folder));
    end = strrchr (path, '/');
  }
  return left;
}

static uint64_t left_of_address_space (const char *root)
{
  g_autofree char *path = g_strconcat (root, "/proc/self/status", NULL);
  uint64_t used = 0;
  struct rlimit limit;
  if (getrlimit (RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return UINT64_MAX;
  read_value (path, "VmSize", &used);
  return limit.rlim_cur - MIN (limit.rlim_cur, used);
}

uint64_t weir_memory_available (const char *root)
{
  g_autofree char *meminfo = g_strconcat (root, "/proc/meminfo", NULL);
  uint64_t available = UINT64_MAX;
  read_value (meminfo, "MemAvailable", &available);
  for (uint32_t i = 0; i < G_N_ELEMENTS (versions); i++)
    available = MIN (available, left_in_groups (root, &versions[i]));
  return MIN (available, left_of_address_space (root));
}

/* What one more item in a batch takes in every slot. */
static uint64_t bytes_per_item (const WeirMemoryPlan *plan)
{
  if (plan->slot_bytes_2 == 0)
    return plan->slot_bytes_1;
  return plan->slot_bytes_2 - MIN (plan->slot_bytes_2, plan->slot_bytes_1);
}

uint32_t weir_memory_plan_batch (const WeirMemoryPlan *plan)
{
  uint64_t slot_bytes = plan->available_bytes / 2 / MAX (plan->n_slots, 1);
  uint64_t more_bytes = slot_bytes - MIN (slot_bytes, plan->slot_bytes_1);
  uint64_t n_more = bytes_per_item (plan) ? more_bytes / bytes_per_item (plan) : UINT32_MAX;
  if (slot_bytes < plan->slot_bytes_1 || plan->batch_max == 0)
    return 1;
  return 1 + (uint32_t) MIN (n_more, plan->batch_max - 1);
}

static uint64_t add_saturating (uint64_t a, uint64_t b)
{
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t multiply_saturating (uint64_t a, uint64_t b)
{
  return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

uint64_t weir_memory_plan_bytes (const WeirMemoryPlan *plan, uint32_t n)
{
  uint64_t more_bytes = multiply_saturating (bytes_per_item (plan), MAX (n, 1) - 1);
  uint64_t slot_bytes = add_saturating (plan->slot_bytes_1, more_bytes);
  return add_saturating (plan->weight_bytes, multiply_saturating (slot_bytes, plan->n_slots));
}
