// Reports of web-vitals and Next.js are accepted as they are; rejections are counted by reason, and
// excessive traffic gets a Retry-After.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { beacon, DESKTOP, line, serve } from "../product.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => {
  product = await serve({ SHARDS: "2", READ_TOKEN: "token", SITES: { demo: { public: true }, other: { public: true } } });
});
after(() => product.close());

let ids = 0;
/** A report in the JSON form of its library. @param {string} name @param {number} value */
const report = (name, value, fields = {}) => {
  ids += 1;
  return { name, value, rating: "good", delta: value, entries: [], id: `v5-1700000000000-${1e12 + ids}`, navigationType: "navigate", ...fields };
};

/** @param {unknown} body */
const post = (body, query = "?site=demo") =>
  fetch(`${product.origin}/v1/vitals${query}`, { method: "POST", body: JSON.stringify(body), headers: { "user-agent": DESKTOP, prefer: "return=representation" } });

test("one callback's report is a view of one metric", async () => {
  const answer = await post(report("CLS", 0.1, { path: "/one" }));
  assert.deepEqual([answer.status, await answer.json()], [200, { within: { CLS: true } }]);
  const cls = line(await product.summary("site=demo&route=/one"), "/one", "CLS");
  assert.deepEqual([cls.n, cls.budget.k], [1, 1], "0.1 is within a budget of 0.1");
});

test("a batch is accepted whole, over several shards, without Next.js's own metrics", async () => {
  const batch = [
    ...Array.from({ length: 20 }, (_, index) => report("LCP", 1000.25 + index, { url: "https://shop.example/batch/7?q=1" })),
    report("Next.js-hydration", 20, { label: "custom" }),
  ];
  const answer = await post(batch);
  assert.equal(answer.status, 200);
  const summary = await product.summary("site=demo&route=/batch/:id");
  assert.equal(summary.views, 20);
  assert.equal(line(summary, "/batch/:id", "LCP").budget.k, 20);
});

test("of several reports with one id the largest counts, in any order, and duplicates change nothing", async () => {
  const first = report("INP", 80, { path: "/twice" });
  const read = async () => {
    const summary = await product.summary("site=demo&route=/twice");
    assert.deepEqual([summary.views, summary.sent, summary.heard], [1, 1, 1]);
    return line(summary, "/twice", "INP").p75;
  };
  const percentiles = [];
  for (const values of [[80, 80], [304, 80], [640, 640], [304, 80]]) {
    for (const value of values) await post({ ...first, value });
    percentiles.push(await read());
  }
  for (const [index, value] of [80, 304, 640, 640].entries()) assert.ok(Math.abs(percentiles[index] - value) <= value / 64, `${percentiles}`);
});

test("one invalid report rejects the whole batch", async () => {
  const answer = await post([report("LCP", 900, { path: "/whole" }), report("LCP", -1, { path: "/whole" })]);
  assert.deepEqual([answer.status, (await answer.json()).field], [422, "value"]);
  assert.equal((await product.summary("site=demo&route=/whole")).views, 0);
});

test("a report of an unknown site, or without a path, is rejected", async () => {
  assert.equal((await post(report("LCP", 1, { path: "/" }), "?site=nobody")).status, 404);
  assert.equal((await post(report("LCP", 1), "?site=demo")).status, 422);
  assert.equal((await post(report("LCP", 1), "?site=demo&path=/given")).status, 200);
});

test("rejections are counted by reason, for the site if the body names one", async () => {
  const refused = async (/** @type {string} */ site, /** @type {(counts: Record<string, number>) => boolean} */ isComplete) => {
    // The count arrives after the response; poll for it.
    for (let tries = 0; tries < 500; tries += 1) {
      const answer = await fetch(`${product.origin}/api/vitals/summary?site=${site}`, { headers: { authorization: "Bearer token" } });
      const { refused } = await answer.json();
      if (isComplete(refused)) return refused;
    }
    throw new Error(`the rejections of ${site} never arrived`);
  };
  const good = beacon({ site: "other" });
  const sends = [
    ...Array.from({ length: 30 }, () => product.send({ ...good, seq: 99 })),
    product.send({ ...good, v: 9 }),
    product.send(good, { origin: "https://evil.example" }),
    product.send("{"),
    product.send({ ...good, site: "nobody" }),
  ];
  await Promise.all(sends);
  const expected = { "foreign-origin": 1, "out-of-range": 30, "unknown-version": 1 };
  assert.deepEqual(await refused("other", (counts) => Object.values(counts).reduce((a, b) => a + b, 0) >= 32), expected);
  const unattributed = await refused("-", (counts) => counts.malformed >= 1 && counts["unknown-site"] >= 2);
  assert.deepEqual(unattributed, { malformed: 1, "unknown-site": 2 });
  await product.worker.evictDurableObject("SHARDS_OF_SITES", { name: "other/0" });
  assert.deepEqual((await product.summary("site=other")).refused, expected, "counts survive an eviction");
  const closed = await fetch(`${product.origin}/api/vitals/summary?site=-`);
  assert.equal(closed.status, 401);
});

test("excessive traffic of a network or a site is rejected with Retry-After", async () => {
  mkdirSync("build/limited", { recursive: true });
  const config = readFileSync("wrangler.toml", "utf8");
  // The configuration resolves paths against itself; otherwise only the limits differ.
  const limited = config.replaceAll('"build/', '"../').replace("limit = 100000,", "limit = 8,").replace("limit = 1000000,", "limit = 12,");
  assert.notEqual(limited, config);
  writeFileSync("build/limited/wrangler.toml", limited);
  const small = await serve({}, "build/limited/wrangler.toml");
  try {
    const send = (/** @type {string} */ address) => small.send(beacon(), { "cf-connecting-ip": address });
    const countAccepted = async (/** @type {string} */ address, count = 10) => {
      const answers = [];
      for (let index = 0; index < count; index += 1) answers.push(await send(address));
      const late = answers.find((answer) => answer.status === 429);
      if (late) assert.equal(late.headers.get("retry-after"), "60");
      return answers.filter((answer) => answer.status === 200).length;
    };
    // Limits apply to a clock minute; wait for the next one if this one is nearly over.
    const left = 60_000 - (Date.now() % 60_000);
    if (left < 10_000) await new Promise((resolve) => setTimeout(resolve, left));
    const first = await countAccepted("192.0.2.1");
    const second = await countAccepted("192.0.2.2");
    assert.deepEqual([first, second], [8, 4], "8 of one network, 12 of the site");
  } finally {
    await small.close();
  }
});
