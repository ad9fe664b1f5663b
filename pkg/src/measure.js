/**
 * The page, told to the machine: the observers, listeners and entries of one measurement of one or
 * more metrics. Which value counts and when it is reported is the machine's decision; this file
 * knows only where a browser shows what happened.
 * @module
 */
import { handle, lost } from "./machine.js";
import {
  ASKED,
  BEGUN,
  CHANGE,
  END,
  HIDDEN,
  HIDE,
  INTERACTED,
  MEASURED,
  REPORTED,
  SETTLED,
  SHIFTED,
  VALUE,
  WATCHED,
} from "./moments.js";
import {
  CACHED,
  CLS,
  FCP,
  FID,
  INP,
  LCP,
  TTFB,
  TYPES,
  VISIBILITY,
  activation,
  firstHidden,
  flush,
  hidden,
  hiddenBefore,
  idle,
  navigation,
  navigationType,
  repainted,
} from "./page.js";

export { lost };

const SOFT = "soft-navigation";
const SOFT_PAINT = "interaction-contentful-paint";

/** Whether anything has been measured yet. */
let watching;
/** When the page last came back from the back/forward cache. */
let restored = 0;
/** How many measurements have had slots of their own, and those slots that are free again. */
let measurements = 0;
const vacant = [];

/**
 * Measures metrics until it is stopped, and says that something may have changed, that another view
 * begins, that the page is being left, and what is to be reported.
 */
