// Live listeners receive each view once, from all shards, across evictions of the objects; without
// listeners the shards send nothing.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import http from "node:http";
import { after, before, test } from "node:test";

import { beacon, serve } from "../product.mjs";

/** @type {Awaited<ReturnType<typeof serve>>} */
let product;
before(async () => {
  product = await serve({ SHARDS: "4", READ_TOKEN: "open sesame", SITES: { demo: { public: true }, alone: { public: true }, full: { public: true }, idle: { public: true }, shut: {} } });
});
after(() => product.close());

/** @typedef {{ v: number, views: number, bots: number, metrics: Record<string, [number, number, number]> }} Lately */

/** Connects a listener that adds up the updates. @param {string} site @param {string[]} [protocols] */
async function listen(site, protocols = ["edge-vitals.live.v1"]) {
  const socket = new WebSocket(`${product.origin.replace("http", "ws")}/api/live?site=${site}`, protocols);
  /** @type {Lately[]} */
  const updates = [];
  /** @type {(() => void)[]} */
  let waiters = [];
  const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
  socket.addEventListener("message", ({ data }) => {
    if (data === "pong") return;
    updates.push(JSON.parse(data));
    for (const wake of waiters.splice(0)) wake();
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", () => reject(new Error("no socket")));
  });
  const sum = (/** @type {(lately: Lately) => number} */ select) => updates.reduce((total, update) => total + select(update), 0);
  return {
    socket,
    updates,
    closed,
    sum,
    /** Waits for that many views. @param {number} views */
    waitForViews: async (views) => {
      while (sum((update) => update.views) < views) await new Promise((/** @type {(none: void) => void} */ resolve) => waiters.push(resolve));
    },
    disconnect: () => (socket.close(), closed),
  };
}

let ids = 0x5eed;
/** Ids that are spread over all shards. */
const id = () => (BigInt((ids += 1)) * 0x9e3779b97f4a7c15n).toString(16).slice(-16).padStart(24, "0");
/** @param {string} name */
const storage = (name) => product.worker.getDurableObjectStorage("SHARDS_OF_SITES", { name });
const readFlag = async (/** @type {string} */ name) => (await storage(name)).exec("SELECT value FROM facts WHERE name = 'live'");

test("fifty concurrent views reach a listener once each, by rating, from all shards", async () => {
  const { waitForViews, updates, sum, disconnect, socket } = await listen("demo");
  assert.equal(socket.protocol, "edge-vitals.live.v1");
  const views = Array.from({ length: 50 }, (_, index) => beacon({ id: id(), m: { LCP: [1000, 3000, 5000][index % 3], INP: 90 } }));
  const answers = await Promise.all(views.map((view) => product.send(view)));
  assert.ok(answers.every(({ ok }) => ok));
  await waitForViews(50);
  // Duplicates, corrections and bots are no new views.
  await Promise.all([product.send(views[0]), product.send({ ...views[1], seq: 1, m: { LCP: 1001 } }), product.send(beacon({ id: id(), bot: 1 }))]);
  await product.send(beacon({ id: id(), m: { CLS: 20 } }));
  await waitForViews(51);
  assert.equal(sum(({ views }) => views), 51);
  assert.deepEqual(
    [0, 1, 2].map((rating) => sum(({ metrics }) => metrics.LCP?.[rating] ?? 0)),
    [17, 17, 16],
  );
  assert.ok(sum(({ bots }) => bots) <= 1);
  assert.ok(updates.every(({ v }) => v === 1));
  await disconnect();
});

test("evicted objects keep sending live updates", async () => {
  const { waitForViews, sum, disconnect, socket } = await listen("alone");
  for (const shard of [0, 1, 2, 3]) await product.worker.evictDurableObject("SHARDS_OF_SITES", { name: `alone/${shard}`, webSockets: "hibernate" });
  const pong = new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }));
  socket.send("ping");
  assert.equal(/** @type {MessageEvent} */ (await pong).data, "pong");
  await Promise.all(Array.from({ length: 20 }, () => product.send(beacon({ site: "alone", id: id() }))));
  await waitForViews(20);
  assert.equal(sum(({ views }) => views), 20);
  await disconnect();
});

