// The rows that the journal writes in workerd, which the platform bills: one for each commit, and one for each
// hundred views of a fold.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { databases, product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";
import { withCron } from "./cron.mjs";
import { foldedKeys, shiftJournal } from "./journal.mjs";

const VIEWS = 400;
const ROUNDS = 4;
/** Rows that the tables of version 3 wrote for a view: when it arrived, was corrected, folded twice, and swept. */
const VERSION_3_ROWS = 2 + 2 + 2 + 1;

test("a commit writes one row, a fold one for a hundred views, and void rows are used again", async () => {
  const counted = { ...product(), modules: { "row-count.js": new URL("row-count.js", import.meta.url).pathname, ...product().modules } };
  const workerd = await start("journal", counted, { fresh: true });
  const send = (/** @type {unknown} */ body) => workerd.send("/v1/vitals", JSON.stringify(body), { "user-agent": DESKTOP });
  const rowsWritten = async () => JSON.parse((await workerd.send("/rows-written")).text);
  const summary = async () => JSON.parse((await workerd.send("/api/vitals/summary?site=demo")).text);
  assert.equal((await send(beacon({ path: "/first" }))).status, 200);
  assert.equal((await summary()).views, 1);
  await rowsWritten();
  const total = { journal: 0, folded: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    const views = Array.from({ length: VIEWS / ROUNDS }, () => beacon({ path: `/p-${"abcd"[round]}` }));
    for (const seq of [0, 1]) {
      const replies = await Promise.all(views.map((view) => send({ ...view, seq })));
      assert.ok(replies.every(({ status }) => status === 200));
      await summary();
    }
    const { journal, folded, views: earlier } = await rowsWritten();
    assert.equal(earlier, undefined);
    total.journal += journal;
    total.folded += folded;
  }
  assert.equal((await summary()).views, VIEWS + 1);
  await workerd.kill();
  const [file] = databases(workerd.storage, "Shard");
  const database = new DatabaseSync(file);
  const one = (/** @type {string} */ query) => Number(database.prepare(query).get()?.value);
  const blocks = one("SELECT max(block) AS value FROM journal");
  assert.equal(total.journal, blocks - 1, "each block wrote one row");
  assert.equal(total.folded, one("SELECT count(*) AS value FROM folded") - 1, "each row of a fold was written once");
  assert.ok(one("SELECT count(*) AS value FROM journal") < blocks, "void rows were used again");
  assert.equal(foldedKeys(database).length, VIEWS + 1);
  shiftJournal(database, 3 * 3_600_000);
  const rowsOfFolds = one("SELECT count(*) AS value FROM folded");
  const rowsLeft = one("SELECT count(*) AS value FROM journal");
  const bytes = one("SELECT sum(length(keys) + length(body)) AS value FROM folded");
  database.close();

  // Swept: what is settled leaves, and the counts stay.
  const later = await start("journal", withCron(product()));
  assert.equal((await later.send("/cron")).status, 200, later.errors());
  assert.equal(JSON.parse((await later.send("/api/vitals/summary?site=demo")).text).views, VIEWS + 1);
  await later.kill();
  const swept = new DatabaseSync(file);
  assert.deepEqual(
    ["journal", "folded"].map((table) => swept.prepare(`SELECT count(*) AS rows FROM ${table}`).get()?.rows),
    [0, 0],
  );
  swept.close();

  const rows = (total.journal + total.folded + rowsOfFolds + rowsLeft) / VIEWS;
  console.log(`${VIEWS} views, each sent twice: ${total.journal} rows of ${blocks} blocks, ${total.folded} of folds, ${rowsOfFolds + rowsLeft} deleted; ${rows.toFixed(2)} rows a view, ${VERSION_3_ROWS} with the tables of version 3; ${(bytes / rowsOfFolds).toFixed(0)} bytes a row of a fold`);
  assert.ok(rows <= VERSION_3_ROWS / 3, `${rows} rows a view`);
});
