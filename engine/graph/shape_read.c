/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readers of lists that ONNX gives as an attribute in older opsets and as an input in newer ones.
 */
#include "engine/base/half.h"
#include "engine/graph/geometry.h"

#include <string.h>

bool weir_dtype_is_floating (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_F32 || dtype == WEIR_DTYPE_F16 || dtype == WEIR_DTYPE_BF16 ||
         dtype == WEIR_DTYPE_F64;
}

WeirDtype weir_dtype_from_onnx (int64_t data_type)
{
  static const WeirDtype dtypes[] = {
    [1] = WEIR_DTYPE_F32,
    [2] = WEIR_DTYPE_U8,
    [3] = WEIR_DTYPE_I8,
    [4] = WEIR_DTYPE_U16,
    [5] = WEIR_DTYPE_I16,
    [6] = WEIR_DTYPE_I32,
    [7] = WEIR_DTYPE_I64,
    [9] = WEIR_DTYPE_BOOL,
    [10] = WEIR_DTYPE_F16,
    [11] = WEIR_DTYPE_F64,
    [12] = WEIR_DTYPE_U32,
    [13] = WEIR_DTYPE_U64,
    [16] = WEIR_DTYPE_BF16,
  };
  return data_type >= 0 && data_type < (int64_t) G_N_ELEMENTS (dtypes) ? dtypes[data_type]
                                                                       : WEIR_DTYPE_NONE;
}

/* Addresses may be anything in a mapped file: elements are copied out. */
static const char *element (const WeirTensor *tensor, int64_t i)
{
  return (const char *) weir_tensor_data (tensor) + (size_t) i * weir_dtype_bytes (tensor->dtype);
}

bool weir_known_int (const WeirTensor *tensor, int64_t i, int64_t *value)
{
  bool is_signed = tensor->dtype == WEIR_DTYPE_I64 || tensor->dtype == WEIR_DTYPE_I32 ||
                   tensor->dtype == WEIR_DTYPE_I16 || tensor->dtype == WEIR_DTYPE_I8;
  bool is_unsigned = tensor->dtype == WEIR_DTYPE_U32 || tensor->dtype == WEIR_DTYPE_U16 ||
                     tensor->dtype == WEIR_DTYPE_U8;
  if (!is_signed && !is_unsigned)
    return false;
  size_t n_bytes = weir_dtype_bytes (tensor->dtype);
  const char *from = element (tensor, i);
  bool is_negative = is_signed && ((uint8_t) from[n_bytes - 1] & 0x80u);
  *value = is_negative ? -1 : 0; /* little endian: the upper bytes stay the sign's */
  memcpy (value, from, n_bytes);
  return true;
}

bool weir_known_float (const WeirTensor *tensor, int64_t i, float *value)
{
  uint16_t half;
  double wide;
  switch (tensor->dtype) {
  case WEIR_DTYPE_F32:
    memcpy (value, element (tensor, i), sizeof *value);
    return true;
  case WEIR_DTYPE_F64:
    memcpy (&wide, element (tensor, i), sizeof wide);
    *value = (float) wide;
    return true;
  case WEIR_DTYPE_F16:
  case WEIR_DTYPE_BF16:
    memcpy (&half, element (tensor, i), sizeof half);
    *value = tensor->dtype == WEIR_DTYPE_F16 ? weir_f16_to_f32 (half) : weir_bf16_to_f32 (half);
    return true;
  default:
    return false;
  }
}

/* The known list input src_index; *tensor = NULL where it is absent. */
static bool known_list (const WeirShapeJob *job, const char *name, uint32_t src_index,
    const WeirTensor **tensor, uint32_t *n, GError **error)
{
  int64_t n_elements;
  *n = 0;
  *tensor = src_index == WEIR_NONE ? NULL : weir_job_src (job, src_index);
  if (!*tensor)
    return true;
  if (!(*tensor)->buffer)
    return weir_job_refuse (
        "input %u (%s) depends on data, expected one known from shapes alone", src_index, name);
  if ((*tensor)->rank > 1 || !weir_tensor_n_elements (*tensor, &n_elements) ||
      n_elements > WEIR_MAX_INTS) {
    g_autofree char *shape = weir_tensor_describe (*tensor);
    return weir_job_fail ("input %u (%s) is %s, expected a list of at most %d elements", src_index,
        name, shape, WEIR_MAX_INTS);
  }
  *n = (uint32_t) n_elements;
  return true;
}

