/**
 * Why a metric is what it is, from what the browser tells beside it: the element, the resource, the
 * phases, the script. Targets are remembered when the entry comes, since nodes leave the page.
 * @module
 */
import { CLS, FCP, INP, LCP, idle, navigation } from "./page.js";

const SOFT = "soft-navigation";
/** Frames that are kept because entries of one frame do not all come at once. */
const FRAMES = 10;

/** Resources beyond the browser's own buffer; the largest paint's may be among them. */
const resources = [];
let resourcesKept = 50;

const observe = (type, then) => {
  if (globalThis.PerformanceObserver?.supportedEntryTypes?.includes(type)) {
    new PerformanceObserver((list) => queueMicrotask(() => then(list.getEntries()))).observe({ type, buffered: true });
  }
};

observe("resource", (entries) => {
  resources.push(...entries);
  resources.splice(0, resources.length - resourcesKept);
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

const shifted = (sources) => sources.find(({ node }) => node?.nodeType === 1) ?? sources[0];

/** What one measurement remembers, and what it can say of its values. */
export const reasons = ({ generateTarget, includeProcessedEventEntries, resourceBufferSize }) => {
  /** Selectors by what they belong to: a largest paint, a source of a shift. */
  const targets = new WeakMap();
  /** The frame of each event of an interaction. */
  const frameOf = new WeakMap();
  let longFrames = [];
  let frames = [];
  let processedUntil = 0;
  let interactions;
  let pruning = false;

  resourcesKept = resourceBufferSize ?? resourcesKept;

  const target = (node) => generateTarget?.(node) ?? selector(node);

  const intersecting = (from, to) =>
    longFrames.filter(({ startTime, duration }) => startTime + duration >= from && startTime <= to);

  const prune = () => {
    const standing = new Set(Object.values(interactions?.lists ?? {}).map(([entry]) => frameOf.get(entry)));
    frames = frames.filter((frame, index) => index >= frames.length - FRAMES || standing.has(frame));
    const met = new Set(frames.flatMap((frame) => intersecting(frame.startTime, frame.processingEnd)));
    longFrames = longFrames.filter(
      (frame, index) =>
        met.has(frame) || (index >= longFrames.length - FRAMES && frame.startTime > processedUntil),
    );
    pruning = false;
  };

  const pruneLater = () => {
    if (!pruning) {
      pruning = true;
      idle(prune);
    }
  };

  observe("long-animation-frame", (entries) => {
    longFrames.push(...entries);
    pruneLater();
  });

  /** Events that were painted within 8 ms of each other are of one frame. */
  const group = (entry) => {
    const { startTime, processingStart, processingEnd } = entry;
    const renderTime = startTime + entry.duration;
    processedUntil = Math.max(processedUntil, processingEnd);
    let frame = frames.findLast((frame) => Math.abs(renderTime - frame.renderTime) <= 8);
    if (frame) {
      frame.startTime = Math.min(startTime, frame.startTime);
      frame.processingStart = Math.min(processingStart, frame.processingStart);
      frame.processingEnd = Math.max(processingEnd, frame.processingEnd);
    } else {
      frames.push((frame = { startTime, processingStart, processingEnd, renderTime, entries: [] }));
    }
    if (includeProcessedEventEntries) frame.entries.push(entry);
    if (entry.interactionId) frameOf.set(entry, frame);
    pruneLater();
  };

  /** An entry has come; of an interaction, also what is known of all of them. */
  const witness = (entry, vital) => {
    if (vital) {
      const list = vital.lists[entry.interactionId];
      interactions = vital;
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
    const hard = navigation();
    if (type === SOFT) {
      return { timeToFirstByte: 0, firstByteToFCP: value, loadState: "complete", navigationEntry: softly };
    }
    if (!entry || !hard) return { timeToFirstByte: 0, firstByteToFCP: value, loadState: loadState(start || -1) };
    const ttfb = Math.max(0, hard.responseStart - (hard.activationStart || 0));
    return {
      timeToFirstByte: ttfb,
      firstByteToFCP: value - ttfb,
      loadState: loadState(entry.startTime),
      navigationEntry: hard,
      fcpEntry: entry,
    };
  };

  const ofLCP = (value, { type, start, navigation: softly, entries: [entry] }) => {
    const attribution = {
      timeToFirstByte: 0,
      resourceLoadDelay: 0,
      resourceLoadDuration: 0,
      elementRenderDelay: value,
    };
    if (!entry) return attribution;
    // The last request for it that had begun by the paint: a later one cannot have painted it.
    const requested = (resource) =>
      resource.name === entry.url && (resource.requestStart || resource.startTime) <= entry.startTime;
    const resource =
      entry.url && (resources.findLast(requested) ?? performance.getEntriesByType("resource").findLast(requested));
    Object.assign(
      attribution,
      { target: targets.get(entry), lcpEntry: entry },
      entry.url && { url: entry.url },
      resource && { lcpResourceEntry: resource },
    );
    const navigationEntry = type === SOFT ? softly : navigation();
    if (!navigationEntry) return attribution;
    const origin = type === SOFT ? start : (navigationEntry.activationStart ?? 0);
    const ttfb = Math.max(0, (type === SOFT ? 0 : navigationEntry.responseStart) - origin);
    const requestStart = Math.max(ttfb, resource ? (resource.requestStart || resource.startTime) - origin : 0);
    const responseEnd = Math.min(value, Math.max(requestStart, resource ? resource.responseEnd - origin : 0));
    return {
      ...attribution,
      timeToFirstByte: ttfb,
      resourceLoadDelay: requestStart - ttfb,
      resourceLoadDuration: responseEnd - requestStart,
      elementRenderDelay: value - responseEnd,
      navigationEntry,
    };
  };

  const ofCLS = (value, { entries }) => {
    if (!entries[0]) return {};
    const largest = entries.reduce((one, other) => (one.value > other.value ? one : other));
    if (!largest.sources?.length) return {};
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
      return { [FCP]: ofFCP, [LCP]: ofLCP, [CLS]: ofCLS, [INP]: ofINP }[metric]?.(value, vital) ?? ofTTFB(value, vital);
    },
  };
};

/** Which script it was, and where the time went, as far as long animation frames tell. */
const blame = (longFrames, from, processingStart, processingEnd, nextPaintTime) => {
  const told = {
    longestScript: undefined,
    totalScriptDuration: undefined,
    totalStyleAndLayoutDuration: undefined,
    totalPaintDuration: undefined,
    totalUnattributedDuration: undefined,
  };
  const last = longFrames.at(-1);
  if (!last || !from || !nextPaintTime) return told;
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
        told.longestScript = {
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
    ...told,
    totalScriptDuration: scripts,
    totalStyleAndLayoutDuration: layout,
    totalPaintDuration: paint,
    totalUnattributedDuration: nextPaintTime - from - scripts - layout - paint,
  };
};

const ofTTFB = (value, { entries: [entry] }) => {
  const hard = entry?.fetchStart !== undefined;
  const after = (mark) => (hard ? Math.max((mark || 0) - (entry.activationStart || 0), 0) : 0);
  const waited = after(entry?.workerStart || entry?.fetchStart);
  const lookup = after(entry?.domainLookupStart);
  const connect = after(entry?.connectStart);
  const connected = after(entry?.connectEnd);
  return {
    waitingDuration: waited,
    cacheDuration: lookup - waited,
    dnsDuration: connect - lookup,
    connectionDuration: connected - connect,
    requestDuration: hard ? value - connected : 0,
    navigationEntry: entry,
  };
};
