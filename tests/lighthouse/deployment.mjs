// The product as deployed, as far as Lighthouse can tell: workerd with the built Worker, its static
// files with their types and fields, and brotli compression, at a short distance. No development server
// is involved, since its time would count as the Worker's.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { extname, join, normalize } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

import { product, start } from "../faults/workerd.mjs";
import { DESKTOP } from "../product.mjs";

const FILES = new URL("../../build/assets-dev", import.meta.url).pathname;

/** @param {string} name of its storage @param {Record<string, unknown>} [vars] */
export async function deploy(name, vars = {}) {
  const files = await serveFiles();
  const worker = await start(name, product(vars), { fresh: true, files: files.port });
  const network = await startProxy(worker.port);
  return {
    origin: network.origin,
    worker,
    /** @param {unknown} beacon @param {Record<string, string>} [headers] */
    send: (beacon, headers = {}) => fetch(`http://127.0.0.1:${worker.port}/v1/vitals`, { method: "POST", body: JSON.stringify(beacon), headers: { "user-agent": DESKTOP, ...headers } }),
    close: async () => {
      await network.close();
      await worker.kill();
      await files.close();
      worker.removeFiles();
    },
  };
}

/** Serves the static files, each with its type and the fields of its path in `_headers`. */
async function serveFiles() {
  const rules = parseHeaders(await readFile(join(FILES, "_headers"), "utf8"));
  return listen(
    http.createServer(async (request, response) => {
      const path = normalize(new URL(request.url ?? "/", "http://files").pathname);
      try {
        const bytes = await readFile(join(FILES, path.endsWith("/") ? `${path}index.html` : path));
        for (const { matches, field, value } of rules) if (matches(path)) response.setHeader(field, value);
        response.setHeader("content-type", TYPES[extname(path) || ".html"] ?? "application/octet-stream");
        if (!response.hasHeader("cache-control")) response.setHeader("cache-control", "public, max-age=0, must-revalidate");
        response.end(bytes);
      } catch {
        response.writeHead(404).end();
      }
    }),
  );
}

/** Parses a `_headers` file. @param {string} text */
function parseHeaders(text) {
  /** @type {{ matches: (path: string) => boolean, field: string, value: string }[]} */
  const rules = [];
  let matches = (/** @type {string} */ _) => false;
  for (const line of text.split("\n").filter(Boolean)) {
    if (line.startsWith("/")) matches = line.endsWith("*") ? (path) => path.startsWith(line.slice(0, -1)) : (path) => path === line;
    else {
      const at = line.indexOf(":");
      rules.push({ matches, field: line.slice(0, at).trim(), value: line.slice(at + 1).trim() });
    }
  }
  return rules;
}

/** @type {Record<string, string>} */
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml", ".wasm": "application/wasm" };

/**
 * A typical round trip to the edge. Without any distance a script arrives before the first paint of the page that
 * loads it, and Lighthouse takes it for render-blocking.
 */
const ROUND_TRIP_MS = 40;

/** Networks compress on the fly with moderate effort, and cache the compressed files. */
const brotli = promisify(brotliCompress);
/** @type {Map<string, Promise<Buffer>>} */
const compressedFiles = new Map();
const compress = (/** @type {Buffer} */ body) => {
  const name = createHash("sha256").update(body).digest("hex");
  const small = compressedFiles.get(name) ?? brotli(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } });
  compressedFiles.set(name, small);
  return small;
};

/** Starts the compressing proxy in front of the Worker. @param {number} port */
async function startProxy(port) {
  const target = { host: "127.0.0.1", port };
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    const forwarded = http.request({ ...target, agent, method: request.method, path: request.url, headers: { ...request.headers, "accept-encoding": "identity" } }, async (answer) => {
      const headers = { ...answer.headers };
      try {
        // Complete and with a Content-Length: otherwise the connection is not reused, and Lighthouse
        // would count a new one, which no deployment opens for a second file.
        /** @type {Buffer} */
        let body = Buffer.concat(await answer.toArray());
        if (/text|json|javascript|wasm|svg/.test(headers["content-type"] ?? "") && body.length > 0 && /\bbr\b/.test(String(request.headers["accept-encoding"]))) {
          body = await compress(body);
          headers["content-encoding"] = "br";
        }
        delete headers["transfer-encoding"];
        if (answer.statusCode !== 304 && answer.statusCode !== 204) headers["content-length"] = String(body.length);
        await sleep(ROUND_TRIP_MS);
        response.writeHead(answer.statusCode ?? 502, headers).end(body);
      } catch {
        response.destroy();
      }
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
  server.on("upgrade", (request, socket, head) => {
    const upstream = net.connect(target.port, target.host, () => {
      upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${request.rawHeaders.map((word, index) => (index % 2 ? `${word}\r\n` : `${word}: `)).join("")}\r\n`);
      upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
    for (const end of [upstream, socket]) end.on("error", () => (upstream.destroy(), socket.destroy()));
  });
  const { port: proxyPort, close } = await listen(server);
  return { origin: `http://localhost:${proxyPort}`, close: () => (agent.destroy(), close()) };
}

/** @param {http.Server} server */
async function listen(server) {
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
