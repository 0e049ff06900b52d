/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that is left, on made-up trees of proc/ and sys/ and under a real limit, and the batch
 * that fits in. */
#include "engine/sched/memory_plan.h"

#include "tests/run_suite.h"
#include "tests/sanitized.h"
#include <glib.h>
#include <glib/gstdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (UINT64_C (1) << 20)

typedef struct File {
  const char *path, *text;
} File;

static void write_tree (const char *root, const File *files)
{
  for (uint32_t i = 0; files[i].path; i++) {
    g_autofree char *path = g_build_filename (root, files[i].path, NULL);
    g_autofree char *folder = g_path_get_dirname (path);
    ck_assert_int_eq (g_mkdir_with_parents (folder, 0700), 0);
    ck_assert (g_file_set_contents (path, files[i].text, -1, NULL));
  }
}

static void remove_tree (const char *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *inner = g_build_filename (path, name, NULL);
    remove_tree (inner);
  }
  g_clear_pointer (&dir, g_dir_close);
  g_remove (path);
}

#define MEMINFO                                                                                \
  {                                                                                            \
    "proc/meminfo", "MemTotal:       2097152 kB\nMemFree: 12 kB\nMemAvailable:   1048576 kB\n" \
  }
#define SLICE "sys/fs/cgroup/system.slice"
#define V1    "sys/fs/cgroup/memory"

static const struct {
  const char *name;
  File files[10];
  uint64_t available;
} trees[] = {
  { "nothing", { { NULL, NULL } }, UINT64_MAX },
  { "meminfo alone", { MEMINFO }, 1024 * MIB },
  { "a group that leaves less",
      { MEMINFO, { "proc/self/cgroup", "0::/system.slice/a.service\n" },
          { SLICE "/a.service/memory.max", "536870912\n" },
          { SLICE "/a.service/memory.high", "max\n" },
          { SLICE "/a.service/memory.current", "134217728\n" } },
      384 * MIB },
  { "memory.high leaves less than memory.max",
      { MEMINFO, { "proc/self/cgroup", "0::/system.slice/a.service\n" },
          { SLICE "/a.service/memory.max", "536870912\n" },
          { SLICE "/a.service/memory.high", "268435456\n" },
          { SLICE "/a.service/memory.current", "134217728\n" } },
      128 * MIB },
  { "the group above leaves less",
      { MEMINFO, { "proc/self/cgroup", "0::/system.slice/a.service\n" },
          { SLICE "/a.service/memory.max", "536870912\n" },
          { SLICE "/a.service/memory.current", "134217728\n" },
          { SLICE "/memory.max", "209715200\n" }, { SLICE "/memory.current", "146800640\n" } },
      60 * MIB },
  { "file pages can be had back",
      { MEMINFO, { "proc/self/cgroup", "0::/system.slice\n" },
          { SLICE "/memory.max", "209715200\n" }, { SLICE "/memory.current", "209715200\n" },
          { SLICE "/memory.stat",
              "anon 1\nfile 94371840\nactive_file 1\ninactive_file 83886080\n" } },
      80 * MIB },
  { "a container sees only its root",
      { MEMINFO, { "proc/self/cgroup", "0::/../../kubepods/pod1\n" },
          { "sys/fs/cgroup/memory.max", "104857600\n" },
          { "sys/fs/cgroup/memory.current", "52428800\n" } },
      50 * MIB },
  { "over its limit",
      { MEMINFO, { "proc/self/cgroup", "0::/system.slice\n" }, { SLICE "/memory.max", "1000\n" },
          { SLICE "/memory.current", "209715200\n" } },
      0 },
  { "version 1",
      { MEMINFO, { "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:hugetlb,memory:/a/b\n0::/\n" },
          { V1 "/memory.limit_in_bytes", "9223372036854771712\n" },
          { V1 "/a/memory.limit_in_bytes", "314572800\n" },
          { V1 "/a/memory.usage_in_bytes", "209715200\n" },
          { V1 "/a/memory.stat", "inactive_file 1\ntotal_inactive_file 104857600\n" },
          { V1 "/a/b/memory.limit_in_bytes", "9223372036854771712\n" },
          { V1 "/a/b/memory.usage_in_bytes", "1048576\n" } },
      200 * MIB },
  { "version 1 without limits alone",
      { { "proc/self/cgroup", "4:memory:/\n" },
          { V1 "/memory.limit_in_bytes", "9223372036854771712\n" } },
      UINT64_MAX },
  { "garbage limits nothing",
      { { "proc/meminfo", "MemAvailable: lots kB\n\n\n" }, { "proc/self/cgroup", ":::\n0:\n::x\n" },
          { "sys/fs/cgroup/memory.max", "-5\n" }, { "sys/fs/cgroup/memory.high", "" },
          { V1 "/memory.limit_in_bytes", "99999999999999999999999999\n" },
          { "sys/fs/cgroup/memory.current", "\xff\xfe" } },
      UINT64_MAX },
  { "meminfo that overflows", { { "proc/meminfo", "MemAvailable: 99999999999999999 kB" } },
      UINT64_MAX },
  { "a file that is a folder", { MEMINFO, { "sys/fs/cgroup/memory.max/x", "1" } }, 1024 * MIB },
  { "usage unknown", { MEMINFO, { "sys/fs/cgroup/memory.max", "1048576" } }, MIB },
};

