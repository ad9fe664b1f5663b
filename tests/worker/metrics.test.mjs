// The scraped metrics, read by promtool and by hand and compared with the beacons sent. Totals only
// grow.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";

import { product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";
import { withCron } from "./cron.mjs";
import { createChecker } from "./openapi.mjs";

const MINUTE = 60_000;
const READ = { authorization: "Bearer read" };
const worker = withCron(product({ SHARDS: "2", READ_TOKEN: "read", SITES: { demo: { public: true }, flood: { public: true }, shut: {} } }));

/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;
before(async () => {
  workerd = await start("metrics", worker, { fresh: true });
});
after(() => workerd?.kill());

/** @param {string} path @param {number} LCP @param {number} minutes its age @param {string} [site] */
async function visit(path, LCP, minutes, site = "demo") {
  const { status } = await workerd.send("/v1/vitals", JSON.stringify(beacon({ site, path, age: minutes * MINUTE, m: { LCP } })), { "user-agent": DESKTOP });
  assert.equal(status, 200);
}

/** @param {Record<string, string>} [headers] @param {string} [query] */
async function scrape(headers = {}, query = "") {
  const { status, text } = await workerd.send(`/metrics${query}`, undefined, headers);
  assert.equal(status, 200, text);
  return text;
}

/** The sum of a metric's samples with these labels. @param {string} page @param {string} name @param {Record<string, string>} [labels] */
function sumOf(page, name, labels = {}) {
  const lines = page.split("\n").filter((line) => line.startsWith(`${name}{`) && Object.entries(labels).every(([label, sumOf]) => line.includes(`${label}="${sumOf}"`)));
  return lines.reduce((sum, line) => sum + Number(line.split("} ")[1]), 0);
}

test("random routes do not grow the scraped metrics", async () => {
  for (let index = 0; index < 300; index += 1) await visit(`/${"abcdefghij"[index % 10]}${"klmnopqrst"[Math.floor(index / 10) % 10]}${"uvwxyz"[Math.floor(index / 100)]}`, 1000, 2, "flood");
  const page = await scrape({}, "?site=flood");
  const routes = new Set([...page.matchAll(/^web_vitals_lcp_seconds_count\{.*route="([^"]*)"/gm)].map(([, route]) => route));
  assert.ok(routes.size <= 201 && routes.has("(other)"), `${routes.size} routes`);
  assert.equal(sumOf(page, "web_vitals_lcp_seconds_count", { site: "flood" }), 300, "no total is lost");
});

test("the first scrape counts the beacons before it, each in its minute, and late beacons change nothing", async () => {
  for (let index = 0; index < 40; index += 1) await visit(index % 2 ? "/a" : "/b", 1000 + 50 * index, 5 + (index % 30));
  const page = await scrape();
  assert.equal(sumOf(page, "web_vitals_lcp_seconds_count", { site: "demo", route: "/a", device: "desktop" }), 20);
  // The range from 1000 to 2000 holds 21 values of both routes.
  assert.equal(sumOf(page, "web_vitals_lcp_seconds_bucket", { site: "demo", le: "2.0" }), 21);
  const sum = Array.from({ length: 40 }, (_, index) => 1 + 0.05 * index).reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(sumOf(page, "web_vitals_lcp_seconds_sum", { site: "demo" }) / sum - 1) < 0.016);
  await visit("/a", 1000, 20);
  assert.equal(sumOf(await scrape(), "web_vitals_lcp_seconds_count", { site: "demo" }), 40, "the minute is already counted");
  await workerd.kill();
  workerd = await start("metrics", worker);
  assert.equal(sumOf(await scrape(), "web_vitals_lcp_seconds_count", { site: "demo" }), 40, "totals survive a restart");
  assert.ok(sumOf(page, "edge_vitals_health_score") > 0 && sumOf(page, "edge_vitals_memory_bytes") > 0);
  assert.ok(Date.now() / 1000 - sumOf(page, "edge_vitals_last_beacon_timestamp_seconds") < 600);
});

test("promtool accepts the metrics of several sites", async (t) => {
  await visit("/x", 1, 3, "shut");
  const page = await scrape(READ);
  assert.match(page, /site="shut"/);
  const { error, status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: page, encoding: "utf8" });
  if (error) return t.skip("promtool is not installed (Debian package `prometheus`)");
  assert.deepEqual([status, stdout, stderr], [0, "", ""]);
});

test("a scraper gets the requested format, without sites that it may not read", async () => {
  const check = createChecker((await workerd.send("/api/openapi.json")).text);
  const open = await scrape({ accept: "application/openmetrics-text;version=1.0.0,*/*;q=0.1" });
  assert.match(open, /# EOF\n$/);
  assert.doesNotMatch(open, /site="shut"/);
  check("GET", "/metrics", 200, "application/openmetrics-text", open);
  assert.equal((await workerd.send("/metrics?site=shut")).status, 401);
  assert.match(await scrape(READ, "?site=shut"), /site="shut"/);
});
