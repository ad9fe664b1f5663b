// The report as JUnit XML, which every CI can show: a case for each budget.
import { auditOf, audited, measured, outcomeOf, regressionOf, routeOf, valueOf, verdictOf, visitsOf } from "./words.js";

/** @param {import("../documents.js").GateReport} report @param {string} budgets */
export function junit(report, budgets) {
  const field = report.rows.map((row) => ({
    group: `field ${routeOf(row)} ${row.device ?? "any"}`,
    name: `${row.metric} ≤ ${measured(row.metric, row.max)}`,
    state: state(row.severity, row.verdict === "violated", ["unknown", "insufficient"].includes(row.verdict)),
    says: `${verdictOf(row)}: ${valueOf(row)}, within ${visitsOf(row)} (${budgets}:${row.line})`,
  }));
  const worse = report.regressions.map((found) => ({
    group: `field against ${report.against}`,
    name: `${found.metric} of ${found.route ?? "the whole site"} is no worse`,
    state: state(found.severity, found.regression, false),
    says: regressionOf(found),
  }));
  const lab = report.lab.map((row) => ({
    group: `lab ${row.url} ${row.device}`,
    name: `${auditOf(row)} ≤ ${audited(row.audit, row.max)}`,
    state: state(row.severity, row.outcome === "broken", row.outcome.startsWith("not")),
    says: `${outcomeOf(row)}: ${audited(row.audit, row.actual)} (${budgets}:${row.line})`,
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
 * A warning is no failure. @param {string} severity @param {boolean} broken @param {boolean} open
 * @returns {"failure" | "skipped" | "passed"}
 */
function state(severity, broken, open) {
  if (broken && severity === "error") return "failure";
  return open ? "skipped" : "passed";
}

const ENTITIES = new Map([["&", "&amp;"], ["<", "&lt;"], [">", "&gt;"], ['"', "&quot;"], ["'", "&apos;"]]);

/** XML allows no control characters, not even as entities. @param {string} text */
const escaped = (text) => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "�").replace(/[&<>"']/g, (found) => ENTITIES.get(found) ?? "");
