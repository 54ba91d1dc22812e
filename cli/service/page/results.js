/* SPDX-License-Identifier: Apache-2.0 */
/* results.js - the results of today: counted, filtered, judged. */
import { askBlob, askJson } from "./api.js";
import { button, byId, el, failed, replace } from "./dom.js";
import { labelled, verdictButtons } from "./inspect.js";
import { clock, score, t } from "./text.js";

const ROWS = 20;
const PERIOD_MS = 5000;

export class Results {
    constructor({ open, judged, add, added }) {
        Object.assign(this, { open, judged, add, added });
        this.filter = { label: "", verdict: "" };
        this.counted = "";
        this.counts = el("div", { class: "row counts", role: "group", "aria-label": t("filter_label") });
        this.body = el("tbody");
        this.more = button("show_more", { look: "link", onclick: () => this.load(true) });
        this.empty = el("p", { class: "empty", hidden: true });
        this.drift = el("p", { class: "fault", role: "status", hidden: true });
        const verdict = el("select", { id: "verdict", onchange: () => { this.filter.verdict = verdict.value; this.load(); } },
                           [["", "verdict_all"], ["none", "verdict_none"], ["good", "verdict_good"], ["defect", "verdict_defect"]].map(([value, key]) => el("option", { value }, t(key))));
        const head = ["column_time", "column_picture", "column_label", "column_score", "column_verdict"].map((key) => el("th", { scope: "col" }, t(key)));
        this.table = el("table", {}, el("caption", { class: "unseen" }, t("results_caption")), el("thead", {}, el("tr", {}, head)), this.body);
        replace(byId("results"), el("header", {}, el("h2", { id: "results-title" }, t("results_title"))), this.drift,
                el("div", { class: "row filters" }, this.counts, el("label", { class: "row end grow", for: "verdict" }, el("span", { class: "quiet" }, t("column_verdict")), verdict),
                   button("export", { look: "quiet", onclick: () => this.save() })),
                this.table, this.empty, this.more);
        setInterval(() => this.poll(), PERIOD_MS);
    }

    show(bank) {
        this.bank = bank.name;
        this.counted = "";
        this.load();
    }

    /* The newest alarm of today. */
    async alarm() {
        const bank = this.bank, { alarms } = await askJson(`/v1/alarms?${new URLSearchParams({ since: "today", bank, limit: "1" })}`);
        if (bank !== this.bank)
            return;
        this.drift.hidden = !alarms.length;
        const [alarm] = alarms, stream = alarm?.stream ?? "serve";
        this.drift.textContent = alarm ? t("drift_seen", {
            stream: stream === "serve" ? t("drift_serve") : stream, direction: t(`drift_${alarm.direction}`), time: clock(alarm.time),
        }) : "";
    }

    query(extra = {}) {
        return new URLSearchParams(Object.entries({ since: "today", bank: this.bank, ...this.filter, ...extra }).filter(([, value]) => value !== ""));
    }

    /* New results of other clients. */
    poll() {
        if (this.bank && !document.hidden && !byId("product").hidden && !this.body.contains(document.activeElement))
            this.count().then((changed) => changed && this.rows <= ROWS && this.load()).catch(() => {});
    }

    /* Whether the counts are others than before. */
    async count() {
        const bank = this.bank, counts = await askJson(`/v1/results/counts?${new URLSearchParams({ since: "today", bank })}`);
        const now = bank + JSON.stringify(counts);
        if (bank !== this.bank || now === this.counted)
            return false;
        this.counted = now;
        const chips = [["", "count_all", counts.pictures], ["anomalous", "count_anomalous", counts.anomalous], ["good", "count_good", counts.good]];
        if (counts.not_inspected)
            chips.push(["not_inspected", "count_not_inspected", counts.not_inspected]);
        if (counts.unlabelled)
            chips.push(["none", "count_none", counts.unlabelled]);
        replace(this.counts, chips.map(([label, key, n]) => el("button", { type: "button", class: `count ${label}`, "aria-pressed": String(this.filter.label === label),
            "data-label": label, onclick: () => { this.filter.label = label; this.mark(); this.load(); } }, el("b", { class: "num" }, t("count", { n })), el("span", {}, t(key)))));
        return true;
    }

    mark() {
        for (const chip of this.counts.children)
            chip.setAttribute("aria-pressed", String(chip.dataset.label === this.filter.label));
    }

    async load(more = false) {
        const asked = (this.asked = Symbol("load"));
        try {
            await Promise.all([this.count(), this.alarm()]);
            const page = await askJson(`/v1/results?${this.query({ limit: String(ROWS), before: more ? this.next : "" })}`);
            if (asked !== this.asked)
                return;
            const rows = page.results.map((result) => this.row(result));
            if (more)
                this.body.append(...rows);
            else
                replace(this.body, rows);
            this.rows = this.body.children.length;
            this.next = page.next;
            this.more.hidden = !page.next;
            this.table.hidden = !this.rows;
            this.empty.hidden = this.rows > 0;
            this.empty.textContent = this.filter.label || this.filter.verdict ? t("results_none_such") : t("results_none");
        } catch (error) {
            failed(error);
        }
    }

    row(result) {
        const verdicts = (now) => {
            const pressed = document.activeElement, fresh = this.row(now);
            const again = pressed && row.contains(pressed) ? pressed.className : null;
            row.replaceWith(fresh);
            if (again)
                [...fresh.querySelectorAll("button")].find((one) => one.className === again)?.focus();
            this.judged(now);
        };
        const row = el("tr", { "data-result": String(result.id) },
            el("td", { class: "num when" }, clock(result.time)),
            el("td", { class: "what" }, button("", { label: result.source, look: "link name", onclick: () => this.open(result) })),
            el("td", {}, labelled(result.label)),
            el("td", { class: "num number" }, score(result.score)),
            el("td", { class: "judge" }, el("div", { class: "row" }, verdictButtons(result, verdicts),
                result.verdict === "good" && result.picture && result.label === "anomalous"
                    ? button("add_to_bank", { look: "add", glyph: "add", disabled: this.added(result.id), onclick: (event) => { event.currentTarget.disabled = true; this.add(result.id); } }) : null)));
        return row;
    }

    /* A verdict that was given elsewhere. */
    renew(now) {
        this.body.querySelector(`[data-result="${Number(now.id)}"]`)?.replaceWith(this.row(now));
    }

    async save() {
        try {
            const blob = await askBlob(`/v1/results?${this.query({ limit: "10000", format: "csv" })}`), url = URL.createObjectURL(blob);
            el("a", { href: url, download: `${this.bank}-${new Date().toISOString().slice(0, 10)}.csv` }).click();
            setTimeout(() => URL.revokeObjectURL(url), 60000);
        } catch (error) {
            failed(error);
        }
    }
}
