/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - what the commands share: their table, options that several commands take, inputs, progress, exit codes.
 *
 * Exit codes: 0 all done; 1 some inputs failed, or fewer were used than asked; 2 wrong usage; 3 a picture is not good
 * (only with --fail-on-anomaly; 3 wins over 1); 4 the job itself failed. */
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
int cmd_lot(int argc, char **argv);
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
/* For a program with another name and without commands, such as those of research/. */
void cli_begin_program(const char *program);
/* For a command that has commands of its own: "remove" of "bank". */
void cli_begin_verb(const char *verb);
/* "dinopatch bank remove"; g_free. */
char *cli_command(void);
/* Text that a terminal can show: control characters and bytes that are not UTF-8 become '?'. Static storage,
 * overwritten after 4 calls. cli_complain and cli_usage call this themselves. */
const char *cli_shown(const char *bytes);
/* "1 picture", "2 pictures"; static storage, overwritten after 8 calls. */
const char *cli_count(size_t n, const char *noun);
void cli_complain(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* Prints a fact that the user should know and that is no fault. Prints nothing with --quiet. */
void cli_note(const char *format, ...) G_GNUC_PRINTF(1, 2);
void cli_hide_notes(void);
/* Complains about err and returns the exit code for its status. */
int cli_failed(const dp_error *err);
/* Complains about wrong usage, points to --help, returns EXIT_USAGE. */
int cli_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* A message of the library in which keys of run settings become long options (max_pixels: --max-pixels); g_free. */
char *cli_spelled(const char *message);
/* "warning: text" on stderr. */
void cli_warn(const char *format, ...) G_GNUC_PRINTF(1, 2);
void cli_log(void *user, dp_log_level level, const char *line);         /* a dp_run callback */
void cli_log_warning(void *user, dp_log_level level, const char *line); /* the same for warnings only: with --quiet */

/* ---- numbers that a user types */
/* given: the option is on the command line. value: what the user gave, or else the default that the command set. */
typedef struct cli_number {
    bool given;
    double value;
} cli_number;

/* What an option takes, and the type that cli_option.arg_data points to. Whole numbers are exact: no range goes beyond
 * 2^53. */
enum {
    CLI_FLAG = G_OPTION_ARG_NONE,            /* nothing: gboolean */
    CLI_TEXT = G_OPTION_ARG_STRING,          /* char *, borrowed from argv */
    CLI_FILE = G_OPTION_ARG_FILENAME,        /* char *, borrowed from argv; any bytes */
    CLI_FILES = G_OPTION_ARG_FILENAME_ARRAY, /* char **, NULL-ended, g_strfreev; may be repeated */
    CLI_WHOLE = 100,                         /* a whole number: cli_number */
    CLI_REAL,                                /* a number: cli_number */
    CLI_SHARE,                               /* a share above 0 and below 1, or a count from 1 to most: cli_number */
    CLI_SIZE,                                /* a whole number, which may end in k, M, G or T: cli_number */
    CLI_SETTING,                             /* an option of a recipe: cli_recipe, read by cli_recipe_take */
    CLI_SETTING_FLAG,                        /* the same without a value, which means yes */
    CLI_CONFIG                               /* char *, as CLI_FILE: a JSON object of the command's options */
};
#define CLI_CONFIG_ENTRY(path)                                                                                         \
    {                                                                                                                  \
        "config", 0, 0, CLI_CONFIG, path, "read options from a JSON object; the command line overrides it", "FILE"     \
    }
/* cli_option.flags */
enum {
    CLI_ABOVE = DP_OPTION_ABOVE, /* least itself is not allowed */
    CLI_BELOW = DP_OPTION_BELOW, /* most itself is not allowed */
    CLI_ODD = DP_OPTION_ODD,
    CLI_LONE = 1024, /* the number may be missing; the default then counts as given */
    CLI_MORE = 2048  /* listed by --help=all only */
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

/* Reads a number of the option's kind and range. Returns NULL, or why the number is refused and what to give instead
 * (g_free); *value is then untouched. */
char *cli_number_read(const cli_option *option, const char *text, double *value);

/* ---- what somebody may have meant */
/* A command below a command, such as `bank info`. */
typedef struct cli_verb {
    const char *name;
    command_fn run; /* its argv[0] is the name */
    const char *usage, *summary;
} cli_verb;
/* Runs the one of verbs [n] that argv[1] names, or prints the help of the command or a complaint. */
int cli_run_verb(int argc, char **argv, const cli_verb *verbs, size_t n);
/* Complains that the word is not a command in names, which ends with NULL. Returns EXIT_USAGE. */
int cli_unknown_command(const char *word, const char *const *names);
/* "; did you mean BEFORENAME?", or nothing; g_free. */
char *cli_did_you_mean(const char *word, const char *before, const char *const *names);

/* ---- options */
/* Prints a line of a help page, broken at spaces where it is too wide; what follows begins at column `hang`. */
void cli_print_wrapped(const char *line, size_t hang);
/* Parses the options of one command. entries and group (may be NULL) end with a NULL row. True: go on; argc and argv
 * hold the words that are left, argv[0] included. False: *code is the exit code, after a complaint about usage or the
 * help page. */
bool cli_parse(int *argc, char ***argv, const cli_option *entries, const cli_option *group, const char *usage,
               const char *summary, const char *description, int *code);

/* --threads, --isa (and DINOPATCH_ISA), --max-pixels, --max-tokens, --tolerant, --quiet, --no-times. The callbacks of
 * run drive the progress display. */
typedef struct cli_run {
    cli_number threads, max_pixels, max_tokens, max_memory, wait;
    char *isa;
    gboolean quiet, no_times, tolerant;
    dp_run run;
    cli_option entries[16];
} cli_run;
/* The table of these options, which live in *options. Sets all other fields to their defaults. */
const cli_option *cli_run_group(cli_run *options);
/* Loads a picture as the run options say, at its own bit depth. Prints the warnings about the file. */
dp_status cli_picture_load(const char *path, const dp_run *run, dp_picture **picture, dp_error *err);
/* An option of the commands that make a bank; stands among their own. */
#define CLI_MAX_MEMORY_ENTRY(options)                                                                                  \
    {                                                                                                                  \
        "max-memory", 0, CLI_MORE, CLI_SIZE, &(options)->max_memory,                                                   \
            "refuse a bank that needs more (default: what is free)", "SIZE", 1, 1e15                                   \
    }
/* Call it after parsing: fills options->run. False: *code, complained. */
bool cli_run_resolve(cli_run *options, int *code);

/* Parses "784x784". False: the text is no size. */
bool cli_parse_size(const char *text, size_t *height, size_t *width);
/* Index of the value of --OPTION in a NULL-ended list of names; -1: complained, and *code. */
int cli_choose(const char *option, const char *text, const char *const *names, int *code);

/* ---- inputs */
/* The paths as given, with folders replaced by the pictures below them (cli_find_pictures in inputs.h). Complains about
 * what cannot be read and counts it in *n_failed. Free with g_ptr_array_unref. */
GPtrArray *cli_inputs(char **arguments, int n, size_t *n_failed);
/* The names in a folder, sorted, without hidden ones and those of the system. NULL: the folder cannot be read;
 * complained. Free with g_ptr_array_unref. */
GPtrArray *cli_folder_names(const char *folder);
/* Checks labelled pictures before a bank is measured with them: the first n_good inputs are good, the others bad. No
 * picture may be in the bank, and none may be given twice. Every command that learns from labelled pictures calls it.
 * False: *code, complained. */
bool cli_check_labelled(const dp_bank *bank, const char *bank_path, const GPtrArray *inputs, size_t n_good,
                        const dp_run *run, int *code);

/* Joins folder and a name that came with a file and may be anything. Returns the path of a regular file below the
 * folder (g_free), or NULL if there is none. *outside: the name is absolute, goes up by "..", or a symbolic link leads
 * out of the folder. */
char *cli_path_inside(const char *folder, const char *name, bool *outside);

/* ---- progress on stderr: a bar on a terminal, plain lines otherwise, nothing when quiet */
void cli_progress_begin(const char *what, bool quiet);
int cli_progress(void *user, const char *stage, size_t done, size_t total); /* a dp_run callback */
/* Removes the bar, before anything else is written to the terminal. The next call of cli_progress draws it again. */
void cli_progress_hide(void);
void cli_progress_end(void);
/* Ends the display of work that is given up. Another thread may call it. */
void cli_progress_abandon(void);

/* ---- standard output and standard error */
/* Call it first. Opens descriptors 0 to 2 where they are closed, and makes both streams write all bytes or report an
 * error. */
void cli_streams_begin(void);
/* Flushes standard output. False: a write failed, which is complained about once. If the reader has gone, nothing is
 * complained about. */
bool cli_output_good(void);
/* Call it last. Returns the exit code: EXIT_JOB_FAILED if printed text did not arrive. Does not return if the reader
 * has gone, unless whoever started the program ignores SIGPIPE. */
int cli_streams_end(int code);

/* ---- signals: the first Ctrl-C or SIGTERM asks the work to stop, and ends it soon after; the second ends it at once */
/* at_end: called, by another thread, when work that did not stop is given up. */
void cli_signals_catch(void (*at_end)(void));
bool cli_interrupted(void);
/* Ends the process by the signal that came, so that a shell sees it. Returns if none came. */
void cli_signals_reraise(void);

/* ---- JSON */
/* Call it first. From then on jansson ends the program when memory is short, as GLib does. */
void cli_json_begin(void);
/* Reads a JSON file of at most 1 GiB; flags are those of jansson. NULL: complained. */
json_t *cli_json_load(const char *path, size_t flags);
/* Only these functions put JSON values together. If a value cannot be made (no memory, or NULL where a value belongs),
 * they complain with the place in the code, and nothing more is printed or written as JSON: an incomplete line never
 * looks complete. */
#define cli_json_pack(...) cli_json_packed(__FILE__, __LINE__, __VA_ARGS__)
#define cli_json_set(object, key, value) cli_json_put(object, key, value, __FILE__, __LINE__)
#define cli_json_share(object, key, value)                                                                             \
    cli_json_put(object, key, json_incref(value), __FILE__, __LINE__) /* json_object_set */
#define cli_json_append(list, value) cli_json_add(list, value, __FILE__, __LINE__)
json_t *cli_json_packed(const char *where, int line, const char *format, ...); /* json_pack */
void cli_json_put(json_t *object, const char *key, json_t *value, const char *where,
                  int line);                                                 /* json_object_set_new */
void cli_json_add(json_t *list, json_t *value, const char *where, int line); /* json_array_append_new */
/* Returns the value. If it is NULL, complains and returns null; why may be NULL. */
json_t *cli_json_made(json_t *value, const char *where, int line, const char *why);
/* json_dumps that fails if the text is incomplete or some value could not be made; free. */
char *cli_json_dumped(const json_t *value, size_t flags);
/* A JSON string, or null for NULL. Bytes that are not UTF-8 become U+FFFD. */
json_t *cli_json_text(const char *bytes);
/* If the bytes are not UTF-8, adds object[key + "_base64"], which holds the exact name. */
void cli_json_bytes(json_t *object, const char *key, const char *bytes);
/* A JSON number, or null if it is not finite. */
json_t *cli_json_real(double value);
/* A duration with three decimals, in milliseconds or seconds; null with --no-times. */
json_t *cli_json_ms(double ms);
/* --no-times: no output holds a duration, so that equal input gives equal bytes. */
void cli_hide_times(void);
bool cli_times_hidden(void);
json_t *cli_json_pose(const dp_pose *pose);
/* The text that cli_json_print prints, without the line's end; free. NULL: it cannot be made. */
char *cli_json_line(const json_t *value);
/* Prints one line on stdout and steals the reference. False: stdout is broken; complained. */
bool cli_json_print(json_t *value);

#endif
