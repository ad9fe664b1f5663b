//! The cache handlers for Next.js in three processes behind the Worker: purges reach all of them and the edge, and no
//! failure is seen by a visitor. Next.js's own handler, in the same scenario, shows what is at stake.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { decodeValue } from "../../pkg/backend/next/value_envelope.js";
import { createRandom } from "../faults/workerd.mjs";
import { LEASE_MS, runMixedReads, startCluster } from "./next_cluster.mjs";
import { build, CACHED, install } from "./projects.mjs";

const READS = Number(process.env.NEXT_CACHE_READS ?? 4_000);

describe("three processes of Next.js behind the Worker", { timeout: 300_000 + READS * 40 }, () => {
  /** @type {Awaited<ReturnType<typeof startCluster>>} */
  let cluster;

  before(async () => {
    await install();
    await build(CACHED);
    cluster = await startCluster(CACHED.name);
  });
  after(() => cluster?.close());

  const versionOf = (/** @type {{ body: string }} */ answer) => Number(/item \w+ is (\d+)\./.exec(answer.body)?.[1]);
  const outcome = (/** @type {{ headers: import("node:http").IncomingHttpHeaders }} */ answer) => /edge;desc=(\w+)/.exec(String(answer.headers["server-timing"]))?.[1];

  test("no answer is older than a purge and a lease, through the edge and past it, HTML and RSC alike", async (context) => {
    const counts = await runMixedReads(cluster, { reads: READS, items: 12, random: createRandom(21) });
    context.diagnostic(JSON.stringify(counts));
    for (const instance of cluster.instances) context.diagnostic(JSON.stringify(await instance.stats()));
    assert.equal(counts.stale, 0, JSON.stringify(counts));
    // It was a cache that was purged.
    assert.ok(counts.hits > READS * 0.4 && counts.purges >= 10, JSON.stringify(counts));
    assert.equal(Object.keys(counts.bySort).length, 4);
  });

  test("the fields for the edge stay inside, and segments of a page are purged with it", async () => {
    const segment = { rsc: "1", "next-router-prefetch": "1", "next-router-segment-prefetch": "/_tree" };
    const redirect = await cluster.read("/item/segment?_rsc=x", segment);
    const path = String(redirect.headers.location);
    await until(async () => outcome(await cluster.read(path, segment)) === "hit");
    const answer = await cluster.read(path, segment);
    for (const name of ["cache-tag", "x-edge-vitals-purge-seq", "cdn-cache-control"]) assert.equal(answer.headers[name], undefined);
    await cluster.instances[0].update("item-segment");
    await until(async () => outcome(await cluster.read(path, segment)) !== "hit", LEASE_MS * 2);
  });

  test("`max` serves what was there until one is made anew, which everybody then gets", async () => {
    const item = "soft";
    const paths = /** @type {[string, Record<string, string>][]} */ ([[`/item/${item}`, {}], [`/item/${item}?_rsc`, { rsc: "1" }]]);
    for (const [path, headers] of paths) await until(async () => outcome(await cluster.read(path, headers)) === "hit");
    const version = cluster.write(item);
    await cluster.instances[1].revalidate({ tag: `item-${item}`, profile: "max" });
    for (const [path, headers] of paths) {
      let isNew = false;
      let last = "";
      await until(async () => {
        const answer = await cluster.read(path, headers);
        assert.equal(answer.status, 200);
        // No visitor waits: what is there is served until the new one is.
        assert.notEqual(outcome(answer), "miss", `after ${last}`);
        last = String(answer.headers["cache-status"]);
        assert.ok(!isNew || versionOf(answer) === version, "the old one came back");
        isNew ||= versionOf(answer) === version;
        return isNew && outcome(answer) === "hit";
      });
    }
    await until(async () => (await Promise.all(cluster.instances.map((instance) => instance.read(`/item/${item}`)))).every((answer) => versionOf(answer) === version));
  });

  test("a process that is killed while it writes leaves nothing partial", async () => {
    const [victim] = cluster.instances;
    const items = Array.from({ length: 40 }, (_, index) => `k${index}`);
    const reads = items.map((item) => victim.read(`/item/${item}`).catch(() => undefined));
    await until(async () => [...cluster.tiers.kv.entries.keys()].length > 0);
    await victim.kill("SIGKILL");
    await Promise.all(reads);
    await cluster.replace(victim);
    for (const [path, bytes] of cluster.tiers.kv.entries) if (path.startsWith("/value")) assert.ok(decodeValue(bytes), path);
    for (const item of items) {
      const answer = await cluster.instances[0].read(`/item/${item}`);
      assert.equal(answer.status, 200);
      assert.ok(answer.body.endsWith("</html>") && answer.body.includes("x".repeat(2_000)), item);
    }
  });

  test("while the Worker is stopped the processes answer, and purges arrive once it is back", async () => {
    const [one, other] = cluster.instances;
    const item = "away";
    for (const instance of [one, other]) assert.equal(versionOf(await instance.read(`/item/${item}`)), 0);
    await cluster.stopWorker();
    const version = cluster.write(item);
    await one.update(`item-${item}`);
    assert.equal(versionOf(await one.read(`/item/${item}`)), version);
    for (let index = 0; index < 30; index += 1) assert.equal((await other.read(`/item/${index % 10}`)).status, 200);
    assert.equal(versionOf(await other.read(`/item/${item}`)), 0);
    assert.equal((await one.stats()).purges.waiting, 1);
    assert.equal(one.output().split("edge-vitals:").length, 2, one.output());
    await cluster.restartWorker();
    await until(async () => (await one.stats()).purges.waiting === 0);
    await until(async () => versionOf(await other.read(`/item/${item}`)) === version, 5_000);
    assert.equal(versionOf(await cluster.read(`/item/${item}`)), version);
  });
});

describe("the same on Next.js's own handler", { timeout: 300_000 + READS * 40 }, () => {
  test("processes and the edge keep serving what was purged", async (context) => {
    await install();
    await build(CACHED);
    const cluster = await startCluster(CACHED.name, { hasHandlers: false });
    try {
      const counts = await runMixedReads(cluster, { reads: READS / 4, items: 12, random: createRandom(21) });
      context.diagnostic(JSON.stringify(counts));
      assert.ok(counts.stale > 0, JSON.stringify(counts));
    } finally {
      await cluster.close();
    }
  });
});

/** Asks until it is so. Each question is an event of its own. @param {() => Promise<boolean>} isSo @param {number} [deadlineMs] */
async function until(isSo, deadlineMs = 20_000) {
  const deadline = performance.now() + deadlineMs;
  while (!(await isSo())) assert.ok(performance.now() < deadline, "it never happened");
}
