/**
 * The purges that this process owes the Worker, each until it has arrived. They are held in memory: what a process still
 * owes when it ends is lost, and the edge's copies then live until their lifetime ends.
 * @module
 */

/** @typedef {import("./purge_view.js").PurgeMode} PurgeMode */
/** @typedef {{ mode: PurgeMode, tags: Map<string, number> }} Debt The tags with the times of their purges. */

export class PurgeOutbox {
  /** @type {Record<PurgeMode, Map<string, number>>} */
  #owed = { hard: new Map(), soft: new Map() };
  /** Everything is purged in place of more tags than are remembered. */
  #owesAll = false;
  /** @type {Promise<boolean> | undefined} */
  #attempt;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #failures = 0;
  delivered = 0;
  failed = 0;

  /**
   * @param {(purge: { tags: string[], soft: boolean } | { all: true }) => Promise<void>} send
   * @param {(tags: string[], mode: PurgeMode, purgedAt: ReadonlyMap<string, number>) => void} onDelivered
   * @param {(error: unknown, waiting: number) => void} onFailed
   */
  constructor(send, onDelivered, onFailed) {
    this.send = send;
    this.onDelivered = onDelivered;
    this.onFailed = onFailed;
  }

  /** The purges that have not arrived. */
  get waiting() {
    return this.#owed.hard.size + this.#owed.soft.size + Number(this.#owesAll);
  }

  /** Resolves to true once the purge has arrived, or to false after the first attempt failed. @param {readonly string[]} tags @param {PurgeMode} mode @param {number} now */
  async add(tags, mode, now) {
    for (const tag of tags) this.#owed[mode].set(tag, now);
    if (this.#owed.hard.size + this.#owed.soft.size > MAX_OWED) {
      this.#owed = { hard: new Map(), soft: new Map() };
      this.#owesAll = true;
    }
    // An attempt in progress may have begun without these tags.
    while (this.#attempt) await this.#attempt;
    return this.#isOwed(tags, mode) ? this.#begin() : true;
  }

  /** @param {readonly string[]} tags @param {PurgeMode} mode */
  #isOwed(tags, mode) {
    return this.#owesAll || tags.some((tag) => this.#owed[mode].has(tag));
  }

  #begin() {
    clearTimeout(this.#retry);
    this.#attempt ??= this.#deliver().finally(() => (this.#attempt = undefined));
    return this.#attempt;
  }

  async #deliver() {
    try {
      while (this.waiting > 0) await this.#deliverSome();
      this.#failures = 0;
      return true;
    } catch (error) {
      this.failed += 1;
      this.#failures += 1;
      this.#retry = setTimeout(() => void this.#begin(), Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** this.#failures));
      // A process that has nothing else to do may end.
      this.#retry.unref?.();
      this.onFailed(error, this.waiting);
      return false;
    }
  }

  async #deliverSome() {
    if (this.#owesAll) {
      await this.send({ all: true });
      this.#owesAll = false;
      this.delivered += 1;
      return;
    }
    const mode = this.#owed.hard.size > 0 ? "hard" : "soft";
    const owed = this.#owed[mode];
    const some = new Map([...owed].slice(0, MAX_TAGS));
    await this.send({ tags: [...some.keys()], soft: mode === "soft" });
    for (const [tag, purgedAt] of some) {
      // A purge that was made meanwhile is still owed.
      if (owed.get(tag) === purgedAt) owed.delete(tag);
    }
    this.delivered += some.size;
    this.onDelivered([...some.keys()], mode, some);
  }
}

/** The Worker takes no more in one call. */
const MAX_TAGS = 128;
const MAX_OWED = 10_000;
const MIN_DELAY_MS = 250;
const MAX_DELAY_MS = 30_000;
