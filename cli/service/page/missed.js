/* SPDX-License-Identifier: Apache-2.0 */
/* missed.js - a defect that was called good: what excused it, what it costs to hear that no more, and the two ways out. */
import { askJson, bankPath, finish, send } from "./api.js";
import { button, confirmed, el, failed, notice, replace } from "./dom.js";
import { score, t } from "./text.js";

const names = (cost) => (cost.above ? t("cost_names", { names: cost.pictures.slice(0, 3).join(", ") + (cost.above > 3 ? ", …" : "") }) : "");

/* "1 of 16 good pictures lie above the threshold (0 now): name" */
const costs = (cost, now) => t("cost", { n: cost.above, good: cost.good, now: now.above }) + names(cost);

/* A part of the page for one item.  viewer: where the defect is marked; show: a place of a good picture; changed: the bank is another one. */
export class Missed {
    constructor(item, { viewer, show, changed }) {
        Object.assign(this, { item, viewer, show, changed });
        this.found = el("div", { class: "stack", role: "status" });
        this.mark = button("mark_draw", { "aria-pressed": "false", onclick: () => this.draw() });
        this.element = el("div", { class: "missed stack" }, el("h3", {}, t("missed_title")), el("p", { class: "quiet" }, t("missed_text")),
                          el("div", { class: "row" }, this.mark, button("mark_seen", { onclick: () => this.ask(viewer.seen()) }),
                             button("mark_most", { onclick: () => this.ask(null) })), this.found);
    }

    draw() {
        this.mark.setAttribute("aria-pressed", "true");
        this.viewer.mark((region) => {
            this.mark.setAttribute("aria-pressed", "false");
            this.ask(region);
        });
    }

    async ask(region) {
        const { item } = this;
        if (region)
            this.viewer.drawMark(region);
        replace(this.found, el("p", { class: "quiet" }, t("excuses_asked")));
        try {
            const excuses = await send(`/v1/results/${item.id}/excuses`, "POST", region ? { region } : {});
            if (!excuses.places.length) {
                replace(this.found, el("p", { class: "fault" }, t("excuses_none")));
                return;
            }
            this.tell(excuses);
        } catch (error) {
            replace(this.found);
            failed(error);
        }
    }

    tell({ places, lower_threshold: lower, cost }) {
        const shown = places.slice(0, 6);
        const quarantine = button("quarantine", { look: "main", onclick: () => this.preview(places, quarantine) });
        replace(this.found, el("p", {}, t("excused", { n: places.length })),
                el("ul", { class: "row" }, shown.map((place) => el("li", {}, button("", { label: t("excuse", { name: place.picture, n: place.cells }), look: "chip",
                    onclick: () => this.show(place) }))), places.length > shown.length ? el("li", { class: "quiet" }, t("and_more", { n: places.length - shown.length })) : null),
                el("div", { class: "row" }, quarantine,
                   lower ? button("lower", { values: { value: score(lower.value) }, onclick: () => this.lower(lower, cost) }) : null));
        this.show(places[0]);
    }

    quarantined(places, preview) {
        return send(bankPath(this.item.bank, "/quarantine"), "POST", { places: places.map(({ cells, distance, ...place }) => place), result: this.item.id, preview })
            .then((job) => finish(job));
    }

    /* First what it would do, then the question, then the deed. */
    async preview(places, pressed) {
        pressed.disabled = true;
        try {
            const { report } = await this.quarantined(places, true), { before, after } = report;
            const told = t(after.label === "good" ? "preview_still" : "preview_caught", { before: score(before.score), after: score(after.score), threshold: score(after.threshold) });
            if (!await confirmed(t("quarantine_title"), `${told} ${costs(report.cost, report.cost_before)}`, t("quarantine_do"), { danger: false }))
                return;
            await this.quarantined(places, false);
            notice(t("quarantined"));
            await this.changed();
        } catch (error) {
            failed(error);
        } finally {
            pressed.disabled = false;
        }
    }

    async lower({ value, cost }, now) {
        if (!await confirmed(t("lower_title", { value: score(value) }), costs(cost, now), t("lower_do"), { danger: false }))
            return;
        try {
            await send(bankPath(this.item.bank, "/threshold"), "PUT", { value });
            notice(t("threshold_set", { value: score(value) }));
            await this.changed();
        } catch (error) {
            failed(error);
        }
    }
}

/* What was done to a bank, with Undo. */
export async function journal(bank, run) {
    const { changes } = await askJson(bankPath(bank, "/changes"));
    const told = ({ kind, detail }) => {
        const { names: list = [], region, name, places, before, after } = detail;
        return kind === "add" ? t(region ? "change_add_region" : "change_add", { n: list.length, name: list[0] })
            : kind === "remove" ? t("change_remove", { name })
            : kind === "quarantine" ? t("change_quarantine", { n: places.length, name: places[0].picture })
            : kind === "threshold" ? t("change_threshold", { before: score(before), after: score(after) }) : t("change_fit");
    };
    return changes.map((change) => {
        const undo = change.can_undo ? button("undo", { look: "link", "aria-label": t("undo_of", { what: told(change) }), onclick: async () => {
            undo.disabled = true;
            try {
                await run(await askJson(`/v1/changes/${change.id}/undo`, { method: "POST" }));
            } catch (error) {
                undo.disabled = false;
                failed(error);
            }
        } }) : null;
        return el("li", { class: change.undone ? "undone" : "" }, el("span", { class: "quiet num" }, new Date(change.time).toLocaleString()),
                  el("span", {}, told(change)), undo ?? (change.undone ? el("span", { class: "quiet" }, t("undone")) : null));
    });
}
