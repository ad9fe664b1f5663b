/**
 * The page, told to the machine: the observers, listeners and entries of one measurement of one or
 * more metrics. Which value counts and when it is reported is the machine's decision; this file
 * knows only where a browser shows what happened.
 * @module
 */
import { handle, lost } from "./machine.js";
import { BEGUN, CHANGE, CLS, END, FCP, FID, HIDDEN, HIDE, IDENTIFIED, INP, INTERACTED, LCP, LOADED, MEASURED, OPENED, RENEWED, REPORTED, SETTLED, SHIFTED, TTFB, WATCHED } from "./moments.js";

const VISIBILITY = "visibilitychange";
const SOFT = "soft-navigation";
const CACHED = "back-forward-cache";
/** Where each metric shows. */
const TYPES = ["paint", "largest-contentful-paint", "layout-shift", "event", "first-input", "navigation"];

/** When the page last came back from the back/forward cache. */
let restored = -1;
/** The next measurement's first slot, and those that are free again. */
let slots = -6;
/** @type {number[]} */
const vacant = [];

export const hidden = () => document.visibilityState === "hidden";

const firstHidden = () => (hidden() && !document.prerendering ? 0 : Infinity);

/** The navigation entry, unless its times are zero, negative or in the future, as some browsers' are. */
export const navigation = () => {
  const [entry] = performance.getEntriesByType("navigation");
  return entry?.responseStart > 0 && entry.responseStart < performance.now() ? entry : undefined;
};

export const activation = () => navigation()?.activationStart ?? 0;

export const navigationType = (entry = navigation()) =>
  restored < 0
    ? entry
      ? document.prerendering || activation() > 0
        ? "prerender"
        : document.wasDiscarded
          ? "restore"
          : entry.type.replace("_", "-")
      : "navigate"
    : CACHED;

/** In an idle moment, or at once when the page hides: exactly once. */
export const idle = (then) => {
  if (hidden()) then();
  else {
    const once = () => {
      removeEventListener(VISIBILITY, once, true);
      then?.();
      then = undefined;
    };
    addEventListener(VISIBILITY, once, true);
    (globalThis.requestIdleCallback ?? setTimeout)(once, { timeout: 1000 });
  }
};

/** What all measurements share, from the first one on. */
const watch = () => {
  handle(
    WATCHED,
    0,
    (document.prerendering
      ? undefined
      : performance
          .getEntriesByType("visibility-state")
          .find((entry) => entry.name === "hidden" && entry.startTime >= activation())?.startTime) ?? firstHidden(),
  );
  addEventListener(VISIBILITY, (event) => hidden() && handle(HIDDEN, 0, event.timeStamp), true);
  addEventListener("prerenderingchange", () => hidden() && handle(HIDDEN, 0, 0), true);
  // Browsers disagree on whether a restored page is visible yet: crbug.com/1133363
  addEventListener(
    "pageshow",
    (event) => event.persisted && setTimeout(() => handle(WATCHED, 0, firstHidden())),
    true,
  );
  if (!("interactionCount" in performance)) {
    new PerformanceObserver((list) => {
      for (const { interactionId } of list.getEntries()) if (interactionId) handle(IDENTIFIED, 0, interactionId);
    }).observe({ type: "event", buffered: true, durationThreshold: 0 });
  }
};

/**
 * Measures metrics until it is stopped, and says what is to be reported.
 */
