//! `cached` of `edge-vitals/cache` under a clock of the tests: any interleaving of reads, loads, failures, invalidations and
//! the passing of time, compared with a model of it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";

import { createCache } from "../../pkg/backend/cached.js";
import { SharedCache } from "../../pkg/backend/next/shared_cache.js";
import { withCache } from "../../pkg/backend/with_cache.js";

/** A cache with a clock and with loads that the test ends. @param {{ maxBytes?: number, random?: () => number }} [options] */
function startCache({ maxBytes = 1 << 20, random = () => 0 } = {}) {
  let time = 0;
  const now = () => time;
  const cache = createCache({ now, random, maxBytes, shared: new SharedCache({ now }) });
  /** @type {{ key: string, startedAt: number, end: (isWell: boolean) => Promise<void> }[]} */
  const loads = [];
  let made = 0;
  let order = 0;
  const load = (/** @type {string} */ key) => () => {
    const value = { key, startedAt: time, ended: Infinity, number: (made += 1) };
    return new Promise((resolve, reject) => {
      const mine = {
        key,
        startedAt: time,
        end: async (/** @type {boolean} */ isWell) => {
          loads.splice(loads.indexOf(mine), 1);
          value.ended = order += 1;
          if (isWell) resolve(value);
          else reject(new Error("the load failed"));
          await settle();
        },
      };
      loads.push(mine);
    });
  };
  return { ...cache, load, loads, order: () => (order += 1), pass: (/** @type {number} */ ms) => void (time += ms), now };
}

const settle = async () => {
  for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
};

const TTL = 10;
const SWR = 5;
const options = (/** @type {string} */ key) => ({ ttl: TTL, staleWhileRevalidate: SWR, tags: [`tag-${key}`, "all"] });

describe("cached", () => {
  test("no two loads of a key at once, no value beyond its time, and none from before an invalidation", async () => {
    const key = fc.constantFrom("a", "b");
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("read"), key }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("end"), at: fc.nat(3), isWell: fc.boolean() }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.nat(9_000) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("key"), key }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("tag"), key, soft: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("prefix"), key }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("all") }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const cache = startCache();
        /** The last hard invalidation of each key. @type {Record<string, number>} */
        const invalidated = {};
        /** @type {Record<string, number>} */
        const epochs = { a: 0, b: 0 };
        /** Loads in the current epoch of their key. @type {Map<any, number>} */
        const epochOf = new Map();
        /** @type {Promise<void>[]} */
        const checks = [];
        for (const step of /** @type {any[]} */ (steps)) {
          if (step.kind === "pass") cache.pass(step.ms);
          else if (step.kind === "end") await cache.loads[step.at]?.end(step.isWell);
          else if (step.kind === "read") {
            const epoch = epochs[step.key];
            const [askedAt, asked] = [cache.now(), cache.order()];
            const before = new Set(cache.loads);
            const answer = cache.cached(step.key, cache.load(step.key), options(step.key));
            for (const load of cache.loads) if (!before.has(load)) epochOf.set(load, epoch);
            const checked = answer.then(
              (/** @type {any} */ value) => {
                assert.equal(value.key, step.key);
                assert.ok(value.startedAt >= (invalidated[step.key] ?? -Infinity) || epoch < epochs[step.key], "a value from before an invalidation");
                // A caller of a load that runs waits for it, however long.
                assert.ok(value.ended > asked || askedAt - value.startedAt < (TTL + SWR) * 1000, "a value beyond its time");
              },
              (/** @type {Error} */ error) => assert.equal(error.message, "the load failed"),
            );
            // A failed check is reported below.
            checked.catch(() => {});
            checks.push(checked);
            const inEpoch = cache.loads.filter((load) => load.key === step.key && epochOf.get(load) === epochs[step.key]);
            assert.ok(inEpoch.length <= 1, "two loads at once");
          } else {
            const keys = step.key ? [step.key] : ["a", "b"];
            const what = { key: { key: step.key }, tag: { tag: `tag-${step.key}`, soft: step.soft }, prefix: { prefix: step.key }, all: { all: true } }[/** @type {"key"} */ (step.kind)];
            await cache.invalidate(/** @type {any} */ (what));
            for (const key of keys) {
              epochs[key] += 1;
              if (!step.soft) invalidated[key] = cache.now();
            }
            // Time is what the clock of purges counts in.
            cache.pass(1);
          }
          await settle();
        }
        while (cache.loads.length > 0) await cache.loads[0].end(true);
        await Promise.all(checks);
      }),
      { numRuns: Number(process.env.CACHED_RUNS ?? 2_000) },
    );
  });

  test("a thousand callers at once are one load, and all of them get its value or its failure", async () => {
    const cache = startCache();
    for (const isWell of [false, true]) {
      const answers = Array.from({ length: 1_000 }, () => cache.cached("k", cache.load("k")));
      assert.equal(cache.loads.length, 1);
      await cache.loads[0].end(isWell);
      const results = await Promise.allSettled(answers);
      assert.equal(new Set(results.map(({ status }) => status)).size, 1);
      assert.equal(results[0].status, isWell ? "fulfilled" : "rejected");
    }
    assert.deepEqual([cache.stats().loads, cache.stats().failures], [2, 1]);
  });

  test("a stale value is returned at once while one load runs, also after it failed", async () => {
    const cache = startCache();
    const read = () => cache.cached("k", cache.load("k"), options("k"));
    const first = read();
    await cache.loads[0].end(true);
    const value = await first;
    cache.pass(TTL * 1000);
    assert.equal(await read(), value);
    assert.equal(await read(), value);
    assert.equal(cache.loads.length, 1);
    await cache.loads[0].end(false);
    assert.equal(await read(), value);
    await cache.loads[0].end(true);
    assert.notEqual(await read(), value);
    assert.deepEqual(cache.stats().byTagClass, { tag: { hits: 1, stale: 3, misses: 1 } });
  });

  test("nothing found is remembered briefly, and what depends on more has values of its own", async () => {
    const cache = startCache();
    let loads = 0;
    const nothing = () => ((loads += 1), undefined);
    for (const [passed, expected] of [[0, 1], [9_999, 1], [1, 2]]) {
      cache.pass(passed);
      assert.equal(await cache.cached("none", nothing, { ttl: "long" }), undefined);
      assert.equal(loads, expected);
    }
    const greet = (/** @type {string} */ vary) => cache.cached("greeting", () => `hello ${vary}`, { vary });
    assert.deepEqual(await Promise.all([greet("de"), greet("gsw-CH"), greet("de")]), ["hello de", "hello gsw-CH", "hello de"]);
    await cache.invalidate({ key: "greeting" });
    const { misses } = cache.stats();
    await Promise.all([greet("de"), greet("gsw-CH")]);
    assert.equal(cache.stats().misses, misses + 2);
  });

  test("lifetimes are spread, and never longer than asked for", async () => {
    const draws = [0, 0.5, 0.999];
    const cache = startCache({ random: () => draws.shift() ?? 0 });
    for (const key of ["a", "b", "c"]) await cache.cached(key, () => key, { ttl: 100 });
    const isFresh = async (/** @type {string} */ key) => (await cache.cached(key, () => "new", { ttl: 100 })) === key;
    cache.pass(90_100);
    assert.deepEqual([await isFresh("c"), await isFresh("b")], [false, true]);
    cache.pass(9_899);
    assert.equal(await isFresh("a"), true);
    cache.pass(1);
    assert.equal(await isFresh("a"), false);
  });

  test("memory is bounded by bytes", async () => {
    const cache = startCache({ maxBytes: 4_096 });
    for (let index = 0; index < 50; index += 1) await cache.cached(`k${index}`, () => "x".repeat(100));
    const { entries, bytes, evicted } = cache.stats();
    assert.ok(bytes <= 4_096 && entries > 5 && entries + evicted === 50, JSON.stringify(cache.stats()));
    await cache.cached("huge", () => "x".repeat(5_000));
    assert.ok(cache.stats().bytes <= 4_096);
  });

  test("a list is loaded ahead, a few at a time, with its progress", async () => {
    const cache = startCache();
    let running = 0;
    let most = 0;
    /** @type {number[]} */
    const done = [];
    const list = Array.from({ length: 10 }, (_, index) => ({
      key: `k${index}`,
      load: async () => {
        most = Math.max(most, (running += 1));
        await settle();
        running -= 1;
        if (index === 3) throw new Error("no such product");
        return index;
      },
    }));
    const result = await cache.prewarm(list, { concurrency: 3, onProgress: (progress) => void done.push(progress.done) });
    assert.deepEqual(result, { total: 10, done: 10, failed: 1 });
    assert.deepEqual([most, done], [3, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]);
    assert.equal(await cache.cached("k5", () => "loaded anew"), 5);
  });
});

