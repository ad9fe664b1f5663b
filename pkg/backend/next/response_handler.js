/**
 * The handler of prerendered pages, route handlers, fetches and images (`cacheHandler`). Next.js makes one for each
 * request; they share the cache of the process.
 * @module
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { deserialize, serialize } from "node:v8";

import { purgeByNext } from "./purge_by_next.js";
import { notePage, PURGE_SEQ_FIELD, TAGS_FIELD, watchResponses } from "./response_tags.js";
import { sharedCache } from "./shared_cache.js";

/** @typedef {import("./purge_view.js").Stamp} Stamp */
/** @typedef {{ kind?: string, tags?: string[], softTags?: string[], fetchCache?: boolean, revalidate?: number | false, cacheControl?: { revalidate: number | false, expire?: number } }} Context */

/** @param {import("./shared_cache.js").SharedCache} cache */
export function createResponseHandler(cache) {
  const asked = new AskTimes();
  /** The stamps of the responses that were handed out, by their fields, which Next.js keeps. @type {WeakMap<object, Stamp>} */
  const stamps = new WeakMap();

  return class ResponseCacheHandler {
    /** @param {{ serverDistDir?: string }} context */
    constructor({ serverDistDir } = {}) {
      this.namespace = buildId(serverDistDir);
    }

    /** @param {string} key @param {Context} context */
    async get(key, context) {
      const isFetch = context.kind === "FETCH";
      const name = this.#nameOf(key, isFetch);
      const tags = isFetch ? [...(context.tags ?? []), ...(context.softTags ?? [])] : [];
      const found = await cache.read(name, tags, CLONED);
      if (!found || found.isStale) asked.add(name, cache.now());
      if (!found) return null;
      const { entry, isStale } = found;
      const { value } = entry;
      if (value?.headers && !isFetch) {
        stamps.set(value.headers, entry);
        describe(cache, value.headers, entry.tags, entry.seq);
      }
      return { ...entry.meta, value, ...(isStale && expireAt(entry.meta, isFetch, cache.now())) };
    }

    /** @param {string} key @param {any} data @param {Context} context */
    async set(key, data, context) {
      const isFetch = context.fetchCache === true || data?.kind === "FETCH";
      const name = this.#nameOf(key, isFetch);
      // Next.js found that there is no such page. It has no tags by which that could be purged.
      if (!data) return cache.delete(name);
      const now = cache.now();
      const madeSince = asked.take(name, now);
      // After a failure, Next.js sets the response again that it was handed: it knows no more than before.
      const stamp = (!isFetch && data.headers && stamps.get(data.headers)) || { seq: cache.seqAt(madeSince), madeAt: madeSince };
      const tags = isFetch ? [...new Set([...(context.tags ?? []), ...(data.tags ?? [])])] : tagsOf(data.headers);
      if (data.headers && !isFetch) {
        stamps.set(data.headers, stamp);
        describe(cache, data.headers, tags, stamp.seq);
      }
      const meta = { lastModified: Math.floor(now), ...(context.cacheControl && { cacheControl: context.cacheControl }) };
      const { seq, madeAt } = stamp;
      cache.write(name, { seq, madeAt, tags, expires: now + lifetimeMs(context, isFetch), meta, value: data, bytes: sizeOf(data) }, CLONED);
    }

    /** @param {string | string[]} tags @param {{ expire?: number }} [durations] */
    revalidateTag(tags, durations) {
      return purgeByNext(cache, tags, durations);
    }

    resetRequestCache() {}

    /** Pages name the files of their build; what was fetched serves later builds, too. @param {string} key @param {boolean} isFetch */
    #nameOf(key, isFetch) {
      return isFetch ? `fetch:${key}` : `response:${this.namespace}:${key}`;
    }
  };
}

/**
 * The times from which on responses may have been made: Next.js asks for each before it makes it. It does not say which of
 * its renders a response comes from, so each counts from the earliest one without a response.
 */
class AskTimes {
  /** @type {Map<string, number[]>} */
  #times = new Map();

