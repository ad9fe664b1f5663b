/**
 * The page, noted for the machine: every entry and event that matters, as numbers, in their order.
 * The machine is compiled only when a beacon is due, and told all at once, so that measuring costs a
 * page that loads next to nothing. Which value counts is the machine's decision.
 * @module
 */
import { module } from "#module";
import { CACHED, TYPES, VISIBILITY, activation, firstHidden, hidden, hiddenBefore, idle, navigation, repainted } from "./page.js";

/** The numbers by which `crates/client/src/beacons.rs` knows what happened; an entry's is its type's. */
const FIRST_INPUT = 4;
const RESPONDED = 5;
const SETTLED = 6;
const FINISHED = 7;
const HIDDEN = 8;
const WATCHED = 9;
const RENEWED = 10;
const REPAINTED = 11;
const BEGUN = 12;
const ASKED = 13;

/** How many notes may wait. */
const MANY = 99;

/** Why there is no machine, or no longer: `csp`, `unsupported` or `trap`. @type {string | undefined} */
export let lost;

let machine;
let notes = [];

const note = (moment, ...told) => {
  if (notes.push([moment, performance.interactionCount, ...told]) > MANY) tell();
};

/** Tells the machine what was noted. It throws nothing, and is silent wherever it cannot run. */
const tell = () => {
  let answer;
  try {
    if (!lost) {
      machine ??= new WebAssembly.Instance(module()).exports.handle;
      for (const told of notes) answer = machine(...told);
    }
  } catch {
    lost = machine ? "trap" : globalThis.WebAssembly ? "csp" : "unsupported";
  }
  notes = [];
  return answer;
};

/**
 * Measures until it is stopped, and says that something may have changed, that another view begins,
 * and that the page is being left.
 */
export const measure = (changed, { durationThreshold: threshold = 40 }, turned, left) => {
  const life = new AbortController();
  let views = 0;

  const listen = (type, then) => addEventListener(type, then, { capture: true, signal: life.signal });

  const take = (entries) => {
    for (const entry of entries) {
      if (entry.name !== "first-paint") {
        note(
          TYPES.indexOf(entry.entryType),
          entry.startTime,
          entry.duration,
          entry.interactionId,
          entry.value ?? entry.processingStart,
          entry.hadRecentInput,
        );
      }
    }
    note(SETTLED);
    changed();
  };

  const observer = new PerformanceObserver((list) => take(list.getEntries()));

  const watched = (since) => note(WATCHED, since, activation(), threshold);

  const respond = () => {
    const entry = navigation();
    if (entry) {
      note(RESPONDED, entry.responseStart);
      changed();
    }
  };

  // A task after load, so that the navigation entry is whole.
  const loaded = () => {
    if (document.readyState === "complete") setTimeout(respond);
    else listen("load", loaded);
  };

  /** A view begins that has not been hidden yet, or has been from the start. */
  const renew = (type, since, firstHidden) => {
    turned(type, since);
    views++;
    note(RENEWED, firstHidden);
  };

  const activated = () => {
    watched(hiddenBefore());
    TYPES.forEach((type, metric) => {
      if (PerformanceObserver.supportedEntryTypes.includes(type)) {
        note(BEGUN, metric);
        observer.observe({
          type,
          buffered: true,
          // Where the browser does not count interactions, every id is needed to estimate how many.
          durationThreshold: "interactionCount" in performance ? threshold : 0,
        });
      }
    });
    listen(VISIBILITY, (event) => {
      if (hidden()) {
        note(HIDDEN, event.timeStamp);
        take(observer.takeRecords());
        left();
      }
    });
    listen("pagehide", left);
    for (const type of ["keydown", "click", VISIBILITY]) {
      listen(type, (event) => {
        const view = views;
        // Not in the event's own task, which INP measures.
        if (event.isTrusted) idle(() => view === views && note(FINISHED));
      });
    }
    listen("pageshow", ({ persisted, timeStamp }) => {
      if (!persisted) return;
      // Browsers disagree on whether a restored page is visible yet: crbug.com/1133363
      setTimeout(() => watched(firstHidden()));
      renew(CACHED, timeStamp, Infinity);
      repainted(() => note(REPAINTED, performance.now() - timeStamp));
      // The browser tells of a page's first input only once.
      for (const name of ["mousedown", "keydown", "touchstart"]) {
        listen(name, ({ cancelable, timeStamp }) => cancelable && note(FIRST_INPUT, timeStamp, 0, 0, performance.now()));
      }
    });
    loaded();
  };

  if (document.prerendering) listen("prerenderingchange", activated);
  else activated();

  return {
    asked(metric) {
      note(ASKED, metric);
      return tell();
    },
    /** A view of the application's own begins: it shifts and is interacted with, and has no paints. */
    declare() {
      respond();
      renew("view", performance.now(), 0);
    },
    stop() {
      life.abort();
      observer.disconnect();
    },
  };
};
