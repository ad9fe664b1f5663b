// The gate of a deployment: asks the Worker how a release stands, judges, reports. The judgement is
// Rust's (crates/budget); how long to wait for it is asked there too, and only slept here.
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

import toolkit from "../dist/toolkit/toolkit.cjs";
import { ask, Silent, workerAt } from "./ask.js";
import { budgetsIn, labFile, readJson } from "./files.js";
import { github } from "./report/github.js";
import { junit } from "./report/junit.js";
import { markdown } from "./report/markdown.js";
import { text } from "./report/text.js";
import { reason, Trouble } from "./trouble.js";

/** @typedef {import("./documents.js").GateReport} GateReport */

export const about = "Asks the Worker whether a release keeps its budgets, and exits 0, 1 or 2.";

export const help = `
  edge-vitals gate --url https://vitals.example.com --site portal --release 2026.11.2
  edge-vitals gate --url … --release 2 --against 1 --wait 15m     waits for views, compares
  edge-vitals gate --url … --lab lab/phone --lab lab/desktop      with Lighthouse CI's results
  edge-vitals gate --url … --format text --format markdown:gate.md --format github

  --url URL           the Worker; without it only the lab is judged
  --site NAME         the site; the first by name where it is left out
  --budgets FILE      the budgets to judge by (lighthouse/budgets.json). What the edge counted against
                      another limit proves nothing, and is shown so
  --release NAME      only views of this release, as pages give it to \`start\`
  --against NAME      also compares with this release: page by page and device by device
  --window SPAN       how far back views count, such as 30m, 24h or 7d (24h)
  --wait SPAN         waits so long for views to come, such as 15m. It ends early when every budget has
                      200 views, or when one is certainly broken; never because a verdict looks good
  --every SPAN        asks so often while it waits (10s)
  --lab DIRECTORY     where Lighthouse CI ran, after \`edge-vitals verify-lhci\`; may be repeated
  --format F[:FILE]   text, markdown, json, junit or github (annotations); may be repeated (text)
  --allow-insufficient  exits 0 where nothing is known to be broken and too little is known

  Exit codes: 0 pass, 1 a budget is broken, 2 it cannot be told, or something is misconfigured.
  The environment's READ_TOKEN opens a site that is not public.`;

export const options = /** @type {const} */ ({
  url: { type: "string" },
  site: { type: "string" },
  budgets: { type: "string" },
  release: { type: "string" },
  against: { type: "string" },
  window: { type: "string" },
  wait: { type: "string" },
  every: { type: "string" },
  lab: { type: "string", multiple: true },
  format: { type: "string", multiple: true },
  "allow-insufficient": { type: "boolean" },
});

/** @param {{ values: any, positionals: string[] }} given */
export async function run({ values, positionals }) {
  if (positionals.length) throw new Trouble(`gate takes no "${positionals[0]}"`, "`edge-vitals gate --help` lists its options");
  if (values.against && !values.release) throw new Trouble("--against needs --release", "name the release that is to be judged, too");
  const labs = (values.lab ?? []).map((/** @type {string} */ directory) => readJson(labFile(directory), `run \`edge-vitals verify-lhci --dir ${directory}\` first`));
  const url = labs.length && !values.url ? undefined : workerAt(values.url);
  const formats = (values.format ?? ["text"]).map(formatIn);
  const wait = values.wait ? span("wait", values.wait) : 0;
  const every = span("every", values.every ?? "10s");
  const file = values.budgets ?? BUDGETS;
  // Without a file at hand, and none asked for, the limits in force at the edge are meant.
  const budgets = values.budgets || existsSync(BUDGETS) ? budgetsIn(file) : undefined;

  const { site, release, against, window } = values;
  const look = async () => {
    if (!url) return toolkit.labGate(labs);
    const standing = await ask(url, "/api/budgets", { site, release, against, window });
    return judged(budgets, standing, labs);
  };
  const report = await patiently(look, { wait: url ? wait : 0, every });
  for (const { show, to } of formats) {
    const shown = show(report, budgets ? file : "the Worker's budgets.json");
    if (to) writeFileSync(to, shown);
    else process.stdout.write(shown);
  }
  return report.answer === "insufficient" && values["allow-insufficient"] ? 0 : report.code;
}

/** @param {toolkit.Budgets | undefined} budgets @param {any} standing @param {any[]} labs @returns {GateReport} */
function judged(budgets, standing, labs) {
  if (standing?.v !== 1) {
    throw new Trouble("the Worker does not tell how it stands against its budgets", "deploy a Worker of this package's version");
  }
  try {
    return budgets ? budgets.gate(standing, labs) : toolkit.gateAtEdge(standing, labs);
  } catch (error) {
    throw new Trouble(`what the Worker tells cannot be read: ${reason(error)}`, "deploy a Worker of this package's version");
  }
}

/**
 * Looks until it is time to judge. Numbers of views decide when, and evidence that may be read at any
 * time: to look at verdicts again and again until one pleases would be to find one that does.
 * @param {() => Promise<GateReport>} look @param {{ wait: number, every: number }} how
 */
async function patiently(look, { wait, every }) {
  const started = performance.now();
  let judgedOnce = false;
  for (;;) {
    const left = wait - (performance.now() - started);
    let told;
    try {
      const report = await look();
      const { ready, of, certain } = report.waiting;
      // The one look that the views themselves allow; what it leaves open waits for the last one.
      /** @type {boolean} */
      const due = ready === of && !judgedOnce;
      if (left <= 0 || certain || (due && report.answer !== "insufficient")) return report;
      judgedOnce ||= due;
      told = `${ready} of ${of} budgets have enough views`;
    } catch (error) {
      if (left <= 0 || !(error instanceof Silent)) throw error;
      told = error.message;
    }
    progress(`waiting for views: ${told}; ${inWords(left)} left`);
    await pause(Math.min(every, Math.max(left, 0)));
  }
}

/** @param {string} line */
function progress(line) {
  process.stderr.write(process.stderr.isTTY ? `\r  … ${line}\u001b[K` : `  … ${line}\n`);
}

/** @param {number} milliseconds */
function inWords(milliseconds) {
  const seconds = Math.ceil(milliseconds / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

/** @param {string} option @param {string} text */
function span(option, text) {
  const [, number, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  if (!number) throw new Trouble(`--${option} ${text} is no span of time`, "write it like 90s, 15m or 1h");
  return Number(number) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[/** @type {"ms" | "s" | "m" | "h"} */ (unit)];
}

/** @param {string} given */
function formatIn(given) {
  const [, name, to] = /^([a-z]+)(?::(.+))?$/.exec(given) ?? [];
  const show = FORMATS.get(name);
  if (!show) throw new Trouble(`--format ${given} is unknown`, `known are ${[...FORMATS.keys()].join(", ")}; with :FILE it is written there`);
  return { show, to };
}

/** @type {Map<string, (report: GateReport, budgets: string) => string>} */
const FORMATS = new Map([
  ["text", text],
  ["markdown", markdown],
  ["json", (report) => `${JSON.stringify(report, null, 2)}\n`],
  ["junit", junit],
  ["github", github],
]);

const BUDGETS = "lighthouse/budgets.json";
