/* SPDX-License-Identifier: Apache-2.0 */
/* products.js - the products of the service, and the making of a new one. */
import { ask, askJson, bankPath, follow } from "./api.js";
import { button, byId, el, failed, icon, notice, replace, say } from "./dom.js";
import { dropZone } from "./files.js";
import { size, t } from "./text.js";

/* The options of a fit that the form offers; the command line has them all. */
const OPTIONS = ["method", "size", "align", "window", "fpr", "score", "search.order", "map.sigma", "pictures.mirror", "precision", "bank.storage", "seed"];

const stages = { survey: "stage_survey", pose: "stage_pose", fit: "stage_fit", add: "stage_fit", "leave one out": "stage_leave_one_out",
                 "learning curve": "stage_learning_curve" };

/* A job as a line with a bar; update(job) renews it. */
export function jobLine(job) {
    const sentence = el("p", { class: "num" }), bar = el("progress", { "aria-label": t("progress"), max: "1" });
    const stop = button("cancel", { look: "quiet", onclick: () => ask(`/v1/jobs/${job.id}`, { method: "DELETE" }).catch(failed) });
    const element = el("div", { class: "job" }, el("div", { class: "row" }, sentence, stop), bar);
    let told = null;
    const update = (now) => {
        const key = now.state === "queued" ? "stage_queued" : stages[now.stage] ?? `stage_${now.kind}`;
        const counted = now.total && now.stage !== "leave one out";
        sentence.textContent = counted ? t("stage_of", { stage: t(key), done: now.done, total: now.total }) : t(key);
        if (now.total)
            bar.value = now.done / now.total;
        else
            bar.removeAttribute("value");
        if (key !== told)
            say(t(key));
        told = key;
    };
    update(job);
    return { element, update };
}

export class Products {
    constructor(onSelect) {
        this.onSelect = onSelect;
        this.banks = [];
        this.making = new Map(); /* name -> the job that makes it */
        this.chosen = null;
        this.tray = [];
    }

    async load() {
        const [{ banks }, { jobs }] = await Promise.all([askJson("/v1/banks"), askJson("/v1/jobs?limit=50")]);
        this.banks = banks;
        for (const job of jobs)
            if (job.kind === "fit" && (job.state === "queued" || job.state === "running") && !this.making.has(job.bank))
                this.watch(job);
        this.draw();
    }

    bank(name) {
        return this.banks.find((bank) => bank.name === name);
    }

    draw() {
        const names = [...new Set([...this.banks.map((bank) => bank.name), ...this.making.keys()])].sort((a, b) => a.localeCompare(b));
        replace(byId("products"), names.map((name) => {
            const note = this.making.has(name) ? t("product_learning") : this.bank(name).state === "broken" ? t("product_broken") : null;
            return el("button", { type: "button", class: "tab", "aria-current": name === this.chosen ? "true" : null, onclick: () => this.select(name) },
                      el("span", {}, name), note ? el("small", {}, note) : null);
        }), el("button", { type: "button", class: "tab new", "aria-current": this.chosen === null ? "true" : null, onclick: () => this.select(null) },
               icon("add"), el("span", {}, t("product_new"))));
    }

    /* NULL: the form of a new one. */
    select(name) {
        this.chosen = name;
        this.draw();
        byId("create").hidden = name !== null && !this.making.has(name);
        byId("product").hidden = !byId("create").hidden;
        if (name === null)
            this.form();
        else if (this.making.has(name))
            this.progress(name);
        this.onSelect(byId("product").hidden ? null : this.bank(name));
        history.replaceState(null, "", name === null ? "#" : `#${name}`);
    }

    /* ----- the form */

    form(name = "") {
        const field = el("input", { id: "name", type: "text", required: true, autocomplete: "off", spellcheck: "false", value: name,
                                    "aria-describedby": "name-help", oninput: () => (replace(this.fault), this.count()) });
        this.fault = el("div", { class: "fault", role: "alert" });
        this.list = el("ul", { class: "tray", "aria-label": t("tray") });
        this.total = el("p", { class: "quiet num", role: "status" });
        this.learn = el("button", { type: "submit", class: "main" }, el("span", {}, t("learn")));
        this.name = field;
        const form = el("form", { class: "create", onsubmit: (event) => { event.preventDefault(); this.start(false); } },
                        el("div", { class: "stack" },
                           el("h1", { id: "create-title" }, this.banks.length ? t("create_title") : t("welcome_title")),
                           el("p", { class: "lead" }, t("welcome_text")),
                           el("label", { for: "name" }, t("name_label")), field, el("p", { id: "name-help", class: "quiet" }, t("name_help")),
                           el("div", { class: "row" }, this.learn, this.total), this.fault, this.advanced()),
                        el("div", { class: "stack" }, dropZone("drop_good", (files) => this.add(files)), this.list));
        replace(byId("create"), form);
        this.drawTray();
    }

