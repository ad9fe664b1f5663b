import type { Metric, Stop } from "./index.js";

/** What the developer's view needs to know. */
export interface DevelopmentOptions {
  /**
   * The limits of this page, or the address of the Worker's `/api/budgets/limits`: that of the page's own
   * origin unless told. Where nobody tells them, the published thresholds are shown.
   */
  limits?: Partial<Record<Metric["name"], { max: number }>> | string | URL;
}

/**
 * Shows the vitals of this page load beside their budgets, in a corner of the page, until it is closed or
 * the returned function is called. For development: import it where a production build does not.
 */
export function overlay(options?: DevelopmentOptions): Stop;

/** Prints one table with them to the console, two seconds after the page has loaded. */
export function table(options?: DevelopmentOptions): Stop;
