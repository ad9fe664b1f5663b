// Groups of visits, ranked by lost time: many visits that are a little slow can outrank a few that are very slow.
import { DIMENSIONS, apiQuery, link } from "./address.js";
import { fetchAllLines, fetchLongList, withParams } from "./api.js";
import { MIN_VIEWS, cell, numberCell, pagedTable, placeholder, ratingBar, verdictBadge, verdictRank } from "./components.js";
import { make } from "./dom.js";
import { METRIC_NAMES, METRIC_ORDER, count, groupLabel, interval, metricValue, plural, totalTime } from "./format.js";
import { loadToolkit } from "./toolkit.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").QueryLine} Line
 * @typedef {Line & { name: string | null, lost: number, verdict: string | null }} Row
 */

/** @param {State} state @param {(change: Partial<State>) => void} go @returns {Promise<import("./overview.js").ViewContent>} */
export async function routes(state, go) {
  const query = apiQuery(state);
  const byRoute = state.by === "route";
  const [response, report, { metrics }] = await Promise.all([
    fetchAllLines("/api/vitals/distribution", withParams(query, { by: state.by, metric: state.metric })),
    /** @type {Promise<import("./documents.js").Standing | null>} */ (byRoute ? fetchLongList("/api/budgets", withParams(query, { metric: state.metric }), "cells") : Promise.resolve(null)),
    loadToolkit(),
  ]);
  const { good } = metrics.get(state.metric) ?? { good: 0 };
  /** @type {Row[]} */
  const rows = response.lines.map((line) => ({ ...line, name: line.group[state.by] ?? null, lost: timeLost(line, good), verdict: null }));
  if (report) {
    const worst = worstVerdicts(report.cells);
    for (const row of rows) row.verdict = worst.get(row.name ?? "") ?? "none";
  }
  const isTime = state.metric !== "CLS";
  const sorted = state.sort || "lost";
  rows.sort(comparator(sorted));
  const total = rows.reduce((sum, row) => sum + row.lost, 0);
  const kind = byRoute ? "Route" : (DIMENSIONS.get(state.by) ?? state.by.replace(/^dim\./, ""));
  const sort = (/** @type {string} */ key) => go({ sort: state.sort === key || (key === "lost" && !state.sort) ? `-${key}` : key });
  const { section, drawn } = rows.length > 0 ? routesTable(state, rows, { kind, isTime, sorted, sort, byRoute }) : { section: placeholder("No matching data", make("p", null, "Remove a filter, or choose a longer time range.")), drawn: () => undefined };
  return {
    title: "Routes",
    totals: response,
    content: [
      make("h1", null, byRoute ? "Routes" : `By ${kind.toLowerCase()}`),
      make("p", { class: "lead" },
        rows.length === 0
          ? `No matching view reported ${state.metric}.`
          : isTime
            ? make("span", null, make("b", { "data-lost": "" }, totalTime(total)), ` lost above a good ${METRIC_NAMES[state.metric]} (${metricValue(good, "ms")}), across ${plural(rows.length, byRoute ? "route" : "group")}.`)
            : make("span", null, make("b", { "data-lost": "" }, count(total)), ` visits with a layout shift above ${metricValue(good, "")}, across ${plural(rows.length, byRoute ? "route" : "group")}.`),
      ),
      pickers(state),
      () => section,
      drawn,
    ],
    exportData: {
      name: `${state.metric}-by-${state.by}`,
      columns: [state.by, "metric", "n", "visits", "p75", "p75_low", "p75_high", "good", "needs_improvement", "poor", isTime ? "seconds_lost" : "visits_lost"],
      get rows() {
        return rows.map((row) => [row.name, row.metric, row.n, row.visits, row.p75, row.p75_interval?.[0] ?? null, row.p75_interval?.[1] ?? null, row.good, row.needs_improvement, row.poor, Math.round(row.lost * 10) / 10]);
      },
      get document() {
        return rows.map(({ buckets: _, ...row }) => row);
      },
    },
  };
}

/**
 * The time above the good threshold over all visits, in seconds; for layout shifts, the number of visits above it.
 * @param {Line} line @param {number} good
 */
export function timeLost({ buckets = [], unit }, good) {
  return buckets.reduce((sum, { low, high, visits }) => {
    const value = (low + high) / 2;
    if (value <= good) return sum;
    return sum + (unit === "ms" ? ((value - good) / 1000) * visits : visits);
  }, 0);
}

