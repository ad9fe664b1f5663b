// Stored data survives upgrades: today's code opens databases of versions 1 to 5 and takes beacons meanwhile, leaves one
// of a later version alone, and more shards on a live site lose no history.
import assert from "node:assert/strict";
import { copyFileSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { databases, product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP, line } from "../product.mjs";
import { withCron } from "./cron.mjs";
import { foldedKeys, pendingKeys } from "./journal.mjs";

/** @param {Awaited<ReturnType<typeof start>>} workerd @param {unknown} body */
const send = (workerd, body) => workerd.send("/v1/vitals", JSON.stringify(body), { "user-agent": DESKTOP });

/** @param {Awaited<ReturnType<typeof start>>} workerd @param {string} [more] */
async function summary(workerd, more = "") {
  const { status, text } = await workerd.send(`/api/vitals/summary?site=demo${more}`);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

/** Creates a shard that has stored a view, stops it, and returns its database. @param {string} name */
async function stoppedShard(name) {
  const workerd = await start(name, product(), { fresh: true });
  assert.equal((await send(workerd, beacon())).status, 200);
  await workerd.kill();
  const [file] = databases(workerd.storage, "Shard");
  return file;
}

/** @param {string} file @param {(database: DatabaseSync) => void} change */
function changeDatabase(file, change) {
  const database = new DatabaseSync(file);
  change(database);
  database.close();
}

/** Returns the tables that only earlier versions had. @param {DatabaseSync} database */
function earlierTables(database) {
  return database.prepare("SELECT name FROM sqlite_master WHERE name LIKE 'views%'").all().map(({ name }) => name);
}

test("a version 1 database is opened, and its views can still be corrected", async () => {
  const file = await stoppedShard("version-1");
  for (const end of ["", "-wal", "-shm"]) rmSync(file + end, { force: true });
  copyFileSync("tests/worker/version-1.sqlite", file);
  changeDatabase(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "1");
    // The fixture is old; shifted by whole minutes, it was written a minute ago.
    const { latest } = /** @type {{ latest: number }} */ (database.prepare("SELECT max(heard_at) AS latest FROM views").get());
    const shift = Math.floor((Date.now() - latest) / 60_000 - 1) * 60_000;
    database.exec(`UPDATE views SET start = start + ${shift}, heard_at = heard_at + ${shift}; UPDATE cells SET start = start + ${shift}`);
  });
  const workerd = await start("version-1", product());
  try {
    const before = await summary(workerd);
    assert.deepEqual([before.views, before.visits, before.sent, before.heard, before.lost], [24, 28, 27, 25, { csp: 1 }]);
    const previous = line(before, "/product/:id", "LCP");
    assert.deepEqual([previous.n, previous.budget.n, previous.budget.k], [20, 20, 15]);
    assert.equal((await summary(workerd, "&bots=only")).views, 1);
    // The view of index 0 had 500 ms; now it exceeds its budget.
    await send(workerd, beacon({ id: "1".padStart(24, "0"), seq: 9, path: "/product/0", m: { LCP: 2500 } }));
    const current = line(await summary(workerd), "/product/:id", "LCP");
    assert.deepEqual([current.n, current.budget.n, current.budget.k], [20, 20, 14], "moved without counting twice");
  } finally {
    await workerd.kill();
  }
  changeDatabase(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "7");
    assert.deepEqual(earlierTables(database), []);
  });
});

