// The sites of a deployment: created by call, erased, backed up and restored elsewhere.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { beacon, serve } from "../product.mjs";
import { createChecker } from "./openapi.mjs";

const check = createChecker(readFileSync(new URL("../../worker/openapi.json", import.meta.url), "utf8"));
const MANAGE_TOKEN = "manage sesame";
const READ_TOKEN = "read sesame";
const SITES = { shop: { shards: 2 }, blog: {}, empty: { shards: 2 }, single: {}, europe: { jurisdiction: "eu" } };
const folder = mkdtempSync(join(tmpdir(), "edge-vitals-sites-"));

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
/** @type {Awaited<ReturnType<typeof serve>>} Another deployment. */
let other;
before(async () => {
  const vars = { SITES, MANAGE_TOKEN, READ_TOKEN, SITES_BY_CALL: "true" };
  [product, other] = await Promise.all([serve(vars), serve(vars)]);
});
after(async () => {
  await Promise.all([product?.close(), other?.close()]);
  rmSync(folder, { recursive: true });
});

/** @param {string} method @param {string} path @param {{ body?: string, token?: string, on?: typeof product }} [more] */
async function call(method, path, { body, token = MANAGE_TOKEN, on = product } = {}) {
  const response = await fetch(`${on.origin}${path}`, { method, body, headers: { authorization: `Bearer ${token}` } });
  const text = await response.text();
  return { status: response.status, type: response.headers.get("content-type") ?? "", text, json: () => JSON.parse(text) };
}

/** @param {string[]} words @param {typeof product} on */
const cli = async (words, on) => (await promisify(execFile)(process.execPath, ["pkg/cli/edge-vitals.js", "site", ...words, "--url", on.origin], { env: { ...process.env, MANAGE_TOKEN } })).stdout;

/** Every cell of a site with its counts. @param {string} site @param {typeof product} on */
const summary = async (site, on) => (await call("GET", `/api/vitals/summary?site=${site}`, { token: READ_TOKEN, on })).json().cells;

/** @param {any[]} cells */
const views = (cells) => cells.filter(({ metric }) => metric === "LCP").reduce((sum, { n }) => sum + n, 0);

/** @param {string} site @param {number} count @param {typeof product} [on] */
async function send(site, count, on = product) {
  const answers = await Promise.all(Array.from({ length: count }, (_, index) => on.send(beacon({ site, path: `/${index % 3}`, m: { LCP: 900 + index, CLS: index } }))));
  for (const answer of answers) assert.equal(answer.status, 200);
}

test("a site is created by a call, takes beacons at once, and is listed; one of wrangler.toml is not changed", async () => {
  const settings = JSON.stringify({ origins: ["https://new.example"], public: true });
  const created = await call("PUT", "/api/sites/new", { body: settings });
  check("PUT", "/api/sites/{site}", created.status, created.type, created.text);
  assert.equal(created.json().created, true);
  assert.equal((await call("PUT", "/api/sites/new", { body: settings })).json().created, false);
  await send("new", 1);
  assert.equal(views(await summary("new", product)), 1);
  assert.equal((await product.send(beacon({ site: "new" }), { origin: "https://evil.example" })).status, 403);
  const list = await call("GET", "/api/sites");
  check("GET", "/api/sites", list.status, list.type, list.text);
  const { sites } = list.json();
  assert.deepEqual(sites.find((/** @type {any} */ { site }) => site === "new").settings, JSON.parse(settings));
  assert.equal(sites.find((/** @type {any} */ { site }) => site === "shop").source, "deployment");
  const deployed = await call("PUT", "/api/sites/shop", { body: settings });
  check("PUT", "/api/sites/{site}", deployed.status, deployed.type, deployed.text);
  assert.match(deployed.json().detail, /wrangler\.toml has the site shop/);
});

test("settings that are none are refused, and name the mistake", async () => {
  for (const [path, body, status, text] of /** @type {const} */ ([
    ["/api/sites/next", '{"publik":true}', 400, "publik"],
    ["/api/sites/next", "[]", 400, "object"],
    ["/api/sites/next", '{"evidence":"required"}', 409, "EVIDENCE_SECRET"],
    ["/api/sites/a%20b", "{}", 422, "letters"],
  ])) {
    const answer = await call("PUT", path, { body });
    assert.equal(answer.status, status, answer.text);
    assert.ok(answer.text.includes(text), answer.text);
  }
  assert.equal((await product.send(beacon({ site: "next" }))).status, 404);
});

