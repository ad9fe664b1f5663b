// The budget report of a site: counts and verdicts by hand, sequential tests that survive evictions,
// comparison of releases, and budget changes on a live site.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { Ajv2020 } from "ajv/dist/2020.js";

import { beacon, DESKTOP, serve } from "../product.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
/** @type {any} */
let kv;
/** @type {import("ajv").ValidateFunction} */
let validate;
const PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148";

before(async () => {
  mkdirSync("build/budgets", { recursive: true });
  // The configuration resolves paths against itself; otherwise only the namespace differs.
  const config = readFileSync("wrangler.toml", "utf8").replaceAll('"build/', '"../');
  writeFileSync("build/budgets/wrangler.toml", `${config}\n[[env.dev.kv_namespaces]]\nbinding = "BUDGETS"\nid = "budgets"\n`);
  product = await serve({ SHARDS: "2", READ_TOKEN: "token", SITES: { demo: { public: true }, live: { public: true }, watch: { public: true }, shut: {} } }, "build/budgets/wrangler.toml");
  kv = (await product.worker.getEnv()).BUDGETS;
  const document = await (await fetch(`${product.origin}/api/openapi.json`)).json();
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  for (const keyword of Object.keys(document)) if (!["$id", "$schema"].includes(keyword)) ajv.addKeyword(keyword);
  ajv.addSchema({ $id: "https://doc.invalid/openapi.json", ...document });
  validate = ajv.compile({ $ref: "https://doc.invalid/openapi.json#/components/schemas/Standing" });
});
after(() => product.close());

/** Reads the budget report and checks it against its schema. @param {string} query @returns {Promise<any>} */
async function readReport(query) {
  const answer = await fetch(`${product.origin}/api/budgets?${query}`);
  const body = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(body));
  assert.ok(validate(body), JSON.stringify(validate.errors));
  return body;
}

/**
 * Sends views with these LCP values, on a desktop unless an agent is given.
 * @param {number[]} paints @param {Record<string, any>} fields @param {string} [agent]
 */
async function sendViews(paints, fields, agent = DESKTOP) {
  const answers = await Promise.all(paints.map((LCP) => product.send(beacon({ m: { LCP }, ...fields }), { "user-agent": agent })));
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
}

/** Returns the LCP of `n` views, `k` of them within a budget of 2000. @param {number} n @param {number} k */
const paints = (n, k) => Array.from({ length: n }, (_, index) => (index < k ? 1200 : 2600));

/** @param {any} body @param {string | null} route @param {string} [metric] @param {string | null} [device] */
const cell = (body, route, metric = "LCP", device = "desktop") =>
  body.cells.find((/** @type {any} */ cell) => cell.route === route && cell.metric === metric && cell.device === device);

test("each budget has a cell on each route, and one of the whole site", async () => {
  await sendViews(paints(100, 83), { path: "/met", release: "1" });
  await sendViews(paints(100, 64), { path: "/violated", release: "1" });
  await sendViews(paints(100, 64), { path: "/violated", release: "1" }, PHONE);
  await sendViews(paints(29, 29), { path: "/few", release: "2" });
  const body = await readReport("site=demo");
  assert.deepEqual([body.views, body.budgets.source, body.budgets.refused], [329, "asset", undefined]);
  const counts = (/** @type {any} */ { n, k, verdict }) => [n, k, verdict];
  assert.deepEqual(counts(cell(body, "/met")), [100, 83, "met"]);
  assert.deepEqual(counts(cell(body, "/violated")), [100, 64, "violated"]);
  assert.deepEqual(counts(cell(body, "/violated", "LCP", "phone")), [100, 64, "violated"]);
  assert.deepEqual(counts(cell(body, "/few")), [29, 29, "insufficient"]);
  assert.deepEqual(counts(cell(body, "/few", "INP")), [0, 0, "unknown"]);
  const site = cell(body, null);
  assert.deepEqual([counts(site), site.pattern, site.max], [[229, 176, "insufficient"], "/", 2000]);
  assert.equal(cell(body, "/few", "FID").severity, "warn");
  const [low, high] = site.interval;
  assert.ok([low, site.value].every((value) => Math.abs(value - 1200) < 1200 / 64) && Math.abs(high - 2600) < 2600 / 64, "176 of 229 are 77 %");
  // No view came from a tablet, so there is no cell for it.
  assert.ok(body.cells.every((/** @type {any} */ entry) => entry.device !== "tablet"));
  const few = await readReport("site=demo&release=2&route=/few");
  assert.deepEqual([few.views, few.release, few.cells.length, few.cells.every((/** @type {any} */ entry) => entry.route === "/few")], [29, "2", 6, true]);
});

