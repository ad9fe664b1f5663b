/**
 * The observers of a page that only sends beacons. Entries and events are queued as numbers, in order.
 * The wasm module is compiled, and the queue handed to it, only when a beacon is due, so that measuring
 * costs next to nothing while the page loads.
 * @module
 */
import { module } from "#module";
import {
  BATCH_ENDED,
  CURRENT_VIEW,
  DECLARE_VIEW,
  FIRST_BYTE,
  FIRST_INPUT_ENTRY,
  LCP_FINALIZED,
  METRIC_SUPPORTED,
  NEW_VIEW,
  OBSERVATION_STARTED,
  VIEW_COMPLETE,
  VIEW_DECLARED,
  VIEW_REPORTED,
  PAGE_HIDDEN,
  READ_METRIC,
  RESTORE_PAINT,
  VIEW_STARTED,
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
  isHidden,
  navigationEntry,
  whenIdle,
} from "./page.js";
import { ENTRY_TYPES, TTFB } from "./metrics.js";

/** @typedef {import("./opcodes.js").BeaconCall} BeaconCall */
/** @typedef {import("./opcodes.js").Operand} Operand */

/** The observed entry types, by their opcodes: a gap is in the place of TTFB, which has none. */
const OBSERVED_TYPES = [...ENTRY_TYPES, "", SOFT_PAINT, SOFT_NAVIGATION];

/** The number of calls that may wait. */
const MAX_QUEUED = 99;

/** The reason why calls have no effect. @type {"csp" | "unsupported" | "trap" | undefined} */
export let lossReason;

/** Pending while the JavaScript form is fetched. @type {Promise<void> | undefined} */
export let fallback;

/** @typedef {(opcode: number, browserCount?: number, ...operands: Operand[]) => number} Handle */

/** The export of the wasm module, once a beacon was due. @type {Handle | undefined} */
let wasm;
/** @type {[opcode: number, browserCount?: number, ...operands: Operand[]][]} */
let queue = [];

/** @param {number} [length] of the module's first bytes, to try whether it may run */
const instantiate = (length) => new WebAssembly.Instance(module(length)).exports;

/** Queues a call. @type {(...call: BeaconCall) => void} */
const enqueue = (opcode, ...operands) => {
  if (queue.push([opcode, performance.interactionCount, ...operands]) > MAX_QUEUED) drain();
};

/** The answer to the last call, which a full queue may have made already. @type {number | undefined} */
let answer;

/** Makes the queued calls and returns the answer to the last. Never throws; has no effect where wasm cannot run. */
const drain = () => {
  try {
    if (!lossReason) {
      wasm ??= /** @type {Handle} */ (instantiate().handle);
      for (const call of queue) answer = wasm(...call);
    }
  } catch {
    lossReason = wasm ? "trap" : "unsupported";
    answer = undefined;
  }
  queue = [];
  return answer;
};

/**
 * Measures the page until stopped, with the interface of `callback_observer.js`.
 * @param {() => void} onChange
 * @param {import("./callback_observer.js").Options} options
 * @param {import("./callback_observer.js").OnView} onView
 * @param {() => void} onLeave
 */
