/* pull.h - fetching a file that the registry does not list: for tests. */
#ifndef DP_FETCH_PULL_H
#define DP_FETCH_PULL_H

#include "dinopatch.h"

/* As dp_model_pull, of any checkpoint.  promised: the network that the file must hold; NULL: its bytes are not looked at. */
dp_status dp_pull_checkpoint(const dp_checkpoint *checkpoint, const dp_architecture *promised, const char *destination,
                             const dp_pull *settings, const dp_run *run, char *sha256, dp_error *err);

#endif
