/**
 * The observers of a page that only sends beacons. Entries and events are queued as numbers, in order.
 * The wasm module is compiled, and the queue handed to it, only when a beacon is due, so that measuring
 * costs next to nothing while the page loads.
 * @module
 */
import { module } from "#module";
import {
  BATCH_ENDED,
  FIRST_BYTE,
  FIRST_INPUT_ENTRY,
  LCP_FINALIZED,
  METRIC_SUPPORTED,
  OBSERVATION_STARTED,
  PAGE_HIDDEN,
  READ_METRIC,
  RESTORE_PAINT,
  VIEW_STARTED,
} from "./opcodes.js";
import {
  BACK_FORWARD_CACHE,
  VISIBILITY_CHANGE,
  activationStart,
  afterPaint,
  firstHidden,
  firstHiddenNow,
  isHidden,
  navigationEntry,
  whenIdle,
} from "./page.js";
import { ENTRY_TYPES } from "./metrics.js";

/** @typedef {import("./opcodes.js").BeaconCall} BeaconCall */
/** @typedef {import("./opcodes.js").Operand} Operand */

/** The number of calls that may wait. */
const MAX_QUEUED = 99;

/** The reason why wasm does not run. @type {"csp" | "unsupported" | "trap" | undefined} */
export let lossReason;

/** @typedef {(opcode: number, browserCount?: number, ...operands: Operand[]) => number} Handle */

/** The export of the wasm module, once a beacon was due. @type {Handle | undefined} */
let wasm;
/** @type {[opcode: number, browserCount?: number, ...operands: Operand[]][]} */
let queue = [];

/** Queues a call. @type {(...call: BeaconCall) => void} */
const enqueue = (opcode, ...operands) => {
  if (queue.push([opcode, performance.interactionCount, ...operands]) > MAX_QUEUED) drain();
};

/** Makes the queued calls and returns the answer to the last. Never throws; has no effect where wasm cannot run. */
const drain = () => {
  let answer;
  try {
    if (!lossReason) {
      wasm ??= /** @type {Handle} */ (new WebAssembly.Instance(module()).exports.handle);
      for (const call of queue) answer = wasm(...call);
    }
  } catch {
    lossReason = wasm ? "trap" : globalThis.WebAssembly ? "csp" : "unsupported";
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
export const measure = (onChange, { durationThreshold = 40 }, onView, onLeave) => {
  const controller = new AbortController();
  /** The number of views so far. */
  let views = 0;

  /**
   * @template {keyof WindowEventMap} T
   * @param {T} type
   * @param {(event: WindowEventMap[T]) => void} listener
   */
  const listen = (type, listener) => addEventListener(type, listener, { capture: true, signal: controller.signal });

  /** @param {ObservedEntry[]} entries */
  const enqueueEntries = (entries) => {
    for (const entry of entries) {
      if (entry.name !== "first-paint") {
        enqueue(
          // The opcode of an entry is the index of its type.
          /** @type {typeof FIRST_INPUT_ENTRY} */ (ENTRY_TYPES.indexOf(entry.entryType)),
          entry.startTime,
          entry.duration,
          entry.interactionId,
          entry.value ?? entry.processingStart,
          entry.hadRecentInput,
        );
      }
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

  /** @type {(type: import("./page.js").NavigationType, start: number, hiddenAt: number) => void} */
  const startView = (type, start, hiddenAt) => {
    onView(type, start);
    views++;
    enqueue(VIEW_STARTED, hiddenAt);
  };

  const activate = () => {
    startObservation(firstHidden());
    ENTRY_TYPES.forEach((type, metric) => {
      if (PerformanceObserver.supportedEntryTypes.includes(type)) {
        enqueue(METRIC_SUPPORTED, metric);
        observer.observe({
          type,
          buffered: true,
          // Without a browser count, the estimate needs the id of every event.
          durationThreshold: "interactionCount" in performance ? durationThreshold : 0,
        });
      }
    });
    listen(VISIBILITY_CHANGE, (event) => {
      if (isHidden()) {
        enqueue(PAGE_HIDDEN, event.timeStamp);
        enqueueEntries(observer.takeRecords());
        onLeave();
      }
    });
    listen("pagehide", onLeave);
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
      startView(BACK_FORWARD_CACHE, timeStamp, Infinity);
      afterPaint(() => enqueue(RESTORE_PAINT, performance.now() - timeStamp));
      // The browser reports a page's first input only once.
      for (const name of /** @type {const} */ (["mousedown", "keydown", "touchstart"])) {
        listen(name, ({ cancelable, timeStamp }) => cancelable && enqueue(FIRST_INPUT_ENTRY, timeStamp, 0, 0, performance.now(), 0));
      }
    });
    onLoad();
  };

  if (document.prerendering) listen("prerenderingchange", activate);
  else activate();

  return {
    /** @param {number} metric */
    readWireValue(metric) {
      enqueue(READ_METRIC, metric);
      return drain();
    },
    /** Starts a view that the application declares. It has shifts and interactions, but no paints. */
    declareView() {
      readFirstByte();
      // The current view keeps the entries that the browser has not delivered yet.
      enqueueEntries(observer.takeRecords());
      startView("view", performance.now(), 0);
    },
    stop() {
      controller.abort();
      observer.disconnect();
    },
  };
};
