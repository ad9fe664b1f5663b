// Two isolates that share only the purge clock: after a purge by one, the other serves the old entry no
// longer than the lease.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { cacheStatus, fill, site } from "./site.mjs";

const LEASE = 300;
/** @type {Awaited<ReturnType<typeof site>>} */
let www;
/** The port of the other isolate. @type {number} */
let twin;
before(async () => {
  www = await site((url) => ({ lease_ms: LEASE, routes: [{ host: "www.example", path: "/form/**", origin: url, purge_on_write: true }, { host: "www.example", path: "/**", origin: url }] }), { raw: "lease", twin: true });
  twin = /** @type {any} */ (www.product).twin;
});
after(() => www.close());

test("a purge reaches another isolate within the lease", async () => {
  let version = 0;
  const path = www.page((_, response) => void response.writeHead(200, { "cache-control": "max-age=600", "cache-tag": "a" }).end(`${version}`));
  let stale = 0;
  for (version = 1; version <= 10; version += 1) {
    for (const port of [www.product.origin.split(":")[2], twin]) {
      while ((await www.ask(path, {}, { port })).body !== `${version}`);
      while (cacheStatus(await www.ask(path, {}, { port })) !== "hit");
    }
    const before = version;
    version += 0.5;
    assert.equal((await www.manage("purge", { tag: "a" })).status, 200);
    const purged = Date.now();
    assert.equal((await www.ask(path)).body, `${version}`, "the purging isolate knows at once");
    for (;;) {
      const sentAt = Date.now();
      const { body } = await www.ask(path, {}, { port: twin });
      if (body === `${version}`) break;
      assert.equal(body, `${before}`);
      // A request sent later than the lease after the purge must not get the old entry.
      assert.ok(sentAt - purged <= LEASE, `served ${sentAt - purged} ms after the purge`);
      stale += 1;
    }
    version = before;
    await www.manage("purge", { tag: "a" });
  }
  assert.ok(stale > 0, "the other isolate is a separate one");
});

/** A page whose version a write raises, held by both isolates. @param {string} under */
async function writtenPage(under) {
  let version = 1;
  const path = www.page(({ method }, response) => {
    if (method === "POST") version += 1;
    response.writeHead(200, { "cache-control": "max-age=600" }).end(`${version}`);
  }, under);
  await fill(www, path);
  while (cacheStatus(await www.ask(path, {}, { port: twin })) !== "hit");
  return path;
}

test("a write on a route with purge_on_write reaches another isolate within the lease and the batch", async () => {
  const path = await writtenPage("/form/");
  for (const version of ["2", "3"]) {
    await www.ask(path, {}, { method: "POST", body: "x" });
    const written = Date.now();
    assert.equal((await www.ask(path)).body, version, "the writing isolate knows at once");
    for (;;) {
      const sentAt = Date.now();
      const { body } = await www.ask(path, {}, { port: twin });
      if (body === version) break;
      // A batch is sent every two seconds, and takes a moment.
      assert.ok(sentAt - written <= 2_000 + LEASE + 1_000, `served ${sentAt - written} ms after the write`);
    }
    while (cacheStatus(await www.ask(path, {}, { port: twin })) !== "hit");
  }
});

test("a write on any other route concerns its own isolate alone", async () => {
  const path = await writtenPage("/");
  const purges = async () => JSON.parse((await www.manage("analytics")).body).purges.count;
  const before = await purges();
  for (let write = 0; write < 20; write += 1) await www.ask(`${path}?${write}`, {}, { method: "POST", body: "x" });
  await www.ask(path, {}, { method: "POST", body: "x" });
  assert.equal((await www.ask(path)).body, "22");
  assert.deepEqual([cacheStatus(await www.ask(path, {}, { port: twin })), (await www.ask(path, {}, { port: twin })).body], ["hit", "1"]);
  assert.equal(await purges(), before);
});

test("a flood of writes fills a batch, and the rest is refused and counted", async () => {
  const path = await writtenPage("/form/");
  const { refused } = JSON.parse((await www.manage("analytics")).body).purges;
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(Array.from({ length: 50 }, (_, index) => www.ask(`${path}?${round}-${index}`, {}, { method: "POST", body: "x" })));
  }
  const after = JSON.parse((await www.manage("analytics")).body).purges;
  assert.ok(after.refused > refused, JSON.stringify(after));
});
