/* SPDX-License-Identifier: Apache-2.0 */
/* number.h - reads and writes numbers as a person types them. */
#ifndef DP_OPTIONS_NUMBER_H
#define DP_OPTIONS_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/* Returns the length of the plain decimal number at the start of text: -12, 0.5, .5, 1e-3; 0 if there is none. */
size_t dp_number_length(const char *text, bool whole);
/* Reads the number in the first characters, with a decimal point in every locale. Returns false if it is too large, or too
 * small to differ from 0. */
bool dp_number_read(const char *text, size_t length, double *value);
/* Writes the fewest digits that read back as the same value; at most 32 bytes. */
void dp_number_write(double value, char *text, size_t size);

#endif
