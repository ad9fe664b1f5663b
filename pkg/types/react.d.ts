import type {
  CLSAttribution,
  CLSMetric,
  FCPAttribution,
  FCPMetric,
  FIDMetric,
  INPAttribution,
  INPMetric,
  LCPAttribution,
  LCPMetric,
  ReportOpts,
  TTFBAttribution,
  TTFBMetric,
} from "./attribution.js";

/** A report with its reason; its `name` tells which. FID is legacy, and has no reason. */
export type AttributedMetric =
  | (CLSMetric & { attribution: CLSAttribution })
  | (FCPMetric & { attribution: FCPAttribution })
  | (FIDMetric & { attribution?: undefined })
  | (INPMetric & { attribution: INPAttribution })
  | (LCPMetric & { attribution: LCPAttribution })
  | (TTFBMetric & { attribution: TTFBAttribution });

/**
 * Calls back with each report of this page load, its reason included. The page is measured once,
 * however many components ask: StrictMode, fast refresh, a new callback at each render and a
 * remount bring no report twice. A component that comes late is told what is known already, with
 * the whole value as its `delta`. The callback at hand is the one of the last render.
 */
export function useVitals(callback: (metric: AttributedMetric) => void, options?: ReportOpts): void;
