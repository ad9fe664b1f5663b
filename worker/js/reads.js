// Reads of public sites without a token. Those who ask the same wait for one answer, which is shared for a few
// seconds: bytes are shared between requests, never a Response.
import * as wasm from "./index.js";
import { isWithinRate, resolvesWithin } from "./promises.js";
import { headerLines } from "./streams.js";

/**
 * Answers a request to the API.
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 */
export function read(request, env, context) {
  const { method, url, headers } = request;
  if (method !== "GET" && method !== "HEAD") return wasm.fetch(request, env, context);
  const field = (/** @type {string} */ name) => headers.get(name) ?? "";
  const key = wasm.public_question(env, method, url, field("accept"), field("authorization"), field("cf-connecting-ip"));
  return key === undefined ? wasm.fetch(request, env, context) : readPublic(key, request, env, context);
}

/**
 * @param {string} key
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 */
async function readPublic(key, request, env, context) {
  const { method, headers } = request;
  const known = headers.get("if-none-match") ?? "";
  const origin = headers.get("origin") ?? undefined;
  const ready = wasm.public_answer(env, key, method, known, origin, Date.now());
  if (ready) return ready;
  if (!pendingRead(key) && env.READ_RATE) {
    const network = wasm.client_network(headers.get("cf-connecting-ip") ?? "");
    // A limiter that fails is no reason to refuse a reader.
    if ((await isWithinRate(env.READ_RATE, network)) === false) return refuse(env, "too-many", origin);
  }
  const { answer } = pendingRead(key) ?? openRead(key, request, env, context);
  // A request that waits for another's answer needs a timer of its own to wait for.
  if (!(await resolvesWithin(answer, READ_TIMEOUT_MS).catch(() => false))) return refuse(env, "late", origin);
  const { status, head, body } = await answer;
  return wasm.shared_answer(env, status, head, body, method, known, origin, Date.now()) ?? refuse(env, "late", origin);
}

/**
 * Returns the read of a key that is under way, unless its request was probably cut off.
 * @param {string} key
 */
function pendingRead(key) {
  const read = reads.get(key);
  return read && Date.now() - read.since < READ_TIMEOUT_MS ? read : undefined;
}

/**
 * Makes an answer that depends on nobody's header fields.
 * @param {string} key
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 */
function openRead(key, request, env, context) {
  const question = new Request(request.url, { headers: { accept: request.headers.get("accept") ?? "" } });
  const answer = wasm.fetch(question, env, context).then(async (response) => {
    const { status, headers } = response;
    const body = new Uint8Array(await response.arrayBuffer());
    const head = headerLines(headers);
    wasm.keep_public_answer(key, status, head, body, Date.now());
    return { status, head, body };
  });
  const opened = { answer, since: Date.now() };
  reads.set(key, opened);
  const close = () => void (reads.get(key) === opened && reads.delete(key));
  context.waitUntil(answer.then(close, close));
  return opened;
}

/** @param {WorkerEnv} env @param {string} reason @param {string | undefined} origin */
const refuse = (env, reason, origin) => wasm.refuse_read(env, reason, origin) ?? new Response(null, { status: 503 });

/** @type {Map<string, { answer: Promise<{ status: number, head: string, body: Uint8Array }>, since: number }>} The reads under way. */
const reads = new Map();

// Longer than the deadlines of the shards.
const READ_TIMEOUT_MS = 20_000;
