/**
 * What a backend tells the edge cache: that something has changed, or will soon be asked for. What a
 * purge does there is the Worker's business.
 * @module
 */

/** What was asked for was not done. */
export class EdgeCacheError extends Error {
  name = "EdgeCacheError";

  /** @param {string} message @param {number} [status] */
  constructor(message, status) {
    super(message);
    /** The Worker's status; undefined when it did not answer. */
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

/**
 * @param {Record<string, string | true>} what
 * @param {import("../types/cache.js").PurgeOptions} [options]
 */
async function purge(what, { soft = false, ...options } = {}) {
  return call("purge", JSON.stringify(soft ? { ...what, soft } : what), options);
}

/**
 * Each of these calls comes to the same when it is made twice, so one that was not answered is made again.
 * @param {string} action @param {string} body @param {import("../types/cache.js").EdgeOptions} options
 */
async function call(action, body, { edge = variable("EDGE_VITALS_URL"), token = variable("EDGE_VITALS_CACHE_TOKEN"), timeout = 5000 }) {
  if (!edge) throw new TypeError("the edge's address is missing: give `edge`, or set EDGE_VITALS_URL");
  if (!token) throw new TypeError("the edge's token is missing: give `token`, or set EDGE_VITALS_CACHE_TOKEN");
  const url = new URL(`/api/cache/${action}`, edge);
  for (const wait of [...WAITS, undefined]) {
    try {
      return await once(url, body, token, timeout);
    } catch (error) {
      const passes = error instanceof EdgeCacheError && (error.status === undefined || error.status === 429 || error.status >= 500);
      if (!passes || wait === undefined) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** @param {URL} url @param {string} body @param {string} token @param {number} timeout */
async function once(url, body, token, timeout) {
  const answer = await fetch(url, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${token}`, "content-type": body.startsWith("{") ? "application/json" : "text/plain" },
    // A token goes where it was meant to go, and nowhere else.
    redirect: "error",
    signal: AbortSignal.timeout(timeout),
  }).catch((/** @type {Error} */ error) => {
    throw new EdgeCacheError(`${url.origin} did not answer: ${error.message}`);
  });
  const text = await answer.text();
  if (!answer.ok) throw new EdgeCacheError(`${url.origin}${url.pathname} answered ${answer.status}: ${detail(text)}`, answer.status);
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

/** Where there is no environment, its variables are not set. @param {string} name */
const variable = (name) => globalThis.process?.env?.[name];

/** Milliseconds before the second and the third attempt. */
const WAITS = [200, 800];
