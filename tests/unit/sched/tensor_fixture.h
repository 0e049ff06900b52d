/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small models and plain f32 tensors for requests, on the device named by WEIR_TEST_DEVICE (default
 * REF). What fails here fails the test. */
#pragma once

#include "engine/weir.h"
#include "tests/unit/formats/onnx_builder.h"

/* What is not to be written holds it. */
#define FIXTURE_CANARY (-12345.0f)

WeirSession *fixture_open_path (const char *path, uint32_t batch_size, const char *config);
/* A session on what the builder has; the builder ends. */
WeirSession *fixture_open_session (OnnxBuilder *builder, uint32_t batch_size, const char *config);
/* The same with a stream, which alone keeps the session. */
WeirStream *fixture_open_model (OnnxBuilder *builder, uint32_t batch_size, const char *config);

/* y = a + b, z = a - b, of [n, 3] */
OnnxBuilder *fixture_two_inputs (void);
/* Per item 7 rows, a scalar and nothing at all: no batch. */
OnnxBuilder *fixture_odd_rows (void);
/* y = -x */
OnnxBuilder *fixture_negation (const char *dims);

WeirTensor fixture_tensor (uint32_t rank, const int64_t *dims, float *buffer);
void fixture_fill_f32 (float *values, size_t n, float value);

void fixture_set_input (WeirRequest *request, uint32_t k, const WeirTensor *tensor);
void fixture_set_output (WeirRequest *request, uint32_t k, const WeirTensor *tensor);
void fixture_run (WeirRequest *request);
const float *fixture_output (const WeirRequest *request, uint32_t k);
/* There is an error, it is of this code and says this; clears it. */
void fixture_check_error (GError **error, int code, const char *words);
