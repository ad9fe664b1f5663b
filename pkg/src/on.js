/**
 * The page, told to the machine: observers, listeners and entries of one subscription to one
 * metric. Which value counts and when it is reported is the machine's decision; this file knows
 * only where the browser shows what happened.
 * @module
 */
import { handle, lost } from "./machine.js";
import * as moment from "./moments.js";

export const NAMES = ["FCP", "LCP", "CLS", "INP", "FID", "TTFB"];
export const [FCP, LCP, CLS, INP, FID, TTFB] = [0, 1, 2, 3, 4, 5];

const RATINGS = ["good", "needs-improvement", "poor"];
const VISIBILITY = "visibilitychange";
const SOFT = "soft-navigation";

/** When the page last came back from the back/forward cache. */
let restored = -1;
let watching = false;

export const hidden = () => document.visibilityState === "hidden";

const firstHidden = () => (hidden() && !document.prerendering ? 0 : Infinity);

/** The navigation entry, unless its times are zero, negative or in the future, as some browsers' are. */
export const navigation = () => {
  const [entry] = performance.getEntriesByType("navigation");
  if (entry?.responseStart > 0 && entry.responseStart < performance.now()) return entry;
};

export const activation = () => navigation()?.activationStart ?? 0;

export const whenActive = (then, signal) =>
  document.prerendering ? addEventListener("prerenderingchange", then, { capture: true, signal }) : then();

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

const frames = (then) => requestAnimationFrame(() => requestAnimationFrame(then));

const watch = () => {
  if (watching) return;
  watching = true;
  handle(
    moment.WATCHED,
    0,
    (document.prerendering
      ? undefined
      : performance
          .getEntriesByType("visibility-state")
          .find((entry) => entry.name === "hidden" && entry.startTime >= activation())?.startTime) ?? firstHidden(),
  );
  addEventListener(VISIBILITY, (event) => hidden() && handle(moment.HIDDEN, 0, event.timeStamp), true);
  addEventListener("prerenderingchange", () => hidden() && handle(moment.HIDDEN, 0, 0), true);
  addEventListener(
    "pageshow",
    (event) => {
      if (event.persisted) {
        // Browsers disagree on whether the page is visible yet: crbug.com/1133363
        setTimeout(() => handle(moment.WATCHED, 0, firstHidden()));
      }
    },
    true,
  );
};

/**
 * Subscribes to a metric; what is returned ends the subscription.
 */
