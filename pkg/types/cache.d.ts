import type { BackendCache, BackendCacheStats } from "./backend-cache.js";
import type { PurgeResponse, WarmResponse } from "./documents.js";

export * from "./backend-cache.js";

/** Returns the value of a key from the cache of this process, or loads it. See {@link BackendCache.cached}. */
export const cached: BackendCache["cached"];
/** Invalidates values of the cache of this process; tags also at the edge and in Next.js. */
export const invalidate: BackendCache["invalidate"];
/** Loads values into the cache of this process. */
export const prewarm: BackendCache["prewarm"];
/** Counters of the cache of this process. */
export const cachedStats: () => BackendCacheStats;

/** The Worker's address and the credentials. */
export interface EdgeOptions {
  /** The Worker's origin, such as `https://www.example.com`. Default: the environment variable `EDGE_VITALS_URL`. */
  edge?: string | URL | undefined;
  /** The Worker's secret `CACHE_TOKEN`. Default: the environment variable `EDGE_VITALS_CACHE_TOKEN`. */
  token?: string | undefined;
  /** The timeout of each of three attempts, in milliseconds. Default: 5,000. */
  timeout?: number;
}

/** Options of a purge. */
export interface PurgeOptions extends EdgeOptions {
  /** Serve purged responses stale while fresh ones are fetched. */
  soft?: boolean;
}

/** The result of a purge. */
export type Purged = PurgeResponse;

/** Options of warming. */
export interface WarmOptions extends EdgeOptions {
  /** The largest number of requests to the origins. Default: 100; maximum: 1,000. */
  most?: number;
}

/** The result of warming: the number of URLs by outcome. */
export type Warmed = WarmResponse;

/** A purge or a warming that failed. The message has the cause. */
export class EdgeCacheError extends Error {
  constructor(message: string, status?: number);
  /** The status of the Worker's response; undefined without a response. */
  status: number | undefined;
}

/** Purges every response with this tag. Resolves when no response older than this call is served any more. */
export function purgeTag(tag: string, options?: PurgeOptions): Promise<Purged>;
/** Purges every response with any of these tags, at most 128. */
export function purgeTags(tags: readonly string[], options?: PurgeOptions): Promise<Purged>;
/** Purges every variant of one absolute URL, such as `https://www.example.com/product/42`. */
export function purgeUrl(url: string | URL, options?: PurgeOptions): Promise<Purged>;
/** Purges every URL with this prefix, which ends with a slash. */
export function purgePrefix(prefix: string | URL, options?: PurgeOptions): Promise<Purged>;
/** Purges everything. */
export function purgeAll(options?: PurgeOptions): Promise<Purged>;

/** Fetches URLs into the cache: the given ones, the most requested, or those likely to be requested next. */
export function warm(what: readonly string[] | "popular" | "predicted", options?: WarmOptions): Promise<Warmed>;

/** Counters of the Next.js cache handlers of this process; undefined if none was loaded. */
export function cacheStats(): CacheStats | undefined;

/** Counters since the start of the process. */
export interface CacheStats {
  /** Entries that were served as they are. */
  hits: number;
  /** Entries that were served while others were made. */
  stale: number;
  misses: number;
  /** Entries that came from the Worker. */
  storeHits: number;
  stored: number;
  /** Calls to the Worker that failed. Each was a miss, or left an entry in this process alone. */
  storeFailures: number;
  /** The entries in memory. */
  entries: number;
  bytes: number;
  /** Tags whose purge has not reached the Worker, those whose purge has, and attempts that failed. */
  purges: { waiting: number; delivered: number; failed: number };
}
