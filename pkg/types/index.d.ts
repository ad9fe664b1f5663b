import "./globals.js";

export type {
  AttributionReportOpts,
  CLSAttribution,
  CLSMetricWithAttribution,
  FCPAttribution,
  FCPMetricWithAttribution,
  FIDAttribution,
  FIDMetricWithAttribution,
  INPAttribution,
  INPAttributionReportOpts,
  INPLongestScriptSummary,
  INPMetricWithAttribution,
  LCPAttribution,
  LCPAttributionReportOpts,
  LCPMetricWithAttribution,
  LoadState,
  MetricWithAttribution,
  TTFBAttribution,
  TTFBMetricWithAttribution,
} from "./attribution.js";

/** The names of the metrics. `FID` is legacy: retired as a Core Web Vital in 2024. */
export type MetricName = "CLS" | "FCP" | "FID" | "INP" | "LCP" | "TTFB";

/** The fields that every report has, named as in the npm package `web-vitals`. */
export interface Metric {
  /** The metric's name. */
  name: Exclude<MetricName, "FID">;
  /** The exact value: milliseconds, but for CLS, which has no unit. */
  value: number;
  /** The rating by the published thresholds. */
  rating: "good" | "needs-improvement" | "poor";
  /** The limit for this page, if `limits` has one. */
  budget?: number;
  /** True if this visit is within the limit, by the Worker's rules. */
  withinBudget?: boolean;
  /** The change since the last report; in the first report, the value. */
  delta: number;
  /** A unique id of the metric's instance. A restored page begins new instances. */
  id: string;
  /** The browser's own, live entries on which the value is based. */
  entries: PerformanceEntry[];
  /** The navigation type of the view. */
  navigationType:
    | "navigate"
    | "reload"
    | "back-forward"
    | "back-forward-cache"
    | "prerender"
    | "restore"
    | "soft-navigation";
  /** The browser's id of the metric's navigation. */
  navigationId: number;
  /** The interaction that started the soft navigation. */
  navigationInteractionId?: number;
  /** The metric's address, which may no longer be the page's. */
  navigationURL?: string;
  /** The start of the metric's time; above 0 for soft navigations and restored pages. */
  navigationStartTime?: number;
}

/** Cumulative Layout Shift. */
export interface CLSMetric extends Metric {
  name: "CLS";
  entries: LayoutShift[];
}

/** First Contentful Paint. */
export interface FCPMetric extends Metric {
  name: "FCP";
  entries: PerformancePaintTiming[];
}

/** First Input Delay: legacy. */
export interface FIDMetric extends Omit<Metric, "name"> {
  name: "FID";
  entries: PerformanceEventTiming[];
}

/** Interaction to Next Paint. */
export interface INPMetric extends Metric {
  name: "INP";
  entries: PerformanceEventTiming[];
}

/** Largest Contentful Paint. */
export interface LCPMetric extends Metric {
  name: "LCP";
  entries: LargestContentfulPaint[];
}

/** Time to First Byte. */
export interface TTFBMetric extends Metric {
  name: "TTFB";
  entries: PerformanceNavigationTiming[];
}

/** A metric of any name, discriminated by it. */
export type MetricType = CLSMetric | FCPMetric | INPMetric | LCPMetric | TTFBMetric;

/** The largest good value of a metric, and the largest that is not poor. */
export type MetricRatingThresholds = [good: number, needsImprovement: number];

export const CLSThresholds: MetricRatingThresholds;
export const FCPThresholds: MetricRatingThresholds;
export const FIDThresholds: MetricRatingThresholds;
export const INPThresholds: MetricRatingThresholds;
export const LCPThresholds: MetricRatingThresholds;
export const TTFBThresholds: MetricRatingThresholds;

/** @deprecated Use the type of the metric's own callback. */
export interface ReportCallback {
  (metric: MetricType): void;
}

/** Options of every metric. */
export interface ReportOpts {
  /** Report every change, not only values that are likely final. */
  reportAllChanges?: boolean;
  /** Begin a new instance at each soft navigation, where the browser reports them. */
  reportSoftNavs?: boolean;
  /** The shortest event that counts for INP, in milliseconds. Default: 40. */
  durationThreshold?: number;
  /**
   * The limits of this page, as returned by the Worker's `GET /api/budgets/limits?path=…`. Each report then
   * has `budget` and `withinBudget`. Limits are read at each report, so you may fill them in later.
   */
  limits?: Partial<Record<MetricName, { max: number }>>;
  /**
   * Called once if the page measures without WebAssembly: the content security policy lacks `'wasm-unsafe-eval'`
   * (`csp`), or the browser has none (`unsupported`). The console says so, too.
   */
  onRefused?: (reason: "csp" | "unsupported") => void;
}

/** Options of INP. */
export interface INPReportOpts extends ReportOpts {}

/** Ends the measurement and removes its listeners and observers. */
export type Stop = () => void;