describe("withCache", () => {
  const options = { ttl: /** @type {const} */ ("long"), tags: ["products"], staleWhileRevalidate: 60, staleIfError: 3600, vary: ["accept-language"] };
  const ask = (/** @type {(request: Request) => Response} */ handler, /** @type {RequestInit} */ init = {}) => withCache(handler, options)(new Request("http://server/", init));

  test("a response says for how long it is cached, by what it is purged, and what it is", async () => {
    const answer = await ask(() => Response.json({ name: "Aloe" }, { headers: { "cache-tag": "product-1" } }));
    const { "content-type": type, etag, ...fields } = Object.fromEntries(answer.headers);
    assert.deepEqual(fields, {
      "cache-control": "public, max-age=0, must-revalidate",
      "cache-tag": "product-1, products",
      "cdn-cache-control": "max-age=600, stale-while-revalidate=60, stale-if-error=3600",
      vary: "accept-language",
    });
    assert.deepEqual([type, await answer.json()], ["application/json", { name: "Aloe" }]);
    assert.match(etag, /^"[0-9a-f]{32}"$/);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await ask(() => Response.json({ name: "Aloe" }), { headers: { "if-none-match": known } });
      assert.deepEqual([again.status, await again.text(), again.headers.get("etag")], [304, "", etag], known);
    }
    const changed = await ask(() => Response.json({ name: "Fern" }), { headers: { "if-none-match": etag } });
    assert.deepEqual([changed.status, await changed.json()], [200, { name: "Fern" }]);
  });

  test("what is not for everybody stays as it is, and so do fields of the handler", async () => {
    for (const [init, make] of /** @type {[RequestInit, () => Response][]} */ ([
      [{ method: "POST" }, () => new Response("done")],
      [{}, () => new Response("gone", { status: 404 })],
      [{}, () => new Response("yours", { headers: { "set-cookie": "session=1" } })],
    ])) {
      assert.equal((await ask(make, init)).headers.get("cdn-cache-control"), null);
    }
    const own = await ask(() => new Response("short", { headers: { "cdn-cache-control": "max-age=1", etag: 'W/"own"' } }));
    assert.deepEqual([own.headers.get("cdn-cache-control"), own.headers.get("etag")], ["max-age=1", 'W/"own"']);
  });
});
