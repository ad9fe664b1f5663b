// The rights of callers: every endpoint of the route table, scoped tokens, failed sign-ins and the audit log.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { beacon, serve } from "../product.mjs";
import { createChecker } from "./openapi.mjs";

const document = readFileSync(new URL("../../worker/openapi.json", import.meta.url), "utf8");
const check = createChecker(document);
const sha256 = (/** @type {string} */ token) => createHash("sha256").update(token).digest("hex");
const token = (/** @type {string} */ name) => `${name} token of at least 32 characters`;
const RIGHTS = ["read", "manage", "lab", "ingest-report"];

/** @param {string} name @param {string[]} rights @param {{ secret?: string, expires?: string }} [more] */
const entry = (name, rights, { secret = token(name), expires = "2099-01-01" } = {}) => ({ name, rights, sha256: sha256(secret), expires });

const ACCESS_TOKENS = JSON.stringify({
  shut: [...RIGHTS.map((right) => entry(right, [right])), entry("ci", ["manage"], { secret: token("old ci") }), entry("ci", ["manage"], { secret: token("new ci") }), entry("late", ["read"], { expires: "2020-01-01" })],
  blog: [entry("blog", RIGHTS)],
  "*": [entry("cache", ["cache"]), entry("all", ["manage"]), entry("short", ["read"], { secret: "short" })],
});

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => {
  const SITES = { demo: { public: true }, shut: {}, blog: {}, backend: { public: true, reports_need_token: true } };
  product = await serve({ SITES, READ_TOKEN: "read sesame", MANAGE_TOKEN: "manage sesame", CACHE_TOKEN: "cache sesame", ACCESS_TOKENS });
});
after(() => product?.close());

let hosts = 0;
/** A client network of its own. */
const network = () => `2001:db8:0:${(hosts += 1).toString(16)}::1`;

/** @param {string} method @param {string} path @param {string} [secret] @param {{ from?: string, body?: string }} [more] */
async function call(method, path, secret, { from = network(), body } = {}) {
  const headers = { "cf-connecting-ip": from, ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }) };
  const response = await fetch(`${product.origin}${path}`, { method, headers, body: method === "POST" ? (body ?? "{}") : undefined });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Each operation with the schemes that admit to it; `null` for nobody in particular. */
const operations = Object.entries(JSON.parse(document).paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { security }]) => ({ method: method.toUpperCase(), path, schemes: security ? security.flatMap((/** @type {object} */ scheme) => Object.keys(scheme)) : null, isPublic: !security || security.some((/** @type {object} */ scheme) => Object.keys(scheme).length === 0) })),
);
const guarded = operations.filter(({ schemes }) => schemes);
/** The parameters without which an endpoint refuses before it reads. */
const query = (/** @type {string} */ path, /** @type {string} */ site) => `${path.replace("{site}", site)}?site=${encodeURIComponent(site)}${path.endsWith("compare") ? "&a.release=1&b.release=2" : ""}`;

test("at every endpoint, a site that does not exist and one that is not yours answer alike", async () => {
  assert.ok(guarded.length > 25, "the route table is read");
  for (const { method, path } of guarded.filter(({ path }) => path !== "/api/live")) {
    for (const secret of [undefined, token("blog"), token("late"), "short"]) {
      const [unknown, shut] = [await call(method, query(path, "nowhere"), secret), await call(method, query(path, "shut"), secret)];
      assert.equal(unknown.status, 401, `${method} ${path} ${secret}`);
      assert.deepEqual([shut.status, shut.text], [unknown.status, unknown.text], `${method} ${path} ${secret}`);
      assert.equal(unknown.headers.get("www-authenticate"), "Bearer", path);
      assert.doesNotMatch(unknown.text, /nowhere|shut/);
    }
  }
});

test("a token opens the endpoints of its right and no others", async () => {
  const schemes = { read: "readToken", manage: "manageToken", lab: "labToken", "ingest-report": "reportToken" };
  for (const { method, path, schemes: admitting } of guarded.filter(({ path }) => path !== "/api/live" && !/^\/api\/(cache|sites)/.test(path))) {
    for (const [right, scheme] of Object.entries(schemes)) {
      const { status, text } = await call(method, query(path, "shut"), token(right));
      assert.equal(status !== 401, admitting.includes(scheme), `${right}: ${method} ${path}: ${status} ${text}`);
      assert.notEqual(status, 404, `${right}: ${method} ${path}`);
    }
  }
});

test("a holder for all sites is told of a wrong name", async () => {
  for (const secret of ["manage sesame", token("all")]) assert.equal((await call("GET", "/api/vitals/summary?site=nowhere", secret)).status, 404);
  assert.equal((await call("GET", "/api/vitals/summary?site=shut", "read sesame")).status, 200);
});

test("the cache is managed with a token for all sites alone", async () => {
  for (const [secret, status] of /** @type {const} */ ([["cache sesame", 200], [token("cache"), 200], [token("all"), 401], [token("blog"), 401], [undefined, 401]])) {
    assert.equal((await call("GET", "/api/cache/analytics", secret)).status, status, String(secret));
  }
});

