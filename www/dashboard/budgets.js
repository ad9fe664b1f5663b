// Every budget of every route and device: the counts, the verdict, and the views needed for one.
import { apiQuery, link } from "./address.js";
import { fetchJson, fetchLongList, optional } from "./api.js";
import { cell, numberCell, pagedTable, placeholder, verdictBadge, verdictRank } from "./components.js";
import { make } from "./dom.js";
import { VERDICT_LABELS, ago, count, dateTime, interval, metricValue, percent, plural } from "./format.js";
import { loadToolkit } from "./toolkit.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").LabResult} LabPage
 * @typedef {import("./documents.js").BudgetCell} BudgetCell
 * @typedef {import("./toolkit.js").Toolkit} Toolkit
 */

/** @param {State} state @returns {Promise<import("./overview.js").ViewContent>} */
export async function budgets(state) {
  const [report, pages, tools] = await Promise.all([/** @type {Promise<import("./documents.js").Standing>} */ (fetchLongList("/api/budgets", apiQuery(state), "cells")), fetchLab(state), loadToolkit()]);
  const cells = [...report.cells].sort((one, other) => verdictRank(one.verdict) - verdictRank(other.verdict) || other.n - other.k - (one.n - one.k));
  const counts = Map.groupBy(cells, ({ verdict }) => /** @type {string} */ (verdict));
  const kinds = Object.keys(VERDICT_LABELS).filter((name) => name !== "none");
  const shown = state.verdict ? (counts.get(state.verdict) ?? []) : cells;
  const { since: from, refused, source } = report.budgets;
  const { section, drawn } = shown.length ? budgetTable(state, shown, tools, pages) : { section: placeholder("No budgets", make("p", null, "No budget has this verdict.")), drawn: () => undefined };
  return {
    title: "Budgets",
    totals: report,
    content: [
      make("h1", null, "Budgets"),
      make("p", { class: "lead" }, `This budgets.json${source === "kv" ? " (from KV)" : ""} is in effect since ${dateTime(from)}. A verdict needs enough views: a budget without data is never shown as met.`),
      refused && make("p", { class: "warning", role: "alert" }, make("b", null, "A newer budgets.json was rejected: "), refused.why),
      make("nav", { class: "chips", "aria-label": "Verdict" },
        make("a", { href: link(state, { verdict: null }), "aria-current": state.verdict ? null : "true" }, `All ${count(cells.length)}`),
        kinds.map((name) => {
          const n = counts.get(name)?.length ?? 0;
          return make("a", { href: link(state, { verdict: name }), "aria-current": state.verdict === name ? "true" : null, "data-verdict": name }, verdictBadge(name), ` ${count(n)}`);
        }),
      ),
      () => section,
      drawn,
    ].filter((node) => node !== undefined),
    exportData: {
      name: "budgets",
      columns: ["line", "pattern", "route", "device", "metric", "unit", "max", "percentile", "severity", "n", "k", "value", "low", "high", "verdict", "p_value", "lab"],
      get rows() {
        return shown.map((each) => [each.line, each.pattern, each.route, each.device, each.metric, each.unit, each.max, each.percentile, each.severity, each.n, each.k, each.value, each.interval?.[0] ?? null, each.interval?.[1] ?? null, each.verdict, each.p_value, labValue(each, pages)?.value ?? null]);
      },
      document: { ...report, cells: shown, lab: pages },
    },
  };
}

/** Uploaded Lighthouse results. @param {State} state @returns {Promise<LabPage[]>} */
export async function fetchLab(state) {
  const siteQuery = new URLSearchParams([...apiQuery(state)].filter(([name]) => name === "site"));
  return (await optional(fetchJson("/api/lab", siteQuery)))?.pages ?? [];
}

/**
 * The lab value of a budget: the worst page of its route. A lab run has no INP; Total Blocking Time replaces it.
 * @param {BudgetCell} each @param {LabPage[]} pages
 */
export function labValue(each, pages) {
  const audit = each.metric === "INP" ? "TBT" : each.metric;
  const matching = pages.filter(({ route, device, medians }) => route === each.route && (each.device === null || device === each.device) && medians[audit] !== undefined);
  const worst = matching.sort((one, other) => other.medians[audit] - one.medians[audit])[0];
  return worst && { ...worst, audit, value: worst.medians[audit] };
}

