// Reads without a token: those who ask the same share an answer for a few seconds, a network that asks for too much
// waits, and a query that reads too much is refused before it runs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { product, start } from "../faults/workerd.mjs";
import { DESKTOP, beacon } from "../product.mjs";

const main = new URL("shard-faults.js", import.meta.url).pathname;
const READ = { authorization: "Bearer read sesame" };

/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;
before(async () => {
  const SITES = { demo: { public: true, origins: ["https://shop.example"] }, "a-private-one": {}, shut: {} };
  const worker = product({ SHARDS: "2", RETENTION_DAYS: "3650", READ_TOKEN: "read sesame", PUBLIC_CACHE_SECONDS: "60", SITES });
  workerd = await start("public-reads", { ...worker, modules: { "shard-faults.js": main, ...worker.modules } }, { fresh: true });
  assert.equal((await workerd.send("/v1/vitals", JSON.stringify(beacon()), { "user-agent": DESKTOP })).status, 200);
});
after(() => workerd?.kill());

const faults = (/** @type {Record<string, unknown>} */ given) => workerd.send("/faults", JSON.stringify(given));
const calls = async () => JSON.parse((await workerd.send("/asked")).text).asked;
/** @param {string} path @param {Record<string, string>} [headers] */
const read = (path, headers) => workerd.ask(path, undefined, headers);

test("fifty readers who ask the same cost the shards one read, and the next ones none", async () => {
  await faults({});
  const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => read(index % 2 ? "/badge.svg?site=demo&metric=LCP" : "/badge.svg?metric=LCP&site=demo")));
  assert.deepEqual(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
  assert.equal(await calls(), 2, "each shard was asked once");
  const { headers } = await read("/badge.svg?site=demo&metric=LCP");
  assert.match(String(headers.etag), /^"[0-9a-f]{16}"$/);
  assert.equal((await read("/badge.svg?site=demo&metric=LCP", { "if-none-match": String(headers.etag) })).status, 304);
  assert.equal(await calls(), 2);
});

test("a shared answer keeps what differs between its readers apart", async () => {
  await faults({});
  const path = "/api/vitals/summary?site=demo&window=2h";
  const [plain, page, foreign] = [await read(path), await read(path, { origin: "https://shop.example" }), await read(path, { origin: "https://evil.example" })];
  assert.equal(new Set([plain, page, foreign].map(({ text }) => text)).size, 1);
  assert.deepEqual([plain, page, foreign].map(({ headers }) => headers["access-control-allow-origin"]), [undefined, "https://shop.example", undefined]);
  assert.ok([plain, page, foreign].every(({ headers }) => headers.vary === "Authorization, Origin"), plain.headers.vary);
  assert.equal(await calls(), 4, "loads and other navigations, of two shards");
  // A holder of a token gets the latest, and nobody else gets theirs.
  assert.equal((await read(path, READ)).status, 200);
  assert.equal(await calls(), 8);
  assert.equal((await read("/api/vitals/summary?site=shut&window=2h", READ)).status, 200);
  assert.equal((await read("/api/vitals/summary?site=shut&window=2h")).status, 401);
});

test("a token that is not valid buys no read of its own", async () => {
  const path = "/api/vitals/summary?site=demo&window=7h";
  assert.equal((await read(path)).status, 200);
  await faults({ refuseReads: true });
  assert.equal((await read(path, { authorization: "Bearer wrong" })).status, 200);
  assert.equal((await read(path, { authorization: "Basic wrong" })).status, 200);
  assert.equal((await read("/api/vitals/summary?site=demo&window=8h", { authorization: "Bearer wrong" })).status, 429);
  assert.equal(await calls(), 0);
});

test("metrics of all public sites are read by anybody, once at a time and within the rate", async () => {
  await faults({});
  const [one, other] = await Promise.all([read("/metrics"), read("/metrics")]);
  assert.deepEqual([one.status, one.text], [200, other.text]);
  assert.match((await read("/metrics", { accept: "application/openmetrics-text; version=1.0.0" })).text, /# EOF\n$/);
  await faults({ refuseReads: true });
  assert.equal((await read("/metrics")).status, 429);
  assert.equal((await read("/metrics", READ)).status, 200);
});

test("an answer of a part of the shards is not kept", async () => {
  await faults({ down: [1] });
  const path = "/api/vitals/summary?site=demo&window=3h";
  assert.deepEqual(JSON.parse((await read(path)).text).shards, { answered: 1, of: 2, unanswered: [1] });
  await faults({});
  assert.equal(JSON.parse((await read(path)).text).shards, undefined);
});

test("a network over its rate gets what others have asked, and waits for anything else", async () => {
  const path = "/api/vitals/summary?site=demo&window=4h";
  await faults({});
  assert.equal((await read(path)).status, 200);
  await faults({ refuseReads: true });
  assert.equal((await read(path)).status, 200);
  const refused = await read("/api/vitals/summary?site=demo&window=5h");
  assert.deepEqual([refused.status, refused.headers["retry-after"], JSON.parse(refused.text).title], [429, "60", "too-many"]);
  assert.equal((await read("/api/vitals/summary?site=demo&window=5h", READ)).status, 200);
  assert.equal((await read("/api/health")).status, 200);
  await faults({ hangLimiters: true });
  assert.equal((await read("/api/vitals/summary?site=demo&window=6h")).status, 200, "a limiter that hangs refuses nobody");
});

test("a query that reads too much is refused before it runs, and says how to ask for less", async () => {
  await faults({});
  const path = "/api/vitals/series?site=demo&window=3650d&by=release&step=hour";
  const { status, text } = await read(path);
  const problem = JSON.parse(text);
  assert.deepEqual([status, problem.title], [422, "too-dear"]);
  assert.match(problem.detail, /shorter time span.*route and device.*read token/);
  assert.equal(await calls(), 0);
  assert.equal((await read(path, READ)).status, 200);
  assert.equal((await read("/api/vitals/series?site=demo&window=3650d&by=route&step=day")).status, 200);
});
