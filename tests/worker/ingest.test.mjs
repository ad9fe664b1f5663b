// Ingest by the real Worker in workerd: accepted beacons, rejected ones, and durability after the
// acknowledgement.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { beacon, line, serve } from "../product.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => void (product = await serve({ SITES: { demo: { public: true, origins: ["https://portal.example"] }, sampled: { public: true, sampling: [10] } } })));
after(() => product.close());

test("an acknowledged beacon is in the next summary, and the response shows its verdicts on request", async () => {
  const sent = beacon({ path: "/one/42", m: { LCP: 1999, CLS: 1001, FCP: 1501 } });
  const answer = await product.send(sent, { prefer: "return=representation" });
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { within: { FCP: false, LCP: true, CLS: false } });
  const repeated = await product.send(sent);
  assert.deepEqual([repeated.status, await repeated.text()], [200, ""], "the body is empty unless it is requested");
  const summary = await product.summary("site=demo&route=/one/:id");
  assert.equal(summary.views, 1);
  const lcp = line(summary, "/one/:id", "LCP");
  assert.equal(lcp.n, 1);
  assert.equal(lcp.budget.max, 2000);
  assert.equal(lcp.budget.k, 1);
  assert.equal(lcp.verdict, "insufficient");
  assert.equal(line(summary, "/one/:id", "CLS").budget.k, 0);
  assert.equal(line(summary, "/one/:id", "INP").verdict, "unknown", "a budget without measurements is never green");
});

test("a resent beacon counts once, and a correction moves its count", async () => {
  const first = beacon({ path: "/two", m: { CLS: 10 } });
  for (const sent of [first, first, { ...first, seq: 1, m: { CLS: 3000 } }, first]) await product.send(sent);
  const before = await product.summary("site=demo&route=/two");
  await product.send({ ...first, seq: 2, m: { CLS: 9000 } });
  const summary = await product.summary("site=demo&route=/two");
  assert.deepEqual([before.views, summary.views], [1, 1]);
  const [previous, corrected] = [before, summary].map((each) => line(each, "/two", "CLS"));
  assert.deepEqual([previous.n, corrected.n], [1, 1]);
  assert.ok(Math.abs(previous.p75 - 0.3) < 0.3 * 0.016, `p75 was ${previous.p75}`);
  assert.ok(Math.abs(corrected.p75 - 0.9) < 0.9 * 0.016, `p75 is ${corrected.p75}`);
});

test("a beacon that never arrived is counted as lost", async () => {
  const view = beacon({ path: "/three" });
  await product.send({ ...view, seq: 0 });
  await product.send({ ...view, seq: 3 });
  const { sent, heard } = await product.summary("site=demo&route=/three");
  assert.deepEqual({ sent, heard }, { sent: 4, heard: 2 });
});

test("an unmeasurable view is counted with its reason", async () => {
  await product.send(beacon({ path: "/four", m: {}, lost: "csp" }));
  const summary = await product.summary("site=demo&route=/four");
  assert.deepEqual(summary.lost, { csp: 1 });
  assert.equal(line(summary, "/four", "LCP").verdict, "unknown");
});

test("concurrent beacons are all committed and counted exactly", async () => {
  const sends = Array.from({ length: 600 }, (_, index) => product.send(beacon({ path: "/five", m: { LCP: 1000 + index * 2 } })));
  const answers = await Promise.all(sends);
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
  const summary = await product.summary("site=demo&route=/five");
  const lcp = line(summary, "/five", "LCP");
  assert.deepEqual([summary.views, lcp.n, lcp.budget.n, lcp.budget.k], [600, 600, 600, 501]);
  assert.equal(lcp.verdict, "met", "501 of 600 within the budget prove it");
});

test("acknowledged beacons survive the eviction of the object", async () => {
  await product.send(beacon({ path: "/six" }));
  await product.worker.evictDurableObject("SHARDS_OF_SITES", { name: "demo/0" });
  const summary = await product.summary("site=demo&route=/six");
  assert.equal(summary.views, 1);
});

test("bots are counted apart from people, and one parameter includes them", async () => {
  await product.send(beacon({ path: "/seven" }), { "user-agent": "Googlebot/2.1" });
  await product.send(beacon({ path: "/seven", bot: 1 }));
  await product.send(beacon({ path: "/seven" }));
  const counts = await Promise.all(
    ["exclude", "include", "only"].map(async (bots) => (await product.summary(`site=demo&route=/seven&bots=${bots}`)).views),
  );
  assert.deepEqual(counts, [1, 3, 2]);
});

