/* SPDX-License-Identifier: Apache-2.0 */
/* learn_pose.h - learns what the part looks like, and where it lies in good pictures. */
#ifndef DP_PIPELINE_LEARN_POSE_H
#define DP_PIPELINE_LEARN_POSE_H

#include "extract/pictures.h"

typedef struct dp_learned_poses {
    dp_reference *reference; /* NULL: fewer than two pictures can be read, or not worth learning */
    dp_pose *poses;          /* [pictures->n] of the caller's, filled where a picture was learned from */
    bool choosing;           /* the reference is only worth learning where rough poses say that they may help */
    double rough[2];         /* if choosing: P of the pictures as they are and roughly in one pose */
} dp_learned_poses;

/* Learns a reference from the pictures which [n], n >= 2, and their poses. Pictures that cannot be read are skipped. options: how pictures
 * are read. Errors: DP_E_MEMORY, DP_E_CANCELLED, those of the network. */
dp_status dp_pose_learn(dp_session *session, const dp_picture_options *options, const dp_pictures *pictures,
                        const size_t *which, size_t n, dp_learned_poses *learned, dp_error *err);

#endif
