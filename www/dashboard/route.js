// One route: a metric over time, its distribution, its causes, breakdowns, queries and budgets. Percentiles are
// computed here from the Worker's sketch.
import { DIMENSIONS, apiQuery, link, seriesStep, timeRange } from "./address.js";
import { fetchBytes, fetchJson, withParams } from "./api.js";
import { budgetTable, fetchLab } from "./budgets.js";
import { fetchPurges } from "./cache.js";
import { causesSection, fetchCauses } from "./causes.js";
import { histogram, historyChart } from "./chart.js";
import { MIN_VIEWS, cell, fact, numberCell, placeholder, ratingBar, table } from "./components.js";
import { make } from "./dom.js";
import { METRIC_NAMES, count, dateTime, groupLabel, interval, metricValue, percent, totalTime } from "./format.js";
import { routeQueries } from "./queries.js";
import { metricPicker, timeLost } from "./routes.js";
import { loadToolkit } from "./toolkit.js";

/** @typedef {import("./address.js").State} State @typedef {import("./documents.js").QueryResponse} QueryResponse @typedef {import("./chart.js").Mark} Mark */

/** A page has few views of each version. */
const BREAKDOWNS = [...DIMENSIONS].filter(([by]) => by !== "browser");

/** @param {State} state @returns {Promise<import("./overview.js").ViewContent>} */
export async function route(state) {
  const query = withParams(apiQuery(state), { route: state.route });
  const metricQuery = withParams(query, { metric: state.metric });
  const isFiltered = state.only.size > 0 || state.bots !== "exclude";
  const [response, series, byRelease, slowViews, queries, purges, pages, report, tools, ...breakdowns] = await Promise.all([
    /** @type {Promise<QueryResponse>} */ (fetchJson("/api/vitals/distribution", metricQuery)),
    /** @type {Promise<QueryResponse>} */ (fetchJson("/api/vitals/series", withParams(metricQuery, { step: seriesStep(state), limit: "5000" }))),
    /** @type {Promise<QueryResponse>} */ (fetchJson("/api/vitals/series", withParams(metricQuery, { step: seriesStep(state), by: "release", limit: "5000" }))),
    fetchCauses(metricQuery),
    /** @type {Promise<import("./documents.js").QueryReport>} */ (fetchJson("/api/performance/queries", new URLSearchParams([...query].filter(([name]) => ["site", "from", "to", "window", "route"].includes(name))))),
    fetchPurges(),
    fetchLab(state),
    /** @type {Promise<import("./documents.js").Standing>} */ (fetchJson("/api/budgets", metricQuery)),
    loadToolkit(),
    ...BREAKDOWNS.map(([by]) => /** @type {Promise<QueryResponse>} */ (fetchJson("/api/vitals/distribution", withParams(metricQuery, { by })))),
  ]);
  const [line] = response.lines;
  const metric = tools.metrics.get(state.metric) ?? { name: state.metric, unit: "ms", good: 0, poor: 0 };
  const cells = report.cells.filter((each) => each.route === state.route);
  const budgets = new Set(cells.map(({ max }) => max));
  // The chart shows a budget only if all devices share it; the table lists the others.
  const limits = { good: metric.good, poor: metric.poor, budget: budgets.size === 1 ? [...budgets][0] : null };
  const head = [
    make("p", { class: "crumb" }, make("a", { href: link(state, { view: "routes", by: "route" }) }, "Routes")),
    make("h1", { class: "path" }, state.route ?? ""),
    make("div", { class: "pickers" }, metricPicker(state)),
  ];
  const exportData = {
    name: `${state.metric}-of-${state.route}`,
    columns: ["at", "n", "p50", "p75", "p75_low", "p75_high", "p95", "good", "needs_improvement", "poor"],
    rows: series.lines.map(({ at, n, p50, p75, p75_interval, p95, good, needs_improvement, poor }) => [new Date(at ?? 0).toISOString(), n, p50, p75, p75_interval?.[0] ?? null, p75_interval?.[1] ?? null, p95, good, needs_improvement, poor]),
    document: { distribution: line ?? null, series: series.lines, causes: slowViews, queries: queries, cells },
  };
  if (!line) {
    return { title: String(state.route), totals: response, exportData, content: [...head, placeholder("No data", make("p", null, `No view of this route reported ${METRIC_NAMES[state.metric]} in this period.`)), routeQueries(state, queries, isFiltered), budgetSection(state, cells, tools, pages)] };
  }
  const [from, to] = timeRange(state);
  const marks = [...releaseMarks(byRelease.lines), ...purges.filter(({ at }) => at >= from && at <= to).slice(0, MAX_MARKS)];
  const sketch = await fetchBytes("/api/vitals/distribution", withParams(metricQuery, { format: "sketch" }));
  const points = series.lines.flatMap(({ at, n, p75, p75_interval }) =>
    at !== undefined && p75 !== null ? { at, n, value: p75, low: p75_interval?.[0] ?? p75, high: p75_interval?.[1] ?? p75 } : [],
  );
  return {
    title: String(state.route),
    totals: response,
    exportData,
    content: [
      ...head,
      keyFigures(line, metric.good),
      () => make("section", { "aria-labelledby": "history" },
        make("h2", { id: "history" }, "p75 over time ", make("small", { class: "quiet" }, { minute: "per minute", hour: "per hour", day: "per day (UTC)" }[seriesStep(state)])),
        historyChart(points, timeRange(state), metric.unit, limits, `p75 of ${state.metric} over time, ${points.length} points, from ${metricValue(points[0]?.value, metric.unit)} to ${metricValue(points[points.length - 1]?.value, metric.unit)}`, marks),
        markList(marks),
      ),
      () => causesSection(state.metric, slowViews, [...state.only.keys()].some((name) => name !== "device") || state.bots !== "exclude"),
      () => distributionSection(sketch, tools, metric.unit, limits),
      () => make("section", { "aria-labelledby": "who" },
        make("h2", { id: "who" }, "Breakdown"),
        make("div", { class: "breakdowns" }, breakdowns.map((reading, index) => breakdown(state, BREAKDOWNS[index], reading))),
      ),
      () => routeQueries(state, queries, isFiltered),
      () => budgetSection(state, cells, tools, pages),
    ],
  };
}

