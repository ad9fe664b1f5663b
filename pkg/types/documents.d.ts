// Generated from the Rust types by `UPDATE_GENERATED=1 cargo test -p api-docs`. Do not edit.

/** A device class. */
export type Device = "phone" | "tablet" | "desktop";

/** The answer to a purge. The answering isolate applies it at once, all others within the lease. */
export interface PurgeResponse {
  /** Always true. */
  purged: boolean;
  /** The sequence number of the purge; a later purge has a higher one. */
  seq: number;
}

/** Milliseconds since the Unix epoch, by the edge's clock. */
export type UnixMillis = number;

/** A change of a verdict. */
export interface VerdictTransition {
  /** The route template. */
  route: string;
  /** The device class. */
  device: Device;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** The new verdict. */
  to: string;
  /** The former verdict; absent for the first one. */
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

/** A budget with this window's counts. Sums over windows are exact. */
export interface WindowBudget {
  /** The limit. */
  max: number;
  /** The percentile of views that must be within it. */
  percentile: number;
  /** Views that were judged by this limit. */
  n: number;
  /** Those within it. */
  k: number;
}

/** The use of the cache in a window. */
export interface WindowCache {
  /** Requests that it served. */
  hits: number;
  /** Requests that it did not serve, by reason. */
  misses: Record<string, number>;
}

/** One metric of one route and device class, in this window. */
export interface WindowCell {
  /** The route template; `(other)` for routes beyond the limit. */
  route: string;
  /** The device class. */
  device: Device;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** `ms`, or empty for layout shifts. */
  unit: "ms" | "";
  /** Views that measured it. */
  n: number;
  /** The median over visits, within 1.6 % like the other percentiles. */
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
  /** The verdict on this window alone; `none` without a budget. */
  verdict: "none" | "unknown" | "insufficient" | "met" | "at-limit" | "violated";
  /** The budget; absent where there is none. */
  budget?: WindowBudget;
}

/** A closed window of a site. */
export interface WindowDocument {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** `minute`, `hour` or `day`. */
  span: "minute" | "hour" | "day";
  /** The start of the window. */
  start: UnixMillis;
  /** The end of the time span, exclusive. */
  end: UnixMillis;
  /** The number of the correction, from 0. The document with the highest one replaces the others of its window. */
  revision: number;
  /** Views, each counted once. */
  views: number;
  /** The visits that they stand for, by their sample weights. */
  visits: number;
  /** Beacons that the browsers sent. */
  sent: number;
  /** Beacons that arrived. */
  heard: number;
  /** Views without measurements, by reason. */
  lost: Record<string, number>;
  /** A line for each route, device class and metric. */
  cells: WindowCell[];
  /** A score for each route and device class that has one. */
  scores: WindowScore[];
  /** Changes of verdicts since the last push. */
  transitions: VerdictTransition[];
  /** The use of the cache; absent where there is none. */
  cache?: WindowCache;
  /** The responses of the edge; absent where they are not counted. */
  requests?: WindowRequests;
}

/** The responses of the edge in a window. */
export interface WindowRequests {
  /** Responses. */
  n: number;
  /** Errors among them. */
  errors: number;
  /** The median response time in milliseconds. */
  p50: number | null;
  /** The 95th percentile. */
  p95: number | null;
  /** The 99th percentile. */
  p99: number | null;
}

/** A Lighthouse score of real visits. */
export interface WindowScore {
  /** The route template. */
  route: string;
  /** The device class. */
  device: Device;
  /** The score, from 0 to 1. */
  score: number;
}
