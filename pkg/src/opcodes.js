/**
 * The calls to the wasm client: opcodes, operands and answers. Generated from `crates/vitals/src/opcode.rs`;
 * to write it anew, run `UPDATE_GENERATED=1 cargo test -p vitals --test opcodes`.
 * @module
 */

/** A number for wasm, where `true` becomes 1, `false` 0, and `undefined` not a number. @typedef {number | boolean | undefined} Operand */

/**
 * @typedef {
 *   | [opcode: typeof PAINT_ENTRY, startTime: Operand, duration: Operand, interactionId: Operand, detail: Operand, hadRecentInput: Operand]
 *   | [opcode: typeof LARGEST_PAINT_ENTRY, startTime: Operand, duration: Operand, interactionId: Operand, detail: Operand, hadRecentInput: Operand]
 *   | [opcode: typeof LAYOUT_SHIFT_ENTRY, startTime: Operand, duration: Operand, interactionId: Operand, detail: Operand, hadRecentInput: Operand]
 *   | [opcode: typeof EVENT_ENTRY, startTime: Operand, duration: Operand, interactionId: Operand, detail: Operand, hadRecentInput: Operand]
 *   | [opcode: typeof FIRST_INPUT_ENTRY, startTime: Operand, duration: Operand, interactionId: Operand, detail: Operand, hadRecentInput: Operand]
 *   | [opcode: typeof FIRST_BYTE, at: Operand]
 *   | [opcode: typeof BATCH_ENDED]
 *   | [opcode: typeof LCP_FINALIZED]
 *   | [opcode: typeof PAGE_HIDDEN, at: Operand]
 *   | [opcode: typeof OBSERVATION_STARTED, firstHidden: Operand, activationStart: Operand, durationThreshold: Operand]
 *   | [opcode: typeof VIEW_STARTED, firstHidden: Operand]
 *   | [opcode: typeof RESTORE_PAINT, duration: Operand]
 *   | [opcode: typeof METRIC_SUPPORTED, metric: Operand]
 *   | [opcode: typeof READ_METRIC, metric: Operand]
 * } BeaconCall
 */
/** A `paint` entry other than `first-paint`. */
export const PAINT_ENTRY = 0;
/** A `largest-contentful-paint` entry. */
export const LARGEST_PAINT_ENTRY = 1;
/** A `layout-shift` entry. */
export const LAYOUT_SHIFT_ENTRY = 2;
/** An `event` entry. */
export const EVENT_ENTRY = 3;
/** A `first-input` entry. */
export const FIRST_INPUT_ENTRY = 4;
/** The first byte of the document arrived. */
export const FIRST_BYTE = 5;
/** Every entry of a batch has been sent. */
export const BATCH_ENDED = 6;
/** An input or a hiding of the page ended the search for the largest paint. */
export const LCP_FINALIZED = 7;
/** The page was hidden. */
export const PAGE_HIDDEN = 8;
/** Observation started, or the page was restored. */
export const OBSERVATION_STARTED = 9;
/** A restored or declared view began. */
export const VIEW_STARTED = 10;
/** A restored page was painted, so long after the restore. */
export const RESTORE_PAINT = 11;
/** The browser supports a metric. */
export const METRIC_SUPPORTED = 12;
/** Returns the wire value of a metric; −1 while unknown. */
export const READ_METRIC = 13;

/**
 * @typedef {
 *   | [opcode: typeof SET_FIRST_HIDDEN, slot: number, at: Operand]
 *   | [opcode: typeof RECORD_HIDDEN, slot: number, at: Operand]
 *   | [opcode: typeof BEGIN_INSTANCE, slot: number, isRenewed: Operand, reportAllChanges: Operand]
 *   | [opcode: typeof RECORD_DURATION, slot: number, start: Operand, end: Operand, seenAt: Operand]
 *   | [opcode: typeof ADD_LAYOUT_SHIFT, slot: number, at: Operand, score: Operand]
 *   | [opcode: typeof ADD_INTERACTION, slot: number, id: Operand, at: Operand, duration: Operand]
 *   | [opcode: typeof UPDATE_VALUE, slot: number]
 *   | [opcode: typeof REPORT, slot: number, trigger: Operand]
 *   | [opcode: typeof READ_VALUE, slot: number]
 *   | [opcode: typeof READ_RATING, slot: number]
 *   | [opcode: typeof READ_WIRE_VALUE, slot: number]
 * } CallbackCall
 */
/** Sets the time at which the page was first hidden. */
export const SET_FIRST_HIDDEN = 0;
/** Records that the page was hidden. */
export const RECORD_HIDDEN = 1;
/** Begins a new instance of the metric in the slot. */
export const BEGIN_INSTANCE = 2;
/** Records a duration; returns 1 if it was accepted. Nothing seen only after the page was hidden counts. */
export const RECORD_DURATION = 3;
/** Adds a layout shift; returns the grouping of its entry. */
export const ADD_LAYOUT_SHIFT = 4;
/** Adds an event; returns the grouping of its entry. A negative duration only contributes its id. */
export const ADD_INTERACTION = 5;
/** Updates the value; returns the id of the entry list on which a new value is based. */
export const UPDATE_VALUE = 6;
/** Returns the change since the last report if a report is due. */
export const REPORT = 7;
/** Returns the exact value. */
export const READ_VALUE = 8;
/** Returns the index of the value's rating. */
export const READ_RATING = 9;
/** Returns the value as a beacon carries it. */
export const READ_WIRE_VALUE = 10;

/** The answers to a new entry; any other one means to drop it. */
export const START_GROUP = 0;
export const JOIN_GROUP = 1;

/** The triggers of a report. */
export const TRIGGER_CHANGE = 0;
export const TRIGGER_HIDE = 1;
export const TRIGGER_FINAL = 2;
