/** The path of the module for `cacheHandler` in `next.config`: prerendered pages, route handlers and fetches. */
export const cacheHandler: string;
/** The paths of the modules for `cacheHandlers` in `next.config`: `use cache` and `use cache: remote`. */
export const cacheHandlers: { default: string; remote: string };

/** An entry of `use cache`, as Next.js defines it. */
export interface UseCacheEntry {
  value: ReadableStream<Uint8Array>;
  tags: string[];
  /** Seconds for which a browser uses it. */
  stale: number;
  /** Milliseconds since the epoch. */
  timestamp: number;
  /** Seconds for which it may be used. */
  expire: number;
  /** Seconds after which it is made anew. */
  revalidate: number;
}

/** A handler of `use cache`, as Next.js defines it. */
export interface UseCacheHandler {
  get(cacheKey: string, softTags: string[]): Promise<UseCacheEntry | undefined>;
  set(cacheKey: string, pendingEntry: Promise<UseCacheEntry>): Promise<void>;
  refreshTags(): Promise<void>;
  getExpiration(tags: string[]): Promise<number>;
  updateTags(tags: string[], durations?: { expire?: number }): Promise<void>;
}
