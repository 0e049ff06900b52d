/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which graph of a model runs, and in which precision. */
#include "engine/sched/session_types.h"

#include "engine/error.h"
#include "engine/ocl/ocl_device.h"
#include "kernels/kernels.h"

static bool refuse (const WeirModel *model, GError **error)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_OPTION,
      "%s: precision int8: model is not quantised: expected are convolutions or matrix products "
      "between FakeQuantize, or QuantizeLinear and DequantizeLinear, or of the kind of QLinearConv",
      model->path);
  return false;
}

/* Whether what runs the session has products of 8 bits that are faster than those of floats. */
static bool has_int8 (const WeirDeviceCandidate *device)
{
  uint32_t chosen;
  if (device->backend != &weir_backend_ocl)
    return device->backend == &weir_backend_cpu && weir_cpu_has_int8 ();
  g_autoptr (WeirOclDevices) devices = weir_ocl_devices_new ();
  return weir_ocl_devices_choose (devices, device->match, device->index, &chosen, NULL) &&
         devices->facts[chosen].has_int8_dot;
}

bool weir_session_choose_precision (const WeirSession *session, const WeirDeviceCandidate *device,
    WeirPrecision *precision, const WeirGraph **graph, GError **error)
{
  const WeirModel *model = session->model;
  *precision = session->settings.precision;
  if (*precision == WEIR_PRECISION_INT8 && !model->quantised)
    return refuse (model, error);
  bool is_auto = *precision == WEIR_PRECISION_AUTO && model->quantised && model->n_quantised;
  bool is_int8 = *precision == WEIR_PRECISION_INT8;
  bool is_native = (is_auto || is_int8) && has_int8 (device);
  if (is_auto && is_native)
    *precision = WEIR_PRECISION_INT8;
  if (is_int8 && !is_native && device->backend == &weir_backend_cpu)
    g_message (
        "%s: this CPU has no products of 8 bits (VNNI, AMX): int8 is slow on it", model->path);
  if (is_int8 && !is_native && device->backend == &weir_backend_ocl)
    g_message ("%s: this device has no dot products of 8 bits: int8 is slow on it", model->path);
  *graph = *precision == WEIR_PRECISION_INT8 ? model->quantised : model->graph;
  return true;
}
