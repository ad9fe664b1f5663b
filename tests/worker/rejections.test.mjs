// Rejections are counted even while the shard that counts them is unavailable, and a beacon that cannot
// be stored meanwhile is not acknowledged. Those by the limit of a network are counted by its class.
import assert from "node:assert/strict";
import { test } from "node:test";

import { product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";

test("rejections during an outage of their shard are counted once after its recovery", async () => {
  const worker = product();
  const main = new URL("failing-shard.js", import.meta.url).pathname;
  const workerd = await start("refusals", { ...worker, modules: { "failing-shard.js": main, ...worker.modules } }, { fresh: true });
  try {
    const send = (/** @type {unknown} */ body) => workerd.send("/v1/vitals", JSON.stringify(body), { "user-agent": DESKTOP });
    const readSummary = async () => JSON.parse((await workerd.send("/api/vitals/summary?site=demo")).text);
    // Each rejection tries to send the counts added up so far.
    const sendInvalid = async (/** @type {number} */ count) => {
      for (let sent = 0; sent < count; sent += 1) assert.equal((await send(beacon({ nav: "teleport" }))).status, 422);
    };
    /** @param {number} expected */
    const waitForCount = async (expected) => {
      /** @type {Record<string, number>} */
      let refused = {};
      // The counts arrive after the responses, at the pace that the shard sets; poll for them.
      for (const until = Date.now() + 30_000; refused["out-of-range"] !== expected && Date.now() < until; ) refused = (await readSummary()).refused;
      return refused;
    };
    await sendInvalid(3);
    assert.deepEqual(await waitForCount(3), { "out-of-range": 3 });
    await workerd.send("/down");
    await sendInvalid(20);
    assert.equal((await send(beacon())).status, 503, "an unstored beacon is not acknowledged");
    assert.equal((await workerd.send("/api/vitals/summary?site=demo")).status, 503);
    await workerd.send("/up");
    assert.equal((await send(beacon())).status, 200);
    await sendInvalid(1);
    // The last rejection carries the counts of the outage, including the beacon that could not be
    // stored.
    assert.deepEqual(await waitForCount(24), { "out-of-range": 24, unavailable: 1 });
    await sendInvalid(1);
    assert.deepEqual(await waitForCount(25), { "out-of-range": 25, unavailable: 1 }, "no rejection is counted twice");
    assert.equal((await readSummary()).views, 1);
  } finally {
    await workerd.kill();
  }
});

test("beacons over the limit of their network are rejected, and counted for the site by the class of the network", async () => {
  const worker = product({ SITES: { demo: { public: true, origins: ["https://shop.example"], network_limit: 3 } } });
  const main = new URL("shard-faults.js", import.meta.url).pathname;
  const workerd = await start("networks", { ...worker, modules: { "shard-faults.js": main, ...worker.modules } }, { fresh: true });
  try {
    const send = async (/** @type {string} */ address) => {
      const headers = { "user-agent": DESKTOP, "cf-connecting-ip": address, origin: "https://shop.example" };
      return (await workerd.send("/v1/vitals", JSON.stringify(beacon()), headers)).status;
    };
    /** @param {Record<string, number>} expected */
    const waitForCounts = async (expected) => {
      let refused = {};
      for (const until = Date.now() + 30_000; JSON.stringify(refused) !== JSON.stringify(expected) && Date.now() < until; ) {
        refused = JSON.parse((await workerd.send("/api/vitals/summary?site=demo")).text).refused;
      }
      assert.deepEqual(refused, expected);
    };
    const statuses = [];
    for (let sent = 0; sent < 8; sent += 1) statuses.push(await send("192.0.2.7"));
    // A minute may have ended meanwhile.
    const over = statuses.filter((status) => status === 429).length;
    assert.ok(over >= 2 && statuses.every((status) => status === 200 || status === 429), statuses.join());
    assert.deepEqual(statuses.slice(0, 2), [200, 200]);
    for (const other of ["192.0.2.8", "2001:db8::1"]) assert.equal(await send(other), 200, "another network");
    await waitForCounts({ "too-many-from-ipv4": over });
    // The limiter of the platform judges before the body is read.
    await workerd.send("/faults", JSON.stringify({ exceedLimits: true }));
    for (const address of ["192.0.2.9", "2001:db8:0:1::1", "2001:db8:0:2::1"]) assert.equal(await send(address), 429);
    await waitForCounts({ "too-many-from-ipv4": over + 1, "too-many-from-ipv6": 2 });
  } finally {
    await workerd.kill();
  }
});

test("a site with a quota refuses the rest of a day's beacons, also after a restart, and no other site does", async () => {
  const worker = product({ SITES: { demo: { public: true, beacons_per_day: 40 }, other: { public: true } } });
  const send = (/** @type {any} */ workerd, fields = {}) => workerd.send("/v1/vitals", JSON.stringify(beacon(fields)), { "user-agent": DESKTOP });
  const summary = async (/** @type {any} */ workerd) => JSON.parse((await workerd.send("/api/vitals/summary?site=demo")).text);
  let workerd = await start("quota", worker, { fresh: true });
  try {
    const report = (/** @type {number} */ index) => ({ name: "LCP", value: 1000, id: `v5-1700000000000-${1000000000000 + index}`, navigationType: "navigate", rating: "good" });
    const reports = JSON.stringify(Array.from({ length: 32 }, (_, index) => report(index)));
    assert.equal((await workerd.send("/v1/vitals?site=demo&path=/a", reports, { "user-agent": DESKTOP })).status, 200);
    const statuses = [];
    for (let sent = 0; sent < 11; sent += 1) statuses.push((await send(workerd)).status);
    assert.deepEqual(statuses, [...Array(8).fill(200), ...Array(3).fill(429)], "each report counts as a beacon");
    const refused = await workerd.ask("/v1/vitals", JSON.stringify(beacon()), { "user-agent": DESKTOP });
    assert.equal(JSON.parse(refused.text).title, "over-quota");
    const wait = Number(refused.headers["retry-after"]);
    assert.ok(wait > 0 && wait <= 3600, `retry after ${wait} s`);
    assert.equal((await send(workerd, { site: "other" })).status, 200);
    // A read folds what was accepted.
    let read = await summary(workerd);
    for (const until = Date.now() + 30_000; read.refused["over-quota"] !== 4 && Date.now() < until; ) read = await summary(workerd);
    assert.deepEqual([read.refused, read.views], [{ "over-quota": 4 }, 40]);
    await workerd.kill();
    workerd = await start("quota", worker);
    assert.equal((await send(workerd)).status, 429, "what was accepted before counts");
    await workerd.kill();
    workerd = await start("quota", product({ SITES: { demo: { public: true, beacons_per_day: 41 }, other: {} } }));
    assert.deepEqual([(await send(workerd)).status, (await send(workerd)).status], [200, 429], "a raised quota holds at once");
  } finally {
    await workerd.kill();
  }
});
