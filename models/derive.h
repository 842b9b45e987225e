/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that look at the numbers of earlier steps, one formula each (docs/math.md F16, F17). The trainer and the daemon
 * compute them here, so that both get the same bits. Pure; any thread may call. */
#ifndef RS_MODELS_DERIVE_H
#define RS_MODELS_DERIVE_H

#include <float.h>

#include "models/feature.h"

/* The nearest finite float. */
static inline float rs_to_float(double x)
{
    if (x > (double)FLT_MAX)
        return FLT_MAX;
    if (x < -(double)FLT_MAX)
        return -FLT_MAX;
    return (float)x;
}

/* op     RS_STEP_ABOVE, RS_STEP_GREATER or RS_STEP_PRODUCT; a constant leaves one of the formulas
 * a, b   numbers of the steps arg and value, finite; b counts in a product alone */
static inline float rs_derived(enum rs_step_op op, float knot, float a, float b)
{
    if (op == RS_STEP_ABOVE) /* math.md F16: max(0, x - k) */
        return a > knot ? rs_to_float((double)a - (double)knot) : 0;
    if (op == RS_STEP_GREATER) /* math.md F16: [x > k] */
        return a > knot ? 1 : 0;
    return rs_to_float((double)a * (double)b); /* math.md F17: x_a x_b */
}

#endif
