/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.js - new pictures: each is judged, and looked at beside the nearest good place. */
import { ask, askBlob, askJson, bankPath, pictureUrl, send } from "./api.js";
import { button, byId, el, failed, icon, notice, replace, say } from "./dom.js";
import { dropZone, takeDrops } from "./files.js";
import { drawMap, readMap } from "./heat.js";
import { Missed } from "./missed.js";
import { percent, score, t } from "./text.js";
import { Viewer } from "./viewer.js";

const AT_ONCE = 2;
const MOST_KEPT = 200; /* pictures of the strip */
const MOST_MAP_PIXELS = 64e6;

/* The label of a result as a word with its sign. */
export function labelled(label) {
    const key = label ?? "none", glyphs = { good: "good", anomalous: "defect" };
    return el("span", { class: `label ${key}` }, icon(glyphs[key] ?? "none"), el("span", {}, t(`label_${key}`)));
}

/* Two buttons for a person's word; the pressed one takes it back. */
export function verdictButtons(result, onVerdict) {
    const make = (value) => button(`verdict_${value}`, { look: `verdict ${value}`, glyph: value === "good" ? "good" : "defect",
        "aria-pressed": String(result.verdict === value), onclick: async () => {
            try {
                onVerdict(await send(`/v1/results/${result.id}/verdict`, "POST", { verdict: result.verdict === value ? null : value }));
            } catch (error) {
                failed(error);
            }
        } });
    return el("div", { class: "row verdicts", role: "group", "aria-label": t("verdict_of", { name: result.source }) }, make("good"), make("defect"));
}

function measure(url) {
    return new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve({ width: image.naturalWidth, height: image.naturalHeight });
        image.onerror = () => resolve(null);
        image.src = url;
    });
}

export class Inspect {
    /* good: of the same product; judged: a verdict was given; inspected: a result was kept; changed: the bank is another one now. */
    constructor({ good, judged, inspected, changed }) {
        Object.assign(this, { good, judged, inspected, changed });
        this.items = [];
        this.running = 0;
        this.viewer = new Viewer();
        this.strip = el("ul", { class: "strip", "aria-label": t("strip") });
        this.details = el("div", { class: "details", "aria-live": "polite" });
        this.count = el("span", { class: "quiet num" });
        const zone = dropZone("drop_new", (files) => this.add(files));
        replace(byId("inspect"), el("header", {}, el("h2", { id: "inspect-title" }, t("inspect_title")), this.count, this.viewer.tools),
                el("div", { class: "bench" }, el("div", { class: "side" }, zone, this.strip), el("div", { class: "view" }, this.viewer.element, this.details)));
        takeDrops(byId("inspect"), (files) => this.add(files));
        this.drawDetails();
    }

    show(bank) {
        if (bank.name !== this.bank?.name) {
            this.items.forEach((item) => item.own && URL.revokeObjectURL(item.url));
            this.items = [];
            this.chosen = null;
            this.bank = bank;
            this.viewer.clear();
            this.draw();
            this.drawDetails();
        }
        this.bank = bank;
    }

    add(files) {
        const fresh = files.map((file) => ({ file, name: file.name, url: URL.createObjectURL(file), own: true, bank: this.bank.name, state: "waiting" }));
        this.items.unshift(...fresh);
        for (const item of this.items.splice(MOST_KEPT))
            if (item.own)
                URL.revokeObjectURL(item.url);
        this.choose(fresh[0]);
        this.next();
    }

    /* A kept result of the store. */
    async open(result) {
        let item = this.items.find((one) => one.id === result.id);
        if (!item) {
            item = { id: result.id, name: result.source, result, bank: result.bank, state: "done", url: null, own: false };
            if (result.picture) {
                try {
                    item.url = await pictureUrl(`/v1/results/${result.id}/picture`);
                    item.file = await askBlob(`/v1/results/${result.id}/picture`);
                } catch (error) {
                    failed(error);
                }
            }
            this.items.unshift(item);
        }
        item.result = { ...item.result, ...result };
        this.choose(item);
        byId("inspect").scrollIntoView({ block: "start" });
        this.strip.querySelector("[aria-current]")?.focus({ preventScroll: true });
    }

    next() {
        while (this.running < AT_ONCE) {
            const item = this.items.findLast((one) => one.state === "waiting");
            if (!item)
                break;
            item.state = "running";
            this.running++;
            this.judge(item).finally(() => {
                this.running--;
                this.draw();
                if (item === this.chosen)
                    this.look();
                if (!this.running && !this.items.some((one) => one.state === "waiting"))
                    this.inspected();
                this.next();
            });
        }
        this.draw();
    }

