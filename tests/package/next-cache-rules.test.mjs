//! The rules of the Next.js cache handlers, with clocks and a Worker of the tests: the envelope, the judgement of purges,
//! the outbox, and the contract that Next.js states.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, describe, test } from "node:test";

import fc from "fast-check";

import { PurgeOutbox } from "../../pkg/backend/next/purge_outbox.js";
import { PurgeView } from "../../pkg/backend/next/purge_view.js";
import { createResponseHandler } from "../../pkg/backend/next/response_handler.js";
import { SharedCache } from "../../pkg/backend/next/shared_cache.js";
import { createUseCacheHandler } from "../../pkg/backend/next/use_cache_handler.js";
import { decodeValue, encodeValue } from "../../pkg/backend/next/value_envelope.js";
import { WorkerStore } from "../../pkg/backend/next/worker_store.js";

/** @typedef {import("../../pkg/backend/next/purge_view.js").PurgeFeed} PurgeFeed */

const STORED = new URL("../../crates/cache/tests/stored-value-1.hex", import.meta.url);

/** @param {number} seq @param {Record<string, { hard?: number, soft?: number }>} [tags] @param {{ hard: number, soft: number }} [floor] @returns {PurgeFeed} */
const feed = (seq, tags = {}, floor = { hard: 0, soft: 0 }) => ({ seq, upto: seq, floor, tags: Object.entries(tags).map(([tag, at]) => ({ tag, hard: 0, soft: 0, ...at })) });

describe("the envelope of a value", () => {
  test("it has the bytes that the Worker reads", () => {
    const head = { seq: 17, tags: ["a", "_N_T_/b"], expires: 1_700_000_060_000, meta: { stale: 30 } };
    const stored = Buffer.from(readFileSync(STORED, "utf8").trim(), "hex");
    assert.equal(Buffer.from(encodeValue(head, Buffer.from("hello"))).toString("hex"), stored.toString("hex"));
    const decoded = decodeValue(stored);
    assert.deepEqual([decoded?.head, Buffer.from(decoded?.body ?? []).toString()], [head, "hello"]);
  });

  test("a part of it is no value", () => {
    const whole = encodeValue({ seq: 1, tags: [], expires: 2 }, Buffer.from("body"));
    for (let length = 0; length < whole.length; length += 1) assert.equal(decodeValue(whole.subarray(0, length)), undefined, `${length} bytes`);
    assert.equal(decodeValue(Buffer.concat([whole, Buffer.from("x")])), undefined);
  });
});

