/**
 * Why a metric is what it is, from what the browser tells beside it: the element, the resource, the
 * phases, the script. Targets are remembered when the entry comes, since nodes leave the page.
 * @module
 */
import { navigation } from "./page.js";

const SOFT = "soft-navigation";
/** Frames that are kept: enough for the longest interaction's to be among them. */
const FRAMES = 200;

/** Resources beyond the browser's own buffer; the largest paint's may be among them. */
let resources = [];
let resourcesKept = 50;

const observe = (type, then) => {
  if (globalThis.document && PerformanceObserver.supportedEntryTypes.includes(type)) {
    new PerformanceObserver((list) => queueMicrotask(() => then(list.getEntries()))).observe({ type, buffered: true });
  }
};

observe("resource", (entries) => {
  resources = [...resources, ...entries].slice(-resourcesKept);
});

/** From the node up to the first id: names, ids and classes, never text. At most 100 characters. */
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
      if (path.length + part.length > 99) return path || part;
      path = path ? `${part}>${path}` : part;
      if (node.id) break;
      node = node.parentNode;
    }
  } catch {
    // A node that has left the page ends the path.
  }
  return path;
};

const loadState = (time) => {
  const entry = navigation();
  if (document.readyState === "loading" || time < entry?.domInteractive) return "loading";
  for (const [mark, state] of [
    ["domContentLoadedEventStart", "dom-interactive"],
    ["domComplete", "dom-content-loaded"],
  ]) {
    if (entry && (!entry[mark] || time < entry[mark])) return state;
  }
  return "complete";
};

/** When the first byte of a document came, 0 if there was none. */
const firstByte = (entry) => Math.max(0, (entry?.responseStart ?? 0) - (entry?.activationStart || 0));

const shifted = (sources) => sources.find(({ node }) => node?.nodeType === 1) ?? sources[0];