START_TEST (test_memory_available)
{
  g_autofree char *root = g_dir_make_tmp ("weir-memory-XXXXXX", NULL);
  struct rlimit limit;
  ck_assert_ptr_nonnull (root);
  write_tree (root, trees[_i].files);
  uint64_t available = weir_memory_available (root);
  remove_tree (root);
  getrlimit (RLIMIT_AS, &limit);
  if (limit.rlim_cur == RLIM_INFINITY)
    ck_assert_msg (available == trees[_i].available,
        "%s: %" G_GUINT64_FORMAT ", expected is %" G_GUINT64_FORMAT, trees[_i].name, available,
        trees[_i].available);
}
END_TEST

static const struct {
  int n_levels;
  uint64_t available;
} depths[] = { { 1000, 4096 }, { 30000, 8192 } /* longer than any path: only the root */ };

START_TEST (test_memory_available_of_a_deep_group)
{
  g_autofree char *root = g_dir_make_tmp ("weir-memory-XXXXXX", NULL);
  GString *text = g_string_new ("0::");
  for (int i = 0; i < depths[_i].n_levels; i++)
    g_string_append (text, "/a");
  const File files[] = { { "proc/self/cgroup", text->str }, { "sys/fs/cgroup/memory.max", "8192" },
    { "sys/fs/cgroup/a/memory.max", "4096" }, { NULL, NULL } };
  write_tree (root, files);
  ck_assert_uint_eq (weir_memory_available (root), depths[_i].available);
  remove_tree (root);
  g_string_free (text, TRUE);
}
END_TEST

/* In a process of its own: exit status 0 where the limit is seen, 77 where there can be none: a
 * sanitizer maps as it likes. */
static int check_limit (void)
{
  struct rlimit limit;
  getrlimit (RLIMIT_AS, &limit);
  uint64_t before = weir_memory_available (""), room = 0;
  g_autofree char *statm = NULL;
  if (!g_file_get_contents ("/proc/self/statm", &statm, NULL, NULL))
    return 77;
  room = g_ascii_strtoull (statm, NULL, 10) * (uint64_t) sysconf (_SC_PAGESIZE) + 64 * MIB;
  limit.rlim_cur = MIN (room, limit.rlim_max);
  if (IS_SANITIZED || before < 128 * MIB || setrlimit (RLIMIT_AS, &limit) != 0)
    return 77;
  uint64_t left = weir_memory_available ("");
  void *volatile more = malloc (32 * MIB); /* and what malloc itself gives back or takes besides */
  uint64_t less = weir_memory_available ("");
  bool is_right = left <= 64 * MIB && left >= 56 * MIB && more && less <= left - 31 * MIB;
  free (more);
  return is_right ? 0 : 1;
}

