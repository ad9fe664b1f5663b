/**
 * Attribution: the causes of a value, from other entries of the browser: the element, the resource, the
 * subparts, the script. Selectors are taken when the entry comes, since nodes may leave the page.
 * @module
 */
import { navigationEntry } from "./page.js";

/** @typedef {import("./callback_observer.js").Instance} Instance */
/** @typedef {import("../types/attribution.js").LoadState} LoadState */
/** @typedef {import("../types/attribution.js").LongAnimationFrame} LongAnimationFrame */

/**
 * The attribution of one measurement.
 * @typedef {object} Attributor
 * @property {(entry: ObservedEntry, instance?: Instance) => void} onEntry
 * @property {(metric: number, value: number, instance: Instance) => object} attribute
 */

/**
 * Events whose next paint is the same.
 * @typedef {object} Frame
 * @property {number} startTime
 * @property {number} processingStart
 * @property {number} processingEnd
 * @property {number} renderTime
 * @property {Required<ObservedEntry>[]} entries
 */

const SOFT_NAVIGATION = "soft-navigation";
/** The number of frames kept, enough to include those of the longest interaction. */
const MAX_FRAMES = 200;
/** The length of a selector, in characters. */
const MAX_SELECTOR_CHARS = 99;
/** The difference of two render times within one frame, at most. */
const FRAME_TOLERANCE_MS = 8;

/** Resources beyond the browser's own buffer, possibly that of the largest paint. @type {PerformanceResourceTiming[]} */
let resources = [];
let maxResources = 50;

/** @type {<Entry>(type: string, listener: (entries: Entry[]) => void) => void} */
const observe = (type, listener) => {
  if (globalThis.document && PerformanceObserver.supportedEntryTypes.includes(type)) {
    new PerformanceObserver((list) => queueMicrotask(() => listener(/** @type {any[]} */ (list.getEntries())))).observe({
      type,
      buffered: true,
    });
  }
};

observe("resource", (/** @type {PerformanceResourceTiming[]} */ entries) => {
  resources = [...resources, ...entries].slice(-maxResources);
});

/**
 * The selector of a node: the names, ids and classes from the node up to the first id, never text.
 * @param {any} node a node of any type, or undefined
 */
