/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - the table of commands. */
#include "cli.h"
#include "ranks.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    command_fn run;
    const char *summary;
} commands[] = {
    {"fit", cmd_fit, "learn from pictures of good parts and write a bank"},
    {"inspect", cmd_inspect, "score new pictures and show where the defects are"},
    {"lot", cmd_lot, "judge pictures by each other, with none known to be good"},
    {"calibrate", cmd_calibrate, "set the threshold from the good pictures in the bank"},
    {"tune", cmd_tune, "search for post-processing on labelled pictures"},
    {"eval", cmd_eval, "learn from a data set, inspect it, print the figures"},
    {"report", cmd_report, "make an HTML page of what eval wrote"},
    {"serve", cmd_serve, "inspect over HTTP, with banks, jobs and results in one folder"},
    {"watch", cmd_watch, "inspect each picture that comes into a folder, as long as it runs"},
    {"results", cmd_results, "ask and export the results that serve and watch keep"},
    {"align", cmd_align, "find the object and bring it into the standard pose"},
    {"embed", cmd_embed, "write the feature grid of a picture"},
    {"bank", cmd_bank, "show, check, shrink, extend and merge banks"},
    {"metrics", cmd_metrics, "figures of given scores and maps"},
    {"bench", cmd_bench, "time the network on this machine"},
    {"model", cmd_model, "list, download, check and synthesise checkpoints"},
    {"options", cmd_options, "list all options of a recipe, with their ranges and defaults"},
};

static void print_help(FILE *stream)
{
    fprintf(stream, "Usage: dinopatch COMMAND [OPTIONS] ...\n\n"
                    "Finds defects in pictures of a product after seeing only good ones.\n\nCommands:\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(stream, "\n"
                    "'dinopatch COMMAND --help' explains a command; 'man dinopatch' explains all.\n"
                    "\n"
                    "  dinopatch fit good/                            learn; writes good.bank\n"
                    "  dinopatch inspect --bank good.bank -o out new/ score, and draw heat maps\n"
                    "  dinopatch model pull vits14                    a stronger network for fit -m\n");
}

int main(int argc, char **argv)
{
    cli_streams_begin();
    cli_json_begin();
    setlocale(LC_CTYPE, "");
    cli_begin(NULL);
    if (argc < 2) {
        print_help(stderr);
        return cli_streams_end(EXIT_USAGE);
    }
    const char *name = argv[1];
    if (!strcmp(name, "--version") || !strcmp(name, "version")) {
        printf("dinopatch %s\n", dp_version());
        return cli_streams_end(EXIT_DONE);
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || (!strcmp(name, "help") && argc < 3)) {
        print_help(stdout);
        return cli_streams_end(EXIT_DONE);
    }
    char help_option[] = "--help", *help_argv[] = {argv[0], NULL, help_option, NULL};
    if (!strcmp(name, "help")) {
        name = help_argv[1] = argv[2];
        argc = 3;
        argv = help_argv;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (!strcmp(commands[i].name, name)) {
            int code;
            cli_begin(name);
            if (commands[i].run == cmd_inspect && !cli_ranks_begin(argc - 1, argv + 1, &code))
                return cli_streams_end(code);
            cli_signals_catch(cli_progress_abandon);
            code = commands[i].run(argc - 1, argv + 1);
            cli_ranks_end();
            cli_signals_reraise();
            return cli_streams_end(code);
        }
    }
    const char *names[sizeof commands / sizeof *commands + 1] = {NULL};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        names[i] = commands[i].name;
    return cli_streams_end(cli_unknown_command(name, names));
}