    async judge(item) {
        try {
            const query = `?map=tiff&keep=yes&name=${encodeURIComponent(item.name.slice(0, 250))}`;
            const response = await ask(bankPath(item.bank, `/inspect${query}`), { method: "POST", body: item.file });
            item.id = Number(response.headers.get("Dinopatch-Result"));
            if (response.headers.get("Content-Type") === "image/tiff")
                this.keepMap(item, readMap(await response.arrayBuffer()));
            item.result = await askJson(`/v1/results/${item.id}`);
            item.state = "done";
        } catch (error) {
            item.state = "failed";
            item.error = error.message;
        }
        say(item.state === "failed" ? item.error : t("said", { name: item.name, label: t(`label_${item.result.label ?? "none"}`) }));
    }

    draw() {
        const done = this.items.filter((item) => item.state === "done").length, focus = document.activeElement?.dataset?.item;
        this.count.textContent = this.items.length ? t("inspected_of", { done, n: this.items.length }) : "";
        replace(this.strip, this.items.map((item, i) => el("li", {}, el("button", { type: "button", class: `thumb ${item.state} ${item.result?.label ?? ""}`,
                "data-item": String(i), "aria-current": item === this.chosen ? "true" : null, onclick: () => this.choose(item) },
            item.url ? el("img", { src: item.url, alt: "", onerror: (event) => event.target.classList.add("missing") }) : el("span", { class: "missing" }),
            el("span", { class: "thumb-text" }, el("span", { class: "name" }, item.name),
               item.state === "done" ? el("span", { class: "row tight" }, labelled(item.result.label), el("span", { class: "num" }, score(item.result.score)))
                                     : el("span", { class: "quiet" }, t(`state_${item.state}`)))))));
        if (focus !== undefined)
            this.strip.querySelector(`[data-item="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
    }

    choose(item) {
        this.chosen = item;
        this.draw();
        this.look();
    }

    /* Shows the chosen picture. */
    async look() {
        const item = this.chosen;
        this.drawDetails();
        if (item.state !== "done") {
            this.viewer.clear(item.state === "failed" ? t("viewer_failed") : t("viewer_waiting"));
            return;
        }
        const { result } = item, measured = item.url ? await measure(item.url) : null;
        if (item !== this.chosen)
            return;
        if (!item.file && !item.url) {
            this.viewer.clear(t("picture_not_kept"));
            return;
        }
        const [height, width] = result.shape ?? [measured?.height, measured?.width];
        if (!height) {
            this.viewer.clear(t("viewer_failed"));
            return;
        }
        this.viewer.show({ url: measured ? item.url : null, name: item.name, width, height, defects: result.defects });
        if (!measured)
            notice(t("cannot_show", { name: item.name }));
        if (result.defects.length)
            this.chooseDefect(0, false);
        this.heat(item);
    }

    /* Maps are large: those that were asked for longest ago make room. */
    keepMap(item, map) {
        item.map = map;
        this.maps = [item, ...(this.maps ?? []).filter((one) => one !== item)];
        for (let pixels = 0, i = 0; i < this.maps.length; i++) {
            pixels += this.maps[i].map.data.length;
            if (i > 0 && pixels > MOST_MAP_PIXELS) {
                for (const old of this.maps.splice(i))
                    old.map = null;
            }
        }
    }

    async heat(item) {
        try {
            if (!item.map) {
                const response = await ask(bankPath(item.bank, "/inspect?map=tiff&record=no"), { method: "POST", body: item.file });
                this.keepMap(item, readMap(await response.arrayBuffer()));
            }
            if (item !== this.chosen)
                return;
            const most = item.map.data.reduce((high, value) => (value > high ? value : high), 0);
            drawMap(this.viewer.canvas, item.map, item.result.cell_threshold ?? this.bank.cell_threshold ?? (most || 1));
            this.viewer.canvas.hidden = false;
        } catch (error) {
            if (item === this.chosen)
                this.viewer.heat.clear(error.message);
        }
    }

    async chooseDefect(index, zoom = true) {
        const item = this.chosen, defect = item.result.defects[index];
        item.defect = index;
        if (zoom)
            this.viewer.choose(index, item.result.defects);
        for (const [i, row] of [...this.details.querySelectorAll(".defect")].entries())
            row.setAttribute("aria-pressed", String(i === index));
        this.showGood(item, defect.nearest_at ? defect.nearest : null, defect.nearest_at, defect);
    }

    /* A place of a good picture beside a box of the chosen one. */
    async showGood(item, name, at, defect) {
        const picture = name ? this.good.find(name) : null;
        if (!picture?.kept) {
            this.viewer.nearest.clear(name ? t("nearest_not_kept", { name }) : t("nearest_empty"));
            return;
        }
        const path = bankPath(item.bank, `/pictures/${picture.id}`);
        try {
            let url = await pictureUrl(path), size = await measure(url);
            if (!size) { /* a TIFF */
                url = await pictureUrl(`${path}/thumbnail?size=1024`);
                size = { width: item.result.shape[1], height: item.result.shape[0] };
            }
            if (item === this.chosen)
                this.viewer.showNearest({ url, name: picture.name, ...size, at, defect });
        } catch (error) {
            this.viewer.nearest.clear(error.message);
        }
    }

    drawDetails() {
        const item = this.chosen;
        if (!item) {
            replace(this.details, el("p", { class: "empty" }, t("inspect_empty")));
            return;
        }
        if (item.state !== "done") {
            replace(this.details, el("h3", {}, item.name), el("p", { class: item.state === "failed" ? "fault" : "quiet" }, item.error ?? t(`state_${item.state}`)));
            return;
        }
        const { result } = item, fact = (key, value) => el("div", {}, el("dt", {}, t(key)), el("dd", { class: "num" }, value));
        replace(this.details,
                el("div", { class: "verdict-line" }, labelled(result.label), el("h3", {}, item.name),
                   el("dl", { class: "facts" }, fact("score", score(result.score)), fact("threshold", score(result.threshold)),
                      result.p_value === null ? null : fact("p_value", percent(result.p_value)), fact("took", t("ms", { n: Math.round(result.ms) })))),
                result.reason || result.error ? el("p", { class: "fault" }, result.error ?? t("reason", { reason: result.reason })) : null,
                result.defects.length ? el("div", { class: "defects", role: "group", "aria-label": t("defects") }, result.defects.map((defect, i) =>
                    el("button", { type: "button", class: "chip defect num", "aria-pressed": "false", onclick: () => this.chooseDefect(i) },
                       t("defect", { i: i + 1, peak: score(defect.peak), width: Math.round(defect.bbox_xyxy[2] - defect.bbox_xyxy[0]),
                                     height: Math.round(defect.bbox_xyxy[3] - defect.bbox_xyxy[1]) })))) : null,
                item.id ? el("div", { class: "row" }, el("span", { class: "quiet" }, t("verdict_ask")), verdictButtons(result, (now) => this.verdict(item, now)),
                             result.verdict === "good" ? this.teach(item) : null) : null,
                this.missed(item));
    }

    verdict(item, now) {
        item.result = { ...item.result, ...now };
        this.drawDetails();
        this.details.querySelector(`.verdict.${now.verdict ?? "good"}`)?.focus();
        this.judged(now);
    }

    /* Another place changed a result. */
    renew(now) {
        const item = this.items.find((one) => one.id === now.id);
        if (item) {
            item.result = { ...item.result, ...now };
            if (item === this.chosen)
                this.drawDetails();
        }
    }

    /* Buttons that add a false alarm, once. */
    teach(item) {
        if (this.good.added.has(item.id))
            return el("span", { class: "quiet" }, t("is_added"));
        const defect = item.result.defects[item.defect ?? 0];
        const add = async (region) => {
            const done = this.good.addResult(item.id, region); /* counts from now on: no second press */
            this.drawDetails();
            if (!await done && item === this.chosen)
                this.drawDetails();
        };
        return [button("add_to_bank", { glyph: "add", onclick: () => add(null) }), defect ? button("add_place", { onclick: () => {
            const [left, top, right, bottom] = item.result.defects[item.defect ?? 0].bbox_xyxy, room = Math.max(8, 0.25 * Math.max(right - left, bottom - top));
            add({ x: left - room, y: top - room, width: right - left + 2 * room, height: bottom - top + 2 * room });
        } }) : null];
    }

    /* Of a defect that was called good. */
    missed(item) {
        const { result } = item;
        if (result.verdict !== "defect" || result.label !== "good" || !item.id)
            return null;
        const parts = { viewer: this.viewer, changed: () => this.changed(item.bank), show: (place) => {
            const at = [place.x + place.width / 2, place.y + place.height / 2];
            this.showGood(item, place.picture, at, { bbox_xyxy: [place.x, place.y, place.x + place.width, place.y + place.height] });
        } };
        return new Missed(item, parts).element;
    }
}
