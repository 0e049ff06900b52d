/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attributes and types of ONNX: AttributeProto and ValueInfoProto, checked and copied. */
#include "engine/formats/onnx_private.h"

#include "engine/error.h"
#include "engine/formats/widen.h"

#include <string.h>

#define MAX_ATTRS      256u
#define MAX_ATTR_ITEMS (1u << 24)

typedef Onnx__AttributeProto Proto;

typedef enum Reading {
  READ_INT,
  READ_FLOAT,
  READ_STRING,
  READ_TENSOR,
  READ_INTS,
  READ_FLOATS
} Reading;

static bool attr_error (const WeirOnnxSource *source, const WeirNode *node, const char *attr,
    int code, GError **error, const char *text)
{
  g_set_error (error, WEIR_ERROR, code, "%s: node '%s' (%s): attribute '%s' %s", source->name,
      node->name, weir_op_info (node->op)->name, attr, text);
  return false;
}

/* Files of the first format version name no type: the field that is there tells it. */
static int attr_type (const Proto *proto)
{
  if (proto->has_type && proto->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
    return (int) proto->type;
  const struct {
    bool is_there;
    int type;
  } fields[] = {
    { proto->has_f, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT },
    { proto->has_i, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT },
    { proto->has_s, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING },
    { proto->t != NULL, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR },
    { proto->n_floats != 0, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS },
    { proto->n_ints != 0, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (fields); i++)
    if (fields[i].is_there)
      return fields[i].type;
  return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED;
}

static bool read_string (const WeirOnnxSource *source, const WeirNode *node, const Proto *proto,
    WeirAttr *attr, GError **error)
{
  const char *bytes = (const char *) proto->s.data;
  if (proto->s.len && !g_utf8_validate (bytes, (gssize) proto->s.len, NULL))
    return attr_error (source, node, attr->name, WEIR_ERROR_FORMAT, error, "is not UTF-8");
  char *text = weir_arena_alloc (source->arena, proto->s.len + 1);
  if (proto->s.len)
    memcpy (text, bytes, proto->s.len);
  attr->s = text;
  return true;
}

static bool read_list (const WeirOnnxSource *source, const WeirNode *node, const void *items,
    size_t n, size_t size, WeirAttr *attr, GError **error)
{
  if (n > MAX_ATTR_ITEMS)
    return attr_error (source, node, attr->name, WEIR_ERROR_FORMAT, error, "has too many elements");
  attr->n = (uint32_t) n;
  const void *copy = weir_arena_memdup (source->arena, items, n * size);
  if (attr->kind == WEIR_ATTR_INTS)
    attr->ints = copy;
  else
    attr->floats = copy;
  return true;
}

static bool read_attr (const WeirOnnxSource *source, const WeirNode *node, const Proto *proto,
    WeirAttr *attr, GError **error)
{
  switch (attr_type (proto)) {
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
    attr->kind = WEIR_ATTR_INT;
    attr->i = proto->i;
    return true;
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
    attr->kind = WEIR_ATTR_FLOAT;
    attr->f = proto->f;
    return true;
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
    attr->kind = WEIR_ATTR_STRING;
    return read_string (source, node, proto, attr, error);
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
    attr->kind = WEIR_ATTR_INTS;
    return read_list (source, node, proto->ints, proto->n_ints, sizeof (int64_t), attr, error);
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
    attr->kind = WEIR_ATTR_FLOATS;
    return read_list (source, node, proto->floats, proto->n_floats, sizeof (float), attr, error);
  case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
    attr->kind = WEIR_ATTR_TENSOR;
    if (!proto->t)
      return attr_error (source, node, attr->name, WEIR_ERROR_FORMAT, error, "has no tensor");
    return weir_onnx_read_tensor (
        source, *node->name ? node->name : attr->name, proto->t, &attr->tensor, error);
  default:
    return attr_error (source, node, attr->name, WEIR_ERROR_UNSUPPORTED, error,
        "is of a kind that is not supported (numbers, lists of numbers, strings and tensors are)");
  }
}

/* Since every floating value is f32, a cast to another floating type is one to f32. */
static void widen_type (const WeirNode *node, WeirAttr *attr)
{
  static const struct {
    WeirOp op;
    const char *name;
  } rows[] = { { WEIR_OP_CAST, "to" }, { WEIR_OP_EYE_LIKE, "dtype" } };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    if (attr->kind == WEIR_ATTR_INT && node->op == rows[i].op &&
        strcmp (attr->name, rows[i].name) == 0)
      attr->i = weir_onnx_widened_type (attr->i);
}

bool weir_onnx_read_attrs (
    const WeirOnnxSource *source, const Onnx__NodeProto *proto, WeirNode *node, GError **error)
{
  if (proto->n_attribute > MAX_ATTRS)
    return attr_error (source, node, "…", WEIR_ERROR_FORMAT, error, "is one of too many");
  node->attrs = weir_arena_new_array (source->arena, WeirAttr, proto->n_attribute);
  for (size_t i = 0; i < proto->n_attribute; i++) {
    const Proto *from = proto->attribute[i];
    WeirAttr *attr = &node->attrs[node->n_attrs++];
    attr->n = 1;
    attr->name = weir_arena_strdup (source->arena, from->name ? from->name : "");
    if (!*attr->name || !g_utf8_validate (attr->name, -1, NULL))
      return attr_error (source, node, "?", WEIR_ERROR_FORMAT, error, "has no proper name");
    if (from->ref_attr_name && *from->ref_attr_name)
      return attr_error (source, node, attr->name, WEIR_ERROR_UNSUPPORTED, error,
          "refers to a function's parameter");
    if (!read_attr (source, node, from, attr, error))
      return false;
    if (source->widens)
      widen_type (node, attr);
  }
  return true;
}

static bool type_error (
    const WeirOnnxSource *source, const char *name, int code, GError **error, const char *text)
{
  g_set_error (error, WEIR_ERROR, code, "%s: input '%s' %s", source->name, name, text);
  return false;
}

bool weir_onnx_read_type (const WeirOnnxSource *source, const Onnx__ValueInfoProto *proto,
    WeirTensor *tensor, GError **error)
{
  const Onnx__TypeProto *type = proto->type;
  *tensor = (WeirTensor){ 0 };
  if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type)
    return type_error (source, proto->name, WEIR_ERROR_UNSUPPORTED, error,
        "is not a tensor, which is the only supported kind");
  tensor->dtype = weir_onnx_dtype (type->tensor_type->elem_type);
  if (tensor->dtype == WEIR_DTYPE_NONE)
    return type_error (source, proto->name, WEIR_ERROR_UNSUPPORTED, error,
        "has an element type that is not supported (numbers and bool are)");
  if (source->widens)
    tensor->dtype = weir_widened (tensor->dtype);
  const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
  if (!shape)
    return type_error (
        source, proto->name, WEIR_ERROR_SHAPE, error, "has no shape; its rank must be known");
  if (shape->n_dim > WEIR_MAX_RANK)
    return type_error (source, proto->name, WEIR_ERROR_UNSUPPORTED, error,
        "has more than 8 dims, which is the most that is supported");
  tensor->rank = (uint32_t) shape->n_dim;
  for (uint32_t i = 0; i < tensor->rank; i++) {
    const Onnx__TensorShapeProto__Dimension *dim = shape->dim[i];
    bool is_fixed = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
                    dim->dim_value > 0;
    tensor->dims[i] = is_fixed ? dim->dim_value : -1;
  }
  return true;
}
