// What the visitor gets, and what is stored, when our own parts fail: the Cache API, KV, the clock, the
// isolate itself. On raw workerd, whose Cache API and KV are this process's.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { below } from "./below.mjs";
import { did, filled, gives, site } from "./site.mjs";

const FRESH = { "cache-control": "max-age=600" };

describe("the tiers below memory", () => {
  /** @type {Awaited<ReturnType<typeof below>>} */
  let tiers;
  /** Two isolates: what one has in memory, the other finds below, or not. @type {Awaited<ReturnType<typeof site>>} */
  let www;
  /** @type {{ port: number }} */
  let other;
  before(async () => {
    tiers = await below();
    www = await site((url) => ({ routes: [{ host: "www.example", path: "/**", origin: url }] }), { raw: "below", twin: true, colo: tiers.colo.port, kv: tiers.kv.port });
    other = { port: /** @type {any} */ (www.product).twin };
  });
  afterEach(() => {
    for (const tier of [tiers.colo, tiers.kv]) Object.assign(tier.manners, { reads: "well", writes: "well" });
  });
  after(async () => {
    await www.close();
    tiers.close();
  });

  /** What a tier holds of an answer, as soon as it does. @param {typeof tiers.colo} tier @param {string} text */
  async function held(tier, text) {
    for (const deadline = Date.now() + 5_000; Date.now() < deadline; await new Promise((resolve) => setImmediate(resolve))) {
      if ([...tier.entries.values()].some((bytes) => bytes.includes(text))) return;
    }
    assert.fail("it is not held");
  }

  /** A page that is in both tiers, and not in the other isolate's memory. */
  async function kept() {
    const body = `a page of its own: ${Math.random()}`;
    const path = www.page(gives({ ...FRESH, etag: '"a"' }, body));
    await filled(www, path);
    await Promise.all([held(tiers.colo, body), held(tiers.kv, body)]);
    return { path, body };
  }

  test("work: the other isolate finds in the Cache API what this one stored, and in KV what is not there", async () => {
    const { path, body } = await kept();
    const found = await www.ask(path, {}, other);
    assert.deepEqual([did(found), found.body], ["hit", body]);
    assert.match(found.headers["cache-status"], /detail=colo/);
    const next = await kept();
    tiers.colo.entries.clear();
    const inKv = await www.ask(next.path, {}, other);
    assert.deepEqual([did(inKv), inKv.body], ["hit", next.body]);
    assert.match(inKv.headers["cache-status"], /detail=kv/);
    assert.deepEqual([path, next.path].map((path) => www.own.asked(path).length), [1, 1]);
  });

  for (const manner of /** @type {const} */ (["errors", "breaks", "rubbish", "short", "hangs"])) {
    test(`the Cache API ${manner} when it is read: KV has it`, async () => {
      const { path, body } = await kept();
      tiers.colo.manners.reads = manner;
      const answer = await www.ask(path, {}, other);
      assert.deepEqual([answer.status, did(answer), answer.body], [200, "hit", body]);
      assert.match(answer.headers["cache-status"], /detail=kv/);
    });

    test(`both ${manner === "hangs" ? "hang" : manner} when they are read: the origin has it`, async () => {
      const { path, body } = await kept();
      tiers.colo.manners.reads = tiers.kv.manners.reads = manner;
      const answer = await www.ask(path, {}, other);
      assert.deepEqual([answer.status, did(answer), answer.body], [200, "miss", body]);
      assert.equal(www.own.asked(path).length, 2);
    });
  }

  for (const manner of /** @type {const} */ (["errors", "breaks", "hangs"])) {
    test(`both ${manner === "hangs" ? "hang" : manner} when they are written: memory has it, and who waits does not wait for them`, async () => {
      tiers.colo.manners.writes = tiers.kv.manners.writes = manner;
      let open = () => {};
      const opened = new Promise((/** @type {(value?: undefined) => void} */ resolve) => (open = resolve));
      const path = www.page(async (_, response) => {
        await opened;
        response.writeHead(200, FRESH).end("good");
      });
      const began = Date.now();
      const answers = Array.from({ length: 10 }, () => www.ask(path));
      await www.taken(path);
      open();
      for (const { status, body } of await Promise.all(answers)) assert.deepEqual([status, body], [200, "good"]);
      assert.equal(did(await www.ask(path)), "hit");
      assert.equal(www.own.asked(path).length, 1);
      assert.ok(Date.now() - began < 20_000, "the patience with the origin was not used up");
    });
  }
});

describe("a clock that", () => {
  /** @type {Awaited<ReturnType<typeof site>>} */
  let www;
  before(async () => {
    www = await site((url) => ({ lease_ms: 300, routes: [{ host: "www.example", path: "/**", origin: url }] }), { raw: "clock", main: "clock.js" });
  });
  after(() => www.close());

  for (const manner of ["hangs", "errors", "rubbish"]) {
    test(`${manner}: what has tags is fetched anew, what has none is served, and a purge says that it failed`, async () => {
      const script = (/** @type {Record<string, string>} */ fields) => {
        let asked = 0;
        return www.page((_, response) => void response.writeHead(200, { ...FRESH, ...fields }).end(`${(asked += 1)}`));
      };
      const [tagged, plain] = [script({ "cache-tag": "a" }), script({})];
      for (const path of [tagged, plain]) assert.equal(did((await filled(www, path)).answer), "hit");
      const purge = await www.manage("purge", { tag: `manner-${manner}` });
      assert.equal(purge.status, 503, purge.body);
      // The lease is over when an answer says so.
      let answer = await www.ask(tagged);
      for (const deadline = Date.now() + 5_000; answer.body === "1" && Date.now() < deadline; ) answer = await www.ask(tagged);
      assert.deepEqual([answer.status, did(answer), answer.body], [200, "miss", "2"]);
      assert.deepEqual([did(await www.ask(plain)), (await www.ask(plain)).body], ["hit", "1"]);
      await www.manage("purge", { tag: "manner-well" });
      const healed = script({ "cache-tag": "a" });
      let hit = await www.ask(healed);
      for (const deadline = Date.now() + 5_000; did(hit) !== "hit" && Date.now() < deadline; ) hit = await www.ask(healed);
      assert.equal(did(hit), "hit", "it is believed again");
    });
  }
});

test("an isolate that ends in mid-fill leaves nothing behind, and the next one fills anew", async () => {
  const tiers = await below();
  const routes = (/** @type {string} */ url) => ({ routes: [{ host: "www.example", path: "/**", origin: url }] });
  const options = { raw: "evicted", colo: tiers.colo.port, kv: tiers.kv.port };
  const first = await site(routes, options);
  const path = "/half";
  first.own.on(path, (_, response) => void response.writeHead(200, { ...FRESH, "content-length": "100" }).write("half of i"));
  const asked = first.ask(path);
  asked.catch(() => {});
  await first.own.heard(path);
  await first.product.close();
  await assert.rejects(asked);
  assert.deepEqual([tiers.colo.entries.size, tiers.kv.entries.size], [0, 0]);
  await first.close();
  const next = await site(routes, { ...options, fresh: false });
  next.own.on(path, gives(FRESH, "whole"));
  const { first: answer, answer: later } = await filled(next, path);
  assert.deepEqual([did(answer), answer.body, did(later), later.body], ["miss", "whole", "hit", "whole"]);
  await next.close();
  tiers.close();
});
