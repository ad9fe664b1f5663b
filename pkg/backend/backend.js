/**
 * The receiver of pushed documents: verifies signature and age, and passes each document on to be stored
 * once. docs/push.md describes the scheme. Storing is left to the backend, which can put a document and
 * its key into one transaction. And the issuer of page tokens, for documents that the edge does not serve.
 * @module
 */
export { perRequest, track, trackPg, watchRequests, withMonitoring } from "./timing.js";

/** The rejection of a request. */
export class PushRefused extends Error {
  name = "PushRefused";

  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    /** The status of the response. */
    this.status = status;
  }
}

/** @type {typeof import("../types/backend.js").receive} */
export function receive(options) {
  const handle = receiver(options);
  return async (request) => {
    const { status, body } = await handle(request.headers, (limit) => readBody(/** @type {any} */ (request.body), limit));
    return Response.json(body, { status, headers: { "cache-control": "no-store" } });
  };
}

/** @type {typeof import("../types/backend.js").receiveExpress} */
export function receiveExpress(options) {
  const handle = receiver(options);
  return async (request, response) => {
    const { status, body } = await handle(new Headers(headersOf(request.headers)), (limit) => {
      if (request.body === undefined) return readBody(request, limit);
      if (request.body instanceof Uint8Array) return Promise.resolve(request.body);
      throw new Error("the body has already been parsed: mount `receiveExpress` before `express.json()` or after `express.raw()`");
    });
    response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(JSON.stringify(body));
  };
}

/** @type {typeof import("../types/backend.js").verify} */
export async function verify(headers, body, { keys, tolerance = TOLERANCE_S, now = Date.now }) {
  const { t, k, v1 } = signatureOf(headers.get("edge-vitals-signature") ?? "");
  const idempotencyKey = headers.get("idempotency-key") ?? "";
  const window = windowOf(idempotencyKey);
  const secret = Object.hasOwn(keys, k) ? keys[k] : undefined;
  if (!secret) throw new PushRefused(401, `unknown key \`${k}\`; add it to \`keys\``);
  const head = `edge-vitals.v1\n${t}\n${k}\n${idempotencyKey}\n`;
  const key = await crypto.subtle.importKey("raw", bytesOf(secret), HMAC, false, ["verify"]);
  // WebCrypto compares in constant time.
  const isGenuine = await crypto.subtle.verify(HMAC, key, fromHex(v1), concat(new TextEncoder().encode(head), body));
  if (!isGenuine) throw new PushRefused(401, "the signature does not match the body");
  if (Math.abs(now() / 1000 - Number(t)) > tolerance) {
    throw new PushRefused(401, `the signature's time differs from this clock by more than ${tolerance} s`);
  }
  return { key: idempotencyKey, ...window, document: parse(body) };
}

/** @type {typeof import("../types/backend.js").pageEvidence} */
export async function pageEvidence({ secret, site, now = Date.now }) {
  const bytes = bytesOf(secret);
  if (bytes.length < MIN_SECRET_BYTES) throw new TypeError(`the secret of page tokens has ${bytes.length} bytes; it needs at least ${MIN_SECRET_BYTES}`);
  const issued = Math.floor(now() / 1000).toString(16).padStart(8, "0");
  const signed = issued + toHex(crypto.getRandomValues(new Uint8Array(8)));
  const key = await crypto.subtle.importKey("raw", bytes, HMAC, false, ["sign"]);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytesOf(`edge-vitals page 1\n${site}\n${signed}`)));
  return `evidence;desc=${signed}${toHex(mac.subarray(0, PAGE_MAC_BYTES))}`;
}

/** @param {import("../types/backend.js").ReceiveOptions} options */
function receiver({ store, limit = MAX_BYTES, ...options }) {
  for (const [name, secret] of Object.entries(options.keys)) {
    const { length } = bytesOf(secret);
    if (length < MIN_SECRET_BYTES) throw new TypeError(`the secret of the key \`${name}\` has ${length} bytes; it needs at least ${MIN_SECRET_BYTES}`);
  }
  /**
   * @param {Headers} headers
   * @param {(limit: number) => Promise<Uint8Array>} read
   */
  return async (headers, read) => {
    let push;
    try {
      push = await verify(headers, await read(limit), options);
    } catch (error) {
      if (!(error instanceof PushRefused)) throw error;
      return { status: error.status, body: { error: error.message } };
    }
    // The push is genuine. An error of the store goes to the server's own error handling; without a 2xx
    // the edge sends the document again.
    const isNew = (await store(push)) !== false;
    return { status: 200, body: { stored: isNew } };
  };
}

/** @param {string} header */
function signatureOf(header) {
  const pairs = header.split(",").map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  /** @type {(name: string, shape: RegExp) => string} */
  const only = (name, shape) => {
    const [value, ...more] = pairs.filter(([given]) => given === name).map(([, value]) => value);
    if (value === undefined || more.length || !shape.test(value)) {
      throw new PushRefused(400, `\`${name}\` of \`Edge-Vitals-Signature\` is missing, repeated or malformed; expected \`t=…,k=…,v1=…\``);
    }
    return value;
  };
  return { t: only("t", /^\d{1,15}$/), k: only("k", /^[\w.-]{1,64}$/), v1: only("v1", /^[0-9a-f]{64}$/) };
}

/** Reads the window from the key. A site may contain dots, so the key is matched from the right. @param {string} key */
function windowOf(key) {
  const [, site, span, start, revision] = /^([\w.-]{1,64})\.(minute|hour|day)\.(\d{1,15})\.(\d{1,9})$/.exec(key) ?? [];
  if (!site) throw new PushRefused(400, "the `Idempotency-Key` is not of the form `site.span.start.revision`");
  return { site, span: /** @type {"minute" | "hour" | "day"} */ (span), start: new Date(Number(start)), revision: Number(revision) };
}

/** @param {Uint8Array} body */
function parse(body) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new PushRefused(400, "the body is not valid JSON");
  }
}

/**
 * Reads the body, and stops at the limit.
 * @param {AsyncIterable<Uint8Array> | null} stream
 * @param {number} limit
 */
async function readBody(stream, limit) {
  const parts = [];
  let length = 0;
  for await (const part of stream ?? []) {
    length += part.length;
    if (length > limit) throw new PushRefused(413, `the body exceeds ${limit} bytes`);
    parts.push(part);
  }
  return concat(...parts);
}

/** @param {Uint8Array[]} parts */
function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** @type {(headers: Record<string, string | string[] | undefined>) => [string, string][]} */
const headersOf = (headers) => Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));

/** @param {string | Uint8Array} secret */
const bytesOf = (secret) => concat(typeof secret === "string" ? new TextEncoder().encode(secret) : secret);

/** @param {string} digits */
const fromHex = (digits) => Uint8Array.from({ length: digits.length / 2 }, (_, index) => parseInt(digits.slice(2 * index, 2 * index + 2), 16));

/** @param {Uint8Array} bytes */
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const HMAC = { name: "HMAC", hash: "SHA-256" };
/** The length of the hash (RFC 2104 §3). */
const MIN_SECRET_BYTES = 32;
/** The length of the signature in a page token. */
const PAGE_MAC_BYTES = 12;
/** The difference between the edge's clock and this one, at most. */
const TOLERANCE_S = 300;
/** The size of a document, at most, unless `limit` is set. */
const MAX_BYTES = 1 << 20;
