/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The points at which F(4, 3) evaluates its polynomials: 0, ±a, ±b and infinity.
 *
 * Of a = 0.4 … 1.3 and b to 2.2 these gave the least error in f32, 2.2 times less than the usual 1
 * and 2 (docs/decisions/0012-winograd.md). They and what the transforms need of them are exact in
 * f32; being symmetric, points ±p share their even and their odd terms. */
#pragma once

#define WINOGRAD_A  0.625f /* 5 / 8 */
#define WINOGRAD_B  1.5f
#define WINOGRAD_A2 (WINOGRAD_A * WINOGRAD_A)
#define WINOGRAD_B2 (WINOGRAD_B * WINOGRAD_B)
#define WINOGRAD_A3 (WINOGRAD_A2 * WINOGRAD_A)
#define WINOGRAD_B3 (WINOGRAD_B2 * WINOGRAD_B)
