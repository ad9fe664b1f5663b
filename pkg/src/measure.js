/**
 * The page, told to the machine: the observers, listeners and entries of one measurement of one or
 * more metrics. Which value counts and when it is reported is the machine's decision; this file
 * knows only where a browser shows what happened.
 * @module
 */
import { handle, lost } from "./machine.js";
import {
  BEGUN,
  CHANGE,
  CLS,
  END,
  FCP,
  FID,
  HIDDEN,
  HIDE,
  IDENTIFIED,
  INP,
  INTERACTED,
  LCP,
  MEASURED,
  OPENED,
  REPORTED,
  SETTLED,
  SHIFTED,
  TTFB,
  WATCHED,
} from "./moments.js";

export const VISIBILITY = "visibilitychange";
const SOFT = "soft-navigation";
const SOFT_PAINT = "interaction-contentful-paint";
const CACHED = "back-forward-cache";
const NEVER = Infinity;

/** Where each metric shows. */
const TYPES = ["paint", "largest-contentful-paint", "layout-shift", "event", "first-input", "navigation"];

/** Whether anything has been measured yet. */
let watching = false;
/** What each measurement does when the page hides. */
const hides = new Set();
/** When the page last came back from the back/forward cache. */
let restored = 0;
/** How many measurements have had slots of their own, and those slots that are free again. */
let measurements = 0;
const vacant = [];

export const hidden = () => document.visibilityState === "hidden";

const firstHidden = () => (hidden() && !document.prerendering ? 0 : NEVER);

/** The navigation entry, unless its times are zero, negative or in the future, as some browsers' are. */
export const navigation = () => {
  const [entry] = performance.getEntriesByType("navigation");
  return entry?.responseStart > 0 && entry.responseStart < performance.now() ? entry : undefined;
};

export const activation = () => navigation()?.activationStart ?? 0;

export const navigationType = () => {
  const entry = navigation();
  if (restored) return CACHED;
  if (!entry) return "navigate";
  if (document.prerendering || activation()) return "prerender";
  return document.wasDiscarded ? "restore" : entry.type.replace("_", "-");
};

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

/**
 * Measures metrics until it is stopped, and says what is to be reported.
 */