/**
 * The first appearance of each release. One that is there in the first two steps may be older than the time range:
 * a release with few visits does not appear in each step.
 * @param {import("./documents.js").QueryLine[]} lines @returns {Mark[]}
 */
export function releaseMarks(lines) {
  const [, start = Infinity] = [...new Set(lines.map(({ at }) => at ?? Infinity))].sort((one, other) => one - other);
  /** @type {Map<string, number>} */
  const first = new Map();
  for (const { at, group, n } of lines) {
    const { release } = group;
    if (at !== undefined && release && n > 0 && at < (first.get(release) ?? Infinity)) first.set(release, at);
  }
  const marks = [...first].filter(([, at]) => at > start).map(([name, at]) => ({ at, name, kind: /** @type {const} */ ("release") }));
  return marks.sort((one, other) => other.at - one.at).slice(0, MAX_MARKS);
}

/** The marks of the chart as text. @param {Mark[]} marks */
function markList(marks) {
  if (marks.length === 0) return null;
  const words = { release: "Release", purge: "Purge" };
  return make("ul", { class: "marks quiet", "aria-label": "Releases and purges" },
    [...marks].sort((one, other) => one.at - other.at).map(({ at, name, kind }) => make("li", { class: kind, "data-mark": `${kind} ${name}` }, make("b", null, `${words[kind]} ${name}`), ` ${dateTime(at)}`)),
  );
}

/** @param {import("./documents.js").QueryLine} line @param {number} good */
function keyFigures(line, good) {
  return make("dl", { class: "facts panel" },
    fact("p75", metricValue(line.p75, line.unit), interval(line.p75_interval, line.unit)),
    fact("Median", metricValue(line.p50, line.unit), `p95 ${metricValue(line.p95, line.unit)}`),
    fact("Views", count(line.n), line.visits === line.n ? "not sampled" : `representing ${count(line.visits)} visits`),
    fact("Good", percent(line.good), `${percent(line.poor)} poor`),
    fact(line.unit ? "Time lost" : "Affected visits", line.unit ? totalTime(timeLost(line, good)) : count(timeLost(line, good)), "above the good threshold"),
  );
}

/** @param {Uint8Array} sketch @param {import("./toolkit.js").Toolkit} tools @param {string} unit @param {import("./chart.js").Limits} limits */
function distributionSection(sketch, tools, unit, limits) {
  const { buckets } = tools.sketch(sketch);
  const picture = make("div", { class: "figure" });
  const output = make("output", { for: "percentile", "data-percentile": "" });
  const show = (/** @type {number} */ percent) => {
    const at = tools.percentile(sketch, percent);
    output.textContent = `p${percent}: ${metricValue(at, unit)}`;
    picture.replaceChildren(histogram(buckets, unit, limits, at === undefined ? null : { percent, value: at }));
  };
  const slider = make("input", { id: "percentile", type: "range", min: 1, max: 99, value: 75, oninput: () => show(slider.valueAsNumber) });
  show(75);
  return make("section", { "aria-labelledby": "spread" },
    make("header", { class: "row" },
      make("h2", { id: "spread" }, "Distribution"),
      make("div", { class: "slider" }, make("label", { for: "percentile" }, "Percentile"), slider, output),
    ),
    picture,
  );
}

/** @param {State} state @param {[string, string]} dimension @param {QueryResponse} reading */
function breakdown(state, [by, word], { lines }) {
  const known = [...lines].sort((one, other) => other.n - one.n);
  if (!known.some((line) => line.group[by])) {
    return make("div", { class: "breakdown" }, make("h3", null, word), make("p", { class: "quiet" }, "Not reported."));
  }
  const rows = known.slice(0, 6).map((line) => {
    const name = line.group[by];
    return make("tr", { class: line.n < MIN_VIEWS ? "pale" : null, "data-group": groupLabel(name) },
      make("th", { scope: "row" }, name ? make("a", { href: link(state, { only: new Map([...state.only, [by, name]]) }) }, name) : make("span", { class: "quiet" }, groupLabel(name))),
      numberCell(count(line.n)),
      numberCell(metricValue(line.p75, line.unit)),
      cell(ratingBar(line)),
    );
  });
  return make("div", { class: "breakdown", "data-by": by },
    make("h3", null, word),
    table(`By ${word.toLowerCase()}`, [{ name: word }, { name: "Views", number: true }, { name: "p75", number: true }, { name: "Distribution" }], rows),
    known.length > 6 && make("p", { class: "quiet" }, `and ${known.length - 6} more`),
  );
}

/** @param {State} state @param {import("./documents.js").BudgetCell[]} cells @param {import("./toolkit.js").Toolkit} tools @param {import("./documents.js").LabResult[]} pages */
function budgetSection(state, cells, tools, pages) {
  return make("section", { "aria-labelledby": "limits" },
    make("h2", { id: "limits" }, "Budgets"),
    cells.length ? budgetTable(state, cells, tools, pages).section : make("p", { class: "quiet" }, `No budget for ${state.metric} on this route.`),
  );
}

/** More would hide the chart; the latest are kept. */
const MAX_MARKS = 12;
