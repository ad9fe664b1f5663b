/**
 * What a page imports: `start` for the whole job, `on…` for a callback a metric.
 * @module
 */
import { CLS, FCP, FID, INP, LCP, TTFB, on } from "./on.js";

export { start } from "./start.js";

const listener = (metric) => (callback, options) => on(metric, callback, options).stop;

export const onCLS = listener(CLS);
export const onFCP = listener(FCP);
export const onFID = listener(FID);
export const onINP = listener(INP);
export const onLCP = listener(LCP);
export const onTTFB = listener(TTFB);