  /** @param {string} name @param {number} now */
  add(name, now) {
    const times = this.#timesOf(name, now);
    if (times.length < MAX_RENDERS) times.push(now);
    this.#times.set(name, times);
    if (this.#times.size > MAX_NAMES) this.#times.delete(/** @type {string} */ (this.#times.keys().next().value));
  }

  /** A response that was not asked for knows of no purge. @param {string} name @param {number} now */
  take(name, now) {
    const times = this.#timesOf(name, now);
    const earliest = times.shift() ?? -Infinity;
    if (times.length === 0) this.#times.delete(name);
    return earliest;
  }

  /** @param {string} name @param {number} now */
  #timesOf(name, now) {
    return (this.#times.get(name) ?? []).filter((time) => now - time < MAX_RENDER_MS);
  }
}

/** Tells the edge, if there is one. @param {import("./shared_cache.js").SharedCache} cache @param {Record<string, unknown>} headers @param {string[]} tags @param {number} seq */
function describe(cache, headers, tags, seq) {
  if (!cache.hasWorker) return;
  if (tags.length > 0) headers[TAGS_FIELD] = tags.join(",");
  headers[PURGE_SEQ_FIELD] = String(seq);
  notePage(tags, seq);
}

/**
 * Makes Next.js serve an entry once more and make another in the background. It takes an age for that, and for a fetch one
 * beyond any lifetime.
 * @param {{ lastModified: number, cacheControl?: { revalidate: number | false, expire?: number } }} meta @param {boolean} isFetch @param {number} now
 */
function expireAt({ lastModified, cacheControl }, isFetch, now) {
  if (isFetch) return { lastModified: 1 };
  return { lastModified: Math.min(lastModified, Math.floor(now) - 2_000), cacheControl: { ...cacheControl, revalidate: 1 } };
}

/** @param {Record<string, unknown> | undefined} headers */
function tagsOf(headers) {
  const tags = headers?.[NEXT_TAGS_FIELD];
  return typeof tags === "string" ? tags.split(",").filter(Boolean) : [];
}

/** @param {Context} context @param {boolean} isFetch */
function lifetimeMs({ cacheControl }, isFetch) {
  const seconds = isFetch ? undefined : cacheControl?.expire;
  return Math.min(seconds ?? MAX_LIFETIME_SECONDS, MAX_LIFETIME_SECONDS) * 1000;
}

/** The bytes of what a response holds. @param {any} data */
function sizeOf({ html, rscData, segmentData, body, buffer, data, pageData }) {
  const lengths = [html, rscData, body, buffer, data?.body].map((part) => part?.byteLength ?? part?.length ?? 0);
  for (const segment of segmentData?.values() ?? []) lengths.push(segment.byteLength);
  if (pageData) lengths.push(JSON.stringify(pageData).length);
  return lengths.reduce((sum, length) => sum + length, ENTRY_BYTES);
}

/** @param {string | undefined} serverDistDir */
function buildId(serverDistDir) {
  if (!serverDistDir) return "";
  let id = buildIds.get(serverDistDir);
  if (id === undefined) {
    try {
      id = readFileSync(join(dirname(serverDistDir), "BUILD_ID"), "utf8").trim();
    } catch {
      // The build itself, or development: nothing is shared.
      id = "";
    }
    buildIds.set(serverDistDir, id);
  }
  return id;
}

/** @type {Map<string, string>} */
const buildIds = new Map();
/** @type {import("./shared_cache.js").Codec<any>} */
const CLONED = { encode: (value) => serialize(value), decode: (bytes) => deserialize(bytes) };
const NEXT_TAGS_FIELD = "x-next-cache-tags";
const MAX_NAMES = 10_000;
const MAX_RENDERS = 64;
/** Next.js gives a render up long before. */
const MAX_RENDER_MS = 600_000;
const MAX_LIFETIME_SECONDS = 365 * 86_400;
/** What an entry takes beside its parts. */
const ENTRY_BYTES = 512;

const cache = sharedCache();
if (cache.hasWorker) watchResponses();
export default createResponseHandler(cache);
