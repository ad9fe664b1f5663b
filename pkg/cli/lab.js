// What Lighthouse measured goes to the Worker, so that the dashboard can lay it beside what visitors feel:
// the medians of the runs, page by page and device by device.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { send, workerAt } from "./ask.js";
import { readJson } from "./files.js";
import { Trouble } from "./trouble.js";

export const about = "Uploads the medians of Lighthouse CI's runs to the Worker, beside which the dashboard lays the field.";

export const help = `
  edge-vitals lab upload --url https://vitals.example.com --site portal --release 2026.11.2
  edge-vitals lab upload --url … --dir lab/phone --dir lab/desktop

  --url URL         the Worker (needed)
  --site NAME       the site; the first by name where it is left out
  --release NAME    the release that was measured
  --dir DIRECTORY   where Lighthouse CI ran, which holds .lighthouseci (.); may be repeated

  The environment's MANAGE_TOKEN is the Worker's secret of that name.
  Exit codes: 0 uploaded, 2 not.`;

export const options = /** @type {const} */ ({
  url: { type: "string" },
  site: { type: "string" },
  release: { type: "string" },
  dir: { type: "string", multiple: true },
});

/** @typedef {{ path: string, device: "phone" | "desktop", runs: number, medians: Record<string, number>, score?: number }} Measured */

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values, positionals }) {
  if (positionals.join(" ") !== "upload") throw new Trouble(`lab does not know "${positionals.join(" ")}"`, "say `edge-vitals lab upload`");
  const url = workerAt(values.url);
  const pages = (values.dir ?? ["."]).flatMap(measured);
  for (let first = 0; first < pages.length; first += MOST_PAGES) {
    await send(url, "/api/lab", { site: values.site }, { v: 1, ...(values.release ? { release: values.release } : {}), pages: pages.slice(first, first + MOST_PAGES) });
  }
  for (const { path, device, runs, medians } of pages) console.log(`✓ ${path} as a ${device}, ${runs === 1 ? "one run" : `${runs} runs`}: ${Object.entries(medians).map(([name, value]) => `${name} ${Math.round(value * 1000) / 1000}`).join(", ")}`);
  return 0;
}

/** Each page of a directory, with the medians of its runs. @param {string} directory @returns {Measured[]} */
function measured(directory) {
  const folder = join(directory, ".lighthouseci");
  const next = "run `lhci collect` there first, or name another directory with --dir";
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /^lhr-.*\.json$/.test(name)) : [];
  if (names.length === 0) throw new Trouble(`${folder} holds no report of Lighthouse`, next);
  /** @type {Map<string, any[]>} */
  const groups = new Map();
  for (const name of names) {
    const report = readJson(join(folder, name), next);
    if (report.runtimeError?.code && report.runtimeError.code !== "NO_ERROR") throw new Trouble(`${join(folder, name)} is of a run that failed: ${report.runtimeError.message ?? report.runtimeError.code}`, "run `lhci collect` again");
    const address = report.finalDisplayedUrl ?? report.finalUrl ?? report.requestedUrl;
    if (!URL.canParse(address)) throw new Trouble(`${join(folder, name)} does not say of which page it is`, "was it written by Lighthouse CI 0.15?");
    const key = `${new URL(address).pathname} ${report.configSettings?.formFactor === "desktop" ? "desktop" : "phone"}`;
    groups.set(key, [...(groups.get(key) ?? []), report]);
  }
  return [...groups].map(([key, reports]) => {
    const [path, device] = /** @type {[string, "phone" | "desktop"]} */ (key.split(" "));
    const of = (/** @type {(report: any) => unknown} */ value) => reports.map(value).filter((found) => typeof found === "number");
    /** @type {Record<string, number>} */
    const medians = {};
    for (const [name, audit] of AUDITS) {
      const values = of(({ audits }) => audits?.[audit]?.numericValue);
      if (values.length) medians[name] = median(values);
    }
    const scores = of(({ categories }) => categories?.performance?.score);
    return { path, device, runs: Math.min(reports.length, 99), medians, ...(scores.length ? { score: median(scores) } : {}) };
  });
}

/** As Lighthouse CI takes it: of an even number the mean of the middle two. @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const AUDITS = /** @type {const} */ ([
  ["LCP", "largest-contentful-paint"],
  ["CLS", "cumulative-layout-shift"],
  ["TBT", "total-blocking-time"],
  ["FCP", "first-contentful-paint"],
  ["SI", "speed-index"],
]);
/** As many as one call takes. */
const MOST_PAGES = 50;
