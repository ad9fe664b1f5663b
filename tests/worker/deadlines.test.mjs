// Beacons while something that they need hangs: the shard's storage, budgets in KV or among the files, a rate limiter.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import { after, before, beforeEach, test } from "node:test";

import { product, start } from "../faults/workerd.mjs";
import { DESKTOP, beacon } from "../product.mjs";

const main = new URL("../faults/chaos.js", import.meta.url).pathname;
const BUDGETS = readFileSync(new URL("../../build/assets-dev/v1/budgets.json", import.meta.url));

/** The static files, which hang or not. @type {{ hang: boolean, reads: number, waiting: http.ServerResponse[] }} */
const files = { hang: false, reads: 0, waiting: [] };
const server = http.createServer((_, response) => {
  files.reads += 1;
  if (files.hang) files.waiting.push(response);
  else response.writeHead(200, { "content-type": "application/json" }).end(BUDGETS);
});

/** @type {number} */
let port;
/** @type {Awaited<ReturnType<typeof serve>>} */
let site;
before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  ({ port } = /** @type {import("node:net").AddressInfo} */ (server.address()));
  site = await serve("deadlines");
});
after(async () => {
  await site?.kill();
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  files.hang = false;
});

/**
 * @typedef {Record<string, string>} Fields
 * @typedef {{ status: number, headers: import("node:http").IncomingHttpHeaders, text: string }} Answer
 */

/** @param {string} name */
async function serve(name) {
  const worker = product();
  const workerd = await start(name, { ...worker, modules: { "chaos.js": main, ...worker.modules } }, { fresh: true, files: port });
  return {
    ...workerd,
    faults: (/** @type {Record<string, string>} */ faults) => workerd.send("/faults", JSON.stringify(faults)),
    summary: async () => JSON.parse((await workerd.send("/api/vitals/summary?site=demo")).text),
    /** @param {Fields} [headers] @returns {Promise<Answer>} */
    visit: (headers = {}) => workerd.ask("/v1/vitals", JSON.stringify(beacon()), { "user-agent": DESKTOP, ...headers }),
  };
}

/** Sends beacons at once. @param {{ visit: (headers?: Fields) => Promise<Answer> }} site */
const twenty = async (site) => (await Promise.all(Array.from({ length: 20 }, () => site.visit()))).map(({ status }) => status);
const accepted = Array.from({ length: 20 }, () => 200);

test("a shard whose storage hangs refuses beacons within 250 ms, and counts them once afterwards", async () => {
  assert.equal((await site.visit()).status, 200);
  const { views } = await site.summary();
  await site.faults({ appends: "hangs" });
  const took = [];
  for (let sent = 0; sent < 5; sent += 1) {
    const began = performance.now();
    const { status, headers } = await site.visit();
    took.push(performance.now() - began);
    assert.deepEqual([status, headers["retry-after"]], [503, "5"]);
  }
  // The quickest one: this machine may be busy.
  assert.ok(Math.min(...took) <= 250, took.join());
  await site.faults({});
  assert.equal((await site.visit()).status, 200);
  assert.equal((await site.summary()).views, views + 1, "a beacon that was refused is not stored");
});

test("a new isolate accepts beacons while the file of budgets hangs, and judges them once it is there", async () => {
  files.hang = true;
  const cold = await serve("deadlines-cold");
  try {
    assert.deepEqual(await twenty(cold), accepted);
    const { text } = await cold.visit({ prefer: "return=representation" });
    assert.deepEqual(JSON.parse(text).within, {}, "nothing is known to judge by");
    files.hang = false;
    files.waiting.splice(0).forEach((response) => response.destroy());
    // The shard reads the file at its next fold, however many failed.
    let summary = await cold.summary();
    for (const until = Date.now() + 30_000; summary.cells?.[0]?.budget == null && Date.now() < until; ) summary = await cold.summary();
    assert.equal(summary.views, 21);
    assert.ok(summary.cells.find((/** @type {any} */ { metric }) => metric === "LCP").budget);
  } finally {
    await cold.kill();
  }
});

test("while KV hangs, no beacon waits for budgets, and a read uses the last valid ones", async () => {
  const slow = await serve("deadlines-kv");
  try {
    await slow.faults({ "budgets in KV": "hangs" });
    assert.deepEqual(await twenty(slow), accepted, "of a new isolate");
    await slow.faults({});
    let summary = await slow.summary();
    for (const until = Date.now() + 30_000; summary.cells === undefined && Date.now() < until; ) summary = await slow.summary();
    assert.equal(summary.views, 20);
    await slow.faults({ "budgets in KV": "hangs" });
    assert.deepEqual(await twenty(slow), accepted);
    // The report always reads the file anew.
    const { status, text } = await slow.send("/api/budgets?site=demo");
    assert.equal(status, 200);
    const report = JSON.parse(text);
    assert.equal(report.views, 40);
    const { source, why } = report.budgets.refused;
    assert.deepEqual([source, why], ["kv", "not read within 1500 ms"]);
    assert.deepEqual(await twenty(slow), accepted, "now that the last read has failed");
  } finally {
    await slow.kill();
  }
});

test("beacons pass a rate limiter that hangs, and are counted", async () => {
  const before = await site.summary();
  await site.faults({ "the limiter of networks": "hangs", "the limiter of sites": "hangs" });
  assert.deepEqual(await twenty(site), accepted);
  await site.faults({});
  assert.equal((await site.visit()).status, 200);
  let after = await site.summary();
  // The counts arrive after the responses.
  for (const until = Date.now() + 30_000; after.refused["limiter-unavailable"] !== 20 && Date.now() < until; ) after = await site.summary();
  assert.equal(after.views - before.views, 21);
  assert.equal(after.refused["limiter-unavailable"], 20, "each beacon that the limiter of its site did not judge");
});