test("a token is created by a call, is told once, opens its site alone, and is revoked", async () => {
  const created = await call("POST", "/api/sites/blog/tokens", { body: JSON.stringify({ name: "grafana", rights: ["read"] }) });
  check("POST", "/api/sites/{site}/tokens", created.status, created.type, created.text);
  const { token } = created.json();
  const read = async (/** @type {string} */ site) => (await call("GET", `/api/vitals/summary?site=${site}`, { token })).status;
  assert.deepEqual([await read("blog"), await read("shop")], [200, 401]);
  const list = await call("GET", "/api/sites/blog/tokens");
  check("GET", "/api/sites/{site}/tokens", list.status, list.type, list.text);
  assert.deepEqual(Object.keys(list.json().tokens[0]), ["name", "rights", "expires"]);
  const revoked = await call("DELETE", "/api/sites/blog/tokens?name=grafana");
  check("DELETE", "/api/sites/{site}/tokens", revoked.status, revoked.type, revoked.text);
  assert.equal(revoked.json().revoked, 1);
  assert.equal(await read("blog"), 401);
  assert.equal((await call("DELETE", "/api/sites/blog/tokens?name=grafana")).status, 409);
});

test("a token of one site, whatever its rights, makes no call of an operator", async () => {
  const { token } = (await call("POST", "/api/sites/blog/tokens", { body: JSON.stringify({ name: "owner", rights: ["read", "manage"] }) })).json();
  for (const [method, path] of [["GET", "/api/sites"], ["PUT", "/api/sites/blog"], ["DELETE", "/api/sites/blog"], ["GET", "/api/sites/blog/backup"], ["POST", "/api/sites/blog/restore"], ["POST", "/api/sites/blog/tokens"]]) {
    assert.equal((await call(method, path, { token, body: method === "PUT" || method === "POST" ? "{}" : undefined })).status, 401, `${method} ${path}`);
  }
});

test("a backup taken while beacons arrive is restored elsewhere with every view counted once", async () => {
  await send("shop", 120);
  assert.ok((await summary("shop", product)).length > 0, "some views are folded");
  await send("shop", 60);
  const file = join(folder, "shop.ndjson");
  const first = await call("GET", "/api/sites/shop/backup?shard=0");
  check("GET", "/api/sites/{site}/backup", first.status, first.type, first.text);
  // Nothing is folded meanwhile: what arrives is stored, and belongs to the backup or does not.
  await Promise.all([cli(["backup", "--site", "shop", "--file", file], product), send("shop", 40)]);
  await cli(["restore", "--site", "shop", "--file", file], other);
  const restored = await summary("shop", other);
  assert.ok(views(restored) >= 180 && views(restored) <= 220, `${views(restored)} views`);
  // The same again, with nobody visiting: equal to the last count.
  await cli(["backup", "--site", "shop", "--file", file], product);
  await call("DELETE", "/api/sites/shop", { on: other });
  await cli(["restore", "--site", "shop", "--file", file], other);
  assert.equal(views(await summary("shop", other)), 220);
  await send("shop", 5, other);
  assert.equal(views(await summary("shop", other)), 225, "it goes on counting");
});

