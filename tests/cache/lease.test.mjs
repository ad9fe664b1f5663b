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
  www = await site((url) => ({ lease_ms: LEASE, routes: [{ host: "www.example", path: "/**", origin: url }] }), { raw: "lease", twin: true });
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

test("the invalidation by a write reaches another isolate within the lease, too", async () => {
  let version = 1;
  const path = www.page(({ method }, response) => {
    if (method === "POST") version += 1;
    response.writeHead(200, { "cache-control": "max-age=600" }).end(`${version}`);
  });
  await fill(www, path);
  while (cacheStatus(await www.ask(path, {}, { port: twin })) !== "hit");
  await www.ask(path, {}, { method: "POST", body: "x" });
  const written = Date.now();
  for (;;) {
    const sentAt = Date.now();
    const { body } = await www.ask(path, {}, { port: twin });
    if (body === "2") break;
    assert.ok(sentAt - written <= LEASE, `served ${sentAt - written} ms after the write`);
  }
});
