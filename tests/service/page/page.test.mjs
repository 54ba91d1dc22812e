/* SPDX-License-Identifier: Apache-2.0 */
/* page.test.mjs - the page in a real Chromium: the whole story of a product, and what must hold in each of its states.
 *
 *     DINOPATCH=program RENDER=demo renderer OUT=folder node --test page.test.mjs */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { after, afterEach, before, test } from "node:test";

const require = createRequire(path.join(process.env.MODULES ?? process.cwd(), "x.js"));
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const { DINOPATCH, RENDER, OUT, CHROMIUM = "/usr/bin/chromium" } = process.env;
const HOSTILE = "\"><img src=x onerror=\"window.hacked=1\"><b>.png";
const PATIENCE = 180000; /* ms: of a machine that has other work */
const TOKEN = "0123456789abcdef0123456789abcdef";

let browser, data, good, odd;
const servers = [];

const pictures = (folder) => fs.readdirSync(folder).sort().map((name) => path.join(folder, name));

/* A service of its own folder; its URL. */
async function serve(name, ...options) {
    const child = spawn(DINOPATCH, ["serve", "--data", path.join(OUT, name), "--listen", "127.0.0.1:0", ...options], { stdio: ["ignore", "pipe", "inherit"] });
    servers.push(child);
    const [line] = await new Promise((resolve) => child.stdout.once("data", (bytes) => resolve(String(bytes).split("\n"))));
    return line;
}

/* A page that fails the test by an error of its scripts, a refused load, or a request to elsewhere. */
async function open(url, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "light", permissions: ["camera"], ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.faults = [];
    page.on("pageerror", (error) => page.faults.push(String(error)));
    page.on("console", (message) => message.type() === "error" && !/status of 4\d\d/.test(message.text()) && page.faults.push(message.text()));
    page.on("request", (request) => !request.url().startsWith(url) && !request.url().startsWith("blob:") && page.faults.push(`asks ${request.url()}`));
    await page.goto(url);
    await page.waitForSelector("html[data-ready]");
    return page;
}

const shot = async (page, name) => {
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: path.join(OUT, `${name}.png`), fullPage: true });
};

/* axe finds nothing that WCAG 2.2 A or AA asks for, in both themes. */
async function accessible(page, state) {
    for (let i = 0; i < 2; i++) {
        await page.evaluate(axe); /* not as a script of the page, which its policy refuses */
        const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
        const serious = violations.filter((one) => one.tags.some((tag) => tag.startsWith("wcag")) || ["serious", "critical"].includes(one.impact));
        assert.deepEqual(serious.map((one) => `${state}: ${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(" ")}`), []);
        await page.evaluate(() => document.getElementById("theme").click()); /* below an open dialog too */
    }
    const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(width <= 0, `${state}: the page is ${width} px too wide`);
}

