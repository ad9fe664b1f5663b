/**
 * The machine in wasm, compiled before anything is measured, and silent wherever it cannot run: a
 * policy forbids it, the browser is too old, or it trapped. Why, it can say; it throws nothing.
 * @module
 */
import { module } from "#module";

/** Why there is no machine, or no longer: `csp`, `unsupported` or `trap`. @type {string | undefined} */
export let lost;

/** @type {(moment: number, slot: number, counted: number, a?: number, b?: number, c?: number) => number} */
let machine;

try {
  machine = new WebAssembly.Instance(module()).exports.handle;
} catch (refusal) {
  lost = globalThis.WebAssembly ? "csp" : "unsupported";
}

/**
 * Tells the machine what happened. Not a number: there is nothing to do.
 * @param {number} moment
 * @param {number} slot
 * @param {number} [a]
 * @param {number} [b]
 * @param {number} [c]
 */
export const handle = (moment, slot, a, b, c) => {
  try {
    if (!lost) return machine(moment, slot, performance.interactionCount, a, b, c);
  } catch (trap) {
    lost = "trap";
  }
  return NaN;
};
