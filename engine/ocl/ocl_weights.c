/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packed constants on the device, by constant, form and size; found by all plans of a session. */
#include "engine/base/half.h"
#include "engine/graph/geometry.h"
#include "engine/ocl/ocl.h"

struct WeirOclWeights {
  const void *constant; /* its bytes */
  const char *form;     /* interned */
  size_t n_elements;
  WeirDtype dtype;
  uint32_t n_refs; /* under the device's lock */
  WeirOclMemory *memory;
};

static guint hash_weights (gconstpointer data)
{
  const WeirOclWeights *weights = data;
  return g_direct_hash (weights->constant) ^ g_direct_hash (weights->form) ^
         (guint) weights->n_elements;
}

static gboolean are_equal (gconstpointer a, gconstpointer b)
{
  const WeirOclWeights *x = a, *y = b;
  return x->constant == y->constant && x->form == y->form && x->n_elements == y->n_elements &&
         x->dtype == y->dtype;
}

static void weights_free (WeirOclWeights *weights)
{
  weir_ocl_memory_free (weights->memory);
  g_free (weights);
}

/* The constant's values, newly allocated; NULL: no memory, or it is none of floats. */
static float *read_constant (const WeirTensor *constant)
{
  int64_t n;
  if (!weir_tensor_data (constant) || !weir_tensor_n_elements (constant, &n))
    return NULL;
  g_autofree float *values = g_try_new (float, (size_t) MAX (n, 1));
  for (int64_t i = 0; values && i < n; i++)
    if (!weir_known_float (constant, i, &values[i]))
      return NULL;
  return g_steal_pointer (&values);
}

/* Floats become halves in their own memory. */
static void narrow (float *values, size_t n)
{
  uint16_t *halves = (uint16_t *) values;
  for (size_t i = 0; i < n; i++) {
    uint16_t half = weir_f32_to_f16 (values[i]);
    memcpy (&halves[i], &half, sizeof half);
  }
}

/* What is packed: floats from the constant's, or bytes. */
typedef struct Packer {
  void (*pack) (float *packed, const float *values, const void *job);
  void (*pack_bytes) (uint8_t *packed, const void *job);
  const void *job;
} Packer;

/* Newly allocated; NULL: no memory. */
static void *pack_floats (
    WeirDtype dtype, const WeirTensor *constant, const Packer *packer, size_t n)
{
  g_autofree float *values = read_constant (constant);
  g_autofree float *packed = g_try_new (float, n);
  if (!values || !packed)
    return NULL;
  packer->pack (packed, values, packer->job);
  if (dtype == WEIR_DTYPE_F16)
    narrow (packed, n);
  return g_steal_pointer (&packed);
}

static void *pack_bytes (const Packer *packer, size_t n)
{
  uint8_t *packed = g_try_malloc (n);
  if (packed)
    packer->pack_bytes (packed, packer->job);
  return packed;
}

static bool fill (WeirDevice *device, WeirOclWeights *weights, const WeirTensor *constant,
    const Packer *packer, GError **error)
{
  size_t n = weights->n_elements, n_bytes = n * weir_dtype_bytes (weights->dtype);
  g_autofree void *packed =
      packer->pack ? pack_floats (weights->dtype, constant, packer, n) : pack_bytes (packer, n);
  if (!packed) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: no memory for %zu packed weights",
        weir_ocl_device_label (device->ocl), n);
    return false;
  }
  weights->memory = weir_ocl_memory_new (device->ocl, n_bytes, false, false, error);
  return weights->memory && weir_ocl_memory_upload (weights->memory, 0, packed, n_bytes, error);
}

/* Called with the device locked. */
static WeirOclWeights *add (WeirDevice *device, const WeirOclWeights *key,
    const WeirTensor *constant, const Packer *packer, GError **error)
{
  WeirOclWeights *weights = g_new (WeirOclWeights, 1);
  *weights = *key;
  if (!fill (device, weights, constant, packer, error)) {
    weights_free (weights);
    return NULL;
  }
  if (!device->weights)
    device->weights = g_hash_table_new (hash_weights, are_equal);
  g_hash_table_add (device->weights, weights);
  device->weight_bytes += weights->memory->n_bytes;
  return weights;
}

static WeirOclWeights *take (WeirDevice *device, WeirDtype dtype, const WeirTensor *constant,
    const char *form, size_t n_elements, const Packer *packer, GError **error)
{
  WeirOclWeights key = { .constant = weir_tensor_data (constant),
    .form = g_intern_string (form),
    .n_elements = n_elements,
    .dtype = dtype };
  weir_mutex_lock (&device->lock);
  WeirOclWeights *weights = device->weights ? g_hash_table_lookup (device->weights, &key) : NULL;
  if (!weights)
    weights = add (device, &key, constant, packer, error);
  if (weights)
    weights->n_refs++;
  weir_mutex_unlock (&device->lock);
  return weights;
}

WeirOclWeights *weir_ocl_weights_ref (WeirDevice *device, const WeirTensor *constant,
    const char *form, size_t n_elements,
    void (*pack) (float *packed, const float *values, const void *job), const void *job,
    GError **error)
{
  return weir_ocl_weights_ref_as (
      device, device->dtype, constant, form, n_elements, pack, job, error);
}

WeirOclWeights *weir_ocl_weights_ref_as (WeirDevice *device, WeirDtype dtype,
    const WeirTensor *constant, const char *form, size_t n_elements,
    void (*pack) (float *packed, const float *values, const void *job), const void *job,
    GError **error)
{
  const Packer packer = { .pack = pack, .job = job };
  return take (device, dtype, constant, form, n_elements, &packer, error);
}

WeirOclWeights *weir_ocl_weights_ref_bytes (WeirDevice *device, const WeirTensor *constant,
    const char *form, size_t n_bytes, void (*pack) (uint8_t *packed, const void *job),
    const void *job, GError **error)
{
  const Packer packer = { .pack_bytes = pack, .job = job };
  return take (device, WEIR_DTYPE_U8, constant, form, n_bytes, &packer, error);
}

void weir_ocl_weights_unref (WeirDevice *device, WeirOclWeights *weights)
{
  if (!weights)
    return;
  weir_mutex_lock (&device->lock);
  bool is_last = --weights->n_refs == 0;
  if (is_last) {
    g_hash_table_remove (device->weights, weights);
    device->weight_bytes -= weights->memory->n_bytes;
  }
  weir_mutex_unlock (&device->lock);
  if (is_last)
    weights_free (weights);
}

const void *weir_ocl_weights_address (const WeirOclWeights *weights)
{
  return weights->memory->base;
}
