// The health of a site, access to each part of the document, and the origin's own health check.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";

import { beacon, serve } from "../product.mjs";
import { createChecker } from "./openapi.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
/** @type {ReturnType<typeof createChecker>} */
let check;
/** The origin's response, and the number of requests for it. */
const origin = { status: 200, body: "{}", asked: 0 };
const server = http.createServer((_, response) => {
  origin.asked += 1;
  response.writeHead(origin.status, { "content-type": "application/health+json" }).end(origin.body);
});
const READ = { authorization: "Bearer read" };

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  product = await serve({
    READ_TOKEN: "read",
    MANAGE_TOKEN: "manage",
    SITES: { demo: { public: true }, busy: { public: true }, shut: {}, ill: { public: true }, well: { public: true } },
    ORIGIN_HEALTH_URL: `ill=http://127.0.0.1:${port}/ill,well=http://127.0.0.1:${port}/well`,
  });
  check = createChecker(await (await fetch(`${product.origin}/api/openapi.json`)).text());
});
after(async () => {
  await product?.close();
  server.close();
});

/** Sends a request and checks its response against the OpenAPI document. @param {string} path @param {Record<string, string>} [headers] @param {string} [method] */
async function request(path, headers = {}, method = "GET") {
  const answer = await fetch(product.origin + path, { headers, method });
  const text = await answer.text();
  check(method, path, answer.status, answer.headers.get("content-type") ?? "", text);
  return { status: answer.status, body: JSON.parse(text), type: answer.headers.get("content-type") };
}

test("a valid configuration passes the liveness check in a few bytes", async () => {
  const { status, body, type } = await request("/api/health");
  assert.deepEqual([status, body, type], [200, { status: "pass" }, "application/health+json"]);
  const head = await fetch(`${product.origin}/api/health`, { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  assert.equal((await fetch(`${product.origin}/api/health`, { method: "POST" })).status, 405);
});

test("an invalid configuration fails the liveness check with 503", async () => {
  for (const vars of [{ SHARDS: "none" }, { BACKEND_HEALTH_URL: "https://backend.example/" }, { ALERT_CHANNELS: "[{}]" }, { EDGE: "{" }]) {
    const broken = await serve(vars);
    try {
      const answer = await fetch(`${broken.origin}/api/health`);
      const text = await answer.text();
      assert.deepEqual([answer.status, JSON.parse(text)], [503, { status: "fail" }], JSON.stringify(vars));
      check("GET", "/api/health", 503, answer.headers.get("content-type") ?? "", text);
    } finally {
      await broken.close();
    }
  }
});

test("readers get the details, token holders the operations, and nobody learns of a site that is not public", async () => {
  const parts = async (/** @type {string} */ site, headers = {}) => {
    const { body } = await request(`/api/health/advanced?site=${site}`, headers);
    return [body.details !== undefined, body.operations !== undefined];
  };
  for (const site of ["shut", "nowhere"]) {
    assert.equal((await request(`/api/health/advanced?site=${site}`)).status, 401);
    assert.equal((await request(`/api/health/advanced?site=${site}`, { authorization: "Bearer wrong" })).status, 401);
  }
  assert.deepEqual(await parts("demo"), [true, false]);
  assert.deepEqual(await parts("shut", READ), [true, true]);
  assert.deepEqual(await parts("demo", { authorization: "Bearer manage" }), [true, true]);
  assert.equal((await request("/api/health/advanced?site=nowhere", READ)).status, 404);
});

test("a site without visits is unknown, not healthy", async () => {
  const { status, body } = await request("/api/health/advanced?site=shut", READ);
  assert.deepEqual([status, body.status, body.health], [200, "warn", "unknown"]);
  assert.ok(body.details.reasons.includes("No beacon has been received yet."), body.details.reasons);
  assert.ok(body.details.vitals.length > 0 && body.details.vitals.every((/** @type {any} */ { verdict }) => verdict === "unknown"));
});

test("each budgeted cell has its counts, verdict and freshness, and the parts add up", async () => {
  const began = Math.floor(Date.now() / 3_600_000) * 3_600_000;
  for (let index = 0; index < 100; index += 1) {
    assert.equal((await product.send(beacon({ site: "busy", path: "/slow", seq: 1, m: { LCP: index < 50 ? 1200 : 2600 } }))).status, 200);
  }
  const { status, body } = await request("/api/health/advanced?site=busy", READ);
  const lcp = body.details.vitals.find((/** @type {any} */ { route, metric }) => route === "/slow" && metric === "LCP");
  assert.deepEqual([lcp.n, lcp.k, lcp.verdict, lcp.max], [100, 50, "violated", 2000]);
  assert.ok(lcp.seen_in >= began);
  assert.match(body.details.reasons[0], /LCP of \/slow on desktops violates its budget: 50 of 100 visits exceed it/);
  assert.deepEqual(body.details.losses, { views: 100, sent: 200, heard: 100, lost: {}, refused: {} });
  assert.equal(body.score, body.parts.reduce((/** @type {number} */ sum, /** @type {any} */ { points }) => sum + points, 0));
  assert.equal(body.parts.reduce((/** @type {number} */ sum, /** @type {any} */ { of }) => sum + of, 0), 100);
  assert.equal(status, body.status === "fail" ? 503 : 200);
  assert.ok(body.operations.memory.bytes > 1_000_000 && body.operations.memory.percent < 50, JSON.stringify(body.operations.memory));
});

test("the origin's health check is rarely requested, its database checks are passed on, and a single failure changes no status", async () => {
  const checks = { "database:responseTime": [{ status: "pass", observedValue: 3, observedUnit: "ms" }], "cpu:utilization": [{ status: "pass" }] };
  origin.body = JSON.stringify({ status: "pass", checks });
  await product.send(beacon({ site: "well" }));
  const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => request(`/api/health/advanced?site=well&n=${index}`, READ)));
  const withOrigin = answers.find(({ body }) => body.operations.origin);
  assert.deepEqual([withOrigin?.body.operations.origin.is_up, withOrigin?.body.operations.origin.status, withOrigin?.body.operations.origin.database], [true, 200, checks["database:responseTime"]]);
  assert.equal(origin.asked, 1);
  assert.match(withOrigin?.body.details.because.origin, /^Origin 127\.0\.0\.1:\d+: there were no requests of visitors; its health check passes\.$/);

  origin.status = 503;
  await product.send(beacon({ site: "ill" }));
  const { status, body } = await request("/api/health/advanced?site=ill", READ);
  // A single failed check may be chance.
  assert.deepEqual([status, body.operations.origin.is_up, body.operations.origin.failures], [200, false, 1]);
});
