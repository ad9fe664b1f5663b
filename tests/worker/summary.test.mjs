// Summaries: all shards in one response, and the token of a private site.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { beacon, line, serve } from "../product.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => {
  product = await serve({ SHARDS: "4", SITES: { demo: { public: true }, closed: { public: false } } });
});
after(() => product.close());

test("views of several shards form one summary", async () => {
  const values = Array.from({ length: 120 }, (_, index) => 500 + index * 20);
  const hex = (/** @type {number} */ index) => (index * 2654435761).toString(16).padStart(24, "0").slice(-24);
  await Promise.all(values.map((LCP, index) => product.send(beacon({ id: hex(index + 1), path: "/s", m: { LCP } }))));
  const objects = await product.worker.listDurableObjectIds("SHARDS_OF_SITES");
  assert.equal(objects.length, 4, "each of the four shards holds some views");
  const lcp = line(await product.summary("site=demo&route=/s"), "/s", "LCP");
  assert.equal(lcp.n, 120);
  assert.equal(lcp.budget.k, values.filter((value) => value <= 2000).length);
  const exact = values[Math.ceil(120 * 0.75) - 1];
  assert.ok(Math.abs(lcp.p75 - exact) <= exact * 0.016, `p75 ${lcp.p75}, exact ${exact}`);
  const [low, high] = lcp.p75_interval;
  assert.ok(low < exact && exact < high, `${low} to ${high}`);
});

test("a private site requires its token", async () => {
  await product.send(beacon({ site: "closed" }));
  const readWith = (/** @type {Record<string, string>} */ headers) =>
    fetch(`${product.origin}/api/vitals/summary?site=closed`, { headers });
  // Without READ_TOKEN every token is rejected, including an empty one.
  for (const headers of [{}, { authorization: "Bearer " }, { authorization: "Bearer x" }]) {
    const answer = await readWith(/** @type {any} */ (headers));
    assert.deepEqual([answer.status, answer.headers.get("www-authenticate")], [401, "Bearer"]);
  }
});

test("a time range contains the views that started in it", async () => {
  const now = Date.now();
  await product.send(beacon({ path: "/t", age: 0 }));
  await product.send(beacon({ path: "/t", age: 3 * 3_600_000 }));
  const views = async (/** @type {number} */ from, /** @type {number} */ to) =>
    (await product.summary(`site=demo&route=/t&from=${from}&to=${to}`)).views;
  assert.equal(await views(now - 86_400_000, now), 2);
  assert.equal(await views(now - 3_600_000, now), 1);
  assert.equal(await views(now - 4 * 3_600_000, now - 2 * 3_600_000), 1);
});

test("the cron folds views without losing a count", async () => {
  await product.send(beacon({ path: "/cron" }));
  const outcome = await product.worker.scheduled({ cron: "*/15 * * * *", scheduledTime: new Date() });
  assert.equal(outcome.outcome, "ok");
  const { views } = await product.summary("site=demo&route=/cron");
  assert.equal(views, 1);
});

test("the limits of a path are public", async () => {
  const { limits } = await (await fetch(`${product.origin}/api/budgets?path=/x&device=phone`)).json();
  assert.equal(limits.LCP.max, 2000);
  assert.equal(limits.CLS.max, 0.1);
  assert.equal(limits.INP.max, 200);
  // A page of any origin may compare its visit with the limits.
  const foreign = await fetch(`${product.origin}/api/budgets/limits?path=/x`, { headers: { origin: "https://elsewhere.example" } });
  assert.equal(foreign.headers.get("access-control-allow-origin"), "*");
});
