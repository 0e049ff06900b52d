/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One layer's job: what its converter asks of attributes, sources and ports. */
#include "engine/formats/ir_private.h"
#include "engine/graph/geometry.h"

#include <string.h>

bool weir_ir_fail (WeirIrJob *job, int code, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (job->error, WEIR_ERROR, code, "%s: layer '%s' (%s): %s", job->loader->path,
      job->layer->name, job->layer->type, text);
  return false;
}

const char *weir_ir_string (const WeirIrJob *job, const char *name, const char *fallback)
{
  for (uint32_t i = 0; i < job->layer->n_texts; i++) {
    const WeirIrText *text =
        &g_array_index (job->loader->document->texts, WeirIrText, job->layer->first_text + i);
    if (strcmp (text->name, name) == 0)
      return text->value;
  }
  return fallback;
}

static bool attr_error (WeirIrJob *job, const char *name, const char *expected)
{
  return ir_malformed (
      job, "attribute '%s' is '%s', expected %s", name, weir_ir_string (job, name, ""), expected);
}

bool weir_ir_int (WeirIrJob *job, const char *name, int64_t fallback, int64_t *value)
{
  const char *text = weir_ir_string (job, name, NULL);
  uint32_t n = 1;
  *value = fallback;
  return !text || (weir_ir_parse_ints (text, value, 1, &n) && n == 1) ||
         attr_error (job, name, "a whole number");
}

bool weir_ir_bool (WeirIrJob *job, const char *name, bool fallback, bool *value)
{
  const char *text = weir_ir_string (job, name, NULL);
  *value = fallback;
  return !text || weir_ir_parse_bool (text, value) || attr_error (job, name, "true or false");
}

bool weir_ir_float (WeirIrJob *job, const char *name, float fallback, float *value)
{
  const char *text = weir_ir_string (job, name, NULL);
  uint32_t n = 1;
  *value = fallback;
  return !text || (weir_ir_parse_floats (text, value, 1, &n) && n == 1) ||
         attr_error (job, name, "a number");
}

bool weir_ir_ints (WeirIrJob *job, const char *name, int64_t values[WEIR_MAX_RANK], uint32_t *n)
{
  const char *text = weir_ir_string (job, name, "");
  return weir_ir_parse_ints (text, values, WEIR_MAX_RANK, n) ||
         attr_error (job, name, "at most " G_STRINGIFY (WEIR_MAX_RANK) " whole numbers");
}

bool weir_ir_is (const WeirIrJob *job, const char *name, const char *fallback, const char *value)
{
  return g_ascii_strcasecmp (weir_ir_string (job, name, fallback), value) == 0;
}

bool weir_ir_need (WeirIrJob *job, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    if (weir_ir_src (job, i) == WEIR_NONE)
      return ir_malformed (job, "input %u is not connected, but required", i);
  return true;
}

static WeirIrInfo port_info (const WeirIrPort *port)
{
  WeirIrInfo info = { .dtype = weir_ir_widened_dtype (port->precision) };
  info.has_rank = true;
  info.rank = port->rank;
  memcpy (info.dims, port->dims, sizeof info.dims);
  return info;
}

WeirIrInfo weir_ir_info (const WeirIrJob *job, uint32_t value)
{
  static const WeirIrInfo unknown;
  return value < job->loader->infos->len ? g_array_index (job->loader->infos, WeirIrInfo, value)
                                         : unknown;
}

WeirIrInfo weir_ir_dst_info (const WeirIrJob *job, uint32_t i)
{
  static const WeirIrInfo unknown;
  return i < job->layer->n_dst
             ? port_info (weir_ir_port (job->loader->document, job->layer->first_dst + i))
             : unknown;
}

void weir_ir_set_info (WeirIrJob *job, uint32_t value, const WeirIrInfo *info)
{
  if (value >= job->loader->infos->len)
    g_array_set_size (job->loader->infos, value + 1); /* cleared: the array was made so */
  g_array_index (job->loader->infos, WeirIrInfo, value) = *info;
}

void weir_ir_set_value (WeirIrJob *job, uint32_t value, const WeirTensor *tensor, bool is_constant)
{
  WeirIrInfo info = { .dtype = tensor->dtype, .has_rank = true, .rank = tensor->rank };
  WeirValue *target = weir_graph_value (job->loader->graph, value);
  target->tensor = *tensor;
  target->is_constant = is_constant;
  memcpy (info.dims, tensor->dims, sizeof info.dims);
  weir_ir_set_info (job, value, &info);
}

bool weir_ir_rank (WeirIrJob *job, uint32_t i, uint32_t *rank)
{
  uint32_t src = weir_ir_src (job, i);
  WeirIrInfo info = weir_ir_info (job, src);
  *rank = info.rank;
  return info.has_rank || ir_malformed (job, "the number of dimensions of input %u is unknown", i);
}

bool weir_ir_static_dims (const WeirIrJob *job, uint32_t i, uint32_t first, WeirIrInfo *info)
{
  *info = weir_ir_info (job, weir_ir_src (job, i));
  for (uint32_t k = first; k < info->rank; k++)
    if (info->dims[k] < 0 || info->dims[k] > INT32_MAX)
      return false;
  return info->has_rank;
}

