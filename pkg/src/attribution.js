/**
 * The same, with the reasons: every report says what it was that took so long, and so does the
 * beacon. Nothing of it is loaded unless a page imports this entry.
 * @module
 */
import { on } from "./on.js";
import { CLS, FCP, FID, INP, LCP, TTFB } from "./page.js";
import { reasons } from "./reasons.js";

export { start, view } from "./start-attribution.js";

export const onFCP = on(FCP, reasons);
export const onLCP = on(LCP, reasons);
export const onCLS = on(CLS, reasons);
export const onINP = on(INP, reasons);
export const onFID = on(FID);
export const onTTFB = on(TTFB, reasons);
