/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look over protobuf's wire format before it is unpacked.
 *
 * protobuf-c recurses once per nested message and allocates up to 300 bytes for two of the file, so
 * nesting and number are limited here. A singular message that comes twice would be merged: no
 * writer does that, so it is refused. */
#include "engine/formats/onnx_private.h"

#define MAX_DEPTH    64u
#define MAX_MESSAGES 8000000u

enum { WIRE_VARINT = 0, WIRE_64_BIT = 1, WIRE_LENGTH = 2, WIRE_32_BIT = 5 };

typedef struct Cursor {
  const uint8_t *at, *end;
} Cursor;

static bool read_varint (Cursor *cursor, uint64_t *value)
{
  *value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (cursor->at == cursor->end)
      return false;
    uint8_t byte = *cursor->at++;
    *value |= shift < 64 ? (uint64_t) (byte & 0x7f) << shift : 0;
    if (byte < 0x80)
      return true;
  }
  return false;
}

static bool take (Cursor *cursor, uint64_t n_bytes, Cursor *part)
{
  if (n_bytes > (size_t) (cursor->end - cursor->at))
    return false;
  part->at = cursor->at;
  part->end = cursor->at += n_bytes;
  return true;
}

/* One field's value, past its tag; a length-delimited one is given as `part`. */
static bool read_value (Cursor *cursor, unsigned wire, Cursor *part)
{
  uint64_t value;
  switch (wire) {
  case WIRE_VARINT:
    return read_varint (cursor, &value);
  case WIRE_64_BIT:
    return take (cursor, 8, part);
  case WIRE_32_BIT:
    return take (cursor, 4, part);
  case WIRE_LENGTH:
    return read_varint (cursor, &value) && take (cursor, value, part);
  default:
    return false;
  }
}

static bool scan (const ProtobufCMessageDescriptor *descriptor, Cursor cursor, unsigned depth,
    uint32_t *n_messages)
{
  uint64_t seen = 0;
  if (depth > MAX_DEPTH || ++*n_messages > MAX_MESSAGES)
    return false;
  while (cursor.at < cursor.end) {
    uint64_t tag;
    Cursor part = { 0 };
    if (!read_varint (&cursor, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
      return false;
    unsigned wire = (unsigned) (tag & 7);
    if (!read_value (&cursor, wire, &part))
      return false;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field (descriptor, (unsigned) (tag >> 3));
    if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE)
      continue;
    uint64_t bit = UINT64_C (1) << ((size_t) (field - descriptor->fields) % 64);
    if (wire != WIRE_LENGTH || (field->label != PROTOBUF_C_LABEL_REPEATED && (seen & bit)))
      return false;
    seen |= bit;
    if (!scan (field->descriptor, part, depth + 1, n_messages))
      return false;
  }
  return true;
}

bool weir_onnx_scan (
    const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t n_bytes)
{
  uint32_t n_messages = 0;
  return scan (descriptor, (Cursor){ bytes, bytes + n_bytes }, 0, &n_messages);
}
