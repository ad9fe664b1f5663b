// The rules, as the Worker has them: the same Rust, as wasm. Fetched beside the first numbers.
import init, { ahead, metrics, percentile, sketch } from "#toolkit";

/**
 * @typedef {{ name: string, unit: string, good: number, poor: number }} Vital
 * @typedef {{ more: number, verdict: string }} Forecast
 * @typedef {{ metric: string, n: number, good: number, needsImprovement: number, poor: number,
 *   percentiles: [number, number][], buckets: [number, number, number][] }} Distribution
 * @typedef {{ vitals: Map<string, Vital>,
 *   ahead: (n: number, within: number, percentile: number, minSamples: number) => Forecast,
 *   percentile: (bytes: Uint8Array, percent: number) => number | undefined,
 *   sketch: (bytes: Uint8Array) => Distribution }} Toolkit
 */

/** @type {Promise<Toolkit> | undefined} */
let ready;

/** @returns {Promise<Toolkit>} */
export function loadToolkit() {
  ready ??= init({ module_or_path: "/dashboard/toolkit.wasm" }).then(
    () => ({
      vitals: new Map(/** @type {Vital[]} */ (metrics()).map((vital) => [vital.name, vital])),
      ahead: (n, within, percent, least) => ahead(n, within, percent, least),
      percentile,
      sketch: (bytes) => sketch(bytes),
    }),
    (error) => {
      // A network that comes back is asked again.
      ready = undefined;
      throw error;
    },
  );
  return ready;
}
