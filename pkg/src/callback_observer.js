/**
 * The observers of a page with callbacks: one measurement of one or more metrics. Each entry and event is
 * passed to the wasm client at once; which value counts and when it is reported is decided there. This
 * file knows where a browser shows what happened.
 * @module
 */
import { CLS, ENTRY_TYPES, FCP, FID, INP, LCP, METRIC_COUNT, TTFB } from "./metrics.js";
import {
  ADD_INTERACTION,
  ADD_LAYOUT_SHIFT,
  BEGIN_BEACON_VIEW,
  BEGIN_INSTANCE,
  CURRENT_VIEW,
  DECLARE_BEACON_VIEW,
  JOIN_GROUP,
  MAX_SUBSCRIPTIONS,
  NEW_VIEW,
  VIEW_COMPLETE,
  VIEW_DECLARED,
  VIEW_REPORTED,
  READ_VALUE,
  READ_WIRE_VALUE,
  RECORD_DURATION,
  RECORD_HIDDEN,
  REPORT,
  REPORT_BEACON_NAVIGATION,
  SET_FIRST_HIDDEN,
  START_GROUP,
  TRIGGER_CHANGE,
  TRIGGER_FINAL,
  TRIGGER_HIDE,
  UPDATE_VALUE,
} from "./opcodes.js";
import {
  BACK_FORWARD_CACHE,
  MAX_REPORT_DELAY_MS,
  SOFT_NAVIGATION,
  SOFT_PAINT,
  VISIBILITY_CHANGE,
  activationStart,
  afterPaint,
  byEnd,
  firstHidden,
  firstHiddenNow,
  flush,
  isHidden,
  navigationEntry,
  navigationType,
  supportsSoftNavigations,
  whenIdle,
} from "./page.js";
import { fallback, handle, lossReason } from "./wasm.js";

export { fallback, lossReason };

/** @typedef {import("./opcodes.js").CallbackCall} CallbackCall */
/** @typedef {import("./page.js").NavigationType} NavigationType */

/**
 * One instance of a metric: a page load, a restore, a soft navigation or a declared view has its own.
 * @typedef {object} Instance
 * @property {any} type the navigation type
 * @property {number} start the start of the view
 * @property {ObservedEntry} [navigation] the navigation or soft navigation that began the view
 * @property {ObservedEntry[]} entries the entries on which the value is based
 * @property {Record<number, ObservedEntry[]>} lists entries by interaction id; those of CLS's window by 0
 * @property {string} [id] the id in reports
 * @property {Record<number, string | undefined>} [targets] selectors by interaction id, for attribution
 */

/**
 * A view begins; without an address, the current view is a soft navigation. `isReported` tells that only the
 * browser knows of it so far.
 * @typedef {(type: NavigationType, start: number, address?: string, isReported?: boolean) => void} OnView
 */
/** @typedef {(metric: number, delta: number, instance: Instance, slot: number) => void} OnReport */

/**
 * @typedef {object} Options
 * @property {boolean} [reportAllChanges]
 * @property {boolean} [reportSoftNavs]
 * @property {number} [durationThreshold]
 * @property {(entry: ObservedEntry, instance?: Instance) => void} [onEntry] sees each entry, for attribution
 */

/** Set once page-wide observation has started. */
let isObserving = false;
/** Time of the last restore from the back/forward cache. */
let restoredAt = 0;
/** The number of measurements that have had slots of their own. */
let measurements = 0;
/** The first slots of stopped measurements, free for others. @type {number[]} */
const freeSlots = [];

/**
 * Measures metrics until stopped.
 * @param {(() => void) | undefined} onChange is told that a value may have changed
 * @param {Options} [options]
 * @param {OnView} [onView] is told that a view begins
 * @param {() => void} [onLeave] is told that the page may be left
 * @param {number[]} [metrics]
 * @param {OnReport} [onReport]
 */
