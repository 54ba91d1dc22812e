/* SPDX-License-Identifier: Apache-2.0 */
/* app.js - the page: its parts, and who tells whom. */
import { askJson } from "./api.js";
import { button, byId, el, failed, fillTexts, icon, replace } from "./dom.js";
import { ignoreStrayDrops } from "./files.js";
import { Good } from "./good.js";
import { Inspect } from "./inspect.js";
import { Products } from "./products.js";
import { Results } from "./results.js";
import { language } from "./strings.js";
import { t } from "./text.js";
import { Threshold } from "./threshold.js";

const THEME = "dinopatch.theme";

function themeSwitch() {
    const system = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement;
    let chosen = localStorage.getItem(THEME);
    const draw = () => {
        const dark = chosen ? chosen === "dark" : system.matches, label = t(dark ? "theme_light" : "theme_dark");
        root.dataset.theme = dark ? "dark" : "light";
        replace(byId("theme"), icon(dark ? "sun" : "moon"));
        byId("theme").setAttribute("aria-label", label);
        byId("theme").title = label;
    };
    byId("theme").addEventListener("click", () => {
        chosen = root.dataset.theme === "dark" ? "light" : "dark";
        localStorage.setItem(THEME, chosen);
        draw();
    });
    system.addEventListener("change", draw);
    draw();
}

function showBroken(bank) {
    const text = el("div", { class: "fault" }, el("p", {}, t("broken_text")), el("p", {}, bank.error));
    for (const id of ["threshold", "inspect", "results"])
        byId(id).hidden = true;
    replace(byId("good"), el("h2", { id: "good-title" }, bank.name), text);
}

function start() {
    const showing = (bank) => Promise.all([good.show(bank), threshold.show(bank)]);
    const reload = async (name) => {
        await products.load();
        const bank = products.bank(name);
        if (bank && products.chosen === name && bank.state === "ready") {
            inspect.show(bank);
            await showing(bank);
        }
    };
    const judged = (now, from) => {
        if (from !== inspect)
            inspect.renew(now);
        if (from !== results)
            results.renew(now);
        threshold.renewVerdicts().catch(failed);
    };
    const good = new Good({ changed: reload, removed: async () => { await products.load(); products.select(products.banks[0]?.name ?? null); } });
    const threshold = new Threshold({ changed: reload });
    const inspect = new Inspect({ good, judged: (now) => judged(now, inspect), inspected: () => results.load(), changed: reload });
    const results = new Results({ open: (result) => inspect.open(result), judged: (now) => judged(now, results), add: (id) => good.addResult(id), added: (id) => good.added.has(id) });
    const products = new Products((bank) => {
        if (!bank)
            return;
        for (const id of ["threshold", "inspect", "results"])
            byId(id).hidden = false;
        if (bank.state === "broken") {
            showBroken(bank);
            return;
        }
        inspect.show(bank);
        results.show(bank);
        showing(bank).catch(failed);
    });
    return products;
}

async function boot() {
    document.documentElement.lang = language;
    fillTexts(document);
    themeSwitch();
    ignoreStrayDrops();
    try {
        const server = await askJson("/v1/server");
        byId("server").textContent = t("server", { version: server.version, n: server.workers });
        const products = start(), asked = location.hash.slice(1);
        await products.load();
        products.select(products.bank(asked) || products.making.has(asked) ? asked : products.banks[0]?.name ?? null);
    } catch (error) {
        replace(byId("create"), el("h1", { id: "create-title" }, t("no_service")), el("p", { class: "fault" }, error.message),
                el("div", { class: "row" }, button("again", { look: "main", onclick: () => location.reload() })));
        byId("create").hidden = false;
    }
    document.documentElement.dataset.ready = "yes";
}

boot();
