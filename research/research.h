/* SPDX-License-Identifier: Apache-2.0 */
/* research.h - what the programs of this folder share: command line, data sets, network, outputs.
 *
 *     research r;
 *     research_begin(&r, "ablation");
 *     if (research_parse(&r, argc, argv, own_options, "What it does.", &code) && research_open(&r, declare, &code))
 *         code = research_each(&r, one_set, NULL, "results.json");
 *     return research_end(&r, code);
 *
 * They use the public headers, and the files that the program's commands share: options, inputs, outputs, messages,
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
    char *out; /* folder for outputs; NULL: none */
    gboolean overwrite;
    gboolean allow_few; /* accept banks of fewer than 90 % of the good pictures */
    dp_recipe recipe;   /* settled for the network */
    GPtrArray *sets;    /* of dataset * */
    size_t n_unusable;  /* categories */
    dp_network *model;
    dp_network_info about;
    dp_session *session;
} research;

void research_begin(research *r, const char *name);
/* Reads the command line; own (NULL-ended) follows the options of all programs. False: *code, after a complaint or the
 * help page. */
bool research_parse(research *r, int argc, char **argv, const cli_option *own, const char *summary, int *code);
/* Finds the data sets, opens the network and a session. declare (may be NULL) declares the outputs below r->out. An
 * existing file is replaced only with --overwrite. False: *code, complained. */
bool research_open(research *r, void (*declare)(cli_outputs *files, const research *r), int *code);
/* Handles one data set: puts the results into all[category] and counts pictures that could not be used.
 * EXIT_SOME_FAILED: nothing can be learned from it, which is reported; the next set follows. */
typedef int research_set_fn(const research *r, void *user, const dataset *set, const char *category, json_t *all,
                            size_t *n_failed);
/* Handles each data set in turn, then writes out/NAME with the results. Returns the exit code. */
int research_each(const research *r, research_set_fn *one, void *user, const char *name);
/* Closes everything; returns the exit code. */
int research_end(research *r, int code);

/* Declares out/NAME, and out/figures/CATEGORY/STEM-1.jpg to STEM-n.jpg of each data set. */
void research_declare(cli_outputs *files, const research *r, const char *name);
void research_declare_figures(cli_outputs *files, const research *r, const char *stem, size_t n);
/* figures/CATEGORY/STEM-NUMBER.jpg, relative to out; g_free. */
char *research_place(const dataset *set, const char *stem, size_t number);

/* Fits a bank of a set's good pictures. Complains about pictures that could not be used and adds them to *n_failed,
 * even if it returns DP_OK. DP_E_PICTURE: nothing can be learned from the set, or too few of its good pictures can be
 * used. */
dp_status research_fit(const research *r, const dataset *set, const dp_recipe *recipe, dp_bank **bank, size_t *n_failed,
                       dp_error *err);
/* Returns the paths of the test pictures, in their order; g_free. */
const char **research_test_paths(const dataset *set);

#endif
