/**
 * The wasm client for callbacks, instantiated on import. It never throws. Where it cannot run (a content
 * security policy forbids it, the browser is too old, or it trapped), calls have no effect and
 * `lossReason` says why.
 * @module
 */
import { module } from "#module";

/** @typedef {import("./opcodes.js").CallbackCall} CallbackCall */
/** @typedef {import("./opcodes.js").Operand} Operand */

/** The reason why wasm does not run. @type {"csp" | "unsupported" | "trap" | undefined} */
export let lossReason;

/** @type {(opcode: number, slot: number, browserCount?: number, ...operands: Operand[]) => number} */
let wasm;

try {
  wasm = /** @type {typeof wasm} */ (new WebAssembly.Instance(module()).exports.handle);
} catch (error) {
  lossReason = globalThis.WebAssembly ? "csp" : "unsupported";
}

/**
 * Makes a call. Returns NaN if there is nothing to do.
 * @type {(...call: CallbackCall) => number}
 */
export const handle = (opcode, slot, ...operands) => {
  try {
    if (!lossReason) return wasm(opcode, slot, performance.interactionCount, ...operands);
  } catch (trap) {
    lossReason = "trap";
  }
  return NaN;
};
