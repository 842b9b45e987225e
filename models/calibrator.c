/* SPDX-License-Identifier: Apache-2.0 */
/* From decision values to probabilities, one at a time. score_kernel.inc has the same sigmoid for eight at once. */
#include <math.h>

#include "models/exp.h"
#include "models/model.h"

void rs_calibrator_clear(struct rs_calibrator *c)
{
    free(c->z);
    free(c->p);
    *c = (struct rs_calibrator){ 0 };
}

double rs_sigmoid(double t)
{
    return 1 / (1 + exp_plain(-t));
}

static double softplus(double z)
{
    return (z > 0 ? z : 0) + log1p(exp(-fabs(z))); /* math.md L3: max(z, 0) + log1p(exp(-|z|)) */
}

/* math.md M4: straight lines between the knots, flat outside */
static double isotonic(const struct rs_calibrator *c, double z)
{
    if (z <= c->z[0])
        return c->p[0];
    if (z >= c->z[c->n - 1])
        return c->p[c->n - 1];
    uint32_t low = 0, high = c->n - 1; /* z[low] <= z < z[high] */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (c->z[middle] <= z)
            low = middle;
        else
            high = middle;
    }
    double rise = c->p[high] - c->p[low];
    double p = c->p[low] + rise * ((z - c->z[low]) / (c->z[high] - c->z[low]));
    return RS_MIN(p, c->p[high]);
}

double rs_calibrate(const struct rs_calibrator *c, double z)
{
    switch (c->kind) {
    case RS_BETA: /* math.md M4: ln s = -softplus(-z), ln(1 - s) = -softplus(z) */
        return rs_sigmoid(c->b * softplus(z) - c->a * softplus(-z) + c->c);
    case RS_ISOTONIC:
        return isotonic(c, z);
    default: /* math.md M2: p = sigmoid(a z + b) */
        return rs_sigmoid(c->a * z + c->b);
    }
}
