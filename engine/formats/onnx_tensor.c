/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TensorProto: to tensors and back.
 *
 * Elements lie in raw_data, in an external file, or widened in one of five typed fields (f16 and u8
 * in int32s). Both machine and format are little endian, so one strided copy of the low bytes of
 * each element serves all of them. */
#include "engine/formats/formats.h"

#include "engine/base/checked.h"
#include "engine/base/file.h"
#include "engine/error.h"
#include "engine/formats/onnx_private.h"
#include "engine/formats/widen.h"

#include <stdlib.h>
#include <string.h>

G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);

#define FIELD(member)                                  \
  (uint32_t) offsetof (Onnx__TensorProto, n_##member), \
      (uint32_t) offsetof (Onnx__TensorProto, member)

/* By ONNX's number of the type: ours, the typed field it may lie in and that field's element size.
 */
static const struct {
  const char *name;
  WeirDtype dtype;
  uint32_t n_offset, data_offset, stride;
} types[] = {
  [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT] = { "float", WEIR_DTYPE_F32, FIELD (float_data), 4 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__UINT8] = { "uint8", WEIR_DTYPE_U8, FIELD (int32_data), 4 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__INT8] = { "int8", WEIR_DTYPE_I8, FIELD (int32_data), 4 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__UINT16] = { "uint16", WEIR_DTYPE_U16, FIELD (int32_data), 4 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__INT16] = { "int16", WEIR_DTYPE_I16, FIELD (int32_data), 4 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__INT32] = { "int32", WEIR_DTYPE_I32, FIELD (int32_data), 4 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__INT64] = { "int64", WEIR_DTYPE_I64, FIELD (int64_data), 8 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__STRING] = { "string", WEIR_DTYPE_NONE, 0, 0, 0 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__BOOL] = { "bool", WEIR_DTYPE_BOOL, FIELD (int32_data), 4 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16] = { "float16", WEIR_DTYPE_F16, FIELD (int32_data), 4 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE] = { "double", WEIR_DTYPE_F64, FIELD (double_data), 8 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__UINT32] = { "uint32", WEIR_DTYPE_U32, FIELD (uint64_data), 8 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__UINT64] = { "uint64", WEIR_DTYPE_U64, FIELD (uint64_data), 8 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64] = { "complex64", WEIR_DTYPE_NONE, 0, 0, 0 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX128] = { "complex128", WEIR_DTYPE_NONE, 0, 0, 0 },
  [ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16] = { "bfloat16", WEIR_DTYPE_BF16, FIELD (int32_data),
      4 },
};

WeirDtype weir_onnx_dtype (int32_t data_type)
{
  return data_type >= 0 && (size_t) data_type < G_N_ELEMENTS (types) ? types[data_type].dtype
                                                                     : WEIR_DTYPE_NONE;
}

int64_t weir_onnx_widened_type (int64_t data_type)
{
  bool is_known = data_type >= 0 && (size_t) data_type < G_N_ELEMENTS (types);
  WeirDtype dtype = is_known ? types[data_type].dtype : WEIR_DTYPE_NONE;
  return weir_widened (dtype) != dtype ? ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT : data_type;
}

int32_t weir_onnx_type_number (const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS (types); i++)
    if (types[i].name && g_ascii_strcasecmp (types[i].name, name) == 0)
      return (int32_t) i;
  return 0;
}

static bool tensor_error (const WeirOnnxSource *source, const char *name, int code, GError **error,
    const char *format, ...) G_GNUC_PRINTF (5, 6);

static bool tensor_error (const WeirOnnxSource *source, const char *name, int code, GError **error,
    const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, WEIR_ERROR, code, "%s: tensor '%s': %s", source->name, name, text);
  return false;
}

/* Elements as they lie in the file. */
typedef struct Elements {
  const uint8_t *bytes;
  size_t n_bytes, stride;
  bool is_mapped;
} Elements;

