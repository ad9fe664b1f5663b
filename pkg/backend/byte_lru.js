/**
 * Entries up to a sum of bytes. The one that has not been used for the longest is dropped, approximately: a use only marks
 * an entry, and a marked one gets a second chance when its turn comes. So a hit moves nothing.
 * @module
 */

/** @template Value */
export class ByteLru {
  /** In the order of their turns. @type {Map<string, { value: Value, bytes: number, isUsed: boolean }>} */
  #entries = new Map();
  #bytes = 0;
  evicted = 0;

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
    entry.isUsed = true;
    return entry.value;
  }

  /** An entry that is larger than everything else together is not kept. @param {string} key @param {Value} value @param {number} bytes */
  set(key, value, bytes) {
    this.delete(key);
    if (bytes > this.maxBytes) return;
    while (this.#bytes + bytes > this.maxBytes) this.#dropOne();
    this.#entries.set(key, { value, bytes, isUsed: false });
    this.#bytes += bytes;
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

  keys() {
    return this.#entries.keys();
  }

  #dropOne() {
    for (const [key, entry] of this.#entries) {
      if (!entry.isUsed) {
        this.evicted += 1;
        return this.delete(key);
      }
      entry.isUsed = false;
      // It is asked again after all others.
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
  }
}
