/** A lifetime: a class of the edge's routes (60, 300, 600 and 1,800 s), or seconds. */
export type Lifetime = "short" | "medium" | "long" | "very_long" | number;

/** How a value is cached. */
export interface CachedOptions {
  /** For how long a value is fresh, less up to a tenth of it. Default: `medium`. */
  ttl?: Lifetime;
  /** Names by which values are invalidated, here, at the edge and in Next.js. */
  tags?: readonly string[];
  /** Seconds for which a value that is not fresh any more is returned while another is loaded. Default: 0. */
  staleWhileRevalidate?: number;
  /** What the value depends on besides the key, such as a language. */
  vary?: unknown;
  /** Seconds for which `undefined` and `null` are remembered. Default: 10. */
  negativeTtl?: number;
  /** The size of a value. Default: that of its JSON. */
  bytes?: (value: any) => number;
}

/** What is invalidated. */
export type Invalidation = { key: string } | { tag: string | readonly string[]; soft?: boolean } | { prefix: string } | { all: true };

/** A value that is loaded ahead. */
export interface Prewarmed extends CachedOptions {
  key: string;
  load: () => unknown;
}

export interface PrewarmProgress {
  total: number;
  done: number;
  failed: number;
}

export interface PrewarmOptions {
  /** Default: 4. */
  concurrency?: number;
  onProgress?: (progress: PrewarmProgress) => void;
}

/** Counters since the cache was made. */
export interface BackendCacheStats {
  hits: number;
  stale: number;
  misses: number;
  loads: number;
  failures: number;
  entries: number;
  bytes: number;
  evicted: number;
  /** By the part of the first tag before a colon or hyphen. */
  byTagClass: Record<string, { hits: number; stale: number; misses: number }>;
}

export interface BackendCache {
  /**
   * Returns the value of a key, or loads it. Concurrent callers share one load. A load that fails rejects for its callers,
   * and nothing is remembered.
   */
  cached<Value>(key: string, load: () => Value | Promise<Value>, options?: CachedOptions): Promise<Value>;
  /** Resolves once no value from before this call is returned here, and the Worker has the purge or will be told again. */
  invalidate(what: Invalidation): Promise<void>;
  /** Loads values that are not there. A load that fails is counted. */
  prewarm(list: Iterable<Prewarmed>, options?: PrewarmOptions): Promise<PrewarmProgress>;
  stats(): BackendCacheStats;
}

export interface CacheOptions {
  /** Default: 32 MiB. */
  maxBytes?: number;
  /** The clock, in milliseconds. */
  now?: () => number;
  /** For the jitter of lifetimes. */
  random?: () => number;
  /** The purges that the values share. Default: those of the process. */
  shared?: unknown;
}

/** Makes a cache of its own. */
export function createCache(options?: CacheOptions): BackendCache;

/** How a handler's responses are cached at the edge. */
export interface WithCacheOptions<Rest extends unknown[]> {
  /** For how long a copy is fresh. Default: `medium`. */
  ttl?: Lifetime;
  /** Names by which copies are purged. */
  tags?: readonly string[] | ((request: Request, ...rest: Rest) => readonly string[]);
  /** Seconds for which a copy that is not fresh any more is served while another is fetched. Default: 0. */
  staleWhileRevalidate?: number;
  /** Seconds for which it replaces an error. Default: 0. */
  staleIfError?: number;
  /** Request fields on which the response depends. */
  vary?: readonly string[];
}

/**
 * Lets the edge cache the 200 responses of a route handler to GET and HEAD, unless they set a cookie, and answers 304 to a
 * client that has the response already. Fields that the handler sets stay.
 */
export function withCache<Rest extends unknown[]>(
  handler: (request: Request, ...rest: Rest) => Response | Promise<Response>,
  options?: WithCacheOptions<Rest>,
): (request: Request, ...rest: Rest) => Promise<Response>;
