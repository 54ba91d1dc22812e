/* SPDX-License-Identifier: Apache-2.0 */
/* kserve.c - the KServe V2 protocol: a bank is a model.  Clients made for Triton work as they are. */
#include "inspect_once.h"
#include "kserve_request.h"
#include "routes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void kserve_server(request *r)
{
    reply_json(r, 200,
               cli_json_pack("{s:s, s:s, s:[s]}", "name", "dinopatch", "version", dp_version(), "extensions",
                             "binary_tensor_data"));
}

void kserve_live(request *r)
{
    reply_json(r, 200, cli_json_pack("{s:b}", "live", true));
}

void kserve_ready(request *r)
{
    bool ready = !g_atomic_int_get(&r->service->draining);
    reply_json(r, ready ? 200 : 503, cli_json_pack("{s:b}", "ready", ready));
}

/* The model of the route; NULL: answered. */
static served_bank *model_of(request *r)
{
    r->kserve = true;
    if (r->part[1] && strcmp(r->part[1], "1") != 0) {
        reply_problem(r, 404, "there is version 1 of a model only");
        return NULL;
    }
    return request_bank(r);
}

void kserve_model(request *r)
{
    served_bank *bank = model_of(r);
    if (!bank)
        return;
    json_t *outputs = json_array();
    for (int i = 0; i < KSERVE_OUTPUTS; i++)
        cli_json_append(outputs, cli_json_pack("{s:s, s:s, s:o}", "name", kserve_tensors[i].name, "datatype",
                                               kserve_tensors[i].datatype, "shape",
                                               kserve_tensors[i].dims == 1 ? cli_json_pack("[i]", 1)
                                                                           : cli_json_pack("[i,i]", -1, -1)));
    json_t *input = cli_json_pack("{s:s, s:s, s:[i,i,i]}", "name", "image", "datatype", "UINT8", "shape", -1, -1, 3);
    reply_json(r, 200,
               cli_json_pack("{s:s, s:[s], s:s, s:[o], s:o}", "name", bank->name, "versions", "1", "platform",
                             "dinopatch", "inputs", input, "outputs", outputs));
    served_bank_drop(bank);
}

void kserve_model_ready(request *r)
{
    served_bank *bank = model_of(r);
    if (bank)
        reply_json(r, 200, cli_json_pack("{s:s, s:b}", "name", bank->name, "ready", true));
    served_bank_drop(bank);
}

/* ------------------------------------------------------------------------------------------------------- the answer */

/* The values of an output: numbers, or bytes. */
struct values {
    double number;
    const char *text;
    const float *map; /* [n] */
    size_t n;
};

static void append_binary(GByteArray *binary, const struct kserve_tensor *tensor, const struct values *values)
{
    if (tensor->dims == 2) {
        g_byte_array_append(binary, (const guint8 *)values->map, (guint)(values->n * sizeof(float)));
    } else if (!strcmp(tensor->datatype, "BYTES")) {
        guint32 length = GUINT32_TO_LE((guint32)strlen(values->text));
        g_byte_array_append(binary, (const guint8 *)&length, 4);
        g_byte_array_append(binary, (const guint8 *)values->text, (guint)strlen(values->text));
    } else {
        g_byte_array_append(binary, (const guint8 *)&values->number, sizeof values->number);
    }
}

static json_t *json_values(const struct kserve_tensor *tensor, const struct values *values)
{
    json_t *list = json_array();
    if (tensor->dims == 2) {
        for (size_t i = 0; i < values->n; i++)
            cli_json_append(list, cli_json_real((double)values->map[i]));
    } else {
        cli_json_append(list, !strcmp(tensor->datatype, "BYTES") ? cli_json_text(values->text)
                                                                 : cli_json_real(values->number));
    }
    return list;
}

/* The figures of a task by their names. */
static struct values values_of(const inspection_task *task, kserve_output output, const char *line)
{
    switch (output) {
    case KSERVE_SCORE: return (struct values){.number = task->score};
    case KSERVE_THRESHOLD: return (struct values){.number = task->threshold};
    case KSERVE_P_VALUE: return (struct values){.number = task->p_value};
    case KSERVE_CELL_THRESHOLD: return (struct values){.number = task->cell_threshold};
    case KSERVE_LABEL: return (struct values){.text = dp_label_name(task->label)};
    case KSERVE_RESULT: return (struct values){.text = line};
    default: return (struct values){.map = task->map, .n = task->map ? task->height_px * task->width_px : 0};
    }
}

