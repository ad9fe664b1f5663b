/**
 * The cache handlers for `next.config`: `export default { cacheHandler, cacheHandlers }`. Next.js wants the paths of
 * modules.
 * @module
 */
import { fileURLToPath } from "node:url";

/** Prerendered pages, route handlers and fetches. */
export const cacheHandler = fileURLToPath(import.meta.resolve("./response_handler.js"));

const useCache = fileURLToPath(import.meta.resolve("./use_cache_handler.js"));
/** `use cache` and `use cache: remote`. */
export const cacheHandlers = { default: useCache, remote: useCache };
