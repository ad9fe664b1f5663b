/**
 * What a page imports: `start` for the whole job, `on…` for a callback a metric.
 * @module
 */
import { measure } from "./measure.js";
import * as moment from "./moments.js";

export { start } from "./start.js";

const NAMES = ["FCP", "LCP", "CLS", "INP", "FID", "TTFB"];
const RATINGS = ["good", "needs-improvement", "poor"];

const on = (metric) => (callback, options) =>
  measure(
    metric === moment.CLS ? [moment.FCP, metric] : [metric],
    (reported, delta, vital, ask) => {
      if (reported === metric) {
        const { entries, navigation } = vital;
        vital.id ??= `v1-${Date.now()}-${Math.floor(Math.random() * 9e12) + 1e12}`;
        callback({
          name: NAMES[metric],
          value: ask(moment.VALUE),
          rating: RATINGS[ask(moment.RATING)],
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

export const onFCP = on(moment.FCP);
export const onLCP = on(moment.LCP);
export const onCLS = on(moment.CLS);
export const onINP = on(moment.INP);
export const onFID = on(moment.FID);
export const onTTFB = on(moment.TTFB);
