// The report that a person reads at a glance.
import { ANSWERS, auditOf, audited, besideOf, measured, outcomeOf, regressionOf, remarks, routeOf, shown, subject, valueOf, verdictOf, visitsOf } from "./words.js";

/** @param {import("../documents.js").GateReport} report @param {string} budgets */
export function text(report, budgets) {
  const { rows, rest } = shown(report);
  const hasLab = rows.some(({ lab }) => lab);
  const field = rows.map((row) => [
    verdictOf(row),
    routeOf(row),
    row.device ?? "any",
    row.metric,
    measured(row.metric, row.max),
    valueOf(row),
    visitsOf(row),
    ...(hasLab ? [besideOf(row)] : []),
  ]);
  const head = ["verdict", "route", "device", "metric", "budget", "value (95 %)", "within", ...(hasLab ? ["lab"] : [])];
  const parts = [subject(report), report.site === null ? "" : rows.length ? table(head, field) : "  No budget has a row.", rest && `  ${rest}`];
  const { regressions, lab } = report;
  if (regressions.length) {
    const worse = regressions.map((found) => `  ${found.regression ? (found.severity === "warn" ? "!" : "✗") : "✓"} ${regressionOf(found)}`);
    parts.push(["Compared with the release before, page by page and device by device:", ...worse].join("\n"));
  }
  if (lab.length) parts.push(`In the lab, the median of the runs:\n\n${labTable(lab)}`);
  parts.push(ANSWERS[report.answer], remarks(report, budgets).map((remark) => `  ${remark}`).join("\n"));
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

/** @param {import("../documents.js").LabGateRow[]} rows */
export function labTable(rows) {
  const cells = rows.map((row) => [outcomeOf(row), row.url, row.device, auditOf(row), audited(row.audit, row.max), audited(row.audit, row.actual)]);
  return table(["outcome", "page", "device", "audit", "budget", "measured"], cells);
}

/** Columns that line up. @param {string[]} head @param {string[][]} rows */
export function table(head, rows) {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column].length)));
  const line = (/** @type {string[]} */ cells) => `  ${cells.map((cell, column) => cell.padEnd(widths[column])).join("  ")}`.trimEnd();
  return [head, ...rows].map(line).join("\n");
}
