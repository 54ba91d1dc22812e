/* SPDX-License-Identifier: Apache-2.0 */
/* viewer.js - a picture, its heat map and the nearest good place, side by side; the three move together.
 *
 * The view is the point of the picture in the middle of a pane, in pixels, and a zoom: 1 shows the whole picture. */
import { button, el, replace, svg } from "./dom.js";
import { t } from "./text.js";

const MOST_ZOOM = 24;

/* The box between two points, in whole pixels. */
function boxOf(a, b) {
    const x = Math.floor(Math.min(a.x, b.x)), y = Math.floor(Math.min(a.y, b.y));
    return { x, y, width: Math.max(1, Math.ceil(Math.abs(a.x - b.x))), height: Math.max(1, Math.ceil(Math.abs(a.y - b.y))) };
}

class Pane {
    constructor(viewer, key) {
        this.viewer = viewer;
        this.layer = el("div", { class: "layer" });
        this.empty = el("p", { class: "nothing", hidden: true });
        this.stage = el("div", { class: "stage", tabindex: "0", role: "group", "aria-label": t("pane_keys", { name: t(key) }) }, this.layer, this.empty);
        this.caption = el("span", { class: "quiet" });
        this.figure = el("figure", {}, el("figcaption", {}, el("strong", {}, t(key)), this.caption), this.stage);
        this.shift = { x: 0, y: 0 };
        this.points = new Map();
        this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
        this.stage.addEventListener("keydown", (event) => this.key(event));
        this.stage.addEventListener("dblclick", (event) => viewer.zoom(2, this.toPicture(event)));
        this.stage.addEventListener("pointerdown", (event) => this.down(event));
        this.stage.addEventListener("pointermove", (event) => this.drag(event));
        for (const kind of ["pointerup", "pointercancel"])
            this.stage.addEventListener(kind, (event) => this.up(event));
    }

    show(width, height, ...children) {
        this.width = width;
        this.height = height;
        this.shift = { x: 0, y: 0 };
        this.empty.hidden = true;
        this.layer.hidden = false;
        Object.assign(this.layer.style, { width: `${width}px`, height: `${height}px` });
        replace(this.layer, ...children);
        this.place();
    }

    clear(text) {
        this.width = 0;
        this.empty.textContent = text;
        this.empty.hidden = false;
        this.layer.hidden = true;
        replace(this.layer);
        this.caption.textContent = "";
    }

    /* Screen pixels for a pixel of the picture. */
    scale() {
        const { width, height, view } = this.viewer;
        return view.zoom * Math.min(this.stage.clientWidth / width, this.stage.clientHeight / height);
    }

    place() {
        if (!this.width || !this.viewer.width)
            return;
        /* The whole picture first; the nearer one looks, the more the nearest place lies where the defect does. */
        const scale = this.scale(), { view } = this.viewer, part = Math.min(1, view.zoom - 1);
        const x = this.stage.clientWidth / 2 - scale * (view.x + part * this.shift.x), y = this.stage.clientHeight / 2 - scale * (view.y + part * this.shift.y);
        this.stage.classList.toggle("zoomed", view.zoom > 1);
        this.layer.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
        this.layer.classList.toggle("large", scale > 3);
        this.layer.style.setProperty("--unit", 1 / scale); /* a pixel of the screen */
    }

    toPicture(event) {
        const box = this.stage.getBoundingClientRect(), scale = this.scale(), { view } = this.viewer;
        return { x: view.x + (event.clientX - box.left - box.width / 2) / scale, y: view.y + (event.clientY - box.top - box.height / 2) / scale };
    }

    /* A page that scrolls is not caught: the wheel zooms a pane that has the focus, or with Ctrl. */
    wheel(event) {
        if (!event.ctrlKey && document.activeElement !== this.stage)
            return;
        event.preventDefault();
        this.viewer.zoom(2 ** (-event.deltaY / 300), this.toPicture(event));
    }

    key(event) {
        const step = 40 / this.scale(), moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
        if (moves[event.key])
            this.viewer.move(...moves[event.key]);
        else if (event.key === "+" || event.key === "=")
            this.viewer.zoom(1.5);
        else if (event.key === "-")
            this.viewer.zoom(1 / 1.5);
        else if (event.key === "0")
            this.viewer.whole();
        else
            return;
        event.preventDefault();
    }

    up(event) {
        this.points.delete(event.pointerId);
        if (this.from)
            this.viewer.marked(boxOf(this.from, this.toPicture(event)));
        this.from = null;
    }

    down(event) {
        this.stage.setPointerCapture(event.pointerId);
        if (this.viewer.onMark) {
            this.from = this.toPicture(event);
            return;
        }
        this.points.set(event.pointerId, event);
    }

    drag(event) {
        if (this.from) {
            this.viewer.drawMark(boxOf(this.from, this.toPicture(event)));
            return;
        }
        const before = this.points.get(event.pointerId);
        if (!before || !this.viewer.width)
            return;
        const other = [...this.points.entries()].find(([id]) => id !== event.pointerId)?.[1];
        const span = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
        if (other)
            this.viewer.zoom(span(event) / Math.max(1, span(before)));
        else
            this.viewer.move((before.clientX - event.clientX) / this.scale(), (before.clientY - event.clientY) / this.scale());
        this.points.set(event.pointerId, event);
    }
}

