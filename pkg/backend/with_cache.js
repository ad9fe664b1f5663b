/**
 * The fields with which a route handler's response is cached at the edge, and 304 for a client that has it already.
 * @module
 */
import { secondsOf } from "./lifetime.js";

/** @type {typeof import("../types/backend-cache.js").withCache} */
export function withCache(handler, { ttl = "medium", tags = [], staleWhileRevalidate = 0, staleIfError = 0, vary = [] } = {}) {
  return async (request, ...rest) => {
    const response = await handler(request, ...rest);
    const isRead = request.method === "GET" || request.method === "HEAD";
    // A response that sets a cookie is for one visitor.
    if (!isRead || response.status !== 200 || response.headers.has("set-cookie")) return response;
    const headers = new Headers(response.headers);
    const names = typeof tags === "function" ? tags(request, ...rest) : tags;
    if (names.length > 0) headers.append("cache-tag", [...names].join(", "));
    if (vary.length > 0) headers.append("vary", vary.join(", "));
    setIfAbsent(headers, "cdn-cache-control", [`max-age=${secondsOf(ttl)}`, ...stale("stale-while-revalidate", staleWhileRevalidate), ...stale("stale-if-error", staleIfError)].join(", "));
    // Browsers ask each time, because no purge reaches them.
    setIfAbsent(headers, "cache-control", "public, max-age=0, must-revalidate");
    const body = new Uint8Array(await response.arrayBuffer());
    setIfAbsent(headers, "etag", await hash(body));
    const tag = /** @type {string} */ (headers.get("etag"));
    if (isKnown(request.headers.get("if-none-match"), tag)) {
      headers.delete("content-length");
      return new Response(null, { status: 304, headers });
    }
    return new Response(request.method === "HEAD" ? null : body, { status: 200, headers });
  };
}

/** @param {Headers} headers @param {string} name @param {string} value */
function setIfAbsent(headers, name, value) {
  if (!headers.has(name)) headers.set(name, value);
}

/** @param {string} name @param {number} seconds */
const stale = (name, seconds) => (seconds > 0 ? [`${name}=${seconds}`] : []);

/** RFC 9110 §13.1.2: the comparison is weak. @param {string | null} known @param {string} tag */
function isKnown(known, tag) {
  const strong = (/** @type {string} */ text) => text.trim().replace(/^W\//, "");
  return known !== null && (known.trim() === "*" || known.split(",").some((one) => strong(one) === strong(tag)));
}

/** @param {Uint8Array<ArrayBuffer>} body */
async function hash(body) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  return `"${[...digest.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}"`;
}
