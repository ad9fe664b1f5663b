// Acknowledged means durable: workerd is killed at random moments under load, round after round, and
// every acknowledged view is in its database and counted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DatabaseSync } from "node:sqlite";

import { beacon, DESKTOP } from "../product.mjs";
import { foldedKeys, pendingKeys } from "../worker/journal.mjs";
import { createRandom, databases, product, start } from "./workerd.mjs";

const ROUNDS = 8;
const SENDERS = 24;

test("acknowledged views survive a kill at any moment", async () => {
  const random = createRandom(20261121);
  /** @type {Set<string>} */
  const sent = new Set();
  /** @type {Set<string>} */
  const acknowledged = new Set();
  for (let round = 0; round < ROUNDS; round += 1) {
    const workerd = await start("kill", product({ SHARDS: "2" }), { fresh: round === 0 });
    // A number of responses, not a time, so that the speed of the machine does not matter.
    const killAfter = acknowledged.size + 1 + Math.floor(random() * 1500);
    let killed = false;
    const sender = async () => {
      while (!killed) {
        const view = beacon({ id: Math.floor(random() * 2 ** 48).toString(16).padStart(24, "0"), path: `/round-${"abcdefgh"[round]}` });
        sent.add(view.id);
        try {
          const { status } = await workerd.send("/v1/vitals", JSON.stringify(view), { "user-agent": DESKTOP });
          if (status === 200) acknowledged.add(view.id);
        } catch {
          // Without a response nothing was promised.
        }
        // A read folds views, so that kills interrupt folds, too.
        if (random() < 0.01) workerd.send("/api/vitals/summary?site=demo").catch(() => {});
        if (acknowledged.size >= killAfter && !killed) {
          killed = true;
          await workerd.kill();
        }
      }
    };
    await Promise.all(Array.from({ length: SENDERS }, sender));
  }
  const last = await start("kill", product({ SHARDS: "2" }));
  const { status, text } = await last.send("/api/vitals/summary?site=demo");
  assert.equal(status, 200, text);
  const summary = JSON.parse(text);
  await last.kill();
  const stored = new Set();
  for (const file of databases(last.storage, "Shard")) {
    const database = new DatabaseSync(file);
    for (const key of foldedKeys(database)) stored.add(key.split(".")[0]);
    assert.deepEqual(pendingKeys(database), [], "the read has folded every view");
    database.close();
  }
  const lost = [...acknowledged].filter((id) => !stored.has(id));
  const unsent = [...stored].filter((id) => !sent.has(id));
  console.log(`${ROUNDS} kills: ${sent.size} sent, ${acknowledged.size} acknowledged, ${stored.size} stored, ${lost.length} acknowledged and lost`);
  assert.deepEqual({ lost, unsent }, { lost: [], unsent: [] });
  assert.equal(summary.views, stored.size, "each view is counted once");
  assert.ok(acknowledged.size > ROUNDS * 100, "there was load");
});