export class Viewer {
    constructor() {
        this.view = { x: 0, y: 0, zoom: 1 };
        this.width = 0;
        this.panes = ["pane_picture", "pane_heat", "pane_nearest"].map((key) => new Pane(this, key));
        [this.picture, this.heat, this.nearest] = this.panes;
        this.canvas = el("canvas", { class: "heat", role: "img", "aria-label": t("pane_heat") });
        this.fade = el("input", { type: "range", id: "fade", min: "0", max: "100", value: "85", oninput: () => this.setFade() });
        this.setFade();
        this.heat.caption.replaceWith(el("label", { for: "fade", class: "fade quiet" }, t("fade"), this.fade));
        this.heat.caption = el("span");
        this.tools = el("div", { class: "row tools", role: "group", "aria-label": t("view_tools") },
                        button("zoom_out", { look: "icon", glyph: "minus", onclick: () => this.zoom(1 / 1.5) }),
                        button("zoom_in", { look: "icon", glyph: "add", onclick: () => this.zoom(1.5) }),
                        button("zoom_whole", { look: "icon", glyph: "whole", onclick: () => this.whole() }));
        this.element = el("div", { class: "panes" }, this.panes.map((pane) => pane.figure));
        new ResizeObserver(() => this.place()).observe(this.element);
        this.clear();
    }

    setFade() {
        this.canvas.style.opacity = this.fade.value / 100;
    }

    place() {
        this.panes.forEach((pane) => pane.place());
    }

    /* Keeps `at`, a point of the picture, where it is on the screen. */
    zoom(factor, at = this.view) {
        const zoom = Math.min(MOST_ZOOM, Math.max(1, this.view.zoom * factor)), part = 1 - this.view.zoom / zoom;
        this.look(this.view.x + part * (at.x - this.view.x), this.view.y + part * (at.y - this.view.y), zoom);
    }

    move(x, y) {
        this.look(this.view.x + x, this.view.y + y, this.view.zoom);
    }

    whole() {
        this.look(this.width / 2, this.height / 2, 1);
    }

    look(x, y, zoom) {
        const slack = zoom > 1 ? 0 : 0.5;
        this.view = { x: Math.min(this.width * (1 - slack), Math.max(this.width * slack, x)),
                      y: Math.min(this.height * (1 - slack), Math.max(this.height * slack, y)), zoom };
        this.place();
    }

    /* The next drag on a pane marks a box of the picture. */
    mark(onMark) {
        this.onMark = onMark;
        this.element.classList.add("marking");
    }

    marked(region) {
        const { onMark } = this;
        this.onMark = null;
        this.element.classList.remove("marking");
        if (region)
            onMark?.(region);
    }

    drawMark({ x, y, width, height }) {
        this.marks.replaceChildren(svg("rect", { x, y, width, height, rx: 1 }));
    }

    /* The part of the picture that is seen. */
    seen() {
        const { stage } = this.picture, scale = this.picture.scale(), w = stage.clientWidth / scale, h = stage.clientHeight / scale;
        const x = Math.max(0, this.view.x - w / 2), y = Math.max(0, this.view.y - h / 2);
        return boxOf({ x, y }, { x: Math.min(this.width, this.view.x + w / 2), y: Math.min(this.height, this.view.y + h / 2) });
    }

    clear(text = t("viewer_empty")) {
        this.width = 0;
        this.marked(null);
        this.element.classList.add("idle");
        this.picture.clear(text);
        this.heat.clear(t("heat_empty"));
        this.nearest.clear(t("nearest_empty"));
    }

    /* A picture of so many pixels; url NULL: the browser cannot show it. */
    show({ url, name, width, height, defects }) {
        const drawn = () => (url ? el("img", { src: url, alt: name, draggable: "false" }) : el("div", { class: "blank" }));
        const other = drawn();
        other.setAttribute?.("alt", "");
        this.element.classList.remove("idle");
        this.width = width;
        this.height = height;
        this.view = { x: width / 2, y: height / 2, zoom: 1 };
        this.boxes = defects.map((defect, i) => {
            const [left, top, right, bottom] = defect.bbox_xyxy;
            return svg("g", { class: "box" }, svg("rect", { x: left, y: top, width: right - left, height: bottom - top, rx: 1 }),
                       svg("text", { x: left, y: top, dy: "-0.4em" }, String(i + 1)));
        });
        this.marks = svg("g", { class: "box mark" });
        this.picture.show(width, height, drawn(), svg("svg", { class: "boxes", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, this.boxes, this.marks));
        this.picture.caption.textContent = t("size_px", { width, height });
        this.heat.show(width, height, other, this.canvas);
        this.canvas.hidden = true;
        this.nearest.clear(t("nearest_empty"));
    }

    /* Marks a defect and looks at it. */
    choose(index, defects) {
        this.boxes.forEach((box, i) => box.classList.toggle("chosen", i === index));
        const [left, top, right, bottom] = defects[index].bbox_xyxy;
        const zoom = Math.min(8, Math.max(1.5, 0.35 * Math.min(this.width / (right - left), this.height / (bottom - top))));
        this.look((left + right) / 2, (top + bottom) / 2, zoom);
    }

    /* The good picture whose place at [x, y] is nearest to a defect. */
    showNearest({ url, name, width, height, at, defect }) {
        const [left, top, right, bottom] = defect.bbox_xyxy, w = right - left, h = bottom - top, side = Math.max(w, h);
        this.nearest.show(width, height, el("img", { src: url, alt: name, draggable: "false" }),
                          svg("svg", { class: "boxes good", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
                              svg("g", { class: "box" }, svg("circle", { cx: at[0], cy: at[1], r: side / 2 }))));
        this.nearest.shift = { x: at[0] - (left + right) / 2, y: at[1] - (top + bottom) / 2 };
        this.nearest.caption.textContent = name;
        this.place();
    }
}
