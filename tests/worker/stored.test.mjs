// What was stored stays: a database that version 1 has written is opened by today's code, one of a
// later version is left alone, and more shards on a live site lose no history.
import assert from "node:assert/strict";
import { copyFileSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { databases, product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP, line } from "../product.mjs";

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