/** What one measurement remembers, and what it can say of its values. */
export const reasons = ({ generateTarget, includeProcessedEventEntries, resourceBufferSize }) => {
  /** Selectors by what they belong to: a largest paint, a source of a shift. */
  const targets = new WeakMap();
  /** The frame of each event of an interaction. */
  const frameOf = new WeakMap();
  let longFrames = [];
  let frames = [];

  resourcesKept = resourceBufferSize ?? resourcesKept;

  const target = (node) => generateTarget?.(node) ?? selector(node);

  const intersecting = (from, to) =>
    longFrames.filter(({ startTime, duration }) => startTime + duration >= from && startTime <= to);

  observe("long-animation-frame", (entries) => {
    longFrames = [...longFrames, ...entries].slice(-FRAMES);
  });

  /** Events that were painted within 8 ms of each other are of one frame. */
  const group = (entry) => {
    const { startTime, processingStart, processingEnd } = entry;
    const renderTime = startTime + entry.duration;
    let frame = frames.findLast((frame) => Math.abs(renderTime - frame.renderTime) <= 8);
    if (frame) {
      frame.startTime = Math.min(startTime, frame.startTime);
      frame.processingStart = Math.min(processingStart, frame.processingStart);
      frame.processingEnd = Math.max(processingEnd, frame.processingEnd);
    } else {
      frame = { startTime, processingStart, processingEnd, renderTime, entries: [] };
      frames = [...frames, frame].slice(-FRAMES);
    }
    if (includeProcessedEventEntries) frame.entries.push(entry);
    if (entry.interactionId) frameOf.set(entry, frame);
  };

  /** An entry has come; of an interaction, also what is known of all of them. */
  const witness = (entry, vital) => {
    if (vital) {
      const list = vital.lists[entry.interactionId];
      if (list) {
        vital.targets ??= {};
        const node = list.find(({ target }) => target)?.target;
        vital.targets[entry.interactionId] ??= node
          ? target(node)
          : list.find(({ targetSelector }) => targetSelector)?.targetSelector;
      }
    } else if (entry.sources) {
      const source = entry.sources.length && !entry.hadRecentInput && shifted(entry.sources);
      if (source?.node) targets.set(source, target(source.node));
    } else if (entry.processingEnd !== undefined) group(entry);
    else if (entry.element) targets.set(entry, target(entry.element));
    else if (entry.id) targets.set(entry, `#${entry.id}`);
  };

  const ofFCP = (value, { type, start, navigation: softly, entries: [entry] }) => {
    const soft = type === SOFT;
    const hard = soft || !entry ? undefined : navigation();
    const timeToFirstByte = firstByte(hard);
    return {
      timeToFirstByte,
      firstByteToFCP: value - timeToFirstByte,
      loadState: soft ? "complete" : loadState(entry?.startTime ?? (start || -1)),
      navigationEntry: soft ? softly : hard,
      fcpEntry: hard && entry,
    };
  };

  const ofLCP = (value, { type, start, navigation: softly, entries: [entry] }) => {
    const soft = type === SOFT;
    const navigationEntry = entry && (soft ? softly : navigation());
    const origin = soft ? start : (navigationEntry?.activationStart ?? 0);
    const url = entry?.url || undefined;
    // The last request for it that had begun by the paint: a later one cannot have painted it.
    const requested = (resource) =>
      resource.name === url && (resource.requestStart || resource.startTime) <= entry.startTime;
    const resource =
      url && (resources.findLast(requested) ?? performance.getEntriesByType("resource").findLast(requested));
    const timing = (navigationEntry && resource) ?? { startTime: origin, responseEnd: origin };
    const timeToFirstByte = soft ? 0 : firstByte(navigationEntry);
    const requestStart = Math.max(timeToFirstByte, (timing.requestStart || timing.startTime) - origin);
    const responseEnd = Math.min(value, Math.max(requestStart, timing.responseEnd - origin));
    return {
      target: targets.get(entry),
      url,
      timeToFirstByte,
      resourceLoadDelay: requestStart - timeToFirstByte,
      resourceLoadDuration: responseEnd - requestStart,
      elementRenderDelay: value - responseEnd,
      navigationEntry,
      lcpResourceEntry: resource,
      lcpEntry: entry,
    };
  };

  const ofCLS = (value, { entries }) => {
    const largest = entries.reduce((one, other) => (one.value > other.value ? one : other), {});
    if (!largest.sources?.[0]) return {};
    const source = shifted(largest.sources);
    return {
      largestShiftTarget: targets.get(source),
      largestShiftTime: largest.startTime,
      largestShiftValue: largest.value,
      largestShiftSource: source,
      largestShiftEntry: largest,
      loadState: loadState(largest.startTime),
    };
  };

  const ofINP = (value, { start, entries: [entry], targets: selectors }) => {
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
    const { startTime, interactionId } = entry;
    const frame = frameOf.get(entry);
    // Another event's long handler may have begun before this interaction did.
    const processingStart = Math.max(frame.processingStart, startTime);
    // Durations are rounded to 8 ms, and may seem to end before they are processed.
    const nextPaintTime = Math.max(startTime + entry.duration, processingStart);
    // A modal dialogue extends processing beyond the paint: github.com/GoogleChrome/web-vitals/issues/492
    const processingEnd = Math.min(frame.processingEnd, nextPaintTime);
    const longAnimationFrameEntries = intersecting(startTime, processingEnd);
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
      ...blame(longAnimationFrameEntries, startTime, processingStart, processingEnd, nextPaintTime),
    };
  };

  return {
    witness,
    attribute(metric, value, vital) {
      return ([ofFCP, ofLCP, ofCLS, ofINP][metric] ?? ofTTFB)(value, vital);
    },
  };
};

/** Which script it was, and where the time went, as far as long animation frames tell. */
const blame = (longFrames, from, processingStart, processingEnd, nextPaintTime) => {
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
      // When a script forced layout is not known: its share is taken to be that of the script.
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

const ofTTFB = (value, { entries: [entry] }) => {
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
