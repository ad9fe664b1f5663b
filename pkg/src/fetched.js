/**
 * The module as a file of its own, for pages that want it cached apart from the script, or whose
 * policy counts the script's bytes. Importing waits for it; what happened meanwhile is buffered.
 * @module
 */
const compiled = globalThis.document
  ? await WebAssembly.compileStreaming(fetch(new URL("client.wasm", import.meta.url))).catch(() => undefined)
  : undefined;

export const module = () => /** @type {WebAssembly.Module} */ (compiled);
