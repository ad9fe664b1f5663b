/**
 * The same, with the reasons: every report says what it was that took so long, and so does the
 * beacon. Nothing of it is loaded unless a page imports this entry.
 * @module
 */
import { handle } from "./machine.js";
import { VALUE } from "./moments.js";
import { CLS, FCP, FID, INP, LCP, NAMES, TTFB } from "./page.js";
import { on } from "./on.js";
import { reasons } from "./reasons.js";
import { start as measureAndSend } from "./start.js";

export { view } from "./start.js";

export const onFCP = on(FCP, reasons);
export const onLCP = on(LCP, reasons);
export const onCLS = on(CLS, reasons);
export const onINP = on(INP, reasons);
export const onFID = on(FID);
export const onTTFB = on(TTFB, reasons);

/** What a beacon says of a reason: whole milliseconds and short words, no entries, no query strings. */
const summary = ({ longestScript, ...reason }) => {
  const said = {
    ...reason,
    largestShiftValue: reason.largestShiftValue * 1e4,
    url: reason.url?.split(/[?#]/)[0],
    script: longestScript?.entry.sourceURL.split(/[?#]/)[0],
    scriptSubpart: longestScript?.subpart,
  };
  return Object.fromEntries(
    Object.entries(said).flatMap(([name, value]) => {
      if (value > 0) return [[name, Math.ceil(value)]];
      return value && typeof value === "string" ? [[name, value.slice(0, 200)]] : [];
    }),
  );
};

export const start = (options) => {
  const layer = reasons(options);
  return measureAndSend({
    ...options,
    ...layer,
    describe: ({ base, vitals }) =>
      Object.fromEntries(
        [FCP, LCP, CLS, INP, TTFB].flatMap((metric) => {
          const vital = vitals()[metric];
          const reason = vital?.entries[0] && layer.attribute(metric, handle(VALUE, base + metric), vital);
          return reason ? [[NAMES[metric], summary(reason)]] : [];
        }),
      ),
  });
};