typedef struct External {
  const char *location;
  uint64_t offset_bytes, length_bytes;
  bool has_length;
} External;

static bool parse_external (const WeirOnnxSource *source, const char *name,
    const Onnx__TensorProto *proto, External *external, GError **error)
{
  for (size_t i = 0; i < proto->n_external_data; i++) {
    const char *key = proto->external_data[i]->key, *value = proto->external_data[i]->value;
    if (!key || !value)
      continue;
    if (strcmp (key, "location") == 0)
      external->location = value;
    uint64_t *number = strcmp (key, "offset") == 0   ? &external->offset_bytes
                       : strcmp (key, "length") == 0 ? &external->length_bytes
                                                     : NULL;
    if (number && !g_ascii_string_to_unsigned (value, 10, 0, G_MAXINT64, number, NULL))
      return tensor_error (source, name, WEIR_ERROR_FORMAT, error,
          "%s of its external data is '%s', expected a number", key, value);
    external->has_length |= number == &external->length_bytes;
  }
  if (!external->location || !*external->location)
    return tensor_error (
        source, name, WEIR_ERROR_FORMAT, error, "external data without a location");
  return true;
}

/* The file is one beside or below the model: a model must not read what its user did not give it.
 */
static bool is_inside (const char *location)
{
  if (g_path_is_absolute (location) || strchr (location, '\\') ||
      !g_utf8_validate (location, -1, NULL))
    return false;
  g_auto (GStrv) parts = g_strsplit (location, "/", -1);
  return !g_strv_contains ((const char *const *) parts, "..");
}

/* No link leads out of the folder either. What is not there is found out when it is mapped. */
static bool leads_inside (const char *folder, const char *path)
{
  char *real_folder = realpath (folder, NULL), *real = realpath (path, NULL);
  size_t n = real_folder ? strlen (real_folder) : 0;
  bool is_root = n == 1;
  bool ok = !real || (n && strncmp (real, real_folder, n) == 0 && (is_root || real[n] == '/'));
  free (real_folder);
  free (real);
  return ok;
}

static const WeirFile *map_external (const WeirOnnxSource *source, const char *path, GError **error)
{
  for (uint32_t i = 0; i < source->files->len; i++) {
    const WeirFile *file = g_ptr_array_index (source->files, i);
    if (strcmp (file->path, path) == 0)
      return file;
  }
  WeirFile *file = weir_file_map (path, error);
  if (file)
    g_ptr_array_add (source->files, file);
  return file;
}

static bool locate_external (const WeirOnnxSource *source, const char *name,
    const Onnx__TensorProto *proto, size_t n_bytes, Elements *elements, GError **error)
{
  External external = { 0 };
  if (!source->folder)
    return tensor_error (
        source, name, WEIR_ERROR_UNSUPPORTED, error, "external data is supported in models only");
  if (!parse_external (source, name, proto, &external, error))
    return false;
  g_autofree char *path = is_inside (external.location)
                              ? g_build_filename (source->folder, external.location, NULL)
                              : NULL;
  if (!path || !leads_inside (source->folder, path))
    return tensor_error (source, name, WEIR_ERROR_FORMAT, error,
        "external data lies outside of the model's folder, which is not allowed");
  const WeirFile *file = map_external (source, path, error);
  if (!file) {
    g_prefix_error (error, "%s: tensor '%s': ", source->name, name);
    return false;
  }
  uint64_t rest = file->n_bytes - MIN (external.offset_bytes, file->n_bytes);
  if (n_bytes > rest || (external.has_length && external.length_bytes > rest))
    return tensor_error (source, name, WEIR_ERROR_FORMAT, error,
        "needs %" G_GSIZE_FORMAT " bytes at %" G_GUINT64_FORMAT
        " of %s, which has %" G_GSIZE_FORMAT,
        n_bytes, external.offset_bytes, external.location, file->n_bytes);
  elements->bytes = n_bytes ? file->bytes + external.offset_bytes : NULL;
  elements->n_bytes = external.has_length ? (size_t) external.length_bytes : n_bytes;
  elements->is_mapped = true;
  return true;
}

