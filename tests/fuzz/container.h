/* SPDX-License-Identifier: Apache-2.0 */
/* container.h - mutations that keep a safetensors file valid, so that the code behind its header is reached. */
#ifndef DP_TESTS_FUZZ_CONTAINER_H
#define DP_TESTS_FUZZ_CONTAINER_H

#include <stddef.h>
#include <stdint.h>

/* Mutates data [bytes] in its room of `most` bytes and returns the new size.  Files (a length, a header, tensors) stay files: shapes
 * and types are changed together with the offsets and the bytes they need, names, metadata and the JSON inside the metadata by
 * themselves.  A header alone (it begins with '{') stays one. */
size_t container_mutate(uint8_t *data, size_t bytes, size_t most, unsigned seed);

/* A header alone gets the tensors it describes, each byte `fill`, as a whole file: *file [*bytes], free.  NULL where the header is no JSON
 * or wants more than `most` bytes of tensors. */
uint8_t *container_expand(const uint8_t *header, size_t header_bytes, size_t most, uint8_t fill, size_t *bytes);

/* A recipe as JSON text with the fields that recipes have today: those it lacks are the defaults', those that no recipe has any more
 * go.  So seeds and findings outlive a new field.  NULL where the text is no JSON object; free. */
char *container_recipe(const char *text);
/* A bank whose recipe is made so: free.  NULL where there is none. */
uint8_t *container_bank(const uint8_t *data, size_t bytes, size_t *new_bytes);

#endif
