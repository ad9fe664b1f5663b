// Requests to the origin, and the storing of its responses.
import { OriginError, Step } from "./opcodes.js";
import { fetchWithTimeout, isTimeout } from "./promises.js";
import { abandon, headerLines, readBody, sha256Hex } from "./streams.js";
import { writeTiers } from "./tiers.js";

/** @typedef {import("./index.js").CacheExchange} CacheExchange */

/**
 * Requests the origin, and again without conditions if its 304 is about another entry.
 * @param {CacheExchange} exchange
 * @returns {Promise<{ step: number, response?: Response, isLimited?: boolean }>}
 */
export async function askOrigin(exchange) {
  let step = exchange.originNeeded(Date.now());
  if (step !== Step.CONTACT_ORIGIN) return { step, isLimited: true };
  for (;;) {
    const { url, method, headers } = exchange.originRequest(Date.now());
    let response;
    try {
      response = await fetchWithTimeout(exchange.originTimeoutMs, (signal) => fetch(url, { method, headers, redirect: "manual", encodeResponseBody: "manual", signal }));
    } catch (error) {
      return { step: exchange.originFailed(isTimeout(error) ? OriginError.TIMEOUT : OriginError.UNREACHABLE, Date.now()) };
    }
    step = exchange.originResponded(response.status, headerLines(response.headers), Date.now());
    if (step === Step.SEND || step === Step.STORE) return { step, response };
    abandon(response.body);
    if (step !== Step.FETCH) return { step };
  }
}

/**
 * Returns the body of the origin's response, with the client script in its head if the route injects it.
 * @param {CacheExchange} exchange
 * @param {Response} response
 */
export function injectScript(exchange, response) {
  const script = exchange.injection();
  if (script === undefined || !response.body) return response.body;
  const page = new Response(response.body, { headers: { "content-type": "text/html" } });
  return new HTMLRewriter().on("head", { element: (head) => head.append(script, { html: true }) }).transform(page).body;
}

/**
 * Reads a complete body and stores it in every tier. Returns false if it was not stored. `onStored` runs as
 * soon as memory has it, because the other tiers may be slow.
 * @param {CacheExchange} exchange
 * @param {WorkerEnv} env
 * @param {ReadableStream<Uint8Array> | null} body
 */
export async function storeBody(exchange, env, body, onStored = () => {}) {
  // A body that is reset, truncated or stalled is not stored.
  const bytes = await readBody(body, exchange.maxStoredBodyBytes, exchange.originTimeoutMs).catch(() => undefined);
  if (!bytes) {
    exchange.bodyAborted(Date.now());
    return false;
  }
  const etag = exchange.needsEtag(bytes.byteLength) ? `"${(await sha256Hex(bytes)).slice(0, 32)}"` : undefined;
  if (exchange.bodyComplete(bytes, etag, Date.now()) !== Step.WRITE_TIERS) return false;
  if (exchange.isInMemory()) onStored();
  await writeTiers(exchange, env);
  return true;
}
