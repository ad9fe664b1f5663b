/**
 * The main entry with attribution: reports and beacons carry the causes of each value.
 * @module
 */
import { attribution } from "./attribution.js";
import { CLS, FCP, FID, INP, LCP, TTFB } from "./metrics.js";
import { on } from "./on.js";

export * from "../frontend/thresholds.js";
export { start, view } from "./start-attribution.js";

export const onFCP = on(FCP, attribution);
export const onLCP = on(LCP, attribution);
export const onCLS = on(CLS, attribution);
export const onINP = on(INP, attribution);
export const onFID = on(FID, attribution);
export const onTTFB = on(TTFB, attribution);
