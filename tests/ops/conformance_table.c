/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of node tests by operator. */
#include "tests/ops/conformance_table.h"

#include <stdio.h>
#include <string.h>

static void free_names (gpointer names)
{
  g_ptr_array_unref (names);
}

void table_init (Table *table)
{
  memset (table, 0, sizeof *table);
  table->operators = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (int i = 0; i < N_ARCHIVES; i++)
    table->reasons[i] = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_names);
}

void table_clear (Table *table)
{
  g_hash_table_unref (table->operators);
  for (int i = 0; i < N_ARCHIVES; i++)
    g_hash_table_unref (table->reasons[i]);
}

static OperatorCounts *find_counts (Table *table, const char *name)
{
  OperatorCounts *counts = g_hash_table_lookup (table->operators, name);
  if (!counts) {
    char *key = g_strdup (name);
    counts = g_new0 (OperatorCounts, 1);
    counts->name = key;
    g_hash_table_insert (table->operators, key, counts);
  }
  return counts;
}

void table_count (Table *table, uint32_t archive, uint32_t target, const ConformanceCase *test,
    Outcome outcome, const char *reason)
{
  table->n[archive][target][outcome]++;
  for (guint i = 0; i < test->operators->len; i++) {
    OperatorCounts *counts = find_counts (table, g_ptr_array_index (test->operators, i));
    counts->n[archive][target][outcome]++;
    if (outcome == OUTCOME_PASSED && test->opset >= 0 && test->opset < 64)
      counts->opsets |= (uint64_t) 1 << test->opset;
  }
  if (outcome != OUTCOME_REFUSED || target != 0)
    return;
  GPtrArray *names = g_hash_table_lookup (table->reasons[archive], reason);
  if (!names) {
    names = g_ptr_array_new_with_free_func (g_free);
    g_hash_table_insert (table->reasons[archive], g_strdup (reason), names);
  }
  g_ptr_array_add (names, g_strdup (test->name));
}

static gint compare_text (gconstpointer a, gconstpointer b)
{
  return strcmp (a, b);
}

static GList *sorted_keys (GHashTable *table)
{
  return g_list_sort (g_hash_table_get_keys (table), compare_text);
}

static WeirOp find_op (const char *name)
{
  int op = 0;
  while (op < WEIR_N_OPS && strcmp (weir_op_info ((WeirOp) op)->name, name) != 0)
    op++;
  return (WeirOp) op;
}

void table_print (const Table *table, const StepTarget targets[N_TARGETS])
{
  GList *names = sorted_keys (table->operators);
  printf ("operator: tests passed/failed/refused, per archive and backend; nodes that the second "
          "backend ran itself\n");
  for (GList *at = names; at; at = at->next) {
    const OperatorCounts *counts = g_hash_table_lookup (table->operators, at->data);
    WeirOp op = find_op (counts->name);
    printf ("%-34s", counts->name);
    for (int a = 0; a < N_ARCHIVES; a++)
      for (int t = 0; t < N_TARGETS; t++)
        printf (" %s %s %u/%u/%u", table->archives[a], targets[t].backend->name,
            counts->n[a][t][OUTCOME_PASSED], counts->n[a][t][OUTCOME_FAILED],
            counts->n[a][t][OUTCOME_REFUSED]);
    if (op != WEIR_N_OPS)
      printf (", %u of %u nodes", table->nodes[1].n_taken[op],
          table->nodes[1].n_taken[op] + table->nodes[1].n_left[op]);
    printf ("\n");
  }
  g_list_free (names);
  for (int a = 0; a < N_ARCHIVES; a++)
    for (int t = 0; t < N_TARGETS; t++)
      printf ("%s on %s: %u passed, %u failed, %u refused\n", table->archives[a],
          targets[t].backend->name, table->n[a][t][OUTCOME_PASSED], table->n[a][t][OUTCOME_FAILED],
          table->n[a][t][OUTCOME_REFUSED]);
}

/* "7, 9, 11-13" */
static char *describe_opsets (uint64_t opsets)
{
  GString *text = g_string_new (NULL);
  for (uint32_t k = 0; k < 64; k++) {
    uint32_t end = k;
    while (end < 64 && (opsets >> end & 1))
      end++;
    if (end == k)
      continue;
    g_string_append_printf (text, "%s%u", text->len ? ", " : "", k);
    if (end - k > 1)
      g_string_append_printf (text, "%s%u", end - k > 2 ? "–" : ", ", end - 1);
    k = end;
  }
  return g_string_free (text, FALSE);
}

