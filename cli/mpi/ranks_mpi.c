/* SPDX-License-Identifier: Apache-2.0 */
/* ranks_mpi.c - the processes of an MPI job. Faults of MPI itself end the job, as is its default. */
#include "ranks_module.h"

#include <mpi.h>
#include <stddef.h>
#include <time.h>

#define MOST_BYTES ((size_t)1 << 30) /* of one message: counts of MPI are int */
#define EAGER_TESTS 1000             /* before a rank that waits lets others have its processor */
#define NAP_NS 50000

/* One thread of a process calls these. MPI hands nothing of the caller's to an operation. */
static struct {
    dp_join_fn by;
    size_t bytes;
} joining;

static void operate(void *other, void *into, int *n, MPI_Datatype *type)
{
    (void)type;
    joining.by(into, other, (size_t)*n, joining.bytes);
}

/* A rank may wait as long as rank 0 needs for a picture, and MPI would spin. */
static int wait_for(MPI_Request *request)
{
    int done = 0;
    for (size_t i = 0; !done; i++) {
        if (MPI_Test(request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return 1;
        if (!done && i > EAGER_TESTS)
            nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    }
    return 0;
}

static int spread(void *user, void *data, size_t bytes)
{
    (void)user;
    for (size_t at = 0; at < bytes; at += MOST_BYTES) {
        const size_t n = bytes - at < MOST_BYTES ? bytes - at : MOST_BYTES;
        MPI_Request request;
        if (MPI_Ibcast((char *)data + at, (int)n, MPI_BYTE, 0, MPI_COMM_WORLD, &request) != MPI_SUCCESS
            || wait_for(&request))
            return 1;
    }
    return 0;
}

static int join(void *user, void *data, size_t n, size_t bytes, dp_join_fn by)
{
    (void)user;
    const size_t most = bytes > MOST_BYTES ? 1 : MOST_BYTES / bytes;
    int rank, failed = 0;
    MPI_Op op;
    MPI_Datatype type;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Type_contiguous((int)bytes, MPI_BYTE, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(operate, 1, &op);
    joining.by = by;
    joining.bytes = bytes;
    for (size_t at = 0; at < n && !failed; at += most) {
        char *values = (char *)data + at * bytes;
        const int count = (int)(n - at < most ? n - at : most);
        failed = MPI_Reduce(rank ? values : MPI_IN_PLACE, rank ? NULL : values, count, type, op, 0, MPI_COMM_WORLD)
                 != MPI_SUCCESS;
    }
    MPI_Op_free(&op);
    MPI_Type_free(&type);
    return failed;
}

static int begin(dp_exchange *exchange)
{
    int provided, rank, n;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS || provided < MPI_THREAD_FUNNELED)
        return 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n);
    *exchange = (dp_exchange){.rank = (size_t)rank, .n = (size_t)n, .spread = spread, .join = join};
    return 0;
}

static void end(void)
{
    MPI_Finalize();
}

static void give_up(int code)
{
    MPI_Abort(MPI_COMM_WORLD, code);
}

extern const ranks_api dinopatch_ranks;
__attribute__((visibility("default"))) const ranks_api dinopatch_ranks = {RANKS_VERSION, begin, end, give_up};
