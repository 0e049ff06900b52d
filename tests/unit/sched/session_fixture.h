/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions on the embedded character reader, on the device named by WEIR_TEST_DEVICE (default REF),
 * pictures for them, and what the network says of each when it runs alone. */
#pragma once

#include "engine/weir.h"

#define N_PICTURES 13
#define N_ITEMS    9 /* of a picture: regions of its own */
#define N_CLASSES  13

extern float fixture_expected[N_PICTURES][N_ITEMS][N_CLASSES];

/* Newly allocated. */
char *fixture_model (void);
WeirSession *fixture_open (uint32_t num_requests, uint32_t batch_size);
/* One worker. */
WeirSession *fixture_open_latency (uint32_t num_requests, uint32_t batch_size);

/* To be called first, in the process of the tests. */
void fixture_make_pictures (void);
void fixture_learn (void);

/* Empties the request and gives it n_items regions of picture k. */
void fixture_fill (WeirRequest *request, int k, uint32_t n_items);
bool fixture_is_expected (const WeirRequest *request, int k);
