/* SPDX-License-Identifier: Apache-2.0 */
/* files.js - pictures from the user: chosen, dropped, a folder, the camera. */
import { button, byId, el, icon, notice, replace } from "./dom.js";
import { t } from "./text.js";

const picture = /\.(png|jpe?g|tiff?|bmp|webp|ppm|pgm|pnm|gif|jp2|heic|avif)$/i;

function pictures(files) {
    const kept = files.filter((file) => !file.name.startsWith(".") && (file.type.startsWith("image/") || picture.test(file.name)));
    if (files.length > kept.length)
        notice(t("not_pictures", { n: files.length - kept.length }));
    return kept.sort((a, b) => (a.webkitRelativePath || a.name).localeCompare(b.webkitRelativePath || b.name, undefined, { numeric: true }));
}

const filesOfFolder = (entry) => new Promise((resolve) => {
    const reader = entry.createReader(), found = [];
    const more = () => reader.readEntries((entries) => {
        if (!entries.length)
            resolve(Promise.all(found).then((lists) => lists.flat()));
        found.push(...entries.map(filesOf));
        if (entries.length)
            more();
    }, () => resolve([]));
    more();
});

const filesOf = (entry) => (entry.isDirectory ? filesOfFolder(entry)
                                              : new Promise((resolve) => entry.file((file) => resolve([file]), () => resolve([]))));

async function dropped(transfer) {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    return entries.length ? (await Promise.all(entries.map(filesOf))).flat() : [...transfer.files];
}

function chooser(attributes, onFiles) {
    const input = el("input", { type: "file", hidden: true, multiple: true, ...attributes, onchange: () => {
        const files = pictures([...input.files]);
        input.value = "";
        if (files.length)
            onFiles(files);
    } });
    return input;
}

/* A place to drop pictures, with buttons for those who do not drag.  text: the key of its invitation. */
export function dropZone(text, onFiles, { glyph = "upload", camera = true } = {}) {
    const choose = chooser({ accept: "image/*,.tif,.tiff,.pgm,.ppm" }, onFiles), folder = chooser({ webkitdirectory: true }, onFiles);
    const zone = el("div", { class: "drop", role: "group", "aria-label": t(text) }, icon(glyph), el("p", {}, t(text)), choose, folder,
                    el("div", { class: "row centre" },
                       button("choose_pictures", { onclick: () => choose.click() }),
                       button("choose_folder", { glyph: "folder", onclick: () => folder.click() }),
                       camera ? button("camera", { glyph: "camera", onclick: () => openCamera(onFiles) }) : null));
    takeDrops(zone, onFiles);
    return zone;
}

export function takeDrops(zone, onFiles) {
    let depth = 0;
    const over = (by) => {
        depth += by;
        zone.classList.toggle("over", depth > 0);
    };
    zone.addEventListener("dragenter", (event) => { event.preventDefault(); over(1); });
    zone.addEventListener("dragleave", () => over(-1));
    zone.addEventListener("dragover", (event) => event.preventDefault());
    zone.addEventListener("drop", async (event) => {
        event.preventDefault();
        depth = 0;
        over(0);
        const files = pictures(await dropped(event.dataTransfer));
        if (files.length)
            onFiles(files);
    });
}

/* A picture dropped beside the zones must not replace the page. */
export function ignoreStrayDrops() {
    for (const kind of ["dragover", "drop"])
        addEventListener(kind, (event) => event.preventDefault());
}

let shots = 0;

function shoot(video) {
    const canvas = el("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    return new Promise((resolve) => canvas.toBlob((blob) => {
        const stamp = new Date().toISOString().replace(/[:.]/g, "-").slice(0, 19);
        resolve(new File([blob], `camera-${stamp}-${++shots}.png`, { type: "image/png" }));
    }, "image/png"));
}

/* The camera, live; each press of the button gives a picture. */
export async function openCamera(onFiles) {
    const dialog = byId("camera");
    let stream;
    if (!navigator.mediaDevices) {
        notice(t("camera_needs_https"), { kind: "error" });
        return;
    }
    try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 }, height: { ideal: 1080 }, facingMode: "environment" } });
    } catch (error) {
        notice(t("camera_refused", { reason: error.message }), { kind: "error" });
        return;
    }
    const video = el("video", { playsinline: true, "aria-label": t("camera_view") });
    const count = el("span", { class: "quiet num", role: "status" });
    let n = 0;
    video.muted = true;
    video.srcObject = stream;
    dialog.addEventListener("close", () => stream.getTracks().forEach((track) => track.stop()), { once: true });
    const take = button("camera_take", { look: "main", glyph: "camera", onclick: async () => {
        if (!video.videoWidth)
            return;
        onFiles([await shoot(video)]);
        count.textContent = t("camera_count", { n: ++n });
    } });
    replace(dialog, el("h2", { id: "camera-title" }, t("camera_title")), video,
            el("div", { class: "row end" }, count, button("done", { onclick: () => dialog.close() }), take));
    dialog.showModal();
    await video.play();
    take.focus();
}
