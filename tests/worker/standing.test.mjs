// How a site stands against its budgets: counts and verdicts by hand, watching that outlives the object,
// a release beside the one before, and budgets that change on a live site.
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
let valid;
const PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148";

before(async () => {
  mkdirSync("build/budgets", { recursive: true });
  // Paths of a configuration are its own; the namespace is the only other difference.
  const config = readFileSync("wrangler.toml", "utf8").replaceAll('"build/', '"../');
  writeFileSync("build/budgets/wrangler.toml", `${config}\n[[env.dev.kv_namespaces]]\nbinding = "BUDGETS"\nid = "budgets"\n`);
  product = await serve({ SHARDS: "2", READ_TOKEN: "token", SITES: { demo: { public: true }, live: { public: true }, watch: { public: true }, shut: {} } }, "build/budgets/wrangler.toml");
  kv = (await product.worker.getEnv()).BUDGETS;
  const document = await (await fetch(`${product.origin}/api/openapi.json`)).json();
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  for (const word of Object.keys(document)) if (!["$id", "$schema"].includes(word)) ajv.addKeyword(word);
  ajv.addSchema({ $id: "https://doc.invalid/openapi.json", ...document });
  valid = ajv.compile({ $ref: "https://doc.invalid/openapi.json#/components/schemas/Standing" });
});
after(() => product.close());

/** The standing, which is described. @param {string} query @returns {Promise<any>} */
async function standing(query) {
  const answer = await fetch(`${product.origin}/api/budgets?${query}`);
  const body = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(body));
  assert.ok(valid(body), JSON.stringify(valid.errors));
  return body;
}

/**
 * Views with these paints, on a desktop unless said otherwise.
 * @param {number[]} paints @param {Record<string, any>} told @param {string} [agent]
 */
async function visits(paints, told, agent = DESKTOP) {
  const answers = await Promise.all(paints.map((LCP) => product.send(beacon({ m: { LCP }, ...told }), { "user-agent": agent })));
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
}

/** Of `n` views, `k` within a budget of 2000. @param {number} n @param {number} k */
const paints = (n, k) => Array.from({ length: n }, (_, index) => (index < k ? 1200 : 2600));

/** @param {any} body @param {string | null} route @param {string} [metric] @param {string | null} [device] */
const cell = (body, route, metric = "LCP", device = "desktop") =>
  body.cells.find((/** @type {any} */ cell) => cell.route === route && cell.metric === metric && cell.device === device);

test("each budget has a cell of its own on each route, and one of the site", async () => {
  await visits(paints(100, 83), { path: "/met", release: "1" });
  await visits(paints(100, 64), { path: "/violated", release: "1" });
  await visits(paints(100, 64), { path: "/violated", release: "1" }, PHONE);
  await visits(paints(29, 29), { path: "/few", release: "2" });
  const body = await standing("site=demo");
  assert.deepEqual([body.views, body.budgets.source, body.budgets.refused], [329, "asset", undefined]);
  const shown = (/** @type {any} */ { n, k, verdict }) => [n, k, verdict];
  assert.deepEqual(shown(cell(body, "/met")), [100, 83, "met"]);
  assert.deepEqual(shown(cell(body, "/violated")), [100, 64, "violated"]);
  assert.deepEqual(shown(cell(body, "/violated", "LCP", "phone")), [100, 64, "violated"]);
  assert.deepEqual(shown(cell(body, "/few")), [29, 29, "insufficient"]);
  assert.deepEqual(shown(cell(body, "/few", "INP")), [0, 0, "unknown"]);
  const site = cell(body, null);
  assert.deepEqual([shown(site), site.pattern, site.max], [[229, 176, "insufficient"], "/", 2000]);
  assert.equal(cell(body, "/few", "FID").severity, "warn");
  const [low, high] = site.interval;
  assert.ok([low, site.value].every((value) => Math.abs(value - 1200) < 1200 / 64) && Math.abs(high - 2600) < 2600 / 64, "176 of 229 are 77 %");
  // Nobody came on a tablet: that is no cell.
  assert.ok(body.cells.every((/** @type {any} */ each) => each.device !== "tablet"));
  const one = await standing("site=demo&release=2&route=/few");
  assert.deepEqual([one.views, one.release, one.cells.length, one.cells.every((/** @type {any} */ each) => each.route === "/few")], [29, "2", 6, true]);
});

