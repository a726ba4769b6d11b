/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TOOLS_SUSPEND_FILTER_H
#define TESTS_TOOLS_SUSPEND_FILTER_H

#include "edge/filter.h"

extern const struct filter_ops suspend_filter;

#endif
