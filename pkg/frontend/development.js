/**
 * Tools for development: an overlay with the page's current metrics, and a table in the console. No
 * production build imports this module, and it sends nothing. The limits come from the Worker, which
 * alone matches budgets to pages.
 * @module
 */
import { onCLS, onFCP, onFID, onINP, onLCP, onTTFB } from "#attribution";

/** @typedef {import("../types/development.js").DevelopmentOptions} Options */
/** @typedef {import("../types/react.js").AttributedMetric} Report */
/** @typedef {{ value: string, rating: string, limit: string, isWithin: boolean | undefined, cause: string }} Row */

/** @type {typeof import("../types/development.js").overlay} */
export function overlay(options = {}) {
  if (!globalThis.document) return () => {};
  const host = document.createElement("div");
  host.dataset.edgeVitals = "";
  const root = host.attachShadow({ mode: "open" });
  root.innerHTML = `<style>${STYLE}</style><section aria-label="Web vitals of this page"><header><b>Web vitals</b><button aria-label="Close web vitals">×</button></header><p data-path></p><table>${NAMES.map((name) => `<tr data-metric=${name}><th>${name}<td>…<td>`).join("")}</table><p data-beacon role="status">No beacon was sent yet</p></section>`;
  const [path, beacon] = ["[data-path]", "[data-beacon]"].map((selector) => /** @type {HTMLElement} */ (root.querySelector(selector)));
  path.textContent = location.pathname;
  const onView = () => {
    path.textContent = location.pathname;
    for (const row of root.querySelectorAll("tr")) {
      row.className = row.title = row.children[2].textContent = "";
      row.children[1].textContent = "…";
    }
  };
  const stopBeacons = observeBeacons(options.endpoint ?? BEACON_PATH, (failure) => {
    beacon.textContent = failure ?? "The last beacon was accepted";
    beacon.className = failure ? "refused" : "";
  });
  const stopReports = subscribe({ ...options, onView }, (name, { value, rating, limit, isWithin, cause }) => {
    const row = /** @type {HTMLElement} */ (root.querySelector(`[data-metric=${name}]`));
    row.className = isWithin === undefined ? rating : isWithin ? "good" : "poor";
    row.title = cause;
    row.children[1].textContent = value;
    row.children[2].textContent = limit;
  });
  const close = () => {
    stopReports();
    stopBeacons();
    host.remove();
  };
  root.querySelector("button")?.addEventListener("click", close);
  // After load, so that the overlay is not the page's first paint.
  afterLoad(() => document.body.append(host));
  return close;
}