/* "3/0/0", or a dash where no test has the operator. */
static void append_counts (GString *page, const uint32_t n[N_OUTCOMES])
{
  if (n[OUTCOME_PASSED] + n[OUTCOME_FAILED] + n[OUTCOME_REFUSED])
    g_string_append_printf (
        page, " | %u / %u / %u", n[OUTCOME_PASSED], n[OUTCOME_FAILED], n[OUTCOME_REFUSED]);
  else
    g_string_append (page, " | -");
}

static void append_operators (GString *page, const Table *table)
{
  GList *names = sorted_keys (table->operators);
  g_string_append_printf (page,
      "| operator | operator sets | %s on ref | %s on cpu | %s on ref | %s on cpu |\n"
      "|---|---|---|---|---|---|\n",
      table->archives[0], table->archives[0], table->archives[1], table->archives[1]);
  for (GList *at = names; at; at = at->next) {
    const OperatorCounts *counts = g_hash_table_lookup (table->operators, at->data);
    g_autofree char *opsets = describe_opsets (counts->opsets);
    g_string_append_printf (
        page, "| %s%s | %s", counts->name, *opsets ? "" : " (refused)", *opsets ? opsets : "-");
    for (int a = 0; a < N_ARCHIVES; a++)
      for (int t = 0; t < N_TARGETS; t++)
        append_counts (page, counts->n[a][t]);
    g_string_append (page, " |\n");
  }
  g_list_free (names);
}

/* Patterns like "test_cast_*" would hide what is meant: all names are there, but at most this many
 * per reason. */
#define MAX_NAMES 4

static void append_names (GString *page, const GPtrArray *names)
{
  for (guint i = 0; i < MIN (names->len, MAX_NAMES); i++)
    g_string_append_printf (
        page, "%s%s", i ? ", " : "", (const char *) g_ptr_array_index (names, i));
  if (names->len > MAX_NAMES)
    g_string_append (page, ", …");
}

static void append_refused (GString *page, const Table *table)
{
  for (int a = 0; a < N_ARCHIVES; a++) {
    GList *reasons = sorted_keys (table->reasons[a]);
    g_string_append_printf (page,
        "\n### ONNX %s: %u of %u tests\n\n| why | tests | among them |\n|---|--:|---|\n",
        table->archives[a], table->n[a][0][OUTCOME_REFUSED],
        table->n[a][0][OUTCOME_PASSED] + table->n[a][0][OUTCOME_FAILED] +
            table->n[a][0][OUTCOME_REFUSED]);
    for (GList *at = reasons; at; at = at->next) {
      const GPtrArray *names = g_hash_table_lookup (table->reasons[a], at->data);
      g_string_append_printf (page, "| %s | %u | ", (const char *) at->data, names->len);
      append_names (page, names);
      g_string_append (page, " |\n");
    }
    g_list_free (reasons);
  }
}

typedef bool (*OpFilter) (const Table *table, const char *name);

static bool is_openvino (const Table *table, const char *name)
{
  return g_str_has_prefix (name, "openvino:");
}

static bool is_internal (const Table *table, const char *name)
{
  return g_str_has_prefix (name, "weir:");
}

static bool is_untested (const Table *table, const char *name)
{
  return !is_openvino (table, name) && !is_internal (table, name) &&
         !g_hash_table_contains (table->operators, name);
}

/* Names in ops.def's order, after a heading. */
static void append_list (GString *page, const Table *table, const char *heading, OpFilter filter)
{
  bool is_first = true;
  for (int op = 0; op < WEIR_N_OPS; op++) {
    const char *name = weir_op_info ((WeirOp) op)->name;
    if (!filter (table, name))
      continue;
    g_string_append_printf (page, "%s%s", is_first ? heading : ", ", name);
    is_first = false;
  }
  if (!is_first)
    g_string_append (page, ".\n");
}

char *table_to_markdown (const Table *table)
{
  GString *page = g_string_new (
      "# Operators\n\n"
      "Generated by `test_conformance --markdown docs/operators.md` from ONNX's own node tests (of "
      "every element\ntype, attribute and broadcast that ONNX thought of); a test fails where this "
      "page is stale. A test counts for\nevery operator in its graph, as passed / failed / "
      "refused. *ref* is the reference backend, which runs every\noperator; *cpu* runs what it has "
      "kernels for and leaves the rest to *ref*. *Operator sets* are those that\npassing tests "
      "import; ONNX files of sets 1 to 22 are read, newer ones are tried.\n\n"
      "## By operator\n\n");
  append_operators (page, table);
  append_list (page, table,
      "\nWithout a test in these archives, tested by `tests/ops` alone: ", is_untested);
  append_list (
      page, table, "\nOf OpenVINO IR, where no operator of ONNX means the same: ", is_openvino);
  append_list (page, table, "\nMade by the engine itself: ", is_internal);
  g_string_append (page, "\n## What is refused\n");
  append_refused (page, table);
  return g_string_free (page, FALSE);
}
