/**
 * The numbers by which the machine knows what happened; `crates/client/src/lib.rs` reads them.
 * @module
 */
export const WATCHED = 0;
export const HIDDEN = 1;
export const IDENTIFIED = 2;
export const TURNED = 3;
export const DUE = 4;
export const REVOKED = 5;
export const SENT = 6;
export const OPENED = 7;
export const BEGUN = 8;
export const MEASURED = 9;
export const SHIFTED = 10;
export const INTERACTED = 11;
export const SETTLED = 12;
export const REPORTED = 13;
export const VALUE = 14;
export const RATING = 15;

/** How an instance of a metric begins. */
export const LOADED = 0;
export const RENEWED = 1;
export const DECLARED = 2;

/** Why a value may be reported. */
export const CHANGE = 0;
export const HIDE = 1;
export const END = 2;

/** The metrics, in the machine's order. */
export const FCP = 0;
export const LCP = 1;
export const CLS = 2;
export const INP = 3;
export const FID = 4;
export const TTFB = 5;

/** Their names, likewise. */
export const NAMES = ["FCP", "LCP", "CLS", "INP", "FID", "TTFB"];
