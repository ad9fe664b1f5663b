// Labels and numbers of all report formats.

/** @typedef {import("../documents.js").GateReport} GateReport */
/** @typedef {import("../documents.js").GateRow} GateRow */
/** @typedef {import("../documents.js").LabGateRow} LabRow */
/** @typedef {import("../documents.js").RegressionRow} Regression */

const NUMBER = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

/** @param {number} number */
export const integer = (number) => NUMBER.format(number);

/** @param {string} metric @param {number | null} value */
export function metricValue(metric, value) {
  if (value === null) return "–";
  return metric === "CLS" ? String(Math.round(value * 1e4) / 1e4) : `${integer(value)} ms`;
}

/** The value of a row with its confidence interval. @param {GateRow} row */
export function valueLabel({ metric, value, interval }) {
  if (value === null || !interval) return metricValue(metric, value);
  const [low, high] = interval.map((end) => metricValue(metric, end).replace(" ms", ""));
  return `${metricValue(metric, value)} (${low}–${high})`;
}

/** The value of an audit; sizes in KiB. @param {string} audit @param {number | null} value */
export function auditValue(audit, value) {
  if (value === null) return "–";
  if (audit.endsWith(":size")) return `${(value / 1024).toFixed(1)} KiB`;
  if (audit.endsWith(":count")) return integer(value);
  return audit === "cumulative-layout-shift" ? metricValue("CLS", value) : metricValue("", value);
}

/** @param {GateRow} row */
export const visitsLabel = ({ within, n }) => (n ? `${integer(within)} of ${integer(n)}` : "none");

/** @param {{ verdict: GateRow["verdict"], severity: string }} row */
export function verdictLabel({ verdict, severity }) {
  if (verdict === "violated") return severity === "warn" ? "! violated" : "✗ VIOLATED";
  return { met: "✓ met", "at-limit": "≈ at the limit", insufficient: "… insufficient", unknown: "? no data" }[verdict];
}

/** @param {{ outcome: LabRow["outcome"], severity: string }} row */
export function outcomeLabel({ outcome, severity }) {
  if (outcome === "broken") return severity === "warn" ? "! failed" : "✗ FAILED";
  return { kept: "✓ passed", "not-measured": "? not measured", "not-asserted": "? not asserted" }[outcome];
}

/** @param {GateRow} row */
export const routeLabel = ({ route, pattern }) => route ?? (pattern === "/" ? "all routes" : `all of ${pattern}`);

/** The lab result of a row. @param {GateRow} row */
export function labLabel({ lab }) {
  if (!lab) return "";
  const mark = { kept: "✓", broken: "✗", "not-measured": "?", "not-asserted": "?" }[lab.outcome];
  const proxy = lab.audit === "total-blocking-time" ? " TBT" : "";
  return `${auditValue(lab.audit, lab.actual)}${proxy} ${mark}`;
}

/** The audit of a lab row; a proxy is labelled. @param {LabRow} row */
export const auditLabel = ({ audit, proxyOf }) => (proxyOf ? `${audit} (for ${proxyOf})` : audit);

/** @param {Regression} found */
export function regressionSentence({ route, metric, pointsWorse, pValue }) {
  const points = Math.abs(pointsWorse).toFixed(1);
  const where = route ?? "the whole site";
  return `${metric} of ${where}: ${points} percentage points ${pointsWorse < 0 ? "fewer" : "more"} views over budget (p = ${pValue.toPrecision(2)})`;
}

/** Only a page that has become no worse gets a tick; more views over budget without proof are undecided. @param {Regression} found */
export const regressionMark = ({ regression, severity, pointsWorse }) => (regression ? (severity === "warn" ? "!" : "✗") : pointsWorse > 0 ? "…" : "✓");

