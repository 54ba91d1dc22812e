/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - what the commands share: their table, options that several take, inputs, progress, exit codes.
 *
 * Exit codes: 0 all done; 1 some inputs failed or fewer used than asked; 2 wrong usage; 3 something is anomalous or not inspected
 * (with --fail-on-anomaly only; it goes before 1); 4 the job itself failed. */
#ifndef DP_CLI_H
#define DP_CLI_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "dinopatch/experimental.h"
#include "dinopatch/draw.h"
#include "dinopatch/io.h"

enum { EXIT_DONE = 0, EXIT_SOME_FAILED = 1, EXIT_USAGE = 2, EXIT_ANOMALY = 3, EXIT_JOB_FAILED = 4 };

/* argv[0] is the command's name. */
typedef int (*command_fn)(int argc, char **argv);

int cmd_align(int argc, char **argv);
int cmd_bank(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_calibrate(int argc, char **argv);
int cmd_embed(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_fit(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
int cmd_model(int argc, char **argv);
int cmd_options(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_results(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_tune(int argc, char **argv);
int cmd_watch(int argc, char **argv);

/* ---- messages: "dinopatch COMMAND: text" on stderr */
void cli_begin(const char *command);
/* Of a program of another name, such as those of research/, which has no commands. */
void cli_begin_program(const char *program);
/* Of a command with commands of its own: "remove" of "bank". */
void cli_begin_verb(const char *verb);
/* "dinopatch bank remove"; g_free. */
char *cli_command(void);
/* Names and messages for eyes: control characters, which a terminal could take for commands, and what is not UTF-8 become '?'.
 * Static storage, overwritten after 4 calls.  cli_complain and cli_usage do this themselves. */
const char *cli_shown(const char *bytes);
/* "1 picture", "2 pictures"; static storage, overwritten after 8 calls. */
const char *cli_count(size_t n, const char *noun);
void cli_complain(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* Something the user should know that is no fault; not with --quiet. */
void cli_note(const char *format, ...) G_GNUC_PRINTF(1, 2);
void cli_hide_notes(void);
/* Complains about err and returns the exit code its status deserves. */
int cli_failed(const dp_error *err);
/* Complains about wrong usage, points to --help, returns EXIT_USAGE. */
int cli_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* "warning: text" on stderr. */
/* A message of the library with the long options in place of the keys of a run (max_pixels: --max-pixels); g_free. */
char *cli_spelled(const char *message);
void cli_warn(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* ---- numbers that a user types */
/* given: it stands on the command line.  value: what was given, or else what the command put there, its default. */
typedef struct cli_number {
    bool given;
    double value;
} cli_number;

/* What an option takes, and the type that cli_option.arg_data points to.  Whole numbers are exact: no range goes beyond 2^53. */
enum {
    CLI_FLAG = G_OPTION_ARG_NONE,            /* nothing: gboolean */
    CLI_TEXT = G_OPTION_ARG_STRING,          /* char *, borrowed from argv */
    CLI_FILE = G_OPTION_ARG_FILENAME,        /* char *, borrowed from argv; any bytes */
    CLI_FILES = G_OPTION_ARG_FILENAME_ARRAY, /* char **, NULL-ended, g_strfreev; may be given again and again */
    CLI_WHOLE = 100,                         /* a whole number: cli_number */
    CLI_REAL,                                /* a number: cli_number */
    CLI_SHARE,       /* a share between 0 and 1, both left out, or a count from 1 to most: cli_number */
    CLI_SIZE,        /* a whole number, which may end in k, M, G or T: cli_number */
    CLI_SETTING,     /* an option of a recipe: cli_recipe, by cli_recipe_take */
    CLI_SETTING_FLAG /* the same without a value: yes */
};
/* cli_option.flags */
enum {
    CLI_ABOVE = DP_OPTION_ABOVE, /* least itself is left out */
    CLI_BELOW = DP_OPTION_BELOW, /* most itself is left out */
    CLI_ODD = DP_OPTION_ODD,
    CLI_LONE = 1024, /* a number that may be left out; the default then counts as given */
    CLI_MORE = 2048  /* stands on the page of --help=all alone */
};
#define CLI_NO_END 1e30                  /* most: no upper end */
#define CLI_MOST_SEED 9007199254740992.0 /* 2^53 */

/* One row of a command's table of options. */
typedef struct cli_option {
    const char *long_name;
    char short_name;
    int flags;
    int arg;
    void *arg_data;
    const char *description, *arg_description;
    double least, most; /* of numbers */
} cli_option;
#define CLI_OPTION_END                                                                                                 \
    {                                                                                                                  \
        NULL, 0, 0, 0, NULL, NULL, NULL                                                                                \
    }

/* Reads a number of the option's kind and range.  NULL, or why it is refused and what to give instead, to be freed with g_free; *value is
 * then untouched. */
char *cli_number_read(const cli_option *option, const char *text, double *value);

/* ---- what somebody may have meant */
/* The name nearest to a word; NULL: none is near.  names end with NULL. */
const char *cli_suggest(const char *word, const char *const *names);
/* Complains that a word is no command of those in names, which end with NULL; returns EXIT_USAGE. */
int cli_unknown_command(const char *word, const char *const *names);
/* "; did you mean BEFORENAME?", or nothing; g_free. */
char *cli_did_you_mean(const char *word, const char *before, const char *const *names);

/* ---- options */
/* Parses one command's options: entries and group (may be NULL) end with a NULL one.  True: go on (argc and argv hold what is left, argv[0] kept).
 * False: *code is the exit code (usage complained about, or help shown). */
bool cli_parse(int *argc, char ***argv, const cli_option *entries, const cli_option *group, const char *usage,
               const char *summary, const char *description, int *code);

/* --threads, --isa (and DINOPATCH_ISA), --max-pixels, --max-tokens, --tolerant, --quiet, --no-times; the callbacks of run are set to the progress display. */
typedef struct cli_run {
    cli_number threads, max_pixels, max_tokens, max_memory, wait;
    char *isa;
    gboolean quiet, no_times, tolerant;
    dp_run run;
    cli_option entries[16];
} cli_run;
/* Its options, which live in *options; all of it is set to what no option means. */
const cli_option *cli_run_group(cli_run *options);
/* Loads a picture as the run options say, by its own depth, and warns of what a user should know. */
dp_status cli_picture_load(const char *path, const dp_run *run, dp_picture **picture, dp_error *err);
/* For the commands that make a bank, among their own entries. */
#define CLI_MAX_MEMORY_ENTRY(options)                                                                                  \
    {                                                                                                                  \
        "max-memory", 0, CLI_MORE, CLI_SIZE, &(options)->max_memory,                                                   \
            "refuse a bank that needs more (default: what is free)", "SIZE", 1, 1e15                                   \
    }
/* After parsing: fills options->run.  False: *code, complained. */
bool cli_run_resolve(cli_run *options, int *code);

/* Parses "784x784".  False where it is none. */
bool cli_parse_size(const char *text, size_t *height, size_t *width);
/* Index of the value of --OPTION in a NULL-ended list of names; -1: complained, and *code. */
int cli_choose(const char *option, const char *text, const char *const *names, int *code);

/* ---- inputs */
/* Paths as given, folders replaced by the pictures below them (cli_find_pictures in inputs.h).  What cannot be read is complained about
 * and counted in *n_failed.  Free with g_ptr_array_unref. */
GPtrArray *cli_inputs(char **arguments, int n, size_t *n_failed);
/* Names in a folder, sorted, hidden ones and the system's left out.  NULL: cannot be read, complained.  Free with g_ptr_array_unref. */
GPtrArray *cli_folder_names(const char *folder);
/* Whether a file name ends like a picture's. */
bool cli_is_picture_name(const char *name);
/* Creates a folder and its parents; complains where it cannot. */
bool cli_make_folder(const char *path);
/* Whether n_good good pictures and the bad ones behind them may be judged with a bank: none of them is in it, and none is given twice.  The check
 * of every command that learns from labelled pictures.  False: *code, complained. */
bool cli_check_labelled(const dp_bank *bank, const char *bank_path, const GPtrArray *inputs, size_t n_good,
                        const dp_run *run, int *code);

/* folder/name for a name that a file brought along and that may say anything: a regular file below the folder, g_free.  NULL: there is
 * none; *outside: the name is absolute, goes up by "..", or a symbolic link leads out of the folder. */
char *cli_path_inside(const char *folder, const char *name, bool *outside);

/* ---- progress on stderr: a bar on a terminal, plain lines otherwise, nothing when quiet */
void cli_progress_begin(const char *what, bool quiet);
int cli_progress(void *user, const char *stage, size_t done, size_t total); /* a dp_run callback */
void cli_log(void *user, dp_log_level level, const char *line);             /* a dp_run callback */
void cli_log_warning(void *user, dp_log_level level, const char *line); /* the same of warnings alone: with --quiet */
/* Takes the bar away: before anything else is written to the terminal.  The next call of cli_progress draws it again. */
void cli_progress_hide(void);
void cli_progress_end(void);
/* The work is given up where it stands: called by another thread. */
void cli_progress_abandon(void);

/* ---- standard output and standard error */
/* First of all: descriptors 0 to 2 are open afterwards, and both streams write all or say why not. */
void cli_streams_begin(void);
/* Flushes standard output.  False: a write failed, which is complained about once; a reader that has gone is no reason to complain. */
bool cli_output_good(void);
/* Last of all: the exit code, EXIT_JOB_FAILED where what was printed has not arrived.  Does not return where the reader has gone and
 * nobody asked to have SIGPIPE ignored. */
int cli_streams_end(int code);

/* ---- signals: the first Ctrl-C or SIGTERM asks the work to stop, and ends it soon after; the second ends it at once */
void cli_signals_catch(void);
bool cli_interrupted(void);
/* Ends as the signal would have, so that a shell sees it; returns where none came. */
void cli_signals_reraise(void);

/* ---- JSON */
/* First of all: from then on jansson ends the program where there is no memory, as GLib does. */
void cli_json_begin(void);
/* What a file of at most 1 GiB says; flags as jansson's.  NULL: complained. */
json_t *cli_json_load(const char *path, size_t flags);
/* Values are put together by these alone: what cannot be made (no memory, a NULL where a value belongs) is complained about with its
 * place, and from then on nothing is printed or written as JSON: a line that lacks something never looks like a whole one. */
#define cli_json_pack(...) cli_json_packed(__FILE__, __LINE__, __VA_ARGS__)
#define cli_json_set(object, key, value) cli_json_put(object, key, value, __FILE__, __LINE__)
#define cli_json_share(object, key, value)                                                                             \
    cli_json_put(object, key, json_incref(value), __FILE__, __LINE__) /* json_object_set */
#define cli_json_append(list, value) cli_json_add(list, value, __FILE__, __LINE__)
json_t *cli_json_packed(const char *where, int line, const char *format, ...); /* json_pack */
void cli_json_put(json_t *object, const char *key, json_t *value, const char *where,
                  int line);                                                 /* json_object_set_new */
void cli_json_add(json_t *list, json_t *value, const char *where, int line); /* json_array_append_new */
/* The value, or null after a complaint where it is NULL; why may be NULL. */
json_t *cli_json_made(json_t *value, const char *where, int line, const char *why);
/* Whether something could not be made so far. */
bool cli_json_broken(void);
/* json_dumps that fails where it is not whole, or where something could not be made; free. */
char *cli_json_dumped(const json_t *value, size_t flags);
/* A JSON string, null of NULL; bytes that are not UTF-8 become U+FFFD. */
json_t *cli_json_text(const char *bytes);
/* Where the bytes are not UTF-8: object[key + "_base64"], from which the name can be had as it is. */
void cli_json_bytes(json_t *object, const char *key, const char *bytes);
/* A JSON number; null where it is not finite. */
json_t *cli_json_real(double value);
/* How long something took, to three decimals: milliseconds, or seconds; null with --no-times. */
json_t *cli_json_ms(double ms);
/* With --no-times nothing that is written says how long it took: equal input gives equal bytes. */
void cli_hide_times(void);
bool cli_times_hidden(void);
json_t *cli_json_pose(const dp_pose *pose);
/* One line on stdout; steals the reference.  False: stdout is broken, complained. */
bool cli_json_print(json_t *value);

#endif
