// Asking the Worker: with the reader's token, if there is one; what goes wrong has a name that says
// what to do about it.
import { yieldToInput } from "./scheduling.js";

/**
 * @typedef {import("./documents.js").QueryResponse} QueryResponse
 * @typedef {import("./documents.js").Line} Line
 */

/** The Worker said no; `status` and its own words. */
export class ApiError extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** No answer came. */
export class NetworkError extends Error {}

/** @type {AbortController} */
let pending = new AbortController();

/** @type {RequestCache} */
let cacheMode = "default";

/**
 * What is asked for from now on replaces what was asked before.
 * @param {boolean} isFresh whether an answer that the browser has must be confirmed
 */
export function beginRequests(isFresh) {
  pending.abort();
  pending = new AbortController();
  cacheMode = isFresh ? "no-cache" : "default";
  return pending.signal;
}

/** @param {string} path @param {URLSearchParams} query */
export const fetchJson = async (path, query) => (await get(path, query)).json();

/**
 * A document in which one list may be long: of a thousand routes it is megabytes, and to read those in one go
 * would keep the page from answering. In JSON a quote within a text is written `\\"`, so what stands between two
 * objects of the list cannot stand in a text.
 * @param {string} path @param {URLSearchParams} query @param {string} list
 */
export async function fetchLongList(path, query, list) {
  const { signal } = pending;
  const text = await (await get(path, query)).text();
  const [, head, first] = text.match(new RegExp(`^([^]*?"${list}":\\[)(\\{"\\w+":)`)) ?? [];
  if (head === undefined || text.length < PIECE_LENGTH) return JSON.parse(text);
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
  // What is left of the list is read with all that stands around it.
  const document = JSON.parse(head + text.slice(at));
  document[list] = items.concat(document[list]);
  return document;
}

/** As many characters as are read in a few milliseconds. */
const PIECE_LENGTH = 100_000;

/** @param {string} path @param {URLSearchParams} query */
export async function fetchBytes(path, query) {
  return new Uint8Array(await (await get(path, query)).arrayBuffer());
}

/**
 * The values of a dimension that there are, those of most views first. Not every view measures every vital:
 * that counts which most have.
 * @param {Line[]} lines @param {string} by
 */
export function dimensionValues(lines, by) {
  /** @type {Map<string, number>} */
  const most = new Map();
  for (const { group, n } of lines) if (group[by]) most.set(group[by], Math.max(n, most.get(group[by]) ?? 0));
  return [...most].map(([name, n]) => ({ name, n })).sort((one, other) => other.n - one.n);
}

/** A question with more in it. @param {URLSearchParams} query @param {Record<string, string | null>} more */
export function withParams(query, more) {
  const fetchAllLines = new URLSearchParams(query);
  for (const [name, value] of Object.entries(more)) {
    if (value === null) fetchAllLines.delete(name);
    else fetchAllLines.set(name, value);
  }
  return fetchAllLines;
}

/** All pages of lines. @param {string} path @param {URLSearchParams} query @returns {Promise<QueryResponse>} */
export async function all(path, query) {
  /** @type {QueryResponse} */
  const whole = await fetchLongList(path, withParams(query, { limit: "5000" }), "lines");
  let { next } = whole;
  // As many as a table of this page could show, and no endless loop.
  while (next !== undefined && whole.lines.length < 50_000) {
    /** @type {QueryResponse} */
    const page = await fetchLongList(path, withParams(query, { limit: "5000", offset: String(next) }), "lines");
    whole.lines.push(...page.lines);
    next = page.next;
  }
  return whole;
}

/**
 * What a secret opens. Who may manage may read as well.
 * @typedef {keyof typeof TOKENS} TokenName
 */
export const TOKENS = /** @type {const} */ ({
  read: { secret: "READ_TOKEN", kept: "token" },
  manage: { secret: "MANAGE_TOKEN", kept: "token-manage" },
  cache: { secret: "CACHE_TOKEN", kept: "token-cache" },
});

/** @param {TokenName} key */
const tokenOf = (key) => sessionStorage.getItem(TOKENS[key].kept) ?? (key === "manage" ? sessionStorage.getItem(TOKENS.read.kept) : key === "read" ? sessionStorage.getItem(TOKENS.manage.kept) : null);

/** Whether a token for it was given in this tab. @param {TokenName} key */
export const hasToken = (key) => tokenOf(key) !== null;

/** The token is kept while the tab lives, and no longer. @param {TokenName} key @param {string | null} token */
export function storeToken(key, token) {
  if (token) sessionStorage.setItem(TOKENS[key].kept, token);
  else sessionStorage.removeItem(TOKENS[key].kept);
}

/** The token that opens a site's numbers, for what cannot carry it as a request does. */
export const readToken = () => tokenOf("read");

/** A document that may not be there. @template T @param {Promise<T>} asked @returns {Promise<T | null>} */
export async function optional(asked) {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && [401, 403, 404, 405].includes(error.status)) return null;
    throw error;
  }
}

/**
 * A part of a view that has others: what is refused takes none of these along. Who may not know it has nothing.
 * @template T @param {Promise<T>} asked @returns {Promise<T | ApiError | null>}
 */
export async function optionalOrError(asked) {
  try {
    return await optional(asked);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

/**
 * A document of those that answer with their state as their status, too.
 * @param {string} path @param {URLSearchParams} query @param {TokenName} [key]
 */
export const fetchStatusJson = async (path, query, key = "read") => (await request(path, query, { cache: cacheMode }, key, (answer) => answer.ok || (answer.status === 503 && !answer.headers.get("content-type")?.includes("problem")))).json();

/**
 * Has something done. @param {string} path @param {URLSearchParams} query @param {unknown} body @param {TokenName} key
 */
export const post = async (path, query, body, key) =>
  (await request(path, query, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }, key)).json();

/** @param {string} path @param {URLSearchParams} query */
const get = (path, query) => request(path, query, { cache: cacheMode }, "read");

/** @param {string} path @param {URLSearchParams} query @param {RequestInit} how @param {TokenName} key @param {(answer: Response) => boolean} [isGood] */
async function request(path, query, how, key, isGood = (answer) => answer.ok) {
  // What was begun is not broken off because somebody looks elsewhere.
  const signal = how.method === "POST" ? undefined : pending.signal;
  const token = tokenOf(key);
  let answer;
  try {
    answer = await fetch(`${path}?${query}`, { signal, ...how, headers: token ? { authorization: `Bearer ${token}` } : {} });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new NetworkError("The Worker did not respond.");
  }
  if (isGood(answer)) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new ApiError(answer.status, typeof problem.detail === "string" ? problem.detail : `The Worker returned status ${answer.status}.`);
}

/** Forgets every token. */
export function signOut() {
  for (const key of /** @type {TokenName[]} */ (Object.keys(TOKENS))) storeToken(key, null);
}

export const isSignedIn = () => /** @type {TokenName[]} */ (Object.keys(TOKENS)).some(hasToken);
