// The journal in workerd: the rows that it writes, which the platform bills, and what it does where rows are damaged or
// cannot be written.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";

import { databases, product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";
import { foldedKeys, pendingKeys, shiftJournal } from "./journal.mjs";

/** Rows that the tables of version 3 wrote for a view: when it arrived, was corrected, was folded twice, and was swept. */
const VERSION_3_ROWS = 2 + 2 + 2 + 1;
const HOUR = 3_600_000;

/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;
after(() => workerd?.kill());

/** Starts the product with its storage observed. @param {string} name @param {boolean} [fresh] */
async function startObserved(name, fresh = true) {
  await workerd?.kill();
  const probe = new URL("journal-probe.js", import.meta.url).pathname;
  workerd = await start(name, { ...product(), modules: { "journal-probe.js": probe, ...product().modules } }, { fresh });
}

/** Stops the product, changes the database of its shard, and starts it again. @param {string} name @param {(database: DatabaseSync) => void} change */
async function restart(name, change) {
  await workerd.kill();
  const database = new DatabaseSync(databases(workerd.storage, "Shard")[0]);
  change(database);
  database.close();
  await startObserved(name, false);
}

/** @param {unknown} body */
const send = async (body) => (await workerd.send("/v1/vitals", JSON.stringify(body), { "user-agent": DESKTOP })).status;

/** @param {string} [from] */
async function summary(from = "") {
  const { status, text } = await workerd.send(`/api/vitals/summary?site=demo${from}`);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

const rowsWritten = async () => JSON.parse((await workerd.send("/rows-written")).text);

/** @param {DatabaseSync} database @param {string} query */
const one = (database, query) => Number(database.prepare(query).get()?.value);

for (const { name, atOnce, views } of [
  { name: "at once", atOnce: 100, views: 400 },
  { name: "one by one", atOnce: 1, views: 100 },
]) {
  test(`views that arrive ${name} write a third of the rows of earlier tables at most`, async () => {
    const store = `rows-${atOnce}`;
    await startObserved(store);
    assert.equal(await send(beacon({ path: "/first" })), 200);
    assert.equal((await summary()).views, 1);
    await rowsWritten();
    const total = { journal: 0, folded: 0 };
    const batches = Array.from({ length: views / 100 }, () => Array.from({ length: 100 }, () => beacon({ path: "/p" })));
    for (const batch of batches) {
      for (const seq of [0, 1]) {
        for (let index = 0; index < batch.length; index += atOnce) {
          const statuses = await Promise.all(batch.slice(index, index + atOnce).map((view) => send({ ...view, seq })));
          assert.ok(statuses.every((status) => status === 200));
        }
        await summary();
      }
      const { journal, folded } = await rowsWritten();
      total.journal += journal;
      total.folded += folded;
    }
    assert.equal((await summary()).views, views + 1);
    let left = 0;
    await restart(store, (database) => {
      const blocks = one(database, "SELECT max(block) AS value FROM journal");
      assert.equal(total.journal, blocks - 1, "each block wrote one row");
      if (atOnce === 1) assert.equal(blocks, 2 * views + 1, "each beacon is a commit");
      assert.equal(total.folded, one(database, "SELECT count(*) AS value FROM folded") - 1, "each row of a fold was written once");
      const [rowsOfBlocks, rowsOfFolds] = ["journal", "folded"].map((table) => one(database, `SELECT count(*) AS value FROM ${table}`));
      assert.ok(rowsOfBlocks < blocks, "void rows were used again");
      left = rowsOfBlocks + rowsOfFolds;
      assert.deepEqual([foldedKeys(database).length, pendingKeys(database).length], [views + 1, 0]);
      const bytes = one(database, "SELECT sum(length(keys) + length(body)) AS value FROM folded");
      console.log(`${views} views ${name}, each sent twice: ${total.journal} rows of blocks, ${total.folded} of folds, ${(bytes / (2 * views)).toFixed(0)} bytes a folded view`);
      shiftJournal(database, 3 * HOUR);
    });
    // Two hours after the last beacon only the counts are left.
    assert.equal((await workerd.send("/cron")).status, 200, workerd.errors());
    const swept = await rowsWritten();
    assert.equal(swept.journal + swept.folded, left, "each row is deleted once");
    assert.equal((await summary()).views, views + 1);
    const rows = total.journal + total.folded + left;
    // In steady state nothing but folds is deleted; here, the void rows of the last fold are.
    console.log(`${(rows / views).toFixed(2)} rows a view, ${VERSION_3_ROWS} with the tables of version 3`);
    assert.ok((total.journal + 2 * total.folded) / views <= VERSION_3_ROWS / 3);
  });
}

test("fifty views a second write a row a view at most, and as many as in the model", async () => {
  const model = readFileSync(new URL("../scale/src/design.rs", import.meta.url), "utf8");
  const viewsPerFoldRow = Number(model.match(/VIEWS_PER_FOLD_ROW: f64 = ([\d.]+)/)?.[1]);
  await startObserved("rows-fifty");
  assert.equal(await send(beacon({ path: "/first" })), 200);
  const first = await rowsWritten();
  assert.deepEqual([first.journal, first.alarms], [1, 1], "a view that comes alone is a commit, and sets the alarm of its fold");
  assert.equal((await summary()).views, 1);
  await rowsWritten();
  const VIEWS = 300;
  const begun = Date.now();
  const sent = [];
  while (sent.length < VIEWS) {
    while (sent.length < Math.min(VIEWS, (Date.now() - begun) / 20)) sent.push(send(beacon({ path: `/page-${sent.length % 40}` })));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.ok((await Promise.all(sent)).every((status) => status === 200));
  assert.equal((await summary()).views, VIEWS + 1);
  const { journal, folded, packs, alarms = 0, ...others } = await rowsWritten();
  assert.equal(alarms, 0, "the alarm of the first view stands");
  assert.ok(folded <= Math.ceil(VIEWS / viewsPerFoldRow) + 1, `${folded} rows of folds`);
  assert.ok(packs <= 4, `two slices write the cells of a minute or two: ${packs} rows`);
  assert.deepEqual(others, { facts: 1 }, "the most visited routes");
  const rows = journal + 2 * folded + 2 * packs + 1;
  console.log(`${(rows / VIEWS).toFixed(2)} rows a view at fifty a second: ${journal} of commits, ${folded} of folds and ${packs} of packs, which are deleted later`);
  assert.ok(rows <= VIEWS);
});

test("a damaged block is an error until it is repaired, and beacons are stored meanwhile", async () => {
  await startObserved("damaged");
  assert.equal(await send(beacon()), 200);
  /** @type {any} */
  let body;
  await restart("damaged", (database) => {
    body = database.prepare("SELECT body FROM journal").get()?.body;
    database.prepare("UPDATE journal SET body = ?").run(body.subarray(0, body.length - 1));
  });
  assert.equal((await workerd.send("/api/vitals/summary?site=demo")).status, 503);
  assert.match(workerd.errors(), /a block of the journal is damaged/);
  assert.equal(await send(beacon()), 200);
  await restart("damaged", (database) => void database.prepare("UPDATE journal SET body = ? WHERE block = 1").run(body));
  assert.equal((await summary()).views, 2);
});

test("a full database accepts no beacon, and is swept without a write", async () => {
  await startObserved("full");
  for (let index = 0; index < 3; index += 1) assert.equal(await send(beacon()), 200);
  assert.equal((await summary()).views, 3);
  await restart("full", (database) => shiftJournal(database, 3 * HOUR));
  // Opens the tables.
  await summary();
  assert.equal(await send(beacon()), 200);
  await workerd.send("/full");
  assert.equal(await send(beacon()), 503);
  await workerd.send("/cron");
  assert.ok((await rowsWritten()).folded > 0, "settled views are deleted");
  assert.equal(await send(beacon()), 503);
  await workerd.send("/usable");
  assert.equal(await send(beacon()), 200);
  assert.equal((await summary()).views, 5, "what was acknowledged is counted once");
});
