// Delays and deadlines. Everything that a visitor waits for has one.

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
  const timeout = new Promise((_, reject) => (timer = setTimeout(() => reject(timeoutError(ms)), ms)));
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
  const timer = setTimeout(() => controller.abort(timeoutError(ms)), ms);
  try {
    return await call(controller.signal, (reason) => controller.abort(reason));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Asks a rate limiter whether a call is within the rate; null if it fails, does not answer in time, or answers nothing of
 * the kind.
 * @param {{ limit(options: { key: string }): Promise<{ success: boolean }> }} limiter
 * @param {string} key
 */
export async function isWithinRate(limiter, key) {
  const ask = async () => {
    const { success } = await limiter.limit({ key });
    return typeof success === "boolean" ? success : null;
  };
  const answer = ask().catch(() => null);
  return (await resolvesWithin(answer, LIMITER_TIMEOUT_MS)) ? answer : null;
}

const LIMITER_TIMEOUT_MS = 50;

/** @param {unknown} error */
export const isTimeout = (error) => error instanceof Error && error.name === "TimeoutError";

/** A service of the platform. After a call without a response it is left alone for a while, so that the next requests do not wait for it. */
export class Dependency {
  #pausedAt = -Infinity;

  /**
   * @param {string} name
   * @param {number} timeoutMs
   * @param {number} pauseMs
   */
  constructor(name, timeoutMs, pauseMs) {
    this.name = name;
    this.timeoutMs = timeoutMs;
    this.pauseMs = pauseMs;
  }

  /** True while it is left alone. */
  get isPaused() {
    // A clock that was set back ends the pause.
    return Math.abs(Date.now() - this.#pausedAt) < this.pauseMs;
  }

  /**
   * Makes a call. Rejects if it takes too long, and at once after another one did.
   * @template T
   * @param {() => Promise<T> | T} make
   * @returns {Promise<T>}
   */
  async call(make) {
    if (this.isPaused) throw new Error(`${this.name} did not respond and is left alone for a moment`);
    try {
      return await withTimeout(make(), this.timeoutMs);
    } catch (error) {
      if (isTimeout(error)) this.#pausedAt = Date.now();
      throw error;
    }
  }
}

/** @param {number} ms */
const timeoutError = (ms) => new DOMException(`no response within ${ms} ms`, "TimeoutError");