test("a version 1 journal is migrated in steps, from any interrupted attempt", async () => {
  const file = await stoppedShard("steps");
  for (const end of ["", "-wal", "-shm"]) rmSync(file + end, { force: true });
  copyFileSync("tests/worker/version-1.sqlite", file);
  const ROWS = 25_000;
  changeDatabase(file, (database) => {
    database.exec("DELETE FROM cells");
    const template = /** @type {any} */ (database.prepare("SELECT * FROM views LIMIT 1").get());
    database.exec("DELETE FROM views");
    const insert = database.prepare("INSERT INTO views VALUES (?, ?, ?, 0, 1, 1, ?, NULL)");
    database.exec("BEGIN");
    for (let row = 0; row < ROWS; row += 1) insert.run(`${row.toString(16).padStart(24, "0")}.0`, Date.now() - 60_000, Date.now() - (row % 977), template.told);
    database.exec("COMMIT");
    // An attempt that was interrupted after its first statements, before a thousand rows had moved.
    database.exec("DROP INDEX views_behind; DROP INDEX views_heard_at; ALTER TABLE views RENAME TO views_1");
    database.exec("CREATE TABLE views (view TEXT NOT NULL UNIQUE, start INTEGER NOT NULL, heard_at INTEGER NOT NULL, seq INTEGER NOT NULL, heard INTEGER NOT NULL, behind INTEGER NOT NULL, told TEXT NOT NULL, counted TEXT)");
    database.exec("INSERT INTO views SELECT view, start, heard_at, seq, heard, behind, told, counted FROM views_1 ORDER BY heard_at, view LIMIT 500");
  });
  const workerd = await start("steps", product());
  try {
    const early = await workerd.send("/api/vitals/summary?site=demo");
    assert.equal(early.status, 503, "one event migrates a limited number of rows, and queries fail until the last");
    assert.equal((await send(workerd, beacon({ id: "a".repeat(24) }))).status, 200, "beacons are taken meanwhile");
    assert.equal((await summary(workerd)).views, ROWS + 1);
  } finally {
    await workerd.kill();
  }
  changeDatabase(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "7");
    assert.deepEqual([foldedKeys(database).length, pendingKeys(database).length], [ROWS + 1, 0]);
  });
});

/** Copies the version 2 fixture, shifted so that it was written at most an hour ago. @param {string} name */
async function copyVersionTwo(name) {
  const file = await stoppedShard(name);
  for (const end of ["", "-wal", "-shm"]) rmSync(file + end, { force: true });
  copyFileSync("tests/worker/version-2.sqlite", file);
  changeDatabase(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "2");
    const { latest } = /** @type {{ latest: number }} */ (database.prepare("SELECT max(heard_at) AS latest FROM views").get());
    const shift = Math.floor((Date.now() - latest) / 3_600_000) * 3_600_000;
    database.exec(`UPDATE views SET start = start + ${shift}, heard_at = heard_at + ${shift}; UPDATE refused SET start = start + ${shift}`);
    // In two steps, so that no row collides with one that has not moved yet.
    database.exec(`UPDATE cells SET start = -start - ${shift}; UPDATE cells SET start = -start`);
    const horizon = JSON.parse(String(database.prepare("SELECT value FROM facts WHERE name = 'horizon'").get()?.value));
    horizon.minutes += shift;
    database.prepare("UPDATE facts SET value = ? WHERE name = 'horizon'").run(JSON.stringify(horizon));
  });
  return file;
}

/** Checks the 30 views of products, the duplicate, and those of the cart. @param {any} summary */
function checkVersionTwo(summary) {
  assert.deepEqual([summary.views, summary.visits, summary.sent, summary.heard, summary.lost], [33, 37, 35, 34, { csp: 1 }]);
  const [desktop, phone] = ["desktop", "phone"].map((device) => line(summary, "/product/:id", "LCP", device));
  assert.deepEqual([desktop.n, desktop.budget.n, desktop.budget.k], [20, 20, 10]);
  assert.deepEqual([phone.n, phone.budget.k], [10, 5]);
  assert.equal(line(summary, "/cart", "INP").n, 2);
}

test("a version 2 database is opened with its counted, uncounted and corrected views", async () => {
  const file = await copyVersionTwo("version-2");
  const workerd = await start("version-2", withCron(product()));
  try {
    const day = `&from=${Date.now() - 24 * 3_600_000}`;
    checkVersionTwo(await summary(workerd, day));
    // The cron rolls its cells up into pages, which hold the same counts.
    assert.deepEqual(await workerd.send("/cron"), { status: 200, text: "" }, workerd.errors());
    checkVersionTwo(await summary(workerd, day));
    checkVersionTwo(await summary(workerd, `&from=${Date.now() - 40 * 86_400_000}`));
    // The view of index 1 had 500 ms; now it exceeds its budget.
    await send(workerd, beacon({ id: (1).toString(16).padStart(24, "0"), seq: 3, path: "/product/1", release: "a", age: 3_600_000, m: { LCP: 2500, CLS: 10 } }));
    const current = line(await summary(workerd, `&from=${Date.now() - 40 * 86_400_000}`), "/product/:id", "LCP");
    assert.deepEqual([current.n, current.budget.n, current.budget.k], [20, 20, 9], "moved without counting twice");
  } finally {
    await workerd.kill();
  }
  changeDatabase(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "7");
    const one = (/** @type {string} */ query) => Number(database.prepare(query).get()?.value);
    assert.deepEqual(earlierTables(database), []);
    assert.equal(foldedKeys(database).length, 34);
    assert.ok(one("SELECT json_extract(value, '$.pages') = json_extract(value, '$.minutes') / 86400000 * 86400000 AS value FROM facts WHERE name = 'horizon'"), "days that are over");
  });
});

