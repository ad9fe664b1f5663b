/**
 * What a page imports: `start` for the whole job, `on…` for a callback a metric.
 * @module
 */
import { handle } from "./machine.js";
import { measure } from "./measure.js";
import { CLS, FCP, FID, INP, LCP, NAMES, RATING, TTFB, VALUE } from "./moments.js";

export { start, view } from "./start.js";

const on = (metric) => (callback, options) =>
  measure(
    metric === CLS ? [FCP, metric] : [metric],
    (reported, delta, vital, slot) => {
      const { entries, navigation } = vital;
      if (reported === metric) {
        callback({
          name: NAMES[metric],
          value: handle(VALUE, slot),
          rating: ["good", "needs-improvement", "poor"][handle(RATING, slot)],
          delta,
          entries,
          id: (vital.id ??= `v1-${Date.now()}-${Math.random()}`),
          navigationType: vital.type,
          navigationId: (metric === FCP && entries[0]?.navigationId) || navigation?.navigationId || 0,
          navigationInteractionId: navigation?.interactionId,
          navigationURL: navigation?.name,
          navigationStartTime: vital.start,
        });
      }
    },
    options,
  ).stop;

export const onFCP = on(FCP);
export const onLCP = on(LCP);
export const onCLS = on(CLS);
export const onINP = on(INP);
export const onFID = on(FID);
export const onTTFB = on(TTFB);
