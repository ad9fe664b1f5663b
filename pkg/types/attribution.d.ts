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
export { view } from "./index.js";

/** How far the document had come. */
export type LoadState = "loading" | "dom-interactive" | "dom-content-loaded" | "complete";

/** What can be asked of attributed metrics. */
export interface AttributionReportOpts extends ReportOpts {
  /** Names an element; where it returns nothing, a selector does. */
  generateTarget?: (element: Node | null) => string | undefined;
  /** Keep every event of a frame, for INP. */
  includeProcessedEventEntries?: boolean;
  /** How many resources to keep beyond the browser's own buffer: 50 unless told. */
  resourceBufferSize?: number;
}

/** Why FCP is what it is. */
export interface FCPAttribution {
  timeToFirstByte: number;
  firstByteToFCP: number;
  loadState: LoadState;
  fcpEntry?: PerformancePaintTiming;
  navigationEntry?: PerformanceNavigationTiming;
}

/** Why LCP is what it is: the four durations add up to the value. */
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

/** Why CLS is what it is: the largest shift of its window. */
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

/** Why INP is what it is: the three phases add up to the value. */
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
  longestScript?: {
    entry: LongScript;
    subpart: "input-delay" | "processing-duration" | "presentation-delay";
    intersectingDuration: number;
  };
  totalScriptDuration?: number;
  totalStyleAndLayoutDuration?: number;
  totalPaintDuration?: number;
  totalUnattributedDuration?: number;
}

/** Why TTFB is what it is: the five durations add up to the value. */
export interface TTFBAttribution {
  waitingDuration: number;
  cacheDuration: number;
  dnsDuration: number;
  connectionDuration: number;
  requestDuration: number;
  navigationEntry?: PerformanceNavigationTiming;
}

/** Reports CLS with its reason. */
export function onCLS(
  callback: (metric: CLSMetric & { attribution: CLSAttribution }) => void,
  options?: AttributionReportOpts,
): Stop;
/** Reports FCP with its reason. */
export function onFCP(
  callback: (metric: FCPMetric & { attribution: FCPAttribution }) => void,
  options?: AttributionReportOpts,
): Stop;
/** Reports FID. Legacy: it has no attribution. */
export function onFID(callback: (metric: FIDMetric) => void, options?: ReportOpts): Stop;
/** Reports INP with its reason. */
export function onINP(
  callback: (metric: INPMetric & { attribution: INPAttribution }) => void,
  options?: AttributionReportOpts,
): Stop;
/** Reports LCP with its reason. */
export function onLCP(
  callback: (metric: LCPMetric & { attribution: LCPAttribution }) => void,
  options?: AttributionReportOpts,
): Stop;
/** Reports TTFB with its reason. */
export function onTTFB(
  callback: (metric: TTFBMetric & { attribution: TTFBAttribution }) => void,
  options?: AttributionReportOpts,
): Stop;

/** What `start` needs to know. */
export interface StartOptions extends PlainStartOptions {
  /** Names an element in the beacon; where it returns nothing, a selector does. */
  generateTarget?: (element: Node | null) => string | undefined;
}

/** As `start` of `edge-vitals`, with the reasons in the beacon. */
export function start(options: StartOptions): Stop;
