// Pushes under faults: a backend that fails in every way, key rotation, clock skew, and workerd killed
// at any moment. In the end the receiver's store equals the ledger, window for window.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { createRandom, product, start } from "../faults/workerd.mjs";
import { beacon, DESKTOP } from "../product.mjs";
import { SECRETS, startBackend } from "./backend.mjs";
import { withCron } from "./cron.mjs";
import { createChecker } from "./openapi.mjs";

const MINUTE = 60_000;
const PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148";
const MANAGE = { authorization: "Bearer manage" };
const READ = { authorization: "Bearer read" };

/** @type {Awaited<ReturnType<typeof startBackend>>} */
let receiver;
/** @type {ReturnType<typeof createChecker>} */
let check;
/** @type {ReturnType<typeof product>} */
let worker;
/** @type {Awaited<ReturnType<typeof start>>} */
let workerd;
// Windows since half an hour ago, each closed at once.
const since = Math.floor(Date.now() / MINUTE) * MINUTE - 30 * MINUTE;
const to = since + 28 * MINUTE;

/** @param {Awaited<ReturnType<typeof startBackend>>} receiver */
const pushTo = (receiver) =>
  withCron(
    product({
      SHARDS: "2",
      READ_TOKEN: "read",
      MANAGE_TOKEN: "manage",
      BACKEND_HEALTH_URL: receiver.url,
      PUSH_KEYS: Object.entries(SECRETS).map(([id, secret]) => `${id}:${secret}`).join("\n"),
      PUSH_EVERY: "minute",
      PUSH_SINCE: String(since),
    }),
  );

before(async () => {
  receiver = await startBackend();
  worker = pushTo(receiver);
  workerd = await start("push", worker, { fresh: true });
  check = createChecker((await workerd.send("/api/openapi.json")).text);
  const random = createRandom(7);
  // Some windows have many views, others none.
  for (let index = 0; index < 240; index += 1) {
    const at = since + Math.floor(random() ** 2 * 27) * MINUTE + Math.floor(random() * MINUTE);
    await visit(workerd, at, { LCP: 500 + Math.floor(random() * 4000), CLS: Math.floor(random() * 3000) }, index);
  }
});
after(async () => {
  await workerd?.kill();
  receiver?.close();
});

/** @param {Awaited<ReturnType<typeof start>>} workerd @param {number} at its start @param {Record<string, number>} m @param {number} index */
async function visit(workerd, at, m, index) {
  const values = beacon({ id: (index * 2654435761 + 1).toString(16).padStart(24, "0"), path: ["/", "/cart", `/product/${index}`][index % 3], age: Date.now() - at, m });
  const { status, text } = await workerd.send("/v1/vitals", JSON.stringify(values), { "user-agent": index % 2 ? PHONE : DESKTOP });
  assert.equal(status, 200, text);
}

/** The Worker's cron. @param {Awaited<ReturnType<typeof start>>} workerd */
async function cron(workerd) {
  assert.equal((await workerd.send("/cron")).status, 200, workerd.errors());
}

/** @param {string} path @param {Record<string, string>} [headers] @param {string} [body] */
async function call(path, headers = {}, body = undefined) {
  const { status, text } = await workerd.send(path, body, headers);
  check(body === undefined ? "GET" : "POST", path, status, status < 400 ? "application/json" : "application/problem+json", text);
  return { status, body: JSON.parse(text) };
}

/** The values of each cell, by window, route, device and metric: of the ledger here, and of the latest documents below. */
async function ledgerCells() {
  const { status, text } = await workerd.send(`/api/vitals/series?site=demo&step=minute&by=route,device&from=${since}&to=${to - 1}&limit=5000`);
  assert.equal(status, 200, text);
  /** @type {Record<string, unknown>} */
  const values = {};
  for (const { at, group, metric, n, p50, p75, p95, good, poor } of JSON.parse(text).lines) {
    values[`${at} ${group.route} ${group.device} ${metric}`] = { n, p50, p75, p95, good, poor };
  }
  return values;
}

