// The fate of beacons, as lines for the terminal: the first of each origin, each reason for a refusal once,
// and the budgets whenever their counts have changed.
import { readFileSync } from "node:fs";

import toolkit from "../../dist/toolkit/toolkit.cjs";
import { getJson } from "../api.js";
import { errorMessage } from "../cli_error.js";
import { metricValue, verdictLabel } from "../report/format.js";
import { table } from "../report/text.js";

/** @typedef {{ status: number, origin: string | null, site?: string, path?: string, reason?: string, detail?: string }} Beacon */

export class BeaconReporter {
  /** The lines that were printed. @type {Set<string>} */
  #printed = new Set();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /** @param {{ url: URL, site: string, budgets: string, print: (line: string) => void }} options */
  constructor(options) {
    this.options = options;
  }

  /** Reads a line of workerd. @param {string} line */
  read(line) {
    if (!line.startsWith("beacon {")) return this.options.print(line);
    const beacon = /** @type {Beacon} */ (JSON.parse(line.slice("beacon ".length)));
    if (beacon.status >= 400) return this.#printOnce(refusal(beacon, this.options.site));
    this.#printOnce(`✓ Beacons arrive from ${beacon.origin ?? "this machine"}; the first is of ${beacon.path}.`);
    // The beacons of one visit come together.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#printBudgets().catch((error) => this.options.print(`! The budgets cannot be read: ${errorMessage(error)}`));
    }, PAUSE_MS);
  }

  async #printBudgets() {
    const { url, site, budgets } = this.options;
    const report = await getJson(url, "/api/budgets", { site });
    this.#printOnce(budgetTable(report, new toolkit.Budgets(readFileSync(budgets, "utf8"))));
  }

  /** @param {string} line */
  #printOnce(line) {
    if (this.#printed.has(line)) return;
    this.#printed.add(line);
    this.options.print(line);
  }
}

/** The cause of a refusal, and the change that ends it. @param {Beacon} beacon @param {string} site */
export function refusal({ status, origin, site: named, reason, detail }, site) {
  if (reason?.endsWith("foreign-origin")) {
    return `✗ Refused: beacons from ${origin}, which is not an origin of ${named}.\n  Restart with \`npx edge-vitals dev --page ${origin}\`; in production, add it to \`origins\` of the site in SITES.`;
  }
  if (reason?.endsWith("unknown-site")) {
    return `✗ Refused: beacons for the site ${named}; this Worker has the site ${site}.\n  Write \`site: "${site}"\` in your pages, or restart with \`npx edge-vitals dev --site ${named}\`.`;
  }
  return `✗ Refused with ${status}: ${detail ?? "no reason was given"} (from ${origin ?? "this machine"})`;
}

/** @typedef {import("../documents.js").GateReport} GateReport */

/** The budgets that have views. @param {any} report @param {toolkit.Budgets} budgets */
function budgetTable(report, budgets) {
  const { rows } = /** @type {GateReport} */ (budgets.gate(report, []));
  const counted = rows.filter(({ n }) => n > 0);
  const ofPages = counted.filter(({ route }) => route !== null);
  const judged = ofPages.length ? ofPages : counted;
  const cells = judged.slice(0, MAX_ROWS).map((row) => {
    const cell = report.cells.find((/** @type {any} */ { route, device, metric, line }) => route === row.route && device === row.device && metric === row.metric && line === row.line);
    const missing = row.verdict === "insufficient" && cell ? toolkit.forecast(row.n, row.within, row.percentile, cell.min_samples).more : 0;
    return [row.route ?? "all pages", row.device ?? "any", row.metric, metricValue(row.metric, row.value), `≤ ${metricValue(row.metric, row.max)}`, missing ? `${missing} more views until a verdict` : verdictLabel(row)];
  });
  const rest = judged.length > MAX_ROWS ? `\n  … and ${judged.length - MAX_ROWS} more on the dashboard` : "";
  return `\n${table(["page", "device", "metric", "p75", "budget", "verdict"], cells)}${rest}\n`;
}

const PAUSE_MS = 500;
const MAX_ROWS = 12;
