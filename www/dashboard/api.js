// Requests to the Worker, with the reader's token if there is one.
import { yieldToInput } from "./scheduling.js";

/**
 * @typedef {import("./documents.js").QueryResponse} QueryResponse
 * @typedef {import("./documents.js").QueryLine} Line
 * @typedef {import("./documents.js").ShardCoverage} ShardCoverage
 */

/** An error response of the Worker: `status`, and the detail of its problem document. */
export class ApiError extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** The request got no response. */
export class NetworkError extends Error {}

/** @type {AbortController} */
let pending = new AbortController();

/** @type {RequestCache} */
let cacheMode = "default";

/** @type {ShardCoverage | undefined} */
let fewestShards;

/**
 * Aborts the pending requests, and returns the signal of those that follow.
 * @param {boolean} isFresh whether cached responses must be revalidated
 */
export function beginRequests(isFresh) {
  pending.abort();
  pending = new AbortController();
  cacheMode = isFresh ? "no-cache" : "default";
  fewestShards = undefined;
  return pending.signal;
}

/** The shards behind the least complete document since `beginRequests`; undefined if every document is of all. */
export const incompleteShards = () => fewestShards;

/** @param {any} document */
function noteShards(document) {
  const { shards } = /** @type {{ shards?: ShardCoverage }} */ (document);
  if (shards && shards.answered < (fewestShards?.answered ?? Infinity)) fewestShards = shards;
  return document;
}

/** @param {string} path @param {URLSearchParams} query */
export const fetchJson = async (path, query) => noteShards(await (await get(path, query)).json());

/**
 * A document with one long list, parsed in pieces: a thousand routes are megabytes, which would block the page.
 * A quote within a JSON string is escaped, so the boundary between two objects cannot occur in a string.
 * @param {string} path @param {URLSearchParams} query @param {string} list
 */
export async function fetchLongList(path, query, list) {
  const { signal } = pending;
  const text = await (await get(path, query)).text();
  const [, head, first] = text.match(new RegExp(`^([^]*?"${list}":\\[)(\\{"\\w+":)`)) ?? [];
  if (head === undefined || text.length < PIECE_LENGTH) return noteShards(JSON.parse(text));
  const items = [];
  let at = head.length;
  for (;;) {
    const end = text.indexOf(`},${first}`, at + PIECE_LENGTH);
    if (end < 0) break;
    items.push(...JSON.parse(`[${text.slice(at, end + 1)}]`));
    at = end + 2;
    await yieldToInput();
    signal.throwIfAborted();
  }
  // The rest of the list is parsed with the document around it.
  const document = JSON.parse(head + text.slice(at));
  document[list] = items.concat(document[list]);
  return noteShards(document);
}

/** Characters that are parsed in a few milliseconds. */
const PIECE_LENGTH = 100_000;

/** @param {string} path @param {URLSearchParams} query */
export async function fetchBytes(path, query) {
  return new Uint8Array(await (await get(path, query)).arrayBuffer());
}

/**
 * The values of a dimension, those with most views first. Not every view measures every metric: the metric with
 * most views counts.
 * @param {Line[]} lines @param {string} by
 */
export function dimensionValues(lines, by) {
  /** @type {Map<string, number>} */
  const most = new Map();
  for (const { group, n } of lines) if (group[by]) most.set(group[by], Math.max(n, most.get(group[by]) ?? 0));
  return [...most].map(([name, n]) => ({ name, n })).sort((one, other) => other.n - one.n);
}

/** A copy with these parameters; null removes one. @param {URLSearchParams} query @param {Record<string, string | null>} more */
export function withParams(query, more) {
  const fetchAllLines = new URLSearchParams(query);
  for (const [name, value] of Object.entries(more)) {
    if (value === null) fetchAllLines.delete(name);
    else fetchAllLines.set(name, value);
  }
  return fetchAllLines;
}

