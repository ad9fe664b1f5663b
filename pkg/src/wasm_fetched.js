/**
 * The wasm module as a file of its own, for pages that cache it apart from the script, or whose policy
 * counts the script's bytes. Importing awaits it; the browser buffers what happens meanwhile.
 * @module
 */
const compiled = globalThis.document
  ? await WebAssembly.compileStreaming(fetch(new URL("client.wasm", import.meta.url))).catch(() => undefined)
  : undefined;

export const module = () => /** @type {WebAssembly.Module} */ (compiled);
