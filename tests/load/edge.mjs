// The target of the load tests: the built Worker in workerd alone, in front of an origin that responds
// as traffic.json defines. Prints its address and process ids as one line of JSON, and exits when its
// input ends. The senders are separate processes, so that processor time can be attributed.
import { readFileSync } from "node:fs";
import http from "node:http";

import { product, start } from "../faults/workerd.mjs";

/** @typedef {{ name: string, share: number, path: string, of?: number, bytes?: number, cache_control?: string, body?: string, site?: string }} Kind */
/** @type {{ host: string, mix: Kind[] }} */
const { host, mix } = JSON.parse(readFileSync(new URL("traffic.json", import.meta.url), "utf8"));

/** Finds the kind of an origin's path. @param {string} path */
const kindOf = (path) => mix.find((kind) => kind.bytes && path.startsWith(kind.path.replace("{n}", "")));

/** Creates a body that identifies its path in every part. @param {string} path @param {number} bytes */
const bodyOf = (path, bytes) => `${path}\n`.repeat(Math.ceil(bytes / (path.length + 1))).slice(0, bytes);

const origin = http.createServer((request, response) => {
  const path = request.url ?? "/";
  const kind = kindOf(path);
  if (!kind) return void response.writeHead(404).end();
  const etag = `"${path}"`;
  const fields = { "cache-control": kind.cache_control, etag, "content-type": "text/plain", "cache-tag": kind.name };
  if (request.headers["if-none-match"] === etag) response.writeHead(304, fields).end();
  else response.writeHead(200, fields).end(bodyOf(path, kind.bytes ?? 0));
});
await new Promise((resolve) => origin.listen(0, "127.0.0.1", () => resolve(undefined)));
const { port } = /** @type {import("node:net").AddressInfo} */ (origin.address());
const EDGE = JSON.stringify({ routes: [{ host, path: "/**", origin: `http://127.0.0.1:${port}` }] });
const workerd = await start(`load-${process.pid}`, product({ EDGE }), { fresh: true });
console.log(JSON.stringify({ at: `127.0.0.1:${workerd.port}`, host, workerd: workerd.pid, origin: process.pid }));

process.stdin.resume();
await new Promise((resolve) => {
  process.stdin.once("close", () => resolve(undefined));
  process.once("SIGTERM", () => resolve(undefined));
});
await workerd.kill();
workerd.removeFiles();
process.exit(0);
