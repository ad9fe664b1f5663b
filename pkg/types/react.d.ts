import type { FIDMetricWithAttribution, MetricWithAttribution, ReportOpts } from "./attribution.js";

/** A report with attribution, discriminated by `name`. FID is legacy. */
export type AttributedMetric = MetricWithAttribution | FIDMetricWithAttribution;

/**
 * Calls back with each report of this page load, with attribution. The page is measured once, however
 * many components use the hook: StrictMode, fast refresh, a new callback at each render and a remount
 * repeat no report. A component that mounts late receives the known reports, with the whole value as
 * `delta`. The callback of the last render is called.
 */
export function useVitals(callback: (metric: AttributedMetric) => void, options?: ReportOpts): void;