describe("the view of purges", () => {
  test("an entry is purged by what came after it, whoever purged, and whatever the order of hearing", () => {
    const tag = fc.constantFrom("a", "b");
    const mode = fc.constantFrom(/** @type {const} */ ("hard"), /** @type {const} */ ("soft"));
    const purges = fc.array(fc.record({ tag, mode }), { maxLength: 12 });
    fc.assert(
      fc.property(purges, fc.array(fc.nat(12), { maxLength: 4 }), fc.nat(12), fc.subarray(["a", "b"]), (made, syncs, seq, tags) => {
        const view = new PurgeView();
        for (const upto of [...syncs, made.length].map((at) => Math.min(at, made.length)).toSorted((one, other) => one - other)) {
          /** @type {Record<string, { hard: number, soft: number }>} */
          const known = {};
          made.slice(0, upto).forEach(({ tag, mode }, at) => ((known[tag] ??= { hard: 0, soft: 0 })[mode] = at + 1));
          assert.ok(view.apply(feed(upto, known), upto, upto));
        }
        const later = made.slice(seq).filter(({ tag }) => tags.includes(tag));
        const expected = later.some(({ mode }) => mode === "hard") ? "purged" : later.length > 0 ? "stale" : "valid";
        assert.equal(view.judge({ seq, madeAt: -Infinity }, tags), expected);
      }),
    );
  });

  test("a purge of this process counts at once, and no longer than until the purge clock has it", () => {
    const view = new PurgeView();
    view.purge(["a"], "hard", 100);
    assert.equal(view.judge({ seq: 0, madeAt: 100 }, ["a"]), "purged");
    assert.equal(view.judge({ seq: 0, madeAt: 101 }, ["a"]), "valid");
    assert.equal(view.judge({ seq: 0, madeAt: 99 }, ["b"]), "valid");
    view.apply(feed(1, { a: { hard: 1 } }), 110, 111);
    view.confirm(["a"], "hard", 100);
    // An entry of another process that knew of the purge.
    assert.equal(view.judge({ seq: 1, madeAt: -Infinity }, ["a"]), "valid");
    assert.equal(view.judge({ seq: 0, madeAt: -Infinity }, ["a"]), "purged");
    view.purge(["a"], "soft", 200);
    view.confirm(["a"], "soft", 199);
    assert.equal(view.judge({ seq: 1, madeAt: 150 }, ["a"]), "stale");
  });

  test("more purges of this process than it remembers purge everything from before them", () => {
    const view = new PurgeView();
    for (let at = 0; at <= 10_000; at += 1) view.purge([`tag-${at}`], "hard", at);
    assert.equal(view.judge({ seq: 0, madeAt: 0 }, ["other"]), "purged");
    assert.equal(view.judge({ seq: 0, madeAt: 1 }, ["other"]), "valid");
  });

  test("an entry counts from the purges that were known before it was made", () => {
    const view = new PurgeView();
    view.apply(feed(3), 10, 12);
    view.apply(feed(7), 20, 25);
    for (const [time, seq] of [[11, 0], [12, 3], [24, 3], [25, 7], [1_000, 7]]) assert.equal(view.seqAt(time), seq, `at ${time}`);
    // A request's time is what the lease counts from.
    assert.deepEqual([view.isCurrent(120, 100), view.isCurrent(121, 100), view.isCurrent(19, 100)], [true, false, false]);
  });

  test("a purge of everything purges what has no tag, too", () => {
    const view = new PurgeView();
    view.apply(feed(9, { a: { hard: 5 } }, { hard: 7, soft: 9 }), 10, 10);
    const states = [6, 7, 8, 9].map((seq) => view.judge({ seq, madeAt: -Infinity }, []));
    assert.deepEqual(states, ["purged", "stale", "stale", "valid"]);
  });

  test("a purge clock that counts anew is another one", () => {
    const view = new PurgeView();
    view.apply(feed(7, { a: { hard: 7 } }), 10, 10);
    assert.equal(view.apply(feed(2), 20, 20), false);
    assert.deepEqual([view.upto, view.isCurrent(20, 1_000)], [0, false]);
    assert.ok(view.apply(feed(2, { a: { hard: 2 } }), 21, 21));
    assert.equal(view.judge({ seq: 1, madeAt: -Infinity }, ["a"]), "purged");
  });
});

describe("the outbox of purges", () => {
  test("every purge arrives in its mode, whatever fails, and one that fails is told", async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ tag: fc.constantFrom("a", "b", "c"), mode: fc.constantFrom(/** @type {const} */ ("hard"), /** @type {const} */ ("soft")) }), { minLength: 1, maxLength: 8 }), fc.array(fc.boolean(), { maxLength: 6 }), async (purges, outcomes) => {
        /** @type {Set<string>} */
        const arrived = new Set();
        let failures = 0;
        const send = async (/** @type {any} */ { tags, soft }) => {
          if (outcomes.shift() === false) throw new Error("no Worker");
          for (const tag of tags) arrived.add(`${soft ? "soft" : "hard"} ${tag}`);
        };
        const outbox = new PurgeOutbox(send, () => {}, () => (failures += 1));
        const expectedFailures = outcomes.filter((isWell) => !isWell).length;
        const results = await Promise.all(purges.map(({ tag, mode }, at) => outbox.add([tag], mode, at)));
        assert.equal(results.includes(false), failures > 0);
        for (let turn = 0; turn < 10 && outbox.waiting > 0; turn += 1) {
          context.mock.timers.tick(30_000);
          for (let step = 0; step < 20; step += 1) await Promise.resolve();
        }
        assert.equal(outbox.waiting, 0);
        assert.deepEqual(arrived, new Set(purges.map(({ tag, mode }) => `${mode} ${tag}`)));
        assert.ok(failures <= expectedFailures);
      }),
      { numRuns: 50 },
    );
  });

  test("a purge that is made while another of its tag is on the way is sent, too", async () => {
    /** @type {(() => void)[]} */
    const answer = [];
    let sent = 0;
    const outbox = new PurgeOutbox(() => new Promise((resolve) => (sent += 1, answer.push(resolve))), () => {}, () => {});
    const first = outbox.add(["a"], "hard", 1);
    const second = outbox.add(["a"], "hard", 2);
    answer.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
    answer.shift()?.();
    assert.deepEqual([await first, await second, sent, outbox.waiting], [true, true, 2, 0]);
  });
});

