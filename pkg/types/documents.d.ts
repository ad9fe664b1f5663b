// Generated from the Rust types by `UPDATE_GENERATED=1 cargo test -p api-docs`. Do not edit.

/** A class of devices. */
export type Device = "phone" | "tablet" | "desktop";

/** The answer to a purge. The answering isolate applies it at once, all others within the lease. */
export interface PurgeResponse {
  /** Always true. */
  purged: boolean;
  /** The sequence number of the purge; a later purge has a higher one. */
  seq: number;
}

/** Milliseconds since the Unix epoch, on the edge's own clock. */
export type UnixMillis = number;

/** A verdict that changed. */
export interface VerdictTransition {
  /** The route template. */
  route: string;
  /** The device class. */
  device: Device;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** What it is. */
  to: string;
  /** What it was; absent where nothing had been decided. */
  from?: string;
}

/** The answer to a warming: the number of addresses by outcome. */
export interface WarmResponse {
  /** Addresses that were fetched. */
  warmed: number;
  /** Addresses that were fresh already. */
  fresh: number;
  /** Addresses that could not be fetched. */
  failed: number;
  /** Addresses without a route. */
  foreign: number;
  /** Addresses that were left because of the limit. */
  left: number;
}

/** A budget, and this window's counts against it. Sums of these over windows are exact. */
export interface WindowBudget {
  /** The limit. */
  max: number;
  /** The percentile of views that must be within it. */
  percentile: number;
  /** Views that were judged by it. */
  n: number;
  /** Those within it. */
  k: number;
}

/** What the cache did in a window. */
export interface WindowCache {
  /** Requests that it answered. */
  hits: number;
  /** Requests that it did not, by reason. */
  misses: Record<string, number>;
}

/** One metric of one route and device class, in this window. */
export interface WindowCell {
  /** The route template; `(other)` for those that found no place. */
  route: string;
  /** The device class. */
  device: Device;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** `ms`, or empty for a layout shift. */
  unit: "ms" | "";
  /** Views that measured it. */
  n: number;
  /** The median over visits, within 1.6 %, as the other percentiles. */
  p50: number | null;
  /** The 75th percentile. */
  p75: number | null;
  /** The 95th percentile. */
  p95: number | null;
  /** The share of visits that is good. */
  good: number;
  /** The share between good and poor. */
  needs_improvement: number;
  /** The share that is poor. */
  poor: number;
  /** What this window alone says of the budget; `none` where there is none. */
  verdict: "none" | "unknown" | "insufficient" | "met" | "at-limit" | "violated";
  /** The budget; absent where there is none. */
  budget?: WindowBudget;
}

/** One closed window of a site. */
export interface WindowDocument {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** `minute`, `hour` or `day`. */
  span: "minute" | "hour" | "day";
  /** The window's first moment. */
  start: UnixMillis;
  /** The moment before which all of it lies. */
  end: UnixMillis;
  /** 0, or the number of the correction: the highest one of a window counts. */
  revision: number;
  /** Views, each once. */
  views: number;
  /** The visits that they stand for. */
  visits: number;
  /** Sends that the browsers made. */
  sent: number;
  /** Sends that arrived. */
  heard: number;
  /** Views without measurements, by reason. */
  lost: Record<string, number>;
  /** A line for each route, device class and metric. */
  cells: WindowCell[];
  /** A score for each route and device class that has one. */
  scores: WindowScore[];
  /** Verdicts of the site that changed since the last push. */
  transitions: VerdictTransition[];
  /** What the cache did; absent where there is none. */
  cache?: WindowCache;
  /** The answers of the edge; absent where nobody counts them. */
  requests?: WindowRequests;
}

/** The answers of the edge in a window. */
export interface WindowRequests {
  /** So many. */
  n: number;
  /** Errors among them. */
  errors: number;
  /** Milliseconds of the median. */
  p50: number | null;
  /** Of the 95th percentile. */
  p95: number | null;
  /** Of the 99th. */
  p99: number | null;
}

/** Lighthouse's score of real visits. */
export interface WindowScore {
  /** The route template. */
  route: string;
  /** The device class. */
  device: Device;
  /** From 0 to 1. */
  score: number;
}
