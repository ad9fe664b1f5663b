// A flood of random routes, releases and dimensions: storage stays small, totals lose nothing, and the
// routes with real visits keep every count.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { beacon, serve } from "../product.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => void (product = await serve()));
after(() => product.close());

const ROUTES = 512;

test("random routes are limited in number and displace no visited route", async () => {
  // All views start in one minute, a few minutes ago.
  const then = Math.floor(Date.now() / 60_000) * 60_000 - 4.5 * 60_000;
  const send = (/** @type {Record<string, any>} */ fields) => product.send(beacon({ age: Date.now() - then, ...fields }));
  const honest = ["/", "/cart", "/search"];
  await Promise.all(honest.map((path) => send({ path })));
  await product.summary();
  const statuses = new Set();
  let random = 0;
  for (let round = 0; round < 14; round += 1) {
    const flood = Array.from({ length: 100 }, () => send({ path: `/x-${(random += 1).toString(36).replace(/\d/g, "_")}/${"abcdefghij"[random % 10]}-${random % 97}z`, release: `r${random}`, dim: { d: `${random}` } }));
    const visits = honest.map((path) => send({ path }));
    for (const answer of await Promise.all([...flood, ...visits])) statuses.add(answer.status);
    if (round % 3 === 0) await product.summary();
  }
  // A route that first appears after the flood, and has real visits.
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(Array.from({ length: 5 }, () => send({ path: "/new-page", age: 1 })));
    await product.summary();
  }
  const summary = await product.summary();
  assert.deepEqual([...statuses], [200]);
  assert.equal(summary.views, 3 + 14 * 103 + 15);
  const views = (/** @type {string} */ route) => summary.cells.filter((/** @type {any} */ cell) => cell.route === route && cell.metric === "LCP")[0]?.n;
  for (const route of honest) assert.equal(views(route), 15, route);
  assert.equal(views("/new-page"), 15);
  const routes = new Set(summary.cells.map((/** @type {any} */ cell) => cell.route));
  assert.ok(routes.has("(other)"));
  assert.ok(routes.size <= ROUTES + 1 + 1, `${routes.size} routes`);
  assert.equal(views("(other)"), 1400 - (routes.size - 5), "each view beyond the limit is counted in (other)");
});