export const measure = (changed, options = {}, turned, left, metrics = [CLS, TTFB, FCP, LCP, INP, FID], report) => {
  const life = new AbortController();
  const { reportAllChanges, witness, durationThreshold: threshold = 40 } = options;
  const base = vacant.pop() ?? 6 * measurements++;
  /** The instance at hand of each metric that has begun. */
  let vitals = [];
  let observer;
  let soft;

  const listen = (type, then, target = globalThis) =>
    target.addEventListener(type, then, { capture: true, signal: life.signal });

  const say = (what, metric, a, b, c) => (vitals[metric] ? handle(what, base + metric, a, b, c) : NaN);

  const begin = (metric, renewed, type, start, navigation) => {
    vitals[metric] = { type, start, navigation, entries: [], lists: {} };
    say(BEGUN, metric, renewed, reportAllChanges);
  };

  const ask = (metric, occasion) => {
    const delta = say(REPORTED, metric, occasion);
    if (delta === delta) {
      report?.(metric, delta, vitals[metric], base + metric);
      // A page that was never seen does not shift.
      if (metric === FCP) open(CLS);
    }
  };

  /** Something took its time; what is only seen once the page was hidden does not count. */
  const took = (metric, occasion, entries, since, until, seen) => {
    if (say(MEASURED, metric, since, until, seen)) vitals[metric].entries = entries;
    ask(metric, occasion);
  };

  const file = (metric, list, entry, place) => {
    if (place) vitals[metric].lists[list].push(entry);
    else if (place === 0) vitals[metric].lists[list] = [entry];
  };

  const settle = (metric, occasion) => {
    const list = say(SETTLED, metric);
    if (list >= 0) vitals[metric].entries = vitals[metric].lists[list] ?? [];
    ask(metric, occasion);
  };

  /** A view ends, and another begins. */
  const renew = (type, start, navigation) => {
    if (type !== CACHED) for (const metric of metrics) settle(metric, END);
    turned?.(type, start, navigation?.name);
    vitals.forEach((vital, metric) => begin(metric, 1, type, start, navigation ?? vital.navigation));
  };

  const take = (entries, occasion) => {
    const shifting = vitals[CLS];
    for (const entry of entries) {
      const { entryType: type, startTime: at } = entry;
      const first = type === TYPES[FID];
      witness?.(entry);
      if (type === SOFT) {
        renew(type, at, entry);
        took(TTFB, END, [entry], 0, 0);
        took(FCP, END, [], at, entry.presentationTime || entry.paintTime || 0);
        if (vitals[LCP]) {
          handle(WATCHED, 0, Infinity);
          const paint = entry.getLargestInteractionContentfulPaint?.();
          if (paint) take([paint]);
        }
      } else if (type === TYPES[FCP]) {
        if (entry.name === "first-contentful-paint") took(FCP, END, [entry], activation(), at, at);
      } else if (type === TYPES[LCP]) {
        if (soft || reportAllChanges || entry === entries.findLast((other) => other.entryType === type)) {
          took(LCP, CHANGE, [entry], activation(), at, at);
        }
      } else if (type === TYPES[CLS]) {
        if (!entry.hadRecentInput) file(CLS, 0, entry, say(SHIFTED, CLS, at, entry.value));
      } else if (type === SOFT_PAINT) {
        const { navigation } = vitals[LCP];
        if (navigation?.navigationId && (entry.interactionId ?? navigation.interactionId) === navigation.interactionId) {
          const paint = entry.largestContentfulPaint;
          const time = paint?.renderTime || 0;
          if (paint) witness?.(paint);
          took(LCP, CHANGE, paint ? [paint] : [], at, time, time);
        }
      } else {
        const id = entry.interactionId;
        // The ids of those that are too short help to count them.
        file(INP, id, entry, say(INTERACTED, INP, id, at, first || entry.duration >= threshold ? entry.duration : -1));
        witness?.(entry, vitals[INP]);
        if (first) took(FID, END, [entry], at, entry.processingStart, at);
      }
    }
    if (shifting) settle(CLS, occasion);
    settle(INP, occasion);
    // What is not reported yet is to outlive a crash as well.
    changed?.();
  };

  const observe = (type) =>
    observer.observe({
      type,
      buffered: true,
      // Where the browser does not count interactions, every id is needed to estimate how many.
      durationThreshold: "interactionCount" in performance ? threshold : 0,
    });

  const hide = () => hidden() && take(observer.takeRecords(), HIDE);

  const open = (metric) => {
    const entry = navigation();
    if (
      life.signal.aborted ||
      vitals[metric] ||
      !metrics.includes(metric) ||
      !(metric === TTFB ? entry : PerformanceObserver.supportedEntryTypes.includes(TYPES[metric])) ||
      (metric === INP && !("interactionId" in PerformanceEventTiming.prototype))
    ) {
      return;
    }
    begin(metric, 0, restored ? CACHED : navigationType(), 0, entry);
    if (metric === TTFB) took(metric, END, [entry], activation(), entry.responseStart);
    else observe(TYPES[metric]);
    // These may change until the page hides.
    if (metric > LCP && metric < TTFB) listen(VISIBILITY, hide);
    if (metric === INP) observe(TYPES[FID]);
    if (metric === CLS) setTimeout(() => ask(metric));
    if (soft) {
      if (metric === LCP) observe(SOFT_PAINT);
      // Once only, since what is buffered is told again each time. FID alone is older than they are.
      if (metric === metrics.at(-1) && metrics[0] !== FID) observe(SOFT);
    }
  };

  const loaded = () => {
    // A task after load, so that the navigation entry is whole.
    if (document.readyState === "complete") setTimeout(() => open(TTFB));
    else listen("load", loaded);
  };

  const activated = () => {
    soft =
      options.reportSoftNavs &&
      globalThis.PerformanceSoftNavigation?.prototype.getLargestInteractionContentfulPaint;
    observer = new PerformanceObserver((list) =>
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
    if (!watching) {
      watching = true;
      handle(WATCHED, 0, hiddenBefore());
      addEventListener(VISIBILITY, (event) => hidden() && handle(HIDDEN, 0, event.timeStamp), true);
      // When the page hides, what waits comes after all that the page's hiding itself ends.
      addEventListener(VISIBILITY, flush);
    }
    for (const type of ["keydown", "click", VISIBILITY]) {
      const finished = ({ isTrusted }) => {
        const vital = vitals[LCP];
        // Not in the event's own task, which INP measures.
        if (vital && isTrusted) idle(() => vital === vitals[LCP] && ask(LCP, END));
      };
      // On the document, and so after what others report when the page hides.
      listen(type, finished, document);
    }
    listen("pageshow", (event) => {
      if (!event.persisted) return;
      restored = event.timeStamp;
      // Browsers disagree on whether a restored page is visible yet: crbug.com/1133363
      setTimeout(() => handle(WATCHED, 0, firstHidden()));
      renew(CACHED, restored);
      took(TTFB, END, [], 0, 0);
      repainted(() => {
        for (const metric of [FCP, LCP]) {
          say(BEGUN, metric, 1, reportAllChanges);
          took(metric, END, [], event.timeStamp, performance.now());
        }
        ask(CLS);
      });
      // The browser tells of a page's first input only once.
      for (const name of ["mousedown", "keydown", "touchstart"]) {
        listen(name, ({ cancelable, target, timeStamp: startTime }) => {
          if (cancelable) {
            take([{ entryType: TYPES[FID], name, target, cancelable, startTime, processingStart: performance.now() }]);
          }
        });
      }
    });
    for (const metric of [FCP, LCP, INP, FID]) open(metric);
    loaded();
  };

  if (!lost && globalThis.document) {
    if (document.prerendering) listen("prerenderingchange", activated);
    else activated();
  }

  if (left) {
    // After every listener of the measurement that has a say in it.
    listen(VISIBILITY, () => hidden() && left(), document);
    listen("pagehide", left);
  }

  return {
    vitals: () => vitals,
    exact: (metric) => say(VALUE, metric),
    asked: (metric) => say(ASKED, metric),
    /** A view of the application's own begins: it shifts and is interacted with, and has no paints. */
    declare() {
      open(TTFB);
      renew("view", performance.now());
      open(CLS);
      for (const metric of [FCP, LCP, FID, TTFB]) ask(metric, END);
    },
    stop() {
      if (!life.signal.aborted) vacant.push(base);
      life.abort();
      observer?.disconnect();
      vitals = [];
    },
  };
};