/** The rows to show, and a summary of the others. @param {GateReport} report */
export function visibleRows({ rows }) {
  const isShown = (/** @type {GateRow} */ row) => !row.part || row.verdict === "violated";
  const others = rows.filter((row) => !isShown(row));
  const count = (/** @type {GateRow["verdict"][]} */ ...verdicts) => others.filter(({ verdict }) => verdicts.includes(verdict)).length;
  const rest = others.length
    ? `${integer(others.length)} more rows are for single routes of budgets that are judged above over all routes: ` +
      `${count("met")} met, ${count("at-limit")} at the limit, ${count("insufficient", "unknown")} with insufficient data.`
    : "";
  return { rows: rows.filter(isShown), rest };
}

/** The judged release, its views and time range. @param {GateReport} report */
export function subject({ site, release, against, filters, views, from, to }) {
  if (site === null) return "Lab results only, without field data";
  const what = release === null ? site : `release ${release} of ${site}`;
  const day = (/** @type {number} */ at) => `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  return `${what}${against === null ? "" : ` against ${against}`}${Object.entries(filters).map(([name, value]) => `, ${name} ${value}`).join("")}, ${integer(views)} views from ${day(from)} to ${day(to)}`;
}

/** @param {NonNullable<GateReport["shards"]>} shards */
export const shardsLabel = ({ answered, of }) => `${integer(answered)} of ${integer(of)} shards answered`;

/** Remarks and next steps. @param {GateReport} report @param {string} budgets */
export function remarks({ answer, rows, refused, regressions, against, navigations, lab, shards }, budgets) {
  const lines = [];
  if (shards) lines.push(`${shardsLabel(shards)}: the views of the others are missing, so no budget is proven met. Run the gate again.`);
  const older = rows.filter(({ countedAgainst }) => countedAgainst !== null);
  for (const { line, metric, max, countedAgainst } of older.slice(0, 3)) {
    lines.push(
      `${budgets}:${line} allows ${metric} ${metricValue(metric, max)}, but the edge still counts against ${metricValue(metric, countedAgainst)}. Deploy the file.`,
    );
  }
  if (older.length > 3) lines.push(`${older.length - 3} more rows are counted against other limits.`);
  const unproven = rows.filter(({ unproven }) => unproven !== null);
  for (const row of unproven.slice(0, 3)) lines.push(`${row.metric} of ${routeLabel(row)}: ${row.unproven}.`);
  if (unproven.length > 3) lines.push(`${unproven.length - 3} more rows rest on few networks.`);
  const newest = Math.max(...rows.map(({ countingSince }) => countingSince ?? 0));
  if (newest > 0) lines.push(`Some limits are newer than the time range: counted since ${new Date(newest).toISOString().slice(0, 16).replace("T", " ")} UTC.`);
  for (const { navigation, views, metrics } of navigations) {
    const values = metrics.flatMap(({ metric, p75 }) => (p75 === null ? [] : `${metric} ${metricValue(metric, p75)}`));
    lines.push(`Not judged: ${integer(views)} ${navigation === "view" ? "declared views" : "soft navigations"}${values.length ? ` (p75: ${values.join(", ")})` : ""}.`);
  }
  if (refused) lines.push(`The edge rejected a newer budgets.json: ${refused}`);
  if (against !== null && regressions.length === 0) lines.push(`No comparison: no page has views of both releases.`);
  if (lab.some(({ outcome }) => outcome.startsWith("not"))) lines.push("Lighthouse CI did not make every assertion; `edge-vitals verify-lhci` shows the causes.");
  if (answer === "violated") lines.push(`\`edge-vitals budgets explain <path>\` lists the limits of a page in ${budgets}.`);
  if (answer === "insufficient" && rows.length && !shards) lines.push("Insufficient data. Wait for views with `--wait 30m`, extend the time range with `--window 7d`, or pass with `--allow-insufficient`.");
  return lines;
}

export const OUTCOME_LABELS = {
  pass: "✓ PASS: every budget of severity error is met or at its limit",
  violated: "✗ VIOLATED: at least one budget of severity error is not met",
  insufficient: "? INSUFFICIENT: no budget is violated, but at least one lacks data",
};
