// The ingest of beacons, the path whose cost matters most: one call into Rust with all data of the beacon, and
// one RPC to its shard instead of a request.
import * as wasm from "./index.js";
import { delay, isWithinRate, resolvesWithin } from "./promises.js";

/**
 * Ingests a beacon.
 * @param {Request} request
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {string} ownOrigin
 * @param {string | undefined} query
 */
export async function ingest(request, env, context, ownOrigin, query) {
  const { headers } = request;
  const origin = headers.get("origin") ?? undefined;
  /** @param {string} reason @param {string} [site] @param {string} [limitedNetwork] */
  const reject = (reason, site, limitedNetwork) => countRejections(wasm.reject(env, reason, site, origin, limitedNetwork), env, context);
  const network = wasm.client_network(headers.get("cf-connecting-ip") ?? "");
  if (env.INGEST_RATE && !(await isAdmitted(env.INGEST_RATE, network, undefined))) return reject("too-many", undefined, network);
  const body = await readBeacon(request, headers.get("content-length"));
  if (!body) return reject("too-large");
  const now = Date.now();
  if (wasm.budgets_are_stale(now)) await budgets.refresh(env, context, now);
  if (wasm.registry_is_stale(env, now)) await registry.refresh(env, context, now);
  const agent = headers.get("user-agent") ?? "";
  const mobileHint = headers.get("sec-ch-ua-mobile") ?? undefined;
  const brands = headers.get("sec-ch-ua") ?? undefined;
  const platform = headers.get("sec-ch-ua-platform") ?? undefined;
  const address = headers.get("cf-connecting-ip") ?? undefined;
  const country = headers.get("cf-ipcountry") ?? undefined;
  // Of pages, no header field but the origin counts; a backend that sends reports may have to sign in.
  const authorization = query === undefined ? "" : (headers.get("authorization") ?? "");
  const wantsVerdicts = headers.get("prefer")?.includes("return=representation") ?? false;
  const outcome = wasm.ingest(env, body, query, ownOrigin, origin, agent, mobileHint, brands, platform, country, authorization, address, network, wantsVerdicts, now);
  if (!Array.isArray(outcome)) return countRejections(outcome, env, context);
  const [verdicts, allowedOrigin, site, dayShare, ...shardRows] = outcome;
  if (env.SITE_RATE && !(await isAdmitted(env.SITE_RATE, site, site))) return reject("too-many", site);
  try {
    const stored = shardRows.map(([shard, rows]) => enqueue(env, context, shard, rows, dayShare, now, wantsVerdicts));
    // If one of the calls fails, the client resends the beacon; rows that are already stored count once.
    const answers = await Promise.all(stored);
    if (!answers.every(Boolean)) return reject(answers.includes(null) ? "over-quota" : "unavailable", site);
  } catch (error) {
    console.error("a shard did not store a beacon:", error);
    return reject("unavailable", site);
  }
  if (wasm.has_uncounted_rejections(now)) context.waitUntil(wasm.flush_rejections(env));
  // A page that is being left reads no response.
  if (verdicts === undefined) return new Response(null, allowedOrigin ? { headers: { "access-control-allow-origin": allowedOrigin, vary: "Origin" } } : undefined);
  return new Response(verdicts, { headers: allowedOrigin ? { ...VERDICT_HEADERS, "access-control-allow-origin": allowedOrigin } : VERDICT_HEADERS });
}

/**
 * Reads something again, one request at a time and beside the beacons, which the last copy serves meanwhile. Only the
 * first beacons of an isolate wait for it, and not for long.
 */
class Refresh {
  /** @type {{ since: number, done: Promise<void> } | null} The read under way. */
  #read = null;

  /**
   * @param {(env: WorkerEnv) => Promise<void>} readAgain
   * @param {() => boolean} hasCopy
   */
  constructor(readAgain, hasCopy) {
    this.readAgain = readAgain;
    this.hasCopy = hasCopy;
  }

