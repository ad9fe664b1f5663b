// The management calls below /api/cache/.
import { flushMetrics } from "./flush.js";
import * as wasm from "./index.js";
import { callClock, syncPurges, syncPurgesUpToNow } from "./purge.js";
import { JSON_HEADERS, jsonResponse, toResponse } from "./responses.js";
import { readText } from "./streams.js";
import { lookUp } from "./tiers.js";
import { exchangeValue, listPurges } from "./values.js";
import { warmByCall } from "./warm.js";

/** @typedef {{ target: string, response: Response }} CallResult `target` is for the record of calls. */

/**
 * Performs a management call and records it at the purge clock.
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {string} path
 */
export async function manage(request, env, context, path) {
  const { headers } = request;
  const address = headers.get("cf-connecting-ip") ?? "";
  const caller = wasm.authorize_call(env, request.method, path, headers.get("authorization") ?? "", address, headers.get("accept-encoding") ?? undefined);
  if (typeof caller !== "string") return toResponse(caller);
  const action = path.slice("/api/cache/".length);
  if (action === "entries") return exchangeValue(request, env, context, new URL(request.url));
  if (action === "purges") return listPurges(env, new URL(request.url));
  const { target, response } = await perform(action, request, env, context, new URL(request.url).searchParams);
  const record = JSON.stringify({ action, what: target.slice(0, MAX_TARGET_LENGTH), outcome: String(response.status) });
  if (request.method === "POST") context.waitUntil(wasm.record_cache_call(env, caller, path, target, address, response.status));
  // A call that cannot be recorded is not undone.
  context.waitUntil(callClock(env, "/record", record).catch((error) => console.error("a management call was not recorded:", error)));
  return response;
}

/**
 * @param {string} action
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {URLSearchParams} query
 * @returns {Promise<CallResult>}
 */
function perform(action, request, env, context, query) {
  switch (action) {
    case "purge":
      return purge(request, env, context);
    case "warm":
      return warmByCall(request, env, context, query);
    case "analytics":
      return analytics(env);
    default:
      return explain(env, context, query);
  }
}

/**
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @returns {Promise<CallResult>}
 */
async function purge(request, env, context) {
  const body = await readText(request.body, MAX_PURGE_BYTES);
  const targets = wasm.read_purge(body);
  if (typeof targets !== "string") return { target: body, response: toResponse(targets) };
  try {
    const seq = Number(await callClock(env, "/purge", targets));
    if (!Number.isSafeInteger(seq)) throw new Error("the purge clock returned no purge count");
    await syncPurgesUpToNow(env, context);
    return { target: body, response: jsonResponse({ purged: true, seq }) };
  } catch (error) {
    console.error("a purge failed:", error);
    const detail = "the purge clock did not respond; the purge may not have taken effect: try again";
    return { target: body, response: jsonResponse({ detail }, 503) };
  }
}

/**
 * @param {WorkerEnv} env
 * @returns {Promise<CallResult>}
 */
async function analytics(env) {
  await flushMetrics(env);
  let clock;
  try {
    clock = await callClock(env, "/analytics", "");
  } catch (error) {
    console.error("the analytics are unavailable:", error);
    return { target: "", response: jsonResponse({ detail: "the purge clock did not respond: try again" }, 503) };
  }
  const document = await wasm.analytics(env, clock, Date.now());
  const response = typeof document === "string" ? new Response(document, { headers: JSON_HEADERS }) : toResponse(document);
  return { target: "", response };
}

/**
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {URLSearchParams} query
 * @returns {Promise<CallResult>}
 */
async function explain(env, context, query) {
  const url = query.get("url") ?? "";
  const exchange = wasm.explained_exchange(env, url, query.getAll("header").join("\n"), Date.now());
  if (!exchange) {
    const detail = "no route matches this url; send an absolute URL, as https://www.example.com/path";
    return { target: url, response: jsonResponse({ detail }, 404) };
  }
  try {
    if (exchange.needsPurgeSync(Date.now())) await syncPurges(env, context, exchange.host);
    const step = await lookUp(exchange, env);
    return { target: url, response: new Response(exchange.explain(step, Date.now()), { headers: JSON_HEADERS }) };
  } finally {
    exchange.free();
  }
}

const MAX_PURGE_BYTES = 16_384;
const MAX_TARGET_LENGTH = 500;
