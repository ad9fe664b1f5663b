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
 *   | [opcode: typeof INTERACTION_PAINT_ENTRY, startTime: Operand, duration: Operand, interactionId: Operand, detail: Operand, hadRecentInput: Operand]
 *   | [opcode: typeof SOFT_NAVIGATION_ENTRY, startTime: Operand, duration: Operand, interactionId: Operand, detail: Operand, hadRecentInput: Operand]
 *   | [opcode: typeof BATCH_ENDED]
 *   | [opcode: typeof LCP_FINALIZED]
 *   | [opcode: typeof PAGE_HIDDEN, at: Operand]
 *   | [opcode: typeof OBSERVATION_STARTED, firstHidden: Operand, activationStart: Operand, durationThreshold: Operand]
 *   | [opcode: typeof VIEW_STARTED, start: Operand, state: Operand]
 *   | [opcode: typeof RESTORE_PAINT, duration: Operand]
 *   | [opcode: typeof METRIC_SUPPORTED, metric: Operand]
 *   | [opcode: typeof READ_METRIC, metric: Operand]
 *   | [opcode: typeof DECLARE_VIEW, isCurrent: Operand]
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
/** The first byte of the document arrived. In place of an entry, which TTFB has not. */
export const FIRST_BYTE = 5;
/** An `interaction-contentful-paint` entry. */
export const INTERACTION_PAINT_ENTRY = 6;
/** A `soft-navigation` entry. `detail` and `had_recent_input` tell that its address is that of the current view, or that of the declaration that waits. Returns its meaning. */
export const SOFT_NAVIGATION_ENTRY = 7;
/** Every entry of a batch has been sent. */
export const BATCH_ENDED = 8;
/** An input or a hiding of the page ended the search for the largest paint. */
export const LCP_FINALIZED = 9;
/** The page was hidden. */
export const PAGE_HIDDEN = 10;
/** Observation started, or the page was restored. */
export const OBSERVATION_STARTED = 11;
/** A restored, declared or reported view began. */
export const VIEW_STARTED = 12;
/** A restored page was painted, so long after the restore. */
export const RESTORE_PAINT = 13;
/** The browser supports a metric. */
export const METRIC_SUPPORTED = 14;
/** Returns the wire value of a metric; −1 while unknown. */
export const READ_METRIC = 15;
/** Returns 1 if a declaration only names the current view. */
export const DECLARE_VIEW = 16;

/** The number of slots. */
export const MAX_SUBSCRIPTIONS = 384;

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
 *   | [opcode: typeof BEGIN_BEACON_VIEW, slot: number, start: Operand, state: Operand]
 *   | [opcode: typeof DECLARE_BEACON_VIEW, slot: number, isCurrent: Operand]
 *   | [opcode: typeof REPORT_BEACON_NAVIGATION, slot: number, start: Operand, isCurrent: Operand, isPending: Operand]
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
/** A restored, declared or reported view began, in any slot. */
export const BEGIN_BEACON_VIEW = 11;
/** Returns 1 if a declaration only names the current view, in any slot. */
export const DECLARE_BEACON_VIEW = 12;
/** Returns the meaning of a soft-navigation entry, in any slot. */
export const REPORT_BEACON_NAVIGATION = 13;

/** The answers to a new entry; any other one means to drop it. */
export const START_GROUP = 0;
export const JOIN_GROUP = 1;

/** The triggers of a report. */
export const TRIGGER_CHANGE = 0;
export const TRIGGER_HIDE = 1;
export const TRIGGER_FINAL = 2;

/** The states in which a view may begin. */
export const VIEW_COMPLETE = 0;
export const VIEW_DECLARED = 1;
export const VIEW_REPORTED = 2;

/** The answers to a soft-navigation entry; any other one means to ignore it. */
export const CURRENT_VIEW = 0;
export const NEW_VIEW = 1;
