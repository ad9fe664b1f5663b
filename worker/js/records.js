// The records that Rust makes (worker/src/edge/records.rs).

/** A response that is complete. */
export class ReadyResponse {
  /** @type {string[] | undefined} The URLs of pages that are worth prefetching. */
  prefetches = undefined;

  /**
   * @param {number} status
   * @param {Headers} headers Shared by all responses of an entry: copy them before anything else is awaited.
   * @param {string | Uint8Array<ArrayBuffer> | null} body
   * @param {string | undefined} varying The values of Age, Cache-Status and Server-Timing, a line each.
   */
  constructor(status, headers, body, varying) {
    this.status = status;
    this.headers = headers;
    this.body = body;
    this.varying = varying;
  }
}

/** The head of a response whose body comes from the origin. */
export class ForwardedHead {
  /** @param {number} status @param {Headers} headers */
  constructor(status, headers) {
    this.status = status;
    this.headers = headers;
  }
}

/** A request to the origin. */
export class OriginRequest {
  /** @param {string} url @param {string} method @param {Headers} headers */
  constructor(url, method, headers) {
    this.url = url;
    this.method = method;
    this.headers = headers;
  }
}

/** An envelope for the tiers below memory. */
export class TierWrite {
  /**
   * @param {Uint8Array} head
   * @param {Uint8Array} body
   * @param {string} storageKey
   * @param {string} cacheKey
   * @param {number} retentionSeconds
   * @param {boolean} isForKv
   */
  constructor(head, body, storageKey, cacheKey, retentionSeconds, isForKv) {
    this.head = head;
    this.body = body;
    this.storageKey = storageKey;
    this.cacheKey = cacheKey;
    this.retentionSeconds = retentionSeconds;
    this.isForKv = isForKv;
  }
}
