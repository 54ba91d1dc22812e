/* SPDX-License-Identifier: Apache-2.0 */
/* threshold.js - the threshold over the leave-one-out scores of the good pictures: what it promises, and what it would have done.
 *
 * Of n good pictures k lie above a threshold.  A new good picture then lies above it with a probability of at most (k + 1) / (n + 1) on
 * average (conformal prediction); for this set of pictures it lies in the central 90 % of Beta(k + 1, n - k).  docs/method.md derives both. */
import { askJson, bankPath, send } from "./api.js";
import { button, byId, el, failed, notice, replace, svg } from "./dom.js";
import { percent, score, t } from "./text.js";

const HEIGHT = 190, LEFT = 8, RIGHT = 8, TOP = 14, BOTTOM = 42, BINS = 36;

/* P(X <= x) of X ~ Beta(k + 1, n - k): that of n draws with probability x more than k are hits. */
function betaBelow(x, k, n) {
    let below = 0, log = n * Math.log1p(-x); /* of no hit */
    for (let i = 0; i <= k; i++) {
        below += Math.exp(log);
        log += Math.log((n - i) / (i + 1)) + Math.log(x) - Math.log1p(-x);
    }
    return 1 - below;
}

export function betaQuantile(q, k, n) {
    if (k >= n)
        return 1;
    let low = 0, high = 1;
    for (let i = 0; i < 50; i++) {
        const x = (low + high) / 2;
        if (betaBelow(x, k, n) < q)
            low = x;
        else
            high = x;
    }
    return (low + high) / 2;
}

export class Threshold {
    constructor({ changed }) {
        this.changed = changed;
        new ResizeObserver(() => {
            if (this.plot?.clientWidth && this.plot.clientWidth !== this.width) {
                replace(this.plot, this.chart());
                this.renew();
            }
        }).observe(byId("threshold"));
    }

    async show(bank) {
        this.bank = bank;
        const name = encodeURIComponent(bank.name);
        const [thresholds, { results }] = await Promise.all([askJson(bankPath(bank.name, "/thresholds")),
                                                             askJson(`/v1/results?bank=${name}&verdict=any&limit=1000`)]);
        if (this.bank !== bank)
            return;
        this.data = thresholds;
        this.setVerdicts(results, false);
        this.value = thresholds.threshold;
        this.asked = null;
        this.draw();
    }

    /* Results that a person judged. */
    setVerdicts(results, draw = true) {
        const scored = results.filter((row) => row.score !== null);
        this.judged = { good: scored.filter((row) => row.verdict === "good").map((row) => row.score),
                        defect: scored.filter((row) => row.verdict === "defect").map((row) => row.score) };
        if (draw)
            this.draw();
    }

    async renewVerdicts() {
        const { bank } = this, name = encodeURIComponent(bank.name);
        const [{ verdicts }, { results }] = await Promise.all([askJson(bankPath(bank.name, "/thresholds")), askJson(`/v1/results?bank=${name}&verdict=any&limit=1000`)]);
        if (this.bank !== bank)
            return;
        this.data.verdicts = verdicts;
        this.setVerdicts(results);
    }

    draw() {
        const { data } = this, known = [...data.scores, ...this.judged.good, ...this.judged.defect];
        const span = 1.12 * Math.max(...known, 1e-6), limit = 1.12 * Math.max(data.threshold ?? 0, this.value ?? 0);
        this.most = Math.max(span, Math.min(limit, 2 * span)); /* a threshold far beyond all scores stands at the edge, so that these are seen */
        const head = el("header", {}, el("h2", { id: "threshold-title" }, t("threshold_title")), el("span", { class: "quiet num" }, data.by ? t(`threshold_by_${data.by}`) : ""));
        this.plot = null;
        if (!data.scores.length) {
            replace(byId("threshold"), head, el("p", { class: "empty" }, t("threshold_none")));
            return;
        }
        this.value ??= Math.max(...data.scores);
        const step = this.most / 1000;
        this.slider = el("input", { type: "range", id: "slider", min: "0", max: this.most, step, value: this.value, "aria-label": t("threshold_slider"),
                                    oninput: () => { this.value = Number(this.slider.value); this.asked = null; this.renew(); } });
        this.figures = el("dl", { class: "figures" });
        this.apply = button("threshold_apply", { look: "main", onclick: () => this.put() });
        this.reset = button("threshold_reset", { onclick: () => { this.value = data.threshold; this.asked = null; this.slider.value = this.value; this.renew(); } });
        this.plot = el("div", { class: "plot" });
        replace(byId("threshold"), head, el("p", { class: "quiet" }, t("threshold_text")),
                el("div", { class: "chart" }, this.plot, this.slider),
                el("p", { class: "legend quiet" }, el("span", { class: "key good" }), t("legend_good", { n: data.scores.length }),
                   known.length > data.scores.length ? [el("span", { class: "key judged-good" }), t("legend_judged_good"), el("span", { class: "key judged-defect" }), t("legend_judged_defect")] : null),
                this.figures, this.suggestion(),
                el("div", { class: "row last" }, el("div", { class: "row rates", role: "group", "aria-label": t("rates") }, el("span", { class: "quiet" }, t("rates_label")), this.rates()),
                   el("div", { class: "row end grow" }, this.reset, this.apply)));
        replace(this.plot, this.chart());
        this.renew();
    }

