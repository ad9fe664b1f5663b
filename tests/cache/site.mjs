// A site behind the cache: a scripted origin, the built Worker before it in workerd, and a visitor that
// sends what it is told to, byte for byte.
import assert from "node:assert/strict";
import http from "node:http";

import { Ajv2020 } from "ajv/dist/2020.js";

import { product as built, start } from "../faults/workerd.mjs";
import { serve } from "../product.mjs";

/**
 * @typedef {{ status: number, headers: Record<string, string>, raw: string[], body: string, bytes: Buffer }} Answer
 * @typedef {{ method: string, path: string, headers: http.IncomingHttpHeaders, body: string }} Asked
 * @typedef {(request: Asked, response: http.ServerResponse) => void | Promise<void>} Script
 */

/** An origin whose paths do as they are told. It remembers what it was asked. */
export async function origin() {
  /** @type {Map<string, Script>} */
  const scripts = new Map();
  /** @type {Asked[]} */
  const asked = [];
  /** Who waits for a path to be asked for. @type {Map<string, () => void>} */
  const waiting = new Map();
  const server = http.createServer({ maxHeaderSize: 131_072 }, (request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk) => (body += chunk));
    request.on("end", async () => {
      const path = request.url ?? "/";
      const told = { method: request.method ?? "", path, headers: request.headers, body };
      asked.push(told);
      waiting.get(path)?.();
      const script = scripts.get(path) ?? scripts.get(path.split("?")[0]);
      try {
        if (script) await script(told, response);
        else response.writeHead(404).end("nothing here");
      } catch (error) {
        response.destroy(/** @type {Error} */ (error));
      }
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    /** @param {string} path @param {Script} script */
    on: (path, script) => void scripts.set(path, script),
    /** @param {string} path */
    asked: (path) => asked.filter((request) => request.path === path),
    /** Until the path is asked for. @param {string} path */
    heard: async (path) => {
      if (!asked.some((request) => request.path === path)) await new Promise((/** @type {(value?: undefined) => void} */ resolve) => waiting.set(path, resolve));
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve(undefined)));
    },
  };
}

/** An answer with these fields. @param {Record<string, string | string[]>} headers @param {string | Buffer} [body] @param {number} [status] @returns {Script} */
export const gives = (headers, body = "hello", status = 200) => (_, response) => void response.writeHead(status, headers).end(body);

/**
 * The site, served as it is deployed; or where `raw` is its name by workerd alone, which has no Cache API
 * and no KV, and between which and the visitor nothing packs or unpacks anything.
 * @param {(origin: string) => Record<string, any>} routes @param {Raw & { raw?: string, vars?: Record<string, any> }} [options]
 */
export async function site(routes, { raw, vars: more = {}, ...options } = {}) {
  const own = await origin();
  const vars = { EDGE: JSON.stringify(routes(own.url)), CACHE_TOKEN: TOKEN, ...more };
  const product = raw === undefined ? await serve(vars) : await bare(raw, vars, options);
  const worker = new URL(product.origin);
  const agent = new http.Agent({ keepAlive: true });
  let paths = 0;

  /**
   * @param {string} path @param {Record<string, string>} [headers] @param {{ method?: string, body?: string | Buffer, host?: string, signal?: AbortSignal, port?: number | string }} [more]
   * @returns {Promise<Answer>}
   */
  const ask = (path, headers = {}, { method = "GET", body, host = HOST, signal, port = worker.port } = {}) =>
    new Promise((resolve, reject) => {
      const options = { host: worker.hostname, port, agent, method, path, signal, maxHeaderSize: 131_072, headers: { host, ...headers } };
      const request = http.request(options, (response) => {
        /** @type {Buffer[]} */
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          const all = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
          resolve({ status: response.statusCode ?? 0, headers: all, raw: response.rawHeaders, body: bytes.toString(), bytes });
        });
      });
      request.on("error", reject);
      request.end(body);
    });

  return {
    own,
    product,
    ask,
    /**
     * Until all that was sent for a path has been taken up: one of them has reached the origin, and
     * workerd, which takes up what comes in its order, has answered others since.
     * @param {string} path
     */
    taken: async (path) => {
      await own.heard(path);
      for (let turn = 0; turn < 3; turn += 1) await ask("/api/health");
    },
    /** A path that no other test uses, with what the origin does there. @param {Script} script @param {string} [under] */
    page: (script, under = "/") => {
      const path = `${under}p${(paths += 1)}`;
      own.on(path, script);
      return path;
    },
    /** @param {string} action @param {any} [body] @param {Record<string, string>} [headers] */
    manage: (action, body, headers = { authorization: `Bearer ${TOKEN}` }) =>
      ask(`/api/cache/${action}`, headers, body === undefined ? {} : { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) }),
    close: async () => {
      agent.destroy();
      await product.close();
      await own.close();
    },
  };
}