static bool locate (const WeirOnnxSource *source, const char *name, const Onnx__TensorProto *proto,
    size_t n, size_t size, Elements *elements, GError **error)
{
  elements->stride = size;
  if (proto->has_data_location &&
      proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
    if (!locate_external (source, name, proto, n * size, elements, error))
      return false;
  } else if (proto->raw_data.len) {
    elements->bytes = proto->raw_data.data;
    elements->n_bytes = proto->raw_data.len;
  } else {
    const char *base = (const char *) proto;
    size_t n_given;
    memcpy (&n_given, base + types[proto->data_type].n_offset, sizeof n_given);
    memcpy (&elements->bytes, base + types[proto->data_type].data_offset, sizeof elements->bytes);
    elements->stride = types[proto->data_type].stride;
    if (n_given != n)
      return tensor_error (source, name, WEIR_ERROR_FORMAT, error,
          "has %" G_GSIZE_FORMAT " elements, its dims say %" G_GSIZE_FORMAT, n_given, n);
    elements->n_bytes = n * size;
  }
  return elements->n_bytes == n * size ||
         tensor_error (source, name, WEIR_ERROR_FORMAT, error,
             "has %" G_GSIZE_FORMAT " bytes, its type and dims say %" G_GSIZE_FORMAT,
             elements->n_bytes, n * size);
}

static void copy_elements (
    void *dst, WeirDtype src_dtype, bool widens, const Elements *elements, size_t n)
{
  size_t size = weir_dtype_bytes (src_dtype);
  const uint8_t *src = elements->bytes;
  if (widens && weir_widened (src_dtype) != src_dtype)
    weir_widen (dst, src_dtype, src, elements->stride, n);
  else if (src_dtype == WEIR_DTYPE_BOOL)
    for (size_t i = 0; i < n; i++)
      ((uint8_t *) dst)[i] = src[i * elements->stride] != 0;
  else if (elements->stride == size && n)
    memcpy (dst, src, n * size);
  else
    for (size_t i = 0; i < n; i++)
      memcpy ((uint8_t *) dst + i * size, src + i * elements->stride, size);
}

static bool read_shape (const WeirOnnxSource *source, const char *name,
    const Onnx__TensorProto *proto, WeirTensor *tensor, GError **error)
{
  *tensor = (WeirTensor){ .dtype = weir_onnx_dtype (proto->data_type) };
  if (tensor->dtype == WEIR_DTYPE_NONE) {
    size_t type = (size_t) proto->data_type;
    return tensor_error (source, name, WEIR_ERROR_UNSUPPORTED, error,
        "element type %d (%s) is not supported", proto->data_type,
        type < G_N_ELEMENTS (types) && types[type].name ? types[type].name : "unknown");
  }
  if (proto->segment)
    return tensor_error (source, name, WEIR_ERROR_UNSUPPORTED, error, "segments are not supported");
  if (proto->n_dims > WEIR_MAX_RANK)
    return tensor_error (source, name, WEIR_ERROR_UNSUPPORTED, error,
        "rank %" G_GSIZE_FORMAT ", at most %d is supported", proto->n_dims, WEIR_MAX_RANK);
  tensor->rank = (uint32_t) proto->n_dims;
  for (uint32_t i = 0; i < tensor->rank; i++)
    tensor->dims[i] = proto->dims[i];
  return true;
}

static bool allocate (
    const WeirOnnxSource *source, const char *name, WeirTensor *tensor, GError **error)
{
  size_t n_bytes;
  if (!weir_tensor_bytes (tensor, &n_bytes) ||
      !(tensor->buffer = weir_arena_try_alloc (source->arena, n_bytes)))
    return tensor_error (source, name, WEIR_ERROR_MEMORY, error, "is too large for the memory");
  return true;
}

