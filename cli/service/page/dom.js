/* SPDX-License-Identifier: Apache-2.0 */
/* dom.js - elements from data.  Text enters as text: no string ever becomes markup. */
import { t } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (value === false || value === null || value === undefined)
            continue;
        if (name.startsWith("on"))
            element.addEventListener(name.slice(2), value);
        else if (name === "style")
            Object.assign(element.style, value);
        else
            element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

export const byId = (id) => document.getElementById(id);

/* el("p", { class: "quiet" }, "text", el(...)) */
export function el(name, attributes = {}, ...children) {
    return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
    return fill(document.createElementNS(SVG, name), attributes, children);
}

const icons = {
    add: "M12 5v14M5 12h14",
    remove: "M6 6l12 12M18 6L6 18",
    good: "M5 12.5l4.5 4.5L19 7.5",
    defect: "M12 4l9 16H3zM12 10v4.5M12 17.3v.2",
    camera: "M4 8h3.5l1.5-2.5h6L16.5 8H20v11H4zM12 16.5a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4z",
    sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6L7 7M17 17l1.4 1.4M18.4 5.6L17 7M7 17l-1.4 1.4",
    moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
    upload: "M12 16V5M7.5 9L12 4.5 16.5 9M4.5 15v4.5h15V15",
    folder: "M3.5 6h6l2 2.5h9V19h-17z",
    minus: "M5 12h14",
    whole: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
    none: "M6 12h12",
    bin: "M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7",
};

export function icon(name) {
    return svg("svg", { class: "glyph", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: icons[name] }));
}

/* A button; key names its text, and look is "", "main", "quiet" or "icon", which shows the icon alone. */
export function button(key, { look = "", glyph = null, values = {}, label = null, ...attributes } = {}) {
    const text = label ?? t(key, values);
    return el("button", { type: "button", class: look, "aria-label": look.includes("icon") ? text : null,
                          title: look.includes("icon") ? text : null, ...attributes },
              glyph ? icon(glyph) : null, look.includes("icon") ? null : el("span", {}, text));
}

export function replace(element, ...children) {
    element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

/* Texts of the document that index.html names by data-t. */
export function fillTexts(root) {
    for (const element of root.querySelectorAll("[data-t]"))
        element.textContent = t(element.dataset.t);
    for (const element of root.querySelectorAll("[data-t-aria-label]"))
        element.setAttribute("aria-label", t(element.getAttribute("data-t-aria-label")));
}

/* What a screen reader says without a move of the focus. */
export function say(text) {
    byId("status").textContent = text;
}

/* A line at the edge of the page.  kind: "note" leaves by itself, "error" stays.  action: { label, run }. */
export function notice(text, { kind = "note", action = null } = {}) {
    const close = () => line.remove();
    const line = el("div", { class: `notice ${kind}` }, el("p", {}, text),
                    action ? el("button", { type: "button", class: "link", onclick: () => { close(); action.run(); } }, action.label) : null,
                    button("close", { look: "icon quiet", glyph: "remove", onclick: close }));
    byId("notices").append(line);
    while (byId("notices").children.length > 4)
        byId("notices").firstChild.remove();
    if (kind === "error")
        byId("alert").textContent = text;
    else
        say(text);
    if (kind !== "error")
        setTimeout(close, action ? 20000 : 8000);
}

export function failed(error) {
    if (error.name !== "AbortError")
        notice(error.message, { kind: "error" });
}

/* Asks before what changes much; danger: it cannot be taken back. true: go on. */
export function confirmed(title, text, label, { danger = true } = {}) {
    const dialog = byId("confirm");
    return new Promise((resolve) => {
        const end = (value) => () => { resolve(value); dialog.close(); };
        replace(dialog, el("h2", { id: "confirm-title" }, title), el("p", {}, text),
                el("div", { class: "row end" }, button("cancel", { onclick: end(false) }),
                   button("", { label, look: danger ? "main danger" : "main", onclick: end(true) })));
        dialog.addEventListener("close", () => resolve(false), { once: true });
        dialog.showModal();
    });
}
