// Flushes an isolate's sums: traffic to the shards, metrics and navigations to the purge clock.
import * as wasm from "./index.js";
import { delay } from "./promises.js";
import { callClock } from "./purge.js";

/**
 * Flushes in the background, unless another request does already. A flush whose request was canceled is
 * abandoned after the timeout.
 * @param {WorkerEnv} env
 * @param {ExecutionContext} context
 */
export function flushInBackground(env, context) {
  const flush = flushIfIdle(env);
  if (flush) context.waitUntil(flush);
}

/**
 * Flushes, unless another request does already.
 * @param {WorkerEnv} env
 */
export function flushIfIdle(env) {
  return Math.abs(Date.now() - flushingSince) > FLUSH_TIMEOUT_MS ? flush(env) : undefined;
}

/**
 * Flushes metrics and navigations to the purge clock, which sets the pace for the next time.
 * @param {WorkerEnv} env
 */
export async function flushMetrics(env) {
  const [metrics, transitions] = [wasm.take_cache_metrics(), wasm.take_transitions()];
  try {
    let pace = "";
    if (transitions !== undefined) pace = await callClock(env, "/ways", transitions);
    if (metrics !== undefined) pace = await callClock(env, "/seen", metrics);
    // An earlier purge clock sets no pace.
    metricsDueAt = Date.now() + (Number(pace) || 0);
  } catch (error) {
    console.error("flushing metrics to the purge clock failed:", error);
    if (metrics !== undefined) wasm.restore_cache_metrics(metrics);
  }
}

/**
 * Sends the marks of writes to the purge clock. Marks that are not delivered go with the next flush.
 * @param {WorkerEnv} env
 */
export async function flushWriteMarks(env) {
  const marks = wasm.take_write_marks(Date.now());
  hasUndeliveredMarks = false;
  if (marks === undefined) return;
  try {
    wasm.count_refused_marks(await callClock(env, "/writes", marks));
  } catch (error) {
    console.error("the marks of writes did not reach the purge clock:", error);
    wasm.restore_write_marks(marks);
    hasUndeliveredMarks = true;
  }
}

/** @param {WorkerEnv} env */
async function flush(env) {
  flushingSince = Date.now();
  try {
    for (let round = 0, hasMore = true; hasMore && round < MAX_ROUNDS; round += 1) {
      await delay(BATCH_DELAY_MS);
      hasMore = await wasm.flush_traffic(env);
    }
    if (hasUndeliveredMarks) await flushWriteMarks(env);
    const dueInMs = metricsDueAt - Date.now();
    // Where isolates are few, the last metrics of a quiet isolate need not wait for its next request.
    if (dueInMs <= MAX_PACE_WAIT_MS) {
      if (dueInMs > 0) await delay(dueInMs);
      await flushMetrics(env);
    }
  } finally {
    flushingSince = -Infinity;
  }
}

let flushingSince = -Infinity;
let hasUndeliveredMarks = false;
/** The purge clock sets the pace of reports. */
let metricsDueAt = 0;

const FLUSH_TIMEOUT_MS = 20_000;
const BATCH_DELAY_MS = 1_000;
const MAX_ROUNDS = 5;
const MAX_PACE_WAIT_MS = 2_000;