    /* Options that are left alone are chosen from the good pictures. */
    advanced() {
        const fields = el("div", { class: "options" }), details = el("details", { class: "advanced" }, el("summary", {}, t("advanced_title")),
                                                                     el("p", { class: "quiet" }, t("advanced_text")), fields);
        this.options = [];
        details.addEventListener("toggle", async () => {
            if (!details.open || this.options.length)
                return;
            try {
                const { options } = await askJson("/v1/options");
                this.options = OPTIONS.map((key) => options.find((option) => option.key === key)).filter(Boolean).map((option) => {
                    const id = `option-${option.key}`, common = { id, "data-key": option.key, "aria-describedby": `${id}-help` };
                    const choices = option.choices ?? (option.takes === "yes|no" ? ["yes", "no"] : null);
                    const field = choices ? el("select", common, el("option", { value: "" }, t("automatic")), choices.map((value) => el("option", { value }, value)))
                                                 : el("input", { ...common, type: "text", autocomplete: "off", spellcheck: "false", placeholder: `${t("automatic")} (${option.takes})` });
                    fields.append(el("div", {}, el("label", { for: id }, option.key), field, el("p", { id: `${id}-help`, class: "quiet" }, option.help)));
                    return field;
                });
            } catch (error) {
                failed(error);
            }
        });
        return details;
    }

    add(files) {
        this.tray.push(...files.map((file) => ({ file, url: URL.createObjectURL(file) })));
        this.drawTray();
        say(t("tray_count", { n: this.tray.length }));
    }

    drawTray() {
        const shown = this.tray.slice(0, 23);
        replace(this.list, shown.map((item) => el("li", {},
            el("img", { src: item.url, alt: item.file.name, title: item.file.name, onerror: (event) => event.target.classList.add("missing") }),
            button("", { label: t("leave_out", { name: item.file.name }), look: "icon small", glyph: "remove", onclick: () => {
                URL.revokeObjectURL(item.url);
                this.tray.splice(this.tray.indexOf(item), 1);
                this.drawTray();
                (this.list.querySelector("button") ?? this.name).focus();
            } }))), this.tray.length > shown.length ? el("li", { class: "more num" }, t("and_more", { n: this.tray.length - shown.length })) : null);
        this.count();
    }

    count() {
        const bytes = this.tray.reduce((sum, item) => sum + item.file.size, 0);
        this.total.textContent = this.tray.length ? t("tray_total", { n: this.tray.length, size: size(bytes) }) : t("tray_none");
        this.learn.disabled = !this.tray.length || !this.name.value.trim();
    }

    async start(few) {
        const name = this.name.value.trim(), form = new FormData();
        if (few)
            form.append("allow_few", "yes");
        for (const field of this.options)
            if (field.value.trim())
                form.append(field.dataset.key, field.value.trim());
        for (const { file } of this.tray)
            form.append("pictures", file, file.name);
        replace(this.fault);
        this.learn.disabled = true;
        this.total.textContent = t("sending");
        try {
            const job = await (await ask(bankPath(name), { method: "POST", body: form })).json();
            this.watch(job);
            this.select(name);
        } catch (error) {
            this.count();
            replace(this.fault, el("p", {}, error.message));
        }
    }

    /* ----- the making */

    watch(job) {
        this.making.set(job.bank, { job, line: null });
        const entry = this.making.get(job.bank);
        follow(job.id, (now) => { entry.job = now; entry.line?.update(now); })
            .then((last) => this.made(job.bank, last))
            .catch(failed);
    }

    progress(name) {
        const entry = this.making.get(name);
        entry.line = jobLine(entry.job);
        replace(byId("create"), el("h1", { id: "create-title" }, t("learning_title", { name })), el("p", { class: "lead" }, t("learning_text")), entry.line.element,
                el("ul", { class: "tray", "aria-hidden": "true" }, this.tray.slice(0, 60).map((item) => el("li", {}, el("img", { src: item.url, alt: "" })))));
    }

    async made(name, job) {
        const shown = this.chosen === name;
        this.making.delete(name);
        if (job.state === "done") {
            if (shown)
                this.tray.splice(0).forEach((item) => URL.revokeObjectURL(item.url));
            await this.load();
            notice(t("learned", { name, n: job.report.used }));
            for (const { name: picture, reason } of job.report.left_out)
                notice(t("left_out", { name: picture, reason }), { kind: "error" });
            if (shown)
                this.select(name);
            return;
        }
        await this.load();
        if (!shown) {
            if (job.state === "failed")
                notice(job.error, { kind: "error" });
            return;
        }
        this.select(null);
        this.form(name);
        if (job.state === "failed") {
            const left = job.report?.left_out ?? [];
            replace(this.fault, el("p", {}, job.error),
                    left.length ? el("ul", {}, left.slice(0, 20).map((row) => el("li", {}, t("left_out", row)))) : null,
                    left.length && this.tray.length > left.length ? button("learn_few", { onclick: () => this.start(true) }) : null);
        }
    }
}