export const measure = (onChange, { durationThreshold = 40, reportSoftNavs }, onView, onLeave) => {
  const controller = new AbortController();
  const isSoft = reportSoftNavs !== false && PerformanceObserver.supportedEntryTypes.includes(SOFT_NAVIGATION);
  /** The number of views so far. */
  let views = 0;
  /** The address of the current view. */
  let address = location.href;
  /** The time of a declaration that the browser may still report as a soft navigation, else not a number. */
  let declaredAt = NaN;
  /** The address at that time. @type {string} */
  let declaredAddress;
  /** Entries that started after it. @type {ObservedEntry[]} */
  let held = [];

  /**
   * @template {keyof WindowEventMap} T
   * @param {T} type
   * @param {(event: WindowEventMap[T]) => void} listener
   */
  const listen = (type, listener) => addEventListener(type, listener, { capture: true, signal: controller.signal });

  /** @type {(entry: ObservedEntry, isCurrent?: boolean) => void} */
  const enqueueEntry = (entry, isCurrent = entry.name === address) => {
    const { entryType, startTime } = entry;
    if (entry.name !== "first-paint") {
      enqueue(
        // The opcode of an entry is the index of its type.
        /** @type {typeof FIRST_INPUT_ENTRY} */ (OBSERVED_TYPES.indexOf(entryType)),
        startTime,
        entry.duration,
        entry.interactionId,
        entry.value ?? entry.processingStart ?? isCurrent,
        entry.hadRecentInput ?? entry.name === declaredAddress,
      );
    }
    if (entryType === SOFT_NAVIGATION) {
      const meaning = drain();
      if (meaning === NEW_VIEW) navigate(entry);
      else if (meaning === CURRENT_VIEW) {
        views++;
        onView(SOFT_NAVIGATION, startTime);
        const paint = entry.getLargestInteractionContentfulPaint?.();
        if (paint) enqueueEntry(paint);
      }
    }
  };

  /** @param {ObservedEntry[]} entries */
  const enqueueEntries = (entries) => {
    for (const entry of entries.sort(byEnd)) {
      if (entry.startTime >= declaredAt) held.push(entry);
      else enqueueEntry(entry);
    }
    enqueue(BATCH_ENDED);
    onChange();
  };

  const observer = new PerformanceObserver((list) => enqueueEntries(list.getEntries()));

  /** @param {number} hiddenAt */
  const startObservation = (hiddenAt) => enqueue(OBSERVATION_STARTED, hiddenAt, activationStart(), durationThreshold);

  const readFirstByte = () => {
    const entry = navigationEntry();
    if (entry) {
      enqueue(FIRST_BYTE, entry.responseStart);
      onChange();
    }
  };

  const onLoad = () => {
    // A task after load, when the navigation entry is complete.
    if (document.readyState === "complete") setTimeout(readFirstByte);
    else listen("load", onLoad);
  };

  /** @type {(type: import("./page.js").NavigationType, start: number, state: number, url?: string) => void} */
  const startView = (type, start, state, url = location.href) => {
    readFirstByte();
    enqueue(BATCH_ENDED);
    onView(type, start, (address = url), state === VIEW_REPORTED);
    views++;
    enqueue(VIEW_STARTED, start, state);
  };

  /** Begins the declared view that waits, if any, or a view that only the browser reports. @param {ObservedEntry} [entry] its report */
  const navigate = (entry) => {
    if (declaredAt) startView("view", declaredAt, VIEW_DECLARED, declaredAddress);
    else if (entry) startView("view", entry.startTime, VIEW_REPORTED, entry.name);
    if (entry) enqueueEntry(entry, true);
    if (declaredAt) {
      declaredAt = NaN;
      enqueueEntries(held.splice(0));
    }
  };

  const activate = () => {
    startObservation(firstHidden());
    OBSERVED_TYPES.forEach((type, metric) => {
      if (PerformanceObserver.supportedEntryTypes.includes(type) && (metric < TTFB || isSoft)) {
        enqueue(METRIC_SUPPORTED, metric);
        observer.observe({
          type,
          buffered: true,
          // Without a browser count, the estimate needs the id of every event.
          durationThreshold: "interactionCount" in performance ? durationThreshold : 0,
        });
      }
    });
    for (const type of /** @type {const} */ (["keydown", "click", VISIBILITY_CHANGE])) {
      listen(type, (event) => {
        const view = views;
        // Outside the event's own task, which INP measures.
        if (event.isTrusted) whenIdle(() => view === views && enqueue(LCP_FINALIZED));
      });
    }
    listen("pageshow", ({ persisted, timeStamp }) => {
      if (!persisted) return;
      // Browsers disagree on whether a restored page is visible yet: crbug.com/1133363
      setTimeout(() => startObservation(firstHiddenNow()));
      startView(BACK_FORWARD_CACHE, timeStamp, VIEW_COMPLETE);
      afterPaint(() => enqueue(RESTORE_PAINT, performance.now() - timeStamp));
      // The browser reports a page's first input only once.
      for (const name of /** @type {const} */ (["mousedown", "keydown", "touchstart"])) {
        listen(name, ({ cancelable, timeStamp }) => cancelable && enqueue(FIRST_INPUT_ENTRY, timeStamp, 0, 0, performance.now(), 0));
      }
    });
    onLoad();
  };

  listen(VISIBILITY_CHANGE, (event) => {
    if (isHidden()) {
      enqueue(PAGE_HIDDEN, event.timeStamp);
      enqueueEntries(observer.takeRecords());
      navigate();
      onLeave();
    }
  });
  listen("pagehide", onLeave);

  const run = () => {
    if (controller.signal.aborted) return;
    if (document.prerendering) listen("prerenderingchange", activate);
    else activate();
  };

  try {
    // The smallest module tells whether WebAssembly is refused.
    instantiate(8);
  } catch {
    lossReason = globalThis.WebAssembly ? "csp" : "unsupported";
    fallback = import("./start-fallback.js").then(({ handle }) => {
      wasm = handle;
      lossReason = fallback = undefined;
      run();
    }, () => {});
  }
  if (!fallback) run();

  return {
    /** @param {number} metric */
    readWireValue(metric) {
      enqueue(READ_METRIC, metric);
      return drain();
    },
    /** Declares a view, or names the last one. Returns true if that is the current view. @param {boolean} [isSame] */
    declareView(isSame) {
      if (isSame) {
        declaredAddress = location.href;
        return !declaredAt;
      }
      // The current view keeps the entries that the browser has not delivered yet.
      enqueueEntries(observer.takeRecords());
      navigate();
      enqueue(DECLARE_VIEW, address === location.href);
      if (drain() === 1) return true;
      const at = (declaredAt = performance.now());
      declaredAddress = location.href;
      // In a task of its own even if there is nothing to wait for: the caller knows its route only then.
      setTimeout(() => at === declaredAt && navigate(), isSoft ? MAX_REPORT_DELAY_MS : 0);
    },
    stop() {
      declaredAt = NaN;
      controller.abort();
      observer.disconnect();
    },
  };
};
