/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Second opinions: operators in double, element by element, straight from their formulas. */
#pragma once

#include "tests/ops/row.h"

/* Results of a row's node as doubles, from attributes, inputs and the dims of dst[0] alone. */
typedef void (*OracleFn) (const Row *row, double *dst);

/* NULL where there is none: rows of such operators must spell out their results. */
OracleFn oracle_find (WeirOp op);
/* The row's result, post-ops included, to be freed; dst[0]'s elements. */
double *oracle_compute (const Row *row);

/* oracle_formulas.c: one element; NAN where there is no formula. */
double oracle_unary (WeirOp op, double x, double alpha, double beta);
double oracle_binary (WeirOp op, double a, double b);
