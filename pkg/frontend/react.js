"use client";
/**
 * `useVitals(callback)`: the metrics of this page load with their reasons, for a React component. The
 * page is measured once, whichever components ask and however often their effects run; which report
 * a component has had is remembered with it, so none comes twice.
 * @module
 */
import { useEffect, useRef } from "react";

/** @typedef {import("../types/react.js").AttributedMetric} Report */
/** @typedef {(report: Report) => void} Listener */

/** @type {typeof import("../types/react.js").useVitals} */
export function useVitals(callback, { reportAllChanges = false, reportSoftNavs = false, durationThreshold } = {}) {
  const latest = useRef(callback);
  const had = useRef(/** @type {Map<string, Report>} */ (new Map()));
  useEffect(() => {
    latest.current = callback;
  });
  useEffect(
    () =>
      measurement({ reportAllChanges, reportSoftNavs, durationThreshold }).tell((report) => {
        const before = had.current.get(report.name);
        if (before === report) return;
        had.current.set(report.name, report);
        latest.current({ ...report, delta: report.value - (before?.id === report.id ? before.value : 0) });
      }),
    [reportAllChanges, reportSoftNavs, durationThreshold],
  );
}

/** The measurements of this page, by what was asked of them. @type {Map<string, Measurement>} */
const measurements = new Map();

/** @param {import("#attribution").ReportOpts} options */
function measurement(options) {
  const name = JSON.stringify(options);
  const running = measurements.get(name) ?? new Measurement(options);
  measurements.set(name, running);
  return running;
}

/** One subscription to every metric, for all components that ask alike. It lasts as long as the page. */
class Measurement {
  /** @type {Set<Listener>} */
  listeners = new Set();
  /** The last report of each metric, for who asks later. @type {Map<string, Report>} */
  last = new Map();

  /** @param {import("#attribution").ReportOpts} options */
  constructor(options) {
    /** @param {Report} report */
    const take = (report) => {
      this.last.set(report.name, report);
      for (const listener of this.listeners) given(listener, report);
    };
    import("#attribution").then(
      (client) => {
        for (const on of [client.onCLS, client.onFCP, client.onFID, client.onINP, client.onLCP, client.onTTFB]) on(take, options);
      },
      // A client that cannot be fetched is no fault of the page's.
      () => {},
    );
  }

  /**
   * Tells what is known, and what becomes known, until the returned function is called.
   * @param {Listener} listener
   */
  tell(listener) {
    this.listeners.add(listener);
    for (const report of this.last.values()) given(listener, report);
    return () => {
      this.listeners.delete(listener);
    };
  }
}

/** One component's mistake is shown as any other error is, and keeps no report from the others. @type {(listener: Listener, report: Report) => void} */
function given(listener, report) {
  try {
    listener(report);
  } catch (error) {
    reportError(error);
  }
}
