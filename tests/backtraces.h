/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where every thread of this program is, on stderr: for a test that hangs. */
#pragma once

void print_backtraces (void);
