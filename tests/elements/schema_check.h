/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks JSON against docs/weir-1.schema.json: the keywords that the file uses, no more. */
#pragma once

#include <json-glib/json-glib.h>

/* Fails the running test where the line does not follow the schema, or the schema uses a keyword
 * that this check does not know. */
void schema_check (JsonNode *line);
