/**
 * A cache of what a backend loads: one load for concurrent callers, stale values while a load runs, and invalidation by
 * key, tag and prefix. Tags are those of the edge and of Next.js: where the process has a Worker, an invalidated tag
 * purges there, too, and its purges count here.
 * @module
 */
import { ByteLru } from "./byte_lru.js";
import { secondsOf } from "./lifetime.js";
import { SharedCache, sharedCache, wallClock } from "./next/shared_cache.js";

/** @typedef {import("../types/backend-cache.js").CachedOptions} CachedOptions */
/** @typedef {import("../types/backend-cache.js").Invalidation} Invalidation */
/** @typedef {import("../types/backend-cache.js").BackendCache} BackendCacheApi */
/**
 * @typedef {object} Held
 * @property {Promise<any>} promise of the value, which is there
 * @property {number} freshUntil
 * @property {number} usableUntil
 * @property {string[]} tags
 * @property {number} seq the purges that were known before the load
 * @property {number} madeAt the start of the load
 * @property {number} judgedAt the state of the purges at which no purge was known that concerns the value
 * @property {boolean} isStale it was purged softly
 * @property {Counts | undefined} counts those of the class of its first tag
 */
/** @typedef {{ hits: number, stale: number, misses: number }} Counts */
/** @typedef {{ promise: Promise<any>, startedAt: number, tags: string[], isCanceled: boolean }} Load */

/** @param {import("../types/backend-cache.js").CacheOptions} [options] @returns {BackendCacheApi} */
export function createCache({ maxBytes = DEFAULT_MAX_BYTES, now = wallClock, random = Math.random, shared = sharedCache() } = {}) {
  const cache = new BackendCache(maxBytes, now, random, /** @type {SharedCache} */ (shared));
  return {
    cached: (key, load, options) => cache.get(key, load, options ?? NO_OPTIONS),
    invalidate: (what) => cache.invalidate(what),
    prewarm: (list, options) => cache.prewarm(list, options),
    stats: () => cache.stats(),
  };
}

class BackendCache {
  /** @type {ByteLru<Held>} */
  #held;
  /** @type {Map<string, Load>} */
  #loads = new Map();
  #counts = { hits: 0, stale: 0, misses: 0, loads: 0, failures: 0 };
  /** @type {Map<string, Counts>} */
  #classes = new Map();

  /** @param {number} maxBytes @param {() => number} now @param {() => number} random @param {SharedCache} shared */
  constructor(maxBytes, now, random, shared) {
    this.#held = new ByteLru(maxBytes);
    this.now = now;
    this.random = random;
    this.shared = shared;
  }

  /** @template Value @param {string} name @param {(signal?: undefined) => Value | Promise<Value>} load @param {CachedOptions} options @returns {Promise<Value>} */
  get(name, load, options) {
    const key = options.vary === undefined ? name : `${name}\n${JSON.stringify(options.vary)}`;
    const now = this.now();
    // A hit needs no turn of the event loop.
    if (this.shared.isCurrent(now)) return this.#find(key, now, load, options);
    return this.shared.refresh().then(() => this.#find(key, this.now(), load, options));
  }

  /** @param {string} key @param {number} now @param {() => any} load @param {CachedOptions} options */
  #find(key, now, load, options) {
    const held = this.#held.get(key);
    if (held && now < held.usableUntil && this.#isValid(held)) {
      const isFresh = now < held.freshUntil && !held.isStale;
      this.#count(isFresh ? "hits" : "stale", held.counts);
      if (!isFresh && !this.#loads.has(key)) this.#load(key, now, load, options).catch(() => {});
      return held.promise;
    }
    this.#count("misses", this.#classOf(options.tags));
    return this.#loads.get(key)?.promise ?? this.#load(key, now, load, options);
  }

  /** @param {Held} held */
  #isValid(held) {
    if (held.judgedAt === this.shared.changes) return true;
    const state = this.shared.judge(held, held.tags);
    held.judgedAt = this.shared.changes;
    held.isStale ||= state === "stale";
    if (state === "purged") held.usableUntil = -Infinity;
    return state !== "purged";
  }

