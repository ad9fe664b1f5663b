/**
 * The receiving side of the push: checks who signed a document, that it is fresh, and hands it on to
 * be stored once. The scheme is told in docs/push.md. Storing is left to the backend, which alone can
 * put a document and its key into one transaction.
 * @module
 */

/** Why a request is not taken. */
export class PushRefused extends Error {
  name = "PushRefused";

  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    /** The status to answer with. */
    this.status = status;
  }
}

/** @type {typeof import("../types/backend.js").receive} */
export function receive(options) {
  const taken = receiver(options);
  return async (request) => {
    const { status, says } = await taken(request.headers, (limit) => whole(/** @type {any} */ (request.body), limit));
    return Response.json(says, { status, headers: { "cache-control": "no-store" } });
  };
}

/** @type {typeof import("../types/backend.js").receiveExpress} */
export function receiveExpress(options) {
  const taken = receiver(options);
  return async (request, response) => {
    const { status, says } = await taken(new Headers(headersOf(request.headers)), (limit) => {
      if (request.body === undefined) return whole(request, limit);
      if (request.body instanceof Uint8Array) return Promise.resolve(request.body);
      throw new Error("the body was parsed already: mount `receiveExpress` before `express.json()`, or behind `express.raw()`");
    });
    response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(JSON.stringify(says));
  };
}

/** @type {typeof import("../types/backend.js").verify} */
export async function verify(headers, body, { keys, tolerance = TOLERANCE, now = Date.now }) {
  const { t, k, v1 } = signatureOf(headers.get("edge-vitals-signature") ?? "");
  const idempotencyKey = headers.get("idempotency-key") ?? "";
  const window = windowOf(idempotencyKey);
  const secret = Object.hasOwn(keys, k) ? keys[k] : undefined;
  if (!secret) throw new PushRefused(401, `there is no key called \`${k}\` here`);
  const head = `edge-vitals.v1\n${t}\n${k}\n${idempotencyKey}\n`;
  const key = await crypto.subtle.importKey("raw", bytesOf(secret), HMAC, false, ["verify"]);
  // WebCrypto compares in constant time.
  const isGenuine = await crypto.subtle.verify(HMAC, key, fromHex(v1), joined(new TextEncoder().encode(head), body));
  if (!isGenuine) throw new PushRefused(401, "the signature is not of these bytes");
  if (Math.abs(now() / 1000 - Number(t)) > tolerance) {
    throw new PushRefused(401, `it was signed more than ${tolerance} s away from this clock`);
  }
  return { key: idempotencyKey, ...window, document: parsed(body) };
}

/** @param {import("../types/backend.js").ReceiveOptions} options */
function receiver({ store, limit = LIMIT, ...options }) {
  for (const [name, secret] of Object.entries(options.keys)) {
    const { length } = bytesOf(secret);
    if (length < SHORTEST) throw new TypeError(`the secret of the key \`${name}\` has ${length} bytes; it needs at least ${SHORTEST}`);
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
      return { status: error.status, says: { error: error.message } };
    }
    // Only now is it the edge that speaks. What goes wrong here is told to whoever runs the server, by
    // its own means, and the edge, which gets no 2xx, sends the document again.
    const isNew = (await store(push)) !== false;
    return { status: 200, says: { stored: isNew } };
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
      throw new PushRefused(400, `the signature's \`${name}\` is missing, there twice, or misshapen; it has \`t=…,k=…,v1=…\``);
    }
    return value;
  };
  return { t: only("t", /^\d{1,15}$/), k: only("k", /^[\w.-]{1,64}$/), v1: only("v1", /^[0-9a-f]{64}$/) };
}

/** A site may hold dots, so what follows it is read from the right. @param {string} key */
function windowOf(key) {
  const [, site, span, start, revision] = /^([\w.-]{1,64})\.(minute|hour|day)\.(\d{1,15})\.(\d{1,9})$/.exec(key) ?? [];
  if (!site) throw new PushRefused(400, "the `Idempotency-Key` is no `site.span.start.revision`");
  return { site, span: /** @type {"minute" | "hour" | "day"} */ (span), start: new Date(Number(start)), revision: Number(revision) };
}

/** @param {Uint8Array} body */
function parsed(body) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new PushRefused(400, "the body is no JSON");
  }
}

/**
 * The whole body, unless it is longer than it may be: then no more of it is read.
 * @param {AsyncIterable<Uint8Array> | null} stream
 * @param {number} limit
 */
async function whole(stream, limit) {
  const parts = [];
  let length = 0;
  for await (const part of stream ?? []) {
    length += part.length;
    if (length > limit) throw new PushRefused(413, `the body has more than ${limit} bytes`);
    parts.push(part);
  }
  return joined(...parts);
}

/** @param {Uint8Array[]} parts */
function joined(...parts) {
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
const bytesOf = (secret) => joined(typeof secret === "string" ? new TextEncoder().encode(secret) : secret);

/** @param {string} digits */
const fromHex = (digits) => Uint8Array.from({ length: digits.length / 2 }, (_, index) => parseInt(digits.slice(2 * index, 2 * index + 2), 16));

const HMAC = { name: "HMAC", hash: "SHA-256" };
/** Bytes of a secret, at least: those of the hash (RFC 2104 §3). */
const SHORTEST = 32;
/** Seconds between the edge's clock and this one. */
const TOLERANCE = 300;
/** Bytes of a document. */
const LIMIT = 1 << 20;
