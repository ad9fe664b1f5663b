// Bottlenecks and recommendations, checked against visits with a known loss; and the requests that stop
// and start monitoring.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { beacon, DESKTOP, serve } from "../product.mjs";
import { directory, run } from "../run.mjs";
import { createChecker } from "./openapi.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
/** @type {ReturnType<typeof createChecker>} */
let check;
const MANAGE = { authorization: "Bearer manage" };

before(async () => {
  product = await serve({ SHARDS: "2", READ_TOKEN: "read", MANAGE_TOKEN: "manage", SITES: { demo: { public: true }, quiet: { public: true }, shut: {}, portal: {} } });
  check = createChecker(await (await fetch(`${product.origin}/api/openapi.json`)).text());
  /** @type {Record<string, any>[]} */
  const visits = [];
  for (let index = 0; index < 400; index += 1) {
    // A miss loses 2 s, a hit nothing; one page is slow but rarely visited.
    const miss = index % 2 === 1;
    visits.push({ path: "/busy", cache: miss ? "miss" : "hit", release: index < 200 ? "1" : "2", m: { LCP: miss ? 4000 : 1000 } });
  }
  for (let index = 0; index < 10; index += 1) visits.push({ path: "/rare", m: { LCP: 6000 } });
  for (let index = 0; index < visits.length; index += 50) {
    const answers = await Promise.all(visits.slice(index, index + 50).map((fields) => product.send(beacon(fields), { "user-agent": DESKTOP })));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  }
});
after(() => product?.close());

/** Sends a request and checks its response against the OpenAPI document. @param {string} path @param {{ method?: string, headers?: Record<string, string> }} [init] */
async function request(path, { method = "GET", headers = {} } = {}) {
  const answer = await fetch(product.origin + path, { method, headers, body: method === "POST" ? "{}" : undefined });
  const text = await answer.text();
  check(method, path, answer.status, answer.headers.get("content-type") ?? "", text);
  return { status: answer.status, body: JSON.parse(text) };
}

test("bottlenecks are ranked by the total loss of all visits", async () => {
  const { body } = await request("/api/performance/bottlenecks?site=demo");
  const lcp = body.bottlenecks.filter((/** @type {any} */ { metric }) => metric === "LCP");
  assert.deepEqual(lcp.map((/** @type {any} */ { route, over }) => [route, over]), [["/busy", 200], ["/rare", 10]]);
  // 200 visits lose 2 s each, 10 lose 4 s each, within the error of a sketch.
  assert.ok(Math.abs(lcp[0].seconds / 400 - 1) < 0.05 && Math.abs(lcp[1].seconds / 40 - 1) < 0.05, JSON.stringify(lcp));
  assert.deepEqual([lcp[0].by_cache.hits, lcp[0].by_cache.misses, lcp[0].by_cache.per_hit], [200, 200, 0]);
});

test("a recommendation names its rule, evidence and gain", async () => {
  const { body } = await request("/api/performance/recommendations?site=demo");
  const [first] = body.recommendations;
  assert.deepEqual([first.rule, first.route, first.metric], ["cache-misses", "/busy", "LCP"]);
  assert.match(first.finding, /50 % of visits miss the cache/);
  assert.ok(Math.abs(first.gain / 400 - 1) < 0.05, `${first.gain}`);
  // The evidence: the visits, and their share of the total loss (400 of 440 s).
  assert.deepEqual([first.place.visits, first.place.over, first.place.limit], [400, 200, 2000]);
  assert.ok(first.place.interval[0] <= first.place.p75 && first.place.p75 <= first.place.interval[1] && Math.abs(first.place.share - 100 / 1.1) < 2, JSON.stringify(first.place));
});

test("the dashboard has the summary, the metrics endpoint all figures", async () => {
  const { body } = await request("/api/performance/dashboard?site=demo");
  assert.equal(body.bottlenecks[0].route, "/busy");
  assert.match(body.details.reasons[0], /LCP of \/busy on desktops violates its budget/);
  const figures = (await request("/api/performance/metrics?site=demo")).body;
  assert.deepEqual([figures.views, figures.vitals.LCP.n, figures.requests, figures.queries], [410, 410, null, []]);
});

test("releases are compared, and a single day makes no trend", async () => {
  const { body } = await request("/api/performance/analytics?site=demo&release=2&against=1&window=28d");
  const lcp = body.release.differences.find((/** @type {any} */ { metric }) => metric === "LCP");
  assert.deepEqual([lcp.visits, body.release.against, body.trends.LCP.course], [[200, 200], "1", "unknown"]);
  assert.notEqual(lcp.outcome, "regression");
  assert.equal((await request("/api/performance/analytics?site=demo&against=1")).status, 400);
});

test("the commands of docs/health.md work as written", async () => {
  const lines = readFileSync("docs/health.md", "utf8").split("\n").filter((line) => line.startsWith("curl "));
  assert.equal(lines.length, 6);
  for (const line of lines) {
    const { code, out, err } = await run(directory(), ["bash", "-euc", `${line.replace("https://vitals.example.com", product.origin)} -sS`], { MANAGE_TOKEN: "manage" });
    assert.equal(code, 0, err);
    assert.deepEqual([JSON.parse(out).v, JSON.parse(out).site], [1, "portal"], `${line}: ${out}`);
  }
});

test("a private site requires a token", async () => {
  for (const path of ["dashboard", "metrics", "queries", "bottlenecks", "recommendations", "analytics"]) {
    assert.equal((await request(`/api/performance/${path}?site=shut`)).status, 401, path);
    assert.equal((await request(`/api/performance/${path}?site=shut`, { headers: { authorization: "Bearer read" } })).status, 200, path);
  }
});

test("views sent while monitoring is stopped are acknowledged but not counted, on every shard and after an eviction", async () => {
  const views = async () => (await product.summary("site=quiet")).views;
  const visits = async () => {
    for (let index = 0; index < 8; index += 1) assert.equal((await product.send(beacon({ site: "quiet" }))).status, 200);
  };
  await visits();
  assert.equal(await views(), 8);
  assert.equal((await request("/api/performance/monitoring/stop?site=quiet", { method: "POST" })).status, 401);
  assert.equal((await request("/api/performance/monitoring/stop?site=quiet", { method: "POST", headers: MANAGE })).body.monitoring, "stopped");
  await visits();
  for (const shard of [0, 1]) await product.worker.evictDurableObject("SHARDS_OF_SITES", { name: `quiet/${shard}` });
  await visits();
  assert.equal(await views(), 8);
  const { operations } = (await request("/api/health/advanced?site=quiet", { headers: MANAGE })).body;
  assert.equal(operations.monitoring, "stopped");
  await request("/api/performance/monitoring/start?site=quiet", { method: "POST", headers: MANAGE });
  await visits();
  assert.equal(await views(), 16);
});
