// The portal's stores in SQLite and in a real PostgreSQL: the same statements, the same results, and an
// index for each statement, according to the databases' own plans.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { directory } from "../run.mjs";
import { startPostgres } from "./postgres.mjs";

const PORTAL = new URL("../../www/portal/", import.meta.url);
/** The portal's sources, which its own configuration type-checks. @param {string} file @returns {Promise<any>} */
const source = (file) => import(new URL(file, PORTAL).href);

const { open, sql, textOf } = await source("store/database.ts");
const { migrate } = await source("store/migrate.ts");
const products = await source("store/products.ts");
const members = await source("store/members.ts");
const windows = await source("store/windows.ts");
const MIGRATIONS = new URL("migrations", PORTAL).pathname;
const MINUTE = 60_000;
const NOON = 1_800_000_000_000;

/** A push in the form of `edge-vitals/backend`. @param {Record<string, any>} [fields] */
function push({ site = "portal", span = "minute", start = NOON, revision = 0, views = 7, transitions = /** @type {any[]} */ ([]) } = {}) {
  const document = { v: 1, site, span, start, end: start + MINUTE, revision, views, visits: views, cells: [], scores: [], transitions };
  return { key: `${site}.${span}.${start}.${revision}`, site, span, start: new Date(start), revision, document };
}

for (const kind of ["sqlite", "postgres"]) {
  describe(`the stores in ${kind}`, () => {
    /** @type {any} */
    let database;
    /** @type {Awaited<ReturnType<typeof startPostgres>> | undefined} */
    let server;
    /** @type {Record<string, string>} */
    let settings;

    before(async () => {
      server = kind === "postgres" ? await startPostgres() : undefined;
      settings = server ? { DATABASE_URL: server.url } : { SQLITE_FILE: join(directory(), "portal.sqlite") };
      database = open(settings);
    });
    after(async () => {
      await database.close();
      await server?.close();
    });

    test("servers that start concurrently apply each migration once", async () => {
      const others = [open(settings), open(settings)];
      const applied = kind === "sqlite" ? [await migrate(database, MIGRATIONS), await migrate(others[0], MIGRATIONS)] : await Promise.all([database, ...others].map((each) => migrate(each, MIGRATIONS)));
      assert.deepEqual(applied.flat().sort(), ["001-portal.sql", "002-windows.sql"]);
      await Promise.all(others.map((each) => each.close()));
    });

    test("a failed transaction leaves nothing, and other statements stay outside it", async () => {
      const insert = (/** @type {any} */ inside, /** @type {string} */ key) => inside.query("insert", sql`insert into receipts (key, received_at) values (${key}, ${1})`);
      let release = () => {};
      const held = new Promise((resolve) => (release = () => resolve(undefined)));
      const failing = database.transaction(async (/** @type {any} */ inside) => {
        await insert(inside, "inside");
        await held;
        throw new Error("no further");
      });
      const concurrent = insert(database, "beside");
      release();
      await assert.rejects(failing, /no further/);
      await concurrent;
      assert.deepEqual((await database.query("keys", sql`select key from receipts`)).map((/** @type {any} */ row) => row.key), ["beside"]);
    });

    test("a text is always a value, never part of a statement", async () => {
      const odd = `'; drop table receipts; -- $1 ?1 "`;
      const [row] = await database.query("odd", sql`select cast(${odd} as text) as text, cast(${null} as text) as none`);
      assert.deepEqual({ ...row }, { text: odd, none: null });
      assert.deepEqual(await products.productsById(database, []), []);
      assert.deepEqual(await products.productsById(database, [odd, "%"]), []);
    });

    test("a document is stored once, the highest revision of a window counts, and its transitions are listed", async () => {
      const changed = [{ route: "/product/:id", device: "phone", metric: "LCP", from: "met", to: "violated" }];
      assert.equal(await windows.keep(database, push({ transitions: changed })), true);
      assert.equal(await windows.keep(database, push({ transitions: changed, views: 99 })), false);
      assert.equal(await windows.keep(database, push({ revision: 2, views: 9 })), true);
      // A parked revision, which arrives after its successor.
      assert.equal(await windows.keep(database, push({ revision: 1, views: 8 })), true);
      const stored = await windows.latestWindows(database, "portal", "minute", 5);
      assert.deepEqual(stored.map((/** @type {any} */ { revision, views }) => [revision, views]), [[2, 9]]);
      const transitions = await windows.latestTransitions(database, "portal", 5);
      assert.deepEqual(transitions.map((/** @type {any} */ row) => ({ ...row })), [{ told_at: NOON, route: "/product/:id", device: "phone", metric: "LCP", verdict_before: "met", verdict_after: "violated" }]);
    });

    test("concurrent duplicates of a document are stored once", async () => {
      const both = await Promise.all([1, 2].map(() => windows.keep(database, push({ start: NOON + MINUTE }))));
      assert.deepEqual(both.sort(), [false, true]);
    });

    test("expired windows are deleted when the day's window arrives", async () => {
      const old = NOON - 4 * 86_400_000;
      await windows.keep(database, push({ site: "other", start: old }), old);
      await windows.keep(database, push({ site: "other", span: "hour", start: old }), old);
      await windows.keep(database, push({ site: "other", span: "day", start: old }), NOON);
      const left = await database.query("left", sql`select span from windows where site = ${"other"} order by span`);
      assert.deepEqual(left.map((/** @type {any} */ { span }) => span), ["day", "hour"]);
    });

    test("a member signs in only with the password of the last enrolment, in any letter case of the address", async () => {
      await members.enrol(database, { email: "Ed@Portal.example", name: "An editor", role: "member" }, "the first password");
      await members.enrol(database, { email: "ed@portal.example", name: "An editor", role: "editor" }, "the second password");
      const member = await members.signedIn(database, " ED@portal.example", "the second password");
      assert.deepEqual({ ...member, id: "" }, { id: "", email: "ed@portal.example", name: "An editor", role: "editor" });
      for (const [email, password] of [["ed@portal.example", "the first password"], ["nobody@portal.example", "the second password"], ["", ""]]) {
        assert.equal(await members.signedIn(database, email, password), undefined, email);
      }
      await database.query("reviewer", sql`insert into members (id, email, name, role, password) values (${"m1"}, ${"m1@portal.invalid"}, ${"Member 1"}, ${"member"}, ${"none:"})`);
      assert.equal(await members.signedIn(database, "m1@portal.invalid", ""), undefined, "no sign-in without a password");
    });

    test("every statement on a growing table uses an index", { timeout: 60_000 }, async () => {
      await fill(database);
      /** @type {[name: string, statement: any][]} */
      const statements = [];
      const recording = { ...database, transaction: (/** @type {any} */ work) => work(recording), query: async (/** @type {string} */ name, /** @type {any} */ statement) => (statements.push([name, statement]), [{ key: "fresh", document: "{}" }]) };
      await windows.keep(recording, push({ span: "day", transitions: [{ route: "/", device: "phone", metric: "LCP", to: "met" }] }));
      await windows.latestWindows(recording, "portal", "minute", 24);
      await windows.latestTransitions(recording, "portal", 20);
      await windows.lastReceived(recording);
      await products.productsById(recording, ["p1", "p2", "p3"]);
      await products.ratingsOf(recording, ["p1", "p2", "p3"]);
      await products.newestReviews(recording, "p1");
      await products.changeProduct(recording, "p1", { name: "Another" });
      await members.membersById(recording, ["m1", "m2"]);
      await members.signedIn({ ...recording, query: async (/** @type {string} */ name, /** @type {any} */ statement) => (statements.push([name, statement]), []) }, "m1@portal.invalid", "password");
      await members.shelfOf(recording, "x1");
      await members.putOnShelf(recording, "m1", "p1");
      await members.takeFromShelf(recording, "m1", "p1");
      const names = statements.map(([name]) => name);
      assert.ok(names.length >= 17, names.join(", "));
      const reads = /Seq Scan|^SCAN (?!CONSTANT)/m;
      const sorts = /Sort|TEMP B-TREE/;
      for (const [name, statement] of statements) {
        const [text, plan] = [textOf(statement, "$"), await explain(database, statement)];
        assert.doesNotMatch(plan, reads, `${name}: ${text}\n${plan}`);
        if (text.includes("order by")) assert.doesNotMatch(plan, sorts, `${name}: ${text}\n${plan}`);
      }
      // The check detects a missing index.
      await database.execute("drop index transitions_of_a_site");
      const [, transitions] = statements.find(([name]) => name === "latestTransitions") ?? [];
      assert.match(await explain(database, transitions), reads);
    });
  });
}