test("scores are of each route and device, of each route, and of the site", async () => {
  const { scores } = await standing("site=demo");
  const score = (/** @type {string | null} */ route, /** @type {string | null} */ device) => scores.find((/** @type {any} */ each) => each.route === route && each.device === device);
  // 2600 ms on a phone, by Lighthouse's curve; on a desktop it is worse.
  assert.ok(score("/violated", "phone").score > 0.85 && score("/violated", "desktop").score < 0.5);
  const [phone, desktop, both] = [score("/violated", "phone"), score("/violated", "desktop"), score("/violated", null)];
  assert.equal(both.score, Math.round(((phone.score + desktop.score) / 2) * 100) / 100);
  assert.equal(score(null, null).views, 329);
});

test("of many cells a page is told, those first that need somebody's eyes, and how many there are of each verdict", async () => {
  const whole = await standing("site=demo");
  const named = (/** @type {any} */ { pattern, route, device, metric }) => [pattern, route, device, metric].join(" ");
  const of = (/** @type {string} */ verdict) => whole.cells.filter((/** @type {any} */ each) => each.verdict === verdict);
  assert.deepEqual(whole.verdicts, Object.fromEntries(["insufficient", "met", "unknown", "violated"].map((verdict) => [verdict, of(verdict).length])));
  assert.equal(whole.next, undefined, "all are told where no page is asked for");

  const site = whole.cells.filter((/** @type {any} */ { route }) => route === null);
  const first = await standing(`site=demo&sort=trouble&limit=${site.length + 1}`);
  // Of two that are as far beyond their budget, that of the phone stands first in the file.
  assert.deepEqual(first.cells.map(named), [...site.map(named), "/ /violated phone LCP"]);
  assert.deepEqual([first.verdicts, first.next], [whole.verdicts, site.length + 1]);
  assert.deepEqual([...new Set(first.scores.map((/** @type {any} */ { route }) => route))], [null, "/violated"]);
  const told = [...first.cells];
  for (let { next } = first; next !== undefined; ) {
    const page = await standing(`site=demo&sort=trouble&limit=5&offset=${next}`);
    told.push(...page.cells);
    next = page.next;
  }
  assert.deepEqual(told.map(named).sort(), whole.cells.map(named).sort());

  const lcp = await standing("site=demo&metric=LCP");
  assert.deepEqual(lcp.cells, whole.cells.filter((/** @type {any} */ { metric }) => metric === "LCP"));
});

test("a site that nobody visits is unknown, budget by budget", async () => {
  const answer = await fetch(`${product.origin}/api/budgets?site=shut`, { headers: { authorization: "Bearer token" } });
  const body = await answer.json();
  assert.ok(valid(body));
  assert.deepEqual(body.cells.map((/** @type {any} */ { route, device, n, verdict }) => [route, device, n, verdict]), Array.from({ length: 6 }, () => [null, null, 0, "unknown"]));
  assert.equal((await fetch(`${product.origin}/api/budgets?site=shut`)).status, 401);
});

test("a release is compared with the one before, device by device", async () => {
  const before = { path: "/page", release: "1.0" };
  const later = { path: "/page", release: "1.1" };
  await visits(paints(100, 90), before);
  await visits(paints(100, 60), before, PHONE);
  await visits(paints(100, 75), later);
  await visits(paints(100, 45), later, PHONE);
  const body = await standing("site=demo&release=1.1&against=1.0&window=1h");
  const [site, page, ...others] = body.regressions;
  assert.deepEqual(others, []);
  assert.deepEqual(page.strata, [
    { device: "phone", before: { n: 100, k: 60 }, after: { n: 100, k: 45 } },
    { device: "desktop", before: { n: 100, k: 90 }, after: { n: 100, k: 75 } },
  ]);
  assert.ok(Math.abs(page.points_worse - 15) < 1e-9 && page.p_value < 1e-3 && page.regression);
  assert.deepEqual([site.route, site.points_worse, site.regression], [null, page.points_worse, true]);
  assert.deepEqual([cell(body, "/page").n, body.against], [100, "1.0"], "the cells are the release's alone");
  const back = await standing("site=demo&release=1.0&against=1.1");
  assert.ok(back.regressions.every((/** @type {any} */ each) => !each.regression));
});

