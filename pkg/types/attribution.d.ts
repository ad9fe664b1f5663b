import type {
  CLSMetric,
  FCPMetric,
  FIDMetric,
  INPMetric,
  LayoutShift,
  LayoutShiftAttribution,
  LCPMetric,
  ReportOpts,
  StartOptions as PlainStartOptions,
  Stop,
  TTFBMetric,
} from "./index.js";

export type * from "./index.js";
export {
  CLSThresholds,
  FCPThresholds,
  FIDThresholds,
  INPThresholds,
  LCPThresholds,
  TTFBThresholds,
  view,
} from "./index.js";

/** The load state of the document. */
export type LoadState = "loading" | "dom-interactive" | "dom-content-loaded" | "complete";

/** Options of metrics with attribution. */
export interface AttributionReportOpts extends ReportOpts {
  /** Names an element. If it returns nothing, a selector is used. */
  generateTarget?: (element: Node | null) => string | undefined;
  /** Include every event of the interaction's frame in the attribution of INP. */
  includeProcessedEventEntries?: boolean;
  /** The number of resources to keep beyond the browser's own buffer. Default: 50. */
  resourceBufferSize?: number;
}

/** The attribution of FCP. */
export interface FCPAttribution {
  timeToFirstByte: number;
  firstByteToFCP: number;
  loadState: LoadState;
  fcpEntry?: PerformancePaintTiming;
  navigationEntry?: PerformanceNavigationTiming;
}

/** The attribution of LCP: the four durations add up to the value. */
export interface LCPAttribution {
  target?: string;
  url?: string;
  timeToFirstByte: number;
  resourceLoadDelay: number;
  resourceLoadDuration: number;
  elementRenderDelay: number;
  navigationEntry?: PerformanceNavigationTiming;
  lcpResourceEntry?: PerformanceResourceTiming;
  lcpEntry?: LargestContentfulPaint;
}

/** The attribution of CLS: the largest shift of its session window. */
export interface CLSAttribution {
  largestShiftTarget?: string;
  largestShiftTime?: number;
  largestShiftValue?: number;
  largestShiftEntry?: LayoutShift;
  largestShiftSource?: LayoutShiftAttribution;
  loadState?: LoadState;
}

/** A script in a long animation frame. */
export interface LongScript extends PerformanceEntry {
  readonly invokerType:
    | "classic-script"
    | "module-script"
    | "event-listener"
    | "user-callback"
    | "resolve-promise"
    | "reject-promise";
  readonly invoker: string;
  readonly executionStart: number;
  readonly sourceURL: string;
  readonly sourceFunctionName: string;
  readonly sourceCharPosition: number;
  readonly pauseDuration: number;
  readonly forcedStyleAndLayoutDuration: number;
  readonly window?: Window;
  readonly windowAttribution: "self" | "descendant" | "ancestor" | "same-page" | "other";
}

/** A frame that took longer than 50 ms. */
export interface LongAnimationFrame extends PerformanceEntry {
  readonly renderStart: number;
  readonly styleAndLayoutStart: number;
  readonly blockingDuration: number;
  readonly firstUIEventTimestamp: number;
  readonly scripts: LongScript[];
}

/** The script that delayed an interaction most. */
export interface INPLongestScriptSummary {
  entry: LongScript;
  subpart: "input-delay" | "processing-duration" | "presentation-delay";
  intersectingDuration: number;
}

/** The attribution of INP: the three subparts add up to the value. */
export interface INPAttribution {
  interactionTarget?: string;
  interactionTime?: number;
  interactionType?: "pointer" | "keyboard";
  nextPaintTime?: number;
  processedEventEntries: PerformanceEventTiming[];
  inputDelay: number;
  processingDuration: number;
  presentationDelay: number;
  loadState: LoadState;
  longAnimationFrameEntries: LongAnimationFrame[];
  longestScript?: INPLongestScriptSummary;
  totalScriptDuration?: number;
  totalStyleAndLayoutDuration?: number;
  totalPaintDuration?: number;
  totalUnattributedDuration?: number;
}

/** The attribution of FID, as web-vitals 4 had it. Legacy. */
export interface FIDAttribution {
  eventTarget: string;
  eventType: string;
  eventTime: number;
  eventEntry: PerformanceEventTiming;
  loadState: LoadState;
}

/** The attribution of TTFB: the five durations add up to the value. */
export interface TTFBAttribution {
  waitingDuration: number;
  cacheDuration: number;
  dnsDuration: number;
  connectionDuration: number;
  requestDuration: number;
  navigationEntry?: PerformanceNavigationTiming;
}

/** Reports CLS with attribution. */
/** Options of LCP. */
export interface LCPAttributionReportOpts extends AttributionReportOpts {}
/** Options of INP. */
export interface INPAttributionReportOpts extends AttributionReportOpts {}

/** A report of CLS with attribution. */
export interface CLSMetricWithAttribution extends CLSMetric {
  attribution: CLSAttribution;
}
/** A report of FCP with attribution. */
export interface FCPMetricWithAttribution extends FCPMetric {
  attribution: FCPAttribution;
}
/** A report of FID with attribution. Legacy. */
export interface FIDMetricWithAttribution extends FIDMetric {
  attribution: FIDAttribution;
}
/** A report of INP with attribution. */
export interface INPMetricWithAttribution extends INPMetric {
  attribution: INPAttribution;
}
/** A report of LCP with attribution. */
export interface LCPMetricWithAttribution extends LCPMetric {
  attribution: LCPAttribution;
}
/** A report of TTFB with attribution. */
export interface TTFBMetricWithAttribution extends TTFBMetric {
  attribution: TTFBAttribution;
}

/** A report of any metric with attribution, discriminated by `name`. */
export type MetricWithAttribution =
  | CLSMetricWithAttribution
  | FCPMetricWithAttribution
  | INPMetricWithAttribution
  | LCPMetricWithAttribution
  | TTFBMetricWithAttribution;

export function onCLS(
  callback: (metric: CLSMetricWithAttribution) => void,
  options?: AttributionReportOpts,
): Stop;
/** Reports FCP with attribution. */
export function onFCP(
  callback: (metric: FCPMetricWithAttribution) => void,
  options?: AttributionReportOpts,
): Stop;
/** Reports FID with attribution. Legacy. */
export function onFID(
  callback: (metric: FIDMetricWithAttribution) => void,
  options?: AttributionReportOpts,
): Stop;
/** Reports INP with attribution. */
export function onINP(
  callback: (metric: INPMetricWithAttribution) => void,
  options?: AttributionReportOpts,
): Stop;
/** Reports LCP with attribution. */
export function onLCP(
  callback: (metric: LCPMetricWithAttribution) => void,
  options?: AttributionReportOpts,
): Stop;
/** Reports TTFB with attribution. */
export function onTTFB(
  callback: (metric: TTFBMetricWithAttribution) => void,
  options?: AttributionReportOpts,
): Stop;

/** Options of `start`. */
export interface StartOptions extends PlainStartOptions {
  /** Names an element in the beacon. If it returns nothing, a selector is used. */
  generateTarget?: (element: Node | null) => string | undefined;
}

/** Like `start` of `edge-vitals`, with attribution in each beacon. */
export function start(options: StartOptions): Stop;
