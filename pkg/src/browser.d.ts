// The browser interfaces that TypeScript's library lacks.

interface Document {
  readonly prerendering?: boolean;
  readonly wasDiscarded?: boolean;
}

interface WindowEventMap {
  visibilitychange: Event;
  prerenderingchange: Event;
}

interface Navigator {
  readonly globalPrivacyControl?: boolean;
  readonly connection?: { readonly effectiveType: string };
}

interface PerformanceNavigationTiming {
  readonly activationStart?: number;
}

interface PerformanceObserverInit {
  durationThreshold?: number;
}

interface FetchLaterResult {
  readonly activated: boolean;
}

declare var navigation: (EventTarget & { readonly currentEntry: { readonly key: string } | null }) | undefined;

declare function fetchLater(url: string, init: RequestInit): FetchLaterResult;

declare var PerformanceSoftNavigation:
  | { prototype: { getLargestInteractionContentfulPaint?: () => ObservedEntry | undefined } }
  | undefined;

/** A performance entry of any observed type, with the fields of all of them. */
interface ObservedEntry {
  readonly entryType: string;
  readonly name: string;
  readonly startTime: number;
  readonly duration: number;
  // layout-shift
  readonly value?: number;
  readonly hadRecentInput?: boolean;
  readonly sources?: ShiftSource[];
  // event, first-input
  readonly interactionId?: number;
  readonly processingStart?: number;
  readonly processingEnd?: number;
  readonly cancelable?: boolean;
  readonly target?: Node | null;
  readonly targetSelector?: string;
  // largest-contentful-paint
  readonly element?: Element | null;
  readonly id?: string;
  readonly url?: string;
  readonly renderTime?: number;
  // soft-navigation, interaction-contentful-paint
  readonly navigationId?: number;
  readonly presentationTime?: number;
  readonly paintTime?: number;
  readonly largestContentfulPaint?: ObservedEntry;
  getLargestInteractionContentfulPaint?(): ObservedEntry | undefined;
  // navigation
  readonly activationStart?: number;
  readonly responseStart?: number;
  readonly workerStart?: number;
  readonly fetchStart?: number;
  readonly domainLookupStart?: number;
  readonly connectStart?: number;
  readonly connectEnd?: number;
}

/** A source of a layout shift. */
interface ShiftSource {
  readonly node: Node | null;
}
