// The overview: scores, traffic, alerts, each metric, the most urgent budgets, and missing data.
import { apiQuery, link, seriesStep, timeRange } from "./address.js";
import { ApiError, fetchJson, fetchStatusJson, hasToken, optionalOrError, withParams } from "./api.js";
import { MIN_VIEWS, budgetSummary, cell, fact, narrowOnly, numberCell, ratingBar, ratingLegend, sparkline, table, verdictBadge, verdictRank, viewCount } from "./components.js";
import { draw, make } from "./dom.js";
import { LOSS_LABELS, METRIC_NAMES, METRIC_ORDER, REJECTION_LABELS, SIGNAL_LABELS, VERDICT_LABELS, ago, count, dateTime, interval, metricValue, percent, plural, windowLabel } from "./format.js";
import { livePanel } from "./live.js";

/**
 * @typedef {import("./address.js").State} State
 * @typedef {import("./documents.js").QueryResponse} QueryResponse
 * @typedef {import("./documents.js").QueryLine} Line
 * @typedef {import("./documents.js").Standing} BudgetReport
 * @typedef {import("./documents.js").Summary} Summary
 * @typedef {import("./documents.js").AlertReport} Alerts
 * A view: a function in `content` builds or extends a piece when its turn comes.
 * @typedef {{ title: string, content: (Node | (() => Node | undefined | Promise<void>))[], totals: { site: string, heard_at?: number, views: number },
 *   exportData: { name: string, columns: string[], rows: (string | number | null)[][], document: unknown } }} ViewContent
 */

/** @param {State} state @returns {Promise<ViewContent>} */
export async function overview(state) {
  const query = apiQuery(state);
  const [report, totals, series, summary, alerts] = await Promise.all([
    // The whole site and the most urgent routes; a site may have a thousand.
    /** @type {Promise<BudgetReport>} */ (fetchJson("/api/budgets", withParams(query, { sort: "trouble", limit: "100" }))),
    /** @type {Promise<QueryResponse>} */ (fetchJson("/api/vitals/distribution", query)),
    /** @type {Promise<QueryResponse>} */ (fetchJson("/api/vitals/series", withParams(query, { step: seriesStep(state), limit: "5000" }))),
    // Only the rejections, which are the site's; no route has this name.
    /** @type {Promise<Summary>} */ (fetchJson("/api/vitals/summary", withParams(query, { route: "(none)" }))),
    // Alerts require a token.
    hasToken("read") ? optionalOrError(/** @type {Promise<Alerts>} */ (fetchStatusJson("/api/alerts", new URLSearchParams([...query].filter(([name]) => name === "site"))))) : null,
  ]);
  const cards = make("div", { class: "cards" });
  const lines = METRIC_ORDER.flatMap((name) => totals.lines.find(({ metric }) => metric === name) ?? []);
  return {
    title: "Overview",
    totals,
    content: [
      make("h1", null, `Core Web Vitals, ${periodLabel(state)}`),
      () => make("div", { class: "top" }, scorePanel(report), trafficSection(totals, report)),
      ...(alerts ? [() => alertsSection(state, alerts)] : []),
      () => make("section", { "aria-labelledby": "vitals" }, make("h2", { id: "vitals" }, "Metrics"), cards),
      ...METRIC_ORDER.map((name) => () => void cards.append(metricCard(state, name, lines, series, report))),
      () => attentionSection(state, report, alerts === null),
      () => missingData(totals, summary.refused),
    ],
    exportData: {
      name: "overview",
      columns: ["metric", "unit", "n", "p75", "p75_low", "p75_high", "good", "needs_improvement", "poor"],
      rows: lines.map((line) => [line.metric, line.unit, line.n, line.p75, line.p75_interval?.[0] ?? null, line.p75_interval?.[1] ?? null, line.good, line.needs_improvement, line.poor]),
      document: { vitals: lines.map(({ buckets: _, ...line }) => line), standing: report },
    },
  };
}

