// The relay of purges: a copy of the latest ones in the Cache API of the location, and the claim of the isolate
// that asks the purge clock for the next. What a copy is worth is decided in `cache::purge_relay`.
import * as wasm from "./index.js";
import { SyncStep } from "./opcodes.js";
import { Dependency, delay, withTimeout } from "./promises.js";
import { colo } from "./tiers.js";

/**
 * Applies the copy of the location. Returns true if no call to the purge clock is needed.
 * @param {string} host
 * @param {number} leaseMs
 */
export async function syncByRelay(host, leaseMs) {
  for (let round = 0; round < MAX_READS; round += 1) {
    const [copy, claim] = await readRelay(host);
    const step = wasm.relay_read(copy, claim === undefined ? undefined : Number(claim), Date.now(), leaseMs, Math.random());
    if (step !== SyncStep.WAIT) return step === SyncStep.DONE;
    await delay(CLAIM_POLL_MS);
  }
  return false;
}

/**
 * Tells the other isolates of the location that this one asks the purge clock.
 * @param {string} host
 */
export const claimSync = (host) => write(host, CLAIM, String(Date.now()), CLAIM_SECONDS);

/**
 * Shares the purges of this isolate with its location.
 * @param {string} host
 */
export async function writeRelay(host) {
  const copy = wasm.relay_copy();
  if (copy !== undefined) await write(host, COPY, copy, COPY_SECONDS);
}

/**
 * Reads the copy and the claim. A Cache API that fails or is slow has neither.
 * @param {string} host
 * @returns {Promise<(string | undefined)[]>}
 */
async function readRelay(host) {
  if (colo.isPaused) return [];
  try {
    return await relay.call(() => Promise.all([COPY, CLAIM].map(async (name) => (await caches.default.match(relayUrl(host, name)))?.text())));
  } catch {
    return [];
  }
}

/** @param {string} host @param {string} name @param {string} text @param {number} seconds */
async function write(host, name, text, seconds) {
  try {
    const headers = { "cache-control": `public, max-age=${seconds}`, "content-type": "text/plain" };
    await withTimeout(caches.default.put(relayUrl(host, name), new Response(text, { headers })), WRITE_TIMEOUT_MS);
  } catch (error) {
    console.error("the relay of purges was not written, other isolates ask the purge clock:", error);
  }
}

// On the requested host, as entries are: see tiers.js.
/** @param {string} host @param {string} name */
const relayUrl = (host, name) => `https://${host}/.edge-vitals/purges/1/${name}`;

const COPY = "copy";
const CLAIM = "claim";
const COPY_SECONDS = 60;
const CLAIM_SECONDS = 1;
// A claim holds for 300 ms; then the isolate asks for itself.
const MAX_READS = 8;
const CLAIM_POLL_MS = 50;
// Leaves most of a second for the purge clock.
const READ_TIMEOUT_MS = 250;
const READ_PAUSE_MS = 5_000;
const WRITE_TIMEOUT_MS = 1_000;

const relay = new Dependency("the relay of purges", READ_TIMEOUT_MS, READ_PAUSE_MS);
