/* SPDX-License-Identifier: Apache-2.0 */
/* api.js - requests to the service: only what /openapi.json describes. */
import { byId, el, replace } from "./dom.js";
import { t } from "./text.js";

const KEY = "dinopatch.token";
let token = sessionStorage.getItem(KEY);
let asking = null; /* the promise of the dialog that is open */

/* What went wrong, in the sentence of the problem document. */
export class Problem extends Error {
    constructor(status, detail, document) {
        super(detail);
        this.status = status;
        this.document = document;
    }
}

function askToken(wrong) {
    const dialog = byId("token");
    asking ??= new Promise((resolve) => {
        const input = el("input", { id: "token-input", type: "password", required: true, autocomplete: "off", spellcheck: "false",
                                    "aria-describedby": "token-help" });
        const form = el("form", { method: "dialog", class: "stack", onsubmit: (event) => {
            event.preventDefault();
            token = input.value.trim();
            sessionStorage.setItem(KEY, token);
            asking = null;
            dialog.close();
            resolve();
        } }, el("h2", { id: "token-title" }, t("token_title")), el("p", { id: "token-help" }, wrong ? t("token_wrong") : t("token_help")),
             el("label", { for: "token-input" }, t("token_label")), input,
             el("div", { class: "row end" }, el("button", { type: "submit", class: "main" }, t("token_use"))));
        replace(dialog, form);
        dialog.oncancel = (event) => event.preventDefault(); /* there is nothing behind it */
        dialog.showModal();
        input.focus();
    });
    return asking;
}

async function problemOf(response) {
    let document = null;
    try {
        document = await response.json();
    } catch {
        /* no problem document: a proxy's page */
    }
    return new Problem(response.status, document?.detail ?? t("http_error", { status: response.status }), document);
}

/* The answer to a request; a Problem is thrown. */
export async function ask(path, { method = "GET", headers = {}, body = null, signal = null } = {}) {
    for (;;) {
        const used = token;
        let response;
        try {
            response = await fetch(path, { method, body, signal, cache: "default", credentials: "omit",
                                           headers: used ? { ...headers, Authorization: `Bearer ${used}` } : headers });
        } catch (error) {
            throw error.name === "AbortError" ? error : new Error(t("unreachable"));
        }
        if (response.ok)
            return response;
        if (response.status === 401) {
            if (used === token) {
                token = null;
                await askToken(used !== null);
            }
        } else if (response.status === 429) {
            await new Promise((resolve) => setTimeout(resolve, 1000 * (Number(response.headers.get("Retry-After")) || 1)));
        } else {
            throw await problemOf(response);
        }
    }
}

export const askJson = async (path, options) => (await ask(path, options)).json();
export const askBlob = async (path, options) => (await ask(path, options)).blob();
export const send = (path, method, value) =>
    askJson(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });

export const bankPath = (name, rest = "") => `/v1/banks/${encodeURIComponent(name)}${rest}`;

/* ----- jobs */

/* Calls onJob with each state of a job, from its server-sent events, and returns the last.  fetch rather than EventSource, which cannot
 * carry a token. */
export async function follow(id, onJob) {
    for (;;) {
        const response = await ask(`/v1/jobs/${id}/events`, { headers: { Accept: "text/event-stream" } });
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = "";
        try {
            for (;;) {
                const { done, value } = await reader.read();
                if (done)
                    break;
                text += value;
                const events = text.split("\n\n");
                text = events.pop();
                for (const event of events) {
                    const data = /^data: (.*)$/m.exec(event);
                    if (!data)
                        continue;
                    const job = JSON.parse(data[1]);
                    onJob(job);
                    if (/^event: end$/m.test(event))
                        return job;
                }
            }
        } catch {
            /* the connection was lost: asked again */
        }
        await new Promise((resolve) => setTimeout(resolve, 1000));
    }
}

/* Waits for a job that was taken; one that failed is thrown. */
export async function finish(job, onJob = () => {}) {
    const last = await follow(job.id, onJob);
    if (last.state === "failed")
        throw Object.assign(new Error(last.error), { report: last.report });
    return last;
}

/* ----- pictures that the service has, as object URLs */

const urls = new Map();

/* The URL of a picture; the same path gives the same URL. */
export function pictureUrl(path) {
    if (!urls.has(path)) {
        if (urls.size > 600) {
            const [oldest, url] = urls.entries().next().value;
            urls.delete(oldest);
            url.then((text) => URL.revokeObjectURL(text), () => {});
        }
        urls.set(path, askBlob(path).then((blob) => URL.createObjectURL(blob)));
        urls.get(path).catch(() => urls.delete(path));
    }
    return urls.get(path);
}

let running = 0;
const waiting = [];

async function drain() {
    while (running < 4 && waiting.length) {
        const { img, path } = waiting.shift();
        if (!img.isConnected)
            continue;
        running++;
        pictureUrl(path).then((url) => { img.src = url; }, () => img.classList.add("missing")).finally(() => {
            running--;
            drain();
        });
    }
}

const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
        if (!entry.isIntersecting)
            continue;
        seen.unobserve(entry.target);
        waiting.push({ img: entry.target, path: entry.target.dataset.path });
    }
    drain();
}, { rootMargin: "200px" });

/* An image that is fetched once it comes into view. */
export function servedImage(path, alt) {
    const img = el("img", { alt, "data-path": path });
    seen.observe(img);
    return img;
}