/** The time range as a title names it. @param {State} state */
function periodLabel(state) {
  if (state.from === null && state.to === null) return windowLabel(state.window).replace("Last", "last");
  const [from, to] = timeRange(state);
  return `${dateTime(from)} – ${dateTime(to)}`;
}

/** @param {BudgetReport} standing */
function scorePanel({ scores }) {
  const own = scores.filter(({ route }) => route === null);
  const total = own.find(({ device }) => device === null);
  const parts = own.filter(({ device }) => device !== null);
  return make(
    "section",
    { class: "panel score-panel", "aria-labelledby": "score" },
    make("h2", { id: "score" }, "Score"),
    total && total.views > 0
      ? make("div", { class: "scores" },
          scoreRing(total.score, total.views, "All devices"),
          parts.map(({ device, score, views }) => scoreRing(score, views, device ?? "")),
        )
      : make("p", { class: "quiet" }, "No score: no measurements."),
    total?.parts?.length ? make("ul", { class: "adds", "aria-label": "Score by metric" }, total.parts.map((each) => scorePart(each, total.views < MIN_VIEWS))) : null,
    make("p", { class: "note quiet" }, "Lighthouse’s scoring curves, applied to the 75th percentiles of visits."),
  );
}

/** The score of a metric and its weight. @param {{ metric: string, score: number, weight: number }} part @param {boolean} few */
function scorePart({ metric, score, weight }, few) {
  const points = Math.round(score * 100);
  return make("li", { "data-part": metric, class: scoreClass(points, few) },
    make("b", null, metric), make("span", null, String(points)), make("small", null, `weight ${percent(weight)}`),
    draw("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" }, draw("rect", { class: "track", width: 100, height: 4 }), draw("rect", { class: "of", width: points, height: 4 })),
  );
}

/** Few views are never styled as good. @param {number} points @param {boolean} few */
const scoreClass = (points, few) => (few ? "insufficient" : points >= 90 ? "good" : points >= 50 ? "between" : "poor");

/** @param {number} score @param {number} n @param {string} name */
function scoreRing(score, n, name) {
  const points = Math.round(score * 100);
  const few = n < MIN_VIEWS;
  const kind = scoreClass(points, few);
  const around = 2 * Math.PI * 26;
  return make(
    "div",
    { class: `score ${kind}`, "data-score": name },
    draw("svg", { viewBox: "0 0 64 64", "aria-hidden": "true" },
      draw("circle", { class: "track", cx: 32, cy: 32, r: 26 }),
      draw("circle", { class: "arc", cx: 32, cy: 32, r: 26, "stroke-dasharray": `${around * score} ${around}`, transform: "rotate(-90 32 32)" }),
      draw("text", { x: 32, y: 39, "text-anchor": "middle" }, String(points)),
    ),
    make("p", null, make("span", { class: "unseen" }, `${points} of 100, `), make("b", null, name), make("small", null, few ? `only ${plural(n, "view")}` : plural(n, "view"))),
  );
}

/** @param {QueryResponse} whole @param {BudgetReport} report */
function trafficSection({ views, visits, sent, heard, lost, heard_at }, { navigations = [] }) {
  const unmeasured = Object.values(lost).reduce((sum, each) => sum + each, 0);
  return make(
    "section",
    { class: "panel", "aria-labelledby": "traffic" },
    make("h2", { id: "traffic" }, "Traffic"),
    make("dl", { class: "facts" },
      fact("Views", count(views), visits === views ? "not sampled" : `representing ${count(visits)} visits`),
      fact("Beacons received", sent ? percent(heard / sent) : "–", `${count(heard)} of ${count(sent)}`),
      fact("Last beacon", heard_at === undefined ? "never" : ago(heard_at), heard_at === undefined ? "none received yet" : dateTime(heard_at)),
      fact("Unmeasured views", count(unmeasured), views ? `${percent(unmeasured / views)} of views` : "no views"),
    ),
    navigations.length ? make("p", { class: "note quiet", id: "within" }, `Within documents, not judged: ${navigations.map(navigationLabel).join("; ")}.`) : null,
    livePanel(),
  );
}

