/* style.c - the page's style sheet, and that of charts as files. */
#include "report.h"

const char report_style[] =
    ":root{color-scheme:light dark;--paper:#fbfbfa;--ink:#1c2126;--soft:#59636e;--line:#d5d9dd;--panel:#fff;--good:#1f6fb5;"
    "--bad:#c2410c;--mark:#6d28d9}"
    "@media(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e6e9ec;--soft:#a3adb8;--line:#343b43;--panel:#1b1f24;"
    "--good:#6cb0f0;--bad:#f2935c;--mark:#b79cf7}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:1080px;margin:0 auto;padding:24px 16px 64px}"
    "h1{font-size:1.6rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}"
    "h2{font-size:1.2rem;margin:40px 0 12px;padding-top:12px;border-top:1px solid var(--line);overflow-wrap:anywhere}"
    "h3{font-size:1rem;margin:24px 0 8px}"
    "p{margin:0 0 12px;overflow-wrap:anywhere}.soft,figcaption,small{color:var(--soft)}"
    ".scroll{overflow-x:auto;margin-bottom:12px}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem}"
    "th,td{padding:5px 12px 5px 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}"
    "th{color:var(--soft);font-weight:500}th:first-child,td:first-child{text-align:left}"
    "td.words{text-align:left;white-space:normal;min-width:20em}"
    "table.facts td{text-align:left;white-space:normal;overflow-wrap:anywhere}table.facts th{text-align:left;vertical-align:top}"
    ".charts{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(min(280px,100%),1fr))}"
    "figure{margin:0;background:var(--panel);border:1px solid var(--line);border-radius:4px;padding:8px}"
    "figcaption{font-size:.85rem;padding-top:6px;overflow-wrap:anywhere}"
    "svg{display:block;width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}"
    ".grid,.axis{stroke:var(--line);fill:none}.chance{stroke:var(--soft);stroke-dasharray:3 4;fill:none}"
    ".curve{stroke:var(--good);stroke-width:2;fill:none}rect.good{fill:var(--good)}rect.bad{fill:var(--bad)}"
    ".threshold{stroke:var(--ink);stroke-width:1.5}.best{stroke:var(--mark);stroke-width:1.5;stroke-dasharray:5 4}"
    ".key{display:inline-block;width:.8em;height:.8em;margin:0 .35em 0 .8em;vertical-align:-.05em}"
    ".key.g{background:var(--good);margin-left:0}.key.b{background:var(--bad)}"
    ".gallery{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(min(240px,100%),1fr))}"
    ".gallery img{display:block;width:100%;height:auto;border-radius:2px}"
    ".wrong{border-color:var(--bad)}.wrong figcaption b{color:var(--bad)}"
    ".gallery+p,table.facts+p{margin-top:16px}"
    ".gallery.wide{grid-template-columns:repeat(auto-fill,minmax(min(420px,100%),1fr))}";

const char chart_file_style[] =
    "text{font:11px sans-serif;fill:#59636e}.grid,.axis{stroke:#d5d9dd;fill:none}.chance{stroke:#59636e;stroke-dasharray:3 4;fill:none}"
    ".curve{stroke:#1f6fb5;stroke-width:2;fill:none}.good{fill:#1f6fb5}.bad{fill:#c2410c}.threshold{stroke:#1c2126;stroke-width:1.5}"
    ".best{stroke:#6d28d9;stroke-width:1.5;stroke-dasharray:5 4}";
