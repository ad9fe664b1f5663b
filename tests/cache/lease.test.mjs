// Two isolates that share nothing but the clock: what one purges, the other serves no longer than the
// lease.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { did, filled, site } from "./site.mjs";

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

test("what one isolate purges, the other serves no longer than the lease", async () => {
  let version = 0;
  const path = www.page((_, response) => void response.writeHead(200, { "cache-control": "max-age=600", "cache-tag": "a" }).end(`${version}`));
  let stale = 0;
  for (version = 1; version <= 10; version += 1) {
    for (const port of [www.product.origin.split(":")[2], twin]) {
      while ((await www.ask(path, {}, { port })).body !== `${version}`);
      while (did(await www.ask(path, {}, { port })) !== "hit");
    }
    const before = version;
    version += 0.5;
    assert.equal((await www.manage("purge", { tag: "a" })).status, 200);
    const purged = Date.now();
    assert.equal((await www.ask(path)).body, `${version}`, "who purged knows at once");
    for (;;) {
      const asked = Date.now();
      const { body } = await www.ask(path, {}, { port: twin });
      if (body === `${version}`) break;
      assert.equal(body, `${before}`);
      // A request that was sent later than the lease after the purge may not get what was purged.
      assert.ok(asked - purged <= LEASE, `served ${asked - purged} ms after the purge`);
      stale += 1;
    }
    version = before;
    await www.manage("purge", { tag: "a" });
  }
  assert.ok(stale > 0, "the other isolate is another one");
});

test("a write through one is seen by the other after the lease too", async () => {
  let version = 1;
  const path = www.page(({ method }, response) => {
    if (method === "POST") version += 1;
    response.writeHead(200, { "cache-control": "max-age=600" }).end(`${version}`);
  });
  await filled(www, path);
  while (did(await www.ask(path, {}, { port: twin })) !== "hit");
  await www.ask(path, {}, { method: "POST", body: "x" });
  const written = Date.now();
  for (;;) {
    const asked = Date.now();
    const { body } = await www.ask(path, {}, { port: twin });
    if (body === "2") break;
    assert.ok(asked - written <= LEASE, `served ${asked - written} ms after the write`);
  }
});
