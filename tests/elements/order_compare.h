/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A schedule through an element and through what it is compared with. */
#pragma once

#include "order_pilot.h"

guint order_n_subjects (void);
const OrderSubject *order_subject (guint index);
/* NULL: equal; else both logs around the first difference. `seed` decides about workers, delays and
 * whether the reference is `identity ! queue` or `queue` alone. */
gchar *order_compare (const GArray *schedule, guint subject, guint32 seed);
/* Leaves out steps as long as there is still a difference; *difference becomes that of the rest. */
void order_shrink (GArray *schedule, guint subject, guint32 seed, gchar **difference);