/**
 * @typedef {{ clock?: boolean, main?: string, twin?: boolean, colo?: number, kv?: number, fresh?: boolean }} Raw
 *   without a clock; with a module of ours that stands before the Worker; with the tiers at these ports
 * @param {string} name @param {Record<string, string>} vars @param {Raw} options
 */
async function bare(name, vars, { clock = true, main, fresh = true, ...options }) {
  const worker = built(vars);
  // The first module is the one that workerd calls.
  if (main) worker.modules = Object.assign({ "main.js": new URL(main, import.meta.url).pathname }, worker.modules);
  if (!clock) worker.bindings = worker.bindings.filter((binding) => !binding.includes("TAG_CLOCK"));
  const workerd = await start(`cache-${name}`, worker, { fresh, ...options });
  let live = workerd;
  const rise = async () => {
    live = await start(`cache-${name}`, worker, options);
    return `http://127.0.0.1:${live.port}`;
  };
  return { origin: `http://127.0.0.1:${workerd.port}`, twin: workerd.twin, storage: workerd.storage, fall: () => live.kill(), rise, close: () => live.kill() };
}

/**
 * A check of answers of the management calls by the OpenAPI document that the Worker serves.
 * @param {string} origin @returns {Promise<(method: "get" | "post", action: string, answer: Answer) => any>}
 */
export async function described(origin) {
  const document = await (await fetch(`${origin}/api/openapi.json`)).json();
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false });
  for (const word of Object.keys(document)) if (!["$id", "$schema"].includes(word)) ajv.addKeyword(word);
  ajv.addSchema({ $id: "https://doc.invalid/openapi.json", ...document });
  return (method, action, answer) => {
    const path = `/api/cache/${action.split("?")[0]}`;
    const known = document.paths[path]?.[method]?.responses[String(answer.status)];
    assert.ok(known, `${path} answers ${answer.status}, which is not described: ${answer.body}`);
    const response = known.$ref ? document.components.responses[known.$ref.split("/").at(-1)] : known;
    const { schema } = response.content[answer.headers["content-type"]] ?? {};
    assert.ok(schema, `${path} answers ${answer.headers["content-type"]}, which is not described`);
    const valid = ajv.compile({ $ref: `https://doc.invalid/openapi.json${schema.$ref}` });
    const body = JSON.parse(answer.body);
    assert.ok(valid(body), `${path}: ${ajv.errorsText(valid.errors)} in ${answer.body.slice(0, 400)}`);
    return body;
  };
}

/** What Server-Timing says the edge did. @param {Answer} answer */
export const did = (answer) => answer.headers["server-timing"]?.match(/edge;desc=([a-z]+)/)?.[1];

/**
 * Asks until what was sent is stored: that happens after the visitor has got it.
 * @param {{ ask: (path: string, headers?: Record<string, string>) => Promise<Answer> }} site
 * @param {string} path @param {Record<string, string>} [headers]
 */
export async function filled(site, path, headers = {}) {
  const deadline = Date.now() + 5_000;
  let answer = await site.ask(path, headers);
  const first = answer;
  while (did(answer) === "miss" && Date.now() < deadline) answer = await site.ask(path, headers);
  return { first, answer };
}

export const HOST = "www.example";
export const TOKEN = "a-token-of-the-tests";