test("each route and device, each route, and the site has a score", async () => {
  const { scores } = await readReport("site=demo");
  const score = (/** @type {string | null} */ route, /** @type {string | null} */ device) => scores.find((/** @type {any} */ entry) => entry.route === route && entry.device === device);
  // The score of 2600 ms on a phone by Lighthouse's curve; on a desktop it is lower.
  assert.ok(score("/violated", "phone").score > 0.85 && score("/violated", "desktop").score < 0.5);
  const [phone, desktop, both] = [score("/violated", "phone"), score("/violated", "desktop"), score("/violated", null)];
  assert.equal(both.score, Math.round(((phone.score + desktop.score) / 2) * 100) / 100);
  assert.equal(score(null, null).views, 329);
});

test("pages of cells start with the most urgent ones and carry the number of each verdict", async () => {
  const whole = await readReport("site=demo");
  const nameOf = (/** @type {any} */ { pattern, route, device, metric }) => [pattern, route, device, metric].join(" ");
  const withVerdict = (/** @type {string} */ verdict) => whole.cells.filter((/** @type {any} */ entry) => entry.verdict === verdict);
  assert.deepEqual(whole.verdicts, Object.fromEntries(["insufficient", "met", "unknown", "violated"].map((verdict) => [verdict, withVerdict(verdict).length])));
  assert.equal(whole.next, undefined, "without a limit all cells are returned");

  const site = whole.cells.filter((/** @type {any} */ { route }) => route === null);
  const first = await readReport(`site=demo&sort=trouble&limit=${site.length + 1}`);
  // Of two cells that exceed their budgets equally, the phone's comes first in the file.
  assert.deepEqual(first.cells.map(nameOf), [...site.map(nameOf), "/ /violated phone LCP"]);
  assert.deepEqual([first.verdicts, first.next], [whole.verdicts, site.length + 1]);
  assert.deepEqual([...new Set(first.scores.map((/** @type {any} */ { route }) => route))], [null, "/violated"]);
  const cells = [...first.cells];
  for (let { next } = first; next !== undefined; ) {
    const page = await readReport(`site=demo&sort=trouble&limit=5&offset=${next}`);
    cells.push(...page.cells);
    next = page.next;
  }
  assert.deepEqual(cells.map(nameOf).sort(), whole.cells.map(nameOf).sort());

  const lcp = await readReport("site=demo&metric=LCP");
  assert.deepEqual(lcp.cells, whole.cells.filter((/** @type {any} */ { metric }) => metric === "LCP"));
});

test("a site without visits is unknown, budget by budget", async () => {
  const answer = await fetch(`${product.origin}/api/budgets?site=shut`, { headers: { authorization: "Bearer token" } });
  const body = await answer.json();
  assert.ok(validate(body));
  assert.deepEqual(body.cells.map((/** @type {any} */ { route, device, n, verdict }) => [route, device, n, verdict]), Array.from({ length: 6 }, () => [null, null, 0, "unknown"]));
  assert.equal((await fetch(`${product.origin}/api/budgets?site=shut`)).status, 401);
});

test("a release is compared with the previous one, device by device", async () => {
  const before = { path: "/page", release: "1.0" };
  const later = { path: "/page", release: "1.1" };
  await sendViews(paints(100, 90), before);
  await sendViews(paints(100, 60), before, PHONE);
  await sendViews(paints(100, 75), later);
  await sendViews(paints(100, 45), later, PHONE);
  const body = await readReport("site=demo&release=1.1&against=1.0&window=1h");
  const [site, page, ...others] = body.regressions;
  assert.deepEqual(others, []);
  assert.deepEqual(page.strata, [
    { device: "phone", before: { n: 100, k: 60 }, after: { n: 100, k: 45 } },
    { device: "desktop", before: { n: 100, k: 90 }, after: { n: 100, k: 75 } },
  ]);
  assert.ok(Math.abs(page.points_worse - 15) < 1e-9 && page.p_value < 1e-3 && page.regression);
  assert.deepEqual([site.route, site.points_worse, site.regression], [null, page.points_worse, true]);
  assert.deepEqual([cell(body, "/page").n, body.against], [100, "1.0"], "the cells are those of the release alone");
  const back = await readReport("site=demo&release=1.0&against=1.1");
  assert.ok(back.regressions.every((/** @type {any} */ entry) => !entry.regression));
});