before(async () => {
    fs.mkdirSync(OUT, { recursive: true });
    data = path.join(OUT, "pictures");
    execFileSync(RENDER, [data, "--set", "screw", "--size", "256", "--train", "16", "--good", "3", "--bad", "6"]);
    good = pictures(path.join(data, "screw/train/good"));
    odd = fs.readdirSync(path.join(data, "screw/test")).filter((kind) => kind !== "good").flatMap((kind) => pictures(path.join(data, "screw/test", kind)));
    browser = await chromium.launch({ executablePath: CHROMIUM, timeout: PATIENCE, args: ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"] });
});

async function stop() {
    for (const child of servers.splice(0)) {
        const ended = child.exitCode !== null || new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGTERM");
        await ended;
    }
}

afterEach(stop);

after(() => browser?.close());

const chooseIn = async (page, scope, files) => page.locator(`${scope} input[type=file]:not([webkitdirectory])`).setInputFiles(files);

/* Makes a product through the form. */
async function learn(page, name, files) {
    await page.fill("#name", name);
    await chooseIn(page, "#create", files);
    await page.click("#create button.main");
}

test("the whole story", async () => {
    const url = await serve("story", "--keep", "all"), page = await open(url);
    assert.match(await page.textContent("h1"), /first product/);
    await accessible(page, "nothing yet");
    await shot(page, "empty");

    /* a product: refused names say why, then it is learned */
    const hostile = path.join(OUT, "hostile");
    fs.mkdirSync(hostile, { recursive: true });
    const named = path.join(hostile, HOSTILE);
    fs.copyFileSync(good[3], named);
    const wrong = path.join(hostile, "not-so-good.png");
    fs.copyFileSync(odd[0], wrong);
    await page.click("#create summary:has-text('Advanced')");
    await page.waitForSelector(".options select");
    assert.equal(await page.locator(".options > div").count(), 12);
    await accessible(page, "options");
    await shot(page, "options");
    await page.click("#create summary:has-text('Advanced')");
    await page.fill("#name", "<img src=x onerror=window.hacked=1>");
    await chooseIn(page, "#create", [...good.slice(0, 3), named, ...good.slice(4), wrong]);
    assert.equal(await page.locator(".tray li").count(), 17);
    await page.click("#create button.main");
    await page.waitForSelector(".create .fault p");
    assert.match(await page.textContent(".create .fault"), /a bank's name has letters, digits/);
    await accessible(page, "refused");
    await page.fill("#name", "screw");
    assert.equal(await page.locator(".create .fault p").count(), 0); /* it spoke of the other name */
    await shot(page, "form");
    await page.click("#create button.main");
    await page.waitForSelector(".job progress");
    await accessible(page, "learning");
    await shot(page, "learning");
    await page.waitForSelector("#product:not([hidden]) .gallery li");

    /* the least good of the good pictures is the defective one; it goes, comes back, and goes again */
    const first = page.locator(".gallery li").first();
    assert.equal(await first.locator(".name").textContent(), path.basename(wrong));
    assert.match(await first.textContent(), /really good/);
    await page.waitForFunction(() => [...document.querySelectorAll(".gallery img")].every((img) => img.complete && img.naturalWidth));
    await page.waitForSelector("#threshold .figures b");
    await accessible(page, "learned");
    await shot(page, "learned");
    const pictureCount = (n) => page.waitForFunction((text) => document.querySelector("#good header .quiet")?.textContent === text, `${n} pictures`);
    await first.locator("button").click();
    await pictureCount(16);
    await page.click(".notice:has-text('was removed') button.link");
    await pictureCount(17);
    await page.locator(".gallery li").first().locator("button").click();
    await pictureCount(16);
    await page.click("#good .link:has-text('Show all')");
    assert.equal(await page.locator(".gallery li").count(), 16);
    assert.ok((await page.locator(".gallery .name").allTextContents()).some((name) => name.includes("<img src=x onerror=")));

    /* the threshold: what it promises is what the service says it promises */
    const served = await (await fetch(`${url}/v1/banks/screw/thresholds`)).json();
    const rate = served.rates[0];
    await page.click(`#threshold [data-rate="${rate.fpr}"]`);
    const interval = await page.textContent("#threshold .figures div:nth-child(2)");
    const percent = (value) => value.toLocaleString("en", { style: "percent", maximumSignificantDigits: 2 });
    assert.ok(interval.includes(percent(rate.low)) && interval.includes(percent(rate.high)), interval);
    await page.focus("#slider");
    for (let i = 0; i < 30; i++)
        await page.keyboard.press("ArrowLeft");
    const wanted = Number(await page.inputValue("#slider"));
    const counted = served.scores.filter((score) => score > wanted).length;
    assert.match(await page.getAttribute("#slider", "aria-valuetext"), new RegExp(`${counted} of 16`));
    await page.click("#threshold button.main");
    await page.waitForFunction(() => /in use$/.test(document.querySelector("#threshold .figures div").textContent));
    const now = await (await fetch(`${url}/v1/banks/screw/thresholds`)).json();
    assert.ok(Math.abs(now.threshold - wanted) < 1e-6 && now.good_above === counted, `${now.threshold} ${wanted}`);
    await page.click("#threshold [data-rate='0.1']");
    await page.click("#threshold button.main");
    await page.waitForFunction(() => /in use$/.test(document.querySelector("#threshold .figures div").textContent));
    assert.equal((await (await fetch(`${url}/v1/banks/screw/thresholds`)).json()).fpr, 0.1);

    /* new pictures: judged, shown with map, boxes and the nearest good place */
    const odds = path.join(hostile, `odd ${HOSTILE}`);
    fs.copyFileSync(odd[1], odds);
    const fresh = [odds, ...odd.slice(2, 5), ...pictures(path.join(data, "screw/test/good"))];
    await chooseIn(page, "#inspect", fresh);
    await page.waitForFunction((n) => document.querySelectorAll(".thumb.done").length === n, fresh.length);
    const stored = (await (await fetch(`${url}/v1/results?since=today`)).json()).results;
    assert.equal(stored.length, fresh.length);
    const namedAlone = (row) => stored.filter((other) => other.source.includes(row.source)).length === 1; /* good and odd share names */
    const worst = stored.filter((row) => row.defects.length && namedAlone(row)).sort((a, b) => b.score - a.score)[0];
    await page.click(`.thumb:has-text(${JSON.stringify(worst.source)})`);
    await page.waitForSelector("canvas.heat:not([hidden])");
    await page.waitForSelector(".boxes.good circle");
    assert.equal(await page.locator(".panes figure:first-child .box:not(.mark)").count(), worst.defects.length);
    await page.click(".defect >> nth=0");
    const zoomed = await page.evaluate(() => document.querySelector(".layer").style.transform);
    await page.focus(".stage >> nth=0");
    await page.keyboard.press("0");
    assert.notEqual(await page.evaluate(() => document.querySelector(".layer").style.transform), zoomed);
    await page.click(".defect >> nth=0");
    await page.evaluate(() => document.activeElement.blur());
    await accessible(page, "inspected");
    await shot(page, "desktop-light");
    await page.emulateMedia({ colorScheme: "dark" });
    await page.evaluate(() => localStorage.removeItem("dinopatch.theme"));

    /* verdicts, filters, and a false alarm that teaches */
    const row = page.locator(`tr[data-result="${worst.id}"]`);
    await row.locator(".verdict.good").click();
    await page.waitForSelector(`tr[data-result="${worst.id}"] .verdict.good[aria-pressed=true]`);
    await page.waitForSelector("#threshold .mark.judged-good");
    assert.match(await page.textContent("#threshold .figures"), /1 of 1 good/);
    const another = stored.find((one) => one.label === "anomalous" && one.id !== worst.id) ?? stored.find((one) => one.id !== worst.id);
    await page.locator(`tr[data-result="${another.id}"] .verdict.defect`).click();
    await page.waitForSelector("#threshold .mark.judged-defect");
    await page.click("#results .count.anomalous");
    const anomalous = stored.filter((one) => one.label === "anomalous").length;
    await page.waitForFunction((n) => document.querySelectorAll("tbody tr").length === n, anomalous);
    assert.equal(await page.textContent(".count.anomalous b"), String(anomalous));
    await page.selectOption("#verdict", "defect");
    await page.waitForFunction((n) => document.querySelectorAll("tbody tr").length === n, another.label === "anomalous" ? 1 : 0);
    await page.selectOption("#verdict", "");
    await page.click("#results .count >> nth=0");
    await page.waitForFunction((n) => document.querySelectorAll("tbody tr").length === n, fresh.length);
    await accessible(page, "judged");
    await page.locator(`tr[data-result="${worst.id}"] button:has-text("Add to bank")`).click();
    await pictureCount(17);
    const [saved] = await Promise.all([page.waitForEvent("download"), page.click("#results button:has-text('CSV')")]);
    assert.equal(fs.readFileSync(await saved.path(), "utf8").trim().split("\n").length, fresh.length + 1);

    /* a defect that a threshold missed: what excused it is taken away, and comes back */
    await fetch(`${url}/v1/banks/screw/threshold`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: '{"value": 1000}' });
    await page.reload();
    await page.waitForSelector("tbody tr");
    await chooseIn(page, "#inspect", [odd[5] ?? odd[2]]);
    await page.waitForSelector(".thumb.done.good");
    await page.click(".details .verdict.defect");
    await page.click(".missed button:has-text('Where it differs most')");
    await page.waitForSelector(".missed li .chip");
    await page.waitForSelector(".boxes.good circle");
    await accessible(page, "missed");
    await page.setViewportSize({ width: 390, height: 844 });
    await accessible(page, "missed, on a telephone");
    await page.setViewportSize({ width: 1440, height: 900 });
    await shot(page, "missed");
    await page.click(".missed button:has-text('Take these places away')");
    await page.waitForSelector("#confirm[open]");
    assert.match(await page.textContent("#confirm"), /would score .* of 17 good pictures would lie above the threshold/);
    await accessible(page, "what it costs");
    await shot(page, "cost");
    await page.click("#confirm button.main");
    await page.waitForSelector(".notice:has-text('answer no more')");
    await page.click("#good summary:has-text('What was changed')");
    await page.waitForSelector(".journal li");
    assert.match(await page.locator(".journal li").first().textContent(), /taken away/);
    await accessible(page, "journal");
    await shot(page, "journal");
    await page.locator(".journal button").first().click();
    await page.waitForFunction(async () => (await (await fetch("/v1/banks/screw/changes")).json()).changes[0].undone);

    /* after a reload a result of the store opens; the camera gives pictures */
    await page.reload();
    await page.waitForSelector("tbody tr");
    await page.locator(`tr[data-result="${worst.id}"] .what button`).click();
    await page.waitForSelector("canvas.heat:not([hidden])");
    await page.click("#inspect .drop button:has-text('Camera')");
    await page.waitForFunction(() => document.querySelector("#camera video")?.videoWidth > 0);
    await accessible(page, "camera");
    await page.click("#camera button.main");
    await page.waitForSelector("#camera [role=status]:not(:empty)");
    await page.click("#camera button:has-text('Done')");
    await page.waitForSelector(".thumb.done:has-text('camera-')");

    /* a file that is no picture is told by the service's own sentence */
    const broken = path.join(hostile, "broken.png");
    fs.writeFileSync(broken, "no picture");
    await chooseIn(page, "#inspect", [broken]);
    await page.waitForSelector(".thumb.failed");
    assert.match(await page.textContent(".details .fault"), /\S+ \S+ \S+/);
    await accessible(page, "broken picture");
    await shot(page, "broken");

    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.deepEqual(page.faults, []);
    await page.context().close();
});

test("an existing folder, on a telephone and in the dark", async () => {
    const url = await serve("story");
    for (const [name, options] of [["phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 }],
                                   ["desktop-dark", { colorScheme: "dark" }]]) {
        const page = await open(url, options);
        await page.waitForSelector(".gallery img");
        await chooseIn(page, "#inspect", [odd[2]]);
        await page.waitForSelector("canvas.heat:not([hidden])");
        assert.equal(await page.getAttribute("html", "data-theme"), options.colorScheme ?? "light");
        await page.waitForFunction(() => [...document.querySelectorAll(".gallery img")].every((img) => img.complete && img.naturalWidth) && document.querySelector(".boxes.good, .nothing"));
        await accessible(page, name);
        await shot(page, name);
        await page.context().close();
    }
});

test("by the keyboard alone", async () => {
    const url = await serve("keys"), page = await open(url);
    const focused = (text) => page.evaluate(() => document.activeElement.textContent.trim() || document.activeElement.id || document.activeElement.getAttribute("aria-label"));
    const tabTo = async (wanted) => {
        for (let i = 0; i < 120; i++) {
            await page.keyboard.press("Tab");
            if (wanted.test(await focused()))
                return;
        }
        assert.fail(`${wanted} is not reached by Tab`);
    };
    const pick = async (wanted, files) => { // a part of the page that is drawn anew meanwhile may take the focus with it
        for (let tries = 0; tries < 5; tries++) {
            await tabTo(wanted);
            const opened = page.waitForEvent("filechooser", { timeout: 10000 }).catch(() => null);
            await page.keyboard.press("Enter");
            const chooser = await opened;
            if (chooser)
                return chooser.setFiles(files);
        }
        assert.fail(`${wanted} opens no choice of files by the keyboard`);
    };
    await tabTo(/^name$/);
    await page.keyboard.type("keys");
    await pick(/^Choose pictures$/, good.slice(0, 10));
    await page.focus("#name");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#product:not([hidden]) .gallery li");
    await tabTo(/^slider$/);
    await page.keyboard.press("End");
    await tabTo(/^Use this threshold$/);
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /in use$/.test(document.querySelector("#threshold .figures div").textContent));
    await pick(/^Choose pictures$/, [odd[0]]);
    await page.waitForSelector("tbody tr");
    await tabTo(/^Defect$/);
    await page.keyboard.press("Enter");
    await page.waitForSelector(".verdict.defect[aria-pressed=true]");
    await tabTo(/^Delete this product$/);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#confirm[open]");
    await accessible(page, "question");
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("#confirm[open]").count(), 0);
    assert.deepEqual(page.faults, []);
    await page.context().close();
});

test("a token", async () => {
    const file = path.join(OUT, "token");
    fs.writeFileSync(file, `${TOKEN}\n`);
    const url = await serve("story", "--token-file", file);
    const context = await browser.newContext(), page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    await page.goto(url);
    await page.waitForSelector("#token[open]");
    await accessible(page, "token");
    await page.fill("#token-input", "wrong");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /does not take/.test(document.querySelector("#token-help")?.textContent));
    await page.fill("#token-input", TOKEN);
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => [...document.querySelectorAll(".gallery img")].some((img) => img.naturalWidth), null);
    await context.close();
});

test("a service that cannot be reached, and a page that nothing can enter", async () => {
    const url = await serve("gone"), page = await open(url);
    const answer = await fetch(url), policy = answer.headers.get("content-security-policy");
    assert.equal(answer.headers.get("content-type"), "text/html; charset=utf-8");
    assert.match(policy, /default-src 'self'/);
    assert.doesNotMatch(policy, /unsafe/);
    assert.equal((await fetch(`${url}/page/..%2fapp.js`)).status, 404);
    await stop();
    await page.fill("#name", "x");
    await chooseIn(page, "#create", [good[0]]);
    await page.click("#create button.main");
    await page.waitForSelector(".create .fault p");
    assert.match(await page.textContent(".create .fault"), /does not answer|ending/);
    await page.context().close();
});
