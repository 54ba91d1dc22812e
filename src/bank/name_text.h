/* SPDX-License-Identifier: Apache-2.0 */
/* name_text.h - file names as UTF-8 text, whatever their bytes. */
#ifndef DP_BANK_NAME_TEXT_H
#define DP_BANK_NAME_TEXT_H

/* A name of any bytes as UTF-8: a byte that is not part of valid UTF-8 becomes \xHH (two lower-case hexadecimal
 * digits), a backslash becomes two; all else stays.  NULL when memory is short; freed with dp_memory_free. */
char *dp_name_to_text(const char *name);
/* The reverse; NULL when memory is short, and, with *broken set, where dp_name_to_text writes no such text. */
char *dp_name_from_text(const char *text, int *broken);

#endif
