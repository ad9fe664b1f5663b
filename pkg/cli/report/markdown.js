// The report as Markdown: for a step's summary, and for the one comment that is found again by its mark.
import { ANSWERS, auditOf, audited, besideOf, measured, outcomeOf, regressionOf, remarks, routeOf, shown, subject, valueOf, verdictOf, visitsOf } from "./words.js";

/** The first line, by which the comment is found and replaced. */
export const MARK = "<!-- edge-vitals gate -->";

/** @param {import("../documents.js").GateReport} report @param {string} budgets */
export function markdown(report, budgets) {
  const { rows, rest } = shown(report);
  const { regressions, lab } = report;
  const hasLab = rows.some((row) => row.lab);
  const field = rows.map((row) => [
    verdictOf(row),
    code(routeOf(row)),
    row.device ?? "any",
    row.metric,
    measured(row.metric, row.max),
    valueOf(row),
    visitsOf(row),
    ...(hasLab ? [besideOf(row)] : []),
  ]);
  const parts = [
    MARK,
    `### ${ANSWERS[report.answer]}`,
    plain(subject(report)),
    report.site !== null && table(["Verdict", "Route", "Device", "Metric", "Budget", "Value (95 %)", "Within", ...(hasLab ? ["Lab"] : [])], field),
    rest,
  ];
  if (regressions.some(({ regression }) => regression)) {
    parts.push(regressions.filter(({ regression }) => regression).map((found) => `- ✗ ${plain(regressionOf(found))}`).join("\n"));
  }
  if (lab.length) {
    const cells = lab.map((row) => [outcomeOf(row), code(row.url), row.device, code(auditOf(row)), audited(row.audit, row.max), audited(row.audit, row.actual)]);
    parts.push("#### In the lab, the median of the runs", table(["Outcome", "Page", "Device", "Audit", "Budget", "Measured"], cells));
  }
  parts.push(remarks(report, budgets).map((remark) => `- ${plain(remark)}`).join("\n"));
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

/** @param {string[]} head @param {string[][]} rows */
function table(head, rows) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Names come from outside: none of them is markup, or ends a cell. @param {string} text */
const plain = (text) => text.replace(/[\\`*_[\]<>|#]/g, "\\$&").replace(/\s+/g, " ");

/** @param {string} text */
const code = (text) => `\`${text.replace(/[`|\s]+/g, " ")}\``;
