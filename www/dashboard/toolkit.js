// The Rust core of the Worker's rules, as wasm.
import init, { forecast, metrics, percentile, sketch } from "#toolkit";

/**
 * @typedef {{ name: string, unit: string, good: number, poor: number }} MetricInfo
 * @typedef {{ more: number, verdict: string }} Forecast
 * @typedef {{ metric: string, n: number, good: number, needsImprovement: number, poor: number,
 *   percentiles: [number, number][], buckets: [number, number, number][] }} Distribution
 * @typedef {{ metrics: Map<string, MetricInfo>,
 *   forecast: (n: number, within: number, percentile: number, minSamples: number) => Forecast,
 *   percentile: (bytes: Uint8Array, percent: number) => number | undefined,
 *   sketch: (bytes: Uint8Array) => Distribution }} Toolkit
 */

/** @type {Promise<Toolkit> | undefined} */
let ready;

/** @returns {Promise<Toolkit>} */
export function loadToolkit() {
  ready ??= init({ module_or_path: "/dashboard/toolkit.wasm" }).then(
    () => ({
      metrics: new Map(/** @type {MetricInfo[]} */ (metrics()).map((metric) => [metric.name, metric])),
      forecast,
      percentile,
      sketch,
    }),
    (error) => {
      // The next call retries.
      ready = undefined;
      throw error;
    },
  );
  return ready;
}