const selector = (node) => {
  let path = "";
  try {
    while (node?.nodeType !== 9) {
      const name = node.nodeName;
      const part = node.id
        ? `#${node.id}`
        : [
            node.nodeType === 1 ? name.toLowerCase() : name.toUpperCase().replace(/^#/, ""),
            ...Array.from(node.classList ?? []).sort(),
          ].join(".");
      if (path.length + part.length > MAX_SELECTOR_CHARS) return path || part;
      path = path ? `${part}>${path}` : part;
      if (node.id) break;
      node = node.parentNode;
    }
  } catch {
    // The path ends at a node that has left the page.
  }
  return path;
};

/** The load state of the document at a time. @type {(time: number) => LoadState} */
const loadState = (time) => {
  const entry = navigationEntry();
  if (document.readyState === "loading" || time < /** @type {number} */ (entry?.domInteractive)) return "loading";
  for (const [mark, state] of /** @type {const} */ ([
    ["domContentLoadedEventStart", "dom-interactive"],
    ["domComplete", "dom-content-loaded"],
  ])) {
    if (entry && (!entry[mark] || time < entry[mark])) return state;
  }
  return "complete";
};

/** The time to first byte of a document; 0 without an entry. @param {ObservedEntry} [entry] */
const firstByte = (entry) => Math.max(0, (entry?.responseStart ?? 0) - (entry?.activationStart || 0));

/** The source that stands for a shift: the first element, otherwise the first node. @param {ShiftSource[]} sources */
const mainSource = (sources) => sources.find(({ node }) => node?.nodeType === 1) ?? sources[0];

/**
 * Collects what the attribution of one measurement needs.
 * @param {import("../types/attribution.js").AttributionReportOpts} options
 * @returns {Attributor}
 */
export const attribution = ({ generateTarget, includeProcessedEventEntries, resourceBufferSize }) => {
  /** Selectors of largest paints and of the sources of shifts. @type {WeakMap<object, string | undefined>} */
  const targets = new WeakMap();
  /** The frame of each event of an interaction. @type {WeakMap<object, Frame>} */
  const frameOf = new WeakMap();
  /** @type {LongAnimationFrame[]} */
  let longFrames = [];
  /** @type {Frame[]} */
  let frames = [];

  maxResources = resourceBufferSize ?? maxResources;

  /** @param {Node | null} node */
  const target = (node) => generateTarget?.(node) ?? selector(node);

  /** @type {(from: number, to: number) => LongAnimationFrame[]} */
  const framesBetween = (from, to) =>
    longFrames.filter(({ startTime, duration }) => startTime + duration >= from && startTime <= to);

  observe("long-animation-frame", (/** @type {LongAnimationFrame[]} */ entries) => {
    longFrames = [...longFrames, ...entries].slice(-MAX_FRAMES);
  });

  /** Adds an event to its frame: that of the events with about the same render time. @param {ObservedEntry} entry */
  const group = (entry) => {
    const { startTime, processingStart, processingEnd } = /** @type {Required<ObservedEntry>} */ (entry);
    const renderTime = startTime + entry.duration;
    let frame = frames.findLast((frame) => Math.abs(renderTime - frame.renderTime) <= FRAME_TOLERANCE_MS);
    if (frame) {
      frame.startTime = Math.min(startTime, frame.startTime);
      frame.processingStart = Math.min(processingStart, frame.processingStart);
      frame.processingEnd = Math.max(processingEnd, frame.processingEnd);
    } else {
      frame = { startTime, processingStart, processingEnd, renderTime, entries: [] };
      frames = [...frames, frame].slice(-MAX_FRAMES);
    }
    if (includeProcessedEventEntries) frame.entries.push(/** @type {Required<ObservedEntry>} */ (entry));
    if (entry.interactionId) frameOf.set(entry, frame);
  };

  /** @type {Attributor["onEntry"]} */
  const onEntry = (entry, instance) => {
    if (instance) {
      const id = /** @type {number} */ (entry.interactionId);
      const list = instance.lists[id];
      if (list) {
        instance.targets ??= {};
        const node = list.find(({ target }) => target)?.target;
        instance.targets[id] ??= node
          ? target(node)
          : list.find(({ targetSelector }) => targetSelector)?.targetSelector;
      }
    } else if (entry.sources) {
      const source = !entry.hadRecentInput && mainSource(entry.sources);
      if (source && source.node) targets.set(source, target(source.node));
    } else if (entry.processingEnd !== undefined) group(entry);
    else if (entry.element) targets.set(entry, target(entry.element));
    else if (entry.id) targets.set(entry, `#${entry.id}`);
  };

  /** @type {(value: number, instance: Instance) => object} */
  const attributeFCP = (value, { type, start, navigation, entries: [entry] }) => {
    const isSoft = type === SOFT_NAVIGATION;
    const document = isSoft || !entry ? undefined : navigationEntry();
    const timeToFirstByte = firstByte(document);
    return {
      timeToFirstByte,
      firstByteToFCP: value - timeToFirstByte,
      loadState: isSoft ? "complete" : loadState(entry?.startTime ?? (start || -1)),
      navigationEntry: isSoft ? navigation : document,
      fcpEntry: document && entry,
    };
  };

  /** @type {(value: number, instance: Instance) => object} */
  const attributeLCP = (value, { type, start, navigation, entries: [entry] }) => {
    const isSoft = type === SOFT_NAVIGATION;
    const document = entry && (isSoft ? navigation : navigationEntry());
    const origin = isSoft ? start : (document?.activationStart ?? 0);
    const url = entry?.url || undefined;
    // The last request for the resource that began before the paint.
    /** @param {PerformanceResourceTiming} resource */
    const isRequest = (resource) =>
      resource.name === url && (resource.requestStart || resource.startTime) <= entry.startTime;
    const resource =
      url && (resources.findLast(isRequest) ?? performance.getEntriesByType("resource").findLast(isRequest));
    const timing = /** @type {PerformanceResourceTiming} */ ((document && resource) ?? { startTime: origin, responseEnd: origin });
    const timeToFirstByte = isSoft ? 0 : firstByte(document);
    const requestStart = Math.max(timeToFirstByte, (timing.requestStart || timing.startTime) - origin);
    const responseEnd = Math.min(value, Math.max(requestStart, timing.responseEnd - origin));
    return {
      target: targets.get(entry),
      url,
      timeToFirstByte,
      resourceLoadDelay: requestStart - timeToFirstByte,
      resourceLoadDuration: responseEnd - requestStart,
      elementRenderDelay: value - responseEnd,
      navigationEntry: document,
      lcpResourceEntry: resource,
      lcpEntry: entry,
    };
  };

  /** @type {(value: number, instance: Instance) => object} */
  const attributeCLS = (value, { entries }) => {
    const largest = /** @type {Required<ObservedEntry>} */ (
      entries.reduce(
        (one, other) => (/** @type {number} */ (one.value) > /** @type {number} */ (other.value) ? one : other),
        /** @type {ObservedEntry} */ ({}),
      )
    );
    if (!largest.sources?.[0]) return {};
    const source = mainSource(largest.sources);
    return {
      largestShiftTarget: targets.get(source),
      largestShiftTime: largest.startTime,
      largestShiftValue: largest.value,
      largestShiftSource: source,
      largestShiftEntry: largest,
      loadState: loadState(largest.startTime),
    };
  };

  /** @type {(value: number, instance: Instance) => object} */
  const attributeFID = (_, { entries: [entry] }) => ({
    eventTarget: target(entry.target ?? null),
    eventType: entry.name,
    eventTime: entry.startTime,
    eventEntry: entry,
    loadState: loadState(entry.startTime),
  });

  /** @type {(value: number, instance: Instance) => object} */
  const attributeINP = (value, { start, entries: [entry], targets: selectors }) => {
    if (!entry) {
      return {
        processedEventEntries: [],
        longAnimationFrameEntries: [],
        inputDelay: 0,
        processingDuration: 0,
        presentationDelay: value,
        loadState: loadState(start),
      };
    }
    const { startTime, interactionId } = /** @type {Required<ObservedEntry>} */ (entry);
    const frame = /** @type {Frame} */ (frameOf.get(entry));
    // Another event's long handler may have begun before this interaction did.
    const processingStart = Math.max(frame.processingStart, startTime);
    // Durations are rounded to 8 ms, and may seem to end before they are processed.
    const nextPaintTime = Math.max(startTime + entry.duration, processingStart);
    // A modal dialogue extends processing beyond the paint: github.com/GoogleChrome/web-vitals/issues/492
    const processingEnd = Math.min(frame.processingEnd, nextPaintTime);
    const longAnimationFrameEntries = framesBetween(startTime, processingEnd);
    return {
      interactionTarget: selectors?.[interactionId],
      interactionType: entry.name.startsWith("key") ? "keyboard" : "pointer",
      interactionTime: startTime,
      nextPaintTime,
      processedEventEntries: frame.entries.sort((one, other) => one.processingStart - other.processingStart),
      longAnimationFrameEntries,
      inputDelay: processingStart - startTime,
      processingDuration: processingEnd - processingStart,
      presentationDelay: nextPaintTime - processingEnd,
      loadState: loadState(startTime),
      ...breakDownFrames(longAnimationFrameEntries, startTime, processingStart, processingEnd, nextPaintTime),
    };
  };

  return {
    onEntry,
    // In the order of the metric table.
    attribute: (metric, value, instance) =>
      ([attributeFCP, attributeLCP, attributeCLS, attributeINP, attributeFID][metric] ?? attributeTTFB)(value, instance),
  };
};

/**
 * The longest script of an interaction and the time spent in scripts, layout and paint, from its long
 * animation frames.
 * @type {(longFrames: LongAnimationFrame[], from: number, processingStart: number, processingEnd: number, nextPaintTime: number) => object | undefined}
 */
const breakDownFrames = (longFrames, from, processingStart, processingEnd, nextPaintTime) => {
  const last = longFrames.at(-1);
  if (!last || !from || !nextPaintTime) return;
  let longestScript;
  let scripts = 0;
  let layout = 0;
  let longest = 0;
  for (const frame of longFrames) {
    layout = layout + frame.startTime + frame.duration - frame.styleAndLayoutStart;
    for (const entry of frame.scripts) {
      const end = entry.startTime + entry.duration;
      if (end < from) continue;
      const intersectingDuration = end - Math.max(from, entry.startTime);
      // The time of a forced layout within the script is unknown: take the same share of it as of the script.
      const forced = entry.duration
        ? (intersectingDuration / entry.duration) * entry.forcedStyleAndLayoutDuration
        : 0;
      scripts += intersectingDuration - forced;
      layout += forced;
      if (intersectingDuration > longest) {
        longest = intersectingDuration;
        longestScript = {
          entry,
          subpart:
            entry.startTime < processingStart
              ? "input-delay"
              : entry.startTime >= processingEnd
                ? "presentation-delay"
                : "processing-duration",
          intersectingDuration,
        };
      }
    }
  }
  const end = last.startTime + last.duration;
  const paint = end >= processingEnd ? nextPaintTime - end : 0;
  return {
    longestScript,
    totalScriptDuration: scripts,
    totalStyleAndLayoutDuration: layout,
    totalPaintDuration: paint,
    totalUnattributedDuration: nextPaintTime - from - scripts - layout - paint,
  };
};

/** @type {(value: number, instance: Instance) => object} */
const attributeTTFB = (value, { entries: [entry] }) => {
  /** @param {"workerStart" | "fetchStart" | "domainLookupStart" | "connectStart" | "connectEnd"} mark */
  const after = (mark) => Math.max((entry?.[mark] || 0) - (entry?.activationStart || 0), 0);
  const waited = after(entry?.workerStart ? "workerStart" : "fetchStart");
  const lookup = after("domainLookupStart");
  const connect = after("connectStart");
  const connected = after("connectEnd");
  return {
    waitingDuration: waited,
    cacheDuration: lookup - waited,
    dnsDuration: connect - lookup,
    connectionDuration: connected - connect,
    requestDuration: value - connected,
    navigationEntry: entry,
  };
};
