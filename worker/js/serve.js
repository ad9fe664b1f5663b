// Serving through the cache: performs the steps of `cache::Exchange`, and holds no rule about caching.
// Promises that several requests wait for are JavaScript's, because one request must not wake the Rust
// future of another; bytes are shared between requests, never a Response.
import { flushIfIdle, flushInBackground, flushWriteMarks } from "./flush.js";
import * as wasm from "./index.js";
import { OriginError, Step } from "./opcodes.js";
import { askOrigin, injectScript, storeBody } from "./origin.js";
import { delay, fetchWithTimeout, isTimeout } from "./promises.js";
import { setLease, syncPurges, syncPurgesInBackground } from "./purge.js";
import { ReadyResponse } from "./records.js";
import { BODYLESS_STATUSES, toResponse } from "./responses.js";
import { abandon, headerLines, limitBody } from "./streams.js";
import { lookUp, writeTiers } from "./tiers.js";
import { prefetch } from "./warm.js";

/** @typedef {import("./index.js").CacheExchange} CacheExchange */
/** @typedef {(work: Promise<unknown>) => void} Hold Keeps the exchange until the work is done, also when the client has gone. */

/**
 * Serves a request through the cache. Returns undefined if no route matches.
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {string} url
 * @returns {Response | Promise<Response> | undefined}
 */
export function serve(request, env, context, url) {
  const now = Date.now();
  const { headers } = request;
  const begun = wasm.begin_exchange(env, request.method, url, headerLines(headers), headers.get("cf-connecting-ip") ?? "", now);
  if (begun === undefined) return undefined;
  if (begun instanceof ReadyResponse) {
    syncPurgesInBackground(env, context, now, () => new URL(url).host);
    flushInBackground(env, context);
    if (begun.prefetches) context.waitUntil(prefetch(begun.prefetches, env, context));
    return toResponse(begun);
  }
  return serveExchange(begun, request, env, context);
}

/**
 * Serves a request that has to wait for something.
 * @param {CacheExchange} exchange
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 */
async function serveExchange(exchange, request, env, context) {
  setLease(exchange.leaseMs);
  /** @type {Promise<unknown>[]} */
  const held = [];
  /** @type {Hold} */
  const hold = (work) => {
    held.push(work);
    context.waitUntil(work);
  };
  try {
    return await respond(exchange, request, env, context, hold);
  } finally {
    flushInBackground(env, context);
    const hasWork = held.length > 0;
    const prefetches = exchange.takePrefetches();
    if (prefetches) context.waitUntil(prefetch(prefetches, env, context));
    context.waitUntil(
      Promise.allSettled(held).then(() => {
        exchange.free();
        // The bytes of bodies that were complete only now.
        if (hasWork) return flushIfIdle(env);
      }),
    );
  }
}

/**
 * @param {CacheExchange} exchange
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {Hold} hold
 */
async function respond(exchange, request, env, context, hold) {
  const now = Date.now();
  if (exchange.needsPurgeSync(now)) await syncPurges(env, context, exchange.host);
  else syncPurgesInBackground(env, context, now, () => exchange.host);
  let step = await lookUp(exchange, env);
  // A fill that stores nothing may tell which request to share: the requests that wait for it have one more.
  for (let round = 0; step === Step.FETCH && round < MAX_WAITS; round += 1) {
    const fillKey = exchange.fillKey(Date.now());
    const fill = fillKey === undefined ? undefined : pendingFill(fillKey, exchange.originTimeoutMs);
    if (!fill) return fetchAndStore(exchange, env, hold, fillKey);
    // A request whose wait failed fetches for itself, and no other request waits for it.
    const hasLanded = await Promise.race([fill.landed, delay(exchange.originTimeoutMs)]);
    if (hasLanded) step = exchange.fillLanded(Date.now());
    // A response that is too large for memory is in a tier below.
    if (hasLanded && step === Step.FETCH) step = await lookUp(exchange, env);
    if (hasLanded !== false) break;
  }
  switch (step) {
    case Step.SERVE:
      return toResponse(exchange.storedResponse(Date.now()));
    case Step.SERVE_THEN_REVALIDATE: {
      const response = exchange.storedResponse(Date.now());
      hold(revalidate(exchange, env));
      return toResponse(response);
    }
    case Step.FETCH:
      return fetchAndStore(exchange, env, hold, undefined);
    case Step.PASS:
      return pass(exchange, request, env, context);
    default:
      return toResponse(exchange.errorResponse(Date.now()));
  }
}

/**
 * Fetches a response that may be stored. The client gets the body as it arrives; requests that wait for
 * the fill get it once it is complete.
 * @param {CacheExchange} exchange
 * @param {WorkerEnv} env
 * @param {Hold} hold
 * @param {string | undefined} fillKey
 * @returns {Promise<Response>}
 */