test("the other shards stop sending once the last listener has left", async () => {
  const first = await listen("demo");
  assert.equal((await readFlag("demo/1")).length, 1);
  await first.disconnect();
  // Any of these views may tell the shard, and only after the beacon's response.
  for (let sent = 0; ; sent += 1) {
    assert.ok(sent < 400, "the shards still have the live flag");
    await product.send(beacon({ id: id() }));
    if ((await Promise.all([1, 2, 3].map((shard) => readFlag(`demo/${shard}`)))).every((rows) => rows.length === 0)) break;
  }
  const second = await listen("demo");
  await Promise.all(Array.from({ length: 12 }, () => product.send(beacon({ id: id() }))));
  await second.waitForViews(12);
  await second.disconnect();
});

test("live updates of a private site require the token, which the protocol header carries", async () => {
  await assert.rejects(listen("shut"), /no socket/);
  await assert.rejects(listen("shut", ["edge-vitals.live.v1", `token.${Buffer.from("open sesam").toString("hex")}`]), /no socket/);
  await assert.rejects(listen("nobody"), /no socket/);
  const { waitForViews, disconnect, socket } = await listen("shut", ["edge-vitals.live.v1", `token.${Buffer.from("open sesame").toString("hex")}`]);
  assert.equal(socket.protocol, "edge-vitals.live.v1", "the response does not repeat the token");
  await product.send(beacon({ site: "shut", id: id() }));
  await waitForViews(1);
  await disconnect();
  const plain = await fetch(`${product.origin}/api/live?site=demo`);
  assert.equal(plain.status, 426);
  const posted = await fetch(`${product.origin}/api/live?site=demo`, { method: "POST" });
  assert.deepEqual([posted.status, posted.headers.get("allow")], [405, "GET"]);
});

test("idle sockets of a few networks make room for others, the oldest first", async () => {
  /** Opens a socket as a client of a network. @param {string} network @returns {Promise<{ status: number, closed: Promise<void>, end: () => void }>} */
  const open = (network) =>
    new Promise((resolve, reject) => {
      const headers = { connection: "upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": randomBytes(16).toString("base64"), "cf-connecting-ip": network };
      const request = http.request(`${product.origin}/api/live?site=idle`, { headers });
      request.on("response", (response) => (response.resume(), resolve({ status: response.statusCode ?? 0, closed: Promise.resolve(), end: () => {} })));
      request.on("upgrade", (_, socket) => resolve({ status: 101, closed: new Promise((done) => socket.once("data", () => done())), end: () => socket.destroy() }));
      request.on("error", reject);
      request.end();
    });
  const crowd = [];
  for (let index = 0; index < 80; index += 1) crowd.push(await open(`192.0.2.${index % 4}`));
  assert.ok(crowd.every(({ status }) => status === 101));
  assert.equal((await open("192.0.2.0")).status, 429, "a network has twenty places");
  const honest = await open("198.51.100.1");
  assert.equal(honest.status, 101);
  // The first of the crowd is told to come back later.
  await crowd[0].closed;
  const reader = await listen("idle", ["edge-vitals.live.v1", `token.${Buffer.from("open sesame").toString("hex")}`]);
  await product.send(beacon({ site: "idle", id: id() }));
  await reader.waitForViews(1);
  await honest.closed;
  await reader.disconnect();
  for (const { end } of [...crowd, honest]) end();
});

test("a listener that sends too much is disconnected, and a site limits its listeners", async () => {
  const talker = await listen("full");
  talker.socket.send("x".repeat(100_000));
  assert.equal(/** @type {CloseEvent} */ (await talker.closed).code, 1008);
  const crowd = await Promise.all(Array.from({ length: 20 }, () => listen("full")));
  await assert.rejects(listen("full"), /no socket/);
  const reader = await listen("full", ["edge-vitals.live.v1", `token.${Buffer.from("open sesame").toString("hex")}`]);
  await product.send(beacon({ site: "full", id: id() }));
  await Promise.all([...crowd, reader].map(({ waitForViews }) => waitForViews(1)));
  await Promise.all([...crowd, reader].map(({ disconnect }) => disconnect()));
});
