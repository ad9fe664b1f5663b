/**
 * The state of the page: visibility, navigation, activation, and idle time.
 * @module
 */

/** @typedef {import("../types/index.js").Beacon["nav"]} NavigationType */

export const VISIBILITY_CHANGE = "visibilitychange";
export const BACK_FORWARD_CACHE = "back-forward-cache";

export const SOFT_NAVIGATION = "soft-navigation";
export const SOFT_PAINT = "interaction-contentful-paint";

/** The time that a declaration waits for the browser's report of the same navigation. A later one still joins. */
export const MAX_REPORT_DELAY_MS = 1e3;

export const isHidden = () => document.visibilityState === "hidden";

/** The navigation entry, unless its times are zero, negative or in the future, as in some browsers. */
export const navigationEntry = () => {
  const [entry] = performance.getEntriesByType("navigation");
  if (entry?.responseStart > 0 && entry.responseStart < performance.now()) return entry;
};

export const activationStart = () => navigationEntry()?.activationStart ?? 0;

/** @returns {import("../types/index.js").Metric["navigationType"]} */
export const navigationType = () => {
  const entry = navigationEntry();
  if (!entry) return "navigate";
  if (document.prerendering || entry.activationStart) return "prerender";
  if (document.wasDiscarded) return "restore";
  return /** @type {"navigate" | "reload" | "back-forward"} */ (entry.type.replace("_", "-"));
};

/** Time of the first hiding: 0 or infinity, as far as the current state tells. */
export const firstHiddenNow = () => (isHidden() && !document.prerendering ? 0 : Infinity);

/** Time of the first hiding before observation started. */
export const firstHidden = () =>
  performance
    .getEntriesByType("visibility-state")
    .find((entry) => entry.name === "hidden" && entry.startTime >= activationStart())?.startTime ?? firstHiddenNow();

/** Work that waits for an idle moment. @type {(() => void)[]} */
const queue = [];

/** Runs the waiting work at once, since the page may be gone before it is idle. */
export const flush = () => {
  while (queue[0]) /** @type {() => void} */ (queue.shift())();
};

/** Runs work in an idle moment, or when the page is hidden if the caller's listener flushes. @param {() => void} work */
export const whenIdle = (work) => {
  if (isHidden()) return work();
  queue.push(work);
  (globalThis.requestIdleCallback ?? setTimeout)(flush, /** @type {number & IdleRequestOptions} */ ({ timeout: 1e3 }));
};

/** Runs work after two frames, when the page has been painted. @param {() => void} work */
export const afterPaint = (work) => requestAnimationFrame(() => requestAnimationFrame(work));

export const supportsSoftNavigations = () =>
  !!globalThis.PerformanceSoftNavigation?.prototype.getLargestInteractionContentfulPaint;

/** The time at which an entry ended. The duration of an event is rounded to 8 ms, so that it may seem to end up to 4 ms after the soft navigation that it caused. @param {ObservedEntry} entry */
const end = ({ entryType, startTime, duration }) => startTime + duration + (entryType === SOFT_NAVIGATION ? 5 : 0);

/** Compares entries by their ends: several types do not arrive in order. @see https://github.com/w3c/performance-timeline/issues/224 @type {(one: ObservedEntry, other: ObservedEntry) => number} */
export const byEnd = (one, other) => end(one) - end(other);
