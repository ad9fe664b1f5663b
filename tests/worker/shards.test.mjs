// Reads of many shards: all are asked at once, and a document says which did not answer.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { product, start } from "../faults/workerd.mjs";
import { DESKTOP, beacon } from "../product.mjs";

const main = new URL("shard-faults.js", import.meta.url).pathname;
const SUMMARY = "/api/vitals/summary?site=demo";

/** @param {string} name @param {Record<string, unknown>} vars */
async function serve(name, vars) {
  const worker = product(vars);
  const workerd = await start(name, { ...worker, modules: { "shard-faults.js": main, ...worker.modules } }, { fresh: true });
  return {
    ...workerd,
    faults: (/** @type {Record<string, unknown>} */ faults) => workerd.send("/faults", JSON.stringify(faults)),
    /** @param {string} path @param {Record<string, string>} [headers] */
    read: async (path, headers) => {
      const { status, text, headers: fields } = await workerd.ask(path, undefined, headers);
      return { status, fields, text, body: fields["content-type"]?.includes("json") ? JSON.parse(text) : null };
    },
    visit: (/** @type {Record<string, any>} */ fields) => workerd.send("/v1/vitals", JSON.stringify(beacon(fields)), { "user-agent": DESKTOP }),
  };
}

for (const [shards, together] of [[1, 1], [16, 16], [64, 64]]) {
  test(`${together} of ${shards} shards wait for each other's questions, and all of them answer`, async () => {
    const site = await serve(`together-${shards}`, { SHARDS: String(shards) });
    try {
      // Each shard replies only once `together` of them have been asked: shards that are asked in turn never reply.
      await site.faults({ together });
      const { status, body } = await site.read(SUMMARY);
      assert.equal(status, 200);
      assert.equal(body.shards, undefined, "all shards answered");
      assert.ok(JSON.parse((await site.send("/asked")).text).mostAtOnce >= together);
    } finally {
      await site.kill();
    }
  });
}

/** @type {Awaited<ReturnType<typeof serve>>} */
let site;
let [views, missing] = [0, 0];
before(async () => {
  const EDGE = JSON.stringify({ routes: [{ host: "shop.example", path: "/**", origin: "http://127.0.0.1:1", site: "demo" }] });
  site = await serve("partial", { SHARDS: "4", READ_TOKEN: "read sesame", CACHE_TOKEN: "cache sesame", EDGE });
  for (let visit = 0; visit < 400; visit += 1) assert.equal((await site.visit({ m: { LCP: 500 } })).status, 200);
  await site.faults({});
  const { body } = await site.read(SUMMARY);
  views = body.views;
  assert.equal(views, 400);
  assert.equal(body.cells.find((/** @type {any} */ { metric }) => metric === "LCP").verdict, "met");
  await site.faults({ down: [2] });
  missing = views - (await site.read(SUMMARY)).body.views;
  assert.ok(missing > 0, "shard 2 has views");
});
after(() => site?.kill());

for (const fault of ["down", "refuse", "hang"]) {
  test(`a shard that is ${fault} leaves the others readable, and nothing is met without it`, async () => {
    await site.faults({ [fault]: [2] });
    const { status, body, fields } = await site.read(SUMMARY);
    assert.equal(status, 200);
    assert.deepEqual(body.shards, { answered: 3, of: 4, unanswered: [2] });
    assert.equal(body.views, views - missing);
    assert.equal(fields["cache-control"], "no-store");
    const verdicts = new Set(body.cells.map((/** @type {any} */ { verdict }) => verdict));
    assert.ok(!verdicts.has("met"), [...verdicts].join());
    const report = (await site.read("/api/budgets?site=demo")).body;
    assert.deepEqual(report.shards, body.shards);
    assert.equal(report.verdicts.met, undefined);
    await site.faults({});
    assert.equal((await site.read(SUMMARY)).body.shards, undefined);
  });
}

test("a shard that replies last counts like the others", async () => {
  await site.faults({ last: [0] });
  const { body } = await site.read(SUMMARY);
  assert.deepEqual([body.views, body.shards], [views, undefined]);
});

test("every document of a part of the shards says so", async () => {
  await site.faults({ refuse: [2] });
  for (const path of [
    "/api/vitals/series?site=demo", "/api/vitals/routes?site=demo", "/api/vitals/distribution?site=demo", "/api/vitals/causes?site=demo",
    "/api/vitals/compare?site=demo&a.release=1&b.release=2", "/api/budgets?site=demo", "/api/performance/dashboard?site=demo",
    "/api/performance/metrics?site=demo", "/api/performance/queries?site=demo", "/api/performance/bottlenecks?site=demo",
    "/api/performance/recommendations?site=demo", "/api/performance/analytics?site=demo",
  ]) {
    const { status, body, fields } = await site.read(path);
    assert.deepEqual([status, body.shards, fields["cache-control"]], [200, { answered: 3, of: 4, unanswered: [2] }, "no-store"], path);
  }
  assert.match((await site.read("/badge.svg?site=demo")).text, /data incomplete/);
  // A table cannot say that a part is missing.
  assert.equal((await site.read("/api/vitals/series?site=demo&format=csv")).status, 503);
});

test("the cache's analytics of a part of the shards say so", async () => {
  await site.faults({ refuse: [2] });
  const { status, body } = await site.read("/api/cache/analytics", { authorization: "Bearer cache sesame" });
  assert.deepEqual([status, body.shards], [200, { demo: { answered: 3, of: 4, unanswered: [2] } }]);
  await site.faults({});
  assert.equal((await site.read("/api/cache/analytics", { authorization: "Bearer cache sesame" })).body.shards, undefined);
});

test("the health of a site is degraded and names the shards that did not answer", async () => {
  await site.faults({ refuse: [2] });
  // The document of the last seconds may be reused.
  let health = (await site.read("/api/health/advanced?site=demo")).body;
  for (const since = health.at; !health.shards && health.at < since + 10_000; ) health = (await site.read("/api/health/advanced?site=demo")).body;
  assert.deepEqual(health.shards, { answered: 3, of: 4, unanswered: [2] });
  assert.deepEqual([health.status, health.health], ["warn", "degraded"]);
  assert.equal(health.details.reasons[0], "3 of 4 shards answered; the counts of shard 2 are missing.");
});

test("without its coordinator, a site shows what the other shards have", async () => {
  await site.faults({ hang: [0] });
  const report = (await site.read("/api/budgets?site=demo")).body;
  assert.deepEqual(report.shards, { answered: 3, of: 4, unanswered: [0] });
  assert.ok(report.views > 0 && report.views < views);
});

test("a site of which no shard answers is unavailable", async () => {
  await site.faults({ down: [0, 1], refuse: [2, 3] });
  const { status, fields } = await site.read(SUMMARY);
  assert.deepEqual([status, fields["retry-after"]], [503, "5"]);
});
