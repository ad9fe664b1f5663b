// Responses and stored entries when the platform fails: the Cache API, KV, the purge clock, the isolate
// itself. On raw workerd, with this process as its Cache API and KV.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { startTiers } from "./fake-tiers.mjs";
import { cacheStatus, fill, respond, site } from "./site.mjs";

const FRESH = { "cache-control": "max-age=600" };
// Half a second for each tier and a second for the purge clock, and room for a busy machine.
const LOOKUP_BOUND_MS = 4_000;

describe("the tiers below memory", () => {
  /** @type {Awaited<ReturnType<typeof startTiers>>} */
  let tiers;
  /** Two isolates: a page in the memory of one is in the other's tiers, or not at all. @type {Awaited<ReturnType<typeof site>>} */
  let www;
  /** @type {{ port: number }} */
  let other;
  before(async () => {
    tiers = await startTiers();
    www = await site((url) => ({ routes: [{ host: "www.example", path: "/**", origin: url }] }), { raw: "below", twin: true, colo: tiers.colo.port, kv: tiers.kv.port });
    other = { port: /** @type {any} */ (www.product).twin };
  });
  afterEach(() => {
    for (const tier of [tiers.colo, tiers.kv]) Object.assign(tier.behaviour, { reads: "well", writes: "well" });
  });
  after(async () => {
    await www.close();
    tiers.close();
  });

  /** Waits until a tier holds an entry with the text. @param {typeof tiers.colo} tier @param {string} text */
  async function waitForEntry(tier, text) {
    for (const deadline = Date.now() + 5_000; Date.now() < deadline; await new Promise((resolve) => setImmediate(resolve))) {
      if ([...tier.entries.values()].some((bytes) => bytes.includes(text))) return;
    }
    assert.fail("it is not held");
  }

  /** Waits until the other isolate asks a tier again, which it leaves alone after a call without a response. @param {typeof tiers.kv} tier */
  async function isAsked(tier) {
    const before = tier.requests.reads;
    for (const deadline = Date.now() + 10_000; tier.requests.reads === before && Date.now() < deadline; ) await www.ask(www.page(respond({ "cache-control": "no-store" })), {}, other);
    assert.ok(tier.requests.reads > before, "the tier is never asked again");
  }

  test("a tier without a response is left alone for a moment: the next visitors do not wait", async () => {
    await isAsked(tiers.colo);
    tiers.colo.behaviour.reads = tiers.kv.behaviour.reads = "hangs";
    await www.ask(www.page(respond({ "cache-control": "no-store" })), {}, other);
    const { colo, kv } = tiers;
    const before = [colo.requests.reads, kv.requests.reads];
    const path = www.page(respond({ "cache-control": "no-store" }));
    for (let visitor = 0; visitor < 20; visitor += 1) assert.equal((await www.ask(path, {}, other)).status, 200);
    assert.deepEqual([colo.requests.reads, kv.requests.reads], before);
  });

  /** Stores a page in both tiers, but not in the other isolate's memory. */
  async function storePage() {
    const body = `a page of its own: ${Math.random()}`;
    const path = www.page(respond({ ...FRESH, etag: '"a"' }, body));
    await fill(www, path);
    await Promise.all([waitForEntry(tiers.colo, body), waitForEntry(tiers.kv, body)]);
    return { path, body };
  }

  test("work: another isolate gets a hit from the Cache API, or else from KV", async () => {
    await isAsked(tiers.colo);
    await isAsked(tiers.kv);
    const { path, body } = await storePage();
    const found = await www.ask(path, {}, other);
    assert.deepEqual([cacheStatus(found), found.body], ["hit", body]);
    assert.match(found.headers["cache-status"], /detail=colo/);
    const next = await storePage();
    tiers.colo.entries.clear();
    const inKv = await www.ask(next.path, {}, other);
    assert.deepEqual([cacheStatus(inKv), inKv.body], ["hit", next.body]);
    assert.match(inKv.headers["cache-status"], /detail=kv/);
    assert.deepEqual([path, next.path].map((path) => www.own.requests(path).length), [1, 1]);
  });

  for (const mode of /** @type {const} */ (["errors", "breaks", "rubbish", "short", "stalls", "hangs"])) {
    test(`the Cache API ${mode} on reads: KV serves`, async () => {
      await isAsked(tiers.kv);
      const { path, body } = await storePage();
      tiers.colo.behaviour.reads = mode;
      const answer = await www.ask(path, {}, other);
      assert.deepEqual([answer.status, cacheStatus(answer), answer.body], [200, "hit", body]);
      assert.match(answer.headers["cache-status"], /detail=kv/);
    });

    test(`both ${mode === "hangs" ? "hang" : mode} on reads: the origin serves, and soon`, async () => {
      const { path, body } = await storePage();
      tiers.colo.behaviour.reads = tiers.kv.behaviour.reads = mode;
      const began = Date.now();
      const answer = await www.ask(path, {}, other);
      assert.ok(Date.now() - began < LOOKUP_BOUND_MS, `it took ${Date.now() - began} ms`);
      assert.deepEqual([answer.status, cacheStatus(answer), answer.body], [200, "miss", body]);
      assert.equal(www.own.requests(path).length, 2);
    });
  }

  for (const mode of /** @type {const} */ (["errors", "breaks", "hangs"])) {
    test(`both ${mode === "hangs" ? "hang" : mode} on writes: memory serves, and no request waits for the writes`, async () => {
      tiers.colo.behaviour.writes = tiers.kv.behaviour.writes = mode;
      let open = () => {};
      const opened = new Promise((/** @type {(value?: undefined) => void} */ resolve) => (open = resolve));
      const path = www.page(async (_, response) => {
        await opened;
        response.writeHead(200, FRESH).end("good");
      });
      const began = Date.now();
      const answers = Array.from({ length: 10 }, () => www.ask(path));
      await www.waitForQueue(path);
      open();
      for (const { status, body } of await Promise.all(answers)) assert.deepEqual([status, body], [200, "good"]);
      assert.equal(cacheStatus(await www.ask(path)), "hit");
      assert.equal(www.own.requests(path).length, 1);
      assert.ok(Date.now() - began < 20_000, "no request waited for the origin's timeout");
    });
  }

  test("isolates of one location share the purges that one of them requested, and a relay that fails costs nothing but calls", async () => {
    const isRelay = (/** @type {string} */ path) => path.endsWith("/purges/1/copy");
    const path = www.page(respond({ ...FRESH, "cache-tag": "shared" }));
    await fill(www, path);
    for (const until = Date.now() + 10_000; ![...tiers.colo.entries.keys()].some(isRelay) && Date.now() < until; ) await www.ask(path);
    const copy = JSON.parse(String(tiers.colo.entries.get([...tiers.colo.entries.keys()].find(isRelay) ?? "")));
    // A purge that only the relay has: the other isolate learns of it there.
    copy.changes = { ...copy.changes, clock: { ...copy.changes.clock, seq: copy.changes.upto + 1 }, upto: copy.changes.upto + 1, marks: [["t:shared", { hard: copy.changes.upto + 1, soft: 0 }]], at: [Date.now()] };
    while (cacheStatus(await www.ask(path, {}, other)) !== "hit");
    // As if a third isolate renewed it: the other may leave the Cache API alone at first, and ask the purge clock.
    const renew = () => {
      const bytes = Buffer.from(JSON.stringify({ ...copy, requested_at: Date.now() + 200 }));
      for (const key of tiers.colo.entries.keys()) if (isRelay(key)) tiers.colo.entries.set(key, bytes);
    };
    tiers.colo.behaviour.writes = "errors";
    /** @type {string | undefined} */
    let status = "hit";
    for (const until = Date.now() + 10_000; status === "hit" && Date.now() < until; ) {
      renew();
      status = cacheStatus(await www.ask(path, {}, other));
    }
    assert.notEqual(status, "hit", "the other isolate applied the copy");
    for (const reads of /** @type {const} */ (["errors", "rubbish", "hangs"])) {
      tiers.colo.behaviour.reads = reads;
      const tagged = www.page(respond({ ...FRESH, "cache-tag": reads }));
      assert.equal((await www.ask(tagged, {}, other)).status, 200);
      assert.equal(cacheStatus(await www.ask(tagged, {}, other)), "hit", `tagged responses stay usable: ${reads}`);
    }
  });
});

