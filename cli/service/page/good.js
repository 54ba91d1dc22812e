/* SPDX-License-Identifier: Apache-2.0 */
/* good.js - the good pictures of a product, the least good first. */
import { ask, askJson, bankPath, finish, send, servedImage } from "./api.js";
import { button, byId, confirmed, el, failed, notice, replace } from "./dom.js";
import { dropZone, takeDrops } from "./files.js";
import { journal } from "./missed.js";
import { jobLine } from "./products.js";
import { score, t } from "./text.js";

const FIRST = matchMedia("(max-width: 700px)").matches ? 6 : 12;
const OUTLIER = 3.5; /* robust standard deviations: as `dinopatch fit` warns */

export class Good {
    constructor({ changed, removed }) {
        this.changed = changed; /* the bank is another one now */
        this.removed = removed; /* the bank is gone */
        this.pictures = [];
        this.all = false;
        this.added = new Set(); /* results whose pictures were added */
        takeDrops(byId("good"), (files) => this.add(files));
    }

    find(name) {
        return this.pictures.find((picture) => picture.name === name);
    }

    async show(bank) {
        if (bank.name !== this.bank?.name)
            this.all = false;
        this.bank = bank;
        const { pictures } = await askJson(bankPath(bank.name, "/pictures"));
        if (this.bank !== bank)
            return;
        this.pictures = pictures;
        this.draw();
        this.resume();
    }

    draw() {
        const { bank, pictures } = this, doubtful = pictures.filter((picture) => picture.robust_z > OUTLIER).length;
        const shown = this.all ? pictures : pictures.slice(0, FIRST);
        this.jobs = el("div", { class: "stack" });
        const zone = el("div", { hidden: true }, dropZone("drop_more", (files) => this.add(files)));
        const add = button("add_pictures", { glyph: "add", "aria-expanded": "false", onclick: () => {
            zone.hidden = !zone.hidden;
            add.setAttribute("aria-expanded", String(!zone.hidden));
        } });
        replace(byId("good"),
                el("header", {}, el("h2", { id: "good-title" }, t("good_title")), el("span", { class: "quiet num" }, t("pictures", { n: bank.n_pictures })),
                   el("div", { class: "row end grow" }, add, button("delete_product", { look: "icon", glyph: "bin", onclick: () => this.deleteProduct() }))),
                zone,
                el("p", { class: "quiet" }, doubtful ? t("good_doubtful", { n: doubtful }) : t("good_text")),
                this.jobs,
                el("ul", { class: "gallery" }, shown.map((picture) => this.tile(picture))),
                pictures.length > FIRST ? button(this.all ? "show_fewer" : "show_all", { look: "link", values: { n: pictures.length }, onclick: () => { this.all = !this.all; this.draw(); } }) : null,
                el("details", { class: "last" }, el("summary", {}, t("choices_title")), el("dl", { class: "choices" }, bank.choices.map((choice) =>
                    el("div", {}, el("dt", {}, `${choice.option} = ${choice.value}`), el("dd", {}, choice.reason ?? ""))))),
                this.changes());
    }

    /* The journal, asked for when it is opened. */
    changes() {
        const list = el("ul", { class: "journal" }), { bank } = this;
        const details = el("details", {}, el("summary", {}, t("journal_title")), list);
        details.addEventListener("toggle", async () => {
            if (!details.open)
                return;
            try {
                replace(list, await journal(bank.name, (job) => this.run(job)));
                if (!list.children.length)
                    replace(list, el("li", { class: "quiet" }, t("journal_none")));
            } catch (error) {
                failed(error);
            }
        });
        return details;
    }

    tile(picture) {
        const doubt = picture.robust_z > OUTLIER;
        const path = bankPath(this.bank.name, `/pictures/${picture.id}/thumbnail?size=256`);
        return el("li", { class: doubt ? "doubt" : "" },
                  picture.kept ? servedImage(path, picture.name) : el("div", { class: "missing", title: t("not_kept") }),
                  el("div", { class: "tile-text" }, el("span", { class: "name", title: picture.name }, picture.name), el("span", { class: "num" }, score(picture.score))),
                  doubt ? el("p", { class: "doubt-text" }, t("really_good")) : null,
                  button("", { label: t("remove_name", { name: picture.name }), look: "icon small", glyph: "remove",
                               onclick: (event) => this.remove(picture, event.currentTarget) }));
    }

    /* Jobs of this product that run already. */
    async resume() {
        const { bank } = this, { jobs } = await askJson("/v1/jobs?limit=50");
        for (const job of jobs)
            if (job.bank === bank.name && job.kind !== "fit" && (job.state === "queued" || job.state === "running") && this.bank === bank)
                this.run(job);
    }

    async run(job) {
        const line = jobLine(job), { name } = this.bank;
        this.jobs.append(line.element);
        try {
            const last = await finish(job, line.update);
            if (last.report?.threshold)
                notice(t("threshold_told", { told: last.report.threshold }));
            for (const row of last.report?.left_out ?? [])
                notice(t("left_out", row), { kind: "error" });
            return last.state === "done";
        } finally {
            line.element.remove();
            if (this.bank.name === name)
                await this.changed(name);
        }
    }

    async add(files) {
        const form = new FormData();
        for (const file of files)
            form.append("pictures", file, file.name);
        try {
            const job = await (await ask(bankPath(this.bank.name, "/pictures"), { method: "POST", body: form })).json();
            if (await this.run(job))
                notice(t("added", { n: files.length }));
        } catch (error) {
            failed(error);
        }
    }

    /* Follows the job that a result's picture, or only a region of it, is added by; whether it was. */
    async addResult(id, region = null) {
        if (this.added.has(id))
            return true;
        this.added.add(id);
        try {
            const job = await send(`/v1/results/${id}/add`, "POST", region ? { region } : {});
            if (await this.run(job)) {
                notice(t(region ? "added_place" : "added", { n: 1 }));
                return true;
            }
        } catch (error) {
            failed(error);
        }
        this.added.delete(id);
        return false;
    }

    async remove(picture, pressed) {
        const path = bankPath(this.bank.name, `/pictures/${picture.id}`);
        pressed.disabled = true;
        try {
            const job = await askJson(path, { method: "DELETE" });
            if (!await this.run(job))
                return;
            const { changes } = await askJson(bankPath(this.bank.name, "/changes"));
            notice(t("removed", { name: picture.name }), { action: picture.kept && { label: t("undo"), run: () => this.undo(changes[0].id) } });
            if (document.activeElement === document.body)
                byId("good").querySelector(".gallery button")?.focus();
        } catch (error) {
            pressed.disabled = false;
            failed(error);
        }
    }

    async undo(change) {
        try {
            await this.run(await askJson(`/v1/changes/${change}/undo`, { method: "POST" }));
        } catch (error) {
            failed(error);
        }
    }

    async deleteProduct() {
        const { name } = this.bank;
        if (!await confirmed(t("delete_title", { name }), t("delete_text"), t("delete_product")))
            return;
        try {
            await ask(bankPath(name), { method: "DELETE" });
            notice(t("deleted", { name }));
            this.removed();
        } catch (error) {
            failed(error);
        }
    }
}
