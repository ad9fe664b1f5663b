// Rejections are counted even while the shard that counts them is unavailable, and a beacon that cannot
// be stored meanwhile is not acknowledged.
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
      // The counts arrive after the responses; poll for them.
      for (let tries = 0; tries < 500 && refused["out-of-range"] !== expected; tries += 1) refused = (await readSummary()).refused;
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
