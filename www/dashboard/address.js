// The state of the dashboard in its address: the view, its filters and its time range.
import { METRIC_ORDER } from "./format.js";

/**
 * @typedef {(typeof VIEWS)[number][0] | "route"} View
 * @typedef {{ view: View, site: string | null, window: string, from: number | null, to: number | null,
 *   only: Map<string, string>, bots: string, navigations: string, metric: string, by: string, sort: string, route: string | null,
 *   a: string | null, b: string | null, verdict: string | null }} State
 */

/** Offered time ranges, as the API spells them. */
export const WINDOWS = /** @type {const} */ (["1h", "6h", "24h", "7d", "28d", "90d", "400d"]);
/** Dimensions of the API with their labels. */
export const DIMENSIONS = new Map([
  ["device", "Device"],
  ["net", "Connection"],
  ["nav", "Navigation"],
  ["cache", "Cache status"],
  ["release", "Release"],
  ["country", "Country"],
  ["browser", "Browser"],
  ["browser_family", "Browser family"],
  ["os", "Operating system"],
]);
/** The kinds of navigations that are counted. They have no place in the row of filters, which is one line on a phone. */
export const NAVIGATIONS = new Map([["hard", "Loads"], ["soft", "Soft navigations"], ["all", "Loads and soft navigations"]]);
/** The views of the navigation with their labels. The view of a route is opened from the others. */
export const VIEWS = /** @type {const} */ ([
  ["overview", "Overview"],
  ["routes", "Routes"],
  ["budgets", "Budgets"],
  ["compare", "Compare"],
  ["cache", "Cache"],
  ["health", "Health"],
]);

/** @param {string | null} view */
export const hasFilters = (view) => view !== "cache" && view !== "health";

/** @param {string} search @returns {State} */
export function parseState(search) {
  const given = new URLSearchParams(search);
  const moment = (/** @type {string} */ name) => (/^\d{1,15}$/.test(given.get(name) ?? "") ? Number(given.get(name)) : null);
  const view = given.get("view");
  const only = new Map();
  for (const [name, value] of given) if (DIMENSIONS.has(name) || name.startsWith("dim.")) only.set(name, value);
  const window = given.get("window") ?? "";
  const isRoute = view === "route" && given.has("route");
  return {
    view: isRoute ? "route" : (VIEWS.find(([name]) => name === view)?.[0] ?? "overview"),
    site: given.get("site"),
    window: /^[1-9]\d{0,3}[mhd]$/.test(window) ? window : "24h",
    from: moment("from"),
    to: moment("to"),
    only,
    bots: ["include", "only"].find((name) => name === given.get("bots")) ?? "exclude",
    navigations: ["soft", "all"].find((name) => name === given.get("navigations")) ?? "hard",
    metric: METRIC_ORDER.find((name) => name === given.get("metric")) ?? "LCP",
    by: DIMENSIONS.has(given.get("by") ?? "") || given.get("by")?.startsWith("dim.") ? String(given.get("by")) : "route",
    sort: given.get("sort") ?? "",
    route: given.get("route"),
    a: given.get("a"),
    b: given.get("b"),
    verdict: given.get("verdict"),
  };
}

/** The address of a state with changes. @param {State} state @param {Partial<State>} [change] */
export function link(state, change = {}) {
  const to = { ...state, ...change };
  const query = new URLSearchParams();
  const put = (/** @type {string} */ name, /** @type {string | number | null} */ value, /** @type {string | number | null} */ usual = null) => {
    if (value !== null && value !== "" && value !== usual) query.set(name, String(value));
  };
  put("site", to.site);
  put("view", to.view, "overview");
  if (to.view === "route") put("route", to.route);
  if (to.from !== null || to.to !== null) {
    put("from", to.from);
    put("to", to.to);
  } else put("window", to.window, "24h");
  for (const [name, value] of to.only) query.set(name, value);
  put("bots", to.bots, "exclude");
  put("navigations", to.navigations, "hard");
  if (to.view === "routes" || to.view === "route") put("metric", to.metric, "LCP");
  if (to.view === "routes") {
    put("by", to.by, "route");
    put("sort", to.sort);
  }
  if (to.view === "budgets") put("verdict", to.verdict);
  if (to.view === "compare") {
    put("a", to.a);
    put("b", to.b);
  }
  const text = query.toString();
  return text ? `/?${text}` : "/";
}

/** The filters and the time range as query parameters of the API. @param {State} state */
export function apiQuery(state) {
  const query = new URLSearchParams();
  if (state.site) query.set("site", state.site);
  const [from, to] = timeRange(state);
  if (state.from !== null || state.to !== null) {
    query.set("from", String(from));
    query.set("to", String(to));
  } else query.set("window", state.window);
  for (const [name, value] of state.only) query.set(name, value);
  if (state.bots !== "exclude") query.set("bots", state.bots);
  if (state.navigations !== "hard") query.set("navigations", state.navigations);
  return query;
}

/** The start and the end. As in the Worker, a range of a week or more starts at midnight UTC. @param {State} state @returns {[number, number]} */
export function timeRange(state, now = Date.now()) {
  const to = state.to ?? now;
  const from = to - windowMillis(state.window);
  return [state.from ?? (to - from < 7 * DAY_MS ? from : from - (from % DAY_MS)), to];
}

const DAY_MS = 86_400_000;

/** @param {string} window */
export function windowMillis(window) {
  const unit = { m: 60_000, h: 3_600_000, d: DAY_MS }[window.slice(-1)] ?? 0;
  return Number(window.slice(0, -1)) * unit;
}

/** @param {State} state */
export function seriesStep(state) {
  const [from, to] = timeRange(state);
  const hours = (to - from) / 3_600_000;
  return hours <= 2 ? "minute" : hours <= 24 * 14 ? "hour" : "day";
}
