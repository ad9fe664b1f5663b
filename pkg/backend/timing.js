/**
 * The time that a request spends in queries, told in `Server-Timing` as the Worker reads it: one entry for each query, by
 * its name. What belongs to one request is found by Node's AsyncLocalStorage.
 * @module
 */

/** @typedef {{ kind: string, name: string, took: number }} TimedQuery */
/** @typedef {{ queries: TimedQuery[], made: Map<() => unknown, unknown>, isWatched: boolean }} RequestState */

/** @type {typeof import("../types/timing.js").track} */
export async function track(name, work, { kind = "db" } = {}) {
  const since = performance.now();
  try {
    return await work();
  } finally {
    note({ kind, name, took: performance.now() - since });
  }
}

/** @type {typeof import("../types/timing.js").trackPg} */
export function trackPg(client) {
  const query = client.query;
  client.query = function (/** @type {any[]} */ ...parameters) {
    const [statement] = parameters;
    const run = () => Reflect.apply(query, this, parameters);
    // A query that is submitted as an object, or has a callback, returns no promise.
    const isAwaited = typeof statement?.submit !== "function" && typeof parameters.at(-1) !== "function";
    return isAwaited ? track(nameOf(statement), run) : run();
  };
  return client;
}

/** Values are parameters, but a statement's text may have some: the name is its verb and its first table. @param {{ name?: string, text?: string } | string | undefined} statement */
function nameOf(statement) {
  if (typeof statement === "object" && statement.name) return statement.name;
  const text = (typeof statement === "string" ? statement : statement?.text) ?? "";
  const [, verb = "query"] = /^\s*(\w+)/.exec(text) ?? [];
  const [, table] = /\b(?:from|into|update|join)\s+(?:only\s+)?"?([\w.]+)/i.exec(text) ?? [];
  return table ? `${verb.toLowerCase()} ${table}` : verb.toLowerCase();
}

/** @type {typeof import("../types/timing.js").perRequest} */
export function perRequest(make) {
  return () => {
    const made = requests?.getStore()?.made;
    if (!made) return make();
    if (!made.has(make)) made.set(make, make());
    return /** @type {any} */ (made.get(make));
  };
}

/** @type {typeof import("../types/timing.js").watchRequests} */
export function watchRequests() {
  const channel = builtin("node:diagnostics_channel");
  if (!channel || !requests || shared[WATCHED]) return;
  shared[WATCHED] = true;
  channel.subscribe("http.server.request.start", (message) => {
    const { response } = /** @type {{ response: import("node:http").ServerResponse }} */ (message);
    const state = newState(true);
    requests.enterWith(state);
    const { writeHead } = response;
    response.writeHead = /** @type {typeof writeHead} */ (
      function (/** @type {any[]} */ ...head) {
        const timing = timingField(state);
        if (timing && !response.headersSent) addTiming(response, head.at(-1), timing);
        return Reflect.apply(writeHead, response, head);
      }
    );
  });
}

/** @type {typeof import("../types/timing.js").withMonitoring} */
export function withMonitoring(handler, { name, onRequest, now = () => performance.now() } = {}) {
  return async (request, ...rest) => {
    const known = requests?.getStore();
    const state = known ?? newState(false);
    const startedAt = now();
    const run = async () => {
      const facts = { name: name ?? new URL(request.url).pathname, method: request.method };
      try {
        const response = await handler(request, ...rest);
        onRequest?.({ ...facts, status: response.status, durationMs: now() - startedAt, queries: state.queries.length });
        return tellOnce(response, state, now() - startedAt);
      } catch (error) {
        onRequest?.({ ...facts, status: 500, durationMs: now() - startedAt, queries: state.queries.length, error });
        throw error;
      }
    };
    return known || !requests ? run() : requests.run(state, run);
  };
}

/** Fields that are given to `writeHead` replace those that were set. @param {import("node:http").ServerResponse} response @param {unknown} given @param {string} timing */
function addTiming(response, given, timing) {
  if (Array.isArray(given)) return void given.push("server-timing", timing);
  const fields = /** @type {Record<string, string | string[]> | undefined} */ (typeof given === "object" && given !== null ? given : undefined);
  const name = Object.keys(fields ?? {}).find((name) => name.toLowerCase() === "server-timing");
  if (fields && name) fields[name] = `${fields[name]}, ${timing}`;
  else response.appendHeader("server-timing", timing);
}

/** Adds the fields to a response, whose own may be immutable. @param {Response} response @param {RequestState} state @param {number} durationMs */
function tellOnce(response, state, durationMs) {
  const headers = new Headers(response.headers);
  headers.append("server-timing", `app;dur=${durationMs.toFixed(1)}`);
  const timing = timingField(state);
  // Of a request that is watched, the watch tells the queries.
  if (timing && !state.isWatched) headers.append("server-timing", timing);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/** @param {TimedQuery} query */
function note(query) {
  const queries = requests?.getStore()?.queries;
  if (queries && queries.length < MAX_QUERIES) queries.push(query);
}

/** @param {RequestState} state */
const timingField = ({ queries }) => queries.slice(0, MAX_TOLD).map(({ kind, name, took }) => `${kind};dur=${took.toFixed(1)};desc="${quoted(name)}"`).join(", ");

/** A name is for people; what HTTP does not allow in a quoted string is left out. @param {string} name */
const quoted = (name) => name.replace(/[^\x20-\x7e]|["\\]/g, "").slice(0, MAX_NAME);

/** @param {boolean} isWatched @returns {RequestState} */
const newState = (isWatched) => ({ queries: [], made: new Map(), isWatched });

/** @template {"node:async_hooks" | "node:diagnostics_channel"} Name @param {Name} name */
function builtin(name) {
  const process = /** @type {{ getBuiltinModule?: (name: string) => any } | undefined} */ (globalThis.process);
  return /** @type {(Name extends "node:async_hooks" ? typeof import("node:async_hooks") : typeof import("node:diagnostics_channel")) | undefined} */ (process?.getBuiltinModule?.(name));
}

/** The Worker reads 200 entries of a response at most, and proxies limit a field's size. */
const MAX_TOLD = 30;
const MAX_QUERIES = 1_000;
const MAX_NAME = 80;

/** Frameworks bundle this file more than once; the copies share their requests. */
const REQUESTS = Symbol.for("edge-vitals.requests");
const WATCHED = Symbol.for("edge-vitals.requests.watched");
const shared = /** @type {{ [REQUESTS]?: import("node:async_hooks").AsyncLocalStorage<RequestState>, [WATCHED]?: boolean }} */ (globalThis);
const hooks = builtin("node:async_hooks");
const requests = (shared[REQUESTS] ??= hooks && new hooks.AsyncLocalStorage());