/** @param {Awaited<ReturnType<typeof startBackend>>} receiver */
function latestCells(receiver) {
  /** @type {Map<number, import("../../pkg/types/backend.js").Push>} */
  const latest = new Map();
  for (const push of receiver.stored.values()) {
    const previous = latest.get(+push.start);
    if (!previous || previous.revision < push.revision) latest.set(+push.start, push);
  }
  /** @type {Record<string, unknown>} */
  const values = {};
  for (const [start, { document }] of latest) {
    assert.deepEqual([document.start, document.end, document.span, document.site], [start, start + MINUTE, "minute", "demo"]);
    for (const { route, device, metric, n, p50, p75, p95, good, poor } of document.cells) {
      if (start < to) values[`${start} ${route} ${device} ${metric}`] = { n, p50, p75, p95, good, poor };
    }
  }
  return values;
}

/** Tells whether the receiver has every window. @param {Awaited<ReturnType<typeof startBackend>>} receiver @param {number} [end] */
const hasAll = (receiver, end = to) => Array.from({ length: (end - since) / MINUTE }, (_, index) => `demo.minute.${since + index * MINUTE}.0`).every((key) => receiver.stored.has(key));

test("the backend's store equals the ledger, window for window, after any failures", async () => {
  receiver.script.push("take", { status: 500 }, "take", "lose", "reset-after", "take", { status: 429, headers: { "retry-after": "2" } }, "take", { status: 503 }, "lose", "hold");
  await cron(workerd);
  await receiver.until(() => receiver.holding.length > 0 || receiver.answered.length === 11);
  // Visits are accepted and read while the backend does not respond.
  await visit(workerd, to - MINUTE + 1, { LCP: 1111 }, 999);
  assert.equal((await call("/api/push?site=demo", READ)).body.backends[0].circuit, "closed");
  receiver.holding.shift()?.();
  await receiver.until(() => hasAll(receiver));
  // One view was late: the cron sends its window again.
  await cron(workerd);
  const expected = await ledgerCells();
  await receiver.until(() => isDeepStrictEqual(latestCells(receiver), expected));
  const found = latestCells(receiver);
  assert.ok(Object.keys(found).length > 100, `${Object.keys(found).length} cells`);
  assert.deepEqual(receiver.answered.slice(0, 11), [200, 500, 200, 0, 0, 200, 429, 200, 503, 0, 200]);
  const [{ waiting, trouble, parked }] = (await call("/api/push?site=demo", READ)).body.backends;
  assert.deepEqual([waiting, trouble, parked], [0, undefined, []]);
});

test("a late view makes a new revision of its window", async () => {
  const at = since + 3 * MINUTE;
  await visit(workerd, at + 5, { LCP: 3210, CLS: 1 }, 3000);
  await cron(workerd);
  await receiver.until(() => receiver.stored.has(`demo.minute.${at}.1`));
  assert.deepEqual(latestCells(receiver), await ledgerCells());
  const [first, second] = [0, 1].map((revision) => receiver.stored.get(`demo.minute.${at}.${revision}`)?.document);
  assert.equal(second.views, first.views + 1);
  await cron(workerd);
  assert.ok(!receiver.stored.has(`demo.minute.${at}.2`), "an unchanged window is not sent again");
});