export const measure = (metrics, report, options = {}, turned) => {
  const life = new AbortController();
  const supported = globalThis.PerformanceObserver?.supportedEntryTypes ?? [];
  const soft =
    FULL &&
    options.reportSoftNavs &&
    supported.includes(SOFT) &&
    globalThis.PerformanceSoftNavigation?.prototype.getLargestInteractionContentfulPaint;
  const base = FULL ? (vacant.pop() ?? 6 * measurements++) : 0;
  const threshold = options.durationThreshold ?? 40;
  /** The instance at hand of each metric that has begun. */
  let vitals = [];
  /** The entries that a measured duration stands on. */
  let evidence;

  const listen = (type, then, target = globalThis) =>
    target.addEventListener(type, then, { capture: true, signal: life.signal });

  const say = FULL ? (what, metric, a, b, c) => handle(what, base + metric, a, b, c) : handle;

  const tell = (what, metric, a, b, c) => (vitals[metric] ? say(what, metric, a, b, c) : NaN);

  const begin = (metric, renewed, about) => {
    say(BEGUN, metric, renewed, performance.interactionCount);
    vitals[metric] = {};
    if (FULL) {
      const { type, start, navigation } = about;
      vitals[metric] = { type, start, navigation, entries: [], lists: {} };
    }
  };

  const ask = (metric, occasion) => {
    const delta = tell(REPORTED, metric, occasion);
    if (delta === delta) {
      if (FULL) report(metric, delta, vitals[metric], base + metric);
      else report();
      // A page that was never seen does not shift.
      if (metric === FCP) open(CLS);
    }
  };

  const took = (metric, occasion, since, until, seen = -NEVER) => {
    if (tell(MEASURED, metric, since, until, seen) && FULL) vitals[metric].entries = evidence;
    ask(metric, occasion);
  };

  const file =
    FULL &&
    ((metric, list, entry, place) => {
      const { lists } = vitals[metric] ?? {};
      if (place) lists[list].push(entry);
      else if (place === 0) lists[list] = [entry];
    });

  const settle = (metric, occasion) => {
    const list = tell(SETTLED, metric, 0, performance.interactionCount);
    if (FULL && list >= 0) vitals[metric].entries = vitals[metric].lists[list] ?? [];
    ask(metric, occasion);
  };

  /** A view ends, and another begins. */
  const renew = (type, start, navigation) => {
    if (type !== CACHED) for (const metric of metrics) settle(metric, END);
    if (!FULL || turned) turned(type, start, navigation?.name);
    for (const metric of metrics) {
      const vital = vitals[metric];
      if (vital) begin(metric, true, FULL && { type, start, navigation: navigation ?? vital.navigation });
    }
  };

  const take = (entries, occasion) => {
    const shifting = vitals[CLS];
    for (const entry of entries) {
      const { entryType: type, startTime: at } = entry;
      if (FULL) {
        options.witness?.(entry);
        evidence = [entry];
      }
      if (FULL && type === SOFT) {
        renew(type, at, entry);
        took(TTFB, END, 0, 0);
        evidence = [];
        took(FCP, END, at, entry.presentationTime || entry.paintTime || 0);
        if (vitals[LCP]) {
          handle(WATCHED, 0, NEVER);
          const paint = entry.getLargestInteractionContentfulPaint?.();
          if (paint) take([paint]);
        }
      } else if (type === TYPES[FCP]) {
        if (entry.name === "first-contentful-paint") took(FCP, END, activation(), at, at);
      } else if (type === TYPES[LCP]) {
        if ((FULL && (soft || options.reportAllChanges)) || entry === entries.filter((other) => other.entryType === type).at(-1)) {
          took(LCP, CHANGE, activation(), at, at);
        }
      } else if (type === TYPES[CLS]) {
        if (!entry.hadRecentInput) {
          if (FULL) file(CLS, 0, entry, tell(SHIFTED, CLS, at, entry.value));
          else tell(SHIFTED, CLS, at, entry.value);
        }
      } else if (FULL && type === SOFT_PAINT) {
        const { navigation } = vitals[LCP];
        if (navigation?.navigationId && (entry.interactionId ?? navigation.interactionId) === navigation.interactionId) {
          const paint = entry.largestContentfulPaint;
          const time = paint?.renderTime || 0;
          if (paint) options.witness?.(paint);
          evidence = paint ? [paint] : [];
          took(LCP, CHANGE, at, time, time);
        }
      } else {
        const id = entry.interactionId;
        if (id) {
          handle(IDENTIFIED, 0, id);
          if (type === TYPES[FID] || entry.duration >= threshold) {
            if (FULL) {
              file(INP, id, entry, tell(INTERACTED, INP, id, at, entry.duration));
              if (vitals[INP]) options.witness?.(entry, vitals[INP]);
            } else tell(INTERACTED, INP, id, at, entry.duration);
          }
        }
        if (type === TYPES[FID]) took(FID, END, at, entry.processingStart, at);
      }
    }
    if (shifting) settle(CLS, occasion);
    settle(INP, occasion);
    // What is not reported yet is to outlive a crash as well.
    if (!FULL || turned) report();
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
        if (vitals[INP]) idle(() => take(entries));
        else take(entries);
      }),
    );

  const observe = (type) =>
    observer.observe({
      type,
      buffered: true,
      // Where the browser does not count interactions, every id is needed to estimate how many.
      durationThreshold: "interactionCount" in performance ? threshold : 0,
    });

  const open = (metric) => {
    const entry = navigation();
    if (
      life.signal.aborted ||
      vitals[metric] ||
      (metric === TTFB && !entry) ||
      (FULL && !metrics.includes(metric)) ||
      !supported.includes(TYPES[metric]) ||
      (metric === INP && !("interactionId" in PerformanceEventTiming.prototype))
    ) {
      return;
    }
    say(OPENED, metric, metric, FULL && options.reportAllChanges);
    begin(metric, false, FULL && { type: navigationType(), start: 0, navigation: entry });
    if (FULL) evidence = [entry];
    if (metric === TTFB) took(metric, END, activation(), entry.responseStart);
    else observe(TYPES[metric]);
    if (metric === CLS || metric === INP || metric === FID) hides.add(hide);
    if (metric === INP) observe(TYPES[FID]);
    if (metric === CLS) setTimeout(() => ask(metric));
    if (FULL && soft) {
      if (metric === LCP) observe(SOFT_PAINT);
      // Once only, since what is buffered is told again each time. FID alone is older than they are.
      if (metric === metrics.at(-1) && metrics[0] !== FID) observe(SOFT);
    }
  };

  const hide = () => take(observer.takeRecords(), HIDE);

  const loaded = () => {
    // A task after load, so that the navigation entry is whole.
    if (document.readyState === "complete") setTimeout(() => open(TTFB));
    else listen("load", loaded);
  };

  const activated = () => {
    if (!watching) {
      watching = true;
      handle(
        WATCHED,
        0,
        performance
          .getEntriesByType("visibility-state")
          .find((entry) => entry.name === "hidden" && entry.startTime >= activation())?.startTime ?? firstHidden(),
      );
      addEventListener(
        VISIBILITY,
        (event) => {
          if (hidden()) {
            for (const hide of hides) hide();
            handle(HIDDEN, 0, event.timeStamp);
          }
        },
        true,
      );
    }
    for (const type of ["keydown", "click", VISIBILITY]) {
      listen(type, (event) => {
        const vital = vitals[LCP];
        // Not in the event's own task, which INP measures.
        if (vital && event.isTrusted) idle(() => vital === vitals[LCP] && ask(LCP, END));
      });
    }
    listen("pageshow", (event) => {
      if (!event.persisted) return;
      restored = event.timeStamp;
      // Browsers disagree on whether a restored page is visible yet: crbug.com/1133363
      setTimeout(() => handle(WATCHED, 0, firstHidden()));
      renew(CACHED, restored);
      if (FULL) evidence = [];
      took(TTFB, END, 0, 0);
      requestAnimationFrame(() =>
        requestAnimationFrame(() => {
          for (const metric of [FCP, LCP]) {
            const vital = vitals[metric];
            if (vital) begin(metric, true, FULL && vital);
            if (FULL) evidence = [];
            took(metric, END, event.timeStamp, performance.now());
          }
          ask(CLS);
        }),
      );
      // The browser tells of a page's first input only once.
      for (const name of ["mousedown", "keydown", "touchstart"]) {
        listen(name, ({ cancelable, target, timeStamp: startTime }) => {
          if (!cancelable) return;
          if (!FULL) took(FID, END, startTime, performance.now());
          else {
            take([{ entryType: TYPES[FID], name, target, cancelable, startTime, processingStart: performance.now() }]);
          }
        });
      }
    });
    for (const metric of [FCP, LCP, INP, FID]) open(metric);
    loaded();
  };

  if (!lost && (!FULL || globalThis.document)) {
    if (document.prerendering) listen("prerenderingchange", activated);
    else activated();
  }

  return {
    listen,
    ...(FULL && { base, vitals: () => vitals }),
    /** A view of the application's own begins: it shifts and is interacted with, and has no paints. */
    declare(type) {
      open(TTFB);
      renew(type, performance.now());
      open(CLS);
      for (const metric of [FCP, LCP, FID, TTFB]) ask(metric, END);
    },
    stop() {
      if (FULL && !life.signal.aborted) vacant.push(base);
      life.abort();
      observer?.disconnect();
      hides.delete(hide);
      vitals = [];
    },
  };
};

