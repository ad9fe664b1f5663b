// Refusals are counted even where the shard that counts them is out of order for a while, and a beacon
// that cannot be stored then is not acknowledged.
import assert from "node:assert/strict";
import { test } from "node:test";

import { product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";

test("what is refused while its shard is out of order is counted when it is well again, once", async () => {
  const worker = product();
  const main = new URL("faulty.js", import.meta.url).pathname;
  const workerd = await start("refusals", { ...worker, modules: { "faulty.js": main, ...worker.modules } }, { fresh: true });
  try {
    const send = (/** @type {unknown} */ body) => workerd.send("/v1/vitals", JSON.stringify(body), { "user-agent": DESKTOP });
    const read = async () => JSON.parse((await workerd.send("/api/vitals/summary?site=demo")).text);
    // Each one asks to carry what has been added up so far.
    const wrong = async (/** @type {number} */ count) => {
      for (let sent = 0; sent < count; sent += 1) assert.equal((await send(beacon({ nav: "teleport" }))).status, 422);
    };
    /** @param {number} expected */
    const counted = async (expected) => {
      /** @type {Record<string, number>} */
      let refused = {};
      // The counts follow the answers: asked for until they are there.
      for (let tries = 0; tries < 500 && refused["out-of-range"] !== expected; tries += 1) refused = (await read()).refused;
      return refused;
    };
    await wrong(3);
    assert.deepEqual(await counted(3), { "out-of-range": 3 });
    await workerd.send("/down");
    await wrong(20);
    assert.equal((await send(beacon())).status, 503, "nothing is acknowledged that is not stored");
    assert.equal((await workerd.send("/api/vitals/summary?site=demo")).status, 503);
    await workerd.send("/up");
    assert.equal((await send(beacon())).status, 200);
    await wrong(1);
    // The last one carries them all: those of while it was down, and the beacon that could not be stored.
    assert.deepEqual(await counted(24), { "out-of-range": 24, unavailable: 1 });
    await wrong(1);
    assert.deepEqual(await counted(25), { "out-of-range": 25, unavailable: 1 }, "none twice");
    assert.equal((await read()).views, 1);
  } finally {
    await workerd.kill();
  }
});
