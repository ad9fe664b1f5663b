/**
 * The module as part of the script: one request, and small enough to be compiled synchronously on
 * every browser's main thread, so that nothing goes unmeasured while it arrives.
 * @module
 */
import { bytes } from "#bytes";

export const module = () =>
  new WebAssembly.Module(Uint8Array.from(/** @type {string} */ (bytes), (character) => character.charCodeAt(0)));
