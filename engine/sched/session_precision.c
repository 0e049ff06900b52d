/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which graph of a model runs, and in which precision. */
#include "engine/sched/session_types.h"

#include "engine/error.h"
#include "kernels/kernels.h"

static bool refuse (const WeirModel *model, GError **error)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "%s: precision int8: model is not quantised: expected are convolutions or matrix products "
      "between FakeQuantize, or QuantizeLinear and DequantizeLinear, or of the kind of QLinearConv",
      model->path);
  return false;
}

bool weir_session_choose_precision (const WeirSession *session, const WeirBackend *backend,
    WeirPrecision *precision, const WeirGraph **graph, GError **error)
{
  const WeirModel *model = session->model;
  *precision = session->settings.precision;
  if (*precision == WEIR_PRECISION_INT8 && !model->quantised)
    return refuse (model, error);
  if (*precision == WEIR_PRECISION_AUTO && model->quantised && model->n_quantised &&
      backend == &weir_backend_cpu && weir_cpu_has_int8 ())
    *precision = WEIR_PRECISION_INT8;
  bool is_int8 = *precision == WEIR_PRECISION_INT8;
  if (is_int8 && backend == &weir_backend_cpu && !weir_cpu_has_int8 ())
    g_message (
        "%s: this CPU has no products of 8 bits (VNNI, AMX): int8 is slow on it", model->path);
  *graph = is_int8 ? model->quantised : model->graph;
  return true;
}
