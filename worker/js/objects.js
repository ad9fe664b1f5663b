// The Durable Objects: classes of the wasm module, made anew from storage after a trap.
import { DurableObject } from "cloudflare:workers";
import * as wasm from "./index.js";
import { guard, instanceId } from "./module.js";
import { delay } from "./promises.js";

/** A shard of a site. */
export class Shard extends DurableObject {
  /** @type {wasm.Shard | undefined} */
  #object;
  #instance = -1;
  /** @type {string[]} */
  #rows = [];
  /** @type {Commit | null} The commit that is being collected. */
  #commit = null;

  /** @param {Request} request */
  async fetch(request) {
    const response = await guard(() => this.#live().fetch(request));
    // The tables were erased or restored: nothing in memory counts any more.
    if (response.headers.has("x-tables-replaced")) this.#object = undefined;
    return response;
  }

  /**
   * Appends rows to the journal. They wait a moment, so that one commit serves several calls. Resolves once
   * they are written; the output gate holds the response until they are on disk.
   * @param {string[]} rows
   * @param {boolean} [isAwaited] whether somebody waits for the response
   * @param {number} [dayShare] the beacons that this shard accepts in a day; null is returned for more
   */
  append(rows, isAwaited = false, dayShare = undefined) {
    if (dayShare !== undefined && !guard(() => this.#live().admit(rows.length, dayShare))) return null;
    const wait = guard(() => this.#live().commit_delay(rows.length, isAwaited));
    this.#rows.push(...rows);
    this.#commit ??= createCommit(() => this.#write());
    this.#commit.writeWithin(this.#rows.length < MAX_COMMIT_ROWS ? wait : 0);
    return this.#commit.stored;
  }

  alarm() {
    return guard(() => this.#live().alarm());
  }

  /**
   * Listeners do not speak. The platform answers pings without waking the object.
   * @param {WebSocket} socket
   */
  webSocketMessage(socket) {
    socket.close(1008, "this socket is read-only");
  }

  /**
   * Completes the close handshake.
   * @param {WebSocket} socket
   */
  webSocketClose(socket) {
    socket.close();
  }

  #live() {
    const instance = instanceId();
    if (!this.#object || this.#instance !== instance) {
      this.#object = new wasm.Shard(this.ctx, this.env);
      this.#instance = instance;
    }
    return this.#object;
  }

  #write() {
    const rows = this.#rows;
    this.#rows = [];
    this.#commit = null;
    return guard(() => this.#live().commit(rows.join(",")));
  }
}

/** The purge clock: the authority on purges. */
export class TagClock extends DurableObject {
  /** @type {wasm.TagClock | undefined} */
  #object;
  #instance = -1;

  /** @param {Request} request */
  fetch(request) {
    return guard(() => this.#live().fetch(request));
  }

  alarm() {
    return guard(() => this.#live().alarm());
  }

  #live() {
    const instance = instanceId();
    if (!this.#object || this.#instance !== instance) {
      this.#object = new wasm.TagClock(this.ctx, this.env);
      this.#instance = instance;
    }
    return this.#object;
  }
}

// A burst is written in parts, so that its first beacons do not wait for its last.
const MAX_COMMIT_ROWS = 100;

/**
 * Creates a commit, which is written once, at the earliest of the times that are asked for.
 * @param {() => Promise<boolean> | boolean} write
 * @returns {Commit}
 */
function createCommit(write) {
  /** @type {PromiseWithResolvers<boolean>} */
  const { promise: stored, resolve, reject } = Promise.withResolvers();
  let shortest = Infinity;
  let isWritten = false;
  return {
    stored,
    writeWithin(wait) {
      if (wait >= shortest) return;
      shortest = wait;
      void delay(wait).then(() => {
        if (isWritten) return;
        isWritten = true;
        try {
          resolve(write());
        } catch (error) {
          reject(error);
        }
      });
    },
  };
}

/** @typedef {{ stored: Promise<boolean>, writeWithin: (wait: number) => void }} Commit */