test("a permanently rejected push is parked, listed, and sent again on request", async () => {
  const at = since + 4 * MINUTE;
  receiver.script.push({ status: 422 });
  await visit(workerd, at + 5, { LCP: 1 }, 4000);
  await visit(workerd, at + MINUTE + 5, { LCP: 1 }, 4001);
  await cron(workerd);
  await receiver.until(() => receiver.stored.has(`demo.minute.${at + MINUTE}.1`));
  const { body } = await call("/api/push?site=demo", READ);
  assert.deepEqual(body.backends[0].parked.map((/** @type {any} */ { key, status }) => [key, status]), [[`demo.minute.${at}.1`, 422]]);
  assert.equal((await call("/api/push?site=demo")).status, 401);
  assert.equal((await call("/api/push/retry?site=demo", READ, "{}")).status, 401, "a read token does not authorize management");
  assert.equal((await call("/api/push/retry?site=demo", MANAGE, '{"seqs":1}')).status, 400);
  assert.deepEqual((await call("/api/push/retry?site=demo", MANAGE, "{}")).body, { v: 1, site: "demo", again: 1 });
  await receiver.until(() => receiver.stored.has(`demo.minute.${at}.1`));
  assert.deepEqual(latestCells(receiver), await ledgerCells());
});

test("keys rotate in any order while pushes are pending", async () => {
  const at = since + 6 * MINUTE;
  receiver.settings.keys = { "2027-02": SECRETS["2027-02"] };
  await visit(workerd, at + 5, { LCP: 1 }, 5000);
  await cron(workerd);
  await receiver.until(() => receiver.stored.has(`demo.minute.${at}.1`));
  assert.equal(receiver.answered.filter((status) => status === 401).length, 1, "the other key is tried at once");
  receiver.settings.keys = SECRETS;
  await visit(workerd, at + MINUTE + 5, { LCP: 1 }, 5001);
  await cron(workerd);
  await receiver.until(() => receiver.stored.has(`demo.minute.${at + MINUTE}.1`));
  assert.deepEqual(latestCells(receiver), await ledgerCells());
});

test("a backend with clock skew holds the queue until its clock is corrected", async () => {
  const at = since + 8 * MINUTE;
  receiver.settings.now = () => Date.now() + 10 * MINUTE;
  await visit(workerd, at + 5, { LCP: 1 }, 6000);
  const before = receiver.answered.length;
  await cron(workerd);
  await receiver.until(() => receiver.answered.length >= before + 2);
  const { trouble, waiting } = await until(async () => (await call("/api/push?site=demo", READ)).body.backends[0], ({ trouble }) => trouble);
  assert.match(trouble, /responds with 401; check its URL and the signing key/);
  assert.ok(waiting > 0);
  receiver.settings.now = Date.now;
  await call("/api/push/retry?site=demo", MANAGE, "{}");
  await receiver.until(() => receiver.stored.has(`demo.minute.${at}.1`));
  assert.deepEqual(latestCells(receiver), await ledgerCells());
});

test("each window is pushed with effect once, even if workerd is killed at any step", async () => {
  const other = await startBackend();
  const random = createRandom(20261121);
  await workerd.kill();
  let kills = 0;
  try {
    // Each start reuses the storage, now with another, empty backend.
    const renamed = { ...pushTo(other) };
    renamed.bindings = renamed.bindings.map((binding) => binding.replace(`text = "${other.url}"`, `text = "other=${other.url}"`));
    while (!hasAll(other)) {
      workerd = await start("push", renamed);
      const killAfter = other.answered.length + 1 + Math.floor(random() * 4);
      // Some acknowledgements are lost because workerd is killed before it can store them.
      other.script.push(...["take", "reset-after", "take"].slice(0, Math.floor(random() * 4)).map((way) => /** @type {import("./backend.mjs").Way} */ (way)));
      await cron(workerd);
      await other.until(() => other.answered.length >= killAfter || hasAll(other));
      if (hasAll(other)) break;
      await workerd.kill();
      kills += 1;
    }
    console.log(`${kills} kills, ${other.answered.length} requests, ${other.stored.size} stored`);
    assert.ok(kills >= 5, `${kills} kills`);
    assert.deepEqual(latestCells(other), await ledgerCells());
  } finally {
    other.close();
  }
});

/** Repeats a request until the condition holds. @template T @param {() => Promise<T>} request @param {(found: T) => unknown} holds */
async function until(request, holds) {
  for (let tries = 0; ; tries += 1) {
    const found = await request();
    if (holds(found) || tries === 500) return found;
  }
}
