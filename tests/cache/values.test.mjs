// The store of applications' values in workerd: who may use it, what it takes, and that purges void what it hands out.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { encodeValue } from "../../pkg/backend/next/value_envelope.js";
import { startTiers } from "./fake-tiers.mjs";
import { createChecker, HOST, site, TOKEN } from "./site.mjs";

describe("values of applications", () => {
  /** @type {Awaited<ReturnType<typeof site>>} */
  let edge;
  /** @type {Awaited<ReturnType<typeof startTiers>>} */
  let tiers;
  /** @type {Awaited<ReturnType<typeof createChecker>>} */
  let check;
  const key = "0a".repeat(32);
  const authorization = { authorization: `Bearer ${TOKEN}` };

  before(async () => {
    tiers = await startTiers();
    edge = await site((origin) => ({ routes: [{ host: HOST, path: "/**", origin }] }), { raw: "values", kv: tiers.kv.port });
    check = await createChecker(edge.product.origin);
  });
  after(async () => {
    await edge?.close();
    tiers?.close();
  });

  const read = (more = "") => edge.ask(`/api/cache/entries?key=${key}${more}`, authorization);
  const store = (/** @type {Uint8Array} */ envelope) => edge.ask(`/api/cache/entries?key=${key}`, authorization, { method: "PUT", body: Buffer.from(envelope) });
  const value = (/** @type {number} */ seq, /** @type {string[]} */ tags, expires = Date.now() + 60_000) => encodeValue({ seq, tags, expires }, Buffer.from("a value"));
  const purge = async (/** @type {unknown} */ body) => JSON.parse((await edge.manage("purge", body)).body).seq;

  test("a value comes back as it was sent, until a tag of it or of its reader is purged", async () => {
    assert.equal((await read()).status, 404);
    const envelope = value(0, ["a"]);
    assert.deepEqual(JSON.parse((await store(envelope)).body), { stored: true });
    assert.deepEqual((await read()).bytes, Buffer.from(envelope));
    await purge({ tags: ["other", "path"] });
    assert.equal((await read()).status, 200);
    assert.equal((await read("&tag=path")).status, 404);
    await purge({ tag: "a", soft: true });
    assert.equal((await read()).status, 200, "its reader may serve it while it makes another");
    const seq = await purge({ tags: ["a"] });
    assert.equal((await read()).status, 404);
    await store(value(seq, ["a"]));
    assert.equal((await read()).status, 200);
    await purge({ all: true });
    assert.equal((await read()).status, 404);
  });

  test("the purges of tags are listed from any count on", async () => {
    const since = await purge({ tags: ["b", "c"] });
    await purge({ url: `https://${HOST}/page` });
    const soft = await purge({ tag: "c", soft: true });
    const answer = await edge.ask(`/api/cache/purges?since=${since - 1}`, authorization);
    const { seq, upto, tags } = check("get", "purges", answer);
    assert.deepEqual([seq, upto], [soft, soft]);
    assert.deepEqual(tags, [{ tag: "c", hard: since, soft }], "b was purged before, and the page has no tag");
    assert.equal((await edge.ask("/api/cache/purges?since=x", authorization)).status, 400);
  });

  test("what is no whole value, too large or expired is not stored", async () => {
    await purge({ all: true });
    const envelope = value(1_000, []);
    for (const [body, status] of /** @type {const} */ ([
      [envelope.subarray(0, -1), 400],
      [new Uint8Array([1, 2, 3]), 400],
      [new Uint8Array(8 * 1024 * 1024 + 1), 413],
    ])) {
      assert.equal((await store(body)).status, status);
    }
    assert.deepEqual(JSON.parse((await store(value(1_000, [], 5))).body), { stored: false });
    assert.equal((await read()).status, 404);
    tiers.kv.entries.set(`/value/${key}`, Buffer.from(envelope.subarray(0, -1)));
    assert.equal((await read()).status, 404, "a part of a value");
  });

  test("only holders of the token get anything", async () => {
    for (const path of [`entries?key=${key}`, "purges?since=0"]) assert.equal((await edge.ask(`/api/cache/${path}`)).status, 401);
    assert.equal((await edge.ask(`/api/cache/entries?key=${key}`, {}, { method: "PUT", body: "x" })).status, 401);
    assert.equal((await edge.ask("/api/cache/entries?key=../a", authorization)).status, 400);
    assert.equal((await edge.ask(`/api/cache/entries?key=${key}`, authorization, { method: "DELETE" })).status, 405);
  });
});
