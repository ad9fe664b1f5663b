/**
 * The cache of one process: a bounded memory before the Worker's store, and the purges of both. Every failure of the
 * Worker is a miss.
 * @module
 */
import { ByteLru } from "../byte_lru.js";
import { PurgeOutbox } from "./purge_outbox.js";
import { PurgeView } from "./purge_view.js";
import { decodeValue, encodeValue, MAX_VALUE_BYTES } from "./value_envelope.js";
import { WorkerStore } from "./worker_store.js";

/** @typedef {import("./purge_view.js").PurgeMode} PurgeMode */
/**
 * @template Value
 * @typedef {{ seq: number, madeAt: number, tags: string[], expires: number, meta: any, value: Value, bytes: number }} SharedEntry
 */
/**
 * @template Value
 * @typedef {{ encode: (value: Value) => Uint8Array, decode: (body: Uint8Array) => Value }} Codec
 */

export class SharedCache {
  /** @type {ByteLru<SharedEntry<any>>} */
  #memory;
  #view = new PurgeView();
  /** @type {WorkerStore | undefined} */
  #store;
  /** @type {PurgeOutbox | undefined} */
  #outbox;
  /** @type {Promise<void> | undefined} */
  #sync;
  /** Reads of the store that several callers share. @type {Map<string, Promise<SharedEntry<any> | undefined>>} */
  #reads = new Map();
  #writes = 0;
  #hasWarned = false;
  #counts = { hits: 0, stale: 0, misses: 0, storeHits: 0, stored: 0, storeFailures: 0 };