export const measure = (metrics, report, options = {}, turned = undefined) => {
  const life = new AbortController();
  const supported = globalThis.PerformanceObserver?.supportedEntryTypes ?? [];
  const soft =
    options.reportSoftNavs &&
    supported.includes(SOFT) &&
    globalThis.PerformanceSoftNavigation?.prototype.getLargestInteractionContentfulPaint;
  const base = vacant.pop() ?? (slots += 6);
  /** The instance at hand of each metric that has begun. */
  let vitals = [];

  const listen = (type, then) => addEventListener(type, then, { capture: true, signal: life.signal });

  const tell = (what, metric, a, b, c) => (vitals[metric] ? handle(what, base + metric, a, b, c) : NaN);

  const begin = (metric, birth, type, start, navigation) => {
    handle(BEGUN, base + metric, birth, performance.interactionCount);
    vitals[metric] = { type, start, navigation, entries: [], lists: [] };
  };

  const ask = (metric, occasion) => {
    const delta = tell(REPORTED, metric, occasion);
    if (delta === delta) {
      report(metric, delta, vitals[metric], (what) => tell(what, metric));
      // A page that was never seen does not shift.
      if (metric === FCP) open(CLS);
    }
  };

  const measured = (metric, entry, since, until, seen = -Infinity) => {
    const counts = tell(MEASURED, metric, since, until, seen) > 0;
    if (counts) vitals[metric].entries = entry ? [entry] : [];
    return counts;
  };

  const file = (metric, entry, place) => {
    const lists = vitals[metric]?.lists;
    if (place & 1) lists[place >> 1] = [entry];
    else if (place >= 0) lists[place >> 1].push(entry);
  };

  const settle = (metric, occasion) => {
    const list = tell(SETTLED, metric, 0, performance.interactionCount);
    if (list >= 0) vitals[metric].entries = vitals[metric].lists[list] ?? [];
    ask(metric, occasion);
  };

  /** A view ends, and another begins. */
  const renew = (birth, type, start, navigation) => {
    if (type !== CACHED) for (const metric of metrics) settle(metric, END);
    turned?.(type, start, navigation);
    for (const metric of metrics) {
      if (vitals[metric]) begin(metric, birth, type, start, navigation ?? vitals[metric].navigation);
    }
  };

  const zero = (metric, entry, until = 0) => {
    measured(metric, entry, 0, until);
    ask(metric, END);
  };

  const take = (entries, occasion) => {
    for (const entry of entries) {
      const { entryType: type, startTime: at } = entry;
      if (type === SOFT) {
        renew(RENEWED, SOFT, at, entry);
        zero(FCP, undefined, (entry.presentationTime || entry.paintTime || 0) - at);
        zero(TTFB, entry);
        if (vitals[LCP]) {
          handle(WATCHED, 0, Infinity);
          const paint = entry.getLargestInteractionContentfulPaint?.();
          if (paint) take([paint]);
        }
      } else if (type === TYPES[FCP]) {
        if (entry.name === "first-contentful-paint" && measured(FCP, entry, activation(), at, at)) ask(FCP, END);
      } else if (type === TYPES[LCP]) {
        if (
          (soft || options.reportAllChanges || entry === entries.filter((other) => other.entryType === type).at(-1)) &&
          measured(LCP, entry, activation(), at, at)
        ) {
          ask(LCP, CHANGE);
        }
      } else if (type === TYPES[CLS]) {
        if (!entry.hadRecentInput) file(CLS, entry, tell(SHIFTED, CLS, at, entry.value));
      } else if (type === "interaction-contentful-paint") {
        const { navigation } = vitals[LCP];
        if (navigation?.navigationId && (entry.interactionId ?? navigation.interactionId) === navigation.interactionId) {
          const paint = entry.largestContentfulPaint;
          const time = paint?.renderTime || 0;
          if (measured(LCP, paint, at, time, time)) ask(LCP, CHANGE);
        }
      } else {
        file(INP, entry, tell(INTERACTED, INP, entry.interactionId, at, entry.duration));
        if (type === TYPES[FID] && measured(FID, entry, at, entry.processingStart, at)) ask(FID, END);
      }
    }
    settle(CLS, occasion);
    settle(INP, occasion);
  };

  const observer =
    supported[0] &&
    new PerformanceObserver((list) =>
      // Safari calls back synchronously: https://github.com/GoogleChrome/web-vitals/issues/277
      queueMicrotask(() => {
        // Several types do not arrive in order: https://github.com/w3c/performance-timeline/issues/224
        const entries = list
          .getEntries()
          .sort((one, other) => one.startTime + one.duration - other.startTime - other.duration);
        // All entries of an interaction are there only when the browser is idle.
        if (vitals[INP]) idle(() => take(entries, CHANGE));
        else take(entries, CHANGE);
      }),
    );

  const observe = (type) => {
    try {
      if (supported.includes(type)) {
        observer.observe({ type, buffered: true, durationThreshold: options.durationThreshold ?? 40 });
      }
    } catch {
      // A browser that refuses measures nothing.
    }
  };

  const open = (metric) => {
    if (vitals[metric] || !metrics.includes(metric)) return;
    handle(OPENED, base + metric, metric, options.reportAllChanges);
    const entry = navigation();
    begin(metric, LOADED, navigationType(), 0, entry);
    if (metric !== TTFB) observe(TYPES[metric]);
    if (metric === INP) observe(TYPES[FID]);
    if (metric === CLS) setTimeout(() => ask(CLS, CHANGE));
    if (soft) {
      observe(SOFT);
      if (metric === LCP) observe("interaction-contentful-paint");
    }
    if (metric === TTFB && entry) zero(TTFB, entry, entry.responseStart - activation());
  };

  const ready = () => {
    if (document.readyState === "complete") setTimeout(() => navigation() && open(TTFB));
    else listen("load", ready);
  };

  const activated = () => {
    if (!slots) watch();
    metrics = metrics.filter(
      (metric) =>
        supported.includes(TYPES[metric]) &&
        (metric !== INP || "interactionId" in PerformanceEventTiming.prototype),
    );
    for (const type of ["keydown", "click", VISIBILITY]) {
      listen(type, (event) => {
        const vital = vitals[LCP];
        // Not in the event's own task, which INP measures.
        if (vital && event.isTrusted) idle(() => vital === vitals[LCP] && ask(LCP, END));
      });
    }
    listen(VISIBILITY, () => {
      if (hidden() && (vitals[CLS] ?? vitals[INP] ?? vitals[FID])) take(observer.takeRecords(), HIDE);
    });
    listen("pageshow", (event) => {
      if (!event.persisted) return;
      restored = event.timeStamp;
      renew(RENEWED, CACHED, restored);
      zero(TTFB);
      requestAnimationFrame(() =>
        requestAnimationFrame(() => {
          for (const metric of [FCP, LCP]) {
            if (vitals[metric]) begin(metric, RENEWED, CACHED, restored, vitals[metric].navigation);
            zero(metric, undefined, performance.now() - event.timeStamp);
          }
          ask(CLS, CHANGE);
        }),
      );
      // The browser tells of a page's first input only once.
      for (const type of ["mousedown", "keydown", "touchstart"]) {
        listen(type, (input) => {
          if (input.cancelable) {
            take([
              {
                entryType: TYPES[FID],
                name: type,
                target: input.target,
                cancelable: true,
                startTime: input.timeStamp,
                processingStart: performance.now(),
              },
            ]);
          }
        });
      }
    });
    for (const metric of [FCP, LCP, INP, FID]) open(metric);
    ready();
  };

  if (!lost && globalThis.document) {
    if (document.prerendering) listen("prerenderingchange", activated);
    else activated();
  }

  return {
    base,
    renew,
    stop() {
      if (!life.signal.aborted) {
        life.abort();
        observer?.disconnect();
        vitals = [];
        vacant.push(base);
      }
    },
  };
};