test("an alarm is raised by evidence, outlives the object, and clears only when the budget is met", async () => {
  await visits(paints(100, 60), { site: "watch", path: "/w" });
  const { watch, burn, verdict } = cell(await standing("site=watch"), "/w");
  assert.deepEqual([Math.round(watch.e_value * 100) / 100, watch.alarm, watch.n, watch.k, verdict], [54.26, true, 100, 60, "violated"]);
  assert.deepEqual([burn.half_hour, burn.six_hours, burn.three_days, burn.asks], [1.6, 1.6, 1.6, "ticket"]);
  await product.worker.evictDurableObject("SHARDS_OF_SITES", { name: "watch/0" });
  await visits(paints(60, 60), { site: "watch", path: "/w" });
  const still = cell(await standing("site=watch"), "/w");
  assert.deepEqual([still.watch.alarm, still.watch.changed_at, still.verdict], [true, watch.changed_at, "insufficient"]);
  await visits(paints(140, 140), { site: "watch", path: "/w" });
  const cleared = cell(await standing("site=watch"), "/w");
  assert.deepEqual([cleared.verdict, cleared.watch.alarm], ["met", false]);
  assert.ok(cleared.watch.changed_at > watch.changed_at);
});

test("the cron looks though nobody asks", async () => {
  await visits(paints(100, 50), { site: "watch", path: "/cron" });
  const outcome = await product.worker.scheduled({ cron: "*/15 * * * *", scheduledTime: new Date() });
  assert.equal(outcome.outcome, "ok");
  const looked = Date.now();
  const { watch } = cell(await standing("site=watch"), "/cron");
  assert.ok(watch.alarm && watch.changed_at <= looked, "it was raised before it was asked for");
});

test("budgets change on a live site, and a wrong file does not rule", async () => {
  const limits = (/** @type {number} */ lcp, more = "") => `[{"timings":[{"metric":"largest-contentful-paint","budget":${lcp}}]}${more}]`;
  await visits(paints(50, 40), { site: "live", path: "/l" });
  const first = await standing("site=live");
  assert.deepEqual([cell(first, "/l").n, first.budgets.source], [50, "asset"]);

  await kv.put("budgets.json", limits(3000, `,{"path":"/checkout","timings":[{"metric":"cumulative-layout-shift","budget":0.1,"percentile":90}]}`));
  const changed = await standing("site=live");
  assert.ok(changed.budgets.since > first.budgets.since && changed.budgets.source === "kv");
  const fresh = cell(changed, "/l");
  assert.deepEqual([fresh.max, fresh.n, fresh.verdict, fresh.counting_since], [3000, 0, "unknown", changed.budgets.since], "what was judged by another limit proves nothing of this one");
  assert.deepEqual(cell(changed, null, "CLS", null).verdict, "unknown", "a budget that no view has met is told");
  await visits(paints(50, 40), { site: "live", path: "/l" });
  assert.deepEqual([cell(await standing("site=live"), "/l").n, cell(await standing("site=live"), "/l").k], [50, 50]);

  await kv.put("budgets.json", limits(1000).replace("largest", "larges"));
  const refused = await standing("site=live");
  assert.match(refused.budgets.refused.why, /^line 1, column 24: .*did you mean "largest-contentful-paint"/);
  assert.deepEqual([cell(refused, "/l").max, refused.budgets.since, refused.budgets.refused.source], [3000, changed.budgets.since, "kv"]);
  for (const shard of [0, 1]) await product.worker.evictDurableObject("SHARDS_OF_SITES", { name: `live/${shard}` });
  assert.equal(cell(await standing("site=live"), "/l").max, 3000, "the last good one outlives the object");

  await kv.delete("budgets.json");
  const back = await standing("site=live");
  assert.deepEqual([back.budgets.source, back.budgets.refused], ["asset", undefined]);
  assert.deepEqual([cell(back, "/l").max, cell(back, "/l").n, cell(back, "/l").k], [2000, 50, 40], "a limit that came back still has its counts");
});

test("the limits of one path are where they were, and at an address of their own", async () => {
  const get = async (/** @type {string} */ path) => (await fetch(product.origin + path)).json();
  const limits = await get("/api/budgets/limits?path=/x&device=phone");
  assert.deepEqual([limits.limits.LCP.max, limits.device], [2000, "phone"]);
  assert.deepEqual(await get("/api/budgets?path=/x&device=phone"), limits);
});

test("what is asked wrongly is refused by name", async () => {
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
