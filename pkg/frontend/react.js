"use client";
/**
 * `useVitals(callback)`: the metrics of this page load with attribution, for React components. The page
 * is measured once, however many components subscribe and however often their effects run. Each
 * component remembers the reports that it received, so none comes twice.
 * @module
 */
import { useEffect, useRef } from "react";

/** @typedef {import("../types/react.js").AttributedMetric} Report */
/** @typedef {(report: Report) => void} Listener */

/** @type {typeof import("../types/react.js").useVitals} */
export function useVitals(callback, { reportAllChanges = false, reportSoftNavs = false, durationThreshold } = {}) {
  const latest = useRef(callback);
  const received = useRef(/** @type {Map<string, Report>} */ (new Map()));
  useEffect(() => {
    latest.current = callback;
  });
  useEffect(
    () =>
      measurement({ reportAllChanges, reportSoftNavs, durationThreshold }).subscribe((report) => {
        const before = received.current.get(report.name);
        if (before === report) return;
        received.current.set(report.name, report);
        latest.current({ ...report, delta: report.value - (before?.id === report.id ? before.value : 0) });
      }),
    [reportAllChanges, reportSoftNavs, durationThreshold],
  );
}

/** The measurements of this page, by their options as JSON. @type {Map<string, Measurement>} */
const measurements = new Map();

/** @param {import("#attribution").ReportOpts} options */
function measurement(options) {
  const key = JSON.stringify(options);
  const running = measurements.get(key) ?? new Measurement(options);
  measurements.set(key, running);
  return running;
}

/** One subscription to every metric, for all components with the same options. It lasts as long as the page. */
class Measurement {
  /** @type {Set<Listener>} */
  listeners = new Set();
  /** The last report of each metric, for later subscribers. @type {Map<string, Report>} */
  last = new Map();

  /** @param {import("#attribution").ReportOpts} options */
  constructor(options) {
    /** @param {Report} report */
    const onReport = (report) => {
      this.last.set(report.name, report);
      for (const listener of this.listeners) notify(listener, report);
    };
    import("#attribution").then(
      (client) => {
        for (const on of [client.onCLS, client.onFCP, client.onFID, client.onINP, client.onLCP, client.onTTFB]) on(onReport, options);
      },
      // A failed import must not disturb the page.
      () => {},
    );
  }

  /**
   * Passes known and later reports to a listener, until the returned function is called.
   * @param {Listener} listener
   */
  subscribe(listener) {
    this.listeners.add(listener);
    for (const report of this.last.values()) notify(listener, report);
    return () => {
      this.listeners.delete(listener);
    };
  }
}

/** Calls a listener. Its error is reported as uncaught, and does not keep the report from the others. @type {(listener: Listener, report: Report) => void} */
function notify(listener, report) {
  try {
    listener(report);
  } catch (error) {
    reportError(error);
  }
}
