/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes are counted: one output too many is as little what was expected as one that is missing. */
#include "engine/post/role_tables.h"

#include "engine/post/outputs.h"

static bool is_table (const WeirModelFacts *facts, uint32_t k, uint32_t n_rows, uint32_t n_columns)
{
  const WeirTensor *output = &facts->outputs[k];
  return weir_facts_is_float (facts, k) && output->rank >= 2 && output->rank <= 3 &&
         (output->rank == 2 || output->dims[0] == 1) && output->dims[output->rank - 2] == n_rows &&
         output->dims[output->rank - 1] == n_columns;
}

static bool refuse (const WeirTables *tables, const char *decoder, uint32_t role, uint32_t n_found,
    uint32_t width_px, uint32_t height_px, GError **error)
{
  g_autoptr (GString) expected = g_string_new (NULL);
  for (uint32_t i = 0; i < tables->n_roles; i++)
    g_string_append_printf (
        expected, "%sf32[1,%u,%u]", i ? ", " : "", tables->n_rows, tables->n_columns[i]);
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_SHAPE,
      "%s: %u outputs are f32[1,%u,%u]; expected one each of %s, for an input of %u×%u", decoder,
      n_found, tables->n_rows, tables->n_columns[role], expected->str, width_px, height_px);
  return false;
}

bool weir_tables_find (WeirTables *tables, const WeirModelFacts *facts, const char *decoder,
    uint32_t width_px, uint32_t height_px, GError **error)
{
  for (uint32_t role = 0; role < tables->n_roles; role++) {
    uint32_t n_found = 0, n_wanted = 0, n_before = 0;
    for (uint32_t i = 0; i < tables->n_roles; i++) {
      bool is_alike = tables->n_columns[i] == tables->n_columns[role];
      n_wanted += is_alike;
      n_before += is_alike && i < role;
    }
    for (uint32_t k = 0; k < facts->n_outputs; k++)
      if (is_table (facts, k, tables->n_rows, tables->n_columns[role]) && n_found++ == n_before)
        tables->outputs[role] = k;
    if (n_found != n_wanted)
      return refuse (tables, decoder, role, n_found, width_px, height_px, error);
  }
  return true;
}

bool weir_tables_open (const WeirTables *tables, const WeirDecodeJob *job,
    const float *values[WEIR_MAX_ROLES], WeirArena *arena, GError **error)
{
  for (uint32_t role = 0; role < tables->n_roles; role++) {
    size_t n = (size_t) tables->n_rows * tables->n_columns[role];
    values[role] = weir_job_f32 (job, tables->outputs[role], n, arena, error);
    if (!values[role])
      return false;
  }
  return true;
}