/** @type {typeof import("../types/development.js").table} */
export function table(options = {}) {
  if (!globalThis.document) return () => {};
  /** @type {Record<string, Record<string, string>>} */
  const rows = {};
  const stop = subscribe(options, (name, { value, limit, rating, isWithin, cause }) => {
    rows[name] = { value, limit, verdict: isWithin === undefined ? rating : isWithin ? "within budget" : "OVER BUDGET", cause };
  });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  afterLoad(() => {
    // By then LCP is known. Later shifts and interactions are shown by the overlay.
    timer = setTimeout(() => {
      console.table(Object.fromEntries(NAMES.filter((name) => rows[name]).map((name) => [name, rows[name]])));
      stop();
    }, TABLE_DELAY_MS);
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
}

/**
 * Calls back with each change of each metric of this page load, beside its limit; with `onView` also of the views that
 * follow, as far as the browser reports soft navigations.
 * @param {Options & { onView?: () => void }} options
 * @param {(name: string, row: Row) => void} onRow
 */
function subscribe({ limits: source = LIMITS_PATH, onView }, onRow) {
  const controller = new AbortController();
  const { signal } = controller;
  let shownPath = location.pathname;
  const onReport = (/** @type {Report} */ report) => {
    // The last values of a view come when the next one has begun.
    const isOfEarlierView = report.navigationURL !== undefined && new URL(report.navigationURL, location.href).pathname !== shownPath;
    if (!onView || !isOfEarlierView) onRow(report.name, toRow(report));
  };
  // Entries are buffered, so no report is lost while the limits are fetched.
  fetchLimits(source).then((limits) => {
    if (signal.aborted) return;
    for (const on of [onCLS, onFCP, onFID, onINP, onLCP, onTTFB]) {
      const stop = /** @type {(callback: typeof onReport, options: object) => () => void} */ (on)(onReport, { reportAllChanges: true, reportSoftNavs: Boolean(onView), limits });
      signal.addEventListener("abort", stop);
    }
    const onNavigation = async () => {
      if (location.pathname === shownPath) return;
      shownPath = location.pathname;
      onView?.();
      const next = await fetchLimits(source);
      // The client reads this object at each report.
      for (const name of NAMES) delete limits[name];
      Object.assign(limits, next);
    };
    if (onView) globalThis.navigation?.addEventListener("currententrychange", onNavigation, { signal });
  });
  return () => controller.abort();
}

/**
 * Calls back with the failure of each beacon of this page, or without one. Requests that outlive their page leave no
 * entry among the page's resources, so `fetch` itself is watched.
 * @param {string} endpoint @param {(failure: string | undefined) => void} onOutcome
 */
function observeBeacons(endpoint, onOutcome) {
  const { href } = new URL(endpoint, location.href);
  const original = globalThis.fetch;
  const watched = (/** @type {Parameters<typeof fetch>} */ ...request) => {
    const response = original(...request);
    const [input] = request;
    const address = input instanceof Request ? input.url : new URL(input, location.href).href;
    if (address === href) response.then(async (answer) => onOutcome(answer.ok ? undefined : await refusal(answer.clone())), () => onOutcome("Not sent: the Worker does not answer"));
    return response;
  };
  globalThis.fetch = watched;
  return () => {
    if (globalThis.fetch === watched) globalThis.fetch = original;
  };
}

/** The Worker's words: they name the origin or the site, and the change that ends it. @param {Response} response */
async function refusal(response) {
  const { detail = "the response has no reason" } = await response.json().catch(() => ({}));
  return `Refused with ${response.status}: ${detail}`;
}

/** Returns the limits of this page; none if the Worker cannot be reached. @param {NonNullable<Options["limits"]>} source */
async function fetchLimits(source) {
  if (typeof source === "object" && !(source instanceof URL)) return source;
  try {
    const url = new URL(source, location.href);
    url.searchParams.set("path", location.pathname);
    url.searchParams.set("device", /Mobi/.test(navigator.userAgent) ? "phone" : "desktop");
    const response = await fetch(url, { signal: AbortSignal.timeout(LIMITS_TIMEOUT_MS) });
    return response.ok ? (await response.json()).limits : {};
  } catch {
    return {};
  }
}

/** @param {Report} report @returns {Row} */
function toRow({ name, value, rating, budget, withinBudget, attribution }) {
  const format = (/** @type {number} */ number) => (name === "CLS" ? number.toFixed(3) : `${Math.round(number)} ms`);
  const { target, largestShiftTarget, interactionTarget, url } = /** @type {any} */ (attribution ?? {});
  return {
    value: format(value),
    rating,
    limit: budget === undefined ? rating : `≤ ${format(budget)}`,
    isWithin: withinBudget,
    cause: target || largestShiftTarget || interactionTarget || url || "",
  };
}

/** @param {() => void} work */
function afterLoad(work) {
  if (document.readyState === "complete") work();
  else addEventListener("load", work, { once: true });
}

/** The metrics in the order in which they are shown. @type {Report["name"][]} */
const NAMES = ["TTFB", "FCP", "LCP", "CLS", "INP", "FID"];
const BEACON_PATH = "/v1/vitals";
const LIMITS_PATH = "/api/budgets/limits";
const LIMITS_TIMEOUT_MS = 3000;
/** The time from load to the table. */
const TABLE_DELAY_MS = 2000;
const STYLE = `
section { all: initial; position: fixed; right: 12px; bottom: 12px; z-index: 2147483647; width: 208px; padding: 8px 12px; border-radius: 10px; background: #14181ff2; color: #e7eaef; font: 12px/1.6 system-ui, sans-serif; box-shadow: 0 6px 24px #0005 }
header { display: flex; justify-content: space-between }
button { all: unset; padding: 0 4px; cursor: pointer }
button:focus-visible { outline: 2px solid #7fb0ff }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 400; color: #9aa4b2 }
td { text-align: right; white-space: nowrap }
td:last-child { width: 92px; color: #9aa4b2 }
p { margin: 2px 0; color: #9aa4b2; overflow-wrap: anywhere }
.refused { color: #ff8078 }
.good td:nth-child(2) { color: #5fce97 } .needs-improvement td:nth-child(2) { color: #f0b24b } .poor td:nth-child(2) { color: #ff8078; font-weight: 700 }
`;