export const on = (metric, callback, options = {}, beacon = false) => {
  const life = new AbortController();
  const { signal } = life;
  if (lost || !globalThis.document) return { stop() {} };
  watch();
  const soft =
    options.reportSoftNavs &&
    PerformanceObserver.supportedEntryTypes.includes(SOFT) &&
    globalThis.PerformanceSoftNavigation?.prototype.getLargestInteractionContentfulPaint;

  /** @type {number} */
  let slot;
  /** Entries by the lists the machine files them in. */
  let lists = [];
  /** The entries that the value stands on. */
  let entries = [];
  /** What is known of this instance of the metric besides its value. */
  let about;

  const tell = (what, a, b, c) => (signal.aborted ? NaN : handle(what, slot, a, b, c));

  const emit = (delta) => {
    if (delta === delta) {
      callback({
        name: NAMES[metric],
        value: tell(moment.VALUE),
        rating: RATINGS[tell(moment.RATING)],
        delta,
        entries,
        ...about,
      });
    }
  };

  const report = (force) => emit(tell(moment.ASKED, force));

  const describe = (navigationType, id, interaction, url, start) => {
    const hard = navigation();
    entries = [];
    about = {
      id: `v1-${Date.now()}-${Math.floor(Math.random() * 9e12) + 1e12}`,
      navigationType:
        navigationType ??
        (restored < 0
          ? hard
            ? document.prerendering || hard.activationStart > 0
              ? "prerender"
              : document.wasDiscarded
                ? "restore"
                : hard.type.replace(/_/g, "-")
            : "navigate"
          : "back-forward-cache"),
      navigationId: id || hard?.navigationId || 0,
      navigationInteractionId: interaction,
      navigationURL: url || hard?.name,
      navigationStartTime: start || 0,
    };
  };

  const renew = (type, id, interaction, url, start) => {
    tell(moment.RENEWED, performance.interactionCount);
    describe(type, id, interaction, url, start);
  };

  const renewSoftly = (entry) => renew(SOFT, entry.navigationId, entry.interactionId, entry.name, entry.startTime);

  const measure = (entry, since, until, seen = -Infinity) => {
    if (tell(moment.MEASURED, since, until, seen) >= 0) {
      entries = entry ? [entry] : [];
      return true;
    }
  };

  const file = (entry, place) => {
    if (place & 1) lists[place >> 1] = [entry];
    else if (place >= 0) lists[place >> 1].push(entry);
  };

  const settle = () => {
    const list = tell(moment.SETTLED, performance.interactionCount);
    if (list >= 0) entries = lists[list] ?? [];
  };

  const listen = (type, then) => addEventListener(type, then, { capture: true, signal });

  const whenHidden = (then) => listen(VISIBILITY, () => hidden() && then());

  const whenRestored = (then) =>
    listen("pageshow", (event) => {
      if (event.persisted) {
        restored = event.timeStamp;
        renew("back-forward-cache", about.navigationId, about.navigationInteractionId, about.navigationURL, restored);
        then(event);
      }
    });

  const observe = (types, take, more) => {
    try {
      types = types.filter((type) => type && PerformanceObserver.supportedEntryTypes.includes(type));
      const observer = new PerformanceObserver((list) =>
        // Safari calls back synchronously: https://github.com/GoogleChrome/web-vitals/issues/277
        queueMicrotask(() => {
          const entries = list.getEntries();
          // Several types do not arrive in order: https://github.com/w3c/performance-timeline/issues/224
          if (types[1]) entries.sort((a, b) => a.startTime + a.duration - b.startTime - b.duration);
          take(entries);
        }),
      );
      for (const type of types) observer.observe({ type, buffered: true, ...more });
      signal.addEventListener("abort", () => observer.disconnect());
      return types[0] && observer;
    } catch {
      // A browser without it measures nothing.
    }
  };

  const measurePaint = (entry) => measure(entry, activation(), entry.startTime, entry.startTime);

  const paintRestored = (then) =>
    whenRestored((event) =>
      frames(() => {
        measure(undefined, event.timeStamp, performance.now());
        report(1);
        then?.();
      }),
    );

  const begin = [
    () => {
      const observer = observe(["paint"], (paints) => {
        for (const entry of paints) {
          if (entry.name === "first-contentful-paint") {
            observer.disconnect();
            if (measurePaint(entry)) {
              about.navigationId = entry.navigationId || about.navigationId;
              report(1);
            }
          }
        }
      });
      if (observer) paintRestored();
      if (soft) {
        observe([SOFT], (navigations) => {
          for (const entry of navigations) {
            renewSoftly(entry);
            measure(undefined, entry.startTime, entry.presentationTime || entry.paintTime || 0);
            report(1);
          }
        });
      }
    },

    () => {
      const take = (paints) => {
        if (!options.reportAllChanges && !soft) paints = paints.slice(-1);
        for (const entry of paints) {
          if (entry.entryType === SOFT) {
            emit(tell(moment.FINALISED));
            renewSoftly(entry);
            handle(moment.WATCHED, 0, Infinity);
            const largest = entry.getLargestInteractionContentfulPaint?.();
            if (largest) take([largest]);
          } else if (entry.entryType === "largest-contentful-paint") {
            if (measurePaint(entry)) report();
          } else if (
            about.navigationId &&
            (!("interactionId" in entry) || entry.interactionId === about.navigationInteractionId)
          ) {
            const paint = entry.largestContentfulPaint;
            const time = paint?.renderTime || 0;
            if (measure(paint, entry.startTime, time, time)) report();
          }
        }
      };
      const observer = observe(
        ["largest-contentful-paint", soft && "interaction-contentful-paint", soft && SOFT],
        take,
      );
      if (!observer) return;
      const types = ["keydown", "click", VISIBILITY];
      const finalise = (event) => {
        if (!event.isTrusted) return;
        const then = about;
        // Not in the event's own task, which INP measures.
        idle(() => {
          if (!soft) {
            observer.disconnect();
            for (const type of types) removeEventListener(type, finalise, true);
          }
          if (then === about) emit(tell(moment.FINALISED));
        });
      };
      for (const type of types) listen(type, finalise);
      paintRestored(() => tell(moment.FINALISED));
    },

    () => {
      const take = (shifts) => {
        for (const entry of shifts) {
          if (entry.entryType === SOFT) {
            settle();
            report(1);
            renewSoftly(entry);
          } else if (!entry.hadRecentInput) file(entry, tell(moment.SHIFTED, entry.startTime, entry.value));
        }
        settle();
        report();
      };
      // A page that was never seen does not shift.
      const seen = on(FCP, () => {
        seen.stop();
        describe();
        const observer = observe(["layout-shift", soft && SOFT], take);
        if (!observer) return;
        whenHidden(() => {
          take(observer.takeRecords());
          report(1);
        });
        whenRestored(() => frames(() => report()));
        setTimeout(report);
      });
      signal.addEventListener("abort", seen.stop);
    },

    () => {
      if (!("interactionId" in (globalThis.PerformanceEventTiming?.prototype ?? {}))) return;
      if (!("interactionCount" in performance)) {
        observe(
          ["event"],
          (events) => {
            for (const { interactionId } of events) if (interactionId) handle(moment.IDENTIFIED, 0, interactionId);
          },
          { durationThreshold: 0 },
        );
      }
      const take = (events, force) =>
        // Idle, so that all of an interaction's entries are there.
        idle(() => {
          for (const entry of events) {
            if (entry.entryType === SOFT) {
              settle();
              report(1);
              renewSoftly(entry);
            } else file(entry, tell(moment.INTERACTED, entry.interactionId, entry.startTime, entry.duration));
          }
          settle();
          report(force);
        });
      const observer = observe(["event", "first-input", soft && SOFT], take, {
        durationThreshold: options.durationThreshold ?? 40,
      });
      if (!observer) return;
      whenHidden(() => take(observer.takeRecords(), 1));
      whenRestored(() => {});
    },

    () => {
      const take = (inputs) => {
        for (const entry of inputs) {
          if (measure(entry, entry.startTime, entry.processingStart, entry.startTime)) report(1);
        }
      };
      const observer = observe(["first-input"], take);
      if (!observer) return;
      whenHidden(() => {
        take(observer.takeRecords());
        observer.disconnect();
      });
      whenRestored(() => {
        // The browser tells of a page's first input only once.
        const types = ["mousedown", "keydown", "touchstart"];
        const input = (event) => {
          if (event.cancelable) {
            for (const type of types) removeEventListener(type, input, true);
            take([
              {
                entryType: "first-input",
                name: event.type,
                target: event.target,
                cancelable: true,
                startTime: event.timeStamp,
                processingStart: performance.now(),
              },
            ]);
          }
        };
        for (const type of types) listen(type, input);
      });
    },

    () => {
      // A task after load, so that the navigation entry is whole.
      const ready = () =>
        document.readyState === "complete"
          ? setTimeout(() => {
              const entry = navigation();
              if (!entry) return;
              measure(entry, activation(), entry.responseStart);
              report(1);
              whenRestored(() => {
                measure(undefined, 0, 0);
                report(1);
              });
              if (soft) {
                observe([SOFT], (navigations) => {
                  for (const entry of navigations) {
                    if (entry.navigationId) {
                      renewSoftly(entry);
                      measure(entry, 0, 0);
                      report(1);
                    }
                  }
                });
              }
            })
          : listen("load", ready);
      ready();
    },
  ];

  whenActive(() => {
    slot = handle(moment.OPENED, metric, options.reportAllChanges, beacon);
    if (slot >= 0) {
      describe();
      begin[metric]();
    }
  }, signal);

  return {
    get slot() {
      return slot;
    },
    declare() {
      tell(moment.RENEWED, performance.interactionCount, 1);
    },
    stop() {
      if (!signal.aborted) {
        tell(moment.STOPPED);
        life.abort();
      }
    },
  };
};
