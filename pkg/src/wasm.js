/**
 * The wasm client for callbacks, instantiated on import. It never throws. Where WebAssembly is refused (a
 * content security policy forbids it, or the browser has none), the same module in the form of JavaScript is
 * fetched in its place. Until it is there, and after a trap, calls have no effect and `lossReason` says why.
 * @module
 */
import { module } from "#module";

/** @typedef {import("./opcodes.js").CallbackCall} CallbackCall */
/** @typedef {import("./opcodes.js").Operand} Operand */

/** The reason why calls have no effect. @type {"csp" | "unsupported" | "trap" | undefined} */
export let lossReason;

/** Pending while the JavaScript form is fetched. @type {Promise<void> | undefined} */
export let fallback;

/** @type {(opcode: number, slot: number, browserCount?: number, ...operands: Operand[]) => number} */
let wasm;

try {
  wasm = /** @type {typeof wasm} */ (new WebAssembly.Instance(module()).exports.handle);
} catch {
  lossReason = globalThis.WebAssembly ? "csp" : "unsupported";
  fallback = globalThis.document && import("./fallback.js").then(({ handle }) => {
    wasm = handle;
    lossReason = fallback = undefined;
  }, () => {});
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
