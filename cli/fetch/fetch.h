/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.h - published checkpoints: which there are, where they are once downloaded, and how to download them.
 *
 * The library reads files and uses no network; this part of the program does. The conventions are those of
 * dinopatch.h. */
#ifndef DP_CLI_FETCH_H
#define DP_CLI_FETCH_H

#include "dinopatch/experimental.h"

#define FETCH_ALSO 3

/* A published checkpoint. */
typedef struct fetch_checkpoint {
    const char *name;       /* "vits14", "vitb14_reg": a name of dp_architecture_parse */
    const char *repository; /* "facebook/dinov2-small", on the Hugging Face hub */
    const char *revision;   /* branch, tag or commit of the repository */
    const char *file;       /* its path in the repository */
    const char *source;     /* page for people */
    const char *licence;    /* SPDX name, or "DINOv3" */
    const char *layout;     /* whose names its tensors have: "huggingface" or "timm", as in dp_network_info.naming */
    const char *also[FETCH_ALSO]; /* its other names: on torch hub, in timm, of its first publisher; NULL: no more */
    const char *sha256;           /* NULL: none is pinned, the one that the server states is used */
    uint64_t parameters;
    uint64_t bytes; /* size of the weights; the file is a few kilobytes larger */
} fetch_checkpoint;

size_t fetch_registry_count(void);
const fetch_checkpoint *fetch_registry_at(size_t index); /* static storage; NULL past the end */
/* Finds a checkpoint by name, repository or another name. DP_E_ARGUMENT for an unknown one; the message lists the
 * names. */
dp_status fetch_registry_find(const char *name, const fetch_checkpoint **checkpoint, dp_error *err);

/* Where a downloaded checkpoint is: FOLDER/NAME.safetensors. folder NULL: ${XDG_CACHE_HOME}/dinopatch, or
 * ~/.cache/dinopatch if that variable is not set. The file need not exist. The caller frees *path with free. Errors:
 * DP_E_ARGUMENT (unknown name), DP_E_IO (no home folder), DP_E_MEMORY. */
dp_status fetch_cache_path(const char *name, const char *folder, char **path, dp_error *err);

typedef struct fetch_settings {
    const char *mirror; /* replaces https://huggingface.co; NULL: none */
    const char *sha256; /* what the file must have; NULL: that of the registry, or else what the server states */
    /* token of the hub for gated files, visible ASCII; NULL: none. It goes to the address itself, never to one that it
     * redirects to, and over plain http only to this machine. */
    const char *token;
    int force;               /* non-zero: download even if the file is in place */
    unsigned retries;        /* tries in a row without a new byte before giving up; 5 */
    unsigned retry_pause_ms; /* before the first retry, doubled for each further one; 1000 */
    unsigned stall_s;        /* a connection that is silent for so long counts as lost; 30 */
} fetch_settings;
void fetch_settings_init(fetch_settings *pull);

/* Downloads a checkpoint over HTTPS to destination (NULL: fetch_cache_path) and makes its folder if missing. If the
 * file is in place, has its digest and is the network of that name, it stays and no connection is made.
 *
 * The bytes collect in *.part beside the destination until all are there, the SHA-256 is right, and the file opens as
 * the network of that name (dp_architecture_check). Only then the file is renamed and its digest written to
 * destination.sha256 (in the format of sha256sum). At most the registry's bytes plus 1 MiB are accepted. A broken
 * connection continues where it broke, also in a later call.
 *
 * If no SHA-256 is given and the registry pins none, the one that the server states is used. It proves that the file
 * arrived whole, not who made it. Messages leave out the user, password and query of an address. Proxies: the variables
 * that libcurl reads (https_proxy, no_proxy, ...).
 *
 * settings may be NULL. run (may be NULL) lends its callbacks: progress counts bytes, in the stages "download" and
 * "check". sha256 [65] (may be NULL) receives the digest. Threads: if another thread or process is downloading to the
 * destination, DP_E_IO.
 *
 * Errors: DP_E_ARGUMENT (unknown name, malformed digest or token), DP_E_IO (network, server, disk, licence not
 * accepted), DP_E_CORRUPT (wrong digest, too many bytes or none, another network or no network: nothing is kept),
 * DP_E_UNSUPPORTED (no digest is known), DP_E_CANCELLED, DP_E_MEMORY. */
dp_status fetch_pull(const char *name, const char *destination, const fetch_settings *settings, const dp_run *run,
                     char *sha256, dp_error *err);

/* Reads the whole file and compares its SHA-256 with sha256, or if that is NULL with path.sha256. *known (may be NULL)
 * says whether there was a digest to compare with. found [65] (may be NULL) receives the digest, also on DP_E_CORRUPT.
 * Errors: DP_E_IO, DP_E_CORRUPT, DP_E_CANCELLED, DP_E_MEMORY. */
dp_status fetch_verify(const char *path, const char *sha256, const dp_run *run, char *found, int *known, dp_error *err);
/* The same for shards of path, whose digest `found` is already known. */
dp_status fetch_verify_digest(const char *path, const char *sha256, const char *found, int *known, dp_error *err);

#endif