/** Soft navigations or declared views, with their percentiles. @param {NonNullable<BudgetReport["navigations"]>[number]} navigation */
function navigationLabel({ navigation, views, metrics }) {
  const values = metrics.map(({ metric, unit, p75 }) => `${metric} ${metricValue(p75, unit)}`);
  return `${plural(views, navigation === "view" ? "declared view" : "soft navigation")}${values.length ? ` (p75: ${values.join(", ")})` : ""}`;
}

/** Open alerts; the health view acknowledges them. @param {State} state @param {Alerts | ApiError} alerts */
function alertsSection(state, alerts) {
  const health = (/** @type {string} */ word) => make("a", { href: link(state, { view: "health" }) }, word);
  const section = (/** @type {(Node | string)[]} */ ...children) =>
    make("section", { "aria-labelledby": "alerts", class: "calls" }, make("header", { class: "row" }, make("h2", { id: "alerts" }, "Alerts"), health("Acknowledge or silence")), ...children);
  if (alerts instanceof ApiError) return section(make("p", { class: "warning" }, alerts.message));
  if (alerts.raised.length === 0) return section(make("p", { class: "quiet" }, "No open alerts."));
  const item = (/** @type {import("./documents.js").AlertView} */ { key, signal, route, device, series, level, since: from, says, acknowledged, muted }) =>
    make("li", { "data-alert": key, class: muted ? "pale" : null },
      make("span", { class: `verdict ${level === "critical" ? "violated" : "at-limit"}` }, level === "critical" ? "Critical" : "Warning"),
      make("span", { title: says }, make("b", null, SIGNAL_LABELS[signal] ?? signal), " ", route ? make("a", { href: link(state, { view: "route", route }) }, route) : "the whole site", [device, series].filter(Boolean).map((part) => ` · ${part}`).join("")),
      make("small", { class: "quiet" }, ago(from), acknowledged ? `; acknowledged by ${acknowledged.by}` : "", muted ? "; silenced" : ""),
    );
  const { raised } = alerts;
  return section(
    make("ul", { class: "called panel" }, raised.slice(0, MAX_ALERTS).map(item)),
    raised.length > MAX_ALERTS ? make("p", { class: "quiet" }, "and ", health(`${count(raised.length - MAX_ALERTS)} more`)) : "",
  );
}

/** The health view lists all. */
const MAX_ALERTS = 5;

/** @param {State} state @param {string} name @param {Line[]} lines @param {QueryResponse} series @param {BudgetReport} report */
function metricCard(state, name, lines, series, report) {
  const line = lines.find(({ metric }) => metric === name);
  const unit = name === "CLS" ? "" : "ms";
  const judged = siteBudget(report, name);
  const few = !line || line.n < MIN_VIEWS;
  const points = (series.lines ?? []).flatMap(({ at, metric, p75, p75_interval }) =>
    metric === name && at !== undefined && p75 !== null ? { at, value: p75, low: p75_interval?.[0] ?? p75, high: p75_interval?.[1] ?? p75 } : [],
  );
  const stats = line ?? { n: 0, good: 0, needs_improvement: 0, poor: 0 };
  return make(
    "article",
    { class: few ? "card pale" : "card", "data-metric": name, "data-verdict": judged?.verdict ?? "none" },
    make("header", null,
      make("h3", null, make("a", { href: link(state, { view: "routes", metric: name, by: "route" }) }, make("abbr", { title: METRIC_NAMES[name] }, name)), make("small", null, METRIC_NAMES[name])),
      judged ? verdictBadge(judged.verdict) : verdictBadge(line ? "none" : "unknown"),
    ),
    make("p", { class: "value" }, make("b", { "data-p75": "" }, metricValue(line?.p75, unit)), make("small", null, line?.n ? interval(line.p75_interval, unit) : "no data")),
    sparkline(points, timeRange(state), points.length ? `Trend of p75 from ${metricValue(points[0].value, unit)} to ${metricValue(points[points.length - 1].value, unit)}` : "No trend: no data"),
    ratingBar(stats),
    ratingLegend(stats),
    make("p", { class: "foot" }, make("span", { "data-n": "" }, viewCount(line?.n ?? 0)), make("span", { "data-kept": "" }, judged ? `${judged.device ? `${judged.device}: ` : ""}${budgetSummary(judged)}` : "no budget")),
  );
}