/* The tensor of source i where it is a constant of at most WEIR_MAX_RANK elements. */
static const WeirTensor *known_list (const WeirIrJob *job, uint32_t i, uint32_t *n)
{
  uint32_t src = weir_ir_src (job, i);
  const WeirValue *value = src == WEIR_NONE ? NULL : weir_graph_value (job->loader->graph, src);
  int64_t n_elements;
  if (!value || !value->is_constant || value->tensor.rank > 1 ||
      !weir_tensor_n_elements (&value->tensor, &n_elements) || n_elements > WEIR_MAX_RANK)
    return NULL;
  *n = (uint32_t) n_elements;
  return &value->tensor;
}

static bool known_int (const WeirTensor *tensor, uint32_t i, int64_t *value)
{
  const uint8_t *at =
      (const uint8_t *) weir_tensor_data (tensor) + i * weir_dtype_bytes (tensor->dtype);
  size_t n_bytes = weir_dtype_bytes (tensor->dtype);
  uint64_t bits = 0;
  if (weir_dtype_is_floating (tensor->dtype))
    return false;
  memcpy (&bits, at, n_bytes); /* little endian, as loaders require */
  bool is_signed = tensor->dtype == WEIR_DTYPE_I8 || tensor->dtype == WEIR_DTYPE_I16 ||
                   tensor->dtype == WEIR_DTYPE_I32;
  uint64_t sign = UINT64_C (1) << (8 * n_bytes - 1);
  *value = (int64_t) (is_signed ? (bits ^ sign) - sign : bits);
  return true;
}

bool weir_ir_known_ints (
    const WeirIrJob *job, uint32_t i, int64_t values[WEIR_MAX_RANK], uint32_t *n)
{
  const WeirTensor *tensor = known_list (job, i, n);
  for (uint32_t k = 0; tensor && k < *n; k++)
    if (!known_int (tensor, k, &values[k]))
      return false;
  return tensor != NULL;
}

bool weir_ir_known_float (const WeirIrJob *job, uint32_t i, float *value)
{
  uint32_t n;
  const WeirTensor *tensor = known_list (job, i, &n);
  return tensor && n == 1 && weir_known_float (tensor, 0, value);
}

bool weir_ir_need_ints (WeirIrJob *job, uint32_t i, int64_t values[WEIR_MAX_RANK], uint32_t *n)
{
  *n = 0;
  if (weir_ir_src (job, i) == WEIR_NONE || weir_ir_known_ints (job, i, values, n))
    return true;
  return ir_refuse (job,
      "input %u is not a constant of at most %d whole numbers, which is all that is supported", i,
      WEIR_MAX_RANK);
}

bool weir_ir_check_axis (WeirIrJob *job, int64_t value, uint32_t rank, uint32_t *axis)
{
  int64_t resolved = value < 0 ? value + (int64_t) rank : value;
  if (resolved < 0 || resolved >= (int64_t) rank)
    return ir_malformed (
        job, "axis %" G_GINT64_FORMAT " is out of range for %u dimensions", value, rank);
  *axis = (uint32_t) resolved;
  return true;
}

bool weir_ir_axis (WeirIrJob *job, uint32_t i, int64_t fallback, uint32_t rank, uint32_t *axis)
{
  int64_t values[WEIR_MAX_RANK];
  uint32_t n;
  if (!weir_ir_need_ints (job, i, values, &n))
    return false;
  if (n > 1)
    return ir_malformed (job, "input %u has %u elements, expected one axis", i, n);
  return weir_ir_check_axis (job, n ? values[0] : fallback, rank, axis);
}

/* "a" for a layer of one output, as the files name them; else the port's own name or "a.1". */
char *weir_ir_port_name (const WeirIrDocument *document, const WeirIrLayer *layer, uint32_t i)
{
  const WeirIrPort *port = weir_ir_port (document, layer->first_dst + i);
  if (layer->n_dst == 1)
    return g_strdup (layer->name);
  if (port->names && *port->names)
    return g_strndup (port->names, strcspn (port->names, ","));
  return g_strdup_printf ("%s.%u", layer->name, i);
}

uint32_t weir_ir_dst (WeirIrJob *job, uint32_t i)
{
  if (i >= job->layer->n_dst)
    return WEIR_NONE;
  WeirIrPort *port = weir_ir_port (job->loader->document, job->layer->first_dst + i);
  if (port->value != WEIR_NONE || (i > 0 && !port->is_read))
    return port->value;
  g_autofree char *name = weir_ir_port_name (job->loader->document, job->layer, i);
  WeirIrInfo info = port_info (port);
  uint32_t id = weir_graph_add_value (job->loader->graph, name);
  weir_ir_port (job->loader->document, job->layer->first_dst + i)->value = id;
  weir_ir_set_info (job, id, &info);
  return id;
}

void weir_ir_alias (WeirIrJob *job, uint32_t i, uint32_t value)
{
  if (i < job->layer->n_dst)
    weir_ir_port (job->loader->document, job->layer->first_dst + i)->value = value;
}

void weir_ir_rename (WeirIrJob *job, uint32_t i, uint32_t value)
{
  WeirIrInfo info = weir_ir_dst_info (job, i);
  if (i >= job->layer->n_dst)
    return;
  for (uint32_t k = 0; k < job->n_src; k++)
    if (job->src[k] == value) {
      weir_ir_alias (job, i, value);
      return;
    }
  g_autofree char *name = weir_ir_port_name (job->loader->document, job->layer, i);
  weir_graph_value (job->loader->graph, value)->name =
      weir_arena_strdup (job->loader->graph->arena, name);
  weir_ir_set_info (job, value, &info);
  weir_ir_alias (job, i, value);
}
