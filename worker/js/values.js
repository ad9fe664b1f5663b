// The values of applications' caches: the calls `entries` and `purges`. They come with every render, so they are not
// recorded as management calls are.
import * as wasm from "./index.js";
import { withTimeout } from "./promises.js";
import { callClock, syncPurges } from "./purge.js";
import { JSON_HEADERS, jsonResponse, toResponse } from "./responses.js";
import { readBody } from "./streams.js";
import { kv } from "./tiers.js";

/**
 * Reads or stores a value.
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {URL} url
 */
export async function exchangeValue(request, env, context, url) {
  const key = url.searchParams.get("key") ?? "";
  if (!wasm.has_value_key(key)) return jsonResponse({ detail: "key must be a SHA-256 in hexadecimal digits" }, 400);
  if (!env.CACHE_KV) return jsonResponse({ detail: "values need the KV namespace CACHE_KV (wrangler.toml)" }, 503);
  const name = `value/${key}`;
  return request.method === "PUT" ? storeValue(request, env.CACHE_KV, name) : readValue(env, context, name, url);
}

/**
 * Lists the purges of tags since a purge count. The purge clock itself is asked, so that the caller's lease is not added
 * to that of an isolate.
 * @param {WorkerEnv} env
 * @param {URL} url
 */
export async function listPurges(env, url) {
  const since = Number(url.searchParams.get("since") ?? 0);
  if (!Number.isSafeInteger(since) || since < 0) return jsonResponse({ detail: "since must be a purge count" }, 400);
  try {
    const feed = wasm.purge_feed(await callClock(env, "/since", String(since)));
    if (feed !== undefined) return new Response(feed, { headers: JSON_HEADERS });
    console.error("the purges of the purge clock are malformed");
  } catch (error) {
    console.error("the purges are unavailable:", error);
  }
  return jsonResponse({ detail: "the purge clock did not respond: try again" }, 503);
}

/** @param {WorkerEnv} env @param {ExecutionContext} context @param {string} name @param {URL} url */
async function readValue(env, context, name, url) {
  if (wasm.needs_sync_for_values(env, Date.now())) await syncPurges(env, context, url.host);
  /** @type {ArrayBuffer | null | undefined} */
  let envelope;
  try {
    envelope = await kv.call(() => env.CACHE_KV?.get(name, "arrayBuffer"));
  } catch (error) {
    console.error("a value was not read:", error);
    return jsonResponse({ detail: "KV did not respond: try again" }, 503);
  }
  const tags = url.searchParams.getAll("tag");
  if (!envelope || !wasm.may_read_value(env, beginning(new Uint8Array(envelope)), envelope.byteLength, tags, Date.now())) {
    return jsonResponse({ detail: "no such value" }, 404);
  }
  return new Response(envelope, { headers: { "content-type": "application/octet-stream", "cache-control": "no-store" } });
}

/** @param {Request} request @param {NonNullable<WorkerEnv["CACHE_KV"]>} namespace @param {string} name */
async function storeValue(request, namespace, name) {
  const envelope = await readBody(request.body, MAX_VALUE_BYTES, MAX_UPLOAD_STALL_MS);
  if (!envelope) return jsonResponse({ detail: `a value may have at most ${MAX_VALUE_BYTES} bytes` }, 413);
  const seconds = wasm.value_retention(beginning(envelope), envelope.byteLength, Date.now());
  if (typeof seconds !== "number") return toResponse(seconds);
  try {
    if (seconds > 0) await withTimeout(namespace.put(name, envelope, { expirationTtl: seconds }), WRITE_TIMEOUT_MS);
  } catch (error) {
    console.error("a value was not stored:", error);
    return jsonResponse({ detail: "KV did not respond: try again" }, 503);
  }
  return new Response(wasm.value_stored(seconds > 0), { headers: JSON_HEADERS });
}

/** The part with the head. @param {Uint8Array<ArrayBuffer>} envelope */
const beginning = (envelope) => envelope.subarray(0, MAX_BEGINNING_BYTES);

// As in crates/cache/src/stored_value.rs, which decides.
const MAX_VALUE_BYTES = 8 * 1024 * 1024;
const MAX_BEGINNING_BYTES = 65_548;
const MAX_UPLOAD_STALL_MS = 5_000;
const WRITE_TIMEOUT_MS = 5_000;
