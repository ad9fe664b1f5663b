// The tiers below memory, as workerd reaches them: this process serves the Cache API and KV. They store
// what they are sent, and fail, lag and corrupt on demand; the product is byte for byte the deployed
// one.
import http from "node:http";

/** @typedef {"well" | "errors" | "hangs" | "slow" | "stalls" | "breaks" | "rubbish" | "short"} Mode */

// Longer than the deadline of a lookup.
const SLOW_MS = 700;

/** Starts both services, each with its own entries. */
export async function startTiers() {
  const [colo, kv] = await Promise.all([service(true), service(false)]);
  return {
    colo,
    kv,
    close: () => {
      colo.close();
      kv.close();
    },
  };
}

/** @param {boolean} isCache the protocol: the Cache API's or KV's */
async function service(isCache) {
  /** The stored bodies, by path. @type {Map<string, Buffer>} */
  const entries = new Map();
  /** The stored header fields, by path. @type {Map<string, Record<string, string>>} */
  const fields = new Map();
  /** The behaviour towards reads and writes. @type {{ reads: Mode, writes: Mode }} */
  const behaviour = { reads: "well", writes: "well" };
  const requests = { reads: 0, writes: 0 };
  const server = http.createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    const isRead = request.method === "GET";
    requests[isRead ? "reads" : "writes"] += 1;
    /** @type {Buffer[]} */
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("error", () => {});
    request.on("end", () => {
      const mode = behaviour[isRead ? "reads" : "writes"];
      if (mode === "slow") setTimeout(() => respond("well"), SLOW_MS);
      else respond(mode);
    });
    /** @param {Mode} mode */
    function respond(mode) {
      if (mode === "hangs") return;
      if (mode === "errors") return void response.writeHead(500).end();
      if (!isRead) {
        if (mode === "breaks") return void response.destroy();
        const sent = Buffer.concat(chunks);
        const message = isCache ? unpack(sent) : { body: sent, head: {} };
        if (request.method === "PUT") {
          entries.set(path, message.body);
          fields.set(path, message.head);
        } else {
          entries.delete(path);
        }
        return void response.writeHead(204).end();
      }
      const stored = entries.get(path);
      const status = (/** @type {string} */ word) => (isCache ? { "cf-cache-status": word } : {});
      if (!stored) return void response.writeHead(isCache ? 504 : 404, status("MISS")).end();
      const bytes = mode === "rubbish" ? Buffer.from("rubbish".repeat(100)) : mode === "short" ? stored.subarray(0, stored.length - 3) : stored;
      response.writeHead(200, { ...fields.get(path), ...status("HIT"), "content-length": bytes.length });
      if (mode === "breaks") response.write(bytes.subarray(0, bytes.length - 3), () => response.socket?.resetAndDestroy());
      else if (mode === "stalls") response.write(bytes.subarray(0, bytes.length - 3));
      else response.end(bytes);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return {
    entries,
    behaviour,
    requests,
    port: /** @type {import("node:net").AddressInfo} */ (server.address()).port,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Unpacks a PUT of the Cache API, which carries a whole HTTP/1.1 response. @param {Buffer} message */
function unpack(message) {
  const end = message.indexOf("\r\n\r\n");
  const lines = message.subarray(0, end).toString("latin1").split("\r\n").slice(1);
  const head = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
  const body = message.subarray(end + 4);
  const isChunked = head["transfer-encoding"] !== undefined;
  for (const name of ["transfer-encoding", "content-length", "connection"]) delete head[name];
  return { head, body: isChunked ? joinChunks(body) : body };
}

/** Joins the chunks of a body. @param {Buffer} body */
function joinChunks(body) {
  const parts = [];
  for (let at = 0; ; ) {
    const line = body.indexOf("\r\n", at);
    const size = Number.parseInt(body.subarray(at, line).toString("latin1"), 16);
    if (!size) return Buffer.concat(parts);
    parts.push(body.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}
