/** The least recently used entries up to a sum of bytes. @template Value */
export class ByteLru {
  /** In the order of their last use. @type {Map<string, { value: Value, bytes: number }>} */
  #entries = new Map();
  #bytes = 0;

  /** @param {number} maxBytes */
  constructor(maxBytes) {
    this.maxBytes = maxBytes;
  }

  get bytes() {
    return this.#bytes;
  }

  get size() {
    return this.#entries.size;
  }

  /** @param {string} key @returns {Value | undefined} */
  get(key) {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** An entry that is larger than everything else together is not kept. @param {string} key @param {Value} value @param {number} bytes */
  set(key, value, bytes) {
    this.delete(key);
    if (bytes > this.maxBytes) return;
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.maxBytes) break;
      this.delete(oldest);
    }
  }

  /** @param {string} key */
  delete(key) {
    const entry = this.#entries.get(key);
    if (!entry) return false;
    this.#bytes -= entry.bytes;
    return this.#entries.delete(key);
  }

  clear() {
    this.#entries.clear();
    this.#bytes = 0;
  }

  /** From the least to the most recently used. @returns {IterableIterator<[string, Value]>} */
  *entries() {
    for (const [key, { value }] of this.#entries) yield [key, value];
  }
}
