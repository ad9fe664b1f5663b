// The tiers below memory: the Cache API of the location, and Workers KV.
import { Step, Tier } from "./opcodes.js";
import { Dependency, withTimeout } from "./promises.js";
import { sha256Hex } from "./streams.js";

/**
 * Looks a request up in memory and in every tier.
 * @param {import("./index.js").CacheExchange} exchange
 * @param {WorkerEnv} env
 * @returns {Promise<number>}
 */
export async function lookUp(exchange, env) {
  let step = exchange.start(Date.now());
  // The first envelope may only name the fields on which the responses vary.
  for (let look = 0; step === Step.LOOKUP && look < 2; look += 1) {
    const storageKey = exchange.storageKey();
    const name = await hashKey(storageKey);
    for (const [tier, read] of readers(exchange.host, name, env)) {
      const envelope = await read();
      if (!envelope) continue;
      step = exchange.tierEntryFound(tier, envelope, Date.now());
      if (step !== Step.LOOKUP) return step;
      // After an unreadable envelope, the next tier may have a better one.
      if (exchange.storageKey() !== storageKey) break;
    }
    if (exchange.storageKey() === storageKey) break;
  }
  return step === Step.LOOKUP ? exchange.tiersExhausted(Date.now()) : step;
}

/**
 * Writes an entry that is new in memory to the other tiers.
 * @param {import("./index.js").CacheExchange} exchange
 * @param {WorkerEnv} env
 */
export async function writeTiers(exchange, env) {
  const write = exchange.tierWrite();
  if (!write) return;
  const { head, body, storageKey, cacheKey, retentionSeconds, isForKv } = write;
  const envelope = new Uint8Array(head.byteLength + body.byteLength);
  envelope.set(head);
  envelope.set(body, head.byteLength);
  // The envelope under the plain cache key names the fields on which the responses vary, for other isolates.
  for (const name of new Set([await hashKey(storageKey), await hashKey(cacheKey)])) {
    const writes = [writeColo(exchange.host, name, envelope, retentionSeconds)];
    if (isForKv) writes.push(writeKv(env, name, envelope, retentionSeconds));
    for (const result of await Promise.allSettled(writes.map((write) => withTimeout(write, WRITE_TIMEOUT_MS)))) {
      if (result.status === "rejected") console.error("a tier did not store an entry:", result.reason);
    }
  }
}

/**
 * @param {string} host
 * @param {string} name
 * @param {WorkerEnv} env
 * @returns {[number, () => Promise<Uint8Array | undefined>][]}
 */
const readers = (host, name, env) => [
  [Tier.COLO, () => readColo(host, name)],
  [Tier.KV, () => readKv(env, name)],
];

/** @param {string} host @param {string} name @param {Uint8Array<ArrayBuffer>} envelope @param {number} retentionSeconds */
const writeColo = async (host, name, envelope, retentionSeconds) =>
  caches.default.put(coloUrl(host, name), new Response(envelope, { headers: { "cache-control": `public, max-age=${retentionSeconds}`, "content-type": "application/octet-stream" } }));

/** @param {WorkerEnv} env @param {string} name @param {Uint8Array<ArrayBuffer>} envelope @param {number} retentionSeconds */
const writeKv = async (env, name, envelope, retentionSeconds) => env.CACHE_KV?.put(name, envelope, { expirationTtl: retentionSeconds });

/**
 * Reads an envelope from the Cache API. Errors and timeouts count as misses.
 * @param {string} host
 * @param {string} name
 */
async function readColo(host, name) {
  try {
    const envelope = await colo.call(async () => (await caches.default.match(coloUrl(host, name)))?.arrayBuffer());
    return envelope ? new Uint8Array(envelope) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads an envelope from KV. Errors and timeouts count as misses.
 * @param {WorkerEnv} env
 * @param {string} name
 */
async function readKv(env, name) {
  try {
    const envelope = await kv.call(() => env.CACHE_KV?.get(name, "arrayBuffer"));
    return envelope ? new Uint8Array(envelope) : undefined;
  } catch {
    return undefined;
  }
}

// The URL is on the requested host, which needs no DNS lookup. No client can request it, because only the
// Worker reads the Cache API; and no header field of a client is part of it.
/** @param {string} host @param {string} name */
const coloUrl = (host, name) => `https://${host}/.edge-vitals/1/${name}`;

/** @param {string} key */
const hashKey = (key) => sha256Hex(new TextEncoder().encode(key));

// A lookup waits for each of them at most once, so for a second in all.
const TIER_TIMEOUT_MS = 500;
const TIER_PAUSE_MS = 5_000;
const WRITE_TIMEOUT_MS = 5_000;

/** The Cache API. */
export const colo = new Dependency("the Cache API", TIER_TIMEOUT_MS, TIER_PAUSE_MS);
/** Workers KV. */
export const kv = new Dependency("KV", TIER_TIMEOUT_MS, TIER_PAUSE_MS);
