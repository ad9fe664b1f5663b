// Those who look on are told of views while they come in: each once, of all shards, whatever the objects
// forget meanwhile, and nothing when nobody listens.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { beacon, serve } from "../product.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => {
  product = await serve({ SHARDS: "4", READ_TOKEN: "open sesame", SITES: { demo: { public: true }, alone: { public: true }, full: { public: true }, shut: {} } });
});
after(() => product.close());

/** @typedef {{ v: number, views: number, bots: number, metrics: Record<string, [number, number, number]> }} Lately */

/** A listener who adds up what it is told. @param {string} site @param {string[]} [protocols] */
async function listener(site, protocols = ["edge-vitals.live.v1"]) {
  const socket = new WebSocket(`${product.origin.replace("http", "ws")}/api/live?site=${site}`, protocols);
  /** @type {Lately[]} */
  const told = [];
  /** @type {(() => void)[]} */
  let waiting = [];
  const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
  socket.addEventListener("message", ({ data }) => {
    if (data === "pong") return;
    told.push(JSON.parse(data));
    for (const wake of waiting.splice(0)) wake();
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", () => reject(new Error("no socket")));
  });
  const sum = (/** @type {(lately: Lately) => number} */ of) => told.reduce((total, each) => total + of(each), 0);
  return {
    socket,
    told,
    closed,
    sum,
    /** Until it was told of so many views. @param {number} views */
    heard: async (views) => {
      while (sum((each) => each.views) < views) await new Promise((/** @type {(none: void) => void} */ resolve) => waiting.push(resolve));
    },
    leave: () => (socket.close(), closed),
  };
}

let ids = 0x5eed;
/** Ids that fall into all shards. */
const id = () => (BigInt((ids += 1)) * 0x9e3779b97f4a7c15n).toString(16).slice(-16).padStart(24, "0");
/** @param {string} name */
const storage = (name) => product.worker.getDurableObjectStorage("SHARDS_OF_SITES", { name });
const flag = async (/** @type {string} */ name) => (await storage(name)).exec("SELECT value FROM facts WHERE name = 'live'");

test("fifty views at once are told, each once and by rating, from all shards", async () => {
  const { heard, told, sum, leave, socket } = await listener("demo");
  assert.equal(socket.protocol, "edge-vitals.live.v1");
  const views = Array.from({ length: 50 }, (_, index) => beacon({ id: id(), m: { LCP: [1000, 3000, 5000][index % 3], INP: 90 } }));
  const answers = await Promise.all(views.map((view) => product.send(view)));
  assert.ok(answers.every(({ ok }) => ok));
  await heard(50);
  // What is told again, corrected or a program's is no view more.
  await Promise.all([product.send(views[0]), product.send({ ...views[1], seq: 1, m: { LCP: 1001 } }), product.send(beacon({ id: id(), bot: 1 }))]);
  await product.send(beacon({ id: id(), m: { CLS: 20 } }));
  await heard(51);
  assert.equal(sum(({ views }) => views), 51);
  assert.deepEqual(
    [0, 1, 2].map((rating) => sum(({ metrics }) => metrics.LCP?.[rating] ?? 0)),
    [17, 17, 16],
  );
  assert.ok(sum(({ bots }) => bots) <= 1);
  assert.ok(told.every(({ v }) => v === 1));
  await leave();
});

test("objects that forget everything go on telling", async () => {
  const { heard, sum, leave, socket } = await listener("alone");
  for (const shard of [0, 1, 2, 3]) await product.worker.evictDurableObject("SHARDS_OF_SITES", { name: `alone/${shard}`, webSockets: "hibernate" });
  const pong = new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }));
  socket.send("ping");
  assert.equal(/** @type {MessageEvent} */ (await pong).data, "pong");
  await Promise.all(Array.from({ length: 20 }, () => product.send(beacon({ site: "alone", id: id() }))));
  await heard(20);
  assert.equal(sum(({ views }) => views), 20);
  await leave();
});

test("the other shards learn that nobody listens any more, and then tell nothing", async () => {
  const first = await listener("demo");
  assert.equal((await flag("demo/1")).length, 1);
  await first.leave();
  // Each view may be the one that learns it; the answer comes after the beacon's.
  for (let sent = 0; ; sent += 1) {
    assert.ok(sent < 400, "the shards still believe that somebody listens");
    await product.send(beacon({ id: id() }));
    if ((await Promise.all([1, 2, 3].map((shard) => flag(`demo/${shard}`)))).every((rows) => rows.length === 0)) break;
  }
  const second = await listener("demo");
  await Promise.all(Array.from({ length: 12 }, () => product.send(beacon({ id: id() }))));
  await second.heard(12);
  await second.leave();
});

test("a site that is not public is heard with its token alone, which no address holds", async () => {
  await assert.rejects(listener("shut"), /no socket/);
  await assert.rejects(listener("shut", ["edge-vitals.live.v1", `token.${Buffer.from("open sesam").toString("hex")}`]), /no socket/);
  await assert.rejects(listener("nobody"), /no socket/);
  const { heard, leave, socket } = await listener("shut", ["edge-vitals.live.v1", `token.${Buffer.from("open sesame").toString("hex")}`]);
  assert.equal(socket.protocol, "edge-vitals.live.v1", "the token is not repeated");
  await product.send(beacon({ site: "shut", id: id() }));
  await heard(1);
  await leave();
  const plain = await fetch(`${product.origin}/api/live?site=demo`);
  assert.equal(plain.status, 426);
  const posted = await fetch(`${product.origin}/api/live?site=demo`, { method: "POST" });
  assert.deepEqual([posted.status, posted.headers.get("allow")], [405, "GET"]);
});

test("who talks into the socket is shown out, and no more may listen than a site has room for", async () => {
  const talker = await listener("full");
  talker.socket.send("x".repeat(100_000));
  assert.equal(/** @type {CloseEvent} */ (await talker.closed).code, 1008);
  const crowd = await Promise.all(Array.from({ length: 100 }, () => listener("full")));
  await assert.rejects(listener("full"), /no socket/);
  await product.send(beacon({ site: "full", id: id() }));
  await Promise.all(crowd.map(({ heard }) => heard(1)));
  await Promise.all(crowd.map(({ leave }) => leave()));
});