/** A Worker that is there or not. */
async function startWorker() {
  /** @type {Map<string, Buffer>} */
  const values = new Map();
  const state = { feed: feed(0), isDown: false, purges: /** @type {any[]} */ ([]), reads: 0 };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    if (state.isDown) return void response.destroy();
    const url = new URL(request.url ?? "/", "http://worker");
    const key = url.searchParams.get("key") ?? "";
    const json = (/** @type {unknown} */ value) => void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (url.pathname === "/api/cache/purges") return json(state.feed);
    if (url.pathname === "/api/cache/purge") {
      state.purges.push(JSON.parse(Buffer.concat(chunks).toString()));
      return json({ purged: true, seq: state.feed.seq });
    }
    if (request.method === "PUT") {
      values.set(key, Buffer.concat(chunks));
      return json({ stored: true });
    }
    state.reads += 1;
    const value = values.get(key);
    if (value) response.end(value);
    else response.writeHead(404).end("{}");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { ...state, state, values, edge: `http://127.0.0.1:${port}`, close: () => (server.closeAllConnections(), server.close()) };
}

const text = (/** @type {ReadableStream<Uint8Array> | undefined} */ stream) => new Response(stream).text();

/** @param {string} value @param {{ tags?: string[], timestamp?: number }} [more] */
const entry = (value, { tags = ["a"], timestamp = performance.timeOrigin + performance.now() } = {}) => ({ value: /** @type {ReadableStream<Uint8Array>} */ (new Response(value).body), tags, stale: 30, timestamp, expire: 3600, revalidate: 60 });