  /** @param {string} key @param {number} startedAt @param {() => any} make @param {CachedOptions} options */
  #load(key, startedAt, make, options) {
    const { ttl = "medium", tags = NO_TAGS, staleWhileRevalidate = 0, negativeTtl = DEFAULT_NEGATIVE_TTL_SECONDS, bytes } = options;
    const seq = this.shared.seqAt(startedAt);
    this.#counts.loads += 1;
    /** @type {Load} */
    const load = { promise: Promise.resolve(), startedAt, tags: [...tags], isCanceled: false };
    const run = async () => {
      try {
        const value = await make();
        const lifetime = value === undefined || value === null ? Math.min(negativeTtl, secondsOf(ttl)) : secondsOf(ttl);
        if (!load.isCanceled && lifetime > 0) {
          // Values that were loaded together do not expire together.
          const freshUntil = startedAt + lifetime * 1000 * (1 - JITTER * this.random());
          const usableUntil = freshUntil + (value === undefined || value === null ? 0 : staleWhileRevalidate * 1000);
          /** @type {Held} */
          const held = { promise: Promise.resolve(value), freshUntil, usableUntil, tags: load.tags, seq, madeAt: startedAt, judgedAt: -1, isStale: false, counts: this.#classOf(load.tags) };
          this.#held.set(key, held, (bytes?.(value) ?? sizeOf(value)) + key.length);
        }
        return value;
      } catch (error) {
        this.#counts.failures += 1;
        throw error;
      } finally {
        if (this.#loads.get(key) === load) this.#loads.delete(key);
      }
    };
    this.#loads.set(key, load);
    load.promise = run();
    return load.promise;
  }

  /** @param {Invalidation} what */
  async invalidate(what) {
    if ("tag" in what) {
      const tags = typeof what.tag === "string" ? [what.tag] : [...what.tag];
      const isPurged = this.shared.purge(tags, what.soft ? "soft" : "hard");
      this.#cancel((_, load) => load.tags.some((tag) => tags.includes(tag)));
      await isPurged;
      return;
    }
    const matches = "all" in what ? () => true : "prefix" in what ? (/** @type {string} */ key) => key.startsWith(what.prefix) : (/** @type {string} */ key) => key === what.key || key.startsWith(`${what.key}\n`);
    this.#cancel(matches);
    for (const key of [...this.#held.keys()]) if (matches(key)) this.#held.delete(key);
  }

  /** The value of a load that began before an invalidation is for its callers alone. @param {(key: string, load: Load) => boolean} matches */
  #cancel(matches) {
    for (const [key, load] of this.#loads) {
      if (!matches(key, load)) continue;
      load.isCanceled = true;
      this.#loads.delete(key);
    }
  }

  /** @param {Iterable<import("../types/backend-cache.js").Prewarmed>} list @param {import("../types/backend-cache.js").PrewarmOptions} [options] */
  async prewarm(list, { concurrency = 4, onProgress } = {}) {
    const all = [...list];
    const progress = { total: all.length, done: 0, failed: 0 };
    const remaining = all.values();
    const work = async () => {
      for (const { key, load, ...options } of remaining) {
        await this.get(key, load, options).catch(() => (progress.failed += 1));
        progress.done += 1;
        onProgress?.({ ...progress });
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, Math.min(concurrency, all.length)) }, work));
    return progress;
  }

  stats() {
    const { bytes, size: entries, evicted } = this.#held;
    return { ...this.#counts, entries, bytes, evicted, byTagClass: Object.fromEntries([...this.#classes].map(([name, counts]) => [name, { ...counts }])) };
  }

  /** @param {keyof Counts} outcome @param {Counts | undefined} counts */
  #count(outcome, counts) {
    this.#counts[outcome] += 1;
    if (counts) counts[outcome] += 1;
  }

  /** @param {readonly string[] | undefined} tags */
  #classOf(tags) {
    if (!tags || tags.length === 0) return undefined;
    const name = classOf(tags[0]);
    const known = this.#classes.get(name);
    if (known || this.#classes.size >= MAX_CLASSES) return known;
    const counts = { hits: 0, stale: 0, misses: 0 };
    this.#classes.set(name, counts);
    return counts;
  }
}

/** The part of a tag before its first colon or hyphen: `product:42` and `product-42` are of one class. @param {string} tag */
function classOf(tag) {
  const end = tag.search(/[:-]/);
  return end > 0 ? tag.slice(0, end) : tag;
}

/** The bytes of a value in memory, roughly: those of its text. @param {unknown} value */
function sizeOf(value) {
  if (typeof value === "string") return value.length + ENTRY_BYTES;
  if (ArrayBuffer.isView(value)) return value.byteLength + ENTRY_BYTES;
  try {
    return (JSON.stringify(value)?.length ?? 0) + ENTRY_BYTES;
  } catch {
    // Cycles and big integers have no text.
    return UNKNOWN_BYTES;
  }
}

const JITTER = 0.1;
const DEFAULT_NEGATIVE_TTL_SECONDS = 10;
const DEFAULT_MAX_BYTES = 32 * 1024 * 1024;
const ENTRY_BYTES = 256;
const UNKNOWN_BYTES = 16_384;
const MAX_CLASSES = 50;
/** @type {CachedOptions} */
const NO_OPTIONS = {};
/** @type {readonly string[]} */
const NO_TAGS = [];