    /* The threshold that agrees best with the verdicts. */
    suggestion() {
        const { verdicts } = this.data;
        if (verdicts.threshold === null || verdicts.threshold === this.data.threshold)
            return null;
        return el("div", { class: "row" }, button("judged_use", { values: { value: score(verdicts.threshold) }, onclick: () => this.put({ verdicts: true }, verdicts.threshold) }),
                  el("span", { class: "quiet num" }, t("judged_use_note", verdicts)));
    }

    x(value) {
        return LEFT + (Math.min(value, this.most) / this.most) * (this.width - LEFT - RIGHT);
    }

    chart() {
        this.width = this.plot.clientWidth || 600; /* 0 where the product is not shown yet */
        const { scores } = this.data, counts = new Array(BINS).fill(0), floor = HEIGHT - BOTTOM;
        this.highest = new Array(BINS).fill(-Infinity); /* score of each bar */
        for (const value of scores) {
            const bin = Math.min(BINS - 1, Math.floor((value / this.most) * BINS));
            counts[bin]++;
            this.highest[bin] = Math.max(this.highest[bin], value);
        }
        const highest = Math.max(...counts), width = (this.width - LEFT - RIGHT) / BINS;
        this.bars = counts.map((n, i) => {
            const height = n ? Math.max(3, (n / highest) * (floor - TOP - 10)) : 0;
            return svg("rect", { x: LEFT + i * width + 1, y: floor - height, width: width - 2, height, rx: 1.5, class: "bar" });
        });
        this.line = svg("line", { y1: TOP - 8, y2: floor, class: "limit" });
        this.now = this.data.threshold === null ? null
            : svg("line", { x1: this.x(this.data.threshold), x2: this.x(this.data.threshold), y1: TOP - 8, y2: floor, class: "limit now" });
        this.beyond = svg("text", { x: this.width - RIGHT - 6, y: TOP, class: "tick beyond" }, "→");
        const ticks = [];
        const nice = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((step) => this.most / step <= this.width / 70) ?? this.most / 5;
        for (let value = 0; value <= this.most; value += nice)
            ticks.push(svg("text", { x: this.x(value), y: HEIGHT - 4, class: "tick" }, value.toLocaleString(undefined, { maximumFractionDigits: 2 })));
        const rug = (values, kind) => values.map((value) => svg("circle", { cx: this.x(value), cy: floor + 12, r: 4, class: `mark ${kind}` }));
        return svg("svg", { viewBox: `0 0 ${this.width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": t("chart", { n: scores.length }) },
                   this.bars, svg("line", { x1: LEFT, x2: this.width - RIGHT, y1: floor, y2: floor, class: "axis" }),
                   rug(this.judged.good, "judged-good"), rug(this.judged.defect, "judged-defect"), this.now, this.line, this.beyond, ticks);
    }

    rates() {
        return this.data.rates.map((rate) => el("button", { type: "button", class: "chip num", "data-rate": rate.fpr, onclick: () => {
            this.value = rate.threshold;
            this.asked = rate.fpr;
            this.slider.value = this.value;
            this.renew();
        } }, percent(rate.fpr)));
    }

    /* What a value would do, everywhere it is told. */
    renew() {
        const { scores } = this.data, { value, judged } = this, n = scores.length, k = scores.filter((one) => one > value).length;
        const promised = (k + 1) / (n + 1), low = betaQuantile(0.05, k, n), high = betaQuantile(0.95, k, n);
        const moved = value !== this.data.threshold;
        const above = (values) => values.filter((one) => one > value).length;
        this.line.setAttribute("x1", this.x(value));
        this.line.setAttribute("x2", this.x(value));
        this.now?.classList.toggle("same", !moved);
        this.beyond.classList.toggle("same", value <= this.most);
        this.bars.forEach((bar, i) => bar.classList.toggle("above", this.highest[i] > value));
        const counted = t("counted_value", { k, n });
        this.slider.setAttribute("aria-valuetext", t("slider_value", { value: score(value), counted }));
        const figure = (key, main, note) => el("div", {}, el("dt", {}, t(key)), el("dd", {}, el("b", { class: "num" }, main), el("span", { class: "quiet num" }, note)));
        replace(this.figures, figure("figure_threshold", score(value), moved ? t("threshold_was", { value: score(this.data.threshold) }) : t("threshold_in_use")),
                figure("promised", t("at_most", { rate: percent(promised) }), t("interval", { low: percent(low), high: percent(high) })),
                figure("counted", counted, t("counted_note", { rate: percent(k / n) })),
                judged.good.length + judged.defect.length
                    ? figure("judged", t("judged_value", { k: above(judged.good), n: judged.good.length }),
                             t("judged_note", { k: above(judged.defect), n: judged.defect.length }))
                    : figure("judged", t("no_value"), t("judged_none")));
        for (const chip of byId("threshold").querySelectorAll("[data-rate]"))
            chip.setAttribute("aria-pressed", String(Number(chip.dataset.rate) === this.asked || (!moved && this.data.fpr === Number(chip.dataset.rate))));
        this.apply.disabled = this.reset.disabled = !moved;
    }

    async put(asked = this.asked === null ? { value: this.value } : { fpr: this.asked }, value = this.value) {
        const { bank } = this;
        try {
            this.apply.disabled = true;
            await send(bankPath(bank.name, "/threshold"), "PUT", asked);
            notice(t("threshold_set", { value: score(value) }));
            await this.changed(bank.name);
            if (document.activeElement === document.body) /* the button that was pressed is gone */
                byId("slider")?.focus();
        } catch (error) {
            this.apply.disabled = false;
            failed(error);
        }
    }
}
