import type { MetricName, Stop } from "./index.js";

/** Options of the development tools. */
export interface DevelopmentOptions {
  /**
   * The limits of this page, or the URL of the Worker's `/api/budgets/limits`. Default: that path on the
   * page's own origin. Without limits, the published thresholds are shown.
   */
  limits?: Partial<Record<MetricName, { max: number }>> | string | URL;
  /** The URL of the beacon endpoint, whose responses the overlay reports. Default: `/v1/vitals`. */
  endpoint?: string;
}

/**
 * Shows the metrics of the current view beside their budgets in a corner of the page, and whether its beacons are
 * accepted, until it is closed or the returned function is called. For development only: keep the import out of production builds.
 */
export function overlay(options?: DevelopmentOptions): Stop;

/** Prints one table with the metrics and budgets to the console, two seconds after the page has loaded. */
export function table(options?: DevelopmentOptions): Stop;
