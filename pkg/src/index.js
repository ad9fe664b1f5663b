/**
 * What a page imports: `start` for the whole job, `on…` for a callback a metric.
 * @module
 */
import { CLS, FCP, FID, INP, LCP, TTFB } from "./page.js";
import { on } from "./on.js";

export { start, view } from "./start.js";

export const onFCP = on(FCP);
export const onLCP = on(LCP);
export const onCLS = on(CLS);
export const onINP = on(INP);
export const onFID = on(FID);
export const onTTFB = on(TTFB);
