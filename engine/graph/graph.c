/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirGraph: building, asking, sorting, pruning. */
#include "engine/graph/graph.h"
