// A site behind the cache: a scripted origin, the built Worker in front of it in workerd, and a client
// that controls every byte.
import assert from "node:assert/strict";
import http from "node:http";

import { Ajv2020 } from "ajv/dist/2020.js";

import { product as built, start } from "../faults/workerd.mjs";
import { serve } from "../product.mjs";

/**
 * @typedef {{ status: number, headers: Record<string, string>, raw: string[], body: string, bytes: Buffer }} Answer
 * @typedef {{ method: string, path: string, headers: http.IncomingHttpHeaders, body: string }} OriginRequest
 * @typedef {(request: OriginRequest, response: http.ServerResponse) => void | Promise<void>} Script
 */

/** Starts an origin with a script for each path. It records its requests. */
export async function startOrigin() {
  /** @type {Map<string, Script>} */
  const scripts = new Map();
  /** @type {OriginRequest[]} */
  const requests = [];
  /** The waiters for a path's first request. @type {Map<string, () => void>} */
  const waiting = new Map();
  const server = http.createServer({ maxHeaderSize: 131_072 }, (request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk) => (body += chunk));
    request.on("end", async () => {
      const path = request.url ?? "/";
      const received = { method: request.method ?? "", path, headers: request.headers, body };
      requests.push(received);
      waiting.get(path)?.();
      const script = scripts.get(path) ?? scripts.get(path.split("?")[0]);
      try {
        if (script) await script(received, response);
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
    requests: (path) => requests.filter((request) => request.path === path),
    /** Waits for the first request of the path. @param {string} path */
    waitForRequest: async (path) => {
      if (!requests.some((request) => request.path === path)) await new Promise((/** @type {(value?: undefined) => void} */ resolve) => waiting.set(path, resolve));
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve(undefined)));
    },
  };
}

/** Creates a script that sends this response. @param {Record<string, string | string[]>} headers @param {string | Buffer} [body] @param {number} [status] @returns {Script} */
export const respond = (headers, body = "hello", status = 200) => (_, response) => void response.writeHead(status, headers).end(body);

/**
 * Starts the site as deployed; or, with a name in `raw`, in workerd alone, without Cache API and KV,
 * and without any compression between it and the client.
 * @param {(origin: string) => Record<string, any>} routes @param {Raw & { raw?: string, vars?: Record<string, any> }} [options]
 */
export async function site(routes, { raw, vars: more = {}, ...options } = {}) {
  const own = await startOrigin();
  const vars = { EDGE: JSON.stringify(routes(own.url)), CACHE_TOKEN: TOKEN, ...more };
  const product = raw === undefined ? await serve(vars) : await serveRaw(raw, vars, options);
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
     * Waits until all requests for a path are in progress: one has reached the origin, and since
     * workerd handles requests in order, a few later ones have completed.
     * @param {string} path
     */
    waitForQueue: async (path) => {
      await own.waitForRequest(path);
      for (let turn = 0; turn < 3; turn += 1) await ask("/api/health");
    },
    /** Creates a path for this test alone, with the origin's script. @param {Script} script @param {string} [under] */
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
 *   `clock`: with a purge clock; `main`: a module in front of the Worker; `colo`, `kv`: the tiers' ports
 * @param {string} name @param {Record<string, string>} vars @param {Raw} options
 */
async function serveRaw(name, vars, { clock = true, main, fresh = true, ...options }) {
  const worker = built(vars);
  // workerd runs the first module.
  if (main) worker.modules = Object.assign({ "main.js": new URL(main, import.meta.url).pathname }, worker.modules);
  if (!clock) worker.bindings = worker.bindings.filter((binding) => !binding.includes("TAG_CLOCK"));
  const workerd = await start(`cache-${name}`, worker, { fresh, ...options });
  let live = workerd;
  const restart = async () => {
    live = await start(`cache-${name}`, worker, options);
    return `http://127.0.0.1:${live.port}`;
  };
  return { origin: `http://127.0.0.1:${workerd.port}`, twin: workerd.twin, storage: workerd.storage, stop: () => live.kill(), restart, close: () => live.kill() };
}

/**
 * Creates a check of the cache API's responses against the Worker's OpenAPI document.
 * @param {string} origin @returns {Promise<(method: "get" | "post", action: string, answer: Answer) => any>}
 */
export async function createChecker(origin) {
  const document = await (await fetch(`${origin}/api/openapi.json`)).json();
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false });
  for (const keyword of Object.keys(document)) if (!["$id", "$schema"].includes(keyword)) ajv.addKeyword(keyword);
  ajv.addSchema({ $id: "https://doc.invalid/openapi.json", ...document });
  return (method, action, answer) => {
    const path = `/api/cache/${action.split("?")[0]}`;
    const description = document.paths[path]?.[method]?.responses[String(answer.status)];
    assert.ok(description, `${path} returned ${answer.status}, which OpenAPI does not describe: ${answer.body}`);
    const response = description.$ref ? document.components.responses[description.$ref.split("/").at(-1)] : description;
    const { schema } = response.content[answer.headers["content-type"]] ?? {};
    assert.ok(schema, `${path} returned ${answer.headers["content-type"]}, which OpenAPI does not describe`);
    const valid = ajv.compile({ $ref: `https://doc.invalid/openapi.json${schema.$ref}` });
    const body = JSON.parse(answer.body);
    assert.ok(valid(body), `${path}: ${ajv.errorsText(valid.errors)} in ${answer.body.slice(0, 400)}`);
    return body;
  };
}

/** Returns the cache status in Server-Timing. @param {Answer} answer */
export const cacheStatus = (answer) => answer.headers["server-timing"]?.match(/edge;desc=([a-z]+)/)?.[1];

/**
 * Repeats the request until the response is stored, which happens after it is sent.
 * @param {{ ask: (path: string, headers?: Record<string, string>) => Promise<Answer> }} site
 * @param {string} path @param {Record<string, string>} [headers]
 */
export async function fill(site, path, headers = {}) {
  const deadline = Date.now() + 5_000;
  let answer = await site.ask(path, headers);
  const first = answer;
  while (cacheStatus(answer) === "miss" && Date.now() < deadline) answer = await site.ask(path, headers);
  return { first, answer };
}

export const HOST = "www.example";
export const TOKEN = "a-token-of-the-tests";
