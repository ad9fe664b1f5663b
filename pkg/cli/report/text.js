// The report as plain text.
import { OUTCOME_LABELS, auditLabel, auditValue, labLabel, metricValue, outcomeLabel, regressionMark, regressionSentence, remarks, routeLabel, subject, valueLabel, verdictLabel, visibleRows, visitsLabel } from "./format.js";

/** @param {import("../documents.js").GateReport} report @param {string} budgets */
export function text(report, budgets) {
  const { rows, rest } = visibleRows(report);
  const hasLab = rows.some(({ lab }) => lab);
  const field = rows.map((row) => [
    verdictLabel(row),
    routeLabel(row),
    row.device ?? "any",
    row.metric,
    metricValue(row.metric, row.max),
    valueLabel(row),
    visitsLabel(row),
    ...(hasLab ? [labLabel(row)] : []),
  ]);
  const head = ["verdict", "route", "device", "metric", "budget", "value (95 %)", "within", ...(hasLab ? ["lab"] : [])];
  const parts = [subject(report), report.site === null ? "" : rows.length ? table(head, field) : "  No budgets.", rest && `  ${rest}`];
  const { regressions, lab } = report;
  if (regressions.length) {
    const worse = regressions.map((found) => `  ${regressionMark(found)} ${regressionSentence(found)}`);
    parts.push(["Comparison with the previous release, by page and device:", ...worse].join("\n"));
  }
  if (lab.length) parts.push(`Lab results (median of the runs):\n\n${labTable(lab)}`);
  parts.push(OUTCOME_LABELS[report.answer], remarks(report, budgets).map((remark) => `  ${remark}`).join("\n"));
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

/** @param {import("../documents.js").LabGateRow[]} rows */
export function labTable(rows) {
  const cells = rows.map((row) => [outcomeLabel(row), row.url, row.device, auditLabel(row), auditValue(row.audit, row.max), auditValue(row.audit, row.actual)]);
  return table(["outcome", "page", "device", "audit", "budget", "measured"], cells);
}

/** Aligned columns. @param {string[]} head @param {string[][]} rows */
export function table(head, rows) {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column].length)));
  const line = (/** @type {string[]} */ cells) => `  ${cells.map((cell, column) => cell.padEnd(widths[column])).join("  ")}`.trimEnd();
  return [head, ...rows].map(line).join("\n");
}