static void answer(request *r, const served_bank *bank, const kserve_request *asked, const inspection_task *task)
{
    GByteArray *binary = g_byte_array_new();
    json_t *outputs = json_array();
    char *line = cli_json_dumped(task->line, JSON_COMPACT | JSON_REAL_PRECISION(12));
    for (int i = 0; i < KSERVE_OUTPUTS; i++) {
        const struct kserve_tensor *tensor = &kserve_tensors[i];
        if (!asked->outputs[i].wanted)
            continue;
        const struct values values = values_of(task, (kserve_output)i, line ? line : "");
        json_t *shape = tensor->dims == 1 ? cli_json_pack("[i]", 1)
                                          : cli_json_pack("[I,I]", (json_int_t)(values.map ? task->height_px : 0),
                                                          (json_int_t)(values.map ? task->width_px : 0));
        json_t *output =
            cli_json_pack("{s:s, s:s, s:o}", "name", tensor->name, "datatype", tensor->datatype, "shape", shape);
        if (asked->outputs[i].binary) {
            guint before = binary->len;
            append_binary(binary, tensor, &values);
            cli_json_set(output, "parameters",
                         cli_json_pack("{s:I}", "binary_data_size", (json_int_t)(binary->len - before)));
        } else {
            cli_json_set(output, "data", json_values(tensor, &values));
        }
        cli_json_append(outputs, output);
    }
    free(line);
    json_t *all = cli_json_pack("{s:s, s:s, s:o}", "model_name", bank->name, "model_version", "1", "outputs", outputs);
    if (asked->id)
        cli_json_set(all, "id", cli_json_text(asked->id));
    if (!binary->len) {
        reply_json(r, 200, all);
    } else {
        char *head = cli_json_dumped(all, JSON_COMPACT | JSON_REAL_PRECISION(12));
        size_t length = head ? strlen(head) : 0;
        char number[32];
        g_byte_array_prepend(binary, (const guint8 *)head, (guint)length);
        g_snprintf(number, sizeof number, "%zu", length);
        reply_bytes(r, 200, g_byte_array_free_to_bytes(g_steal_pointer(&binary)), "application/octet-stream");
        reply_header(r, "Inference-Header-Content-Length", number);
        free(head);
        json_decref(all);
    }
    if (binary)
        g_byte_array_unref(binary);
}

/* ------------------------------------------------------------------------------------------------------ the question */

static dp_status picture_of(const kserve_request *asked, size_t most_pixels, dp_picture **picture, dp_error *err)
{
    size_t n = asked->height * asked->width; /* sides are at most 2^16 */
    if (n > most_pixels) {
        g_snprintf(err->message, sizeof err->message, "the picture has %zu pixels; at most %zu are taken", n,
                   most_pixels);
        return err->status = DP_E_PICTURE;
    }
    dp_status status = dp_picture_new(asked->width, asked->height, picture, err);
    if (status)
        return status;
    if (asked->channels == 3)
        memcpy((*picture)->rgb, asked->pixels, 3 * n);
    for (size_t i = 0; asked->channels == 1 && i < n; i++)
        memset((*picture)->rgb + 3 * i, asked->pixels[i], 3);
    return DP_OK;
}

static void infer(request *r, served_bank *bank, const kserve_request *asked)
{
    dp_error err;
    int64_t id;
    inspection_task task = {.bank = bank,
                            .name = asked->id && *asked->id && strlen(asked->id) <= 1024 ? asked->id : "picture",
                            .data = asked->file,
                            .bytes = asked->file_bytes,
                            .want = asked->outputs[KSERVE_MAP].wanted ? WANT_NUMBERS : 0};
    if (asked->pixels && picture_of(asked, r->service->settings.run.max_picture_pixels, &task.picture, &err)) {
        reply_fault(r, &err);
        return;
    }
    if (inspect_once(r, &task, true, &id)) {
        if (task.status)
            reply_fault(r, &task.err);
        else
            answer(r, bank, asked, &task);
    }
    inspection_clear(&task);
    dp_picture_free(&task.picture);
}

void kserve_infer(request *r)
{
    const char *header = request_header(r, "Inference-Header-Content-Length");
    char *end = NULL;
    guint64 header_bytes = header ? g_ascii_strtoull(header, &end, 10) : 0;
    kserve_request asked;
    served_bank *bank = model_of(r);
    if (!bank)
        return;
    if (header && (!g_ascii_isdigit(*header) || *end)) {
        reply_problem(r, 400, "Inference-Header-Content-Length is no number");
    } else {
        g_autofree char *fault = kserve_parse(r->body, r->bytes, header ? header_bytes : SIZE_MAX, &asked);
        if (fault)
            reply_problem(r, 400, "%s", fault);
        else
            infer(r, bank, &asked);
        if (!fault)
            kserve_request_clear(&asked);
    }
    served_bank_drop(bank);
}