static bool type_error (const WeirShapeJob *job, const char *name, const WeirTensor *tensor,
    const char *expected, GError **error)
{
  g_autofree char *shape = weir_tensor_describe (tensor);
  return weir_job_fail ("input '%s' is %s, expected %s", name, shape, expected);
}

bool weir_shape_ints (const WeirShapeJob *job, const char *name, uint32_t src_index,
    int64_t result[WEIR_MAX_INTS], uint32_t *n, GError **error)
{
  const WeirTensor *tensor;
  const WeirAttr *attr = name ? weir_node_attr (job->node, name) : NULL;
  if (attr && attr->kind == WEIR_ATTR_INTS) {
    *n = attr->n;
    if (attr->n > WEIR_MAX_INTS)
      return weir_job_fail (
          "attribute '%s' has %u elements, expected at most %d", name, attr->n, WEIR_MAX_INTS);
    if (attr->n)
      memcpy (result, attr->ints, attr->n * sizeof *result);
    return true;
  }
  name = name ? name : "list";
  if (!known_list (job, name, src_index, &tensor, n, error))
    return false;
  for (uint32_t i = 0; i < *n; i++)
    if (!weir_known_int (tensor, i, &result[i]))
      return type_error (job, name, tensor, "i64 or i32", error);
  return true;
}

bool weir_shape_floats (const WeirShapeJob *job, const char *name, uint32_t src_index,
    float result[WEIR_MAX_INTS], uint32_t *n, GError **error)
{
  const WeirTensor *tensor;
  const WeirAttr *attr = name ? weir_node_attr (job->node, name) : NULL;
  if (attr && attr->kind == WEIR_ATTR_FLOATS) {
    *n = attr->n;
    if (attr->n > WEIR_MAX_INTS)
      return weir_job_fail (
          "attribute '%s' has %u elements, expected at most %d", name, attr->n, WEIR_MAX_INTS);
    if (attr->n)
      memcpy (result, attr->floats, attr->n * sizeof *result);
    return true;
  }
  name = name ? name : "list";
  if (!known_list (job, name, src_index, &tensor, n, error))
    return false;
  for (uint32_t i = 0; i < *n; i++)
    if (!weir_known_float (tensor, i, &result[i]))
      return type_error (job, name, tensor, "a floating type", error);
  return true;
}

bool weir_shape_axes (const WeirShapeJob *job, const char *name, uint32_t src_index, uint32_t rank,
    uint32_t axes[WEIR_MAX_RANK], uint32_t *n, GError **error)
{
  int64_t list[WEIR_MAX_INTS];
  bool is_taken[WEIR_MAX_RANK] = { false };
  if (!weir_shape_ints (job, name, src_index, list, n, error))
    return false;
  for (uint32_t i = 0; i < *n; i++) {
    uint32_t axis;
    if (!weir_axis_resolve (job->graph, job->node, list[i], rank, &axis, error))
      return false;
    if (is_taken[axis])
      return weir_job_fail ("axis %u is given twice", axis);
    is_taken[axis] = true;
    axes[i] = axis;
  }
  return true;
}

bool weir_shape_choice (const WeirShapeJob *job, const char *attr, const char *fallback,
    const char *const *names, uint32_t n_names, uint32_t *index, GError **error)
{
  const char *name = weir_node_string (job->node, attr, fallback);
  for (uint32_t i = 0; i < n_names; i++)
    if (strcmp (name, names[i]) == 0) {
      *index = i;
      return true;
    }
  return weir_job_refuse ("%s '%s' is not supported", attr, name);
}
