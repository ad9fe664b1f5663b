// The deployment gate: fetches the counts of a release, judges them, and reports. The rules, including when to
// stop waiting, are in Rust (crates/budget).
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

import toolkit from "../dist/toolkit/toolkit.cjs";
import { TemporaryError, getJson, parseWorkerUrl } from "./api.js";
import { CliError, errorMessage } from "./cli_error.js";
import { budgetsFile, labFile, readBudgets, readJson } from "./files.js";
import { shardsLabel } from "./report/format.js";
import { github } from "./report/github.js";
import { junit } from "./report/junit.js";
import { markdown } from "./report/markdown.js";
import { text } from "./report/text.js";

/** @typedef {import("./documents.js").GateReport} GateReport */

export const about = "Judges a release by its budgets, and exits with 0, 1 or 2.";

export const help = `
  edge-vitals gate --url https://vitals.example.com --site portal --release 2026.11.2
  edge-vitals gate --url … --release 2 --against 1 --wait 15m     waits for views, compares releases
  edge-vitals gate --url … --lab lab/phone --lab lab/desktop      includes results of Lighthouse CI
  edge-vitals gate --url … --format text --format markdown:gate.md --format github

  --url URL           the Worker; without it, only lab results are judged
  --site NAME         the site (the first by name)
  --budgets FILE      the budgets (edge-vitals/budgets.json). Views that the edge counted against another
                      limit are no evidence, and are reported as such
  --release NAME      only views of this release, as passed to \`start\`
  --filter NAME=VALUE only these views, such as browser_family=Safari, os=iOS or country=AT; repeatable
  --against NAME      also compares with this release, by page and device
  --window SPAN       the time range of views, such as 30m, 24h or 7d (24h)
  --wait SPAN         the maximum time to wait for views, such as 15m. Waiting ends early when every
                      budget has 200 views or one is certainly violated, never on a good verdict
  --every SPAN        the interval between requests while waiting (10s)
  --lab DIRECTORY     the directory of a Lighthouse CI run, after \`edge-vitals verify-lhci\`; repeatable
  --format F[:FILE]   text, markdown, json, junit or github (annotations); repeatable (text)
  --allow-insufficient  exits with 0 on insufficient data if no budget is violated

  Exit codes: 0 pass, 1 a budget is violated, 2 insufficient data or an error.
  Set READ_TOKEN for a site that is not public.`;

