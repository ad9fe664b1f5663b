// The words and numbers that every report shares.

/** @typedef {import("../documents.js").GateReport} GateReport */
/** @typedef {import("../documents.js").GateRow} GateRow */
/** @typedef {import("../documents.js").LabGateRow} LabRow */
/** @typedef {import("../documents.js").RegressionRow} Regression */

const NUMBER = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

/** @param {number} number */
export const whole = (number) => NUMBER.format(number);

/** A value of a metric. @param {string} metric @param {number | null} value */
export function measured(metric, value) {
  if (value === null) return "–";
  return metric === "CLS" ? String(Math.round(value * 1e4) / 1e4) : `${whole(value)} ms`;
}

/** The value that a row is about, with the interval that it may really have. @param {GateRow} row */
export function valueOf({ metric, value, interval }) {
  if (value === null || !interval) return measured(metric, value);
  const [low, high] = interval.map((end) => measured(metric, end).replace(" ms", ""));
  return `${measured(metric, value)} (${low}–${high})`;
}

/** A value of an audit, sizes in KiB. @param {string} audit @param {number | null} value */
export function audited(audit, value) {
  if (value === null) return "–";
  if (audit.endsWith(":size")) return `${(value / 1024).toFixed(1)} KiB`;
  if (audit.endsWith(":count")) return whole(value);
  return audit === "cumulative-layout-shift" ? measured("CLS", value) : measured("", value);
}

/** @param {GateRow} row */
export const visitsOf = ({ within, n }) => (n ? `${whole(within)} of ${whole(n)}` : "none");

/** @param {{ verdict: GateRow["verdict"], severity: string }} row */
export function verdictOf({ verdict, severity }) {
  if (verdict === "violated") return severity === "warn" ? "! violated" : "✗ VIOLATED";
  return { met: "✓ met", "at-limit": "≈ at the limit", insufficient: "… too few", unknown: "? no visits" }[verdict];
}

/** @param {{ outcome: LabRow["outcome"], severity: string }} row */
export function outcomeOf({ outcome, severity }) {
  if (outcome === "broken") return severity === "warn" ? "! broken" : "✗ BROKEN";
  return { kept: "✓ kept", "not-measured": "? not measured", "not-asserted": "? not asserted" }[outcome];
}

/** The route of a row as people say it. @param {GateRow} row */
export const routeOf = ({ route, pattern }) => route ?? (pattern === "/" ? "all routes" : `all of ${pattern}`);

/** What the lab found beside a row. @param {GateRow} row */
export function besideOf({ lab }) {
  if (!lab) return "";
  const mark = { kept: "✓", broken: "✗", "not-measured": "?", "not-asserted": "?" }[lab.outcome];
  const proxy = lab.audit === "total-blocking-time" ? " TBT" : "";
  return `${audited(lab.audit, lab.actual)}${proxy} ${mark}`;
}

/** The audit of a lab row, labelled where it stands in. @param {LabRow} row */
export const auditOf = ({ audit, proxyOf }) => (proxyOf ? `${audit} (for ${proxyOf})` : audit);

/** One sentence for what a release did to a metric. @param {Regression} found */
export function regressionOf({ route, metric, pointsWorse, pValue }) {
  const points = Math.abs(pointsWorse).toFixed(1);
  const where = route ?? "the whole site";
  return `${metric} of ${where}: ${points} of a hundred views ${pointsWorse < 0 ? "fewer" : "more"} are over budget (p = ${pValue.toPrecision(2)})`;
}

/** The rows that people should see, and what the others come to. @param {GateReport} report */
export function shown({ rows }) {
  const isShown = (/** @type {GateRow} */ row) => !row.part || row.verdict === "violated";
  const others = rows.filter((row) => !isShown(row));
  const count = (/** @type {GateRow["verdict"][]} */ ...verdicts) => others.filter(({ verdict }) => verdicts.includes(verdict)).length;
  const rest = others.length
    ? `${whole(others.length)} more rows are of single routes, whose budgets are judged above over all routes: ` +
      `${count("met")} met, ${count("at-limit")} at the limit, ${count("insufficient", "unknown")} with too few views to tell.`
    : "";
  return { rows: rows.filter(isShown), rest };
}

/** What was judged. @param {GateReport} report */
export function subject({ site, release, against, views, from, to }) {
  if (site === null) return "The lab alone: no Worker was asked";
  const what = release === null ? site : `release ${release} of ${site}`;
  const day = (/** @type {number} */ at) => `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  return `${what}${against === null ? "" : ` against ${against}`}, ${whole(views)} views from ${day(from)} to ${day(to)}`;
}

/** What a person should know besides, and do next. @param {GateReport} report @param {string} budgets */
export function remarks({ answer, rows, refused, regressions, against, lab }, budgets) {
  const told = [];
  const older = rows.filter(({ countedAgainst }) => countedAgainst !== null);
  for (const { line, metric, max, countedAgainst } of older.slice(0, 3)) {
    told.push(
      `${budgets}:${line} allows ${metric} ${measured(metric, max)}; the edge still counts against ${measured(metric, countedAgainst)}, which proves nothing of it. Deploy the file.`,
    );
  }
  if (older.length > 3) told.push(`${older.length - 3} more rows are counted against other limits.`);
  const newest = Math.max(...rows.map(({ countingSince }) => countingSince ?? 0));
  if (newest > 0) told.push(`Some limits are newer than the window: counting since ${new Date(newest).toISOString().slice(0, 16).replace("T", " ")} UTC.`);
  if (refused) told.push(`The edge found a newer budgets.json and does not rule by it: ${refused}`);
  if (against !== null && regressions.length === 0) told.push(`There is nothing to compare with: no page has views of both releases.`);
  if (lab.some(({ outcome }) => outcome.startsWith("not"))) told.push("Lighthouse CI did not assert all that it was to; `edge-vitals verify-lhci` says why.");
  if (answer === "violated") told.push(`The budgets are in ${budgets}; \`edge-vitals budgets explain <path>\` shows what applies to a page.`);
  if (answer === "insufficient" && rows.length) told.push("It cannot be told yet. `--wait 30m` waits for views; `--window 7d` looks further back; `--allow-insufficient` lets it pass.");
  return told;
}

export const ANSWERS = {
  pass: "✓ PASS: every budget that matters is kept, or too near its limit to say otherwise",
  violated: "✗ VIOLATED: a budget that matters is broken",
  insufficient: "? INSUFFICIENT: nothing is known to be broken, and of something too little is known",
};