async function fetchAndStore(exchange, env, hold, fillKey) {
  const land = openFill(fillKey);
  const work = askOrigin(exchange).then(async ({ step, response }) => {
    if (step === Step.STORE && response) {
      const body = injectScript(exchange, response);
      const { status, headers } = exchange.forwardedHead(Date.now());
      const [sent, stored] = body ? body.tee() : [null, null];
      const storing = storeBody(exchange, env, stored, () => land(true)).catch(() => false);
      hold(storing.then(land));
      if (BODYLESS_STATUSES.has(status) || !sent) {
        abandon(sent);
        return new Response(null, { status, headers });
      }
      return new Response(sent, { status, headers, encodeBody: "manual" });
    }
    if (step === Step.SERVE) {
      // A 304 made the entry fresh, also for the requests that wait.
      hold(writeTiers(exchange, env));
      land(true);
      return toResponse(exchange.storedResponse(Date.now()));
    }
    land(false);
    return step === Step.SEND && response ? send(exchange, response) : toResponse(exchange.errorResponse(Date.now()));
  });
  // The work goes on when the client has gone.
  hold(work.then(() => {}, () => land(false)));
  return work;
}

/**
 * Revalidates an entry that was just served, one request at a time.
 * @param {CacheExchange} exchange
 * @param {WorkerEnv} env
 */
async function revalidate(exchange, env) {
  const fillKey = exchange.storageKey();
  if (pendingFill(fillKey, exchange.originTimeoutMs)) return;
  fills.set(fillKey, { landed: Promise.resolve(true), since: Date.now() });
  try {
    const { step, response } = await askOrigin(exchange);
    if (step === Step.STORE && response) await storeBody(exchange, env, injectScript(exchange, response));
    else if (step === Step.SERVE) await writeTiers(exchange, env);
    else abandon(response?.body);
  } catch (error) {
    console.error("revalidation in the background failed:", error);
  } finally {
    fills.delete(fillKey);
  }
}

/**
 * Forwards a request to the origin, and its response to this client alone.
 * @param {CacheExchange} exchange
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 */
async function pass(exchange, request, env, context) {
  const admission = exchange.originNeeded(Date.now());
  if (admission === Step.SERVE) return toResponse(exchange.storedResponse(Date.now()));
  if (admission !== Step.CONTACT_ORIGIN) return toResponse(exchange.errorResponse(Date.now()));
  const { response, error } = await forward(exchange, request);
  if (!response) {
    exchange.originFailed(error, Date.now());
    return toResponse(exchange.errorResponse(Date.now()));
  }
  if (response.webSocket) return response;
  if (exchange.originResponded(response.status, headerLines(response.headers), Date.now()) === Step.REFUSE) {
    abandon(response.body);
    return toResponse(exchange.errorResponse(Date.now()));
  }
  // This isolate knows of the write from here on. The others learn of it in the background.
  const sendInMs = exchange.invalidate(Date.now());
  if (sendInMs !== undefined) context.waitUntil(delay(sendInMs).then(() => flushWriteMarks(env)));
  return send(exchange, response);
}

/**
 * @param {CacheExchange} exchange
 * @param {Request} request
 * @returns {Promise<{ response: Response, error?: undefined } | { response?: undefined, error: number }>}
 */
async function forward(exchange, request) {
  const { url, method, headers } = exchange.passRequest(Date.now());
  if (request.headers.get("upgrade")?.toLowerCase() === "websocket") headers.set("upgrade", "websocket");
  const hasBody = method !== "GET" && method !== "HEAD";
  let isTooLarge = false;
  try {
    const response = await fetchWithTimeout(exchange.originTimeoutMs, (signal, abort) => {
      // The abort prevents the origin from accepting a truncated body.
      const onExcess = () => {
        isTooLarge = true;
        abort(new Error("the request body is too large"));
      };
      const body = hasBody ? limitBody(request.body, exchange.maxRequestBodyBytes, onExcess) : undefined;
      return fetch(url, { method, headers, body, redirect: "manual", encodeResponseBody: "manual", signal });
    });
    if (!isTooLarge) return { response };
    abandon(response.body);
    return { error: OriginError.REQUEST_BODY_TOO_LARGE };
  } catch (error) {
    if (isTooLarge) return { error: OriginError.REQUEST_BODY_TOO_LARGE };
    return { error: isTimeout(error) ? OriginError.TIMEOUT : OriginError.UNREACHABLE };
  }
}

/**
 * Sends the origin's response without storing it.
 * @param {CacheExchange} exchange
 * @param {Response} response
 */
function send(exchange, response) {
  const body = injectScript(exchange, response);
  const { status, headers } = exchange.forwardedHead(Date.now());
  if (BODYLESS_STATUSES.has(status)) return new Response(null, { status, headers });
  return new Response(body, { status, headers, encodeBody: "manual" });
}

/**
 * Opens a fill for other requests to wait for. The returned function settles it.
 * @param {string | undefined} fillKey
 */
function openFill(fillKey) {
  /** @type {(isStored: boolean) => void} */
  let settle = () => {};
  /** @type {Fill} */
  const fill = { landed: new Promise((resolve) => (settle = resolve)), since: Date.now() };
  if (fillKey !== undefined) fills.set(fillKey, fill);
  return (/** @type {boolean} */ isStored) => {
    settle(isStored);
    if (fillKey !== undefined && fills.get(fillKey) === fill) fills.delete(fillKey);
  };
}

/**
 * Returns the fill of a key, unless its request was probably cut off.
 * @param {string} fillKey
 * @param {number} timeoutMs
 */
function pendingFill(fillKey, timeoutMs) {
  const fill = fills.get(fillKey);
  return fill && Date.now() - fill.since <= timeoutMs ? fill : undefined;
}

/** @typedef {{ landed: Promise<boolean>, since: number }} Fill `landed` tells if the response was stored. */

/** @type {Map<string, Fill>} */
const fills = new Map();

const MAX_WAITS = 2;