export const measure = (onChange, options = {}, onView, onLeave, metrics = [CLS, TTFB, FCP, LCP, INP, FID], onReport) => {
  const controller = new AbortController();
  const { reportAllChanges, onEntry, durationThreshold = 40 } = options;
  const firstSlot = freeSlots.pop() ?? METRIC_COUNT * measurements++;
  if (firstSlot >= MAX_SUBSCRIPTIONS) console.error(`edge-vitals: more than ${MAX_SUBSCRIPTIONS / METRIC_COUNT} live subscriptions`);
  /** The current instance of each metric that is observed. @type {Instance[]} */
  let instances = [];
  /** @type {PerformanceObserver} */
  let observer;
  /** Soft navigations are followed: in beacons by default. */
  const isSoft = (options.reportSoftNavs ?? onView) && supportsSoftNavigations();
  /** The address of the current view. */
  let address = globalThis.location?.href;
  /** The time of a declaration that the browser may still report as a soft navigation, else not a number. */
  let declaredAt = NaN;
  /** The address at that time. @type {string} */
  let declaredAddress;
  /** Entries that started after it. @type {ObservedEntry[]} */
  let held = [];
  /** Batches that wait for an idle moment. @type {ObservedEntry[][]} */
  const waiting = [];

  /** @type {(type: string, listener: (event: any) => void, target?: EventTarget) => void} */
  const listen = (type, listener, target = globalThis) =>
    target.addEventListener(type, listener, { capture: true, signal: controller.signal });

  /** Makes a call for a metric in the place of its slot. @type {(...call: CallbackCall) => number} */
  const callFor = (opcode, metric, ...operands) =>
    instances[metric]
      ? handle(.../** @type {CallbackCall} */ ([opcode, firstSlot + metric, ...operands]))
      : NaN;

  /** @type {(metric: number, isRenewed: 0 | 1, type: NavigationType, start: number, navigation?: ObservedEntry) => void} */
  const begin = (metric, isRenewed, type, start, navigation) => {
    instances[metric] = { type, start, navigation, entries: [], lists: {} };
    callFor(BEGIN_INSTANCE, metric, isRenewed, reportAllChanges);
  };

  /** @param {number} metric */
  const report = (metric, trigger = TRIGGER_CHANGE) => {
    const delta = callFor(REPORT, metric, trigger);
    if (delta === delta) {
      onReport?.(metric, delta, instances[metric], firstSlot + metric);
      // A page that was never seen does not shift.
      if (metric === FCP) open(CLS);
    }
  };

  /**
   * Records a duration. Nothing seen only after the page was hidden counts.
   * @type {(metric: number, trigger: number, entries: ObservedEntry[], start: number, end?: number, seenAt?: number) => void}
   */
  const record = (metric, trigger, entries, start, end, seenAt) => {
    if (callFor(RECORD_DURATION, metric, start, end, seenAt)) instances[metric].entries = entries;
    report(metric, trigger);
  };

  /** @type {(metric: number, list: number, entry: ObservedEntry, grouping: number) => void} */
  const group = (metric, list, entry, grouping) => {
    if (grouping === JOIN_GROUP) instances[metric].lists[list].push(entry);
    else if (grouping === START_GROUP) instances[metric].lists[list] = [entry];
  };

  /** @type {(metric: number, trigger?: number) => void} */
  const update = (metric, trigger) => {
    const list = callFor(UPDATE_VALUE, metric);
    if (list >= 0) instances[metric].entries = instances[metric].lists[list] ?? [];
    report(metric, trigger);
  };

  /**
   * Ends the current view and begins another.
   * @type {(type: NavigationType, start: number, state: number, url?: string, navigation?: ObservedEntry) => void}
   */
  const startView = (type, start, state, url = location.href, navigation) => {
    if (type !== BACK_FORWARD_CACHE) for (const metric of metrics) update(metric, TRIGGER_FINAL);
    if (onView) {
      open(TTFB);
      onView(type, start, (address = url), state === VIEW_REPORTED);
      handle(BEGIN_BEACON_VIEW, 0, start, state);
    }
    instances.forEach((instance, metric) => begin(metric, 1, type, start, navigation ?? instance.navigation));
  };

  /** Begins the declared view that waits, if any, or a view that only the browser reports. @param {ObservedEntry} [entry] its report */
  const navigate = (entry) => {
    if (declaredAt) {
      startView("view", declaredAt, VIEW_DECLARED, declaredAddress);
      open(CLS);
      for (const metric of [FCP, LCP, FID, TTFB]) report(metric, TRIGGER_FINAL);
    } else if (entry) startView(SOFT_NAVIGATION, entry.startTime, VIEW_REPORTED, entry.name, entry);
    if (entry) follow(entry, true);
    if (declaredAt) {
      declaredAt = NaN;
      process(held.splice(0));
    }
  };

  /** Follows a soft navigation. @param {ObservedEntry} entry */
  const follow = (entry, isCurrent = entry.name === address) => {
    const { startTime: start, name } = entry;
    if (onView) {
      const meaning = handle(REPORT_BEACON_NAVIGATION, 0, start, isCurrent, name === declaredAddress);
      if (meaning === NEW_VIEW) navigate(entry);
      if (meaning !== CURRENT_VIEW) return;
      onView(SOFT_NAVIGATION, start);
    } else startView(SOFT_NAVIGATION, start, VIEW_REPORTED, name, entry);
    for (const metric of [FCP, LCP, TTFB]) if (instances[metric]) begin(metric, 1, SOFT_NAVIGATION, start, entry);
    record(TTFB, TRIGGER_FINAL, [entry], 0, 0);
    record(FCP, TRIGGER_FINAL, [], start, entry.presentationTime || entry.paintTime || 0);
    if (instances[LCP]) {
      handle(SET_FIRST_HIDDEN, 0, Infinity);
      const paint = entry.getLargestInteractionContentfulPaint?.();
      if (paint) process([paint]);
    }
  };

  /** @type {(entries: ObservedEntry[], trigger?: number) => void} */
  const process = (entries, trigger) => {
    const cls = instances[CLS];
    for (const entry of entries) {
      const { entryType: type, startTime: start } = entry;
      const isFirstInput = type === ENTRY_TYPES[FID];
      if (start >= declaredAt) {
        held.push(entry);
        continue;
      }
      onEntry?.(entry);
      if (type === SOFT_NAVIGATION) follow(entry);
      else if (type === ENTRY_TYPES[FCP]) {
        if (entry.name === "first-contentful-paint") record(FCP, TRIGGER_FINAL, [entry], activationStart(), start, start);
      } else if (type === ENTRY_TYPES[LCP]) {
        if (isSoft || reportAllChanges || entry === entries.findLast((other) => other.entryType === type)) {
          record(LCP, TRIGGER_CHANGE, [entry], activationStart(), start, start);
        }
      } else if (type === ENTRY_TYPES[CLS]) {
        if (!entry.hadRecentInput) group(CLS, 0, entry, callFor(ADD_LAYOUT_SHIFT, CLS, start, entry.value));
      } else if (type === SOFT_PAINT) {
        const { navigation } = instances[LCP];
        if (navigation?.navigationId && (entry.interactionId ?? navigation.interactionId) === navigation.interactionId) {
          const paint = entry.largestContentfulPaint;
          const time = paint?.renderTime || 0;
          if (paint) onEntry?.(paint);
          record(LCP, TRIGGER_CHANGE, paint ? [paint] : [], start, time, time);
        }
      } else {
        const id = /** @type {number} */ (entry.interactionId);
        // Entries below the threshold still help to estimate the number of interactions.
        // An interaction that began before the view, such as the click that led to it, is not its own.
        const isOwn = start > instances[INP]?.start && (isFirstInput || entry.duration >= durationThreshold);
        const duration = isOwn ? entry.duration : -1;
        group(INP, id, entry, callFor(ADD_INTERACTION, INP, id, start, duration));
        onEntry?.(entry, instances[INP]);
        if (isFirstInput) record(FID, TRIGGER_FINAL, [entry], start, entry.processingStart, start);
      }
    }
    if (cls) update(CLS, trigger);
    update(INP, trigger);
    // A value that is not reported yet may still go into a beacon.
    onChange?.();
  };

  /** @param {string} type */
  const observe = (type) =>
    observer.observe({
      type,
      buffered: true,
      // Without a browser count, the estimate needs the id of every event.
      durationThreshold: "interactionCount" in performance ? durationThreshold : 0,
    });

  /** Processes the first batch that waits for an idle moment. */
  const processNext = () => {
    if (waiting[0]) process(/** @type {ObservedEntry[]} */ (waiting.shift()));
  };

  const onHide = () => {
    if (!isHidden()) return;
    // The value that is reported now may be the last.
    while (waiting[0]) processNext();
    process(observer.takeRecords(), TRIGGER_HIDE);
  };

  /** Begins to observe a metric, if it is measured and the browser supports it. @param {number} metric */
  const open = (metric) => {
    const entry = navigationEntry();
    if (
      controller.signal.aborted ||
      instances[metric] ||
      !metrics.includes(metric) ||
      !(metric === TTFB ? entry : PerformanceObserver.supportedEntryTypes.includes(ENTRY_TYPES[metric])) ||
      (metric === INP && !("interactionId" in PerformanceEventTiming.prototype))
    ) {
      return;
    }
    begin(metric, 0, restoredAt ? BACK_FORWARD_CACHE : navigationType(), 0, entry);
    if (metric === TTFB) record(metric, TRIGGER_FINAL, [/** @type {ObservedEntry} */ (entry)], activationStart(), entry?.responseStart);
    else observe(ENTRY_TYPES[metric]);
    // CLS, INP and FID may change until the page is hidden.
    if (metric > LCP && metric < TTFB) listen(VISIBILITY_CHANGE, onHide);
    if (metric === INP) observe(ENTRY_TYPES[FID]);
    if (metric === CLS) setTimeout(() => report(metric));
    if (isSoft) {
      if (metric === LCP) observe(SOFT_PAINT);
      // Observed once, since each observation replays the buffer. FID predates soft navigations.
      if (metric === metrics.at(-1) && metrics[0] !== FID) observe(SOFT_NAVIGATION);
    }
  };

  const onLoad = () => {
    // A task after load, when the navigation entry is complete.
    if (document.readyState === "complete") setTimeout(() => open(TTFB));
    else listen("load", onLoad);
  };

  const activate = () => {
    observer = new PerformanceObserver((list) =>
      // Safari calls back synchronously: https://github.com/GoogleChrome/web-vitals/issues/277
      queueMicrotask(() => {
        waiting.push(list.getEntries().sort(byEnd));
        // All entries of an interaction are there only when the browser is idle.
        if (instances[INP]) whenIdle(processNext);
        else processNext();
      }),
    );
    if (!isObserving) {
      isObserving = true;
      handle(SET_FIRST_HIDDEN, 0, firstHidden());
      addEventListener(VISIBILITY_CHANGE, (event) => isHidden() && handle(RECORD_HIDDEN, 0, event.timeStamp), true);
      // In the bubbling phase, so that waiting work runs after every capturing listener.
      addEventListener(VISIBILITY_CHANGE, flush);
    }
    for (const type of ["keydown", "click", VISIBILITY_CHANGE]) {
      /** @param {Event} event */
      const finalizeLcp = ({ isTrusted }) => {
        const instance = instances[LCP];
        // Outside the event's own task, which INP measures.
        if (instance && isTrusted) whenIdle(() => instance === instances[LCP] && report(LCP, TRIGGER_FINAL));
      };
      // On the document, and so after the reports that the page's hiding causes on the window.
      listen(type, finalizeLcp, document);
    }
    listen("pageshow", (event) => {
      if (!event.persisted) return;
      restoredAt = event.timeStamp;
      // Browsers disagree on whether a restored page is visible yet: crbug.com/1133363
      setTimeout(() => handle(SET_FIRST_HIDDEN, 0, firstHiddenNow()));
      startView(BACK_FORWARD_CACHE, restoredAt, VIEW_COMPLETE);
      record(TTFB, TRIGGER_FINAL, [], 0, 0);
      afterPaint(() => {
        for (const metric of [FCP, LCP]) {
          callFor(BEGIN_INSTANCE, metric, 1, reportAllChanges);
          record(metric, TRIGGER_FINAL, [], event.timeStamp, performance.now());
        }
        report(CLS);
      });
      // The browser reports a page's first input only once.
      for (const name of ["mousedown", "keydown", "touchstart"]) {
        listen(name, ({ cancelable, target, timeStamp: startTime }) => {
          if (cancelable) {
            const entry = { entryType: ENTRY_TYPES[FID], name, target, cancelable, startTime, processingStart: performance.now() };
            process([/** @type {ObservedEntry} */ (entry)]);
          }
        });
      }
    });
    for (const metric of [FCP, LCP, INP, FID]) open(metric);
    onLoad();
  };

  const run = () => {
    if (lossReason || controller.signal.aborted || !globalThis.document) return;
    if (document.prerendering) listen("prerenderingchange", activate);
    else activate();
  };

  if (fallback) fallback.then(run);
  else run();

  if (onLeave) {
    // After every listener of the measurement that may change a value.
    listen(
      VISIBILITY_CHANGE,
      () => {
        if (!isHidden()) return;
        navigate();
        onLeave();
      },
      document,
    );
    listen("pagehide", onLeave);
  }

  return {
    instances: () => instances,
    /** @param {number} metric */
    readValue: (metric) => callFor(READ_VALUE, metric),
    /** @param {number} metric */
    readWireValue: (metric) => callFor(READ_WIRE_VALUE, metric),
    /** Declares a view, or names the last one. Returns true if that is the current view. @param {boolean} [isSame] */
    declareView(isSame) {
      if (isSame) {
        declaredAddress = location.href;
        return !declaredAt;
      }
      while (waiting[0]) processNext();
      if (observer) process(observer.takeRecords());
      navigate();
      if (handle(DECLARE_BEACON_VIEW, 0, address === location.href)) return true;
      const at = (declaredAt = performance.now());
      declaredAddress = location.href;
      // In a task of its own even if there is nothing to wait for: the caller knows its route only then.
      setTimeout(() => at === declaredAt && navigate(), isSoft ? MAX_REPORT_DELAY_MS : 0);
    },
    stop() {
      declaredAt = NaN;
      if (!controller.signal.aborted) freeSlots.push(firstSlot);
      controller.abort();
      observer?.disconnect();
      instances = [];
    },
  };
};
