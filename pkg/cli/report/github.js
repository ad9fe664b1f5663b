// The report as annotations of GitHub Actions, each on its line of budgets.json.
import { auditLabel, auditValue, metricValue, regressionSentence, routeLabel, valueLabel, visitsLabel } from "./format.js";

/** @param {import("../documents.js").GateReport} report @param {string} budgets */
export function github(report, budgets) {
  const field = report.rows.filter(({ verdict }) => verdict === "violated").map((row) => ({
    ...row,
    title: `${row.metric} is over budget`,
    says: `${routeLabel(row)} on ${row.device ?? "any device"}: ${valueLabel(row)}, limit ${metricValue(row.metric, row.max)}; ${visitsLabel(row)} views within budget.`,
  }));
  const worse = report.regressions.filter(({ regression }) => regression).map((found) => ({ ...found, title: `${found.metric} regressed`, says: regressionSentence(found) }));
  const lab = report.lab.filter(({ outcome }) => outcome !== "kept").map((row) => {
    const title = row.outcome === "broken" ? `${row.audit} is over budget in the lab` : `${row.audit} was not asserted`;
    const says = `${auditLabel(row)} of ${row.url} on ${row.device}: ${auditValue(row.audit, row.actual)}, limit ${auditValue(row.audit, row.max)}.`;
    return { severity: row.outcome === "broken" ? row.severity : "error", line: row.line, title, says };
  });
  const lines = [...field, ...worse, ...lab].map(
    ({ severity, line, title, says }) =>
      `::${severity === "warn" ? "warning" : "error"} file=${property(budgets)},line=${line},title=${property(title)}::${data(says)}`,
  );
  const unknown = report.answer === "insufficient" ? ["::warning title=Insufficient data::Too few views to judge every budget of severity error."] : [];
  return [...lines, ...unknown].map((line) => `${line}\n`).join("");
}

/** @param {string} text */
const data = (text) => text.replace(/%/g, "%25").replace(/\r/g, "%0D").replace(/\n/g, "%0A");

/** @param {string} text */
const property = (text) => data(text).replace(/:/g, "%3A").replace(/,/g, "%2C");