test("a version 2 journal is migrated in steps, and interrupted attempts neither lose nor repeat views", async () => {
  const file = await copyVersionTwo("steps-2");
  const ROWS = 30_000;
  changeDatabase(file, (database) => {
    const template = /** @type {any} */ (database.prepare("SELECT * FROM views WHERE NOT behind LIMIT 1").get());
    const insert = database.prepare("INSERT INTO views (view, start, heard_at, seq, heard, behind, told, counted) VALUES (?, ?, ?, 0, 1, ?, ?, ?)");
    database.exec("BEGIN");
    // Half of the rows are marked as counted, though no cell of this file has them: they must not be
    // counted now.
    for (let row = 0; row < ROWS; row += 1) insert.run(`${(row + 0xfffff).toString(16).padStart(24, "0")}.0`, Date.now() - 60_000, Date.now() - (row % 977), row % 2, template.told, row % 2 ? null : template.counted);
    database.exec("COMMIT");
    // An attempt that was interrupted within a step.
    database.exec("DROP INDEX views_behind; DROP INDEX views_heard_at; ALTER TABLE views RENAME TO views_2");
    database.exec("CREATE TABLE views (id INTEGER PRIMARY KEY, view TEXT NOT NULL UNIQUE, start INTEGER NOT NULL, heard_at INTEGER NOT NULL, seq INTEGER NOT NULL, heard INTEGER NOT NULL, told TEXT NOT NULL, counted TEXT)");
    database.exec("INSERT INTO views (view, start, heard_at, seq, heard, told, counted) SELECT view, start, heard_at, seq, heard, told, counted FROM views_2 WHERE NOT behind ORDER BY behind, heard_at, view LIMIT 700");
  });
  // Each event migrates a limited number of rows; workerd is killed in between.
  let refused = 0;
  for (;;) {
    const workerd = await start("steps-2", product());
    const { status } = await workerd.send("/api/vitals/summary?site=demo&bots=include");
    await workerd.kill();
    if (status === 200) break;
    assert.equal(status, 503);
    refused += 1;
    assert.ok(refused < 4, "the migration ends");
  }
  assert.equal(refused, 1);
  const workerd = await start("steps-2", product());
  try {
    assert.equal((await summary(workerd, `&bots=include&from=${Date.now() - 24 * 3_600_000}`)).views, 34 + ROWS / 2);
  } finally {
    await workerd.kill();
  }
  changeDatabase(file, (database) => {
    assert.deepEqual([foldedKeys(database).length, pendingKeys(database).length], [34 + ROWS, 0]);
  });
});

/** Copies the version 3 fixture, shifted so that it was written at most an hour ago. @param {string} name */
async function copyVersionThree(name) {
  const file = await stoppedShard(name);
  for (const end of ["", "-wal", "-shm"]) rmSync(file + end, { force: true });
  copyFileSync("tests/worker/version-3.sqlite", file);
  changeDatabase(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "3");
    const { latest } = /** @type {{ latest: number }} */ (database.prepare("SELECT max(heard_at) AS latest FROM views").get());
    const shift = Math.floor((Date.now() - latest) / 3_600_000) * 3_600_000;
    database.exec(`UPDATE views SET start = start + ${shift}, heard_at = heard_at + ${shift}; UPDATE cells SET start = -start - ${shift}; UPDATE cells SET start = -start`);
  });
  return file;
}

/** The id of a view of the version 3 fixture. @param {number} index */
const viewId = (index) => index.toString(16).padStart(24, "0");

