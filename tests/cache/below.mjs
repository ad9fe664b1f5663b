// The tiers below memory, as workerd asks them: the Cache API and KV are services to it, and here they are
// this process's. They keep what they are given, and fail, lag and lie as they are told; the product is
// the one that is deployed, to the byte.
import http from "node:http";

/** @typedef {"well" | "errors" | "hangs" | "breaks" | "rubbish" | "short"} Manner */

/** Both services, each with what it keeps. */
export async function below() {
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

/** @param {boolean} isCache whether it speaks as the Cache API's service does, or as KV's */
async function service(isCache) {
  /** What is kept, by its path. @type {Map<string, Buffer>} */
  const entries = new Map();
  /** And with which fields. @type {Map<string, Record<string, string>>} */
  const fields = new Map();
  /** How it behaves towards who reads and who writes. @type {{ reads: Manner, writes: Manner }} */
  const manners = { reads: "well", writes: "well" };
  const asked = { reads: 0, writes: 0 };
  const server = http.createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    const isRead = request.method === "GET";
    asked[isRead ? "reads" : "writes"] += 1;
    /** @type {Buffer[]} */
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("error", () => {});
    request.on("end", () => {
      const manner = manners[isRead ? "reads" : "writes"];
      if (manner === "hangs") return;
      if (manner === "errors") return void response.writeHead(500).end();
      if (!isRead) {
        if (manner === "breaks") return void response.destroy();
        const sent = Buffer.concat(chunks);
        const message = isCache ? unpacked(sent) : { body: sent, head: {} };
        if (request.method === "PUT") {
          entries.set(path, message.body);
          fields.set(path, message.head);
        } else {
          entries.delete(path);
        }
        return void response.writeHead(204).end();
      }
      const kept = entries.get(path);
      const status = (/** @type {string} */ word) => (isCache ? { "cf-cache-status": word } : {});
      if (!kept) return void response.writeHead(isCache ? 504 : 404, status("MISS")).end();
      const bytes = manner === "rubbish" ? Buffer.from("rubbish".repeat(100)) : manner === "short" ? kept.subarray(0, kept.length - 3) : kept;
      response.writeHead(200, { ...fields.get(path), ...status("HIT"), "content-length": bytes.length });
      if (manner === "breaks") response.write(bytes.subarray(0, bytes.length - 3), () => response.socket?.resetAndDestroy());
      else response.end(bytes);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return {
    entries,
    manners,
    asked,
    port: /** @type {import("node:net").AddressInfo} */ (server.address()).port,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The Cache API's PUT brings a whole response of HTTP/1.1. @param {Buffer} message */
function unpacked(message) {
  const end = message.indexOf("\r\n\r\n");
  const lines = message.subarray(0, end).toString("latin1").split("\r\n").slice(1);
  const head = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
  const body = message.subarray(end + 4);
  const isChunked = head["transfer-encoding"] !== undefined;
  for (const name of ["transfer-encoding", "content-length", "connection"]) delete head[name];
  return { head, body: isChunked ? joined(body) : body };
}

/** The chunks of a body. @param {Buffer} body */
function joined(body) {
  const parts = [];
  for (let at = 0; ; ) {
    const line = body.indexOf("\r\n", at);
    const size = Number.parseInt(body.subarray(at, line).toString("latin1"), 16);
    if (!size) return Buffer.concat(parts);
    parts.push(body.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}
