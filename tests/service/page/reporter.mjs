/* SPDX-License-Identifier: Apache-2.0 */
/* reporter.mjs - a line of each test as scripts/count-tests.awk counts it. */
const spoken = { "test:pass": "[       OK ]", "test:fail": "[  FAILED  ]" };

export default async function* lines(events) {
    for await (const { type, data } of events) {
        if (!spoken[type] || data.nesting)
            continue;
        const name = data.name.replaceAll(" ", "-");
        yield `[ RUN      ] ${name}\n`;
        if (type === "test:fail")
            yield `${data.details.error.cause?.stack ?? data.details.error.message}\n`;
        yield `${spoken[type]} ${name}\n`;
    }
}
