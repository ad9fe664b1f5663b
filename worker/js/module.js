// The state of the wasm module. After a trap its memory is not to be trusted: the next call starts a fresh
// module.
import * as wasm from "./index.js";

const state = wasm.__worker_init_state();

/** The number of modules that were started before this one. */
export function instanceId() {
  restartAfterTrap();
  return state.instanceId;
}

/**
 * Runs a call into the module. A response that is at hand needs no promise.
 * @template T
 * @param {() => T} call
 * @returns {T}
 */
export function guard(call) {
  restartAfterTrap();
  try {
    const result = call();
    return result instanceof Promise ? /** @type {T} */ (result.catch(rethrow)) : result;
  } catch (error) {
    return rethrow(error);
  }
}

function restartAfterTrap() {
  if (!state.criticalError) return;
  wasm.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId += 1;
}

/** @param {unknown} error @returns {never} */
function rethrow(error) {
  noteTrap(error);
  throw error;
}

/** @param {unknown} error */
function noteTrap(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  console.error("the module trapped and will be restarted:", error);
  state.criticalError = true;
}

addEventListener("error", (event) => noteTrap(event.error));