  /**
   * @param {WorkerEnv} env
   * @param {ExecutionContext} context
   * @param {number} now
   */
  async refresh(env, context, now) {
    // A read whose request was cut off ends by timeout.
    if (!this.#read || Math.abs(now - this.#read.since) > READ_TIMEOUT_MS) {
      const read = { since: now, done: this.readAgain(env).catch(() => {}) };
      this.#read = read;
      context.waitUntil(read.done.then(() => void (this.#read === read && (this.#read = null))));
    }
    if (!this.hasCopy()) await resolvesWithin(this.#read.done, FIRST_READ_TIMEOUT_MS);
  }
}

// Verdicts are made when a view is folded, so no beacon waits for new budgets.
const budgets = new Refresh((env) => wasm.refresh_budgets(env), () => wasm.has_budgets());
const registry = new Refresh((env) => wasm.refresh_registry(env), () => wasm.has_registry());

/**
 * Rows wait a moment, so that one call takes several to their shard. The first request of a batch sends it,
 * also when its own client has gone. Were it cut off nevertheless, no request joins it for long.
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {string} shard
 * @param {string[]} rows
 * @param {number | undefined} dayShare
 * @param {number} now
 * @param {boolean} isAwaited
 * @returns {Promise<boolean | null>}
 */
function enqueue(env, context, shard, rows, dayShare, now, isAwaited) {
  const open = batches.get(shard);
  const size = rows.reduce((length, row) => length + row.length, 0);
  if (open && now - open.since < BATCH_TIMEOUT_MS && open.size + size <= MAX_BATCH_LENGTH) {
    open.size += size;
    open.rows.push(...rows);
    open.isAwaited ||= isAwaited;
    // A request that waits for another's call needs a timer of its own to wait for.
    return isStoredInTime(shard, open.stored);
  }
  /** @type {Batch} */
  const batch = { rows, dayShare, isAwaited, size, since: now, stored: delay(BATCH_DELAY_MS).then(() => send(env, shard, batch)) };
  batches.set(shard, batch);
  context.waitUntil(batch.stored.catch(() => {}));
  return isStoredInTime(shard, batch.stored);
}

/**
 * A shard whose storage hangs must not hold the page: a beacon is refused once its shard has answered none for a
 * while, and counts once if it is stored after all and sent again. A busy shard keeps answering, and is waited for:
 * refusals would make it busier.
 * @param {string} shard
 * @param {Promise<boolean | null>} stored
 */
async function isStoredInTime(shard, stored) {
  const since = Date.now();
  for (let silent = 0, now = since; silent < SILENT_SLICES && now - since < BATCH_TIMEOUT_MS; ) {
    const [before, began] = [answers.get(shard), now];
    if (await resolvesWithin(stored, SLICE_MS)) return stored;
    now = Date.now();
    if (answers.get(shard) !== before) silent = 0;
    // An isolate that is late itself has hardly listened.
    else silent += now - began < LATE_SLICE_MS ? 1 : LATE_SLICE_WEIGHT;
  }
  return false;
}

/** @param {WorkerEnv} env @param {string} shard @param {Batch} batch */
function send(env, shard, batch) {
  if (batches.get(shard) === batch) batches.delete(shard);
  const stored = shardStub(env, shard).append(batch.rows, batch.isAwaited, batch.dayShare);
  stored.then(() => answers.set(shard, (answers.get(shard) ?? 0) + 1), () => {});
  return stored;
}

/**
 * Returns the stub of an object. Its address is its name, after its jurisdiction and a colon if it has one.
 * @param {WorkerEnv} env
 * @param {string} address
 */
function shardStub(env, address) {
  const colon = address.indexOf(":");
  if (colon < 0) return env.SHARDS_OF_SITES.getByName(address);
  return env.SHARDS_OF_SITES.jurisdiction(address.slice(0, colon)).getByName(address.slice(colon + 1));
}

/**
 * Rejections are counted after the response.
 * @param {Response | undefined} response
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 */
function countRejections(response, env, context) {
  if (wasm.has_uncounted_rejections(Date.now())) context.waitUntil(wasm.flush_rejections(env));
  return response ?? new Response(null, { status: 503 });
}

/**
 * Asks a rate limiter. Fails open, and counts that it did.
 * @param {RateLimiter} limiter
 * @param {string} key
 * @param {string | undefined} site
 */
async function isAdmitted(limiter, key, site) {
  const isWithin = await isWithinRate(limiter, key);
  if (isWithin === null) wasm.count_unlimited(site);
  return isWithin ?? true;
}

/**
 * Reads a beacon; null if it is too large. HTTP holds a body to its declared length.
 * @param {Request} request
 * @param {string | null} length
 */
async function readBeacon(request, length) {
  if (Number(length) > MAX_BEACON_BYTES) return null;
  if (length !== null || !request.body) return new Uint8Array(await request.arrayBuffer());
  const chunks = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    if (size > MAX_BEACON_BYTES) return null;
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** @typedef {{ rows: string[], dayShare: number | undefined, isAwaited: boolean, size: number, since: number, stored: Promise<boolean | null> }} Batch */

/** @type {Map<string, Batch>} The batch of each shard that was not sent yet. */
const batches = new Map();

/** @type {Map<string, number>} The calls that each shard has answered. */
const answers = new Map();

const BATCH_TIMEOUT_MS = 10_000;
// A resend costs less than a page that waits; together with the delay of a batch, silence ends within 250 ms.
const SILENT_SLICES = 4;
const SLICE_MS = 50;
const LATE_SLICE_MS = 70;
const LATE_SLICE_WEIGHT = 0.25;
const FIRST_READ_TIMEOUT_MS = 200;
const READ_TIMEOUT_MS = 5_000;
const BATCH_DELAY_MS = 2;
const MAX_BEACON_BYTES = 65_536;
// A call to a shard stays small.
const MAX_BATCH_LENGTH = 500_000;

const VERDICT_HEADERS = {
  "content-type": "application/json",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  vary: "Origin",
};
