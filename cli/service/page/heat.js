/* SPDX-License-Identifier: Apache-2.0 */
/* heat.js - the map of a result: 32-bit floats in a plain TIFF, and how they look. */
const MOST_SIDE = 1536;
/* Of the cell threshold: below the first nothing is drawn, at the second the ramp ends. */
const QUIET = 0.5, LOUD = 1.5;
const ramp = [[86, 40, 140], [190, 48, 96], [242, 120, 48], [255, 226, 110]];

/* { width, height, data } of a TIFF as `?map=tiff` gives it. */
export function readMap(buffer) {
    const view = new DataView(buffer), little = view.getUint16(0) === 0x4949, tags = new Map();
    const first = view.getUint32(4, little);
    for (let i = 0; i < view.getUint16(first, little); i++) {
        const at = first + 2 + 12 * i, type = view.getUint16(at + 2, little), count = view.getUint32(at + 4, little);
        const bytes = { 3: 2, 4: 4 }[type] ?? 0, from = count * bytes > 4 ? view.getUint32(at + 8, little) : at + 8;
        tags.set(view.getUint16(at, little), Array.from({ length: bytes ? count : 0 }, (_, k) =>
            (bytes === 2 ? view.getUint16(from + 2 * k, little) : view.getUint32(from + 4 * k, little))));
    }
    const value = (tag) => tags.get(tag)?.[0], width = value(256), height = value(257);
    if (value(258) !== 32 || value(259) !== 1 || value(339) !== 3)
        throw new Error("the map is no plain 32-bit TIFF");
    const data = new Float32Array(width * height), offsets = tags.get(273), counts = tags.get(279);
    let n = 0;
    offsets.forEach((offset, strip) => {
        for (let k = 0; k < counts[strip] / 4 && n < data.length; k++)
            data[n++] = view.getFloat32(offset + 4 * k, little);
    });
    return { width, height, data };
}

function colour(value) {
    const at = Math.min(1, Math.max(0, (value - QUIET) / (LOUD - QUIET))), place = at * (ramp.length - 1);
    const low = Math.min(ramp.length - 2, Math.floor(place)), part = place - low;
    return [...ramp[low].map((channel, i) => channel + part * (ramp[low + 1][i] - channel)), 225 * Math.min(1, 2.5 * at)];
}

/* Draws a map; each point of a smaller canvas is the highest value below it.  unit: the cell threshold. */
export function drawMap(canvas, map, unit) {
    const step = Math.max(1, Math.ceil(Math.max(map.width, map.height) / MOST_SIDE));
    canvas.width = Math.ceil(map.width / step);
    canvas.height = Math.ceil(map.height / step);
    const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
    const table = Array.from({ length: 256 }, (_, i) => colour((i / 255) * LOUD));
    for (let y = 0; y < canvas.height; y++) {
        for (let x = 0; x < canvas.width; x++) {
            let most = 0;
            for (let v = y * step; v < Math.min(map.height, (y + 1) * step); v++)
                for (let u = x * step; u < Math.min(map.width, (x + 1) * step); u++)
                    if (map.data[v * map.width + u] > most)
                        most = map.data[v * map.width + u];
            image.data.set(table[Math.min(255, Math.round((most / unit / LOUD) * 255))], 4 * (y * canvas.width + x));
        }
    }
    context.putImageData(image, 0, 0);
}
