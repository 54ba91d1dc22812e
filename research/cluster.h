/* SPDX-License-Identifier: Apache-2.0 */
/* cluster.h - groups similar features, for drawings. */
#ifndef RESEARCH_CLUSTER_H
#define RESEARCH_CLUSTER_H

#include <stddef.h>
#include <stdint.h>

/* Groups features by k-means and numbers the groups by falling size, equal ones by their first token. So a colour means
 * the same in different pictures as far as possible. tokens [n, dim], finite, of one picture or of several, one after
 * another; n, dim and k at least 1. labels [n] in 0..k-1. If n is at most k, each token is its own group. The result
 * depends only on the seed. */
void cluster_tokens(const float *tokens, size_t n, size_t dim, size_t k, uint32_t seed, uint32_t *labels);

#endif
