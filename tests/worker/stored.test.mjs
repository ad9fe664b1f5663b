// What was stored stays: a database that version 1 has written is opened by today's code, one of a
// later version is left alone, and more shards on a live site lose no history.
import assert from "node:assert/strict";
import { copyFileSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { databases, product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP, line } from "../product.mjs";
import { withCron } from "./cron.mjs";

/** @param {Awaited<ReturnType<typeof start>>} workerd @param {unknown} body */
const send = (workerd, body) => workerd.send("/v1/vitals", JSON.stringify(body), { "user-agent": DESKTOP });

/** @param {Awaited<ReturnType<typeof start>>} workerd @param {string} [more] */
async function summary(workerd, more = "") {
  const { status, text } = await workerd.send(`/api/vitals/summary?site=demo${more}`);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

/** A shard that has stored something, at rest; and where. @param {string} name */
async function resting(name) {
  const workerd = await start(name, product(), { fresh: true });
  assert.equal((await send(workerd, beacon())).status, 200);
  await workerd.kill();
  const [file] = databases(workerd.storage, "Shard");
  return file;
}

/** @param {string} file @param {(database: DatabaseSync) => void} change */
function changed(file, change) {
  const database = new DatabaseSync(file);
  change(database);
  database.close();
}

test("a database that version 1 has written is opened, and told views are still corrected", async () => {
  const file = await resting("version-1");
  for (const end of ["", "-wal", "-shm"]) rmSync(file + end, { force: true });
  copyFileSync("tests/worker/version-1.sqlite", file);
  changed(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "1");
    // It was written long ago; moved by whole minutes, it was written a minute ago.
    const { latest } = /** @type {{ latest: number }} */ (database.prepare("SELECT max(heard_at) AS latest FROM views").get());
    const shift = Math.floor((Date.now() - latest) / 60_000 - 1) * 60_000;
    database.exec(`UPDATE views SET start = start + ${shift}, heard_at = heard_at + ${shift}; UPDATE cells SET start = start + ${shift}`);
  });
  const workerd = await start("version-1", product());
  try {
    const before = await summary(workerd);
    assert.deepEqual([before.views, before.visits, before.sent, before.heard, before.lost], [24, 28, 27, 25, { csp: 1 }]);
    const was = line(before, "/product/:id", "LCP");
    assert.deepEqual([was.n, was.budget.n, was.budget.k], [20, 20, 15]);
    assert.equal((await summary(workerd, "&bots=only")).views, 1);
    // The view of index 0 had 500 ms; now it is over its budget.
    await send(workerd, beacon({ id: "1".padStart(24, "0"), seq: 9, path: "/product/0", m: { LCP: 2500 } }));
    const is = line(await summary(workerd), "/product/:id", "LCP");
    assert.deepEqual([is.n, is.budget.n, is.budget.k], [20, 20, 14], "moved, and not counted twice");
  } finally {
    await workerd.kill();
  }
  changed(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "2");
    assert.equal(database.prepare("SELECT count(*) AS rows FROM sqlite_master WHERE name = 'views_1'").get()?.rows, 0);
  });
});

test("a journal of version 1 is brought up in steps, wherever an earlier attempt has ended", async () => {
  const file = await resting("steps");
  for (const end of ["", "-wal", "-shm"]) rmSync(file + end, { force: true });
  copyFileSync("tests/worker/version-1.sqlite", file);
  const ROWS = 25_000;
  changed(file, (database) => {
    database.exec("DELETE FROM cells");
    const model = /** @type {any} */ (database.prepare("SELECT * FROM views LIMIT 1").get());
    database.exec("DELETE FROM views");
    const insert = database.prepare("INSERT INTO views VALUES (?, ?, ?, 0, 1, 1, ?, NULL)");
    database.exec("BEGIN");
    for (let row = 0; row < ROWS; row += 1) insert.run(`${row.toString(16).padStart(24, "0")}.0`, Date.now() - 60_000, Date.now() - (row % 977), model.told);
    database.exec("COMMIT");
    // An attempt that ended after its first statements, and before a thousand rows had left.
    database.exec("DROP INDEX views_behind; DROP INDEX views_heard_at; ALTER TABLE views RENAME TO views_1");
    database.exec("CREATE TABLE views (view TEXT NOT NULL UNIQUE, start INTEGER NOT NULL, heard_at INTEGER NOT NULL, seq INTEGER NOT NULL, heard INTEGER NOT NULL, behind INTEGER NOT NULL, told TEXT NOT NULL, counted TEXT)");
    database.exec("INSERT INTO views SELECT view, start, heard_at, seq, heard, behind, told, counted FROM views_1 ORDER BY heard_at, view LIMIT 500");
  });
  const workerd = await start("steps", product());
  try {
    const early = await workerd.send("/api/vitals/summary?site=demo");
    assert.equal(early.status, 503, "one event brings up so many rows, and answers as unavailable until all are there");
    assert.equal((await summary(workerd)).views, ROWS);
  } finally {
    await workerd.kill();
  }
  changed(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "2");
    assert.equal(database.prepare("SELECT count(*) AS views FROM views").get()?.views, ROWS);
  });
});

