// The report as annotations of GitHub Actions: each points at the line of budgets.json that it is about.
import { auditOf, audited, measured, regressionOf, routeOf, valueOf, visitsOf } from "./words.js";

/** @param {import("../documents.js").GateReport} report @param {string} budgets */
export function github(report, budgets) {
  const field = report.rows.filter(({ verdict }) => verdict === "violated").map((row) => ({
    ...row,
    title: `${row.metric} is over budget`,
    says: `${routeOf(row)} on ${row.device ?? "any device"}: ${valueOf(row)} where ${measured(row.metric, row.max)} is allowed; ${visitsOf(row)} views are within.`,
  }));
  const worse = report.regressions.filter(({ regression }) => regression).map((found) => ({ ...found, title: `${found.metric} got worse`, says: regressionOf(found) }));
  const lab = report.lab.filter(({ outcome }) => outcome !== "kept").map((row) => {
    const title = row.outcome === "broken" ? `${row.audit} is over budget in the lab` : `${row.audit} was not asserted`;
    const says = `${auditOf(row)} of ${row.url} on ${row.device}: ${audited(row.audit, row.actual)} where ${audited(row.audit, row.max)} is allowed.`;
    return { severity: row.outcome === "broken" ? row.severity : "error", line: row.line, title, says };
  });
  const lines = [...field, ...worse, ...lab].map(
    ({ severity, line, title, says }) =>
      `::${severity === "warn" ? "warning" : "error"} file=${property(budgets)},line=${line},title=${property(title)}::${data(says)}`,
  );
  const unknown = report.answer === "insufficient" ? ["::warning title=It cannot be told yet::Too few views were counted to judge every budget that matters."] : [];
  return [...lines, ...unknown].map((line) => `${line}\n`).join("");
}

/** @param {string} text */
const data = (text) => text.replace(/%/g, "%25").replace(/\r/g, "%0D").replace(/\n/g, "%0A");

/** @param {string} text */
const property = (text) => data(text).replace(/:/g, "%3A").replace(/,/g, "%2C");
