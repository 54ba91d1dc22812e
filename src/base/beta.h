/* SPDX-License-Identifier: Apache-2.0 */
/* beta.h - the Beta distribution: what an order statistic of n figures says of the share of all figures beyond it. */
#ifndef DP_BASE_BETA_H
#define DP_BASE_BETA_H

/* P(X <= x) of X with distribution Beta(a, b), a and b above 0: the regularised incomplete beta function I_x(a, b). */
double dp_beta_cdf(double x, double a, double b);
/* The x with dp_beta_cdf(x, a, b) = share, share in 0..1. */
double dp_beta_quantile(double share, double a, double b);

#endif
