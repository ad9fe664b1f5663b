// The edge counts each response once, even if acknowledgements are lost and no further request arrives,
// and roll-ups keep the sums.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";

import { databases } from "../faults/workerd.mjs";
import { cacheStatus, fill, HOST, respond, site, TOKEN } from "./site.mjs";

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
    { raw: "records", twin: true, main: "lossy-acks.js", vars: { SITES: { demo: { public: true }, other: {} } } },
  );
  product = www.product;
});
after(() => www.close());

/** Reads the shards' counts by window and route. */
function readCounts() {
  return databases(product.storage, "Shard").flatMap((file) => {
    const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    const tables = database.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'traffic'").get();
    const rows = tables?.n ? database.prepare("SELECT ?1 AS file, span, start, route, n FROM traffic").all(file) : [];
    database.close();
    return /** @type {{ file: string, span: number, start: number, route: string, n: number }[]} */ (/** @type {unknown} */ (rows));
  });
}

const sum = (/** @type {{ n: number }[]} */ rows) => rows.reduce((all, { n }) => all + n, 0);

/** Waits until that many responses are counted, within the time of a delivery. @param {number} n */
async function waitForCounts(n) {
  const deadline = Date.now() + 15_000;
  while (sum(readCounts()) < n && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(sum(readCounts()), n);
}

/** @param {string} [path] */
const analytics = async (path = "analytics") => JSON.parse((await www.manage(path)).body);

let answers = 0;
/** @param {string} path @param {Record<string, string>} [headers] @param {Parameters<typeof www.ask>[2]} [more] */
const countedAsk = (path, headers, more) => {
  answers += 1;
  return www.ask(path, headers, more);
};

test("each response is counted once and soon, despite lost acknowledgements and without further requests", async () => {
  www.own.on("/product/42", respond({ "cache-control": "max-age=60", "server-timing": 'db;dur=2;desc="one", app;dur=9' }));
  www.own.on("/named/a", respond({}));
  www.own.on("/other/a", respond({}));
  for (let round = 0; round < 10; round += 1) {
    for (const port of [undefined, product.twin]) {
      for (const path of ["/product/42", "/named/a", "/nowhere/7", "/other/a"]) await countedAsk(path, {}, { port });
    }
  }
  await countedAsk("/other/a", {}, { method: "POST", body: "x" });
  www.own.on("/demo/1", respond({}));
  await countedAsk("/demo/1");
  await countedAsk("/demo/1", {}, { host: "nobodys.example" });
  await waitForCounts(answers);
  const routes = Object.groupBy(readCounts(), ({ route }) => route);
  const counts = Object.fromEntries(Object.entries(routes).map(([route, rows = []]) => [route, sum(rows)]));
  assert.deepEqual(counts, { "/product/:id": 20, "/named/:what": 20, "(not found)": 20, "/other/a": 20, "(refused)": 1, "/demo/:id": 2 });
});

test("counts belong to the site of the route or of the injected client, or to none", async () => {
  const { routes } = await analytics();
  const sites = new Set(routes.map((/** @type {any} */ line) => `${line.site} ${line.route}`));
  for (const site of ["other /other/a", "other (refused)", "demo /product/:id", "demo /demo/:id", "- /demo/:id"]) assert.ok(sites.has(site), `${[...sites]}`);
});

test("random paths are limited in number, and no response is lost", async () => {
  const before = sum(readCounts());
  for (let index = 0; index < 230; index += 1) {
    www.own.on(`/random-${index}-page`, respond({ "cache-control": "max-age=60" }));
    await www.ask(`/random-${index}-page`);
  }
  await waitForCounts(before + 230);
  const windows = Object.groupBy(readCounts(), ({ file, span, start }) => `${file} ${span} ${start}`);
  for (const [window, rows = []] of Object.entries(windows)) assert.ok(rows.length <= 201, window);
  assert.ok(readCounts().some(({ route }) => route === "(other)"));
});

test("a response from the origin carries its Server-Timing, and a hit does not", async () => {
  www.own.on("/timed", respond({ "cache-control": "max-age=60", "server-timing": 'db;dur=2;desc="one"' }));
  const { first, answer } = await fill(www, "/timed");
  assert.match(first.headers["server-timing"], /^db;dur=2;desc="one", edge;desc=miss;dur=\d+, origin;dur=\d+$/);
  assert.equal(cacheStatus(answer), "hit");
  assert.match(answer.headers["server-timing"], /^edge;desc=hit;dur=\d+$/);
});

// Must be the last test: it restarts the Worker.
test("roll-ups into hours and days keep the sums", async () => {
  const { routes, tiers, misses, bypassed } = await analytics();
  const n = sum(readCounts());
  /** Shifts all counts by that many days, restarts, and returns the new origin. @param {number} days */
  const restartShifted = async (days) => {
    await product.stop();
    for (const file of databases(product.storage, "Shard")) {
      const database = new DatabaseSync(file);
      database.exec(`UPDATE traffic SET start = start + ${days * 86_400_000}; DELETE FROM facts WHERE name = 'traffic-horizon'`);
      database.close();
    }
    return product.restart();
  };
  for (const [days, span] of [[-1, 1], [-39, 2]]) {
    assert.equal((await fetch(`${await restartShifted(days)}/cron`)).status, 200);
    // The cron does not roll up counts without a site; the object's own alarm does.
    const rows = readCounts().filter((row) => row.span === span);
    assert.ok(sum(rows) > 0);
    assert.equal(sum(readCounts()), n);
  }
  // After the shift back, requests, bytes and the origin's time are the same.
  const origin = await restartShifted(40);
  const answer = await fetch(`${origin}/api/cache/analytics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const after = await answer.json();
  assert.deepEqual([after.routes, after.tiers, after.misses, after.bypassed], [routes, tiers, misses, bypassed]);
});