test("an alarm needs evidence, survives an eviction, and clears only when the budget is met", async () => {
  await sendViews(paints(100, 60), { site: "watch", path: "/w" });
  const { watch, burn, verdict } = cell(await readReport("site=watch"), "/w");
  assert.deepEqual([Math.round(watch.e_value * 100) / 100, watch.alarm, watch.n, watch.k, verdict], [54.26, true, 100, 60, "violated"]);
  assert.deepEqual([burn.half_hour, burn.six_hours, burn.three_days, burn.asks], [1.6, 1.6, 1.6, "ticket"]);
  await product.worker.evictDurableObject("SHARDS_OF_SITES", { name: "watch/0" });
  await sendViews(paints(60, 60), { site: "watch", path: "/w" });
  const still = cell(await readReport("site=watch"), "/w");
  assert.deepEqual([still.watch.alarm, still.watch.changed_at, still.verdict], [true, watch.changed_at, "insufficient"]);
  await sendViews(paints(140, 140), { site: "watch", path: "/w" });
  const cleared = cell(await readReport("site=watch"), "/w");
  assert.deepEqual([cleared.verdict, cleared.watch.alarm], ["met", false]);
  assert.ok(cleared.watch.changed_at > watch.changed_at);
});

test("the cron evaluates without any request", async () => {
  await sendViews(paints(100, 50), { site: "watch", path: "/cron" });
  const outcome = await product.worker.scheduled({ cron: "*/15 * * * *", scheduledTime: new Date() });
  assert.equal(outcome.outcome, "ok");
  const evaluated = Date.now();
  const { watch } = cell(await readReport("site=watch"), "/cron");
  assert.ok(watch.alarm && watch.changed_at <= evaluated, "the alarm was raised before the request");
});

test("budgets change on a live site, and an invalid file is ignored", async () => {
  const limits = (/** @type {number} */ lcp, more = "") => `[{"timings":[{"metric":"largest-contentful-paint","budget":${lcp}}]}${more}]`;
  await sendViews(paints(50, 40), { site: "live", path: "/l" });
  const first = await readReport("site=live");
  assert.deepEqual([cell(first, "/l").n, first.budgets.source], [50, "asset"]);

  await kv.put("budgets.json", limits(3000, `,{"path":"/checkout","timings":[{"metric":"cumulative-layout-shift","budget":0.1,"percentile":90}]}`));
  const changed = await readReport("site=live");
  assert.ok(changed.budgets.since > first.budgets.since && changed.budgets.source === "kv");
  const fresh = cell(changed, "/l");
  assert.deepEqual([fresh.max, fresh.n, fresh.verdict, fresh.counting_since], [3000, 0, "unknown", changed.budgets.since], "counts of another limit prove nothing about this one");
  assert.deepEqual(cell(changed, null, "CLS", null).verdict, "unknown", "a budget without measured views is listed");
  await sendViews(paints(50, 40), { site: "live", path: "/l" });
  assert.deepEqual([cell(await readReport("site=live"), "/l").n, cell(await readReport("site=live"), "/l").k], [50, 50]);

  await kv.put("budgets.json", limits(1000).replace("largest", "larges"));
  const refused = await readReport("site=live");
  assert.match(refused.budgets.refused.why, /^line 1, column 24: .*did you mean "largest-contentful-paint"/);
  assert.deepEqual([cell(refused, "/l").max, refused.budgets.since, refused.budgets.refused.source], [3000, changed.budgets.since, "kv"]);
  for (const shard of [0, 1]) await product.worker.evictDurableObject("SHARDS_OF_SITES", { name: `live/${shard}` });
  assert.equal(cell(await readReport("site=live"), "/l").max, 3000, "the last valid budgets survive an eviction");

  await kv.delete("budgets.json");
  const back = await readReport("site=live");
  assert.deepEqual([back.budgets.source, back.budgets.refused], ["asset", undefined]);
  assert.deepEqual([cell(back, "/l").max, cell(back, "/l").n, cell(back, "/l").k], [2000, 50, 40], "a restored limit still has its counts");
});

test("the limits of a path have an endpoint of their own, and the old one still works", async () => {
  const get = async (/** @type {string} */ path) => (await fetch(product.origin + path)).json();
  const limits = await get("/api/budgets/limits?path=/x&device=phone");
  assert.deepEqual([limits.limits.LCP.max, limits.device], [2000, "phone"]);
  assert.deepEqual(await get("/api/budgets?path=/x&device=phone"), limits);
});

test("an invalid parameter is rejected by name", async () => {
  for (const [query, field] of [
    ["window=1w", "window"],
    ["window=0h", "window"],
    ["window=é", "window"],
    ["window=1h&from=0", "window"],
    ["against=1", "against"],
    ["release=1&against=1", "against"],
    ["sort=worst", "sort"],
    ["metric=TBT", "metric"],
    ["limit=0", "limit"],
    ["limit=5001", "limit"],
    ["offset=-1", "offset"],
  ]) {
    const answer = await fetch(`${product.origin}/api/budgets?site=demo&${query}`);
    assert.deepEqual([answer.status, (await answer.json()).field], [400, field], query);
  }
});
