// The report as Markdown, for a step summary and for a pull request comment that is updated in place.
import { OUTCOME_LABELS, auditLabel, auditValue, labLabel, metricValue, outcomeLabel, regressionSentence, remarks, routeLabel, subject, valueLabel, verdictLabel, visibleRows, visitsLabel } from "./format.js";

/** The first line, which identifies the comment to update. */
export const MARK = "<!-- edge-vitals gate -->";

/** @param {import("../documents.js").GateReport} report @param {string} budgets */
export function markdown(report, budgets) {
  const { rows, rest } = visibleRows(report);
  const { regressions, lab } = report;
  const hasLab = rows.some((row) => row.lab);
  const field = rows.map((row) => [
    verdictLabel(row),
    code(routeLabel(row)),
    row.device ?? "any",
    row.metric,
    metricValue(row.metric, row.max),
    valueLabel(row),
    visitsLabel(row),
    ...(hasLab ? [labLabel(row)] : []),
  ]);
  const parts = [
    MARK,
    `### ${OUTCOME_LABELS[report.answer]}`,
    plain(subject(report)),
    report.site !== null && table(["Verdict", "Route", "Device", "Metric", "Budget", "Value (95 %)", "Within", ...(hasLab ? ["Lab"] : [])], field),
    rest,
  ];
  if (regressions.some(({ regression }) => regression)) {
    parts.push(regressions.filter(({ regression }) => regression).map((found) => `- ✗ ${plain(regressionSentence(found))}`).join("\n"));
  }
  if (lab.length) {
    const cells = lab.map((row) => [outcomeLabel(row), code(row.url), row.device, code(auditLabel(row)), auditValue(row.audit, row.max), auditValue(row.audit, row.actual)]);
    parts.push("#### Lab results (median of the runs)", table(["Outcome", "Page", "Device", "Audit", "Budget", "Measured"], cells));
  }
  parts.push(remarks(report, budgets).map((remark) => `- ${plain(remark)}`).join("\n"));
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

/** @param {string[]} head @param {string[][]} rows */
function table(head, rows) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Escapes outside names, so that none is markup or ends a cell. @param {string} text */
const plain = (text) => text.replace(/[\\`*_[\]<>|#]/g, "\\$&").replace(/\s+/g, " ");

/** @param {string} text */
const code = (text) => `\`${text.replace(/[`|\s]+/g, " ")}\``;
