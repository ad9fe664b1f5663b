// Uploads the medians of Lighthouse runs, by page and device, for the dashboard.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { parseWorkerUrl, postJson } from "./api.js";
import { CliError } from "./cli_error.js";
import { readJson } from "./files.js";

export const about = "Uploads the medians of Lighthouse CI's runs, which the dashboard shows next to field data.";

export const help = `
  edge-vitals lab upload --url https://vitals.example.com --site portal --release 2026.11.2
  edge-vitals lab upload --url … --dir lab/phone --dir lab/desktop

  --url URL         the Worker (required)
  --site NAME       the site (the first by name)
  --release NAME    the measured release
  --dir DIRECTORY   the parent of .lighthouseci (.); repeatable

  Set MANAGE_TOKEN to the Worker's secret of that name.
  Exit codes: 0 uploaded, 2 an error.`;

export const takesArguments = true;

export const options = /** @type {const} */ ({
  url: { type: "string" },
  site: { type: "string" },
  release: { type: "string" },
  dir: { type: "string", multiple: true },
});

/** @typedef {{ path: string, device: "phone" | "desktop", runs: number, medians: Record<string, number>, score?: number }} Measured */

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values, positionals }) {
  if (positionals.join(" ") !== "upload") throw new CliError(`unknown arguments "${positionals.join(" ")}" of lab`, "use `edge-vitals lab upload`");
  const url = parseWorkerUrl(values.url);
  const pages = (values.dir ?? ["."]).flatMap(measuredPages);
  for (let first = 0; first < pages.length; first += MAX_PAGES) {
    await postJson(url, "/api/lab", { site: values.site }, { v: 1, ...(values.release ? { release: values.release } : {}), pages: pages.slice(first, first + MAX_PAGES) });
  }
  for (const { path, device, runs, medians } of pages) console.log(`✓ ${path} on ${device}, ${runs === 1 ? "1 run" : `${runs} runs`}: ${Object.entries(medians).map(([name, value]) => `${name} ${Math.round(value * 1000) / 1000}`).join(", ")}`);
  return 0;
}

/** The pages of a directory with the medians of their runs. @param {string} directory @returns {Measured[]} */
function measuredPages(directory) {
  const folder = join(directory, ".lighthouseci");
  const remedy = "run `lhci collect` there first, or pass another directory with --dir";
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /^lhr-.*\.json$/.test(name)) : [];
  if (names.length === 0) throw new CliError(`${folder} contains no Lighthouse report`, remedy);
  /** @type {Map<string, any[]>} */
  const groups = new Map();
  for (const name of names) {
    const report = readJson(join(folder, name), remedy);
    if (report.runtimeError?.code && report.runtimeError.code !== "NO_ERROR") throw new CliError(`${join(folder, name)} is the report of a failed run: ${report.runtimeError.message ?? report.runtimeError.code}`, "run `lhci collect` again");
    const address = report.finalDisplayedUrl ?? report.finalUrl ?? report.requestedUrl;
    if (!URL.canParse(address)) throw new CliError(`${join(folder, name)} has no page URL`, "run `lhci collect` of Lighthouse CI 0.15 again");
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

/** As in Lighthouse CI: the mean of the middle two of an even number. @param {number[]} values */
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
/** The limit of one request. */
const MAX_PAGES = 50;
