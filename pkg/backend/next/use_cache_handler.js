/**
 * The handler of `use cache` and `use cache: remote`, in the contract of Next.js's types.d.ts: each read gets a stream of
 * its own, a read waits for a write in progress, and a value whose stream fails is not kept.
 * @module
 */
import { purgeByNext } from "./purge_by_next.js";
import { sharedCache } from "./shared_cache.js";

/** @typedef {import("../../types/next-cache.js").UseCacheHandler} UseCacheHandler */
/** @typedef {import("../../types/next-cache.js").UseCacheEntry} UseCacheEntry */
/** @typedef {import("./shared_cache.js").SharedCache} SharedCache */

/** @param {SharedCache} cache @returns {UseCacheHandler} */
export function createUseCacheHandler(cache) {
  /** @type {Map<string, Promise<void>>} */
  const pendingSets = new Map();
  return {
    async get(cacheKey, softTags) {
      await pendingSets.get(cacheKey);
      const found = await cache.read(keyOf(cacheKey), softTags, RAW);
      if (!found) return undefined;
      const { entry, isStale } = found;
      const { revalidate, ...times } = entry.meta;
      return { value: streamOf(entry.value), tags: entry.tags, ...times, revalidate: isStale ? REVALIDATE_NOW : revalidate };
    },
    set(cacheKey, pendingEntry) {
      const done = store(cache, cacheKey, pendingEntry).finally(() => {
        if (pendingSets.get(cacheKey) === done) pendingSets.delete(cacheKey);
      });
      pendingSets.set(cacheKey, done);
      return done;
    },
    refreshTags: () => cache.refresh(),
    // `get` judges the tags of paths.
    getExpiration: async () => Infinity,
    updateTags: (tags, durations) => purgeByNext(cache, tags, durations),
  };
}

/** @param {SharedCache} cache @param {string} cacheKey @param {Promise<UseCacheEntry>} pendingEntry */
async function store(cache, cacheKey, pendingEntry) {
  try {
    const { value: stream, tags, timestamp, expire, revalidate, stale } = await pendingEntry;
    // Next.js makes such a value anew for each read.
    if (expire === 0) return;
    const value = new Uint8Array(await new Response(stream).arrayBuffer());
    const meta = { timestamp, expire, revalidate, stale };
    const stamp = { seq: cache.seqAt(timestamp), madeAt: timestamp };
    cache.write(keyOf(cacheKey), { ...stamp, tags, expires: timestamp + expire * 1000, meta, value, bytes: value.byteLength }, RAW);
  } catch {
    // The render has the error. A part of a value is none.
  }
}

/** The key has the id of the build. @param {string} cacheKey */
const keyOf = (cacheKey) => `use-cache:${cacheKey}`;

/** @param {Uint8Array} bytes @returns {ReadableStream<Uint8Array>} */
const streamOf = (bytes) =>
  new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });

/** @type {import("./shared_cache.js").Codec<Uint8Array>} */
const RAW = { encode: (bytes) => bytes, decode: (bytes) => new Uint8Array(bytes) };
/** Next.js serves the entry once more, and makes another in the background. */
const REVALIDATE_NOW = -1;

export default createUseCacheHandler(sharedCache());