test("a version 3 database is opened with its counted, uncounted and corrected views, and takes beacons at once", async () => {
  const file = await copyVersionThree("version-3");
  const workerd = await start("version-3", withCron(product()));
  const query = `&from=${Date.now() - 24 * 3_600_000}`;
  try {
    // The first event of the shard is a correction of a view that is neither moved nor counted yet.
    assert.equal((await send(workerd, beacon({ id: viewId(0x28), seq: 2, path: "/cart", age: 3_600_000, m: { INP: 500 } }))).status, 200);
    const before = await summary(workerd, query);
    // Views 1 and 2 were sent again, with a loss; 40 three times, 41 twice, of which the first was lost.
    assert.deepEqual([before.views, before.sent, before.heard, before.lost], [34, 40, 38, { csp: 1 }]);
    const [desktop, phone] = ["desktop", "phone"].map((device) => line(before, "/product/:id", "LCP", device));
    assert.deepEqual([desktop.n, desktop.budget.k, phone.n, phone.budget.k], [20, 10, 10, 5]);
    assert.deepEqual([line(before, "/cart", "INP").n, line(before, "/cart", "INP").budget.k], [2, 0]);
    assert.deepEqual([line(before, "/report", "LCP").n, line(before, "/report", "LCP").budget.k], [1, 0], "the larger report counts");
    // The view of index 3 had 500 ms. It is known, so a late correction counts; one of a view that is unknown does not.
    await send(workerd, beacon({ id: viewId(3), seq: 5, path: "/product/3", release: "a", age: 7_300_000, m: { LCP: 2500, CLS: 10 } }));
    await send(workerd, beacon({ id: "f".repeat(24), seq: 5, path: "/product/3", age: 7_300_000, m: { LCP: 2500 } }));
    const after = await summary(workerd, query);
    assert.deepEqual([after.views, line(after, "/product/:id", "LCP").n, line(after, "/product/:id", "LCP").budget.k], [34, 20, 9]);
  } finally {
    await workerd.kill();
  }
  changeDatabase(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "7");
    assert.deepEqual([earlierTables(database), foldedKeys(database).length, pendingKeys(database)], [[], 34, []]);
  });
});

/** Copies the version 4 fixture. Its times stand in encoded rows too, so it stays as old as it is. @param {string} name */
async function copyVersionFour(name) {
  const file = await stoppedShard(name);
  for (const end of ["", "-wal", "-shm"]) rmSync(file + end, { force: true });
  copyFileSync("tests/worker/version-4.sqlite", file);
  changeDatabase(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "4");
  });
  return file;
}

test("a version 4 database is opened with its cells, and with views that were corrected and not counted", async () => {
  const file = await copyVersionFour("version-4");
  const workerd = await start("version-4", product());
  const written = Date.UTC(2026, 10, 30);
  // A whole day, because the minutes of an old file become hours, and its hours a day.
  const query = `&from=${written}&to=${written + 86_400_000}`;
  try {
    const before = await summary(workerd, query);
    // View 3 was sent again and 50 arrived after the last fold.
    assert.deepEqual([before.views, before.sent, before.heard], [33, 34, 34]);
    const [desktop, phone] = ["desktop", "phone"].map((device) => line(before, "/product/:id", "LCP", device));
    assert.deepEqual([desktop.n, desktop.budget.k, phone.n, phone.budget.k], [20, 9, 10, 5]);
    assert.deepEqual([line(before, "/cart", "INP").n, line(before, "/late", "LCP").n], [2, 1]);
  } finally {
    await workerd.kill();
  }
  changeDatabase(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "7");
    assert.equal(database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'cells'").get(), undefined);
    const rows = database.prepare("SELECT count(*) AS count FROM packs GROUP BY span").all();
    assert.ok(rows.length > 0 && rows.every(({ count }) => count === 1), `all cells of a span fit into a row: ${JSON.stringify(rows)}`);
  });
});

