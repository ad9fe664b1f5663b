/**
 * The metric table. Generated from `crates/wire/src/metric.rs`; to write it anew, run
 * `UPDATE_GENERATED=1 cargo test -p wire --test metric_table`.
 * @module
 */

/** The metrics, by their index in the table. */
export const FCP = 0;
export const LCP = 1;
export const CLS = 2;
export const INP = 3;
export const FID = 4;
export const TTFB = 5;

/** The number of metrics. */
export const METRIC_COUNT = 6;

export const METRIC_NAMES = /** @type {const} */ (["FCP", "LCP", "CLS", "INP", "FID", "TTFB"]);

/** The types of the entries that report the metrics. TTFB has none. */
export const ENTRY_TYPES = ["paint", "largest-contentful-paint", "layout-shift", "event", "first-input"];

export const RATINGS = /** @type {const} */ (["good", "needs-improvement", "poor"]);

/** Wire units per unit of CLS; every other metric is sent in milliseconds. */
export const CLS_WIRE_SCALE = 10000;
