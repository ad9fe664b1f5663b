// A backend with scripted responses, built on the package's receiver, for one test file. It stores each
// push that it acknowledges or claims to have acknowledged.
import http from "node:http";

import { receiveExpress } from "../../pkg/backend/backend.js";

/**
 * @typedef {"take" | "lose" | "reset-after" | "hold" | { status: number, headers?: Record<string, string> }} Way
 * The handling of one request: stored and acknowledged; connection closed before it is read; stored, but
 * closed before the acknowledgement; stored, and acknowledged on release; rejected with a status.
 */

export const SECRETS = { "2027-01": "an example secret of 32 bytes...", "2027-02": "the next secret, also of 32 bytes" };

/** Starts the backend. @param {{ keys?: Record<string, string>, now?: () => number }} [options] */
export async function startBackend({ keys = { "2027-01": SECRETS["2027-01"] }, now = Date.now } = {}) {
  /** The stored pushes, by key. @type {Map<string, import("../../pkg/types/backend.js").Push>} */
  const stored = new Map();
  /** The statuses of all responses; 0 for a closed connection. @type {number[]} */
  const answered = [];
  /** The handling of the next requests; without an entry, a request is taken. @type {Way[]} */
  const script = [];
  /** @type {Set<() => void>} */
  const watchers = new Set();
  /** Releases the held requests. @type {(() => void)[]} */
  const holding = [];
  const settings = { keys, now };
  const options = {
    now: () => settings.now(),
    store: async (/** @type {import("../../pkg/types/backend.js").Push} */ push) => {
      if (stored.has(push.key)) return false;
      stored.set(push.key, push);
    },
  };
  const server = http.createServer(async (request, response) => {
    const way = script.shift() ?? "take";
    const finish = (/** @type {number} */ status) => {
      answered.push(status);
      watchers.forEach((check) => check());
    };
    if (way === "lose") {
      request.socket.destroy();
      return finish(0);
    }
    if (typeof way === "object") {
      request.resume();
      response.writeHead(way.status, way.headers).end();
      return finish(way.status);
    }
    // The receiver is created for each request, as after a restart with other keys.
    const receive = receiveExpress({ ...options, keys: settings.keys });
    if (way === "take") {
      await receive(request, response);
      return finish(response.statusCode);
    }
    await receive(request, { writeHead: () => {}, end: () => {} });
    if (way === "hold") {
      const released = new Promise((resolve) => holding.push(() => resolve(undefined)));
      watchers.forEach((check) => check());
      await released;
      response.writeHead(200).end();
      return finish(200);
    }
    request.socket.destroy();
    finish(0);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/vitals`,
    stored,
    answered,
    script,
    settings,
    holding,
    /** Resolves when the condition holds; it is checked after each response. @param {() => boolean} holds @param {number} [within] milliseconds */
    until: (holds, within = 120_000) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (!holds()) return;
          clearTimeout(timeout);
          watchers.delete(check);
          resolve(undefined);
        };
        const timeout = setTimeout(() => reject(new Error(`the condition never held: ${stored.size} stored, last statuses ${answered.slice(-20)}`)), within);
        watchers.add(check);
        check();
      }),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
