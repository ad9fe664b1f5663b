// The report as JUnit XML: a test case for each budget.
import { auditLabel, auditValue, metricValue, outcomeLabel, regressionSentence, routeLabel, valueLabel, verdictLabel, visitsLabel } from "./format.js";

/** @param {import("../documents.js").GateReport} report @param {string} budgets */
export function junit(report, budgets) {
  const field = report.rows.map((row) => ({
    group: `field ${routeLabel(row)} ${row.device ?? "any"}`,
    name: `${row.metric} ≤ ${metricValue(row.metric, row.max)}`,
    state: state(row.severity, row.verdict === "violated", ["unknown", "insufficient"].includes(row.verdict)),
    says: `${verdictLabel(row)}: ${valueLabel(row)}, within ${visitsLabel(row)} (${budgets}:${row.line})`,
  }));
  const worse = report.regressions.map((found) => ({
    group: `field against ${report.against}`,
    name: `${found.metric} of ${found.route ?? "the whole site"} is no worse`,
    state: state(found.severity, found.regression, false),
    says: regressionSentence(found),
  }));
  const lab = report.lab.map((row) => ({
    group: `lab ${row.url} ${row.device}`,
    name: `${auditLabel(row)} ≤ ${auditValue(row.audit, row.max)}`,
    state: state(row.severity, row.outcome === "broken", row.outcome.startsWith("not")),
    says: `${outcomeLabel(row)}: ${auditValue(row.audit, row.actual)} (${budgets}:${row.line})`,
  }));
  const cases = [...field, ...worse, ...lab];
  const count = (/** @type {string} */ of) => cases.filter(({ state }) => state === of).length;
  const shown = cases.map(({ group, name, state, says }) => {
    const inner = { failure: `<failure message="${escaped(says)}"/>`, skipped: `<skipped message="${escaped(says)}"/>`, passed: "" }[state];
    return `    <testcase classname="${escaped(group)}" name="${escaped(name)}">${inner}</testcase>\n`;
  });
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n` +
    `  <testsuite name="edge-vitals gate" tests="${cases.length}" failures="${count("failure")}" skipped="${count("skipped")}">\n` +
    `${shown.join("")}  </testsuite>\n</testsuites>\n`
  );
}

/**
 * A budget of severity `warn` never fails. @param {string} severity @param {boolean} broken @param {boolean} open
 * @returns {"failure" | "skipped" | "passed"}
 */
function state(severity, broken, open) {
  if (broken && severity === "error") return "failure";
  return open ? "skipped" : "passed";
}

const ENTITIES = new Map([["&", "&amp;"], ["<", "&lt;"], [">", "&gt;"], ['"', "&quot;"], ["'", "&apos;"]]);

/** Replaces control characters, which XML does not allow even as entities. @param {string} text */
const escaped = (text) => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "�").replace(/[&<>"']/g, (found) => ENTITIES.get(found) ?? "");
