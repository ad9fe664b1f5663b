// Valid abuse by anonymous beacons: whatever a sender of few networks sends, nothing pages, no budget is violated and no
// badge turns red, while the same views from many networks do all of it. With page tokens, views without one are counted
// apart.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, test } from "node:test";

import { pageEvidence } from "../../pkg/backend/backend.js";
import { startOrigin, respond } from "../cache/site.mjs";
import { createRandom, product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";
import { withCron } from "./cron.mjs";

/** The notices that the channel received. @type {any[]} */
const notices = [];
const channel = http.createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  notices.push(JSON.parse(text));
  response.writeHead(202).end();
});

/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;
/** @type {Awaited<ReturnType<typeof startOrigin>>} */
let origin;
before(async () => {
  await new Promise((resolve) => channel.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (channel.address());
  origin = await startOrigin();
  const site = (/** @type {object} */ more = {}) => ({ public: true, ...more });
  const route = (/** @type {string} */ name) => ({ host: "www.example", path: `/${name}/**`, origin: origin.url, ttl: "long", inject: name });
  const worker = product({
    SITES: { demo: site(), required: site({ evidence: "required", shards: 4 }), counted: site({ evidence: "counted" }) },
    READ_TOKEN: "read",
    EVIDENCE_SECRET: "an example secret of 32 bytes...",
    EDGE: JSON.stringify({ routes: ["demo", "required", "counted"].map(route) }),
    ALERT_CHANNELS: JSON.stringify([{ type: "webhook", url: `http://127.0.0.1:${port}/` }]),
  });
  workerd = await start("evidence", withCron(worker), { fresh: true });
});
after(async () => {
  await workerd?.kill();
  await origin?.close();
  channel.closeAllConnections();
  channel.close();
});

/** Sends a beacon from an address. @param {string} address @param {Record<string, any>} fields */
async function send(address, fields) {
  const { status, text } = await workerd.send("/v1/vitals", JSON.stringify(beacon(fields)), { "user-agent": DESKTOP, "cf-connecting-ip": address });
  assert.equal(status, 200, text);
}

/** @param {string} path */
async function read(path) {
  const { status, text } = await workerd.send(path, undefined, { authorization: "Bearer read" });
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

/** The cell of a route's LCP. @param {string} route */
const lcp = async (route) => (await read(`/api/budgets?site=demo&route=${encodeURIComponent(route)}`)).cells.find((/** @type {any} */ cell) => cell.route === route && cell.metric === "LCP");
/** @param {string} route */
const badgeTitle = async (route) => (await workerd.send(`/badge.svg?site=demo&metric=LCP&route=${encodeURIComponent(route)}`)).text.match(/<title>(.*?)<\/title>/)?.[1];

/** Runs the cron until a rule that needs two bad observations has had them, and returns the raised alerts about views. */
async function raisedAlerts() {
  for (let run = 0; run < 3; run += 1) assert.equal((await workerd.send("/cron")).status, 200, workerd.errors());
  const { raised } = await read("/api/alerts?site=demo");
  return raised.filter((/** @type {any} */ { signal }) => ["verdict", "evidence", "burn-rate"].includes(signal));
}

/** An address in one network of many. @param {number} network @param {number} host */
const address = (network, host) => (network % 2 ? `2001:db8:${network.toString(16)}:${host.toString(16)}::1` : `8.${network >> 8}.${network & 255}.${host % 256}`);

describe("views of few networks", () => {
  for (const seed of [1, 2, 3]) {
    test(`prove nothing against a budget, whatever is sent (attack ${seed})`, async () => {
      const random = createRandom(seed);
      const below = (/** @type {number} */ bound) => Math.floor(random() * bound);
      const route = `/attack-${seed}`;
      // Honest views, all within the budget, each from a network of its own.
      const honest = seed === 1 ? 0 : 40 + below(60);
      await Promise.all(Array.from({ length: honest }, (_, view) => send(address(1000 + view * 2, 1), { path: route, route, m: { LCP: 300 + below(1500) } })));
      const networks = Array.from({ length: 1 + below(4) }, () => below(60_000));
      const views = 110 + below(200);
      const release = random() < 0.5 ? `9.${seed}` : undefined;
      await Promise.all(Array.from({ length: views }, (_, view) => send(address(networks[view % networks.length], view), { path: route, route, release, w: 1 + below(10_000), m: { LCP: 2001 + below(57_000) } })));

      const cell = await lcp(route);
      assert.deepEqual([cell.n, cell.k, cell.verdict], [honest + views, honest, "insufficient"]);
      assert.match(cell.networks.unproven, /^insufficient evidence: (one network|four networks) sent /);
      assert.ok(cell.networks.top >= views, JSON.stringify(cell.networks));
      assert.match(String(await badgeTitle(route)), /too few to tell$/);
      assert.deepEqual(await raisedAlerts(), []);
      assert.deepEqual(notices, []);
    });
  }

  test("while the same views of many networks page", async () => {
    await Promise.all(Array.from({ length: 110 }, (_, view) => send(address(3000 + view * 2, 1), { path: "/slow", route: "/slow", m: { LCP: 4000 } })));
    const cell = await lcp("/slow");
    assert.deepEqual([cell.n, cell.verdict, cell.networks.unproven], [110, "violated", undefined]);
    assert.ok(cell.networks.networks >= 60 && cell.networks.top < 30, JSON.stringify(cell.networks));
    assert.match(String(await badgeTitle("/slow")), /over budget$/);
    const alerts = await raisedAlerts();
    assert.ok(alerts.length > 0);
    assert.deepEqual([...new Set(alerts.map((/** @type {any} */ { route }) => route))], ["/slow"]);
  });

  test("and views whose address is no one's on the internet count as before", async () => {
    await Promise.all(Array.from({ length: 60 }, () => send("127.0.0.1", { path: "/local", route: "/local", m: { LCP: 4000 } })));
    const { verdict, networks } = await lcp("/local");
    assert.deepEqual([verdict, networks], ["violated", undefined]);
  });
});

describe("page tokens", () => {
  /** Fetches a document, and returns the token of its response. @param {string} site */
  async function fetchDocument(site) {
    origin.on(`/${site}/page`, respond({ "content-type": "text/html", "cache-control": "public, max-age=600" }, "<!doctype html><head></head>"));
    const { status, headers } = await workerd.ask(`/${site}/page`, undefined, { host: "www.example", "sec-fetch-dest": "document" });
    assert.equal(status, 200);
    return /\bevidence;desc=([0-9a-f]{48})\b/.exec(String(headers["server-timing"]))?.[1];
  }
  /** @param {string} site @param {string} [query] */
  const views = async (site, query = "") => (await read(`/api/vitals/summary?site=${site}${query}`)).views;
  let loads = 0;
  /** The id of a page load. */
  const pageLoad = () => (0xf000 + (loads += 1)).toString(16).padStart(24, "0");

  test("differ for each response, also for stored ones, and are of documents of sites that ask for them", async () => {
    const tokens = [await fetchDocument("required"), await fetchDocument("required"), await fetchDocument("required")];
    assert.ok(tokens.every(Boolean));
    assert.equal(new Set(tokens).size, 3);
    assert.equal(origin.requests("/required/page").length, 1);
    assert.equal(await fetchDocument("demo"), undefined);
    const { headers } = await workerd.ask("/required/page", undefined, { host: "www.example", "sec-fetch-dest": "image" });
    assert.doesNotMatch(String(headers["server-timing"]), /evidence/);
  });

  test("prove the views of one page load, and what has none is counted apart", async () => {
    const [token, other] = [await fetchDocument("required"), await fetchDocument("counted")];
    const id = pageLoad();
    for (let view = 0; view < 12; view += 1) await send("8.8.8.8", { site: "required", id, view, e: token });
    // The views beyond those that a token proves are unverified.
    assert.deepEqual([await views("required"), await views("required", "&evidence=unverified")], [10, 2]);
    // Again the same views, later: they count once.
    for (let view = 0; view < 10; view += 1) await send("8.8.8.8", { site: "required", id, view, seq: 1, e: token });
    assert.equal(await views("required"), 10);
    const random = createRandom(7);
    const forged = () => Array.from({ length: 48 }, () => Math.floor(random() * 16).toString(16)).join("");
    // Of other page loads, of another site, forged, cut short, missing.
    for (let use = 0; use < 20; use += 1) await send(address(use, use), { site: "required", id: pageLoad(), e: token });
    for (const e of [other, forged(), token?.slice(1), "", undefined]) await send("8.8.8.8", { site: "required", id: pageLoad(), e });
    assert.deepEqual([await views("required"), await views("required", "&evidence=unverified")], [10, 27]);
    // A report of web-vitals has no token.
    const report = '{"name":"LCP","value":9000,"id":"v5-1-2","navigationType":"navigate"}';
    assert.equal((await workerd.send("/v1/vitals?site=required&path=/", report, { "user-agent": DESKTOP })).status, 200);
    assert.deepEqual([await views("required"), await views("required", "&evidence=unverified")], [10, 28]);
    let { refused } = await read("/api/vitals/summary?site=required");
    // The counts arrive after the responses.
    for (const until = Date.now() + 30_000; refused["evidence-forged"] !== 4 && Date.now() < until; ) ({ refused } = await read("/api/vitals/summary?site=required"));
    assert.deepEqual(refused, { "evidence-forged": 4, "evidence-missing": 2, "evidence-worn-out": 2 });
  });

  test("of a backend are as good", async () => {
    const before = await views("required");
    const told = await pageEvidence({ secret: "an example secret of 32 bytes...", site: "required" });
    await send("8.8.8.8", { site: "required", id: pageLoad(), e: told.replace("evidence;desc=", "") });
    assert.equal(await views("required"), before + 1);
    await assert.rejects(pageEvidence({ secret: "short", site: "required" }), /has 5 bytes; it needs at least 32/);
  });

  test("are only counted where a site says so", async () => {
    await send("8.8.8.8", { site: "counted", id: pageLoad(), e: await fetchDocument("counted") });
    await send("8.8.8.8", { site: "counted", id: pageLoad() });
    assert.deepEqual([await views("counted"), await views("counted", "&evidence=unverified")], [2, 0]);
    let { refused } = await read("/api/vitals/summary?site=counted");
    for (const until = Date.now() + 30_000; refused["evidence-missing"] !== 1 && Date.now() < until; ) ({ refused } = await read("/api/vitals/summary?site=counted"));
    assert.deepEqual(refused, { "evidence-missing": 1 });
  });
});
