// The purge clock: calls to it, and the view of it that this isolate shares.
import * as wasm from "./index.js";
import { delay, withTimeout } from "./promises.js";
import { claimSync, syncByRelay, writeRelay } from "./purge_relay.js";

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
 * Syncs in the background before the lease is over, so that no request has to wait and the lease does not end
 * during a lookup.
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {number} now
 * @param {() => string} host
 */
export function syncPurgesInBackground(env, context, now, host) {
  if (now >= dueAt) context.waitUntil(syncPurges(env, context, host()));
}

/**
 * Waits for the purges since the last sync. Concurrent requests share one sync. A sync whose request was
 * canceled is abandoned after the timeout.
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {string} host The host of the relay.
 * @returns {Promise<void>}
 */
export function syncPurges(env, context, host) {
  const now = Date.now();
  // After a failure, tagged responses are fetched from the origin instead of waiting again.
  if (Math.abs(now - failedAt) < CLOCK_TIMEOUT_MS) return Promise.resolve();
  if (!pendingSync || now - pendingSync.since > CLOCK_TIMEOUT_MS) {
    const done = fetchPurges(env, context, host)
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
 * Waits for every purge up to now. A sync in progress and the relay may lack the latest, so the purge clock itself is
 * asked.
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 */
export async function syncPurgesUpToNow(env, context) {
  const done = fetchPurges(env, context, undefined).catch((error) => console.error("the purge clock did not respond:", error));
  context.waitUntil(done);
  await Promise.race([done, delay(CLOCK_TIMEOUT_MS)]);
}

/**
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 * @param {string | undefined} host
 */
async function fetchPurges(env, context, host) {
  const relayHost = host !== undefined && wasm.are_purges_relayed(leaseMs) ? host : undefined;
  try {
    if (relayHost !== undefined && (await syncByRelay(relayHost, leaseMs))) return;
    if (relayHost !== undefined) context.waitUntil(claimSync(relayHost));
    for (let hasMore = true; hasMore; ) {
      const now = Date.now();
      hasMore = wasm.apply_purges(await callClock(env, "/since", String(wasm.known_purge_seq())), now, leaseMs);
    }
    // No request waits until the others have the copy.
    if (relayHost !== undefined) context.waitUntil(writeRelay(relayHost));
  } finally {
    dueAt = wasm.purge_sync_due_at();
  }
}

/** @type {{ done: Promise<void>, since: number } | undefined} */
let pendingSync;
let leaseMs = 2000;
let dueAt = 0;
let failedAt = 0;

const CLOCK_TIMEOUT_MS = 1_000;
