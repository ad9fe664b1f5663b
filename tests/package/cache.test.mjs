//! `edge-vitals/cache` as it is installed, against a server that implements the Worker's management API.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { install, ROOM } from "./projects.mjs";

describe("edge-vitals/cache", () => {
  /** @type {typeof import("../../pkg/types/cache.js")} */
  let cache;
  /** @type {import("node:http").Server} */
  let server;
  /** @type {{ edge: string, token: string }} */
  let options;
  /** @type {{ path: string | undefined, authorization: string | undefined, body: string }[]} */
  let asked;
  /** What is answered next; the purge's own answer when there is none. @type {[number, unknown][]} */
  let answers;

  before(async () => {
    await install();
    cache = await import(join(ROOM, "node_modules/edge-vitals/backend/cache.js"));
    server = createServer(async (request, response) => {
      let body = "";
      for await (const part of request) body += part;
      asked.push({ path: request.url, authorization: request.headers.authorization, body });
      const [status, says] = answers.shift() ?? [200, { purged: true, seq: 7 }];
      response.writeHead(status, { "content-type": "application/json", ...(status === 302 && { location: "/elsewhere" }) }).end(JSON.stringify(says));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    options = { edge: `http://127.0.0.1:${port}`, token: "a token" };
  });

  beforeEach(() => {
    asked = [];
    answers = [];
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  test("each call is one request with its token and returns the result", async () => {
    assert.deepEqual(await cache.purgeTag("product:42", options), { purged: true, seq: 7 });
    await cache.purgeUrl(new URL("https://www.example.com/product/42"), { ...options, soft: true });
    await cache.purgePrefix("https://www.example.com/blog/", options);
    await cache.purgeAll(options);
    answers = [[200, { warmed: 2, fresh: 0, failed: 0, foreign: 0, left: 0 }]];
    const warmed = await cache.warm(["https://www.example.com/", "https://www.example.com/a"], { ...options, most: 5 });
    assert.equal(warmed.warmed, 2);
    await cache.warm("popular", options);
    assert.deepEqual(
      asked.map(({ path, body }) => [path, body]),
      [
        ["/api/cache/purge", '{"tag":"product:42"}'],
        ["/api/cache/purge", '{"url":"https://www.example.com/product/42","soft":true}'],
        ["/api/cache/purge", '{"prefix":"https://www.example.com/blog/"}'],
        ["/api/cache/purge", '{"all":true}'],
        ["/api/cache/warm?strategy=listed&most=5", "https://www.example.com/\nhttps://www.example.com/a"],
        ["/api/cache/warm?strategy=popular", ""],
      ],
    );
    assert.ok(asked.every(({ authorization }) => authorization === "Bearer a token"));
  });

  test("a call to a busy Worker is retried, with three attempts at most", async () => {
    answers = [[503, { detail: "busy" }], [429, {}]];
    assert.equal((await cache.purgeTag("a", options)).seq, 7);
    assert.equal(asked.length, 3);
    answers = [[503, {}], [503, {}], [503, { detail: "the clock did not answer" }], [200, {}]];
    await assert.rejects(cache.purgeTag("a", options), { name: "EdgeCacheError", status: 503, message: `${options.edge}/api/cache/purge answered 503: the clock did not answer` });
    assert.equal(asked.length, 6);
  });

  test("a refused call is not retried", async () => {
    answers = [[401, { detail: "send the secret CACHE_TOKEN as a bearer token" }]];
    await assert.rejects(cache.purgeTag("a", options), { status: 401, message: /send the secret CACHE_TOKEN/ });
    assert.equal(asked.length, 1);
  });

  test("a token does not follow a redirect", async () => {
    answers = [[302, {}], [302, {}], [302, {}]];
    await assert.rejects(cache.purgeTag("a", options), { name: "EdgeCacheError", status: undefined });
    assert.deepEqual(new Set(asked.map(({ path }) => path)), new Set(["/api/cache/purge"]));
  });

  test("options default to environment variables, and an error names what is missing", async () => {
    await assert.rejects(cache.purgeTag("a"), /set EDGE_VITALS_URL/);
    await assert.rejects(cache.purgeTag("a", { edge: options.edge }), /set EDGE_VITALS_CACHE_TOKEN/);
    Object.assign(process.env, { EDGE_VITALS_URL: options.edge, EDGE_VITALS_CACHE_TOKEN: "from the environment" });
    try {
      await cache.purgeTag("a");
      assert.equal(asked[0].authorization, "Bearer from the environment");
    } finally {
      delete process.env.EDGE_VITALS_URL;
      delete process.env.EDGE_VITALS_CACHE_TOKEN;
    }
  });
});