/** Fills the tables with a busy year, with a plant that everybody reviews and a member with a full shelf. @param {any} database */
async function fill(database) {
  const series = database.kind === "postgres" ? (/** @type {number} */ most) => `generate_series(1, ${most}) as n(i)` : (/** @type {number} */ most) => `(with recursive n(i) as (select 1 union all select i + 1 from n where i < ${most}) select i from n) as n`;
  await database.execute(`
    insert into products (id, name, latin, story, light, price, image, changed_at) select 'p' || i, 'Plant ' || i, 'l', 's', 'l', 100, '/p.jpg', 0 from ${series(2000)};
    insert into members (id, email, name, role, password) select 'x' || i, 'x' || i || '@portal.invalid', 'Member', 'member', 'none:' from ${series(5000)};
    insert into reviews (id, product_id, member_id, stars, words, written_at) select 'r' || i, 'p' || case when i % 10 = 0 then 1 else 1 + i % 2000 end, 'x' || (1 + i % 5000), 1 + i % 5, 'words', i from ${series(20000)};
    insert into shelves (member_id, product_id, put_at) select 'x' || case when i <= 2000 then 1 else 1 + i % 5000 end, 'p' || (1 + i % 2000), i from ${series(10000)} where true on conflict do nothing;
    insert into receipts (key, received_at) select 'k' || i, ${NOON} + i from ${series(20000)};
    insert into windows (site, span, start_at, revision, views, document, received_at) select case when i % 5 = 0 then 'portal' else 'other' end, case when i % 49 = 0 then 'hour' else 'minute' end, ${NOON} + i * 60000, 0, 1, '{}', ${NOON} + i from ${series(20000)};
    insert into transitions (key, number, site, told_at, route, device, metric, verdict_before, verdict_after) select 'k' || i, 0, case when i % 5 = 0 then 'portal' else 'other' end, ${NOON} + i, '/', 'phone', 'LCP', null, 'met' from ${series(10000)};
    analyze;
  `);
}

/** Returns the plan, one step a line. @param {any} database @param {any} statement */
async function explain(database, { parts: [first, ...rest], values }) {
  const prefix = database.kind === "sqlite" ? "explain query plan " : "explain ";
  const rows = await database.query("explain", { parts: [prefix + first, ...rest], values });
  return rows.map((/** @type {any} */ row) => row.detail ?? row["QUERY PLAN"]).join("\n");
}
