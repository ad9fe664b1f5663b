/**
 * What a page imports: `start` for the whole job, `on…` for a callback a metric.
 * @module
 */
import { measure } from "./measure.js";
import { CLS, FCP, FID, INP, LCP, NAMES, RATING, TTFB, VALUE } from "./moments.js";

export { start } from "./start.js";

const RATINGS = ["good", "needs-improvement", "poor"];

const on = (metric) => (callback, options) =>
  measure(
    metric === CLS ? [FCP, metric] : [metric],
    (reported, delta, vital, ask) => {
      if (reported === metric) {
        const { entries, navigation } = vital;
        vital.id ??= `v1-${Date.now()}-${Math.floor(Math.random() * 9e12) + 1e12}`;
        callback({
          name: NAMES[metric],
          value: ask(VALUE),
          rating: RATINGS[ask(RATING)],
          delta,
          entries,
          id: vital.id,
          navigationType: vital.type,
          navigationId: navigation?.navigationId || 0,
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
