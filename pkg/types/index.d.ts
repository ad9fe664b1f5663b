/** The part of a metric that every metric has. The names are those of the npm package `web-vitals`. */
export interface Metric {
  /** The metric's name. `FID` is legacy: retired as a Core Web Vital in 2024. */
  name: "CLS" | "FCP" | "FID" | "INP" | "LCP" | "TTFB";
  /** The exact value: milliseconds, but for CLS, which has no unit. */
  value: number;
  /** How the value feels to visitors, by the published thresholds. */
  rating: "good" | "needs-improvement" | "poor";
  /** The limit that holds for this page, where `limits` told of one. */
  budget?: number;
  /** Whether this visit is within it, as the Worker judges. */
  withinBudget?: boolean;
  /** The change since the last report; the value itself in the first. */
  delta: number;
  /** One for each instance of a metric: a restored page has new ones. */
  id: string;
  /** The browser's own, live entries that the value stands on. */
  entries: PerformanceEntry[];
  /** How the visitor came to the view. */
  navigationType:
    | "navigate"
    | "reload"
    | "back-forward"
    | "back-forward-cache"
    | "prerender"
    | "restore"
    | "soft-navigation";
  /** The browser's id of the navigation that the metric is of. */
  navigationId: number;
  /** The interaction that started the soft navigation. */
  navigationInteractionId?: number;
  /** The address that the metric is of, which may no longer be the page's. */
  navigationURL?: string;
  /** Where the metric's time begins: not 0 in soft navigations and restored pages. */
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
export interface FIDMetric extends Metric {
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

/** What can be asked of every metric. */
export interface ReportOpts {
  /** Report every change, not only the value that is as good as final. */
  reportAllChanges?: boolean;
  /** Begin anew at each soft navigation, where the browser tells of them. */
  reportSoftNavs?: boolean;
  /** The shortest event that counts for INP, in milliseconds: 40 unless told. */
  durationThreshold?: number;
  /**
   * The limits of this page, as `GET /api/budgets/limits?path=…` of the Worker answers: each report then says
   * whether this visit is within its budget. They are read at each report, so they may also come later.
   */
  limits?: Partial<Record<Metric["name"], { max: number }>>;
}

/** Ends a subscription, and every listener and observer of it. */
export type Stop = () => void;

/** Reports CLS when the page hides, or at every change. */
export function onCLS(callback: (metric: CLSMetric) => void, options?: ReportOpts): Stop;
/** Reports FCP once it is known. */
export function onFCP(callback: (metric: FCPMetric) => void, options?: ReportOpts): Stop;
/** Reports FID once there was an input. Legacy: prefer INP. */
export function onFID(callback: (metric: FIDMetric) => void, options?: ReportOpts): Stop;
/** Reports INP when the page hides, or at every change. */
export function onINP(callback: (metric: INPMetric) => void, options?: ReportOpts): Stop;
/** Reports LCP when an input or the page's hiding makes it final, or at every change. */
export function onLCP(callback: (metric: LCPMetric) => void, options?: ReportOpts): Stop;
/** Reports TTFB once the page has loaded. */
export function onTTFB(callback: (metric: TTFBMetric) => void, options?: ReportOpts): Stop;

/** What `start` needs to know. */
export interface StartOptions {
  /** Where beacons go: a POST of `text/plain`, which needs no preflight. */
  endpoint: string;
  /** The site that the visits are of: letters, digits, `.`, `_` and `-`, at most 64. */
  site: string;
  /** The release that the page belongs to. */
  release?: string;
  /** The template of the page's path, as `/product/:id`. */
  route?: string;
  /** Measure one page load in so many; each then counts so many times. A whole number. */
  sample?: number;
  /** The team's own dimensions: at most 5, keys of 32 and values of 64 characters. */
  dimensions?: Record<string, string>;
  /** Nothing leaves the page while this answers false. It is asked before each send. */
  consent?: () => boolean;
  /** The query parameters that may leave the page; all others and the fragment never do. */
  allowQuery?: string[];
  /**
   * The last word on each beacon that is composed, also on those left with the browser in case the page
   * crashes: what it returns is sent instead; nothing is sent if that is nothing.
   */
  beforeSend?: (beacon: Beacon) => Beacon | null | undefined;
  /** Count soft navigations as views, where the browser tells of them. */
  reportSoftNavs?: boolean;
  /** The shortest event that counts for INP, in milliseconds: 40 unless told. */
  durationThreshold?: number;
}

/** What is sent of one view: integers only, milliseconds and CLS in ten-thousandths, rounded up. */
export interface Beacon {
  /** The schema's version. */
  v: 1;
  /** The site. */
  site: string;
  /** The random id of the page load: no cookie, no storage, gone with the page. */
  id: string;
  /** Which view of the page load it is. */
  view: number;
  /** Which send of the view it is; a later one carries the whole view and replaces the earlier. */
  seq: number;
  /** How the visitor came to the view. */
  nav: Metric["navigationType"] | "view";
  /** The path, without query and fragment. */
  path: string;
  /** The path's template. */
  route?: string;
  /** Milliseconds since the view began. */
  age: number;
  /** The values that are known. */
  m: Partial<Record<Metric["name"], number>>;
  /** The release. */
  release?: string;
  /** How many visits this one stands for. */
  w?: number;
  /** The team's own dimensions. */
  dim?: Record<string, string>;
  /** What the edge cache said of the document, by its Server-Timing. */
  cache?: string;
  /** The effective connection type. */
  net?: string;
  /** A program says that it drives the browser. */
  bot?: 1;
  /** Why there are no values. */
  lost?: "hidden" | "csp" | "unsupported" | "trap";
  /** Why the values are what they are, with `edge-vitals/attribution`. */
  a?: Partial<Record<Metric["name"], Record<string, string | number>>>;
}

/**
 * Measures every vital of every view of this page load, and sends one beacon a view, when the page
 * is hidden at the latest; corrections only if something changed. Does nothing on a server, or where
 * the visitor's browser says no by Global Privacy Control. Returns what stops it.
 */
export function start(options: StartOptions): Stop;

/**
 * Declares a view of the application's own: the one before it is sent, and CLS and INP begin anew.
 * Such views have no paints of their own, and are never mixed with loads.
 */
export function view(route: string): void;

/** A layout shift, as browsers with CLS tell of it. */
export interface LayoutShift extends PerformanceEntry {
  value: number;
  sources: LayoutShiftAttribution[];
  hadRecentInput: boolean;
}

/** What shifted. */
export interface LayoutShiftAttribution {
  node: Node | null;
  previousRect: DOMRectReadOnly;
  currentRect: DOMRectReadOnly;
}