test("both tokens of a rotation are valid, and the log names one holder", async () => {
  for (const secret of [token("old ci"), token("new ci")]) assert.equal((await call("POST", "/api/push/retry?site=shut", secret, { from: "192.0.2.7" })).status, 200);
  const { calls } = JSON.parse((await call("GET", "/api/audit?site=shut&limit=2", token("manage"))).text);
  assert.deepEqual(calls.map((/** @type {any} */ { by, call, network, status }) => [by, call, network, status]), Array.from({ length: 2 }, () => ["ci", "/api/push/retry", "192.0.2.7", 200]));
});

test("every management call is in the log of its site, with who, what, when and from where", async () => {
  const since = Date.now();
  const silence = JSON.stringify({ minutes: 5, by: "Ann", reason: "=release" });
  assert.equal((await call("POST", "/api/alerts/silence?site=blog", token("blog"), { from: "2001:db8:1:2:3::4", body: silence })).status, 200);
  assert.equal((await call("POST", "/api/alerts/silence?site=blog", token("blog"), { body: "{" })).status, 400);
  assert.equal((await call("POST", "/api/lab?site=blog", token("blog"), { body: JSON.stringify({ v: 1, pages: [] }) })).status, 422);
  const json = await call("GET", "/api/audit?site=blog", token("blog"));
  check("GET", "/api/audit", json.status, json.headers.get("content-type") ?? "", json.text);
  const { calls } = JSON.parse(json.text);
  assert.deepEqual(calls.slice(0, 2).map((/** @type {any} */ { call, status }) => [call, status]), [["/api/lab", 422], ["/api/alerts/silence", 400]]);
  const silenced = calls[2];
  assert.deepEqual([silenced.by, silenced.call, silenced.network, silenced.detail, silenced.status], ["blog", "/api/alerts/silence", "2001:db8:1:2::/64", silence, 200]);
  assert.ok(silenced.at >= since && silenced.at <= Date.now());
  const lines = (await call("GET", "/api/audit?site=blog&format=ndjson", token("blog"))).text.trim().split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line)), calls);
  const table = await call("GET", "/api/audit?site=blog&format=csv", token("blog"));
  assert.equal(table.text.trim().split("\r\n").length, calls.length + 1);
  const page = JSON.parse((await call("GET", "/api/audit?site=blog&limit=1", token("blog"))).text);
  assert.deepEqual(JSON.parse((await call("GET", `/api/audit?site=blog&limit=1&before=${page.next}`, token("blog"))).text).calls, [calls[1]]);
  // No other site's manager reads it.
  assert.equal((await call("GET", "/api/audit?site=blog", token("manage"))).status, 401);
});

test("calls of the cache are in the log of the deployment", async () => {
  assert.equal((await call("POST", "/api/cache/purge", token("cache"), { body: JSON.stringify({ tag: "products" }) })).status, 200);
  for (const since = Date.now(); ; ) {
    const { calls } = JSON.parse((await call("GET", "/api/audit?site=*", token("all"))).text);
    if (calls.length > 0) {
      assert.deepEqual([calls[0].by, calls[0].call, calls[0].detail, calls[0].status], ["cache", "/api/cache/purge", '{"tag":"products"}', 200]);
      break;
    }
    // The log is written once the response is on its way.
    assert.ok(Date.now() < since + 10_000, "no call in the log");
  }
  assert.equal((await call("GET", "/api/audit?site=*", token("manage"))).status, 401);
});

test("a network that tries many tokens waits, others do not, and the public goes on reading", async () => {
  const from = "2001:db8:bad::1";
  const summary = (/** @type {string | undefined} */ secret, site = "shut", address = from) => call("GET", `/api/vitals/summary?site=${site}`, secret, { from: address });
  for (let guess = 0; guess < 10; guess += 1) {
    assert.equal((await summary(`guess ${guess}`)).status, 401);
    assert.equal((await summary(`guess ${guess}`)).status, 401, "a repeated token is no new guess");
  }
  // An address of the same /64, and another path.
  const refused = await call("POST", "/api/alerts/ack?site=shut", token("manage"), { from: "2001:db8:bad:0:ffff::2" });
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  assert.equal((await call("POST", "/api/cache/purge", "cache sesame", { from })).status, 429);
  assert.equal((await summary(token("read"), "shut", "2001:db8:bad:1::1")).status, 200);
  assert.equal((await summary(undefined, "demo")).status, 200);
});

test("a site may take reports from token holders alone, and still takes beacons from its pages", async () => {
  const report = JSON.stringify({ name: "LCP", value: 1200, id: "v5-1700000000000-1234567890123", rating: "good", delta: 1200, navigationType: "navigate" });
  const send = (/** @type {string | undefined} */ secret) => call("POST", "/v1/vitals?site=backend&path=/a", secret, { body: report });
  assert.deepEqual([(await send(undefined)).status, (await send("read sesame")).status, (await send(token("blog"))).status], [401, 401, 401]);
  assert.equal((await product.send(beacon({ site: "backend" }))).status, 200);
});
