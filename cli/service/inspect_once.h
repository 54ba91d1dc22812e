/* SPDX-License-Identifier: Apache-2.0 */
/* inspect_once.h - the way of a picture through the queue and into the results, whatever protocol it came by. */
#ifndef DP_CLI_SERVICE_INSPECT_ONCE_H
#define DP_CLI_SERVICE_INSPECT_ONCE_H

#include "request.h"

/* Waits until the task is done, counts it, and keeps its result where `keep`; *id is then its number, else 0.  False: answered (the queue is
 * full, the service ends, the result cannot be kept).  In any case the caller clears the task. */
bool inspect_once(request *r, inspection_task *task, bool keep, int64_t *id);

#endif
