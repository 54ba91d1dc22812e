/* SPDX-License-Identifier: Apache-2.0 */
/* learn_pose.c - learns the part from pictures, which are made small as they are read so that all fit into memory. */
#include "pipeline/learn_pose.h"
#include "base/error.h"
#include "base/memory.h"
#include "network/session.h"
#include "pipeline/pose_choice.h"
#include "register/learn_reference.h"

struct reading {
    const dp_picture_options *options;
    const dp_pictures *pictures;
    const size_t *which;
    dp_picture **read; /* [n] NULL: it cannot be read */
};

static void read_one(void *context, size_t i, size_t worker)
{
    (void)worker;
    const struct reading *job = context;
    (void)dp_pictures_load(job->pictures, job->which[i], job->options, &job->read[i], NULL, NULL);
}

struct rough {
    dp_session *session;
    double *ratios; /* [2] */
};

static dp_status worth(void *user, const dp_rough *rough, bool *worth, dp_error *err)
{
    const struct rough *to = user;
    const dp_grids as_they_are = {rough->n, rough->side, rough->side, rough->dim, rough->as_they_are, rough->valid},
                   posed = {rough->n, rough->side, rough->side, rough->dim, rough->posed, rough->posed_valid};
    const dp_isa isa = dp_session_isa(to->session);
    dp_pool *pool = dp_session_pool(to->session);
    dp_status status = dp_place_ratio(&as_they_are, 0, isa, pool, &to->ratios[0], err);
    if (!status)
        status = dp_place_ratio(&posed, 0, isa, pool, &to->ratios[1], err);
    *worth = dp_pose_may_help(to->ratios[1], to->ratios[0]);
    return status;
}

static dp_status learn(dp_finder *finder, dp_picture *const *read, size_t n, const dp_rough_look *look,
                       dp_reference **reference, dp_error *err)
{
    dp_small *smalls = dp_calloc(n, sizeof *smalls);
    size_t there = 0;
    dp_status status = smalls ? DP_OK : dp_fail_memory(err, "the pictures", n * sizeof *smalls);
    for (size_t i = 0; i < n && !status; i++)
        if (read[i])
            status = dp_small_make(read[i], &smalls[there++], err);
    if (!status && there >= 2)
        status = dp_reference_learn(finder, smalls, there, look, reference, err);
    for (size_t i = 0; smalls && i < there; i++)
        dp_small_free(&smalls[i]);
    dp_memory_free(smalls);
    return status;
}

dp_status dp_pose_learn(dp_session *session, const dp_picture_options *options, const dp_pictures *pictures,
                        const size_t *which, size_t n, dp_learned_poses *learned, dp_error *err)
{
    struct rough rough = {session, learned->rough};
    const dp_rough_look look = {learned->choosing ? worth : NULL, &rough};
    dp_reference **reference = &learned->reference;
    const dp_run *run = dp_session_run(session);
    struct reading job = {options, pictures, which, dp_calloc(n, sizeof *job.read)};
    dp_finder finder = {0};
    dp_status status =
        job.read ? dp_finder_open(session, &finder, err) : dp_fail_memory(err, "the pictures", n * sizeof *job.read);
    *reference = NULL;
    if (!status) {
        dp_pool_run(dp_session_pool(session), n, read_one, &job);
        status = learn(&finder, job.read, n, &look, reference, err);
    }
    for (size_t i = 0; i < n && !status && *reference; i++) {
        if (job.read[i])
            status = dp_reference_pose(&finder, *reference, job.read[i], &learned->poses[which[i]], err);
        if (!status && run->progress && run->progress(run->user, "pose", i + 1, n))
            status = dp_fail(err, DP_E_CANCELLED, "stopped while learning where the part lies");
    }
    for (size_t i = 0; i < n && job.read; i++)
        dp_picture_free(&job.read[i]);
    dp_memory_free(job.read);
    dp_finder_close(&finder);
    if (status)
        dp_reference_close(reference);
    return status;
}