/** @param {State} state @param {BudgetCell[]} cells @param {Toolkit} tools @param {LabPage[]} pages */
export function budgetTable(state, cells, tools, pages) {
  const hasLab = pages.length > 0 && cells.some((each) => labValue(each, pages));
  const columns = [
    { name: "Verdict" },
    { name: "Route" },
    { name: "Device" },
    { name: "Metric" },
    { name: "Budget", number: true },
    { name: "Value", number: true },
    ...(hasLab ? [{ name: "Lab", number: true, title: "Median of the Lighthouse runs" }] : []),
    { name: "Within budget", number: true },
    { name: "Needed" },
    { name: "Line", number: true, title: "Line of budgets.json" },
  ];
  const { box, show, drawn } = pagedTable("Budgets with their view counts", columns, (/** @type {BudgetCell} */ each) => budgetRow(state, each, tools, hasLab ? pages : null));
  show(cells);
  return { section: make("section", null, box), drawn };
}

/** @param {BudgetCell} each @param {LabPage[]} pages */
function labCell(each, pages) {
  const found = labValue(each, pages);
  if (!found) return numberCell("–");
  const { audit, at, release, runs, path } = found;
  const labelled = make("td", { class: "number", "data-lab": audit, title: `${path}, ${plural(runs, "run")}, ${dateTime(at)}` }, metricValue(found.value, each.unit));
  labelled.append(make("small", { class: "quiet" }, `${audit === each.metric ? "" : `${audit}, `}${release ?? ago(at)}`));
  return labelled;
}

/** @param {State} state @param {BudgetCell} each @param {Toolkit} tools @param {LabPage[] | null} pages */
function budgetRow(state, each, tools, pages) {
  const name = each.route === null ? make("span", null, `All of ${each.pattern}`) : make("a", { href: link(state, { view: "route", route: each.route, metric: each.metric }) }, each.route);
  return make("tr", { "data-verdict": each.verdict, "data-cell": `${each.route ?? "*"} ${each.device ?? "*"} ${each.metric}` },
    cell([verdictBadge(each.verdict), each.watch?.alarm ? make("small", { class: "alarm", title: `Alarm raised ${dateTime(each.watch.changed_at)}` }, `alarm, ${ago(each.watch.changed_at)}`) : null]),
    make("th", { scope: "row" }, name),
    cell(each.device ?? "any"),
    cell([each.metric, each.severity === "warn" ? make("small", { class: "quiet" }, "warning only") : null]),
    numberCell([`≤ ${metricValue(each.max, each.unit)}`, make("small", { class: "quiet" }, `p${each.percentile}`)]),
    numberCell([metricValue(each.value, each.unit), make("small", { class: "quiet" }, each.n ? interval(each.interval, each.unit) : "")]),
    pages ? labCell(each, pages) : [],
    numberCell(each.n ? [`${count(each.k)} of ${count(each.n)}`, make("small", { class: "quiet" }, percent(each.k / each.n))] : "–"),
    make("td", { class: "words" }, neededViews(each, tools), each.burn?.asks ? make("small", { class: "alarm" }, each.burn.asks === "page" ? "burning fast: act now" : "burning: act soon") : null),
    numberCell(String(each.line)),
  );
}

/** The change that would decide or improve the verdict. @param {BudgetCell} each @param {Toolkit} tools */
function neededViews({ metric, n, k, percentile, min_samples, verdict, networks }, tools) {
  if (networks?.unproven) return networks.unproven;
  if (verdict === "unknown") return `${plural(min_samples, "view")} for a first verdict`;
  if (verdict === "insufficient") {
    const { more, verdict: then } = tools.forecast(n, k, percentile, min_samples);
    const proves = { met: "would prove it met", violated: "would prove it exceeded", "at-limit": "would show it at the limit" }[then] ?? "would give a verdict";
    return `about ${plural(more, "more view")} like these ${proves}`;
  }
  if (verdict === "met") return "nothing: proven";
  const missing = Math.ceil((n * percentile) / 100) - k;
  if (verdict === "at-limit") return "a clear change in either direction";
  return `${count(missing)} of these views must be ${metric === "CLS" ? "more stable" : "faster"} to meet the budget`;
}
