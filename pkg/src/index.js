/**
 * The main entry: `start` for beacons, and one `on…` function per metric for callbacks.
 * @module
 */
import { CLS, FCP, FID, INP, LCP, TTFB } from "./metrics.js";
import { on } from "./on.js";

export * from "../frontend/thresholds.js";
export { start, view } from "./start.js";

export const onFCP = on(FCP);
export const onLCP = on(LCP);
export const onCLS = on(CLS);
export const onINP = on(INP);
export const onFID = on(FID);
export const onTTFB = on(TTFB);
