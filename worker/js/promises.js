// Delays and timeouts.

/** @param {number} ms @returns {Promise<void>} */
export const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Rejects if the promise takes longer.
 * @template T
 * @param {Promise<T> | T} promise
 * @param {number} ms
 * @returns {Promise<T>}
 */
export function withTimeout(promise, ms) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const timeout = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`no response within ${ms} ms`)), ms)));
  return /** @type {Promise<T>} */ (Promise.race([promise, timeout])).finally(() => clearTimeout(timer));
}

/**
 * Resolves to true once the promise resolves, or to false if it takes longer. Rejects if the promise does.
 * @param {Promise<unknown>} promise
 * @param {number} ms
 * @returns {Promise<boolean>}
 */
export function resolvesWithin(promise, ms) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  // An isolate that was busy finds its timers due before the replies that came meanwhile: those go first.
  const timeout = new Promise((resolve) => (timer = setTimeout(() => resolve(delay(0).then(() => false)), ms)));
  return /** @type {Promise<boolean>} */ (Promise.race([promise.then(() => true), timeout])).finally(() => clearTimeout(timer));
}

/**
 * Aborts a fetch whose response does not begin in time. A body that has begun is not cut off.
 * @param {number} ms
 * @param {(signal: AbortSignal, abort: (reason: Error) => void) => Promise<Response>} call
 */
export async function fetchWithTimeout(ms, call) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new DOMException(`no response within ${ms} ms`, "TimeoutError")), ms);
  try {
    return await call(controller.signal, (reason) => controller.abort(reason));
  } finally {
    clearTimeout(timer);
  }
}

/** @param {unknown} error */
export const isTimeout = (error) => error instanceof Error && error.name === "TimeoutError";
