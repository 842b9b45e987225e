/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rates of two groups compared exactly, within strata: is the group's rate of failure theta times that of the others?
 *
 * Given the failures D_s of a stratum and the times at risk T_s of the group and U_s of the others, the group's part of
 * the failures is binomial with chance theta T_s / (theta T_s + U_s) (docs/math.md K2); strata add up. One stratum
 * gives the exact binomial test and the interval of Clopper and Pearson. Pure functions: any thread may call. */
#ifndef RS_PREDICTOR_RATIO_H
#define RS_PREDICTOR_RATIO_H

#include "common/base.h"

/* Failures are whole numbers; times at risk are positive or 0, in any one unit. */
struct rs_stratum {
    double failed_in, failed_out;
    double time_in, time_out;
};

/* One-sided tails as natural logarithms, so that they do not underflow; 0 (chance 1) where nothing can be said. */
struct rs_tails {
    double log_more;  /* as many failures in the group as seen, or more */
    double log_fewer; /* as many or fewer */
};

/* Under the ratio theta (math.md K2). Exact by GSL's binomial where one stratum says something, exact by convolution up
 * to RS_RATIO_EXACT failures, by the lattice saddlepoint formula above (math.md K3), whose relative error is below 3 %
 * there. */
#define RS_RATIO_EXACT 400
struct rs_tails rs_ratio_tails(const struct rs_stratum *s, size_t n, double theta);

/* ln of the two-sided p-value: twice the smaller tail, at most 1. */
double rs_tails_two_sided(const struct rs_tails *t);

struct rs_ratio {
    double ratio;     /* conditional maximum likelihood (math.md K4): 0 or infinity where one side has no failure */
    double low, high; /* exact interval, at least of the coverage asked for */
};

/* NaN throughout where no stratum has failures and time on both sides. */
struct rs_ratio rs_ratio_estimate(const struct rs_stratum *s, size_t n, double coverage);

/* Failures and times of a fleet cut by two conditions: [0] has it, [1] not. */
struct rs_cross {
    double failed[2][2], time[2][2];
};

/* Tails of the failures that have both conditions, under two effects that multiply (math.md K6), given all the sums of
 * rows and columns: exact up to 2,000 possible values, normal with continuity correction above. */
struct rs_tails rs_cross_tails(const struct rs_cross *s, size_t n);

#endif
