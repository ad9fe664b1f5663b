/**
 * What a developer sees of a page's vitals: an overlay that follows them, and one table in the console.
 * For development alone: nothing of a production build imports this, and it sends nothing. The limits
 * are asked of the Worker, which alone knows which budget rules which page.
 * @module
 */
import { onCLS, onFCP, onFID, onINP, onLCP, onTTFB } from "#attribution";

/** @typedef {import("../types/development.js").DevelopmentOptions} Options */
/** @typedef {import("../types/react.js").AttributedMetric} Report */
/** @typedef {{ value: string, rating: string, limit: string, isWithin: boolean | undefined, because: string }} Line */

/** @type {typeof import("../types/development.js").overlay} */
export function overlay(options = {}) {
  if (!globalThis.document) return () => {};
  const host = document.createElement("div");
  host.dataset.edgeVitals = "";
  const root = host.attachShadow({ mode: "open" });
  root.innerHTML = `<style>${STYLE}</style><section aria-label="Vitals of this page"><header><b>Vitals</b><button aria-label="Close the vitals">×</button></header><table>${NAMES.map((name) => `<tr data-metric=${name}><th>${name}<td>…<td>`).join("")}</table></section>`;
  const stop = watched(options, (name, { value, rating, limit, isWithin, because }) => {
    const row = /** @type {HTMLElement} */ (root.querySelector(`[data-metric=${name}]`));
    row.className = isWithin === undefined ? rating : isWithin ? "good" : "poor";
    row.title = because;
    row.children[1].textContent = value;
    row.children[2].textContent = limit;
  });
  const close = () => {
    stop();
    host.remove();
  };
  root.querySelector("button")?.addEventListener("click", close);
  // What is painted first is to be the page's.
  loaded(() => document.body.append(host));
  return close;
}

/** @type {typeof import("../types/development.js").table} */
export function table(options = {}) {
  if (!globalThis.document) return () => {};
  /** @type {Record<string, Record<string, string>>} */
  const lines = {};
  const stop = watched(options, (name, { value, limit, rating, isWithin, because }) => {
    lines[name] = { value, limit, verdict: isWithin === undefined ? rating : isWithin ? "within" : "OVER", because };
  });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let late;
  loaded(() => {
    // By then the largest paint is there; what shifts and waits later is the overlay's to show.
    late = setTimeout(() => {
      console.table(Object.fromEntries(NAMES.filter((name) => lines[name]).map((name) => [name, lines[name]])));
      stop();
    }, SETTLED);
  });
  return () => {
    clearTimeout(late);
    stop();
  };
}

/**
 * Tells each change of each metric of this page load, beside its limit.
 * @param {Options} options
 * @param {(name: string, line: Line) => void} tell
 */
function watched({ limits: given = LIMITS }, tell) {
  const ended = new AbortController();
  const take = (/** @type {Report} */ report) => tell(report.name, line(report));
  // What was measured meanwhile is told all the same, and judged at once.
  known(given).then((limits) => {
    if (ended.signal.aborted) return;
    for (const on of [onCLS, onFCP, onFID, onINP, onLCP, onTTFB]) {
      const stop = /** @type {(take: any, options: object) => () => void} */ (on)(take, { reportAllChanges: true, limits });
      ended.signal.addEventListener("abort", stop);
    }
  });
  return () => ended.abort();
}

/** The limits of this page; none where nobody tells them. @param {NonNullable<Options["limits"]>} given */
async function known(given) {
  if (typeof given === "object" && !(given instanceof URL)) return given;
  try {
    const url = new URL(given, location.href);
    url.searchParams.set("path", location.pathname);
    url.searchParams.set("device", /Mobi/.test(navigator.userAgent) ? "phone" : "desktop");
    const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE) });
    return answer.ok ? (await answer.json()).limits : {};
  } catch {
    return {};
  }
}

/** @param {Report} report @returns {Line} */
function line({ name, value, rating, budget, withinBudget, attribution }) {
  const shown = (/** @type {number} */ number) => (name === "CLS" ? number.toFixed(3) : `${Math.round(number)} ms`);
  const { target, largestShiftTarget, interactionTarget, url } = /** @type {any} */ (attribution ?? {});
  return {
    value: shown(value),
    rating,
    limit: budget === undefined ? rating : `≤ ${shown(budget)}`,
    isWithin: withinBudget,
    because: target || largestShiftTarget || interactionTarget || url || "",
  };
}

/** @param {() => void} then */
function loaded(then) {
  if (document.readyState === "complete") then();
  else addEventListener("load", then, { once: true });
}

const NAMES = ["TTFB", "FCP", "LCP", "CLS", "INP", "FID"];
const LIMITS = "/api/budgets/limits";
/** Milliseconds for which the Worker may keep the limits to itself. */
const PATIENCE = 3000;
/** Milliseconds after load. */
const SETTLED = 2000;
const STYLE = `
section { all: initial; position: fixed; right: 12px; bottom: 12px; z-index: 2147483647; width: 208px; padding: 8px 12px; border-radius: 10px; background: #14181ff2; color: #e7eaef; font: 12px/1.6 system-ui, sans-serif; box-shadow: 0 6px 24px #0005 }
header { display: flex; justify-content: space-between }
button { all: unset; padding: 0 4px; cursor: pointer }
button:focus-visible { outline: 2px solid #7fb0ff }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 400; color: #9aa4b2 }
td { text-align: right; white-space: nowrap }
td:last-child { width: 92px; color: #9aa4b2 }
.good td:nth-child(2) { color: #5fce97 } .needs-improvement td:nth-child(2) { color: #f0b24b } .poor td:nth-child(2) { color: #ff8078; font-weight: 700 }
`;
