/**
 * The module as part of the script: one request, and small enough to be compiled synchronously on
 * every browser's main thread, so that nothing goes unmeasured while it arrives.
 * @module
 */
import { bytes, shift } from "#bytes";

export const module = () =>
  new WebAssembly.Module(Uint8Array.from(bytes, (character) => character.charCodeAt() + shift));
