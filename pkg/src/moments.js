/**
 * The numbers by which the machine knows what happened; `crates/client/src/callbacks.rs` reads them.
 * @module
 */
export const WATCHED = 0;
export const HIDDEN = 1;
export const BEGUN = 2;
export const MEASURED = 3;
export const SHIFTED = 4;
export const INTERACTED = 5;
export const SETTLED = 6;
export const REPORTED = 7;
export const VALUE = 8;
export const RATING = 9;
export const ASKED = 10;

/** Why a value may be reported. */
export const CHANGE = 0;
export const HIDE = 1;
export const END = 2;
