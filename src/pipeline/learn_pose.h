/* SPDX-License-Identifier: Apache-2.0 */
/* learn_pose.h - learns what the part looks like, and where it lies in good pictures. */
#ifndef DP_PIPELINE_LEARN_POSE_H
#define DP_PIPELINE_LEARN_POSE_H

#include "extract/pictures.h"

/* Learns a reference from the pictures which [n], n >= 2, and puts their poses into poses [pictures->n]. Pictures that
 * cannot be read are skipped. *reference is NULL if fewer than two can be read. options: how pictures are read.
 * Errors: DP_E_MEMORY, DP_E_CANCELLED, those of the network. */
dp_status dp_pose_learn(dp_session *session, const dp_picture_options *options, const dp_pictures *pictures,
                        const size_t *which, size_t n, dp_pose *poses, dp_reference **reference, dp_error *err);

#endif
