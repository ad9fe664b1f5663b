// Counts what crosses between JavaScript and a Worker's module in Rust: calls in both directions, and the
// bytes that are handed over, and how large the module's memory is. It is imported before the module is made.
const made = WebAssembly.Instance;
/** @type {WebAssembly.Memory | undefined} */
let memory;
const seen = { calls: 0, bytes: 0, memory: 0 };

/** @param {string} name @param {any} part */
const counted = (name, part) =>
  typeof part !== "function"
    ? part
    : (/** @type {any[]} */ ...given) => {
        seen.calls += 1;
        seen.memory = memory?.buffer.byteLength ?? 0;
        if (name === "__wbindgen_malloc") seen.bytes += given[0];
        return part(...given);
      };
/** @param {Record<string, any>} parts */
const all = (parts) => Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, counted(name, part)]));

WebAssembly.Instance = /** @type {any} */ (
  class {
    /** @param {WebAssembly.Module} module @param {Record<string, any>} imports */
    constructor(module, imports) {
      const instance = new made(module, Object.fromEntries(Object.entries(imports).map(([from, parts]) => [from, all(parts)])));
      memory = /** @type {any} */ (instance.exports).memory;
      this.exports = all(/** @type {any} */ (instance.exports));
    }
  }
);

export { seen };
