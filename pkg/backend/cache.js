/**
 * Purges and warms the edge cache from a backend, through the Worker's API, and caches what the backend loads.
 * @module
 */
import { createCache } from "./cached.js";

export { createCache };
export { withCache } from "./with_cache.js";

/** The cache of this process. */
const own = createCache();
export const { cached, invalidate, prewarm } = own;
export const cachedStats = own.stats;

/** A purge or a warming that failed. */
export class EdgeCacheError extends Error {
  name = "EdgeCacheError";

  /** @param {string} message @param {number} [status] */
  constructor(message, status) {
    super(message);
    /** The status of the Worker's response; undefined without a response. */
    this.status = status;
  }
}

/** @type {typeof import("../types/cache.js").purgeTag} */
export const purgeTag = (tag, options) => purge({ tag }, options);

/** @type {typeof import("../types/cache.js").purgeUrl} */
export const purgeUrl = (url, options) => purge({ url: String(url) }, options);

/** @type {typeof import("../types/cache.js").purgePrefix} */
export const purgePrefix = (prefix, options) => purge({ prefix: String(prefix) }, options);

/** @type {typeof import("../types/cache.js").purgeAll} */
export const purgeAll = (options) => purge({ all: true }, options);

/** @type {typeof import("../types/cache.js").warm} */
export async function warm(what, { most, ...options } = {}) {
  const strategy = typeof what === "string" ? what : "listed";
  const parameters = new URLSearchParams({ strategy });
  if (most !== undefined) parameters.set("most", String(most));
  return call(`warm?${parameters}`, typeof what === "string" ? "" : what.join("\n"), options);
}

/** @type {typeof import("../types/cache.js").purgeTags} */
export const purgeTags = (tags, options) => purge({ tags: [...tags] }, options);

/** @type {typeof import("../types/cache.js").cacheStats} */
export const cacheStats = () => /** @type {any} */ (globalThis)[Symbol.for("edge-vitals.next-cache")]?.stats();

/**
 * @param {Record<string, string | string[] | true>} what
 * @param {import("../types/cache.js").PurgeOptions} [options]
 */
async function purge(what, { soft = false, ...options } = {}) {
  return call("purge", JSON.stringify(soft ? { ...what, soft } : what), options);
}

/**
 * Makes a call, with retries: every call is idempotent.
 * @param {string} action @param {string} body @param {import("../types/cache.js").EdgeOptions} options
 */
async function call(action, body, { edge = variable("EDGE_VITALS_URL"), token = variable("EDGE_VITALS_CACHE_TOKEN"), timeout = 5000 }) {
  if (!edge) throw new TypeError("no Worker URL: pass `edge` or set EDGE_VITALS_URL");
  if (!token) throw new TypeError("no cache token: pass `token` or set EDGE_VITALS_CACHE_TOKEN");
  const url = new URL(`/api/cache/${action}`, edge);
  for (const delay of [...RETRY_DELAYS_MS, undefined]) {
    try {
      return await post(url, body, token, timeout);
    } catch (error) {
      const isTransient = error instanceof EdgeCacheError && (error.status === undefined || error.status === 429 || error.status >= 500);
      if (!isTransient || delay === undefined) throw error;
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}

/** @param {URL} url @param {string} body @param {string} token @param {number} timeout */
async function post(url, body, token, timeout) {
  const response = await fetch(url, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${token}`, "content-type": body.startsWith("{") ? "application/json" : "text/plain" },
    // A redirect must not carry the token elsewhere.
    redirect: "error",
    signal: AbortSignal.timeout(timeout),
  }).catch((/** @type {Error} */ error) => {
    throw new EdgeCacheError(`${url.origin} did not answer: ${error.message}`);
  });
  const text = await response.text();
  if (!response.ok) throw new EdgeCacheError(`${url.origin}${url.pathname} answered ${response.status}: ${detail(text)}`, response.status);
  return JSON.parse(text);
}

/** @param {string} text */
function detail(text) {
  try {
    return JSON.parse(text).detail ?? text;
  } catch {
    return text.slice(0, 200);
  }
}

/** Returns an environment variable, if there is an environment. @param {string} name */
const variable = (name) => globalThis.process?.env?.[name];

/** The delays before the second and the third attempt. */
const RETRY_DELAYS_MS = [200, 800];
