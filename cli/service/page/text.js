/* SPDX-License-Identifier: Apache-2.0 */
/* text.js - sentences with their values, numbers and times as people write them. */
import { language, strings } from "./strings.js";

const plurals = new Intl.PluralRules(language);

/* The sentence of a key.  {name} becomes values.name; a sentence with forms (one, other) is chosen by values.n. */
export function t(key, values = {}) {
    let sentence = strings[key];
    if (sentence === undefined)
        throw new Error(`strings.js has no "${key}"`);
    if (typeof sentence !== "string")
        sentence = sentence[plurals.select(values.n)] ?? sentence.other;
    return sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? shown(values[name]) : whole));
}

function shown(value) {
    return typeof value === "number" ? value.toLocaleString(language, { maximumFractionDigits: 3 }) : String(value);
}

/* A score with three decimals. */
export function score(value) {
    if (value === null || value === undefined)
        return t("no_value");
    return value.toLocaleString(language, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
}

/* A rate of 0 to 1 in per cent, with two figures that count. */
export function percent(rate) {
    return rate.toLocaleString(language, { style: "percent", maximumSignificantDigits: 2 });
}

export function clock(iso) {
    return new Date(iso).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

export function size(bytes) {
    return bytes < 1e6 ? t("kilobytes", { n: Math.max(1, Math.round(bytes / 1e3)) })
                       : t("megabytes", { n: bytes < 1e7 ? Math.round(bytes / 1e5) / 10 : Math.round(bytes / 1e6) });
}
