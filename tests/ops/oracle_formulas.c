/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The formulas of operators that compute element by element. */
#include "tests/ops/oracle.h"

#include <math.h>

double oracle_unary (WeirOp op, double x, double alpha, double beta)
{
  switch (op) {
  case WEIR_OP_ABS:
    return fabs (x);
  case WEIR_OP_ACOS:
    return acos (x);
  case WEIR_OP_ACOSH:
    return log (x + sqrt (x * x - 1));
  case WEIR_OP_AFFINE:
    return alpha * x + beta;
  case WEIR_OP_ASIN:
    return asin (x);
  case WEIR_OP_ASINH:
    return log (x + sqrt (x * x + 1));
  case WEIR_OP_ATAN:
    return atan (x);
  case WEIR_OP_ATANH:
    return 0.5 * log ((1 + x) / (1 - x));
  case WEIR_OP_CEIL:
    return ceil (x);
  case WEIR_OP_CELU:
    return fmax (0, x) + fmin (0, alpha * (exp (x / alpha) - 1));
  case WEIR_OP_CLIP:
    return fmin (fmax (x, alpha), beta);
  case WEIR_OP_COS:
    return cos (x);
  case WEIR_OP_COSH:
    return (exp (x) + exp (-x)) / 2;
  case WEIR_OP_ELU:
    return x < 0 ? alpha * (exp (x) - 1) : x;
  case WEIR_OP_ERF:
    return erf (x);
  case WEIR_OP_EXP:
    return exp (x);
  case WEIR_OP_FLOOR:
    return floor (x);
  case WEIR_OP_GELU: /* rows of the other form spell out their results */
    return x * (1 + erf (x / sqrt (2))) / 2;
  case WEIR_OP_HARD_SIGMOID:
    return fmax (0, fmin (1, alpha * x + beta));
  case WEIR_OP_HARD_SWISH:
    return x * fmax (0, fmin (1, x / 6 + 0.5));
  case WEIR_OP_LEAKY_RELU:
    return x < 0 ? alpha * x : x;
  case WEIR_OP_LOG:
    return log (x);
  case WEIR_OP_MISH:
    return x * tanh (log (1 + exp (x)));
  case WEIR_OP_NEG:
    return -x;
  case WEIR_OP_PARAMETRIC_SOFTPLUS:
    return alpha * log (1 + exp (beta * x));
  case WEIR_OP_ROUND_TO_CODES:
    return fmin (fmax (nearbyint (x / alpha), beta), beta + 255) * alpha;
  case WEIR_OP_ROUND_TO_LEVELS:
    return x > beta ? beta
           : x < alpha
               ? alpha
               : nearbyint ((x - alpha) / (beta - alpha) * 255) / 255 * (beta - alpha) + alpha;
  case WEIR_OP_RECIPROCAL:
    return 1 / x;
  case WEIR_OP_RELU:
    return fmax (x, 0);
  case WEIR_OP_ROUND:
    return nearbyint (x);
  case WEIR_OP_SCALED_TANH:
    return alpha * tanh (beta * x);
  case WEIR_OP_SELU:
    return beta * (x < 0 ? alpha * (exp (x) - 1) : x);
  case WEIR_OP_SIGMOID:
    return 1 / (1 + exp (-x));
  case WEIR_OP_SIGN:
    return x > 0 ? 1 : x < 0 ? -1 : 0;
  case WEIR_OP_SIN:
    return sin (x);
  case WEIR_OP_SINH:
    return (exp (x) - exp (-x)) / 2;
  case WEIR_OP_SOFTPLUS:
    return log (1 + exp (x));
  case WEIR_OP_SOFTSIGN:
    return x / (1 + fabs (x));
  case WEIR_OP_SQRT:
    return sqrt (x);
  case WEIR_OP_SWISH:
    return x / (1 + exp (-alpha * x));
  case WEIR_OP_TAN:
    return tan (x);
  case WEIR_OP_TANH:
    return tanh (x);
  case WEIR_OP_THRESHOLDED_RELU:
    return x > alpha ? x : 0;
  default:
    return (double) NAN;
  }
}

double oracle_binary (WeirOp op, double a, double b)
{
  switch (op) {
  case WEIR_OP_ADD:
  case WEIR_OP_MEAN: /* times the number of inputs */
  case WEIR_OP_SUM:
    return a + b;
  case WEIR_OP_SUB:
    return a - b;
  case WEIR_OP_MUL:
    return a * b;
  case WEIR_OP_DIV:
    return a / b;
  case WEIR_OP_MAX:
    return fmax (a, b);
  case WEIR_OP_MIN:
    return fmin (a, b);
  case WEIR_OP_MOD: /* fmod 0; rows of the other form spell out their results */
    return a - b * floor (a / b);
  case WEIR_OP_POW:
    return pow (a, b);
  case WEIR_OP_PRELU:
    return a < 0 ? a * b : a;
  case WEIR_OP_EQUAL:
    return a == b;
  case WEIR_OP_GREATER:
    return a > b;
  case WEIR_OP_GREATER_OR_EQUAL:
    return a >= b;
  case WEIR_OP_LESS:
    return a < b;
  case WEIR_OP_LESS_OR_EQUAL:
    return a <= b;
  case WEIR_OP_AND:
    return a * b;
  case WEIR_OP_OR:
    return fmax (a, b);
  case WEIR_OP_XOR:
    return a != b;
  default:
    return (double) NAN;
  }
}
