// The purge clock: calls to it, and the view of it that this isolate shares.
import * as wasm from "./index.js";
import { delay, withTimeout } from "./promises.js";

/**
 * Calls the purge clock.
 * @param {WorkerEnv} env
 * @param {string} path
 * @param {string} body
 */
export async function callClock(env, path, body) {
  const call = async () => {
    const response = await env.TAG_CLOCK.getByName("clock").fetch(`https://clock.invalid${path}`, { method: "POST", body });
    if (!response.ok) throw new Error(`the purge clock responded to ${path} with ${response.status}: ${await response.text()}`);
    return response.text();
  };
  return withTimeout(call(), CLOCK_TIMEOUT_MS);
}

/**
 * Sets the time for which known purges are trusted.
 * @param {number} ms
 */
export function setLease(ms) {
  leaseMs = ms;
}

/**
 * Syncs in the background once half the lease is over, so that no request has to wait and the lease does
 * not end during a lookup.
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {number} now
 */
export function syncPurgesInBackground(env, context, now) {
  if (now - syncedAt > leaseMs / 2) context.waitUntil(syncPurges(env, context));
}

/**
 * Waits for the purges since the last sync. Concurrent requests share one sync. A sync whose request was
 * canceled is abandoned after the timeout.
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @returns {Promise<void>}
 */
export function syncPurges(env, context) {
  const now = Date.now();
  // After a failure, tagged responses are fetched from the origin instead of waiting again.
  if (now - failedAt < CLOCK_TIMEOUT_MS) return Promise.resolve();
  if (!pendingSync || now - pendingSync.since > CLOCK_TIMEOUT_MS) {
    const done = fetchPurges(env)
      .catch((error) => {
        failedAt = Date.now();
        console.error("the purge clock did not respond:", error);
      })
      .finally(() => {
        if (pendingSync?.done === done) pendingSync = undefined;
      });
    pendingSync = { done, since: now };
    context.waitUntil(done);
  }
  return Promise.race([pendingSync.done, delay(CLOCK_TIMEOUT_MS)]);
}

/**
 * Waits for every purge up to now. A sync in progress may lack the latest, so another follows it.
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 */
export async function syncPurgesUpToNow(env, context) {
  if (pendingSync) await Promise.race([pendingSync.done, delay(CLOCK_TIMEOUT_MS)]);
  await syncPurges(env, context);
}

/** @param {WorkerEnv} env */
async function fetchPurges(env) {
  for (let hasMore = true; hasMore; ) {
    const now = Date.now();
    hasMore = wasm.apply_purges(await callClock(env, "/since", String(wasm.known_purge_seq())), now);
    syncedAt = now;
  }
}

/** @type {{ done: Promise<void>, since: number } | undefined} */
let pendingSync;
let leaseMs = 2000;
let syncedAt = 0;
let failedAt = 0;

const CLOCK_TIMEOUT_MS = 1_000;
