import type { PurgeResponse, WarmResponse } from "./documents.js";

/** Where the edge is, and who asks. */
export interface EdgeOptions {
  /** The Worker's origin, as `https://www.example.com`; the environment's `EDGE_VITALS_URL` unless told. */
  edge?: string | URL | undefined;
  /** The Worker's secret `CACHE_TOKEN`; the environment's `EDGE_VITALS_CACHE_TOKEN` unless told. */
  token?: string | undefined;
  /** How many milliseconds an attempt may take: 5,000 unless told. There are three attempts. */
  timeout?: number;
}

/** How to purge. */
export interface PurgeOptions extends EdgeOptions {
  /** What is purged may still be shown while a fresh copy is fetched. */
  soft?: boolean;
}

/** The answer to a purge. */
export type Purged = PurgeResponse;

/** How to warm. */
export interface WarmOptions extends EdgeOptions {
  /** The origins are asked so often at most: 100 times unless told, 1,000 at most. */
  most?: number;
}

/** The answer to a warming: the number of addresses by outcome. */
export type Warmed = WarmResponse;

/** What was asked for was not done, and the message says why. */
export class EdgeCacheError extends Error {
  constructor(message: string, status?: number);
  /** The Worker's status; undefined when it did not answer. */
  status: number | undefined;
}

/** Purges every answer with this tag. Resolves when no answer older than this call is served any more. */
export function purgeTag(tag: string, options?: PurgeOptions): Promise<Purged>;
/** Purges every variant of one address, given whole, as `https://www.example.com/product/42`. */
export function purgeUrl(url: string | URL, options?: PurgeOptions): Promise<Purged>;
/** Purges all addresses that begin so; a prefix ends with a slash. */
export function purgePrefix(prefix: string | URL, options?: PurgeOptions): Promise<Purged>;
/** Purges everything. */
export function purgeAll(options?: PurgeOptions): Promise<Purged>;

/** Fetches into the cache what will be asked for: these addresses, the ones most asked for, or those that likely follow. */
export function warm(what: readonly string[] | "popular" | "predicted", options?: WarmOptions): Promise<Warmed>;
