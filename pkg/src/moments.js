/**
 * The numbers by which the machine knows what happened. `crates/client/src/lib.rs` reads them, and
 * a test there holds the two together.
 * @module
 */
export const OPENED = 0;
export const STOPPED = 1;
export const WATCHED = 2;
export const HIDDEN = 3;
export const MEASURED = 4;
export const SHIFTED = 5;
export const INTERACTED = 6;
export const IDENTIFIED = 7;
export const SETTLED = 8;
export const ASKED = 9;
export const FINALISED = 10;
export const RENEWED = 11;
export const TURNED = 12;
export const DUE = 13;
export const REVOKED = 14;
export const VALUE = 15;
export const WIRE = 16;
export const RATING = 17;