START_TEST (test_memory_available_under_a_limit)
{
  int status = 0;
  pid_t child = fork ();
  if (child == 0)
    _exit (check_limit ());
  ck_assert_int_eq (waitpid (child, &status, 0), child);
  ck_assert (WIFEXITED (status));
  ck_assert_int_ne (WEXITSTATUS (status), 1);
}
END_TEST

static const struct {
  WeirMemoryPlan plan;
  uint32_t n;
  uint64_t n_bytes; /* at n */
} plans[] = {
  { { 100, 10, 20, 2, 8, 1000 }, 8, 260 },
  { { 100, 10, 0, 2, 8, 1000 }, 8, 260 },
  { { 100, 10, 20, 2, 8, 120 }, 3, 160 },
  { { 100, 10, 12, 2, 8, 60 }, 3, 128 },
  { { 100, 10, 20, 1, 1024, 2000 }, 100, 1100 },
  { { 100, 10, 20, 2, 8, 39 }, 1, 120 }, /* even one is too much */
  { { 100, 10, 20, 2, 8, 40 }, 1, 120 },
  { { 100, 10, 20, 2, 8, 0 }, 1, 120 },
  { { 100, 10, 20, 2, 8, UINT64_MAX }, 8, 260 },
  { { 100, 10, 10, 2, 1024, 40 }, 1024, 120 }, /* a batch takes no more than one */
  { { 100, 10, 5, 2, 1024, 40 }, 1024, 120 },
  { { 0, 0, 0, 0, 8, 0 }, 8, 0 },
  { { 0, 10, 20, 1, 0, 1000 }, 1, 10 },
  { { UINT64_MAX, 1, 2, 1, 2, UINT64_MAX }, 2, UINT64_MAX },
  { { 1, UINT64_MAX, 0, 64, 1024, UINT64_MAX }, 1, UINT64_MAX },
  { { 0, UINT64_MAX / 4, UINT64_MAX / 2, 1, 1024, UINT64_MAX }, 2, UINT64_MAX / 4 * 2 + 1 },
};

START_TEST (test_memory_plan)
{
  const WeirMemoryPlan *plan = &plans[_i].plan;
  ck_assert_uint_eq (weir_memory_plan_batch (plan), plans[_i].n);
  ck_assert_uint_eq (weir_memory_plan_bytes (plan, plans[_i].n), plans[_i].n_bytes);
}
END_TEST

/* Half is kept, whatever the numbers; one more item would not. */
START_TEST (test_memory_plan_keeps_half)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  for (int i = 0; i < 100000; i++) {
    WeirMemoryPlan plan = { .slot_bytes_1 = g_rand_int (rand),
      .n_slots = (uint32_t) g_rand_int_range (rand, 1, 65),
      .batch_max = (uint32_t) g_rand_int_range (rand, 1, 1025),
      .available_bytes = (uint64_t) g_rand_int (rand) << g_rand_int_range (rand, 0, 16) };
    plan.slot_bytes_2 = plan.slot_bytes_1 + g_rand_int (rand);
    uint32_t n = weir_memory_plan_batch (&plan);
    ck_assert_uint_ge (n, 1);
    ck_assert_uint_le (n, plan.batch_max);
    ck_assert (n == 1 || weir_memory_plan_bytes (&plan, n) <= plan.available_bytes / 2);
    ck_assert (n == plan.batch_max || plan.slot_bytes_1 == plan.slot_bytes_2 ||
               weir_memory_plan_bytes (&plan, n + 1) > plan.available_bytes / 2 - plan.n_slots);
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("memory_plan");
  TCase *tcase = tcase_create ("memory_plan");
  tcase_add_loop_test (tcase, test_memory_available, 0, G_N_ELEMENTS (trees));
  tcase_add_loop_test (tcase, test_memory_available_of_a_deep_group, 0, G_N_ELEMENTS (depths));
  tcase_add_test (tcase, test_memory_available_under_a_limit);
  tcase_add_loop_test (tcase, test_memory_plan, 0, G_N_ELEMENTS (plans));
  tcase_add_test (tcase, test_memory_plan_keeps_half);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