test("a beacon counts as many visits as the site says, whatever it claims", async () => {
  const send = (/** @type {Record<string, unknown>} */ fields) => product.send(beacon({ site: "sampled", path: "/sampled", ...fields }));
  for (let visit = 0; visit < 20; visit += 1) assert.equal((await send({ m: { LCP: 1000 }, w: 10 })).status, 200);
  const lcp = async () => {
    const summary = await product.summary("site=sampled&route=/sampled");
    return { ...line(summary, "/sampled", "LCP"), visits: summary.visits, refused: summary.refused };
  };
  const honest = await lcp();
  assert.deepEqual([honest.n, honest.visits, honest.refused], [20, 200, {}]);
  for (const w of [10_000, 11, 9]) assert.equal((await send({ m: { LCP: 59_600 }, w })).status, 200);
  let after = await lcp();
  assert.deepEqual([after.n, after.visits, after.p75], [23, 203, honest.p75]);
  // The counts arrive after the responses.
  for (const until = Date.now() + 30_000; after.refused["weight-not-configured"] !== 3 && Date.now() < until; ) after = await lcp();
  assert.deepEqual(after.refused, { "weight-not-configured": 3 });
});

test("an invalid beacon is rejected with its field and stored nowhere", async () => {
  const { heard } = await product.summary();
  const good = beacon();
  /** @type {[unknown, number, string, string | undefined][]} */
  const table = [
    ["", 400, "malformed", undefined],
    ["{", 400, "malformed", undefined],
    [`${JSON.stringify(good)} x`, 400, "malformed", undefined],
    [{ ...good, seq: -1 }, 400, "malformed", "seq"],
    [{ ...good, m: { LCP: 1.5 } }, 400, "malformed", "m.LCP"],
    [{ ...good, m: { LCP: "fast" } }, 400, "malformed", "m.LCP"],
    [JSON.stringify(good).replace("1234", "NaN"), 400, "malformed", "m.LCP"],
    ["[".repeat(10_000), 400, "malformed", undefined],
    [{ ...good, v: 2 }, 422, "unknown-version", "v"],
    [{ ...good, v: 0 }, 422, "out-of-range", "v"],
    [{ ...good, id: "not hex" }, 422, "out-of-range", "id"],
    [{ ...good, seq: 32 }, 422, "out-of-range", "seq"],
    [{ ...good, nav: "teleport" }, 422, "out-of-range", "nav"],
    [{ ...good, path: "no-slash" }, 422, "out-of-range", "path"],
    [{ ...good, age: 90_000_000 }, 422, "out-of-range", "age"],
    [{ ...good, m: { LCP: 36_000_000 } }, 422, "out-of-range", "m.LCP"],
    [{ ...good, m: { SPEED: 1 } }, 422, "out-of-range", "m"],
    [{ ...good, w: 0 }, 422, "out-of-range", "w"],
    [{ ...good, dim: { a: "", b: "", c: "", d: "", e: "", f: "" } }, 422, "out-of-range", "dim"],
    [{ ...good, site: "elsewhere" }, 404, "unknown-site", "site"],
    [{ ...good, path: `/${"x".repeat(20_000)}` }, 413, "too-large", undefined],
  ];
  for (const [body, status, title, field] of table) {
    const answer = await product.send(/** @type {any} */ (body));
    const problem = await answer.json();
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
    assert.deepEqual([problem.status, problem.title, problem.field], [status, title, field], problem.detail);
    assert.equal(answer.status, status);
  }
  const utf8 = await fetch(`${product.origin}/v1/vitals`, { method: "POST", body: new Uint8Array([0x7b, 0xff, 0x7d]) });
  assert.equal(utf8.status, 400);
  assert.equal((await product.summary()).heard, heard);
});

test("only the site's own pages may send, and CORS allows them", async () => {
  const sendFrom = (/** @type {string} */ origin) => product.send(beacon({ path: "/cors" }), { origin });
  const own = await sendFrom(product.origin);
  const allowed = await sendFrom("https://portal.example");
  const foreign = await sendFrom("https://evil.example");
  assert.deepEqual([own.status, allowed.status, foreign.status], [200, 200, 403]);
  assert.equal(allowed.headers.get("access-control-allow-origin"), "https://portal.example");
  // The page may read why it is refused, so that its developer is told.
  assert.equal(foreign.headers.get("access-control-allow-origin"), "https://evil.example");
  assert.match((await foreign.json()).detail, /`https:\/\/evil\.example` is not in the list/);
  const preflight = await fetch(`${product.origin}/v1/vitals`, { method: "OPTIONS", headers: { origin: "https://portal.example" } });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-headers"), "content-type, prefer");
});

test("unknown methods and paths are rejected", async () => {
  const get = await fetch(`${product.origin}/v1/vitals`);
  assert.deepEqual([get.status, get.headers.get("allow")], [405, "POST, OPTIONS"]);
  assert.equal((await fetch(`${product.origin}/api/nothing`)).status, 404);
  // As a site that is not public: a stranger learns no names.
  assert.equal((await fetch(`${product.origin}/api/vitals/summary?site=nobody`)).status, 401);
  assert.equal((await fetch(`${product.origin}/api/vitals/summary?device=watch`)).status, 400);
  assert.equal((await fetch(`${product.origin}/api/health`, { method: "HEAD" })).status, 200);
});

test("no rejection is logged as an error", () => {
  assert.deepEqual(product.logs().filter(({ level }) => level === "error"), []);
});
