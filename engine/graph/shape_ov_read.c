/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readers of OpenVINO IR's attributes. The file has only text, so 16 may stand for 16.0, and a list
 * of one element looks like a number. */
#include "engine/graph/openvino.h"

#include <string.h>

float weir_ov_float (const WeirNode *node, const char *name, float fallback)
{
  const WeirAttr *attr = weir_node_attr (node, name);
  return attr && attr->kind == WEIR_ATTR_FLOAT ? attr->f
         : attr && attr->kind == WEIR_ATTR_INT ? (float) attr->i
                                               : fallback;
}

bool weir_ov_bool (const WeirNode *node, const char *name, bool fallback)
{
  return weir_node_int (node, name, fallback) != 0;
}

/* Attribute `name` as the list it is: NULL where it has no elements. */
static bool find_list (
    const WeirShapeJob *job, const char *name, const WeirAttr **list, uint32_t *n, GError **error)
{
  const WeirAttr *attr = weir_node_attr (job->node, name);
  bool is_empty = !attr || attr->n == 0 || (attr->kind == WEIR_ATTR_STRING && !*attr->s);
  *list = is_empty ? NULL : attr;
  *n = is_empty ? 0 : attr->n;
  if (*n > WEIR_MAX_INTS)
    return weir_job_fail (
        "attribute '%s' has %u elements, expected at most %d", name, *n, WEIR_MAX_INTS);
  return true;
}

static bool kind_error (
    const WeirShapeJob *job, const char *name, const char *expected, GError **error)
{
  return weir_job_fail ("attribute '%s' is not %s", name, expected);
}

bool weir_ov_floats (const WeirShapeJob *job, const char *name, float result[WEIR_MAX_INTS],
    uint32_t *n, GError **error)
{
  const WeirAttr *list;
  if (!find_list (job, name, &list, n, error))
    return false;
  for (uint32_t i = 0; i < *n; i++)
    switch (list->kind) {
    case WEIR_ATTR_FLOAT:
      result[i] = list->f;
      break;
    case WEIR_ATTR_FLOATS:
      result[i] = list->floats[i];
      break;
    case WEIR_ATTR_INT:
      result[i] = (float) list->i;
      break;
    case WEIR_ATTR_INTS:
      result[i] = (float) list->ints[i];
      break;
    default:
      return kind_error (job, name, "a list of numbers", error);
    }
  return true;
}

bool weir_ov_ints (const WeirShapeJob *job, const char *name, int64_t result[WEIR_MAX_INTS],
    uint32_t *n, GError **error)
{
  const WeirAttr *list;
  if (!find_list (job, name, &list, n, error))
    return false;
  for (uint32_t i = 0; i < *n; i++) {
    if (list->kind != WEIR_ATTR_INT && list->kind != WEIR_ATTR_INTS)
      return kind_error (job, name, "a list of whole numbers", error);
    result[i] = list->kind == WEIR_ATTR_INT ? list->i : list->ints[i];
  }
  return true;
}

bool weir_ov_choice (const WeirShapeJob *job, const char *name, const char *const *names,
    uint32_t fallback, uint32_t *result, GError **error)
{
  const char *value = weir_node_string (job->node, name, names[fallback]);
  for (uint32_t i = 0; names[i]; i++)
    if (g_ascii_strcasecmp (value, names[i]) == 0) {
      *result = i;
      return true;
    }
  g_autofree char *expected = g_strjoinv (", ", (char **) (void *) names);
  return weir_job_refuse ("%s '%s' is unknown, expected one of %s", name, value, expected);
}

WeirDtype weir_ov_dtype (const char *name)
{
  static const struct {
    const char *name;
    WeirDtype dtype;
  } rows[] = {
    { "f32", WEIR_DTYPE_F32 },
    { "f16", WEIR_DTYPE_F16 },
    { "bf16", WEIR_DTYPE_BF16 },
    { "f64", WEIR_DTYPE_F64 },
    { "u8", WEIR_DTYPE_U8 },
    { "i8", WEIR_DTYPE_I8 },
    { "u16", WEIR_DTYPE_U16 },
    { "i16", WEIR_DTYPE_I16 },
    { "u32", WEIR_DTYPE_U32 },
    { "i32", WEIR_DTYPE_I32 },
    { "u64", WEIR_DTYPE_U64 },
    { "i64", WEIR_DTYPE_I64 },
    { "boolean", WEIR_DTYPE_BOOL },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    if (g_ascii_strcasecmp (name, rows[i].name) == 0)
      return rows[i].dtype;
  return WEIR_DTYPE_NONE;
}