test("a restore is whole or refused: into an empty site of as many shards, every page in order", async () => {
  const pages = [];
  for (let shard = 0; shard < 2; shard += 1) {
    const page = await call("GET", `/api/sites/shop/backup?shard=${shard}`);
    assert.equal(page.status, 200);
    pages.push(page.text);
  }
  const refuse = async (/** @type {string} */ path, /** @type {string} */ body, /** @type {RegExp} */ why) => {
    const answer = await call("POST", path, { body });
    assert.equal(answer.status, 409, answer.text);
    assert.match(answer.json().detail, why);
  };
  await refuse("/api/sites/shop/restore?shard=0", pages[0], /holds data/);
  await refuse("/api/sites/single/restore", pages[0], /2 shards, this site has 1/);
  await refuse("/api/sites/empty/restore?shard=1", pages[0], /another shard/);
  const lines = pages[0].trimEnd().split("\n");
  await refuse("/api/sites/empty/restore?shard=0", lines.toSpliced(2, 1).join("\n"), /rows were restored/);
  assert.equal((await call("POST", "/api/sites/empty/restore?shard=0", { body: "no page" })).status, 409);
  // A page that others follow.
  const rows = lines.slice(0, 3);
  const next = JSON.stringify({ next: { table: "facts", key: [""], rows: 2 } });
  const half = await call("POST", "/api/sites/empty/restore?shard=0", { body: [...rows, next].join("\n") });
  check("POST", "/api/sites/{site}/restore", half.status, half.type, half.text);
  assert.deepEqual(half.json(), { rows: 2, complete: false });
  const again = await call("POST", "/api/sites/empty/restore?shard=0", { body: [...rows, next].join("\n") });
  assert.deepEqual(again.json(), { rows: 0, complete: false }, "a page whose answer was lost");
  const statuses = await Promise.all(Array.from({ length: 8 }, async () => (await product.send(beacon({ site: "empty" }))).status));
  assert.ok(statuses.includes(503), `beacons of the shard are refused until it is whole: ${statuses}`);
  assert.equal((await call("DELETE", "/api/sites/empty")).status, 200);
  await send("empty", 4);
});

test("a backup that was interrupted begins again, since the object may have folded meanwhile", async () => {
  const after = encodeURIComponent(JSON.stringify({ table: "facts", key: ["a"], rows: 1 }));
  await call("GET", "/api/sites/shop/backup?shard=0");
  assert.equal((await call("GET", `/api/sites/shop/backup?shard=0&after=${after}`)).status, 200);
  await product.worker.evictDurableObject("SHARDS_OF_SITES", { name: "shop/0" });
  const late = await call("GET", `/api/sites/shop/backup?shard=0&after=${after}`);
  assert.equal(late.status, 409);
  assert.match(late.json().detail, /begin this shard again/);
});

test("an erased site has nothing left, and no other site loses anything", async () => {
  await send("blog", 9);
  await send("new", 3);
  const before = await summary("shop", product);
  assert.equal(views(await summary("blog", product)), 9);
  const erased = await call("DELETE", "/api/sites/blog");
  check("DELETE", "/api/sites/{site}", erased.status, erased.type, erased.text);
  assert.deepEqual([erased.json().objects, erased.json().settings_removed], [1, false]);
  assert.equal(views(await summary("blog", product)), 0);
  assert.deepEqual(await summary("shop", product), before);
  await send("blog", 1);
  assert.equal(views(await summary("blog", product)), 1, "it counts anew");
  assert.equal((await call("DELETE", "/api/sites/new")).json().settings_removed, true);
  assert.equal((await product.send(beacon({ site: "new" }))).status, 404);
  await assert.rejects(cli(["erase", "--site", "shop"], product), /repeat its name/);
});

test("every call of an operator is in the log of the deployment, which no erasure reaches", async () => {
  const { calls } = (await call("GET", "/api/audit?site=*&limit=1000")).json();
  const made = new Set(calls.map((/** @type {any} */ { call }) => call));
  for (const path of ["/api/sites/new", "/api/sites/blog", "/api/sites/blog/tokens", "/api/sites/shop/backup", "/api/sites/shop/restore"]) assert.ok(made.has(path), path);
  assert.ok(calls.every((/** @type {any} */ { by }) => by === "MANAGE_TOKEN"));
  assert.doesNotMatch(JSON.stringify(calls), /evt_/, "no token is in it");
});

test("where the platform has no jurisdictions, a site that asks for one stores nothing anywhere", async () => {
  const before = (await product.worker.listDurableObjectIds("SHARDS_OF_SITES")).length;
  assert.equal((await product.send(beacon({ site: "europe" }))).status, 503);
  assert.equal((await call("GET", "/api/vitals/summary?site=europe", { token: READ_TOKEN })).status, 503);
  assert.equal((await product.worker.listDurableObjectIds("SHARDS_OF_SITES")).length, before);
});

test("without SITES_BY_CALL, a call that creates a site says what to set", async () => {
  const closed = await serve({ SITES, MANAGE_TOKEN });
  try {
    writeFileSync(join(folder, "new.json"), "{}");
    await assert.rejects(cli(["put", "--site", "new", "--settings", join(folder, "new.json")], closed), /SITES_BY_CALL/);
    assert.match(await cli(["list"], closed), /shop {2}wrangler\.toml/);
  } finally {
    await closed.close();
  }
});