describe("`use cache`", () => {
  test("each read has a stream of its own, and waits for a write in progress", async () => {
    const handler = createUseCacheHandler(new SharedCache());
    assert.equal(await handler.get("k", []), undefined);
    /** @type {(entry: any) => void} */
    let finish = () => {};
    const set = handler.set("k", new Promise((resolve) => (finish = resolve)));
    const reads = [handler.get("k", []), handler.get("k", [])];
    finish(entry("value"));
    await set;
    for (const read of reads) assert.equal(await text((await read)?.value), "value");
    const { value: _, ...facts } = /** @type {any} */ (await handler.get("k", []));
    assert.deepEqual(Object.keys(facts).toSorted(), ["expire", "revalidate", "stale", "tags", "timestamp"]);
    assert.deepEqual([facts.tags, facts.stale, facts.expire, facts.revalidate], [["a"], 30, 3600, 60]);
  });

  test("a value whose stream fails is not kept, and its readers go on", async () => {
    const handler = createUseCacheHandler(new SharedCache());
    const broken = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array([1]));
        controller.error(new Error("the render failed"));
      },
    });
    await handler.set("k", Promise.resolve({ ...entry(""), value: broken }));
    await handler.set("l", Promise.reject(new Error("the render failed")));
    assert.deepEqual([await handler.get("k", []), await handler.get("l", [])], [undefined, undefined]);
  });

  test("tags of the entry and of its reader purge it: at once, or served once more", async () => {
    const handler = createUseCacheHandler(new SharedCache());
    const cases = /** @type {const} */ ([
      [["a"], undefined, [], undefined],
      [["_N_T_/p"], undefined, ["_N_T_/p"], undefined],
      [["a"], { expire: 31_536_000 }, [], -1],
      [["a"], { expire: 60 }, [], undefined],
      [["other"], undefined, [], 60],
    ]);
    for (const [tags, durations, softTags, expected] of cases) {
      await handler.set("k", Promise.resolve(entry("value")));
      await handler.updateTags([...tags], durations);
      assert.equal((await handler.get("k", [...softTags]))?.revalidate, expected, JSON.stringify([tags, durations]));
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  test("memory is bounded by bytes, and keeps what was used last", async () => {
    const handler = createUseCacheHandler(new SharedCache({ maxBytes: 1_000 }));
    for (const key of ["a", "b"]) await handler.set(key, Promise.resolve(entry("x".repeat(400))));
    await handler.get("a", []);
    await handler.set("c", Promise.resolve(entry("x".repeat(400))));
    const kept = await Promise.all(["a", "b", "c"].map(async (key) => (await handler.get(key, [])) !== undefined));
    assert.deepEqual(kept, [true, false, true]);
    await handler.set("d", Promise.resolve(entry("x".repeat(2_000))));
    assert.equal(await handler.get("d", []), undefined);
  });
});

describe("two processes with a Worker", () => {
  /** @type {(() => void)[]} */
  const closing = [];
  after(() => closing.forEach((close) => close()));

  /** @param {string[]} [warnings] */
  async function startPair(warnings = []) {
    const worker = await startWorker();
    closing.push(worker.close);
    const now = () => performance.timeOrigin + performance.now();
    const start = () => new SharedCache({ store: new WorkerStore({ edge: worker.edge, token: "t", now }), leaseMs: 100, warn: (message) => void warnings.push(message) });
    return { worker, one: start(), other: start() };
  }

  test("what one has made, the other finds; a page keeps its fields, bytes and segments", async () => {
    const { worker, one, other } = await startPair();
    const make = (/** @type {SharedCache} */ cache) => new (createResponseHandler(cache))();
    const page = { kind: "APP_PAGE", html: "<p>", rscData: Buffer.from([1, 2]), segmentData: new Map([["/_tree", Buffer.from([3])]]), headers: { "x-next-cache-tags": "a,_N_T_/p" }, status: 200 };
    const handler = make(one);
    assert.equal(await handler.get("/p", { kind: "APP_PAGE" }), null);
    await handler.set("/p", page, { cacheControl: { revalidate: 60, expire: 3600 } });
    while (worker.values.size === 0) await new Promise((resolve) => setImmediate(resolve));
    const found = await make(other).get("/p", { kind: "APP_PAGE" });
    const fields = { "x-next-cache-tags": "a,_N_T_/p", "cache-tag": "a,_N_T_/p", "x-edge-vitals-purge-seq": "0" };
    assert.deepEqual({ ...found?.value }, { ...page, headers: fields });
    assert.deepEqual(found?.cacheControl, { revalidate: 60, expire: 3600 });
    assert.deepEqual(page.headers, fields, "the response that Next.js sends now has them, too");
  });

  test("a response that Next.js sets again after a failure knows no more than before", async () => {
    const { worker, one } = await startPair();
    const handler = new (createResponseHandler(one))();
    await handler.get("/p", { kind: "APP_PAGE" });
    await handler.set("/p", { kind: "APP_PAGE", html: "", headers: { "x-next-cache-tags": "a" } }, { cacheControl: { revalidate: 60 } });
    worker.state.feed = feed(5, { a: { soft: 5 } });
    await until(async () => (await handler.get("/p", { kind: "APP_PAGE" }))?.cacheControl?.revalidate === 1);
    const stale = await handler.get("/p", { kind: "APP_PAGE" });
    await handler.set("/p", stale?.value, { cacheControl: { revalidate: 3 } });
    assert.equal((await handler.get("/p", { kind: "APP_PAGE" }))?.value.headers["x-edge-vitals-purge-seq"], "0");
    // One that was made after the purge was known does.
    await handler.set("/p", { kind: "APP_PAGE", html: "", headers: { "x-next-cache-tags": "a" } }, { cacheControl: { revalidate: 60 } });
    await until(async () => {
      await handler.get("/p", { kind: "APP_PAGE" });
      await handler.set("/p", { kind: "APP_PAGE", html: "", headers: { "x-next-cache-tags": "a" } }, { cacheControl: { revalidate: 60 } });
      return (await handler.get("/p", { kind: "APP_PAGE" }))?.value.headers["x-edge-vitals-purge-seq"] === "5";
    });
  });

  test("without the Worker, memory and new renders serve; purges arrive later, and one warning tells", async () => {
    /** @type {string[]} */
    const warnings = [];
    const { worker, one } = await startPair(warnings);
    const handler = createUseCacheHandler(one);
    await handler.set("k", Promise.resolve(entry("before")));
    worker.state.isDown = true;
    assert.equal(await text((await handler.get("k", []))?.value), "before");
    await handler.updateTags(["a"]);
    assert.equal(await handler.get("k", []), undefined);
    await handler.set("k", Promise.resolve(entry("after")));
    assert.equal(await text((await handler.get("k", []))?.value), "after");
    assert.equal(await handler.get("l", []), undefined);
    assert.deepEqual([one.stats().purges.waiting, warnings.length], [1, 1]);
    assert.ok(one.stats().purges.failed >= 1);
    worker.state.isDown = false;
    await until(async () => one.stats().purges.waiting === 0);
    assert.deepEqual(worker.state.purges, [{ tags: ["a"], soft: false }]);
    assert.deepEqual([one.stats().purges.delivered, warnings.length], [1, 1]);
  });
});

/** @param {() => Promise<boolean>} isSo */
async function until(isSo) {
  const deadline = Date.now() + 10_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, "it never happened");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
