/* SPDX-License-Identifier: Apache-2.0 */
/* research.h - what the programs of this folder share: their command line, the data sets, the network, and where they
 * write.
 *
 *     research r;
 *     research_begin(&r, "ablation");
 *     if (research_parse(&r, argc, argv, own_options, "What it does.", &code) && research_open(&r, declare, &code))
 *         code = research_each(&r, one_set, NULL, "results.json");
 *     return research_end(&r, code);
 *
 * They see the public header, and of the program what its commands share as well: options, inputs, outputs, messages,
 * data sets. */
#ifndef RESEARCH_H
#define RESEARCH_H

#include "cli/dataset.h"
#include "cli/eval/eval.h"
#include "cli/outputs.h"
#include "cli/recipe.h"

typedef struct research {
    cli_recipe options;
    cli_run run;
    const cli_option *entries;
    char *model_name, *folder;
    char *out; /* where it writes; NULL: nowhere */
    gboolean overwrite;
    gboolean allow_few; /* banks of fewer than 90 % of the good pictures count */
    dp_recipe recipe;   /* settled for the network */
    GPtrArray *sets;    /* of dataset * */
    size_t n_unusable;  /* categories */
    dp_network *model;
    dp_network_info about;
    dp_session *session;
} research;

void research_begin(research *r, const char *name);
/* Reads the command line; own (NULL-ended) follows the options that all programs have.  False: *code, complained or
 * helped. */
bool research_parse(research *r, int argc, char **argv, const cli_option *own, const char *summary, int *code);
/* Finds the data sets, opens the network and a session.  declare tells what is written below r->out, and is called
 * where it is given. Nothing that is there is replaced without --overwrite.  False: *code, complained. */
bool research_open(research *r, void (*declare)(cli_outputs *files, const research *r), int *code);
/* One data set: puts what is found into all[category], counts pictures that could not be used.  EXIT_SOME_FAILED:
 * nothing can be learned from it, which is said; the next one has its turn. */
typedef int research_set_fn(const research *r, void *user, const dataset *set, const char *category, json_t *all,
                            size_t *n_failed);
/* Each data set in turn, then out/NAME with what they found.  The exit code. */
int research_each(const research *r, research_set_fn *one, void *user, const char *name);
/* Closes all of it; the exit code. */
int research_end(research *r, int code);

/* out/NAME; and out/figures/CATEGORY/STEM-1.jpg to STEM-n.jpg of each data set. */
void research_declare(cli_outputs *files, const research *r, const char *name);
void research_declare_figures(cli_outputs *files, const research *r, const char *stem, size_t n);
/* figures/CATEGORY/STEM-NUMBER.jpg, relative to out; g_free. */
char *research_place(const dataset *set, const char *stem, size_t number);

/* The bank of a set's good pictures; what could not be used is complained about and added to *n_failed (it need not be
 * DP_OK for that). DP_E_PICTURE: nothing can be learned from the set, or too few of its good pictures can be used. */
dp_status research_fit(const research *r, const dataset *set, const dp_recipe *recipe, dp_bank **bank, size_t *n_failed,
                       dp_error *err);
/* Paths of the test pictures, in their order; g_free. */
const char **research_test_paths(const dataset *set);

#endif