bool weir_onnx_read_tensor (const WeirOnnxSource *source, const char *name,
    const Onnx__TensorProto *proto, WeirTensor *tensor, GError **error)
{
  size_t n_bytes;
  int64_t n;
  Elements elements = { 0 };
  if (!read_shape (source, name, proto, tensor, error))
    return false;
  if (!weir_tensor_n_elements (tensor, &n) || !weir_tensor_bytes (tensor, &n_bytes)) {
    g_autofree char *shape = weir_tensor_describe (tensor);
    return tensor_error (source, name, WEIR_ERROR_FORMAT, error, "impossible shape %s", shape);
  }
  WeirDtype dtype = tensor->dtype;
  if (!locate (source, name, proto, (size_t) n, weir_dtype_bytes (dtype), &elements, error))
    return false;
  bool widens = source->widens && weir_widened (dtype) != dtype;
  bool is_usable = elements.is_mapped && !widens && dtype != WEIR_DTYPE_BOOL;
  if (is_usable && n && (uintptr_t) elements.bytes % 64 == 0) {
    tensor->buffer = (void *) elements.bytes;
    return true;
  }
  if (widens)
    tensor->dtype = WEIR_DTYPE_F32;
  if (!allocate (source, name, tensor, error))
    return false;
  copy_elements (tensor->buffer, dtype, widens, &elements, (size_t) n);
  return true;
}

bool weir_onnx_load_tensor (
    const char *path, WeirArena *arena, const char **name, WeirTensor *tensor, GError **error)
{
  g_autoptr (WeirFile) file = weir_file_map (path, error);
  if (!file)
    return false;
  Onnx__TensorProto *proto = NULL;
  if (weir_onnx_scan (&onnx__tensor_proto__descriptor, file->bytes, file->n_bytes))
    proto = onnx__tensor_proto__unpack (NULL, file->n_bytes, file->bytes);
  if (!proto) {
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_FORMAT, "%s: not an ONNX tensor, or truncated", path);
    return false;
  }
  WeirOnnxSource source = { .name = path, .arena = arena };
  const char *title = proto->name && g_utf8_validate (proto->name, -1, NULL) ? proto->name : "";
  bool ok = weir_onnx_read_tensor (&source, title, proto, tensor, error);
  if (ok && name)
    *name = weir_arena_strdup (arena, title);
  onnx__tensor_proto__free_unpacked (proto, NULL);
  return ok;
}

bool weir_onnx_save_tensor (
    const char *path, const char *name, const WeirTensor *tensor, GError **error)
{
  Onnx__TensorProto proto = ONNX__TENSOR_PROTO__INIT;
  WeirOnnxSource source = { .name = path };
  size_t n_bytes;
  int32_t type = 0;
  while (type < (int32_t) G_N_ELEMENTS (types) && types[type].dtype != tensor->dtype)
    type++;
  if (tensor->layout != WEIR_LAYOUT_PLAIN || !weir_tensor_bytes (tensor, &n_bytes) ||
      !tensor->buffer)
    return tensor_error (&source, name, WEIR_ERROR_SHAPE, error, "only plain tensors can be saved");
  proto.name = (char *) name;
  proto.has_data_type = true;
  proto.data_type = type;
  proto.n_dims = tensor->rank;
  proto.dims = (int64_t *) tensor->dims;
  proto.has_raw_data = true;
  proto.raw_data.len = n_bytes;
  proto.raw_data.data = weir_tensor_data (tensor);

  size_t n_packed = onnx__tensor_proto__get_packed_size (&proto);
  g_autofree uint8_t *packed = g_malloc (n_packed);
  onnx__tensor_proto__pack (&proto, packed);
  g_autoptr (GError) cause = NULL;
  if (g_file_set_contents (path, (const char *) packed, (gssize) n_packed, &cause))
    return true;
  g_set_error (
      error, WEIR_ERROR, WEIR_ERROR_NOT_FOUND, "%s: cannot be written: %s", path, cause->message);
  return false;
}