describe("a purge clock that", () => {
  /** @type {Awaited<ReturnType<typeof site>>} */
  let www;
  before(async () => {
    www = await site((url) => ({ lease_ms: 300, routes: [{ host: "www.example", path: "/**", origin: url, purge_on_write: true }] }), { raw: "clock", main: "failing-clock.js" });
  });
  after(() => www.close());

  for (const mode of ["hangs", "stalls", "errors", "rubbish"]) {
    test(`${mode}: tagged responses are fetched, untagged ones are served, and a purge reports its failure`, async () => {
      const script = (/** @type {Record<string, string>} */ fields) => {
        let pending = 0;
        return www.page((_, response) => void response.writeHead(200, { ...FRESH, ...fields }).end(`${(pending += 1)}`));
      };
      const [tagged, plain] = [script({ "cache-tag": "a" }), script({})];
      for (const path of [tagged, plain]) assert.equal(cacheStatus((await fill(www, path)).answer), "hit");
      const purge = await www.manage("purge", { tag: `manner-${mode}` });
      assert.equal(purge.status, 503, purge.body);
      for (const call of ["warm?strategy=predicted", "analytics"]) {
        const answer = await www.manage(call, call === "analytics" ? undefined : "");
        assert.equal(answer.status, 503, `${call}: ${answer.body}`);
      }
      // A changed response shows that the lease has expired.
      let answer = await www.ask(tagged);
      for (const deadline = Date.now() + 5_000; answer.body === "1" && Date.now() < deadline; ) answer = await www.ask(tagged);
      assert.deepEqual([answer.status, cacheStatus(answer), answer.body], [200, "miss", "2"]);
      assert.deepEqual([cacheStatus(await www.ask(plain)), (await www.ask(plain)).body], ["hit", "1"]);
      const began = Date.now();
      const written = www.page((request, response) => void response.writeHead(200).end(request.method));
      for (let write = 0; write < 20; write += 1) assert.equal((await www.ask(written, {}, { method: "POST", body: "x" })).body, "POST");
      assert.ok(Date.now() - began < LOOKUP_BOUND_MS, `twenty writes took ${Date.now() - began} ms: no visitor waits for the clock`);
      await www.manage("purge", { tag: "manner-well" });
      const healed = script({ "cache-tag": "a" });
      let hit = await www.ask(healed);
      for (const deadline = Date.now() + 5_000; cacheStatus(hit) !== "hit" && Date.now() < deadline; ) hit = await www.ask(healed);
      assert.equal(cacheStatus(hit), "hit", "the clock is trusted again");
    });
  }
});

test("an isolate that ends during a fill stores nothing, and the next one fills anew", async () => {
  const tiers = await startTiers();
  const routes = (/** @type {string} */ url) => ({ routes: [{ host: "www.example", path: "/**", origin: url }] });
  const options = { raw: "evicted", colo: tiers.colo.port, kv: tiers.kv.port };
  const first = await site(routes, options);
  const path = "/half";
  first.own.on(path, (_, response) => void response.writeHead(200, { ...FRESH, "content-length": "100" }).write("half of i"));
  const pending = first.ask(path);
  pending.catch(() => {});
  await first.own.waitForRequest(path);
  await first.product.close();
  await assert.rejects(pending);
  const entries = [...tiers.colo.entries.keys()].filter((path) => !path.includes("/purges/"));
  assert.deepEqual([entries.length, tiers.kv.entries.size], [0, 0]);
  await first.close();
  const next = await site(routes, { ...options, fresh: false });
  next.own.on(path, respond(FRESH, "whole"));
  const { first: answer, answer: later } = await fill(next, path);
  assert.deepEqual([cacheStatus(answer), answer.body, cacheStatus(later), later.body], ["miss", "whole", "hit", "whole"]);
  await next.close();
  tiers.close();
});
