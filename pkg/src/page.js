/**
 * What a page says of itself, for all who measure: whether it is hidden, how it came to be, and when
 * it has a moment to spare.
 * @module
 */
export const VISIBILITY = "visibilitychange";
export const CACHED = "back-forward-cache";

/** The metrics, in the machine's order. */
export const FCP = 0;
export const LCP = 1;
export const CLS = 2;
export const INP = 3;
export const FID = 4;
export const TTFB = 5;

/** Their names, likewise. */
export const NAMES = ["FCP", "LCP", "CLS", "INP", "FID", "TTFB"];

/** Where they show, but for the last. */
export const TYPES = ["paint", "largest-contentful-paint", "layout-shift", "event", "first-input"];

export const hidden = () => document.visibilityState === "hidden";

/** The navigation entry, unless its times are zero, negative or in the future, as some browsers' are. */
export const navigation = () => {
  const [entry] = performance.getEntriesByType("navigation");
  if (entry?.responseStart > 0 && entry.responseStart < performance.now()) return entry;
};

export const activation = () => navigation()?.activationStart ?? 0;

export const navigationType = () => {
  const entry = navigation();
  if (!entry) return "navigate";
  if (document.prerendering || entry.activationStart) return "prerender";
  return document.wasDiscarded ? "restore" : entry.type.replace("_", "-");
};

/** When the page is first hidden, as far as is known now. */
export const firstHidden = () => (hidden() && !document.prerendering ? 0 : Infinity);

/** The same, of a page that nobody has watched yet. */
export const hiddenBefore = () =>
  performance
    .getEntriesByType("visibility-state")
    .find((entry) => entry.name === "hidden" && entry.startTime >= activation())?.startTime ?? firstHidden();

/** What waits for an idle moment. */
const waiting = [];

/** What has waited waits no longer: the page may be gone before it is idle. */
export const flush = () => {
  while (waiting[0]) waiting.shift()();
};

/** In an idle moment, at the latest when the page hides (who listens for that flushes). */
export const idle = (then) => {
  if (hidden()) return then();
  waiting.push(then);
  (globalThis.requestIdleCallback ?? setTimeout)(flush, { timeout: 1e3 });
};

/** Two frames from now: painted. */
export const repainted = (then) => requestAnimationFrame(() => requestAnimationFrame(then));