export const options = /** @type {const} */ ({
  url: { type: "string" },
  site: { type: "string" },
  budgets: { type: "string" },
  release: { type: "string" },
  filter: { type: "string", multiple: true },
  against: { type: "string" },
  window: { type: "string" },
  wait: { type: "string" },
  every: { type: "string" },
  lab: { type: "string", multiple: true },
  format: { type: "string", multiple: true },
  "allow-insufficient": { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values }) {
  if (values.against && !values.release) throw new CliError("--against requires --release", "add --release with the release to judge");
  const labs = (values.lab ?? []).map((/** @type {string} */ directory) => readJson(labFile(directory), `run \`edge-vitals verify-lhci --dir ${directory}\` first`));
  const url = labs.length && !values.url ? undefined : parseWorkerUrl(values.url);
  const formats = (values.format ?? ["text"]).map(parseFormat);
  const wait = values.wait ? parseDuration("wait", values.wait) : 0;
  const every = parseDuration("every", values.every ?? "10s");
  const file = values.budgets ?? budgetsFile();
  // Without a budgets.json, the limits in force at the edge apply.
  const budgets = values.budgets || existsSync(file) ? readBudgets(file) : undefined;

  const { site, release, against, window } = values;
  const filters = Object.fromEntries((values.filter ?? []).map(parseFilter));
  const fetchReport = async () => {
    if (!url) return toolkit.labGate(labs);
    const budgetReport = await getJson(url, "/api/budgets", { ...filters, site, release, against, window });
    // A Worker ignores parameters that it does not know, and would judge everybody.
    const unknown = Object.keys(filters).find((name) => budgetReport?.filters?.[name] !== filters[name]);
    if (unknown) throw new CliError(`the Worker knows no filter "${unknown}"`, "use route, device, nav, cache, net, country, browser, browser_family, os or dim.<name>");
    return judge(budgets, budgetReport, labs);
  };
  const report = await waitForGate(fetchReport, { wait: url ? wait : 0, every });
  if (url && release && report.views === 0) console.error(`! ${await unknownRelease(url, { site, release, window })}`);
  for (const { show, to } of formats) {
    const shown = show(report, budgets ? file : "the Worker's budgets.json");
    if (to) writeFileSync(to, shown);
    else process.stdout.write(shown);
  }
  return report.answer === "insufficient" && values["allow-insufficient"] && !report.shards ? 0 : report.code;
}

/** The releases that have views, when the one to judge has none. @param {URL} url @param {{ site?: string, release: string, window?: string }} query */
async function unknownRelease(url, { site, release, window }) {
  const { lines } = await getJson(url, "/api/vitals/routes", { site, window, by: "release" });
  const known = [...new Set(/** @type {{ release?: string | null }[]} */ (lines).flatMap((line) => line.release ?? []))];
  const list = known.slice(0, MAX_RELEASES).join(", ");
  const rest = known.length > MAX_RELEASES ? ` and ${known.length - MAX_RELEASES} more` : "";
  return `no views of release ${release}; ${known.length ? `those with views are ${list}${rest}` : "no release has any: pass `release` to `start`"}`;
}

/** @param {toolkit.Budgets | undefined} budgets @param {any} budgetReport @param {any[]} labs @returns {GateReport} */
function judge(budgets, budgetReport, labs) {
  if (budgetReport?.v !== 1) {
    throw new CliError("the Worker returned an unsupported budget report", "deploy a Worker of this package's version");
  }
  try {
    return budgets ? budgets.gate(budgetReport, labs) : toolkit.gateAtEdge(budgetReport, labs);
  } catch (error) {
    throw new CliError(`the Worker returned an invalid budget report: ${errorMessage(error)}`, "deploy a Worker of this package's version");
  }
}

/**
 * Polls until the gate is ready. Readiness depends on view counts and e-values, not on verdicts: repeated looks
 * at verdicts would inflate false positives.
 * @param {() => Promise<GateReport>} fetchReport @param {{ wait: number, every: number }} how
 */
async function waitForGate(fetchReport, { wait, every }) {
  const started = performance.now();
  let judgedOnce = false;
  for (;;) {
    const left = wait - (performance.now() - started);
    let status;
    try {
      const report = await fetchReport();
      const { ready, of, certain } = report.waiting;
      // One early judgement is allowed once there are enough views; an undecided one waits for the end.
      /** @type {boolean} */
      const due = ready === of && !judgedOnce;
      if (left <= 0 || certain || (due && report.answer !== "insufficient")) return report;
      judgedOnce ||= due;
      status = report.shards ? shardsLabel(report.shards) : `${ready} of ${of} budgets have enough views`;
    } catch (error) {
      if (left <= 0 || !(error instanceof TemporaryError)) throw error;
      status = error.message;
    }
    progress(`waiting for views: ${status}; ${durationText(left)} left`);
    await pause(Math.min(every, Math.max(left, 0)));
  }
}

/** @param {string} line */
function progress(line) {
  process.stderr.write(process.stderr.isTTY ? `\r  … ${line}\u001b[K` : `  … ${line}\n`);
}

/** @param {number} milliseconds */
function durationText(milliseconds) {
  const seconds = Math.ceil(milliseconds / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

/** @param {string} option @param {string} text */
function parseDuration(option, text) {
  const [, number, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  if (!number) throw new CliError(`--${option} ${text} is not a duration`, "use a value such as 90s, 15m or 1h");
  return Number(number) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[/** @type {"ms" | "s" | "m" | "h"} */ (unit)];
}

/** @param {string} given */
function parseFilter(given) {
  const [, name, value] = /^([^=]+)=(.+)$/.exec(given) ?? [];
  if (!name) throw new CliError(`--filter ${given} is not NAME=VALUE`, "use a filter such as browser_family=Safari");
  return [name, value];
}

/** @param {string} given */
function parseFormat(given) {
  const [, name, to] = /^([a-z]+)(?::(.+))?$/.exec(given) ?? [];
  const show = FORMATS.get(name);
  if (!show) throw new CliError(`unknown --format ${given}`, `use one of ${[...FORMATS.keys()].join(", ")}, optionally with :FILE`);
  return { show, to };
}

const MAX_RELEASES = 10;

/** @type {Map<string, (report: GateReport, budgets: string) => string>} */
const FORMATS = new Map([
  ["text", text],
  ["markdown", markdown],
  ["json", (report) => `${JSON.stringify(report, null, 2)}\n`],
  ["junit", junit],
  ["github", github],
]);