/** The most urgent verdict of each route, over all devices. @param {import("./documents.js").BudgetCell[]} cells */
function worstVerdicts(cells) {
  /** @type {Map<string, string>} */
  const worst = new Map();
  for (const { route, verdict } of cells) {
    if (route === null) continue;
    const known = worst.get(route);
    if (known === undefined || verdictRank(verdict) < verdictRank(known)) worst.set(route, verdict);
  }
  return worst;
}

/** @param {string} key @returns {(one: Row, other: Row) => number} */
function comparator(key) {
  const [name, sign] = key.startsWith("-") ? [key.slice(1), -1] : [key, 1];
  const of = (/** @type {Row} */ row) =>
    name === "n" ? row.n : name === "p75" ? (row.p75 ?? -1) : name === "poor" ? row.poor : name === "verdict" ? -verdictRank(row.verdict ?? "none") : row.lost;
  if (name === "name") return (one, other) => sign * groupLabel(one.name).localeCompare(groupLabel(other.name));
  return (one, other) => sign * (of(other) - of(one)) || other.n - one.n;
}

/** @param {State} state */
export function metricPicker(state) {
  return make("nav", { class: "picker", "aria-label": "Metric" },
    METRIC_ORDER.map((name) => make("a", { href: link(state, { metric: name }), "aria-current": name === state.metric ? "true" : null, title: METRIC_NAMES[name] }, name)),
  );
}

/** @param {State} state */
function pickers(state) {
  const kinds = [["route", "Route"], ...DIMENSIONS];
  return make("div", { class: "pickers" },
    metricPicker(state),
    make("nav", { class: "picker", "aria-label": "Group by" },
      make("span", { class: "quiet" }, "by"),
      kinds.map(([name, word]) => make("a", { href: link(state, { by: name, sort: "" }), "aria-current": name === state.by ? "true" : null }, word)),
    ),
  );
}

/**
 * @param {State} state @param {Row[]} rows
 * @param {{ kind: string, isTime: boolean, sorted: string, sort: (key: string) => void, byRoute: boolean }} how
 */
function routesTable(state, rows, { kind, isTime, sorted, sort, byRoute }) {
  const columns = [
    { name: kind, sort: "name" },
    { name: isTime ? "Time lost" : "Affected visits", sort: "lost", title: isTime ? "Time above the good threshold, summed over all visits" : "Visits above the good threshold" },
    { name: "Views", sort: "n", number: true },
    { name: "p75", sort: "p75", number: true, title: "With its 95 % confidence interval" },
    { name: "Distribution", sort: "poor", title: "Good, needs improvement, and poor" },
    ...(byRoute ? [{ name: "Verdict", sort: "verdict" }] : []),
  ];
  const most = rows.reduce((most, { lost }) => Math.max(most, lost), Number.MIN_VALUE);
  const tableRow = (/** @type {Row} */ row) => {
    const bar = make("i");
    bar.style.width = `${(row.lost / most) * 100}%`;
    const name = groupLabel(row.name);
    const to = byRoute ? { view: /** @type {const} */ ("route"), route: row.name } : { by: "route", only: new Map([...state.only, [state.by, row.name ?? ""]]) };
    return make("tr", { class: row.n < MIN_VIEWS ? "pale" : null, "data-group": name },
      make("th", { scope: "row" }, row.name === null ? make("span", { class: "quiet" }, name) : make("a", { href: link(state, to) }, name)),
      make("td", { class: "lost" }, make("span", { class: "bar", "aria-hidden": "true" }, bar), make("span", { "data-lost": "" }, isTime ? totalTime(row.lost) : count(row.lost))),
      numberCell(count(row.n)),
      numberCell([metricValue(row.p75, row.unit), make("small", { class: "quiet" }, row.p75_interval ? interval(row.p75_interval, row.unit) : "")]),
      cell(ratingBar(row)),
      byRoute ? cell(verdictBadge(row.verdict ?? "none")) : [],
    );
  };
  const { box, show, drawn } = pagedTable(`By ${kind.toLowerCase()}`, columns, tableRow, { sorted, sort });
  const none = make("p", { class: "more", role: "status" });
  const search = make("input", { type: "search", placeholder: `Find a ${kind.toLowerCase()}`, "aria-label": `Find a ${kind.toLowerCase()}`, autocomplete: "off", oninput: () => list() });
  const list = () => {
    const wanted = search.value.trim().toLowerCase();
    const fitting = wanted ? rows.filter((row) => groupLabel(row.name).toLowerCase().includes(wanted)) : rows;
    none.textContent = fitting.length ? "" : "No matches.";
    show(fitting);
  };
  list();
  return { section: make("section", null, rows.length > 12 && make("div", { class: "search" }, search), box, none), drawn };
}