/**
 * The worst budget of a metric that covers all routes of its pattern.
 * @param {BudgetReport} standing @param {string} metric
 */
export function siteBudget({ cells }, metric) {
  const own = cells.filter((cell) => cell.route === null && cell.metric === metric);
  const judged = own.some(({ n }) => n > 0) ? own.filter(({ n }) => n > 0) : own;
  return judged.sort((one, other) => verdictRank(one.verdict) - verdictRank(other.verdict))[0];
}

/** @param {State} state @param {BudgetReport} standing @param {boolean} isStranger whether the reader has no token for alerts */
function attentionSection(state, { cells, verdicts = {} }, isStranger) {
  const troubled = cells.filter((cell) => cell.route !== null && (cell.verdict === "violated" || cell.verdict === "at-limit" || cell.watch?.alarm));
  const ofSite = cells.filter(({ route, verdict }) => route === null && (verdict === "unknown" || verdict === "insufficient")).length;
  const silent = (verdicts.unknown ?? 0) + (verdicts.insufficient ?? 0) - ofSite;
  const body = troubled.slice(0, 8).map((each) =>
    make("tr", { "data-verdict": each.verdict },
      make("th", { scope: "row" }, make("a", { href: link(state, { view: "route", route: each.route, metric: each.metric }) }, each.route ?? ""), narrowOnly(`${each.device ?? "any"} · ${each.metric} ≤ ${metricValue(each.max, each.unit)}`)),
      cell(each.device ?? "any", "wide-only"),
      cell(each.metric, "wide-only"),
      numberCell(metricValue(each.value, each.unit)),
      numberCell(`≤ ${metricValue(each.max, each.unit)}`, "wide-only"),
      numberCell(each.n ? percent((each.n - each.k) / each.n) : "–", "wide-only"),
      cell(verdictBadge(each.verdict)),
    ),
  );
  return make(
    "section",
    { "aria-labelledby": "attention" },
    make("header", { class: "row" }, make("h2", { id: "attention" }, "Needs attention"), make("a", { href: link(state, { view: "budgets" }) }, "All budgets")),
    body.length
      ? table("Budgets that are exceeded or at the limit", [{ name: "Route" }, { name: "Device", wide: true }, { name: "Metric", wide: true }, { name: "Value", number: true }, { name: "Budget", number: true, wide: true }, { name: "Over budget", number: true, wide: true }, { name: "Verdict" }], body)
      : make("p", { class: "quiet" }, "No budget is proven to be exceeded."),
    silent > 0 && make("p", { class: "quiet" }, `Insufficient data for ${plural(silent, "budget")}: too few views, or none.`),
    isStranger && make("p", { class: "quiet" }, "Alerts require the read token. Enter it in the ", make("a", { href: link(state, { view: "health" }) }, "health view"), "."),
  );
}

/** @param {QueryResponse} whole @param {Record<string, number>} refused */
function missingData({ sent, heard, lost }, refused) {
  const entries = [
    ...(sent > heard ? [["Beacons lost in transit", sent - heard]] : []),
    ...Object.entries(lost).map(([reason, number]) => [`Views not measured: ${LOSS_LABELS[reason] ?? reason}`, number]),
    ...Object.entries(refused).map(([reason, number]) => [reason.startsWith("evidence-") ? `Unverified: ${reason.slice(9)}` : `Rejected: ${REJECTION_LABELS[reason] ?? reason}`, number]),
  ];
  return make(
    "section",
    { "aria-labelledby": "losses" },
    make("h2", { id: "losses" }, "Missing data"),
    entries.length
      ? make("dl", { class: "losses" }, entries.map(([name, number]) => make("div", null, make("dt", null, String(name)), make("dd", null, count(Number(number))))))
      : make("p", { class: "quiet" }, "Complete: every beacon arrived, every view was measured, none was rejected."),
  );
}