  /**
   * @param {{ store?: WorkerStore | undefined, maxBytes?: number, leaseMs?: number, now?: () => number, warn?: (message: string) => void }} [options]
   */
  constructor({ store, maxBytes = DEFAULT_MEMORY_BYTES, leaseMs = DEFAULT_LEASE_MS, now = wallClock, warn = console.warn } = {}) {
    this.#memory = new ByteLru(maxBytes);
    this.#store = store;
    this.leaseMs = leaseMs;
    this.now = now;
    this.warn = warn;
    if (!store) return;
    this.#outbox = new PurgeOutbox(
      (purge) => store.purge(purge),
      (tags, mode, purgedAt) => this.#settle(tags, mode, purgedAt),
      (error, waiting) => this.#warnOnce(`${waiting} purges did not reach the Worker and are sent again`, error),
    );
  }

  /** True if there is a Worker, whose edge wants to know of tags. */
  get hasWorker() {
    return this.#store !== undefined;
  }

  /** Counters since the start of the process. */
  stats() {
    const { waiting = 0, delivered = 0, failed = 0 } = this.#outbox ?? {};
    return { ...this.#counts, entries: this.#memory.size, bytes: this.#memory.bytes, purges: { waiting, delivered, failed } };
  }

  /** Counts whatever may change a judgement. */
  get changes() {
    return this.#view.changes;
  }

  /** Returns true if the purges are known, and need not be renewed yet. @param {number} now */
  isCurrent(now) {
    return !this.#store || this.#view.isCurrent(now, this.leaseMs * RENEWAL);
  }

  /** @param {import("./purge_view.js").Stamp} stamp @param {Iterable<string>} tags */
  judge(stamp, tags) {
    return this.#view.judge(stamp, tags);
  }

  /** The purge count that was known at a time. @param {number} time */
  seqAt(time) {
    return this.#view.seqAt(time);
  }

  /**
   * Waits until the purges are known that are older than the lease; not for long, and not at all if the Worker did not
   * respond a moment ago. Later in the lease, they are renewed in the background.
   */
  async refresh() {
    const now = this.now();
    if (this.isCurrent(now)) return;
    this.#sync ??= this.#syncPurges().finally(() => (this.#sync = undefined));
    if (!this.#view.isCurrent(now, this.leaseMs)) await this.#sync;
  }

  /**
   * Returns an entry that is not purged. `tags` are those of the reader, such as the tags of its path.
   * @template Value
   * @param {string} key @param {readonly string[]} tags @param {Codec<Value>} codec
   * @returns {Promise<{ entry: SharedEntry<Value>, isStale: boolean } | undefined>}
   */
  async read(key, tags, codec) {
    await this.refresh();
    const known = this.#memory.get(key);
    const state = known ? this.#stateOf(known, tags) : "purged";
    // Another process may have made a stale entry anew already.
    const other = state === "valid" ? undefined : await this.#readStore(key, tags, codec);
    const entry = other && this.#stateOf(other, tags) !== "purged" ? other : state === "purged" ? undefined : known;
    if (!entry) {
      this.#counts.misses += 1;
      return undefined;
    }
    const isStale = this.#stateOf(entry, tags) === "stale";
    this.#counts[isStale ? "stale" : "hits"] += 1;
    return { entry, isStale };
  }

  /**
   * Keeps an entry. The Worker gets it in the background.
   * @template Value
   * @param {string} key @param {SharedEntry<Value>} entry @param {Codec<Value>} codec
   */
  write(key, entry, codec) {
    this.#memory.set(key, entry, entry.bytes + key.length);
    this.#counts.stored += 1;
    const store = this.#store;
    if (!store || store.isPaused || this.#writes >= MAX_WRITES || entry.bytes > MAX_VALUE_BYTES) return;
    const { seq, tags, expires, meta, value } = entry;
    this.#writes += 1;
    const send = async () => {
      const envelope = encodeValue({ seq, tags, expires: Math.min(Math.floor(expires), MAX_TIME), meta }, codec.encode(value));
      if (envelope.byteLength <= MAX_VALUE_BYTES) await store.write(hashKey(key), envelope);
    };
    // A value that cannot be encoded stays in this process.
    const sent = send();
    sent.catch((error) => this.#failStore("a value was not stored in the Worker", error)).finally(() => (this.#writes -= 1));
  }

  /** Forgets an entry of this process. @param {string} key */
  delete(key) {
    this.#memory.delete(key);
  }

  /**
   * Purges entries in this process at once, and in all others and at the edge once the Worker has the purge. Resolves to
   * false if it does not have it yet.
   * @param {readonly string[]} tags @param {PurgeMode} mode
   */
  async purge(tags, mode) {
    const now = this.now();
    this.#view.purge(tags, mode, now);
    return this.#outbox ? this.#outbox.add(tags, mode, now) : true;
  }

  /** @param {SharedEntry<unknown>} entry @param {readonly string[]} tags @returns {"valid" | "stale" | "purged"} An entry that has expired counts as purged. */
  #stateOf(entry, tags) {
    return this.now() < entry.expires ? this.#view.judge(entry, [...entry.tags, ...tags]) : "purged";
  }

  async #syncPurges() {
    const store = /** @type {WorkerStore} */ (this.#store);
    if (store.isPaused) return;
    try {
      for (let isComplete = false; !isComplete; ) {
        const requestedAt = this.now();
        const feed = await store.purges(this.#view.upto);
        // Another purge clock says nothing of the entries from before.
        if (!this.#view.apply(feed, requestedAt, this.now())) this.#memory.clear();
        else isComplete = feed.upto >= feed.seq;
      }
    } catch (error) {
      this.#failStore("the purges of other processes are unknown until the Worker responds", error);
    }
  }

  /** The purge clock has these purges: soon this process knows them by their count. @param {string[]} tags @param {PurgeMode} mode @param {ReadonlyMap<string, number>} purgedAt */
  #settle(tags, mode, purgedAt) {
    const done = this.#syncPurges().then(() => {
      if (!this.#view.isCurrent(this.now(), this.leaseMs)) return;
      for (const tag of tags) this.#view.confirm([tag], mode, purgedAt.get(tag) ?? NaN);
    });
    void done;
  }

  /**
   * @template Value
   * @param {string} key @param {readonly string[]} tags @param {Codec<Value>} codec
   * @returns {Promise<SharedEntry<Value> | undefined>}
   */
  async #readStore(key, tags, codec) {
    const store = this.#store;
    // This process judges the entries that the Worker hands out, too.
    if (!store || store.isPaused || !this.#view.isCurrent(this.now(), this.leaseMs)) return undefined;
    const pending = this.#reads.get(key);
    if (pending) return pending;
    const read = this.#fetchEntry(store, key, tags, codec).finally(() => this.#reads.delete(key));
    this.#reads.set(key, read);
    return read;
  }

  /**
   * @template Value
   * @param {WorkerStore} store @param {string} key @param {readonly string[]} tags @param {Codec<Value>} codec
   * @returns {Promise<SharedEntry<Value> | undefined>}
   */
  async #fetchEntry(store, key, tags, codec) {
    try {
      const envelope = await store.read(hashKey(key), tags);
      const decoded = envelope && decodeValue(envelope);
      if (!decoded) return undefined;
      const { head, body } = decoded;
      const entry = { seq: head.seq, madeAt: -Infinity, tags: head.tags, expires: head.expires, meta: head.meta, value: codec.decode(body), bytes: body.byteLength };
      this.#counts.storeHits += 1;
      // An entry that this process has made meanwhile knows of more purges.
      const known = this.#memory.get(key);
      if (!known || known.seq <= entry.seq) this.#memory.set(key, entry, entry.bytes + key.length);
      return entry;
    } catch (error) {
      this.#failStore("a value was not read from the Worker", error);
      return undefined;
    }
  }

  /** @param {string} message @param {unknown} error */
  #failStore(message, error) {
    this.#counts.storeFailures += 1;
    this.#warnOnce(message, error);
  }

  /** @param {string} message @param {unknown} error */
  #warnOnce(message, error) {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.warn(`edge-vitals: ${message}: ${error instanceof Error ? error.message : error}. Further failures are counted, see cacheStats().`);
  }
}