/** Reports CLS when the page is hidden, or at every change. */
export function onCLS(callback: (metric: CLSMetric) => void, options?: ReportOpts): Stop;
/** Reports FCP as soon as it is known. */
export function onFCP(callback: (metric: FCPMetric) => void, options?: ReportOpts): Stop;
/** Reports FID after the first input. Legacy: prefer INP. */
export function onFID(callback: (metric: FIDMetric) => void, options?: ReportOpts): Stop;
/** Reports INP when the page is hidden, or at every change. */
export function onINP(callback: (metric: INPMetric) => void, options?: ReportOpts): Stop;
/** Reports LCP when an input or the hiding of the page makes it final, or at every change. */
export function onLCP(callback: (metric: LCPMetric) => void, options?: ReportOpts): Stop;
/** Reports TTFB once the page has loaded. */
export function onTTFB(callback: (metric: TTFBMetric) => void, options?: ReportOpts): Stop;

/** Options of `start`. */
export interface StartOptions {
  /** The URL of the Worker's beacon endpoint. Beacons are sent as `text/plain`, without a preflight. */
  endpoint: string;
  /** The name of the site: at most 64 letters, digits, `.`, `_` and `-`. */
  site: string;
  /** The release of the page. */
  release?: string;
  /** The route template of the page's path, such as `/product/:id`. */
  route?: string;
  /**
   * Measure one page load in this many, and count it as many times. A whole number that the site lists under
   * `sampling`: any other counts once.
   */
  sample?: number;
  /** Your own dimensions: at most 5, with keys of up to 32 and values of up to 64 characters. */
  dimensions?: Record<string, string>;
  /** Called before each beacon. No beacon is sent while it returns false. */
  consent?: () => boolean;
  /** The query parameters to keep in `path`. All others and the fragment are removed. */
  allowQuery?: string[];
  /**
   * Called with each beacon, including those left with the browser in case the page crashes. The returned
   * beacon is sent instead; return `null` or `undefined` to drop it.
   */
  beforeSend?: (beacon: Beacon) => Beacon | null | undefined;
  /** Count soft navigations as views, where the browser reports them. Default: true. */
  reportSoftNavs?: boolean;
  /** The shortest event that counts for INP, in milliseconds. Default: 40. */
  durationThreshold?: number;
}

/** The measurements of one view. Values are integers, rounded up: milliseconds, and CLS in ten-thousandths. */
export interface Beacon {
  /** The schema's version. */
  v: 1;
  /** The site. */
  site: string;
  /** The random id of the page load: no cookie, no storage, gone with the page. */
  id: string;
  /** The number of the view within the page load. */
  view: number;
  /** The number of the beacon within the view. A later beacon carries the whole view and replaces earlier ones. */
  seq: number;
  /** The navigation type of the view: `view` if only the application has declared it. */
  nav: Metric["navigationType"] | "view";
  /** The path, without query and fragment. */
  path: string;
  /** The route template. */
  route?: string;
  /** The age of the view in milliseconds. */
  age: number;
  /** The values that are known. */
  m: Partial<Record<MetricName, number>>;
  /** The release. */
  release?: string;
  /** The number of visits that this one represents. */
  w?: number;
  /** Your own dimensions. */
  dim?: Record<string, string>;
  /** The cache status of the document, from its Server-Timing. */
  cache?: string;
  /** The page token of the document, from its Server-Timing. */
  e?: string;
  /** The effective connection type. */
  net?: string;
  /** The browser is controlled by automation (`navigator.webdriver`). */
  bot?: 1;
  /** The reason for missing values. */
  lost?: "hidden" | "csp" | "unsupported" | "trap";
  /** The attribution of the values, with `edge-vitals/attribution`. */
  a?: Partial<Record<MetricName, Record<string, string | number>>>;
}

/**
 * Measures every metric of every view of this page load. Sends one beacon per view, at the latest when the
 * page is hidden, and another only after a change. Does nothing on a server, or if the visitor's browser
 * sends Global Privacy Control. Returns a function that stops the measurement.
 */
export function start(options: StartOptions): Stop;

/**
 * Declares a view, for single-page applications: call it when the view has been rendered. The previous view is
 * sent, and every metric begins anew. Where the browser reports the same navigation, both are one view with the
 * paints of the browser and the navigation type `soft-navigation`; otherwise the view has no paints, and the
 * type `view`. With `isSame`, the current view is only named: after a redirect, or when its route is known late.
 */
export function view(route: string, isSame?: boolean): void;

/** A layout shift entry. */
export interface LayoutShift extends PerformanceEntry {
  value: number;
  sources: LayoutShiftAttribution[];
  hadRecentInput: boolean;
}

/** A source of a layout shift. */
export interface LayoutShiftAttribution {
  node: Node | null;
  previousRect: DOMRectReadOnly;
  currentRect: DOMRectReadOnly;
}
