// Counts calls in both directions and bytes handed over between JavaScript and a Worker's Rust module,
// and reads the size of its memory. Must be imported before the module is instantiated.
const Instance = WebAssembly.Instance;
/** @type {WebAssembly.Memory | undefined} */
let memory;
const counts = { calls: 0, bytes: 0, memory: 0 };

/** @param {string} name @param {any} part */
const wrap = (name, part) =>
  typeof part !== "function"
    ? part
    : (/** @type {any[]} */ ...args) => {
        counts.calls += 1;
        counts.memory = memory?.buffer.byteLength ?? 0;
        if (name === "__wbindgen_malloc") counts.bytes += args[0];
        return part(...args);
      };
/** @param {Record<string, any>} parts */
const wrapAll = (parts) => Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, wrap(name, part)]));

WebAssembly.Instance = /** @type {any} */ (
  class {
    /** @param {WebAssembly.Module} module @param {Record<string, any>} imports */
    constructor(module, imports) {
      const instance = new Instance(module, Object.fromEntries(Object.entries(imports).map(([from, parts]) => [from, wrapAll(parts)])));
      memory = /** @type {any} */ (instance.exports).memory;
      this.exports = wrapAll(/** @type {any} */ (instance.exports));
    }
  }
);

export { counts };