/** The cache of this process. Next.js loads its two handlers separately. @returns {SharedCache} */
export function sharedCache() {
  const shared = /** @type {{ [CACHE]?: SharedCache }} */ (globalThis);
  return (shared[CACHE] ??= new SharedCache(environmentOptions()));
}

/** Milliseconds, by the clock from which Next.js takes its timestamps. */
export const wallClock = () => TIME_ORIGIN + performance.now();

// Reading it costs more than a lookup.
const TIME_ORIGIN = performance.timeOrigin;

function environmentOptions() {
  const { EDGE_VITALS_URL: edge, EDGE_VITALS_CACHE_TOKEN: token, EDGE_VITALS_CACHE_BYTES, EDGE_VITALS_CACHE_LEASE_MS, EDGE_VITALS_CACHE_TIMEOUT_MS, NEXT_PHASE } = globalThis.process?.env ?? {};
  // Pages that are prerendered by the build go into its output, not into a cache.
  const hasStore = edge && token && NEXT_PHASE !== "phase-production-build" && "getBuiltinModule" in process;
  return {
    store: hasStore ? new WorkerStore({ edge, token, now: wallClock, ...(EDGE_VITALS_CACHE_TIMEOUT_MS && { timeoutMs: Number(EDGE_VITALS_CACHE_TIMEOUT_MS) }) }) : undefined,
    ...(EDGE_VITALS_CACHE_BYTES && { maxBytes: Number(EDGE_VITALS_CACHE_BYTES) }),
    ...(EDGE_VITALS_CACHE_LEASE_MS && { leaseMs: Number(EDGE_VITALS_CACHE_LEASE_MS) }),
  };
}

/** @param {string} key */
const hashKey = (key) => process.getBuiltinModule("node:crypto").createHash("sha256").update(key).digest("hex");

const CACHE = Symbol.for("edge-vitals.next-cache");
const DEFAULT_MEMORY_BYTES = 50 * 1024 * 1024;
const DEFAULT_LEASE_MS = 2_000;
/** The part of the lease after which purges are requested again. */
const RENEWAL = 0.6;
const MAX_WRITES = 32;
/** The latest time that JSON and Rust agree on. */
const MAX_TIME = Number.MAX_SAFE_INTEGER;