test("what is older than is to be kept goes", async () => {
  const file = await resting("retention");
  const days = (/** @type {number} */ count) => Math.floor(Date.now() / 86_400_000 - count) * 86_400_000;
  changed(file, (database) => {
    const cells = database.prepare("SELECT span, start, series, cell FROM cells").all();
    assert.equal(cells.length, 0, "nothing is folded yet");
  });
  const first = await start("retention", product());
  assert.equal((await summary(first)).views, 1);
  await first.kill();
  changed(file, (database) => {
    // The same day's count, as it would stand 5 and 9 days ago.
    for (const ago of [5, 9]) database.exec(`INSERT INTO cells SELECT 2, ${days(ago)}, series, cell FROM cells WHERE span < 2`);
    database.exec(`INSERT OR REPLACE INTO facts VALUES ('horizon', '{"minutes":${days(1)},"hours":${days(1)},"days":${days(300)}}')`);
  });
  const week = await start("retention", withCron(product({ RETENTION_DAYS: "7" })));
  try {
    assert.equal((await summary(week, `&from=${days(20)}`)).views, 3);
    assert.equal((await week.send("/cron")).status, 200, week.errors());
    assert.equal((await summary(week, `&from=${days(20)}`)).views, 2);
  } finally {
    await week.kill();
  }
  const mistake = await start("retention", product({ RETENTION_DAYS: "0" }));
  assert.equal((await send(mistake, beacon())).status, 503);
  await mistake.kill();
});

test("a database of a later version is left alone", async () => {
  const file = await resting("later");
  changed(file, (database) => database.exec("UPDATE facts SET value = '3' WHERE name = 'schema'"));
  const workerd = await start("later", product());
  try {
    assert.equal((await send(workerd, beacon())).status, 503);
    assert.equal((await workerd.send("/api/vitals/summary?site=demo")).status, 503);
  } finally {
    await workerd.kill();
  }
  changed(file, (database) => {
    assert.equal(database.prepare("SELECT count(*) AS views FROM views").get()?.views, 1);
  });
});

test("more shards on a live site lose no history, and correct what was told before", async () => {
  const one = await start("shards", product({ SHARDS: "1" }), { fresh: true });
  const old = Array.from({ length: 40 }, (_, index) => beacon({ id: (index * 2654435761 + 7).toString(16).padStart(24, "0"), path: "/old", age: 60_000, m: { LCP: 1000 } }));
  await Promise.all(old.map((each) => send(one, each)));
  assert.equal((await summary(one)).views, 40);
  await one.kill();

  const four = await start("shards", product({ SHARDS: `1,4@${Date.now()}` }));
  try {
    assert.equal((await summary(four)).views, 40, "what one shard held is read");
    // Their pages are still open: each tells once more, and is found where it was put.
    await Promise.all(old.map((each) => send(four, { ...each, seq: 1, age: 90_000, m: { LCP: 3000 } })));
    await Promise.all(old.map((each) => send(four, { ...each, view: 1, path: "/new", age: 0 })));
    const all = await summary(four);
    assert.equal(all.views, 80);
    const lcp = line(all, "/old", "LCP");
    assert.deepEqual([lcp.n, lcp.budget.k], [40, 0]);
    assert.equal(databases(four.storage, "Shard").length, 4, "and what begins now is spread");
  } finally {
    await four.kill();
  }
});

test("shards that make no sense are a mistake that is told", async () => {
  for (const SHARDS of ["0", "257", "four", "1,4", "1,4@2,8@1", "2@5"]) {
    const workerd = await start("mistake", product({ SHARDS }), { fresh: true });
    const { status, text } = await send(workerd, beacon());
    assert.deepEqual([status, JSON.parse(text).title], [503, "unavailable"], SHARDS);
    await workerd.kill();
  }
});
