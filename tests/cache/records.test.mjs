// What the edge answered is counted, each answer once: though acknowledgements are lost and though nobody
// asks again, and whatever is rolled up.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";

import { databases } from "../faults/workerd.mjs";
import { did, filled, gives, HOST, site, TOKEN } from "./site.mjs";

/** @type {Awaited<ReturnType<typeof site>>} */
let www;
/** @type {any} */
let product;
before(async () => {
  www = await site(
    (url) => ({
      routes: [
        { host: HOST, path: "/named/**", origin: url, name: "/named/:what" },
        { host: HOST, path: "/other/**", origin: url, site: "other", methods: ["GET"] },
        { host: HOST, path: "/demo/**", origin: url, inject: "demo" },
        { host: HOST, path: "/**", origin: url, site: "demo" },
        { host: "nobodys.example", path: "/**", origin: url },
      ],
    }),
    { raw: "records", twin: true, main: "lossy.js", vars: { SITES: { demo: { public: true }, other: {} } } },
  );
  product = www.product;
});
after(() => www.close());

/** What the shards have counted, by shard, window and route. */
function counted() {
  return databases(product.storage, "Shard").flatMap((file) => {
    const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    const tables = database.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'traffic'").get();
    const rows = tables?.n ? database.prepare("SELECT ?1 AS file, span, start, route, n FROM traffic").all(file) : [];
    database.close();
    return /** @type {{ file: string, span: number, start: number, route: string, n: number }[]} */ (/** @type {unknown} */ (rows));
  });
}

const sum = (/** @type {{ n: number }[]} */ rows) => rows.reduce((all, { n }) => all + n, 0);

/** Waits until so many were counted, and no longer than carrying takes. @param {number} n */
async function until(n) {
  const deadline = Date.now() + 15_000;
  while (sum(counted()) < n && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(sum(counted()), n);
}

/** @param {string} [path] */
const analytics = async (path = "analytics") => JSON.parse((await www.manage(path)).body);

let answers = 0;
/** @param {string} path @param {Record<string, string>} [headers] @param {Parameters<typeof www.ask>[2]} [more] */
const ask = (path, headers, more) => {
  answers += 1;
  return www.ask(path, headers, more);
};

test("each answer is counted once and soon, though acknowledgements are lost and nobody asks again", async () => {
  www.own.on("/product/42", gives({ "cache-control": "max-age=60", "server-timing": 'db;dur=2;desc="one", app;dur=9' }));
  www.own.on("/named/a", gives({}));
  www.own.on("/other/a", gives({}));
  for (let round = 0; round < 10; round += 1) {
    for (const port of [undefined, product.twin]) {
      for (const path of ["/product/42", "/named/a", "/nowhere/7", "/other/a"]) await ask(path, {}, { port });
    }
  }
  await ask("/other/a", {}, { method: "POST", body: "x" });
  www.own.on("/demo/1", gives({}));
  await ask("/demo/1");
  await ask("/demo/1", {}, { host: "nobodys.example" });
  await until(answers);
  const routes = Object.groupBy(counted(), ({ route }) => route);
  const of = Object.fromEntries(Object.entries(routes).map(([route, rows = []]) => [route, sum(rows)]));
  assert.deepEqual(of, { "/product/:id": 20, "/named/:what": 20, "(not found)": 20, "/other/a": 20, "(refused)": 1, "/demo/:id": 2 });
});

test("the numbers are of the site that the route names, of what is injected, or nobody's", async () => {
  const { routes } = await analytics();
  const sites = new Set(routes.map((/** @type {any} */ line) => `${line.site} ${line.route}`));
  for (const site of ["other /other/a", "other (refused)", "demo /product/:id", "demo /demo/:id", "- /demo/:id"]) assert.ok(sites.has(site), `${[...sites]}`);
});

test("random paths make no more routes than there is room for, and no answer is lost", async () => {
  const was = sum(counted());
  for (let index = 0; index < 230; index += 1) {
    www.own.on(`/random-${index}-page`, gives({ "cache-control": "max-age=60" }));
    await www.ask(`/random-${index}-page`);
  }
  await until(was + 230);
  const windows = Object.groupBy(counted(), ({ file, span, start }) => `${file} ${span} ${start}`);
  for (const [window, rows = []] of Object.entries(windows)) assert.ok(rows.length <= 201, window);
  assert.ok(counted().some(({ route }) => route === "(other)"));
});

test("a visitor gets the origin's Server-Timing with the origin's own answer, and not from the cache", async () => {
  www.own.on("/timed", gives({ "cache-control": "max-age=60", "server-timing": 'db;dur=2;desc="one"' }));
  const { first, answer } = await filled(www, "/timed");
  assert.match(first.headers["server-timing"], /^db;dur=2;desc="one", edge;desc=miss;dur=\d+, origin;dur=\d+$/);
  assert.equal(did(answer), "hit");
  assert.match(answer.headers["server-timing"], /^edge;desc=hit;dur=\d+$/);
});

// The last: it ends the Worker, and starts it anew.
test("what is rolled up into hours and days is the same in sum", async () => {
  const { routes, tiers, misses, bypassed } = await analytics();
  const n = sum(counted());
  /** Moves all that is counted by so many days, starts again, and has the cron tend to it. @param {number} days */
  const moved = async (days) => {
    await product.fall();
    for (const file of databases(product.storage, "Shard")) {
      const database = new DatabaseSync(file);
      database.exec(`UPDATE traffic SET start = start + ${days * 86_400_000}; DELETE FROM facts WHERE name = 'traffic-horizon'`);
      database.close();
    }
    return product.rise();
  };
  for (const [days, span] of [[-1, 1], [-39, 2]]) {
    assert.equal((await fetch(`${await moved(days)}/cron`)).status, 200);
    // Nobody's are not tended to by the cron, but by the object's own alarm.
    const rows = counted().filter((row) => row.span === span);
    assert.ok(sum(rows) > 0);
    assert.equal(sum(counted()), n);
  }
  // Brought back, it is what it was: requests, bytes, and the origin's time.
  const origin = await moved(40);
  const answer = await fetch(`${origin}/api/cache/analytics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const after = await answer.json();
  assert.deepEqual([after.routes, after.tiers, after.misses, after.bypassed], [routes, tiers, misses, bypassed]);
});