test("a version 5 database is opened with its cells and sums of pages, and its days get sums of slices", async () => {
  const file = await stoppedShard("version-5");
  for (const end of ["", "-wal", "-shm"]) rmSync(file + end, { force: true });
  copyFileSync("tests/worker/version-5.sqlite", file);
  changeDatabase(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "5");
    assert.ok(Number(database.prepare("SELECT count(*) AS count FROM pages").get()?.count) > 0);
  });
  const written = Date.UTC(2026, 10, 30);
  const workerd = await start("version-5", withCron(product({ RETENTION_DAYS: "3650" })));
  const range = `&from=${written - 20 * 86_400_000}&to=${written + 86_400_000}`;
  const lines = async (/** @type {string} */ more) => {
    const { status, text } = await workerd.send(`/api/vitals/series?site=demo${range}${more}`);
    assert.equal(status, 200, text);
    return JSON.parse(text).lines;
  };
  const queries = ["&by=release", "&by=release,device&step=day", "&by=device&release=b", "&by=dim.plan", "&by=route"];
  try {
    assert.equal((await summary(workerd, range)).views, 100);
    const before = await Promise.all(queries.map(lines));
    assert.ok(before.every((answer) => answer.length > 0));
    assert.equal((await workerd.send("/cron")).status, 200, workerd.errors());
    assert.deepEqual(await Promise.all(queries.map(lines)), before, "sums answer as cells do");
    assert.equal((await summary(workerd, range)).views, 100);
  } finally {
    await workerd.kill();
  }
  changeDatabase(file, (database) => {
    assert.equal(database.prepare("SELECT value FROM facts WHERE name = 'schema'").get()?.value, "7");
    const horizon = JSON.parse(String(database.prepare("SELECT value FROM facts WHERE name = 'horizon'").get()?.value));
    assert.equal(horizon.slices, horizon.pages);
    assert.ok(Number(database.prepare("SELECT count(*) AS count FROM slices WHERE slice LIKE '%release%'").get()?.count) > 0);
  });
});

test("data beyond the retention is deleted", async () => {
  const file = await copyVersionFour("retention");
  const days = (/** @type {number} */ count) => Math.floor(Date.now() / 86_400_000 - count) * 86_400_000;
  changeDatabase(file, (database) => {
    database.exec("DELETE FROM journal; DELETE FROM folded; DELETE FROM cells WHERE series NOT LIKE '%/cart%'");
    // The count of two views, as it would be 5 and 9 days ago.
    for (const ago of [5, 9]) database.exec(`INSERT INTO cells SELECT 2, ${days(ago)}, series, cell FROM cells WHERE span = 0`);
    database.exec("DELETE FROM cells WHERE span = 0");
    database.exec(`INSERT OR REPLACE INTO facts VALUES ('horizon', '{"minutes":${days(1)},"hours":${days(1)},"days":${days(300)}}')`);
  });
  const week = await start("retention", withCron(product({ RETENTION_DAYS: "7" })));
  try {
    assert.equal((await summary(week, `&from=${days(20)}`)).views, 4);
    assert.equal((await week.send("/cron")).status, 200, week.errors());
    assert.equal((await summary(week, `&from=${days(20)}`)).views, 2);
  } finally {
    await week.kill();
  }
  changeDatabase(file, (database) => {
    assert.ok(Number(database.prepare("SELECT count(*) AS count FROM pages").get()?.count) > 0, "the second answer is one of page sums");
    // As if the addition of the day had been interrupted: its sums are stored, and the horizon is before them.
    database.exec("UPDATE facts SET value = json_set(value, '$.pages', 0) WHERE name = 'horizon'; INSERT INTO facts VALUES ('added_day', '0')");
  });
  const again = await start("retention", withCron(product({ RETENTION_DAYS: "7" })));
  try {
    assert.equal((await again.send("/cron")).status, 200, again.errors());
    assert.equal((await summary(again, `&from=${days(20)}`)).views, 2, "it is added anew");
  } finally {
    await again.kill();
  }
  changeDatabase(file, (database) => assert.equal(database.prepare("SELECT 1 FROM facts WHERE name = 'added_day'").get(), undefined));
  const misconfigured = await start("retention", product({ RETENTION_DAYS: "0" }));
  assert.equal((await send(misconfigured, beacon())).status, 503);
  await misconfigured.kill();
});

