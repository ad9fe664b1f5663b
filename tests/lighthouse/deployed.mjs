// The product as a network serves it, as far as Lighthouse notices: workerd itself with the built Worker, its
// files with their types and fields, and all of it compressed with brotli, from an edge nearby. Nothing of a
// developer's server is in between, whose own time would be counted as the Worker's.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { extname, join, normalize } from "node:path";
import { setTimeout as passed } from "node:timers/promises";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

import { product, start } from "../faults/workerd.mjs";
import { DESKTOP } from "../product.mjs";

const FILES = new URL("../../build/assets-dev", import.meta.url).pathname;

/** @param {string} name where it stores @param {Record<string, unknown>} [vars] */
export async function deployed(name, vars = {}) {
  const files = await served();
  const worker = await start(name, product(vars), { fresh: true, files: files.port });
  const network = await compressed(worker.port);
  return {
    origin: network.origin,
    worker,
    /** @param {unknown} beacon @param {Record<string, string>} [headers] */
    send: (beacon, headers = {}) => fetch(`http://127.0.0.1:${worker.port}/v1/vitals`, { method: "POST", body: JSON.stringify(beacon), headers: { "user-agent": DESKTOP, ...headers } }),
    close: async () => {
      await network.close();
      await worker.kill();
      await files.close();
      worker.forget();
    },
  };
}

/** Who serves the files: each with its type, and with the fields that `_headers` gives to its path. */
async function served() {
  const rules = fields(await readFile(join(FILES, "_headers"), "utf8"));
  return listening(
    http.createServer(async (request, response) => {
      const path = normalize(new URL(request.url ?? "/", "http://files").pathname);
      try {
        const bytes = await readFile(join(FILES, path.endsWith("/") ? `${path}index.html` : path));
        for (const { is, field, value } of rules) if (is(path)) response.setHeader(field, value);
        response.setHeader("content-type", TYPES[extname(path) || ".html"] ?? "application/octet-stream");
        if (!response.hasHeader("cache-control")) response.setHeader("cache-control", "public, max-age=0, must-revalidate");
        response.end(bytes);
      } catch {
        response.writeHead(404).end();
      }
    }),
  );
}

/** The rules of a `_headers` file. @param {string} text */
function fields(text) {
  /** @type {{ is: (path: string) => boolean, field: string, value: string }[]} */
  const rules = [];
  let is = (/** @type {string} */ _) => false;
  for (const line of text.split("\n").filter(Boolean)) {
    if (line.startsWith("/")) is = line.endsWith("*") ? (path) => path.startsWith(line.slice(0, -1)) : (path) => path === line;
    else {
      const at = line.indexOf(":");
      rules.push({ is, field: line.slice(0, at).trim(), value: line.slice(at + 1).trim() });
    }
  }
  return rules;
}

/** @type {Record<string, string>} */
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml", ".wasm": "application/wasm" };

/**
 * Milliseconds to an edge and back, as most people have them. From no distance at all a script is there before the
 * page is painted that asks for it, and Lighthouse takes it for what the paint has waited for.
 */
const AWAY = 40;

/** As hard as a network tries that does it while it sends; a file that it has once sent it keeps so. */
const squeezed = promisify(brotliCompress);
/** @type {Map<string, Promise<Buffer>>} */
const kept = new Map();
const squeeze = (/** @type {Buffer} */ body) => {
  const name = createHash("sha256").update(body).digest("hex");
  const small = kept.get(name) ?? squeezed(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } });
  kept.set(name, small);
  return small;
};

/** What stands before the Worker. @param {number} port */
async function compressed(port) {
  const to = { host: "127.0.0.1", port };
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    const asked = http.request({ ...to, agent, method: request.method, path: request.url, headers: { ...request.headers, "accept-encoding": "identity" } }, async (answer) => {
      const headers = { ...answer.headers };
      try {
        // Whole and with its length: a connection on which something is still to come is not used again, and
        // Lighthouse would count a new one, which no deployment opens for a second file.
        /** @type {Buffer} */
        let body = Buffer.concat(await answer.toArray());
        if (/text|json|javascript|wasm|svg/.test(headers["content-type"] ?? "") && body.length > 0 && /\bbr\b/.test(String(request.headers["accept-encoding"]))) {
          body = await squeeze(body);
          headers["content-encoding"] = "br";
        }
        delete headers["transfer-encoding"];
        if (answer.statusCode !== 304 && answer.statusCode !== 204) headers["content-length"] = String(body.length);
        await passed(AWAY);
        response.writeHead(answer.statusCode ?? 502, headers).end(body);
      } catch {
        response.destroy();
      }
    });
    asked.on("error", () => response.destroy());
    request.pipe(asked);
  });
  server.on("upgrade", (request, socket, head) => {
    const on = net.connect(to.port, to.host, () => {
      on.write(`${request.method} ${request.url} HTTP/1.1\r\n${request.rawHeaders.map((word, index) => (index % 2 ? `${word}\r\n` : `${word}: `)).join("")}\r\n`);
      on.write(head);
      socket.pipe(on).pipe(socket);
    });
    for (const end of [on, socket]) end.on("error", () => (on.destroy(), socket.destroy()));
  });
  const { port: own, close } = await listening(server);
  return { origin: `http://localhost:${own}`, close: () => (agent.destroy(), close()) };
}

/** @param {http.Server} server */
async function listening(server) {
  await new Promise((resolve) => void server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  return {
    port,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
