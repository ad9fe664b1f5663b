// Causes that slow views reported: the parts of their times, and the elements, resources and scripts.
import { fetchJson, withParams } from "./api.js";
import { numberCell, table } from "./components.js";
import { make } from "./dom.js";
import { count, metricValue, percent, plural } from "./format.js";

/**
 * @typedef {import("./documents.js").CauseCount} Cause
 * @typedef {import("./documents.js").SlowViewCauses} SlowViews
 */

/** @param {URLSearchParams} query the route and the metric @returns {Promise<SlowViews[]>} */
export async function fetchCauses(query) {
  // Causes are counted by route, device and day; other filters do not apply.
  const supported = ["site", "from", "to", "window", "route", "device", "metric"];
  const supportedQuery = new URLSearchParams([...query].filter(([name]) => supported.includes(name)));
  return (await fetchJson("/api/vitals/causes", withParams(supportedQuery, {}))).lines;
}

/** @param {string} metric @param {SlowViews[]} lines @param {boolean} isFiltered */
export function causesSection(metric, lines, isFiltered) {
  const n = lines.reduce((sum, line) => sum + line.n, 0);
  const title = make("h2", { id: "why" }, "Causes of slow views");
  if (n === 0) {
    return make("section", { "aria-labelledby": "why" }, title,
      make("p", { class: "quiet" }, "No slow view reported a cause. Pages that load ", make("code", null, "edge-vitals/start/attribution"), " report causes."),
    );
  }
  return make("section", { "aria-labelledby": "why", "data-why": metric }, title,
    make("p", { class: "quiet" }, `Based on ${plural(n, "slow view")} (whole days${isFiltered ? "; filters other than the device do not apply" : ""}).`),
    partsChart(metric, lines),
    make("div", { class: "breakdowns" },
      causeTable("Elements", "Element", lines.flatMap(({ elements }) => elements), n),
      causeTable(metric === "INP" ? "Scripts" : "Resources", metric === "INP" ? "Script" : "Resource", lines.flatMap(({ sources }) => sources), n),
    ),
  );
}

/** The mean duration of each part, in the order of time. @param {string} metric @param {SlowViews[]} lines */
function partsChart(metric, lines) {
  const timed = lines.filter((line) => line.parts.some(({ ms }) => ms > 0));
  const n = timed.reduce((sum, line) => sum + line.n, 0);
  if (n === 0) return null;
  const means = timed[0].parts.map(({ part }, index) => ({ part, ms: timed.reduce((sum, line) => sum + line.parts[index].ms * line.n, 0) / n }));
  const total = means.reduce((sum, { ms }) => sum + ms, 0);
  const most = Math.max(...means.map(({ ms }) => ms));
  const bar = make("div", { class: "parts", "aria-hidden": "true" });
  means.forEach(({ ms }, index) => {
    const piece = make("i", { class: `part-${index}` });
    piece.style.flexGrow = String(ms / total);
    bar.append(piece);
  });
  return make("div", { class: "panel" },
    bar,
    make("dl", { class: "facts", "aria-label": `Parts of ${metric}` },
      means.map(({ part, ms }, index) =>
        make("div", { "data-part": part, class: ms === most ? "most" : null },
          make("dt", { class: `part part-${index}` }, PART_LABELS[part] ?? part),
          make("dd", null, make("b", null, metricValue(ms, "ms")), make("small", null, `${percent(ms / total)}${ms === most ? ", the largest" : ""}`)),
        ),
      ),
    ),
  );
}

/** @param {string} title @param {string} noun @param {Cause[]} named @param {number} n */
function causeTable(title, noun, named, n) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const { name, n } of named) sums.set(name, (sums.get(name) ?? 0) + n);
  const sorted = [...sums].sort(([, one], [, other]) => other - one);
  if (sorted.length === 0) return make("div", { class: "breakdown" }, make("h3", null, title), make("p", { class: "quiet" }, "None reported."));
  const rows = sorted.slice(0, 8).map(([name, named]) =>
    make("tr", { "data-cause": name },
      make("th", { scope: "row", class: "cause" }, name === "(other)" ? make("span", { class: "quiet" }, "others") : make("code", null, name)),
      numberCell(count(named)),
      numberCell(percent(named / n)),
    ),
  );
  return make("div", { class: "breakdown", "data-blamed": title },
    make("h3", null, title),
    table(`${title} reported by slow views`, [{ name: noun }, { name: "Views", number: true }, { name: "Share", number: true }], rows),
    sorted.length > 8 && make("p", { class: "quiet" }, `and ${count(sorted.length - 8)} more`),
  );
}

/** @type {Record<string, string>} */
const PART_LABELS = {
  "time-to-first-byte": "Time to First Byte",
  "resource-load-delay": "Resource load delay",
  "resource-load-duration": "Resource load duration",
  "element-render-delay": "Element render delay",
  "input-delay": "Input delay",
  "processing-duration": "Processing duration",
  "presentation-delay": "Presentation delay",
};