test("what an interrupted roll-up has left is not counted, and the next one starts anew", async () => {
  const file = await stoppedShard("interrupted");
  const query = `&from=${Date.now() - 20 * 86_400_000}`;
  /** @param {(workerd: Awaited<ReturnType<typeof start>>) => Promise<void>} action */
  const run = async (action) => {
    const workerd = await start("interrupted", withCron(product()));
    try {
      await action(workerd);
    } finally {
      await workerd.kill();
    }
  };
  const cron = async (/** @type {Awaited<ReturnType<typeof start>>} */ workerd) => assert.equal((await workerd.send("/cron")).status, 200, workerd.errors());
  await run(async (workerd) => {
    for (let index = 0; index < 3; index += 1) await send(workerd, beacon({ path: "/old", age: 22 * 3_600_000 + index * 60_000 }));
    assert.equal((await summary(workerd, query)).views, 4);
  });
  // Copies into longer windows, of which the horizon does not know yet.
  changeDatabase(file, (database) => database.exec("INSERT INTO packs SELECT 1, start, series, cells FROM packs WHERE span = 0"));
  await run(async (workerd) => {
    assert.equal((await summary(workerd, query)).views, 4);
    await cron(workerd);
    assert.equal((await summary(workerd, query)).views, 4);
  });
});

test("a database of a later version is left alone", async () => {
  const file = await stoppedShard("later");
  changeDatabase(file, (database) => database.exec("UPDATE facts SET value = '8' WHERE name = 'schema'"));
  const workerd = await start("later", product());
  try {
    assert.equal((await send(workerd, beacon())).status, 503);
    assert.equal((await workerd.send("/api/vitals/summary?site=demo")).status, 503);
  } finally {
    await workerd.kill();
  }
  changeDatabase(file, (database) => {
    assert.equal(pendingKeys(database).length, 1);
  });
});

/** Settings under which the site has four shards from a moment on. @type {[string, (layout: string) => Record<string, unknown>][]} */
const FOUR_SHARDS = [
  ["every site", (layout) => ({ SHARDS: layout })],
  ["one site", (layout) => ({ SITES: { demo: { public: true, shards: layout }, other: {} } })],
];
for (const [scope, raised] of FOUR_SHARDS) test(`more shards of ${scope}, while it is live, lose no history, and earlier views can be corrected`, async () => {
  const one = await start("shards", product({ SHARDS: "1" }), { fresh: true });
  const old = Array.from({ length: 40 }, (_, index) => beacon({ id: (index * 2654435761 + 7).toString(16).padStart(24, "0"), path: "/old", age: 60_000, m: { LCP: 1000 } }));
  await Promise.all(old.map((each) => send(one, each)));
  assert.equal((await summary(one)).views, 40);
  await one.kill();

  const four = await start("shards", product(raised(`1,4@${Date.now()}`)));
  try {
    assert.equal((await summary(four)).views, 40, "the data of the former shard is read");
    // The pages are still open: each sends another beacon, which reaches the shard of its view.
    await Promise.all(old.map((each) => send(four, { ...each, seq: 1, age: 90_000, m: { LCP: 3000 } })));
    await Promise.all(old.map((each) => send(four, { ...each, view: 1, path: "/new", age: 0 })));
    const all = await summary(four);
    assert.equal(all.views, 80);
    const lcp = line(all, "/old", "LCP");
    assert.deepEqual([lcp.n, lcp.budget.k], [40, 0]);
    assert.equal(databases(four.storage, "Shard").length, 4, "new views are spread over the shards");
  } finally {
    await four.kill();
  }
});

test("an invalid SHARDS is reported", async () => {
  for (const SHARDS of ["0", "257", "four", "1,4", "1,4@2,8@1", "2@5"]) {
    const workerd = await start("mistake", product({ SHARDS }), { fresh: true });
    const { status, text } = await send(workerd, beacon());
    assert.deepEqual([status, JSON.parse(text).title], [503, "unavailable"], SHARDS);
    await workerd.kill();
  }
  for (const shards of [0, 257, "four", "1,4", null]) {
    const workerd = await start("mistake", product({ SITES: { demo: { public: true, shards } } }), { fresh: true });
    const { status } = await send(workerd, beacon());
    assert.equal(status, shards === null ? 200 : 503, String(shards));
    await workerd.kill();
    // The log names the setting and its form.
    if (shards !== null) assert.match(workerd.errors(), /SITES is not a table of sites: .*shards must be a number from 1 to 256, or like "1,4@1800000000000"/);
  }
});
