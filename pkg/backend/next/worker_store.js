/**
 * The Worker's store of values and its purge clock, over HTTP. Next.js replaces `fetch` by one that caches, so this uses
 * Node's own client, where there is one. A Worker that did not respond is left alone for a moment, so that no request waits for it again.
 * @module
 */

export class WorkerStore {
  #pausedUntil = -Infinity;

  /** `timeoutMs` is for what requests wait for. @param {{ edge: string | URL, token: string, now: () => number, timeoutMs?: number }} options */
  constructor({ edge, token, now, timeoutMs = DEFAULT_TIMEOUT_MS }) {
    const url = new URL(edge);
    this.base = url;
    this.token = token;
    this.now = now;
    this.timeoutMs = timeoutMs;
    this.client = process.getBuiltinModule(url.protocol === "https:" ? "node:https" : "node:http");
    this.agent = new this.client.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  }

  get isPaused() {
    return this.now() < this.#pausedUntil;
  }

  /** Returns the envelope; undefined if there is none. @param {string} key @param {readonly string[]} tags */
  async read(key, tags) {
    const query = new URLSearchParams([["key", key], ...tags.map((tag) => ["tag", tag])]);
    const { status, body } = await this.#call("GET", `entries?${query}`, undefined, this.timeoutMs);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(describe(status, body));
    return body;
  }

  /** @param {string} key @param {Uint8Array} envelope */
  async write(key, envelope) {
    const { status, body } = await this.#call("PUT", `entries?key=${key}`, envelope, WRITE_TIMEOUT_MS);
    if (status !== 200) throw new Error(describe(status, body));
  }

  /** @param {number} since @returns {Promise<import("./purge_view.js").PurgeFeed>} */
  async purges(since) {
    const { status, body } = await this.#call("GET", `purges?since=${since}`, undefined, this.timeoutMs);
    if (status !== 200) throw new Error(describe(status, body));
    return JSON.parse(body.toString());
  }

  /** Also tried while the Worker is left alone. @param {{ tags: string[], soft: boolean } | { all: true }} purge */
  async purge(purge) {
    this.#pausedUntil = -Infinity;
    const { status, body } = await this.#call("POST", "purge", Buffer.from(JSON.stringify(purge)), PURGE_TIMEOUT_MS);
    if (status !== 200) throw new Error(describe(status, body));
  }

  /**
   * @param {string} method @param {string} path @param {Uint8Array | undefined} sent @param {number} timeoutMs
   * @returns {Promise<{ status: number, body: Buffer }>}
   */
  async #call(method, path, sent, timeoutMs) {
    if (this.isPaused) throw new Error("the Worker did not respond and is left alone for a moment");
    try {
      return await this.#request(method, path, sent, timeoutMs);
    } catch (error) {
      this.#pausedUntil = this.now() + PAUSE_MS;
      throw error;
    }
  }

  /**
   * @param {string} method @param {string} path @param {Uint8Array | undefined} sent @param {number} timeoutMs
   * @returns {Promise<{ status: number, body: Buffer }>}
   */
  #request(method, path, sent, timeoutMs) {
    return new Promise((resolve, reject) => {
      /** @type {Record<string, string | number>} */
      const headers = { authorization: `Bearer ${this.token}` };
      if (sent) headers["content-length"] = sent.byteLength;
      const signal = AbortSignal.timeout(timeoutMs);
      const request = this.client.request(new URL(`/api/cache/${path}`, this.base), { method, headers, agent: this.agent, signal }, (response) => {
        /** @type {Buffer[]} */
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
      });
      request.on("error", (/** @type {NodeJS.ErrnoException} */ error) => {
        // The Worker closed an idle connection as it was used again. Every call is idempotent.
        if (request.reusedSocket && error.code === "ECONNRESET") resolve(this.#request(method, path, sent, timeoutMs));
        else reject(error);
      });
      request.end(sent);
    });
  }
}

/** @param {number} status @param {Buffer} body */
function describe(status, body) {
  return `the Worker answered ${status}: ${body.toString().slice(0, 200)}`;
}

const DEFAULT_TIMEOUT_MS = 500;
const WRITE_TIMEOUT_MS = 5_000;
const PURGE_TIMEOUT_MS = 2_000;
const PAUSE_MS = 1_000;
const MAX_SOCKETS = 64;
