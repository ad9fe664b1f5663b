// Acknowledged means durable: workerd is killed at random moments under load, round after round. Afterwards every
// acknowledged view is in its database, and each view counts once as of its latest beacon. KILL_ROUNDS, KILL_BEACONS
// and KILL_SENDERS make it as long as the nightly one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DatabaseSync } from "node:sqlite";

import { beacon, DESKTOP } from "../product.mjs";
import { foldedKeys, pendingKeys } from "../worker/journal.mjs";
import { createRandom, databases, product, start } from "./workerd.mjs";

const ROUNDS = Number(process.env.KILL_ROUNDS ?? 8);
/** Acknowledged beacons in all rounds. */
const BEACONS = Number(process.env.KILL_BEACONS ?? 6_000);
const SENDERS = Number(process.env.KILL_SENDERS ?? 64);
const PATHS = ["/", "/a", "/b", "/section/c", "/section/d"];
const READ_SHARE = 0.005;
const CORRECTED_SHARE = 0.3;

/** The progress of the beacons of a view. */
const SENT = 1;
const ACKNOWLEDGED = 2;
const CORRECTED = 4;
const CORRECTION_ACKNOWLEDGED = 8;

test("acknowledged views survive a kill at any moment, and each counts once", async () => {
  const random = createRandom(20261121);
  /** The state of each view, by its page load. @type {Map<string, number>} */
  const views = new Map();
  /** Views whose first beacon got no response. @type {string[]} */
  let unanswered = [];
  let acknowledged = 0;
  let resent = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const workerd = await start("kill", product({ SHARDS: "2" }), { fresh: round === 0 });
    // A number of responses, not a time, so that the speed of the machine does not matter.
    const share = round === ROUNDS - 1 ? BEACONS - acknowledged : random() * ((2 * BEACONS) / ROUNDS);
    const killAfter = acknowledged + 1 + Math.max(0, Math.floor(share));
    let killed = false;
    /** Sends a beacon, and notes that it was sent and acknowledged. @param {string} id @param {number} seq @param {number} wasSent @param {number} wasAcknowledged */
    const send = async (id, seq, wasSent, wasAcknowledged) => {
      views.set(id, (views.get(id) ?? 0) | wasSent);
      const path = PATHS[Number.parseInt(id.slice(-1), 16) % PATHS.length];
      try {
        const { status } = await workerd.send("/v1/vitals", JSON.stringify(beacon({ id, seq, path, m: { LCP: seq ? 5_000 : 1_000 } })), { "user-agent": DESKTOP });
        if (status !== 200) return false;
      } catch {
        // Without a response nothing was promised.
        return false;
      }
      views.set(id, (views.get(id) ?? 0) | wasAcknowledged);
      acknowledged += 1;
      if (acknowledged >= killAfter && !killed) {
        killed = true;
        await workerd.kill();
      }
      return true;
    };
    const earlier = unanswered;
    unanswered = [];
    const sender = async () => {
      while (!killed) {
        // Some clients send again what got no response, others are gone.
        const again = random() < 0.5 ? earlier.pop() : undefined;
        if (again) resent += 1;
        const id = again ?? Math.floor(random() * 2 ** 48).toString(16).padStart(24, "0");
        const isStored = await send(id, 0, SENT, ACKNOWLEDGED);
        if (!isStored) unanswered.push(id);
        else if (!killed && random() < CORRECTED_SHARE) await send(id, 1, CORRECTED, CORRECTION_ACKNOWLEDGED);
        // A read folds views, so that kills interrupt folds, too.
        if (random() < READ_SHARE) workerd.send("/api/vitals/summary?site=demo").catch(() => {});
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
  const count = (/** @type {number} */ state) => [...views.values()].filter((reached) => (reached & state) !== 0).length;
  const lost = [...views].filter(([id, state]) => (state & ACKNOWLEDGED) !== 0 && !stored.has(id));
  const unsent = [...stored].filter((id) => !views.has(id));
  console.log(
    `${ROUNDS} kills: ${views.size} views sent, ${count(ACKNOWLEDGED)} acknowledged, ${stored.size} stored, ${lost.length} acknowledged and lost; ` +
      `${acknowledged} beacons acknowledged, ${count(CORRECTION_ACKNOWLEDGED)} of ${count(CORRECTED)} corrections, ${resent} sent again`,
  );
  assert.deepEqual({ lost, unsent }, { lost: [], unsent: [] });
  assert.equal(summary.views, stored.size, "each view is counted once");
  const cells = summary.cells.filter((/** @type {any} */ { metric }) => metric === "LCP");
  const sum = (/** @type {(cell: any) => number} */ of) => cells.reduce((/** @type {number} */ total, /** @type {any} */ cell) => total + of(cell), 0);
  assert.equal(sum(({ n }) => n), stored.size);
  const slow = sum(({ budget }) => budget.n - budget.k);
  assert.ok(slow >= count(CORRECTION_ACKNOWLEDGED) && slow <= count(CORRECTED), `${slow} views count as corrected`);
  assert.ok(acknowledged >= BEACONS, "there was load");
});
