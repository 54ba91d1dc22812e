/* SPDX-License-Identifier: Apache-2.0 */
/* cluster.h - groups of like features, to be looked at. */
#ifndef RESEARCH_CLUSTER_H
#define RESEARCH_CLUSTER_H

#include <stddef.h>
#include <stdint.h>

/* Groups features by k-means and numbers the groups by falling size; of equal ones the one seen first comes first.  So
 * a colour means the same from one picture to the next as far as it can. tokens [n, dim], finite, of one picture or of
 * several one after the other; n, dim and k at least 1 labels [n] in 0..k-1.  With n at most k each token is a group of
 * its own.  The same for the same seed. */
void cluster_tokens(const float *tokens, size_t n, size_t dim, size_t k, uint32_t seed, uint32_t *labels);

#endif
