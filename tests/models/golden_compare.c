/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The three kinds of output: numbers, labels, and rows of DetectionOutput. */
#include "tests/models/golden_compare.h"

#include "engine/tensor_file.h"

#include <math.h>
#include <string.h>

typedef struct Pair {
  size_t n;
  const double *ref, *got;
} Pair;

static double number (JsonObject *tolerance, const char *name)
{
  return json_object_get_double_member_with_default (tolerance, name, 0);
}

/* Every element, their mean distance and the angle between the two. */
static char *compare_plain (JsonObject *tolerance, const Pair *pair, double *distance)
{
  double sum = 0, aa = 0, bb = 0, ab = 0, worst = 0;
  double abs = number (tolerance, "abs"), rel = number (tolerance, "rel");
  bool close = true;
  for (size_t i = 0; i < pair->n; i++) {
    double x = pair->ref[i], y = pair->got[i], difference = fabs (x - y);
    close &= difference <= abs + rel * fabs (x);
    worst = fmax (worst, difference);
    sum += difference;
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  double mean = sum / (double) pair->n, cosine = aa > 0 && bb > 0 ? ab / sqrt (aa * bb) : aa == bb;
  *distance = worst;
  if (close && mean <= number (tolerance, "mean_abs") && cosine >= number (tolerance, "cosine"))
    return NULL;
  return g_strdup_printf (
      "largest difference %.4g (abs %.4g, rel %.4g), mean %.4g (%.4g), cosine %.8f (%.8f)", worst,
      abs, rel, mean, number (tolerance, "mean_abs"), cosine, number (tolerance, "cosine"));
}

static char *compare_exact (JsonObject *tolerance, const Pair *pair, double *distance)
{
  int n = 0;
  for (size_t i = 0; i < pair->n; i++)
    n += pair->ref[i] != pair->got[i];
  *distance = n;
  return n <= number (tolerance, "different") ? NULL
                                              : g_strdup_printf ("%d elements are different", n);
}

enum { ROW = 7, CLASS = 1, CONFIDENCE = 2, BOX = 3 };
#define LEAST_CONFIDENCE 0.1

/* Rows before the one with image -1. */
static size_t count_rows (const double *rows, size_t n)
{
  size_t i = 0;
  while (i < n && rows[i * ROW] >= 0)
    i++;
  return i;
}

static double overlap (const double *a, const double *b)
{
  double width = fmin (a[BOX + 2], b[BOX + 2]) - fmax (a[BOX], b[BOX]);
  double height = fmin (a[BOX + 3], b[BOX + 3]) - fmax (a[BOX + 1], b[BOX + 1]);
  double both = fmax (width, 0) * fmax (height, 0);
  double area_a = (a[BOX + 2] - a[BOX]) * (a[BOX + 3] - a[BOX + 1]);
  double area_b = (b[BOX + 2] - b[BOX]) * (b[BOX + 3] - b[BOX + 1]);
  return both / fmax (area_a + area_b - both, 1e-12);
}

static bool matches (JsonObject *tolerance, const double *a, const double *b)
{
  if (a[CLASS] != b[CLASS] || overlap (a, b) < 0.5 ||
      fabs (a[CONFIDENCE] - b[CONFIDENCE]) > number (tolerance, "confidence"))
    return false;
  for (int i = BOX; i < ROW; i++)
    if (fabs (a[i] - b[i]) > number (tolerance, "box"))
      return false;
  return true;
}

/* Each row of `a` that is clear of the least confidence has its like in `b`. */
static char *find_all (JsonObject *tolerance, const char *what, const double *a, size_t n_a,
    const double *b, size_t n_b)
{
  for (size_t i = 0; i < n_a; i++) {
    const double *row = a + i * ROW;
    bool found = row[CONFIDENCE] <= LEAST_CONFIDENCE + number (tolerance, "confidence");
    for (size_t k = 0; k < n_b && !found; k++)
      found = matches (tolerance, row, b + k * ROW);
    if (!found)
      return g_strdup_printf ("%s: class %g, confidence %.5f, box %.4f %.4f %.4f %.4f", what,
          row[CLASS], row[CONFIDENCE], row[BOX], row[BOX + 1], row[BOX + 2], row[BOX + 3]);
  }
  return NULL;
}

/* The largest of a row of the reference to its like. */
static double confidence_distance (const Pair *pair, size_t n_ref, size_t n_got)
{
  double largest = 0;
  for (size_t i = 0; i < n_ref; i++) {
    const double *row = pair->ref + i * ROW;
    double nearest = INFINITY;
    for (size_t k = 0; k < n_got && row[CONFIDENCE] > LEAST_CONFIDENCE; k++)
      if (pair->got[k * ROW + CLASS] == row[CLASS] && overlap (row, pair->got + k * ROW) >= 0.5)
        nearest = fmin (nearest, fabs (row[CONFIDENCE] - pair->got[k * ROW + CONFIDENCE]));
    largest = isfinite (nearest) ? fmax (largest, nearest) : largest;
  }
  return largest;
}

static char *compare_detections (JsonObject *tolerance, const Pair *pair, double *distance)
{
  size_t n_ref = count_rows (pair->ref, pair->n / ROW),
         n_got = count_rows (pair->got, pair->n / ROW);
  *distance = confidence_distance (pair, n_ref, n_got);
  char *why = find_all (tolerance, "missing", pair->ref, n_ref, pair->got, n_got);
  return why ? why : find_all (tolerance, "extra", pair->got, n_got, pair->ref, n_ref);
}

char *golden_compare (JsonObject *output, const char *precision, const WeirTensor *ref,
    const WeirTensor *got, uint32_t row, uint32_t n_rows, double *distance)
{
  static const struct {
    const char *name;
    char *(*compare) (JsonObject *, const Pair *, double *distance);
  } kinds[] = {
    { "plain", compare_plain },
    { "exact", compare_exact },
    { "detection_output", compare_detections },
  };
  const char *kind = json_object_get_string_member_with_default (output, "kind", "plain");
  JsonObject *tolerance = json_object_get_object_member (
      json_object_get_object_member (output, "tolerance"), precision);
  int64_t n_ref, n_got;
  *distance = INFINITY;
  weir_tensor_n_elements (ref, &n_ref);
  weir_tensor_n_elements (got, &n_got);
  if (n_got != n_ref * n_rows)
    return g_strdup_printf ("has %" G_GINT64_FORMAT " elements", n_got);
  size_t n = (size_t) n_ref;
  g_autofree double *a = g_new (double, n + 1), *b = g_new (double, n *n_rows + 1);
  weir_tensor_to_doubles (ref, n, a);
  weir_tensor_to_doubles (got, n * n_rows, b);
  Pair pair = { n, a, b + n * row };
  for (size_t i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i].name, kind) == 0)
      return kinds[i].compare (tolerance, &pair, distance);
  return g_strdup_printf ("is of unknown kind '%s'", kind);
}
