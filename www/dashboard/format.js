// Numbers, times and labels in the reader's locale and time zone.

const locale = () => navigator.languages ?? [navigator.language];
/** Creates a formatter on its first use: creating all of them takes longer than showing a view. @template T @param {() => T} make */
const lazy = (make) => {
  /** @type {T | undefined} */
  let made;
  return () => (made ??= make());
};
const integerFormat = lazy(() => new Intl.NumberFormat(locale(), { maximumFractionDigits: 0 }));
const decimalFormat = lazy(() => new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }));
const shiftFormat = lazy(() => new Intl.NumberFormat(locale(), { minimumFractionDigits: 2, maximumFractionDigits: 3 }));
const secondsFormat = lazy(() => new Intl.NumberFormat(locale(), { minimumFractionDigits: 2, maximumFractionDigits: 2 }));
const compactFormat = lazy(() => new Intl.NumberFormat(locale(), { notation: "compact", maximumFractionDigits: 1 }));
const percentFormat = lazy(() => new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 1 }));
const dateTimeFormat = lazy(() => new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }));
const timeFormat = lazy(() => new Intl.DateTimeFormat(locale(), { timeStyle: "medium" }));
const dateFormat = lazy(() => new Intl.DateTimeFormat(locale(), { dateStyle: "medium" }));
const monthDayFormat = lazy(() => new Intl.DateTimeFormat(locale(), { month: "short", day: "numeric" }));
const relativeFormat = lazy(() => new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }));

/** @param {number} number */
export const count = (number) => integerFormat().format(number);
/** @param {number} number */
export const compact = (number) => compactFormat().format(number);
/** @param {number} share */
export const percent = (share) => percentFormat().format(share);
/** @param {number} at */
export const dateTime = (at) => dateTimeFormat().format(at);
/** @param {number} at */
export const time = (at) => timeFormat().format(at);
/** @param {number} at */
export const date = (at) => dateFormat().format(at);
/** @param {number} at */
export const monthDay = (at) => monthDayFormat().format(at);

/**
 * A value with its unit. Values below ten seconds stay in milliseconds, the unit of budgets.
 * @param {number | null | undefined} number @param {string} unit
 */
export function metricValue(number, unit) {
  if (number === null || number === undefined) return "–";
  if (unit !== "ms") return shiftFormat().format(number);
  return number < 10_000 ? `${integerFormat().format(number)} ms` : `${secondsFormat().format(number / 1000)} s`;
}

/** @param {[number, number] | null | undefined} pair @param {string} unit */
export function interval(pair, unit) {
  if (!pair) return "too few views";
  const [low, high] = pair;
  const bare = (/** @type {number} */ number) => (unit === "ms" && number < 10_000 ? integerFormat().format(number) : metricValue(number, unit));
  return `${bare(low)} – ${metricValue(high, unit)}`;
}

/** @param {number} number */
export function bytes(number) {
  const [unit, of] = number < 1e3 ? ["byte", 1] : number < 1e6 ? ["kilobyte", 1e3] : number < 1e9 ? ["megabyte", 1e6] : ["gigabyte", 1e9];
  return new Intl.NumberFormat(locale(), { style: "unit", unit: String(unit), unitDisplay: of === 1 ? "long" : "short", maximumFractionDigits: of === 1 ? 0 : 1 }).format(number / Number(of));
}

/** @param {number} total in seconds */
export function totalTime(total) {
  if (total < 60) return `${integerFormat().format(total)} s`;
  if (total < 3600) return `${integerFormat().format(total / 60)} min`;
  return `${(total < 36_000 ? decimalFormat : integerFormat)().format(total / 3600)} h`;
}

/** @param {number} millis */
export const duration = (millis) => (millis < 172_800_000 ? totalTime(millis / 1000) : plural(Math.round(millis / 86_400_000), "day"));

/** @param {number} at */
export function ago(at, now = Date.now()) {
  const passed = Math.max(0, now - at) / 1000;
  if (passed < 90) return relativeFormat().format(-Math.round(passed), "second");
  if (passed < 5400) return relativeFormat().format(-Math.round(passed / 60), "minute");
  if (passed < 129_600) return relativeFormat().format(-Math.round(passed / 3600), "hour");
  return relativeFormat().format(-Math.round(passed / 86_400), "day");
}

/** @param {string} window */
export function windowLabel(window) {
  const number = Number(window.slice(0, -1));
  const unit = { m: "minute", h: "hour", d: "day" }[window.slice(-1)];
  return number === 1 ? `Last ${unit}` : `Last ${number} ${unit}s`;
}

/** @param {number} number @param {string} noun @param {string} [many] */
export const plural = (number, noun, many = `${noun}s`) => `${count(number)} ${number === 1 ? noun : many}`;

export const METRIC_NAMES = /** @type {Record<string, string>} */ ({
  LCP: "Largest Contentful Paint",
  INP: "Interaction to Next Paint",
  CLS: "Cumulative Layout Shift",
  FCP: "First Contentful Paint",
  TTFB: "Time to First Byte",
  FID: "First Input Delay",
});
/** Core Web Vitals first, the retired metric last. */
export const METRIC_ORDER = Object.keys(METRIC_NAMES);

export const VERDICT_LABELS = /** @type {Record<string, string>} */ ({
  violated: "Over budget",
  "at-limit": "At the limit",
  unknown: "No data",
  insufficient: "Insufficient data",
  met: "Within budget",
  none: "No budget",
});

/** @param {string | null | undefined} name null in views without the dimension */
export const groupLabel = (name) => (name === null || name === undefined || name === "" ? "unknown" : name);

/** Reasons why a view has no measurements. */
export const LOSS_LABELS = /** @type {Record<string, string>} */ ({
  hidden: "page hidden before measurement started",
  csp: "blocked by the content security policy",
  unsupported: "unsupported browser",
  trap: "the wasm module failed",
});

/** Rejections that fall on some visitors and not on others. */
export const REJECTION_LABELS = /** @type {Record<string, string>} */ ({
  "too-many-from-ipv4": "limit of an IPv4 address; mobile visitors behind a carrier's address may be underrepresented",
  "too-many-from-ipv6": "limit of an IPv6 network",
  "too-many-from-unknown": "limit of senders without an address",
});

/** Signals of alert rules. */
export const SIGNAL_LABELS = /** @type {Record<string, string>} */ ({
  verdict: "Budget violated",
  evidence: "Regression since the release",
  "burn-rate": "Burn rate",
  "response-time": "Slow responses",
  "hit-ratio": "Low hit ratio",
  "query-time": "Slow queries",
  "error-rate": "Error rate",
  memory: "Memory",
  origin: "Origin down",
  uptime: "Uptime objective missed",
  silence: "No beacons",
  "push-backlog": "Push backlog",
  anomaly: "Anomaly",
});
