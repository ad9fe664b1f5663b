// A backend as the package's receiver makes it, whose answers are scripted: what it stores is what it has
// acknowledged, or says that it has. For one test file.
import http from "node:http";

import { receiveExpress } from "../../pkg/backend/backend.js";

/**
 * @typedef {"take" | "lose" | "reset-after" | "hold" | { status: number, headers?: Record<string, string> }} Way
 * How one request goes: stored and acknowledged; cut off before it is read; stored, and cut off before it
 * is acknowledged; stored, and acknowledged when it is let go; answered with a status and not stored.
 */

export const SECRETS = { "2027-01": "an example secret of 32 bytes...", "2027-02": "the next secret, also of 32 bytes" };

/** Starts it. @param {{ keys?: Record<string, string>, now?: () => number }} [options] */
export async function backend({ keys = { "2027-01": SECRETS["2027-01"] }, now = Date.now } = {}) {
  /** What is stored, by its key. @type {Map<string, import("../../pkg/types/backend.js").Push>} */
  const stored = new Map();
  /** The statuses that were answered; 0 for none. @type {number[]} */
  const answered = [];
  /** How the next requests go; then they are taken. @type {Way[]} */
  const script = [];
  /** @type {Set<() => void>} */
  const watchers = new Set();
  /** What is held. @type {(() => void)[]} */
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
    const ended = (/** @type {number} */ status) => {
      answered.push(status);
      watchers.forEach((look) => look());
    };
    if (way === "lose") {
      request.socket.destroy();
      return ended(0);
    }
    if (typeof way === "object") {
      request.resume();
      response.writeHead(way.status, way.headers).end();
      return ended(way.status);
    }
    // Read anew for each request, as a server that was restarted with other keys would.
    const receive = receiveExpress({ ...options, keys: settings.keys });
    if (way === "take") {
      await receive(request, response);
      return ended(response.statusCode);
    }
    await receive(request, { writeHead: () => {}, end: () => {} });
    if (way === "hold") {
      const released = new Promise((resolve) => holding.push(() => resolve(undefined)));
      watchers.forEach((look) => look());
      await released;
      response.writeHead(200).end();
      return ended(200);
    }
    request.socket.destroy();
    ended(0);
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
    /** Resolves when that holds, looked at after each answer. @param {() => boolean} holds @param {number} [within] milliseconds */
    until: (holds, within = 120_000) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!holds()) return;
          clearTimeout(patience);
          watchers.delete(look);
          resolve(undefined);
        };
        const patience = setTimeout(() => reject(new Error(`it never came to that; ${stored.size} are stored, answered was ${answered.slice(-20)}`)), within);
        watchers.add(look);
        look();
      }),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