/** Lines of all pages. @param {string} path @param {URLSearchParams} query @returns {Promise<QueryResponse>} */
export async function fetchAllLines(path, query) {
  /** @type {QueryResponse} */
  const response = await fetchLongList(path, withParams(query, { limit: "5000" }), "lines");
  let { next } = response;
  // A bound on the loop, far above any table.
  while (next !== undefined && response.lines.length < 50_000) {
    /** @type {QueryResponse} */
    const page = await fetchLongList(path, withParams(query, { limit: "5000", offset: String(next) }), "lines");
    response.lines.push(...page.lines);
    next = page.next;
  }
  return response;
}

/**
 * The management token also permits reading.
 * @typedef {keyof typeof TOKENS} TokenName
 */
export const TOKENS = /** @type {const} */ ({
  read: { secret: "READ_TOKEN", storageKey: "token" },
  manage: { secret: "MANAGE_TOKEN", storageKey: "token-manage" },
  cache: { secret: "CACHE_TOKEN", storageKey: "token-cache" },
});

/** @param {TokenName} key */
const tokenOf = (key) => sessionStorage.getItem(TOKENS[key].storageKey) ?? (key === "manage" ? sessionStorage.getItem(TOKENS.read.storageKey) : key === "read" ? sessionStorage.getItem(TOKENS.manage.storageKey) : null);

/** @param {TokenName} key */
export const hasToken = (key) => tokenOf(key) !== null;

/** Stores a token until the tab closes. @param {TokenName} key @param {string | null} token */
export function storeToken(key, token) {
  if (token) sessionStorage.setItem(TOKENS[key].storageKey, token);
  else sessionStorage.removeItem(TOKENS[key].storageKey);
}

/** The read token, for the WebSocket, which cannot send the header. */
export const readToken = () => tokenOf("read");

/** Null for a document that is missing or not permitted. @template T @param {Promise<T>} promise @returns {Promise<T | null>} */
export async function optional(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof ApiError && [401, 403, 404, 405].includes(error.status)) return null;
    throw error;
  }
}

/**
 * An optional part of a view: an error is returned, so that the other parts still load.
 * @template T @param {Promise<T>} promise @returns {Promise<T | ApiError | null>}
 */
export async function optionalOrError(promise) {
  try {
    return await optional(promise);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

/**
 * A document that may come with status 503, the state that it describes.
 * @param {string} path @param {URLSearchParams} query @param {TokenName} [key]
 */
export const fetchStatusJson = async (path, query, key = "read") => noteShards(await (await request(path, query, { cache: cacheMode }, key, (answer) => answer.ok || (answer.status === 503 && !answer.headers.get("content-type")?.includes("problem")))).json());

/**
 * @param {string} path @param {URLSearchParams} query @param {unknown} body @param {TokenName} key
 */
export const post = async (path, query, body, key) =>
  (await request(path, query, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }, key)).json();

/** @param {string} path @param {URLSearchParams} query */
const get = (path, query) => request(path, query, { cache: cacheMode }, "read");

/** @param {string} path @param {URLSearchParams} query @param {RequestInit} init @param {TokenName} key @param {(answer: Response) => boolean} [isExpected] */
async function request(path, query, init, key, isExpected = (answer) => answer.ok) {
  // Navigating to another view must not abort a change.
  const signal = init.method === "POST" ? undefined : pending.signal;
  const token = tokenOf(key);
  let response;
  try {
    response = await fetch(`${path}?${query}`, { signal, ...init, headers: token ? { authorization: `Bearer ${token}` } : {} });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new NetworkError("The Worker did not respond.");
  }
  if (isExpected(response)) return response;
  const problem = await response.json().catch(() => ({}));
  throw new ApiError(response.status, typeof problem.detail === "string" ? problem.detail : `The Worker returned status ${response.status}.`);
}

/** Removes every token. */
export function signOut() {
  for (const key of /** @type {TokenName[]} */ (Object.keys(TOKENS))) storeToken(key, null);
}

export const isSignedIn = () => /** @type {TokenName[]} */ (Object.keys(TOKENS)).some(hasToken);
